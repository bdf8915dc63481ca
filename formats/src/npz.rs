//! `.npz` files: arrays by name, each an `.npy` file inside a zip archive, stored or deflated.
//!
//! The only module that knows the `zip` crate.
//!
//! Against archives that unfold into far more than they are: an array is read only when asked for; its
//! unpacked length must be what its own `.npy` header needs; that length may be at most [`MAX_RATIO`] times the
//! packed length, which must lie within the file; and no byte of the file may belong to two entries. Memory
//! is taken as the bytes really come out, never on the word of a header alone.

use std::collections::HashSet;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::array::Array;
use crate::atomic::{AtomicFile, unwritable};
use crate::digest::Digest;
use crate::error::{FormatError, Origin};
use crate::map::{FileBytes, Source};
use crate::npy::{self, Element, element_count, header};

/// The most bytes that one packed byte can unfold into: 1032, the limit of the deflate format itself (two bits
/// for a repetition of 258 bytes). Every array that deflate can have made is accepted, nothing else is.
pub const MAX_RATIO: u64 = 1032;

/// What the deflate format may need beyond the ratio: block headers of a very short entry.
const SLACK: u64 = 1032 * 64;

/// An open `.npz` file.
pub struct NpzReader {
    archive: ZipArchive<Cursor<FileBytes>>,
    /// Names as the archive has them.
    entries: Vec<String>,
    digest: Digest,
    origin: Origin,
}

impl std::fmt::Debug for NpzReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpzReader").field("origin", &self.origin).field("entries", &self.entries).finish()
    }
}

impl NpzReader {
    /// Opens the file and reads its table of contents. A file of 64 MiB or more is mapped.
    ///
    /// Cost: O(bytes of the file) for its digest.
    ///
    /// # Errors
    /// If the file cannot be read or is no sound zip archive.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let origin = Origin::file(path.as_ref());
        let bytes = FileBytes::open(path.as_ref(), Source::BySize, &origin)?;
        Self::of(bytes, origin)
    }

    /// The archive in these bytes; `origin` is what errors name.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn parse(bytes: Vec<u8>, origin: &Origin) -> Result<Self, FormatError> {
        Self::of(FileBytes::copied(&bytes), origin.clone())
    }

    fn of(bytes: FileBytes, origin: Origin) -> Result<Self, FormatError> {
        let digest = Digest::of(bytes.as_ref());
        let unsound = |reason: ZipError| origin.error(format!("this is no sound .npz (zip) file: {reason}"));
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unsound)?;
        if archive.has_duplicate_names() {
            return Err(origin.error("two arrays have the same name; save each name once"));
        }
        if archive.has_overlapping_entries().map_err(unsound)? {
            return Err(
                origin.error("entries of the zip archive overlap: it is damaged, or made to fill memory")
            );
        }
        let entries = archive
            .file_names()
            .map(|name| name.map(|name| name.into_owned()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unsound)?;
        Ok(Self { archive, entries, digest, origin })
    }

    /// Of the whole file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where the archive is from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The names of the arrays, without `.npy`, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.strip_suffix(".npy").unwrap_or(entry))
    }

    /// Whether there is an array of this name, given with or without `.npy`.
    pub fn contains(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The array of this name, given with or without `.npy`.
    ///
    /// # Errors
    /// If there is none, if its checksum is wrong, or as for [`npy::read`].
    pub fn read(&mut self, name: &str) -> Result<Array, FormatError> {
        let Some(entry) = self.entry(name) else {
            let names: Vec<&str> = self.names().collect();
            return Err(self
                .origin
                .error(format!("there is no array `{name}`; there are: {}", names.join(", "))));
        };
        let origin = self.origin.part(format!("array `{name}`"));
        let unsound = |reason: ZipError| origin.error(format!("cannot be unpacked: {reason}"));
        let mut file = self.archive.by_index(entry).map_err(unsound)?;
        let (packed, length) = (file.compressed_size(), file.size());
        let most = match file.compression() {
            CompressionMethod::Stored => packed,
            CompressionMethod::Deflated => packed.saturating_mul(MAX_RATIO).saturating_add(SLACK),
            other => {
                return Err(origin.error(format!(
                    "it is packed by {other:?}; only stored and deflated are read (numpy.savez, numpy.savez_compressed)"
                )));
            }
        };
        if length > most {
            return Err(origin.error(format!(
                "{packed} packed bytes are said to unfold into {length}; at most {most} are possible"
            )));
        }
        let spoilt = |reason: io::Error| origin.error(format!("cannot be unpacked: {reason}"));
        let mut bytes = Vec::new();
        file.by_ref().take(header::MAX_HEADER as u64).read_to_end(&mut bytes).map_err(spoilt)?;
        let head = header::parse(&bytes, length, &origin)?;
        // Grows with what comes out, by doubling; one byte more would be one too many.
        file.by_ref()
            .take((length + 1).saturating_sub(bytes.len() as u64))
            .read_to_end(&mut bytes)
            .map_err(spoilt)?;
        if bytes.len() as u64 != length {
            return Err(
                origin.error(format!("{length} unpacked bytes are stated, {} were found", bytes.len()))
            );
        }
        npy::decode(head, &bytes, &origin)
    }

    fn entry(&self, name: &str) -> Option<usize> {
        let exact = self.entries.iter().position(|entry| entry == name);
        exact.or_else(|| self.entries.iter().position(|entry| entry.strip_suffix(".npy") == Some(name)))
    }
}

