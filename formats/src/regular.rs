//! Regular files only: what is opened never waits, never grows without end, and lies where its name says.
//!
//! A name given by a user or, worse, by a file can lead to a pipe that no one writes to, to a device without an end, or
//! through a link to a file that is none of its business.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Opens a file for reading and returns it with what the system knows of it.
///
/// Links are followed. A pipe is not waited for.
///
/// # Errors
/// If the file cannot be opened, or is a directory, a pipe, a socket or a device; the error says which, and what to do.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Looked at first because opening a device may do something; the opened file is what counts.
    check(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Has no effect on regular files; a pipe put there in the meantime is not waited for.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    check(&found)?;
    Ok((file, found))
}

/// All bytes of a file, as [`open`] opens it.
///
/// # Errors
/// As [`open`], and if the file cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, found) = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

/// Opens the file `name` in the folder of the file `beside` or below, for reading; returns it with its place, by which
/// one file of many names can be known.
///
/// Both may lead through links, but the file must lie in the folder in which `beside` lies, or in the folder that its
/// name says: whatever was opened is looked up there by its true name, without links, so nothing put in its place in
/// between is taken for it.
///
/// # Errors
/// As [`open`], and if the file lies elsewhere.
pub fn open_beside(beside: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let path = folder(beside).join(name);
    let place = fs::canonicalize(&path)?;
    let inside =
        |beside: &Path| -> io::Result<bool> { Ok(place.starts_with(fs::canonicalize(folder(beside))?)) };
    if !inside(beside)? && !inside(&fs::canonicalize(beside)?)? {
        return Err(elsewhere());
    }
    let (file, opened) = open(&place)?;
    // Its folders may have become links since. The file that was opened must still be what is found under its true name.
    if fs::canonicalize(&place)? != place || !same(&opened, &fs::symlink_metadata(&place)?) {
        return Err(elsewhere());
    }
    Ok((file, place))
}

fn elsewhere() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "a link leads out of the folder; only files that lie in it or below are read, copy the file there",
    )
}

#[cfg(unix)]
fn same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same(one: &Metadata, other: &Metadata) -> bool {
    other.is_file() && one.len() == other.len()
}

fn check(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {}", kind(found))))
}

/// What something that is not a regular file is, and what to do.
fn kind(found: &Metadata) -> &'static str {
    if found.is_dir() {
        return "a directory; give the name of a file";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a pipe (as <(…) makes one); write its bytes to a file first and give the name of that";
        }
        if kind.is_socket() {
            return "a socket; give the name of a file";
        }
    }
    "a device; give the name of a file"
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    #[test]
    fn pipes_devices_and_directories_are_refused_at_once_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        symlink("/dev/zero", &link).unwrap();
        for (path, kind) in [
            (pipe.as_path(), "a pipe"),
            (Path::new("/dev/zero"), "a device"),
            (&link, "a device"),
            (folder.path(), "a directory"),
        ] {
            let error = open(path).unwrap_err().to_string();
            assert!(error.contains(kind), "{}: {error}", path.display());
        }
    }

    #[test]
    fn a_link_may_lead_within_the_folder_and_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("folder");
        fs::create_dir_all(folder.join("sub")).unwrap();
        for (name, text) in [("secret", "no"), ("folder/net.onnx", ""), ("folder/sub/blob", "yes")] {
            fs::write(outside.path().join(name), text).unwrap();
        }
        symlink("../secret", folder.join("link")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("sub/blob", folder.join("inside")).unwrap();
        let net = folder.join("net.onnx");
        for name in ["link", "up/secret", "up/folder/../secret"] {
            let error = open_beside(&net, name).unwrap_err();
            assert!(error.to_string().contains("leads out of the folder"), "{name}: {error}");
        }
        let places =
            ["inside", "sub/blob", "up/folder/sub/blob"].map(|name| open_beside(&net, name).unwrap().1);
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
        assert!(open_beside(&net, "none").is_err());
    }

    #[test]
    fn beside_a_link_to_a_net_lies_what_lies_beside_the_net() {
        // As download caches keep files: names in one folder, all of them links into another.
        let cache = tempfile::tempdir().unwrap();
        for folder in ["blobs", "names"] {
            fs::create_dir(cache.path().join(folder)).unwrap();
        }
        for (name, blob) in [("net.onnx", "a1"), ("net.onnx_data", "b2")] {
            fs::write(cache.path().join("blobs").join(blob), blob).unwrap();
            symlink(Path::new("../blobs").join(blob), cache.path().join("names").join(name)).unwrap();
        }
        assert!(open_beside(&cache.path().join("names/net.onnx"), "net.onnx_data").is_ok());
    }
}
