//! The results of a study as a file: lines of JSON, the first what they are results of, then one for each cell in order.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use snn_formats::{AtomicFile, FormatError, Origin, regular};

use super::{Row, SweepError};

/// The finished results of a study.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Results {
    /// What they are results of: tool, and digests of the study and all files that it names.
    pub head: Map<String, Value>,
    /// The cells.
    pub rows: Vec<Row>,
}

impl Results {
    /// Reads the results of a sweep, finished or not.
    ///
    /// # Errors
    /// If the file cannot be read, or a line of it is no result; that is named.
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        let origin = Origin::file(path);
        let lines = lines(path, &origin)?;
        let head = lines.first().and_then(|line| serde_json::from_str::<Map<_, _>>(line).ok());
        let head = head
            .filter(|head| head.contains_key("study"))
            .ok_or_else(|| origin.error("it holds no results of a sweep"))?;
        Ok(Self { head, rows: rows(path, &lines[1..])? })
    }
}

/// The text of a file.
fn text(path: &Path, origin: &Origin) -> Result<String, FormatError> {
    let bytes = regular::read(path)
        .map_err(|error| origin.system_error(error.kind(), format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| origin.error("it is no text in UTF-8"))
}

/// The whole lines of a file; a last one that was not finished is left out.
pub(super) fn lines(path: &Path, origin: &Origin) -> Result<Vec<String>, FormatError> {
    let text = text(path, origin)?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    Ok(text[..whole].lines().map(str::to_owned).collect())
}

/// The cells of lines behind the first.
pub(super) fn rows(path: &Path, lines: &[String]) -> Result<Vec<Row>, FormatError> {
    let row = |(place, line): (usize, &String)| {
        serde_json::from_str(line)
            .map_err(|_| Origin::file(path).error(format!("line {}: it is no result", place + 2)))
    };
    lines.iter().enumerate().map(row).collect()
}

/// The file of a sweep that is under way: whole lines only, and on the disk, so that whatever ends the program, the next one
/// goes on behind them.
pub(super) struct Growing {
    origin: Origin,
    file: File,
    /// The lines of cells that it has.
    pub lines: Vec<String>,
}

impl Growing {
    /// Opens the results of which `head` is the first line; new ones if there are none. A line that was not finished is made
    /// again.
    pub fn open(path: &Path, head: &str) -> Result<Self, FormatError> {
        let origin = Origin::file(path);
        let unopened =
            |error: std::io::Error| origin.system_error(error.kind(), format!("cannot be opened: {error}"));
        let unread =
            |error: std::io::Error| origin.system_error(error.kind(), format!("cannot be read: {error}"));
        let unwritable =
            |error: std::io::Error| origin.system_error(error.kind(), format!("cannot be written: {error}"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(unopened)?;
        let mut bytes = vec![];
        if file.metadata().map_err(unread)?.is_file() {
            file.read_to_end(&mut bytes).map_err(unread)?;
        } else {
            return Err(origin.error("it is no regular file; allowed are those"));
        }
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match lines.first() {
            // Nothing, or the beginning of the head: nothing of another's is lost.
            None if head.as_bytes().starts_with(&bytes) => {
                file.set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| writeln!(file, "{head}"))
                    .and_then(|()| file.sync_data())
                    .map_err(unwritable)?;
                return Ok(Self { origin, file, lines });
            }
            Some(first) if first == head => {}
            _ => {
                return Err(origin.error(
                    "it holds something else, or results of other files, another study or another version; name another file, \
                     or delete it",
                ));
            }
        }
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(unwritable)?;
        lines.remove(0);
        Ok(Self { origin, file, lines })
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Adds cells.
    pub fn add(&mut self, made: Vec<String>) -> Result<(), FormatError> {
        let text: String = made.iter().map(|line| format!("{line}\n")).collect();
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| self.origin.system_error(error.kind(), format!("cannot be written: {error}")))?;
        self.lines.extend(made);
        Ok(())
    }
}

/// The results of one part of a study.
struct Part {
    origin: Origin,
    /// The first line, without what it says about the part.
    head: Map<String, Value>,
    number: u64,
    of: u64,
    /// The first cell and the one behind the last.
    cells: [u64; 2],
    lines: Vec<String>,
}

impl Part {
    fn read(path: &Path) -> Result<Self, FormatError> {
        let origin = Origin::file(path);
        let mut lines = lines(path, &origin)?;
        let head = lines.first().and_then(|line| serde_json::from_str(line).ok());
        let mut head: Map<String, Value> =
            head.ok_or_else(|| origin.error("its first line is not what a sweep writes"))?;
        lines.remove(0);
        let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
        let shard = head.remove("shard").and_then(|shard| {
            let cell = |at: usize| shard.get("cells").and_then(|cells| cells.get(at)?.as_u64());
            Some((number(&shard, "number")?, number(&shard, "of")?, [cell(0)?, cell(1)?]))
        });
        let (number, of, cells) = shard.ok_or_else(|| {
            origin.error("it holds no part of a study; allowed are results of a sweep over one part")
        })?;
        let wanted = cells[1].saturating_sub(cells[0]);
        if lines.len() as u64 != wanted {
            return Err(origin.error(format!(
                "it has {} of {wanted} cells; run the sweep of part {number}/{of} again, which goes on where it ended",
                lines.len()
            )));
        }
        Ok(Self { origin, head, number, of, cells, lines })
    }
}

/// Joins the results of all parts of a study, in any order, to the file of a single sweep, byte for byte, and gives the
/// number of cells.
///
/// # Errors
/// If a part is missing, there twice, not finished, or of another study, or the file cannot be written.
pub fn merge(parts: &[PathBuf], out: &Path) -> Result<usize, SweepError> {
    let mut parts = parts.iter().map(|path| Part::read(path)).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.number);
    let Some(first) = parts.first() else {
        return Err(SweepError::NoParts);
    };
    if let Some(other) = parts.iter().find(|part| part.head != first.head || part.of != first.of) {
        return Err(SweepError::OtherStudy(first.origin.path().to_owned(), other.origin.path().to_owned()));
    }
    let mut next = (1, 0);
    for part in &parts {
        if (part.number, part.cells[0]) != next {
            let what = format!(
                "it is part {} of {}, and {} was expected; give each part once",
                part.number, part.of, next.0
            );
            return Err(part.origin.error(what).into());
        }
        next = (part.number + 1, part.cells[1]);
    }
    if next.0 != first.of + 1 {
        return Err(SweepError::PartMissing { number: next.0, of: first.of });
    }
    let mut file = AtomicFile::create(out)?;
    file.append(format!("{}\n", Value::Object(first.head.clone())).as_bytes())?;
    let mut cells = 0;
    for line in parts.iter().flat_map(|part| &part.lines) {
        file.append(line.as_bytes())?;
        file.append(b"\n")?;
        cells += 1;
    }
    file.commit()?;
    Ok(cells)
}
