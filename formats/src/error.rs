//! What is wrong with a file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What a [`FormatError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// What is in the file, or is to go into it: damaged, of another kind, or not to be expressed.
    Content,
    /// The operating system: there is no such file or directory, it must not be read or written, the disk is full.
    System(std::io::ErrorKind),
}

/// What is wrong with a file: where, what was found, what is allowed, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {at}{what}", path.display())]
pub struct FormatError {
    /// What it is about.
    pub kind: FormatErrorKind,
    /// The file; `<memory>` or the like when the bytes did not come from a file.
    pub path: PathBuf,
    /// The place inside the file.
    pub at: Place,
    /// What was found there, what is allowed and what to do.
    pub what: String,
}

/// A place inside a file; empty when the file as a whole is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// A named part of the file, kind and name: ``array `W0` ``, ``section `layer0.bias` ``.
    pub part: Option<String>,
    /// Bytes from the beginning of the part, or of the file where no part is named.
    pub byte: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.part, self.byte) {
            (Some(part), Some(byte)) => write!(f, "{part}, byte {byte}: "),
            (Some(part), None) => write!(f, "{part}: "),
            (None, Some(byte)) => write!(f, "byte {byte}: "),
            (None, None) => Ok(()),
        }
    }
}

/// Where something was read from: a file, and the part of it if it has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    path: PathBuf,
    part: Option<String>,
}

impl Origin {
    /// A whole file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_path_buf(), part: None }
    }

    /// A named part of the same file, e.g. ``array `W0` ``.
    #[must_use]
    pub fn part(&self, part: impl Into<String>) -> Self {
        Self { path: self.path.clone(), part: Some(part.into()) }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the part, or the file, as a whole.
    pub fn error(&self, what: impl Into<String>) -> FormatError {
        self.located(None, what.into())
    }

    /// An error of the operating system, about the part or the file as a whole.
    pub fn system_error(&self, kind: std::io::ErrorKind, what: impl Into<String>) -> FormatError {
        FormatError { kind: FormatErrorKind::System(kind), ..self.located(None, what.into()) }
    }

    /// An error about one byte of the part, or of the file.
    pub fn error_at(&self, byte: u64, what: impl Into<String>) -> FormatError {
        self.located(Some(byte), what.into())
    }

    fn located(&self, byte: Option<u64>, what: String) -> FormatError {
        let at = Place { part: self.part.clone(), byte };
        FormatError { kind: FormatErrorKind::Content, path: self.path.clone(), at, what }
    }
}
