//! The generic part of `net.bin`: a JSON head and named sections of numbers, each with a checksum.
//!
//! Layout, versions 1 and 2, everything little-endian (docs/net-format.md has it byte by byte):
//!
//! ```text
//!  0  magic           89 53 4E 4E 0D 0A 1A 0A
//!  8  u32 version     1 or 2
//! 12  u32 CRC-32 of the head
//! 16  u64 length of the head in bytes
//! 24  u64 length of the file in bytes
//! 32  28 zero bytes
//! 60  u32 CRC-32 of bytes 0 to 59
//! 64  the head: JSON
//!     zeros up to a multiple of 64, where the payload begins
//!     the sections, each beginning at a multiple of 64, zeros in between; the file ends with the last one
//! ```
//!
//! The CRC-32 is that of zip and `zlib.crc32`. Nothing in the file is left unguarded: checksums cover the
//! prelude, the head and every section, and what lies between must be zero, so that no single flipped bit,
//! cut or added byte passes. All of it is checked before anything is handed out.

mod section;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::digest::{Digest, Digester};
use crate::error::{FormatError, Origin};
use crate::map::{FileBytes, Source};
pub use section::{Dtype, Section, SectionElement, SectionEntry};
pub use write::ContainerWriter;

/// The first eight bytes: not text, "SNN", and line ends that a transfer as text would spoil.
pub const MAGIC: [u8; 8] = *b"\x89SNN\r\n\x1a\n";
/// The first version of the layout, which is written where it suffices.
pub const FIRST_VERSION: u32 = 1;
/// The latest version that is read.
pub const VERSION: u32 = 3;
/// Sections begin at multiples of this many bytes.
pub const ALIGNMENT: usize = 64;
/// Bytes before the head.
const PRELUDE: usize = 64;
/// The longest head: far more than a net of a hundred thousand populations needs.
const MAX_HEAD: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kind: String,
    sections: Vec<SectionEntry>,
    /// As it stands: what it may hold, and so how much memory it may take, is for its kind to say.
    content: Box<RawValue>,
}

/// An open container, wholly checked; its sections are views into the file.
#[derive(Debug)]
pub struct Container {
    bytes: Arc<FileBytes>,
    head: Head,
    /// Places in the table of sections, by name.
    places: HashMap<String, usize>,
    /// Where the payload begins in the file.
    payload: usize,
    version: u32,
    digest: Digest,
    origin: Origin,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("kind", &self.kind)
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

impl Container {
    /// Opens and checks the file at `path`, which must hold a container of this kind (`net` for a net).
    ///
    /// Cost: one pass over the file for the checksums. Memory: at most ten times the head, and the
    /// file itself with [`Source::Read`].
    ///
    /// # Errors
    /// If the file cannot be read, is no container of this kind and version, or is damaged in any way.
    pub fn open(path: impl AsRef<Path>, kind: &str, source: Source) -> Result<Self, FormatError> {
        let origin = Origin::file(path.as_ref());
        Self::check(FileBytes::open(path.as_ref(), source, &origin)?, kind, origin)
    }

    /// The version of the layout that the file states.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The container in a copy of these bytes; `origin` is what errors name.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn parse(bytes: &[u8], kind: &str, origin: &Origin) -> Result<Self, FormatError> {
        Self::check(FileBytes::copied(bytes), kind, origin.clone())
    }

    fn check(file: FileBytes, kind: &str, origin: Origin) -> Result<Self, FormatError> {
        let bytes = file.as_ref();
        let (version, head_bytes, payload) = head(bytes, &origin)?;
        let at_head = origin.part("head");
        let head: Head = serde_json::from_slice(head_bytes)
            .map_err(|reason| at_head.error(format!("its JSON is not as it should be: {reason}")))?;
        if head.kind != kind {
            return Err(at_head.error(format!("this file holds a `{}`, a `{kind}` is expected", head.kind)));
        }
        let mut places = HashMap::with_capacity(head.sections.len());
        let mut digester = Digester::default();
        digester.add(&bytes[..payload]);
        let mut end = payload;
        for (place, entry) in head.sections.iter().enumerate() {
            let origin = origin.part(format!("section `{}`", entry.name));
            if places.insert(entry.name.clone(), place).is_some() {
                return Err(origin.error("the name is given to two sections; each must have its own"));
            }
            let start = end.next_multiple_of(ALIGNMENT);
            let previous = end;
            end = section(bytes, payload, previous, entry, &origin)?;
            digester.add(&bytes[previous..start]);
            // The checksum was just found to be that of the bytes.
            digester.add_known(Digest { bytes: (end - start) as u64, crc32: entry.crc32 });
        }
        if end != bytes.len() {
            return Err(origin.error_at(
                end as u64,
                format!("{} bytes follow the last section; the file must end there", bytes.len() - end),
            ));
        }
        let digest = digester.digest();
        Ok(Self { bytes: Arc::new(file), head, places, payload, version, digest, origin })
    }

    /// Where the container is from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The length of the file in bytes.
    pub fn file_length(&self) -> usize {
        (*self.bytes).as_ref().len()
    }

    /// Of the whole file, as it was when it was opened. It is put together from the checksums of the sections: no further
    /// pass over the file is made for it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the head says beside the table of sections.
    ///
    /// # Errors
    /// If it is not of the form of `C`.
    pub fn content<C: DeserializeOwned>(&self) -> Result<C, FormatError> {
        serde_json::from_str(self.head.content.get()).map_err(|reason| {
            self.origin.part("head").error(format!("its content is not as it should be: {reason}"))
        })
    }

