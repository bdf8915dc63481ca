//! What a program is about to write, looked at before it begins: no output is an input, nor another output.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::atomic::{AtomicFile, resolved};
use crate::error::FormatError;

/// A file with the name that the user knows its part by: `--out` on a command line, `path` of a function.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where it is.
    pub path: &'a Path,
}

/// Why the work must not begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutputError {
    /// An output would destroy an input or another output.
    #[error(transparent)]
    Shared(#[from] SharedFile),
    /// An output cannot be written where it is to go.
    #[error(transparent)]
    Unwritable(#[from] FormatError),
}

/// Two parts of a task are one file, and one of them would be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct SharedFile {
    /// What the output is called.
    pub output: String,
    /// Where it is to go.
    pub path: PathBuf,
    /// What the other is called.
    pub other: String,
    /// Where that one is.
    pub other_path: PathBuf,
    /// Whether the other is an input.
    pub is_input: bool,
}

impl fmt::Display for SharedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, path, other, other_path, is_input } = self;
        write!(f, "{output} {}: ", path.display())?;
        if *is_input {
            write!(f, "this is the file that {other} reads")?;
        } else {
            write!(f, "this is the file that {other} writes, too")?;
        }
        if path != other_path {
            write!(f, " ({})", other_path.display())?;
        }
        f.write_str("; it would be destroyed: give the output a name of its own")
    }
}

/// What makes two paths the same file.
#[derive(PartialEq, Eq)]
enum Identity {
    /// A file that is there, under however many names: device and inode.
    #[cfg(unix)]
    There(u64, u64),
    /// A place, links resolved.
    Place(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(found) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            return Self::There(found.dev(), found.ino());
        }
        Self::Place(resolved(path).unwrap_or_else(|_| path.to_path_buf()))
    }
}

/// Refuses outputs that are one file with an input or with another output, by whatever path, symbolic or hard link, and
/// outputs that cannot be written: in a directory that is not there or must not be written, or over a directory or
/// device. To be called before any work; nothing is changed. Cost: a few calls of the system for each path.
///
/// # Errors
/// [`OutputError::Shared`] first, then [`OutputError::Unwritable`].
pub fn check_outputs(inputs: &[Part<'_>], outputs: &[Part<'_>]) -> Result<(), OutputError> {
    let of = |parts: &[Part<'_>]| parts.iter().map(|part| Identity::of(part.path)).collect::<Vec<_>>();
    let (read, written) = (of(inputs), of(outputs));
    for (place, output) in outputs.iter().enumerate() {
        let same_input = read.iter().position(|one| *one == written[place]).map(|at| (inputs[at], true));
        let same_output = || {
            let before = &written[..place];
            before.iter().position(|one| *one == written[place]).map(|at| (outputs[at], false))
        };
        if let Some((other, is_input)) = same_input.or_else(same_output) {
            return Err(SharedFile {
                output: output.name.to_owned(),
                path: output.path.to_path_buf(),
                other: other.name.to_owned(),
                other_path: other.path.to_path_buf(),
                is_input,
            }
            .into());
        }
    }
    for output in outputs {
        drop(AtomicFile::create(output.path)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_is_an_input_or_another_output_is_refused_by_whatever_name_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("x.npy"), "x").unwrap();
        fs::write(at("other.npy"), "x").unwrap();
        fs::hard_link(at("x.npy"), at("hard.npy")).unwrap();
        let mut same = vec![at("x.npy"), at("hard.npy"), at("./x.npy"), at("folder/../x.npy")];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("x.npy", at("soft.npy")).unwrap();
            std::os::unix::fs::symlink(".", at("here")).unwrap();
            same.extend([at("soft.npy"), at("here/hard.npy")]);
        }
        let (x, other) = (at("x.npy"), at("other.npy"));
        let input = [Part { name: "--input", path: &other }, Part { name: "--net", path: &x }];
        for path in &same {
            let output = Part { name: "--counts", path };
            let error = check_outputs(&input, &[output]).unwrap_err();
            assert!(matches!(error, OutputError::Shared(_)), "{error}");
            let text = error.to_string();
            for part in ["--counts", "--net reads", "of its own", &path.display().to_string()] {
                assert!(text.contains(part), "no {part:?} in {text}");
            }
            let text = check_outputs(&[], &[input[1], output]).unwrap_err().to_string();
            assert!(text.contains("--net writes, too"), "{text}");
        }
        assert_eq!(fs::read(&x).unwrap(), b"x");
    }

    #[test]
    fn two_outputs_of_one_name_are_refused_although_the_file_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut same = vec![at("new.npy"), at("./new.npy")];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("new.npy", at("link.npy")).unwrap();
            std::os::unix::fs::symlink(".", at("here")).unwrap();
            same.extend([at("link.npy"), at("here/new.npy"), at("here/here/link.npy")]);
        }
        for one in &same {
            for other in &same {
                let outputs = [Part { name: "--counts", path: one }, Part { name: "--json", path: other }];
                let error = check_outputs(&[], &outputs).unwrap_err();
                assert!(matches!(error, OutputError::Shared(_)), "{error}");
            }
        }
        let (one, other) = (at("one.npy"), at("other.npy"));
        let outputs = [Part { name: "--counts", path: &one }, Part { name: "--json", path: &other }];
        check_outputs(&[], &outputs).unwrap();
        assert!(!one.exists() && !other.exists(), "looking leaves nothing");
    }

    #[test]
    fn outputs_that_cannot_be_written_are_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = vec![folder.path().join("none/net.bin"), folder.path().to_path_buf()];
        if cfg!(unix) {
            places.push("/dev/null".into());
        }
        for path in &places {
            let error = check_outputs(&[], &[Part { name: "--out", path }]).unwrap_err();
            assert!(matches!(error, OutputError::Unwritable(_)), "{error}");
            assert!(error.to_string().contains("cannot be written"), "{error}");
        }
    }
}
