//! Files that grow line by line, and lose nothing when whoever writes them ends.

use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{FormatError, Origin};

/// A text file that grows by whole lines, each of them on the disk before the next: whatever ends the program, the next one goes on
/// behind the last whole line. Its first line says what it is.
#[derive(Debug)]
pub struct GrowingFile {
    origin: Origin,
    file: File,
    lines: Vec<String>,
}

impl GrowingFile {
    /// Opens the file whose first line is `head`, or makes it; a last line that was not finished is cut off. A file that is empty, or
    /// the beginning of the head, is a new one.
    ///
    /// # Errors
    /// If the file cannot be opened or written, is no regular one, or holds something else: then it stays as it is.
    pub fn open(path: &Path, head: &str) -> Result<Self, FormatError> {
        let origin = Origin::file(path);
        let system = |what: &'static str| {
            let origin = &origin;
            move |error: Error| origin.system_error(error.kind(), format!("cannot be {what}: {error}"))
        };
        if let Ok(found) = std::fs::metadata(path)
            && !found.is_file()
        {
            return Err(origin.error("it is no regular file; allowed are those"));
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(system("opened"))?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(system("read"))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match lines.first() {
            None if head.as_bytes().starts_with(&bytes) => {
                file.set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| writeln!(file, "{head}"))
                    .and_then(|()| file.sync_data())
                    .map_err(system("written"))?;
            }
            Some(first) if first == head => {
                file.set_len(whole as u64)
                    .and_then(|()| file.seek(SeekFrom::End(0)))
                    .map_err(system("written"))?;
                lines.remove(0);
            }
            _ => return Err(origin.error("it holds something else; name another file, or delete it")),
        }
        Ok(Self { origin, file, lines })
    }

    /// What errors name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The lines behind the first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds lines.
    ///
    /// # Errors
    /// If the operating system refuses (a full disk, …).
    pub fn add(&mut self, lines: Vec<String>) -> Result<(), FormatError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| self.origin.system_error(error.kind(), format!("cannot be written: {error}")))?;
        self.lines.extend(lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_anywhere_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let mut file = GrowingFile::open(&path, "head").expect("a new file");
        file.add(vec!["one".into(), "two".into()]).expect("room for two lines");
        let whole = std::fs::read(&path).expect("the file");
        assert_eq!(whole, b"head\none\ntwo\n");
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).expect("a shorter file");
            let mut file = GrowingFile::open(&path, "head").expect("its beginning");
            let kept = file.lines().to_vec();
            assert_eq!(kept, ["one", "two"][..kept.len()]);
            file.add(["one", "two"][kept.len()..].iter().map(|line| (*line).to_owned()).collect())
                .expect("room for the rest");
            assert_eq!(std::fs::read(&path).expect("the file"), whole, "cut after {length} bytes");
        }
    }

    #[test]
    fn what_is_something_else_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        for other in ["notes", "notes\n", "header", "head \none\n"] {
            std::fs::write(&path, other).expect("a file");
            let error = GrowingFile::open(&path, "head").expect_err("something else");
            assert!(error.to_string().contains("holds something else"), "{error}");
            assert_eq!(std::fs::read(&path).expect("the file"), other.as_bytes());
        }
        assert!(GrowingFile::open(folder.path(), "head").is_err());
        assert!(GrowingFile::open(&folder.path().join("none/lines"), "head").is_err());
    }
}
