//! Files that are read piece by piece: their digest, and whether they are still as they were when it was taken.

use snn_formats::{Digest, Digester};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file's length, and when it was changed last.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of an open file, which lies at `path`.
    pub(super) fn of(path: &Path, file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Stamp { path: path.to_owned(), length: found.len(), modified: found.modified().ok() })
    }

    /// That it is the same file still.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        let found = std::fs::metadata(&self.path)
            .map_err(|error| format!("`{}` cannot be looked at again: {error}", self.path.display()))?;
        if (found.len(), found.modified().ok()) == (self.length, self.modified) {
            return Ok(());
        }
        Err(format!(
            "`{}` was changed while it was read; read it again when it is complete",
            self.path.display()
        ))
    }
}

/// Of all bytes of a file, from where it stands; it is back at its beginning then.
pub(super) fn digest(file: &mut File) -> io::Result<Digest> {
    let mut digester = Digester::default();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            read => digester.add(&bytes[..read]),
        }
    }
    file.rewind()?;
    Ok(digester.digest())
}
