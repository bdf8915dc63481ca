//! Writing a container.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{ALIGNMENT, FIRST_VERSION, MAGIC, MAX_HEAD, PRELUDE, SectionElement, SectionEntry, VERSION};
use crate::atomic::AtomicFile;
use crate::digest::{Digest, Digester};
use crate::error::FormatError;

#[derive(Serialize)]
struct HeadToWrite<'a, C> {
    kind: &'a str,
    sections: &'a [SectionEntry],
    content: &'a C,
}

/// A container to be written: sections in order, borrowed until then.
pub struct ContainerWriter<'a> {
    version: u32,
    entries: Vec<SectionEntry>,
    bytes: Vec<&'a [u8]>,
    names: HashSet<String>,
}

impl fmt::Debug for ContainerWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerWriter").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Default for ContainerWriter<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> ContainerWriter<'a> {
    /// A container without sections.
    pub fn new() -> Self {
        Self { version: FIRST_VERSION, entries: vec![], bytes: vec![], names: HashSet::new() }
    }

    /// Has the file state at least this version, which a part of its content needs; the first one if nothing is said.
    ///
    /// # Panics
    /// If there is no such version.
    pub fn needs_version(&mut self, version: u32) {
        assert!((FIRST_VERSION..=VERSION).contains(&version), "version {version} of the layout");
        self.version = self.version.max(version);
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
    /// bytes, whose digest is returned. Sections go straight from where they are to the file.
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
    ) -> Result<Digest, FormatError> {
        let mut file = AtomicFile::create(path)?;
        let mut digester = Digester::default();
        self.pieces(kind, content, |bytes, known| {
            digester.add_piece(bytes, known);
            file.append(bytes)
        })?;
        file.commit()?;
        Ok(digester.digest())
    }

    /// The bytes that [`write`](Self::write) writes.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn bytes(&self, kind: &str, content: &impl Serialize) -> Vec<u8> {
        let mut all = vec![];
        let Ok(()) = self.pieces::<Infallible>(kind, content, |bytes, _| {
            all.extend_from_slice(bytes);
            Ok(())
        });
        all
    }

    /// The digest of the bytes that [`write`](Self::write) writes. O(head): sections are not visited again.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn digest(&self, kind: &str, content: &impl Serialize) -> Digest {
        let mut digester = Digester::default();
        let Ok(()) = self.pieces::<Infallible>(kind, content, |bytes, known| {
            digester.add_piece(bytes, known);
            Ok(())
        });
        digester.digest()
    }

    /// Hands out the bytes of the container, piece by piece, with the CRC-32 of those of which it is known.
    fn pieces<E>(
        &self,
        kind: &str,
        content: &impl Serialize,
        mut piece: impl FnMut(&[u8], Option<u32>) -> Result<(), E>,
    ) -> Result<(), E> {
        let head = serde_json::to_vec(&HeadToWrite { kind, sections: &self.entries, content })
            .unwrap_or_else(|reason| panic!("the head of a `{kind}` is no JSON: {reason}"));
        assert!(head.len() <= MAX_HEAD, "a head of {} bytes, {MAX_HEAD} are allowed", head.len());
        let payload = (PRELUDE + head.len()).next_multiple_of(ALIGNMENT);
        let length = self.entries.last().map_or(payload as u64, |last| {
            payload as u64 + last.offset + last.count * last.dtype.size() as u64
        });
        let mut prelude = [0u8; PRELUDE];
        prelude[..8].copy_from_slice(&MAGIC);
        prelude[8..12].copy_from_slice(&self.version.to_le_bytes());
        prelude[12..16].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
        prelude[16..24].copy_from_slice(&(head.len() as u64).to_le_bytes());
        prelude[24..32].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&prelude[..60]);
        prelude[60..].copy_from_slice(&crc.to_le_bytes());

        piece(&prelude, None)?;
        piece(&head, None)?;
        piece(&[0; ALIGNMENT][..payload - PRELUDE - head.len()], None)?;
        let mut end = 0;
        for (entry, bytes) in self.entries.iter().zip(&self.bytes) {
            piece(&[0; ALIGNMENT][..(entry.offset - end) as usize], None)?;
            piece(bytes, Some(entry.crc32))?;
            end = entry.offset + bytes.len() as u64;
        }
        Ok(())
    }
}
