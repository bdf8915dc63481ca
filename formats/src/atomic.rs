//! A file that appears under its name only when it is complete.
//!
//! On Linux the bytes go to a file without a name (`O_TMPFILE`, open(2)), which the kernel frees however the process
//! ends; it gets its name at [`AtomicFile::commit`]. To take the place of a file that is there it needs a passing
//! name, `.NAME.replacing`, between two calls of the kernel; if the process is killed exactly between them the name
//! stays, and the next writing of the same file takes it away. File systems without such files (NFS, FAT) and other
//! systems get a hidden file beside the final one, which goes with the process's own end, and with that by a signal
//! if the program calls [`abandon`]; only a kill leaves it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::error::{FormatError, Origin};

/// Names beside the final ones that must not outlive the process. Whoever makes or removes such a name holds the lock.
static PASSING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn passing() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole after a panic, too.
    PASSING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what unfinished files of this process have names; afterwards no file gets its name any more. For the last
/// moment of a process that a signal ends: call it, then end the process.
///
/// It waits for a file that is just being given its name (two calls of the kernel).
pub fn abandon() {
    let mut names = passing();
    for name in names.drain(..) {
        // Nothing else can be done about it now.
        let _ = fs::remove_file(name);
    }
    std::mem::forget(names);
}

/// A file being written beside its final place: [`commit`](AtomicFile::commit) flushes it to the disk and
/// gives it its name; dropped before that, it is gone and whatever stood under the name stays as it was.
///
/// A name that is a symbolic link is followed, so that the link stays and the file it names is replaced or made.
#[derive(Debug)]
pub struct AtomicFile {
    /// What the caller asked for, as errors name it.
    origin: Origin,
    /// The file to be replaced, links resolved.
    target: PathBuf,
    writer: BufWriter<Unplaced>,
}

/// A file that has not got its name.
#[derive(Debug)]
enum Unplaced {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Hidden(Hidden),
}

/// A hidden file, listed in [`PASSING`] as long as it is there.
#[derive(Debug)]
struct Hidden(Option<NamedTempFile>);

impl Drop for Hidden {
    fn drop(&mut self) {
        let mut names = passing();
        if let Some(file) = self.0.take() {
            names.retain(|name| name != file.path());
            drop(file);
        }
    }
}

impl Unplaced {
    /// A new file in the directory of `target`.
    fn beside(target: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless_in(directory(target)) {
            return Ok(Self::Nameless(file));
        }
        Self::hidden_beside(target)
    }

    fn hidden_beside(target: &Path) -> io::Result<Self> {
        let mut prefix = OsString::from(".");
        prefix.push(target.file_name().unwrap_or_default());
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file would get them: the process's umask takes its part away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut names = passing();
        let file = builder.tempfile_in(directory(target))?;
        names.push(file.path().to_path_buf());
        Ok(Self::Hidden(Hidden(Some(file))))
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => file,
            Self::Hidden(Hidden(file)) => {
                file.as_ref().expect("it is taken only when it is placed").as_file()
            }
        }
    }

    /// Gives the file its name.
    fn place(self, target: &Path) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => place_nameless(&file, target),
            Self::Hidden(mut hidden) => {
                let mut names = passing();
                let file = hidden.0.take().expect("it is taken only here and at its end");
                names.retain(|name| name != file.path());
                file.persist(target).map(drop).map_err(|failed| failed.error)
            }
        }
    }
}

/// A file without a name, if file system and kernel have such files and can name them later.
#[cfg(target_os = "linux")]
fn nameless_in(directory: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)).ok()?);
    // Its name is made of the link that /proc has of it; where /proc is not mounted there is none.
    fs::metadata(by_descriptor(&file)).ok()?;
    Some(file)
}