    /// The table of sections, in the order of the file.
    pub fn sections(&self) -> &[SectionEntry] {
        &self.head.sections
    }

    /// The line of this name in the table of sections.
    ///
    /// # Errors
    /// If there is no such section.
    pub fn entry(&self, name: &str) -> Result<&SectionEntry, FormatError> {
        match self.places.get(name) {
            Some(&place) => Ok(&self.head.sections[place]),
            None => Err(self.origin.error(format!("there is no section `{name}`, which the head refers to"))),
        }
    }

    /// The section of this name, which must hold numbers of type `T`. It keeps the file's bytes alive.
    ///
    /// Cost: O(1); no bytes are copied.
    ///
    /// # Errors
    /// If there is no such section, or its type is another.
    pub fn section<T: SectionElement>(&self, name: &str) -> Result<Section<T>, FormatError> {
        let entry = self.entry(name)?;
        if entry.dtype != T::DTYPE {
            return Err(self.origin.part(format!("section `{name}`")).error(format!(
                "it holds {} numbers where {} is expected",
                entry.dtype,
                T::DTYPE
            )));
        }
        // Checked when the file was opened: both fit and lie within the file.
        let start = self.payload + entry.offset as usize;
        let bytes = entry.count as usize * size_of::<T>();
        Ok(Section::new(Arc::clone(&self.bytes), start, bytes))
    }
}

/// Checks everything before the payload; returns the version, the head's bytes and where the payload begins.
fn head<'a>(bytes: &'a [u8], origin: &Origin) -> Result<(u32, &'a [u8], usize), FormatError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(
            origin.error_at(0, "this is no net.bin: it does not begin with the mark 89 53 4E 4E 0D 0A 1A 0A")
        );
    }
    let Some(prelude) = bytes.first_chunk::<PRELUDE>() else {
        return Err(origin.error_at(bytes.len() as u64, "the file is cut off within its first 64 bytes"));
    };
    let u32_at =
        |at: usize| u32::from_le_bytes([prelude[at], prelude[at + 1], prelude[at + 2], prelude[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let version = u32_at(8);
    if !(FIRST_VERSION..=VERSION).contains(&version) {
        return Err(origin.error_at(
            8,
            format!("format version {version} is not known, only {FIRST_VERSION} to {VERSION}; convert the model again, or use a newer snn-event"),
        ));
    }
    if crc32fast::hash(&prelude[..60]) != u32_at(60) || prelude[32..60].iter().any(|&byte| byte != 0) {
        return Err(origin.error_at(0, "the first 64 bytes are damaged (their checksum differs)"));
    }
    let length = bytes.len() as u64;
    if u64_at(24) != length {
        return Err(origin.error_at(
            24,
            format!(
                "{} bytes are stated, the file has {length}; it is {}",
                u64_at(24),
                if u64_at(24) > length { "cut off" } else { "longer than it should be" }
            ),
        ));
    }
    let stated = u64_at(16);
    let head_length = usize::try_from(stated).ok().filter(|&n| n <= MAX_HEAD && n <= bytes.len() - PRELUDE);
    let Some(head_length) = head_length else {
        return Err(origin.error_at(
            16,
            format!(
                "a head of {stated} bytes is stated; the file has room for {}, {MAX_HEAD} are allowed",
                bytes.len() - PRELUDE
            ),
        ));
    };
    let head_end = PRELUDE + head_length;
    let head = &bytes[PRELUDE..head_end];
    if crc32fast::hash(head) != u32_at(12) {
        return Err(origin.part("head").error("it is damaged (its checksum differs)"));
    }
    let payload = head_end.next_multiple_of(ALIGNMENT);
    zeros(bytes, head_end, payload, origin)?;
    Ok((version, head, payload))
}

/// Checks one section, whose predecessor ends at `previous`; returns where it ends.
fn section(
    bytes: &[u8],
    payload: usize,
    previous: usize,
    entry: &SectionEntry,
    origin: &Origin,
) -> Result<usize, FormatError> {
    let start = previous.next_multiple_of(ALIGNMENT);
    let expected = (start - payload) as u64;
    if entry.offset != expected {
        return Err(origin.error(format!(
            "it is said to begin at byte {} of the payload; in its order it must begin at {expected}",
            entry.offset
        )));
    }
    let end = usize::try_from(entry.count)
        .ok()
        .and_then(|count| count.checked_mul(entry.dtype.size())?.checked_add(start))
        .filter(|&end| end <= bytes.len());
    let Some(end) = end else {
        return Err(origin.error(format!(
            "{} numbers of type {} are stated; the file has room for {}",
            entry.count,
            entry.dtype,
            bytes.len().saturating_sub(start) / entry.dtype.size()
        )));
    };
    zeros(bytes, previous, start, origin)?;
    let found = crc32fast::hash(&bytes[start..end]);
    if found != entry.crc32 {
        return Err(origin.error(format!(
            "its bytes are damaged: checksum {found:08x}, {:08x} is stated; copy the file again, or convert anew",
            entry.crc32
        )));
    }
    Ok(end)
}

/// Checks that the bytes in between are there and zero.
fn zeros(bytes: &[u8], from: usize, to: usize, origin: &Origin) -> Result<(), FormatError> {
    let Some(between) = bytes.get(from..to) else {
        return Err(origin.error_at(bytes.len() as u64, "the file is cut off between two sections"));
    };
    match between.iter().position(|&byte| byte != 0) {
        Some(index) => Err(origin.error_at(
            (from + index) as u64,
            format!("byte {:#04x} stands where only zeros fill up", between[index]),
        )),
        None => Ok(()),
    }
}
