//! The bytes of a file, mapped into memory or read, shared by everything that points into them.
//!
//! The only module of the crate with `unsafe` code: one call, the mapping itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use memmap2::{Mmap, MmapMut};

use crate::error::{FormatError, Origin};
use crate::regular;

/// How the bytes of a file come into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// Read into memory if the file has fewer than [`SMALLEST_MAPPED`] bytes, mapped if it has more: what is small costs
    /// nothing to copy and is safe from whatever happens to the file afterwards.
    #[default]
    BySize,
    /// Mapped: pages are loaded when first used and shared between processes. The file must not be changed
    /// or truncated while it is in use; files written by this crate are replaced by rename, which is safe.
    Mapped,
    /// Read into memory at once: for files that may change under the run, and file systems without mapping.
    Read,
}

/// The length in bytes from which on [`Source::BySize`] maps a file: 64 MiB, which are read in a few hundredths of a second.
pub const SMALLEST_MAPPED: usize = 64 << 20;

/// One cache line of bytes, so that what is read is aligned like what is mapped.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// All bytes of a file, beginning at an address that is a multiple of 64.
#[derive(Debug)]
pub(crate) struct FileBytes(Held);

enum Held {
    Pages { bytes: Mmap, length: usize, source: &'static str },
    Copied { lines: Vec<Line>, length: usize },
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Held::Pages { length, source, .. } => write!(f, "{length} bytes, {source}"),
            Held::Copied { length, .. } => write!(f, "{length} bytes, copied"),
        }
    }
}

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Held::Pages { bytes, length, .. } => &bytes[..*length],
            Held::Copied { lines, length } => &bytemuck::cast_slice(lines)[..*length],
        }
    }
}

impl FileBytes {
    /// A copy of bytes that are in memory already.
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut lines = vec![Line([0; 64]); bytes.len().div_ceil(64)];
        bytemuck::cast_slice_mut::<Line, u8>(&mut lines)[..bytes.len()].copy_from_slice(bytes);
        Self(Held::Copied { lines, length: bytes.len() })
    }

    /// The bytes of the regular file at `path`.
    pub(crate) fn open(path: &Path, source: Source, origin: &Origin) -> Result<Self, FormatError> {
        let refused =
            |reason: std::io::Error| origin.system_error(reason.kind(), format!("cannot be read: {reason}"));
        let (mut file, found) = regular::open(path).map_err(refused)?;
        let length = usize::try_from(found.len()).map_err(|_| {
            origin.error(format!("{} bytes do not fit into this machine's memory", found.len()))
        })?;
        let mapped = match source {
            Source::BySize => length >= SMALLEST_MAPPED,
            // An empty file cannot be mapped.
            Source::Mapped => length > 0,
            Source::Read => false,
        };
        match mapped {
            true => {
                let bytes = map(&file).map_err(refused)?;
                // Rows of weights are fetched from all over a file, and of small pages every one must first be looked
                // up: with large ones a run of 10⁸ synapses takes two thirds of the time. A system that has none
                // for files says so, and nothing is lost.
                #[cfg(target_os = "linux")]
                let _ = bytes.advise(memmap2::Advice::HugePage);
                Ok(Self(Held::Pages { bytes, length, source: "mapped" }))
            }
            false => {
                let mut bytes = MmapMut::map_anon(length.max(1)).map_err(refused)?;
                #[cfg(target_os = "linux")]
                let _ = bytes.advise(memmap2::Advice::HugePage);
                file.read_exact(&mut bytes[..length]).map_err(|reason| match reason.kind() {
                    std::io::ErrorKind::UnexpectedEof => {
                        origin.error("cannot be read: it was cut off while it was read; write it anew")
                    }
                    _ => refused(reason),
                })?;
                let bytes = bytes.make_read_only().map_err(refused)?;
                Ok(Self(Held::Pages { bytes, length, source: "read" }))
            }
        }
    }
}

#[allow(unsafe_code, reason = "memory-mapping is unsafe by nature: another process may change the file")]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this process's reading; it is only ever viewed as integers
    // and floats, of which every bit pattern is a value. What remains is that someone else truncates or
    // rewrites the file in place while it is mapped. This crate never does (it writes beside and renames, so
    // that an open map keeps the old file); `Source` documents it for the user and offers `Source::Read`.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_read_and_large_ones_mapped_unless_one_or_the_other_is_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let origin = Origin::file(file.path());
        // All zeros, without a place on the disk.
        for (length, source, way) in [
            (0, Source::BySize, "read"),
            (1, Source::BySize, "read"),
            (SMALLEST_MAPPED - 1, Source::BySize, "read"),
            (SMALLEST_MAPPED, Source::BySize, "mapped"),
            (SMALLEST_MAPPED, Source::Read, "read"),
            (1, Source::Mapped, "mapped"),
            (0, Source::Mapped, "read"),
        ] {
            file.as_file().set_len(length as u64).unwrap();
            let bytes = FileBytes::open(file.path(), source, &origin).unwrap();
            assert_eq!(bytes.as_ref().len(), length);
            let told = format!("{bytes:?}");
            assert!(told.contains(&format!("{length} bytes, {way}")), "{source:?}: {told}");
        }
    }

    #[test]
    fn what_was_read_stays_as_it_was_when_the_file_is_rewritten_in_place_or_cut_off() {
        use std::io::{Seek, Write};
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 5000]).unwrap();
        let bytes = FileBytes::open(file.path(), Source::default(), &Origin::file(file.path())).unwrap();
        file.rewind().unwrap();
        file.write_all(&[8; 5000]).unwrap();
        assert!(bytes.as_ref() == [7; 5000]);
        file.as_file().set_len(0).unwrap();
        assert!(bytes.as_ref() == [7; 5000]);
    }
}
