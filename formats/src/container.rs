//! The generic part of `net.bin`: a JSON head and named sections of numbers, each with a checksum.
//!
//! Layout, version 1, everything little-endian (docs/net-format.md has it byte by byte):
//!
//! ```text
//!  0  magic           89 53 4E 4E 0D 0A 1A 0A
//!  8  u32 version     1
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

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::atomic::AtomicFile;
use crate::error::{FormatError, Origin};
use crate::map::{FileBytes, Source};
use crate::npy::Element;

/// The first eight bytes: not text, "SNN", and line ends that a transfer as text would spoil.
pub const MAGIC: [u8; 8] = *b"\x89SNN\r\n\x1a\n";
/// The version of the layout that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Sections begin at multiples of this many bytes.
pub const ALIGNMENT: usize = 64;
/// Bytes before the head.
const PRELUDE: usize = 64;
/// The longest head: far more than a net of a hundred thousand populations needs.
const MAX_HEAD: usize = 64 << 20;

/// The type of a section's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Unsigned, one byte.
    U8,
    /// Unsigned, two bytes.
    U16,
    /// Unsigned, four bytes.
    U32,
    /// Unsigned, eight bytes.
    U64,
    /// IEEE 754 single precision.
    F32,
}

impl Dtype {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::U16 => 2,
            Dtype::U32 | Dtype::F32 => 4,
            Dtype::U64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::U8 => "u8",
            Dtype::U16 => "u16",
            Dtype::U32 => "u32",
            Dtype::U64 => "u64",
            Dtype::F32 => "f32",
        })
    }
}

/// A number that sections can hold.
pub trait SectionElement: Element + Send + Sync {
    /// Its name in the table of sections.
    const DTYPE: Dtype;
}

macro_rules! section_element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl SectionElement for $type {
            const DTYPE: Dtype = Dtype::$dtype;
        }
    )*};
}

section_element!(u8 => U8, u16 => U16, u32 => U32, u64 => U64, f32 => F32);

/// A line in the table of sections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionEntry {
    /// Unique within the file.
    pub name: String,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// How many numbers.
    pub count: u64,
    /// Where it begins: bytes from the beginning of the payload, which is the first multiple of 64 after the
    /// head. (Not from the beginning of the file: the length of the head would then depend on itself.)
    pub offset: u64,
    /// CRC-32 of its bytes.
    pub crc32: u32,
}

#[derive(Serialize)]
struct HeadToWrite<'a, C> {
    kind: &'a str,
    sections: &'a [SectionEntry],
    content: &'a C,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kind: String,
    sections: Vec<SectionEntry>,
    content: serde_json::Value,
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
    /// Cost: one pass over the file for the checksums. Memory: the head (at most some 20 times its bytes), and
    /// the file itself with [`Source::Read`].
    ///
    /// # Errors
    /// If the file cannot be read, is no container of this kind and version, or is damaged in any way.
    pub fn open(path: impl AsRef<Path>, kind: &str, source: Source) -> Result<Self, FormatError> {
        let origin = Origin::file(path.as_ref());
        Self::check(FileBytes::open(path.as_ref(), source, &origin)?, kind, origin)
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
        let (head_bytes, payload) = head(bytes, &origin)?;
        let at_head = origin.part("head");
        let head: Head = serde_json::from_slice(head_bytes)
            .map_err(|reason| at_head.error(format!("its JSON is not as it should be: {reason}")))?;
        if head.kind != kind {
            return Err(at_head.error(format!("this file holds a `{}`, a `{kind}` is expected", head.kind)));
        }
        let mut places = HashMap::with_capacity(head.sections.len());
        let mut end = payload;
        for (place, entry) in head.sections.iter().enumerate() {
            let origin = origin.part(format!("section `{}`", entry.name));
            if places.insert(entry.name.clone(), place).is_some() {
                return Err(origin.error("the name is given to two sections; each must have its own"));
            }
            end = section(bytes, payload, end, entry, &origin)?;
        }
        if end != bytes.len() {
            return Err(origin.error_at(
                end as u64,
                format!("{} bytes follow the last section; the file must end there", bytes.len() - end),
            ));
        }
        Ok(Self { bytes: Arc::new(file), head, places, payload, origin })
    }

    /// Where the container is from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The length of the file in bytes.
    pub fn file_length(&self) -> usize {
        (*self.bytes).as_ref().len()
    }

    /// What the head says beside the table of sections.
    ///
    /// # Errors
    /// If it is not of the form of `C`.
    pub fn content<C: DeserializeOwned>(&self) -> Result<C, FormatError> {
        C::deserialize(&self.head.content).map_err(|reason| {
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
        Ok(Section { file: Arc::clone(&self.bytes), start, bytes, number: PhantomData })
    }
}

/// Checks everything before the payload; returns the head's bytes and where the payload begins.
fn head<'a>(bytes: &'a [u8], origin: &Origin) -> Result<(&'a [u8], usize), FormatError> {
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
    if version != VERSION {
        return Err(origin.error_at(
            8,
            format!("format version {version} is not known, only {VERSION}; convert the model again, or use a newer snn-event"),
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
    Ok((head, payload))
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

/// The numbers of one section, in place: a view that shares and keeps alive the bytes of the file. Cheap to
/// clone.
pub struct Section<T> {
    file: Arc<FileBytes>,
    /// First byte in the file, and number of bytes: a multiple of the number's size, aligned for it.
    start: usize,
    bytes: usize,
    number: PhantomData<fn() -> T>,
}

impl<T> Clone for Section<T> {
    fn clone(&self) -> Self {
        Self { file: Arc::clone(&self.file), start: self.start, bytes: self.bytes, number: PhantomData }
    }
}

impl<T: SectionElement> AsRef<[T]> for Section<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&(*self.file).as_ref()[self.start..self.start + self.bytes])
    }
}

impl<T: SectionElement> Deref for Section<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_ref()
    }
}

