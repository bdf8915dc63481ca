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
    /// Mapped: pages are loaded when first used and shared between processes. The file must not be changed
    /// or truncated while it is in use; files written by this crate are replaced by rename, which is safe.
    #[default]
    Mapped,
    /// Read into memory at once: for files that may change under the run, and file systems without mapping.
    Read,
}

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
        let refused = |reason: std::io::Error| origin.error(format!("cannot be read: {reason}"));
        let (mut file, found) = regular::open(path).map_err(refused)?;
        let length = usize::try_from(found.len()).map_err(|_| {
            origin.error(format!("{} bytes do not fit into this machine's memory", found.len()))
        })?;
        match source {
            // An empty file cannot be mapped.
            Source::Mapped if length > 0 => {
                let bytes = map(&file).map_err(refused)?;
                // Rows of weights are fetched from all over a file, and of small pages every one must first be looked
                // up: with large ones a run of 10⁸ synapses takes two thirds of the time. A system that has none
                // for files says so, and nothing is lost.
                #[cfg(target_os = "linux")]
                let _ = bytes.advise(memmap2::Advice::HugePage);
                Ok(Self(Held::Pages { bytes, length, source: "mapped" }))
            }
            _ => {
                let mut bytes = MmapMut::map_anon(length.max(1)).map_err(refused)?;
                #[cfg(target_os = "linux")]
                let _ = bytes.advise(memmap2::Advice::HugePage);
                file.read_exact(&mut bytes[..length]).map_err(refused)?;
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
