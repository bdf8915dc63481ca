//! A file that appears under its name only when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{FormatError, Origin};

/// A file being written beside its final place: [`commit`](AtomicFile::commit) flushes it to the disk and
/// renames it; dropped before that, it is removed and whatever stood under the name stays as it was.
///
/// A name that is a symbolic link is followed, so that the link stays and the file it names is replaced.
#[derive(Debug)]
pub struct AtomicFile {
    /// What the caller asked for, as errors name it.
    origin: Origin,
    /// The file to be replaced, links resolved.
    target: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Opens a new file in the directory of `path`.
    ///
    /// # Errors
    /// If the directory does not exist or cannot be written, or if `path` names something that is not a
    /// regular file (a directory, a device), which a rename would destroy.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let path = path.as_ref();
        let origin = Origin::file(path);
        let target = target(path, &origin)?;
        let directory = directory(&target);
        let Some(name) = target.file_name() else {
            return Err(origin.error("cannot be written: the path does not end in a file name"));
        };
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file would get them: the process's umask takes its part away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(directory).map_err(|reason| {
            origin.error(match reason.kind() {
                io::ErrorKind::NotFound => format!(
                    "cannot be written: the directory {} does not exist; create it first",
                    directory.display()
                ),
                _ => {
                    format!("cannot be written in the directory {}: {}", directory.display(), plain(&reason))
                }
            })
        })?;
        Ok(Self { origin, target, writer: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Where the bytes go, for errors.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// If the operating system refuses (a full disk, …).
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        self.writer.write_all(bytes).map_err(|reason| unwritable(&self.origin, &reason))
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// # Errors
    /// If the operating system refuses; then nothing of the new file remains.
    pub fn commit(self) -> Result<(), FormatError> {
        let Self { origin, target, writer } = self;
        let file = writer.into_inner().map_err(|failed| unwritable(&origin, failed.error()))?;
        file.as_file().sync_all().map_err(|reason| unwritable(&origin, &reason))?;
        file.persist(&target).map_err(|failed| unwritable(&origin, &failed.error))?;
        // The rename itself is durable only when the directory is; a file system that cannot
        // flush a directory has renamed all the same.
        #[cfg(unix)]
        if let Ok(directory) = File::open(directory(&target)) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.writer.seek(to)
    }
}

/// A nameless file beside `path` that vanishes when closed: for what must be complete before it is placed.
pub(crate) fn scratch_beside(path: &Path, origin: &Origin) -> Result<File, FormatError> {
    tempfile::tempfile_in(directory(path)).map_err(|reason| {
        origin.error(format!(
            "no scratch file can be made in the directory {}: {}",
            directory(path).display(),
            plain(&reason)
        ))
    })
}

/// The error of a write that the operating system refused.
pub(crate) fn unwritable(origin: &Origin, reason: &io::Error) -> FormatError {
    origin.error(format!("cannot be written: {}", plain(reason)))
}

/// The operating system's reason alone: tempfile's errors repeat the path of the hidden file.
fn plain(reason: &io::Error) -> String {
    match reason.get_ref().and_then(|inner| inner.source()) {
        Some(source) => source.to_string(),
        None => reason.to_string(),
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn target(path: &Path, origin: &Origin) -> Result<PathBuf, FormatError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(origin.error("cannot be written: it is a directory; give the name of a file"))
        }
        Ok(found) if !found.is_file() => Err(origin.error(
            "cannot be written: it is a device or pipe, which a rename would replace; give the name of a file",
        )),
        Ok(_) => fs::canonicalize(path).map_err(|reason| unwritable(origin, &reason)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(reason) => Err(unwritable(origin, &reason)),
    }
}