impl<T: SectionElement> fmt::Debug for Section<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers of type {} at byte {}", self.len(), T::DTYPE, self.start)
    }
}

/// A container to be written: sections in order, borrowed until then.
#[derive(Default)]
pub struct ContainerWriter<'a> {
    entries: Vec<SectionEntry>,
    bytes: Vec<&'a [u8]>,
    names: HashSet<String>,
}

impl fmt::Debug for ContainerWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerWriter").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl<'a> ContainerWriter<'a> {
    /// A container without sections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a section. Cost: one pass for the checksum.
    ///
    /// # Panics
    /// If a section of this name was added before.
    pub fn section<T: SectionElement>(&mut self, name: impl Into<String>, numbers: &'a [T]) {
        let name = name.into();
        assert!(self.names.insert(name.clone()), "section `{name}` was added before");
        let end =
            self.entries.last().map_or(0, |entry| entry.offset + entry.count * entry.dtype.size() as u64);
        let bytes = bytemuck::cast_slice(numbers);
        self.entries.push(SectionEntry {
            name,
            dtype: T::DTYPE,
            count: numbers.len() as u64,
            offset: end.next_multiple_of(ALIGNMENT as u64),
            crc32: crc32fast::hash(bytes),
        });
        self.bytes.push(bytes);
    }

    /// Writes the container to `path`, complete or not at all. The same content and sections give the same
    /// bytes. Sections go straight from where they are to the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If `content` cannot be JSON (a map whose keys are no text), or the head would be longer than 64 MiB.
    pub fn write(
        &self,
        path: impl AsRef<Path>,
        kind: &str,
        content: &impl Serialize,
    ) -> Result<(), FormatError> {
        let head = serde_json::to_vec(&HeadToWrite { kind, sections: &self.entries, content })
            .unwrap_or_else(|reason| panic!("the head of a `{kind}` is no JSON: {reason}"));
        assert!(head.len() <= MAX_HEAD, "a head of {} bytes, {MAX_HEAD} are allowed", head.len());
        let payload = (PRELUDE + head.len()).next_multiple_of(ALIGNMENT);
        let length = self.entries.last().map_or(payload as u64, |last| {
            payload as u64 + last.offset + last.count * last.dtype.size() as u64
        });
        let mut prelude = [0u8; PRELUDE];
        prelude[..8].copy_from_slice(&MAGIC);
        prelude[8..12].copy_from_slice(&VERSION.to_le_bytes());
        prelude[12..16].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
        prelude[16..24].copy_from_slice(&(head.len() as u64).to_le_bytes());
        prelude[24..32].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&prelude[..60]);
        prelude[60..].copy_from_slice(&crc.to_le_bytes());

        let mut file = AtomicFile::create(path)?;
        file.append(&prelude)?;
        file.append(&head)?;
        file.append(&[0; ALIGNMENT][..payload - PRELUDE - head.len()])?;
        let mut end = 0;
        for (entry, bytes) in self.entries.iter().zip(&self.bytes) {
            file.append(&[0; ALIGNMENT][..(entry.offset - end) as usize])?;
            file.append(bytes)?;
            end = entry.offset + bytes.len() as u64;
        }
        file.commit()
    }
}