/// Whether the arrays of an `.npz` file are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are, like `numpy.savez`.
    #[default]
    Stored,
    /// Deflated, like `numpy.savez_compressed`.
    Deflated,
}

/// An `.npz` file being written: complete at [`finish`](Self::finish), or not there at all.
///
/// The same arrays give the same bytes: every entry is dated 1980-01-01, in the order of the calls. (Deflated
/// bytes may change with a new version of the packing library; what they unpack to does not.)
pub struct NpzWriter {
    zip: ZipWriter<AtomicFile>,
    origin: Origin,
    method: CompressionMethod,
    names: HashSet<String>,
    /// Bytes still to come of the array begun last.
    missing: u64,
}

impl std::fmt::Debug for NpzWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpzWriter").field("origin", &self.origin).field("names", &self.names).finish()
    }
}

impl NpzWriter {
    /// Begins a file beside `path`.
    ///
    /// # Errors
    /// If it cannot be written there; see [`AtomicFile::create`].
    pub fn create(path: impl AsRef<Path>, compression: Compression) -> Result<Self, FormatError> {
        let file = AtomicFile::create(path)?;
        let origin = file.origin().clone();
        let method = match compression {
            Compression::Stored => CompressionMethod::Stored,
            Compression::Deflated => CompressionMethod::Deflated,
        };
        Ok(Self { zip: ZipWriter::new(file), origin, method, names: HashSet::new(), missing: 0 })
    }

    /// Adds an array of this name (without `.npy`) and shape, values in C order.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape, or the name was given before.
    pub fn add<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<(), FormatError> {
        assert_eq!(
            element_count(shape),
            Some(values.len()),
            "array `{name}` of shape {shape:?} was given {} values",
            values.len()
        );
        self.begin::<T>(name, shape)?;
        self.append(bytemuck::cast_slice(values))
    }

    /// Begins an array of this name (without `.npy`) and shape, whose values, C order, are to be
    /// [appended](Self::append).
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the name was given before, or the array before has not got all its values.
    pub(crate) fn begin<T: Element>(&mut self, name: &str, shape: &[usize]) -> Result<(), FormatError> {
        self.assert_complete();
        assert!(self.names.insert(name.to_owned()), "array `{name}` was written before");
        let header = npy::header_bytes(T::DESCR, shape);
        let values = element_count(shape).and_then(|count| (count as u64).checked_mul(size_of::<T>() as u64));
        let Some(values) = values else {
            panic!("array `{name}` of shape {shape:?} is too large to be counted")
        };
        let length = values.saturating_add(header.len() as u64);
        let options = SimpleFileOptions::default()
            .compression_method(self.method)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            // Deflate may lengthen what cannot be packed by a few bytes per block.
            .large_file(length.saturating_add(length / 1024) >= u64::from(u32::MAX) - (1 << 16));
        let begun = self.zip.start_file(format!("{name}.npy"), options);
        begun.map_err(|reason| unwritable(&self.origin, &io::Error::from(reason)))?;
        self.zip.write_all(&header).map_err(|reason| unwritable(&self.origin, &reason))?;
        self.missing = values;
        Ok(())
    }

    /// Appends values, little-endian, to the array begun last.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If these are more than its shape has room for.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let length = bytes.len() as u64;
        assert!(length <= self.missing, "{length} bytes for an array that misses {}", self.missing);
        self.missing -= length;
        self.zip.write_all(bytes).map_err(|reason| unwritable(&self.origin, &reason))
    }

    fn assert_complete(&self) {
        assert_eq!(self.missing, 0, "an array of {} misses bytes", self.origin.path().display());
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of it remains.
    pub fn finish(self) -> Result<(), FormatError> {
        self.assert_complete();
        let Self { zip, origin, .. } = self;
        zip.finish().map_err(|reason| unwritable(&origin, &io::Error::from(reason)))?.commit()
    }
}