#[cfg(target_os = "linux")]
fn by_descriptor(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(target_os = "linux")]
fn place_nameless(file: &File, target: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let link = |name: &Path| -> io::Result<()> {
        Ok(linkat(CWD, by_descriptor(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    };
    let names = passing();
    match link(target) {
        Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".replacing");
    let passing_name = target.with_file_name(name);
    loop {
        match link(&passing_name) {
            Ok(()) => {}
            // Of a process that was killed, or of another that writes the same file at this moment: that one finds its
            // name gone and makes it again.
            Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {
                match fs::remove_file(&passing_name) {
                    Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(reason),
                    _ => continue,
                }
            }
            Err(reason) => return Err(reason),
        }
        match fs::rename(&passing_name, target) {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound && directory(target).is_dir() => {}
            Err(reason) => {
                let _ = fs::remove_file(&passing_name);
                return Err(reason);
            }
            Ok(()) => {
                drop(names);
                return Ok(());
            }
        }
    }
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
        if target.file_name().is_none() {
            return Err(origin.error("cannot be written: the path does not end in a file name"));
        }
        let directory = directory(&target);
        let file = Unplaced::beside(&target).map_err(|reason| {
            let what = match reason.kind() {
                io::ErrorKind::NotFound => format!(
                    "cannot be written: the directory {} does not exist; create it first",
                    directory.display()
                ),
                _ => {
                    format!("cannot be written in the directory {}: {}", directory.display(), plain(&reason))
                }
            };
            origin.system_error(reason.kind(), what)
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
        file.file().sync_all().map_err(|reason| unwritable(&origin, &reason))?;
        file.place(&target).map_err(|reason| unwritable(&origin, &reason))?;
        // The name itself is durable only when the directory is; a file system that cannot
        // flush a directory has named the file all the same.
        #[cfg(unix)]
        if let Ok(directory) = File::open(directory(&target)) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Write for Unplaced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for Unplaced {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file().seek(to)
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
    origin.system_error(reason.kind(), format!("cannot be written: {}", plain(reason)))
}

/// The operating system's reason alone: tempfile's errors repeat the path of the hidden file.
fn plain(reason: &io::Error) -> String {
    match reason.get_ref().and_then(|inner| inner.source()) {
        Some(source) => source.to_string(),
        None => reason.to_string(),
    }
}

/// The directory that a path is in.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The most symbolic links that are followed from one name, as Linux has it.
const MOST_LINKS: usize = 40;

/// The place that a name stands for, whether something is there or not: links are followed, the last one, too.
pub(crate) fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::canonicalize(&path) {
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        match fs::read_link(&path) {
            // A link to nothing, relative to where it is.
            Ok(next) => path = directory(&path).join(next),
            Err(_) => {
                let Some(name) = path.file_name() else { return Ok(path) };
                return Ok(
                    fs::canonicalize(directory(&path)).map_or(path.clone(), |folder| folder.join(name))
                );
            }
        }
    }
    Err(io::Error::other(format!("more than {MOST_LINKS} symbolic links lead on from it")))
}

fn target(path: &Path, origin: &Origin) -> Result<PathBuf, FormatError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(origin.system_error(
            io::ErrorKind::IsADirectory,
            "cannot be written: it is a directory; give the name of a file",
        )),
        Ok(found) if !found.is_file() => Err(origin.error(
            "cannot be written: it is a device or pipe, which would be replaced; give the name of a file",
        )),
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => Err(unwritable(origin, &reason)),
        _ => resolved(path).map_err(|reason| unwritable(origin, &reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    /// Both ways of writing, whatever this machine has.
    const WAYS: [fn(&Path) -> io::Result<Unplaced>; 2] = [Unplaced::beside, Unplaced::hidden_beside];

    #[test]
    fn a_file_gets_its_name_or_takes_the_place_of_another_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("net.bin");
        for before in [None, Some("old")] {
            for way in WAYS {
                let _ = fs::remove_file(&target);
                if let Some(before) = before {
                    fs::write(&target, before).unwrap();
                }
                let way = way(&target).unwrap();
                way.file().write_all(b"new").unwrap();
                way.place(&target).unwrap();
                assert_eq!(fs::read(&target).unwrap(), b"new");
                assert_eq!(names(folder.path()), ["net.bin"]);
            }
        }
    }

    #[test]
    fn a_file_that_is_dropped_leaves_nothing_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("net.bin");
        fs::write(&target, "old").unwrap();
        for way in WAYS {
            let way = way(&target).unwrap();
            way.file().write_all(b"new").unwrap();
            drop(way);
            assert_eq!(names(folder.path()), ["net.bin"]);
            assert_eq!(fs::read(&target).unwrap(), b"old");
        }
    }

    #[test]
    fn a_passing_name_that_a_killed_process_left_is_taken_away_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("net.bin");
        fs::write(&target, "old").unwrap();
        fs::write(folder.path().join(".net.bin.replacing"), "left").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        if !matches!(file.writer.get_ref(), Unplaced::Hidden(_)) {
            file.append(b"new").unwrap();
            file.commit().unwrap();
            assert_eq!(names(folder.path()), ["net.bin"]);
            assert_eq!(fs::read(&target).unwrap(), b"new");
        }
    }

    #[test]
    fn writers_of_the_same_name_at_the_same_time_all_succeed_and_leave_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("net.bin");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut file = AtomicFile::create(target).unwrap();
                        file.append(&[writer; 1000]).unwrap();
                        file.commit().unwrap();
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), ["net.bin"]);
        let bytes = fs::read(&target).unwrap();
        assert_eq!(bytes, [bytes[0]; 1000]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_whether_it_leads_to_a_file_or_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let link = folder.path().join("net.bin");
        std::os::unix::fs::symlink("there/next", &link).unwrap();
        std::os::unix::fs::symlink("real.bin", folder.path().join("there/next")).unwrap();
        for bytes in [b"one", b"two"] {
            let mut file = AtomicFile::create(&link).unwrap();
            file.append(bytes).unwrap();
            file.commit().unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(folder.path().join("there/real.bin")).unwrap(), bytes);
            assert_eq!(names(&folder.path().join("there")), ["next", "real.bin"]);
        }
        std::os::unix::fs::symlink("round", folder.path().join("round")).unwrap();
        let error = AtomicFile::create(folder.path().join("round")).unwrap_err().to_string();
        assert!(error.contains("round: cannot be written: "), "{error}");
    }
}
