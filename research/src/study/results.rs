//! The results of a study as a file: lines of JSON, the first what they are results of, then one for each cell in order.

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
