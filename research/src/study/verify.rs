//! Running the cells of finished results again.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use snn_formats::Origin;

use super::results::lines;
use super::sweep::Done;
use super::{Shard, StudyFiles, SweepError, SweepOptions};

/// A cell that gave something else than its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Different {
    /// The line of the file, from 1 on.
    pub line: usize,
    /// What it says.
    pub there: String,
    /// What the cell gives now.
    pub now: String,
}

/// Finished results, or a part of them, and the study that they are results of.
pub struct Verification {
    origin: Origin,
    files: StudyFiles,
    /// The cells of the study that the file has.
    mine: Range<usize>,
    lines: Vec<String>,
}

impl Verification {
    /// Reads results, and the study with all files that it names: if it is not said where, the one beside the results that has
    /// the name that they give.
    ///
    /// # Errors
    /// If the file has no results or not all of its cells, the study cannot be read, or it or one of its files is another than when
    /// the results were made.
    pub fn of(results: &Path, study: Option<&Path>) -> Result<Self, SweepError> {
        let origin = Origin::file(results);
        let mut lines = lines(results, &origin)?;
        let head = lines.first().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let name = head.as_ref().and_then(|head| head["study"]["file"].as_str());
        let (Some(name), Some(head)) = (name, &head) else {
            return Err(origin.error("it has no results to verify").into());
        };
        let beside = || results.parent().unwrap_or(Path::new("")).join(name);
        let study = study.map_or_else(beside, Path::to_owned);
        if !study.exists() {
            let what =
                format!("its study, {}, is not there; say where it is, or write it anew", study.display());
            return Err(origin.error(what).into());
        }
        let files = StudyFiles::read(&study)?;
        let number = |of: &str| head["shard"][of].as_u64().and_then(|number| usize::try_from(number).ok());
        let shard = number("number").zip(number("of")).and_then(|(number, of)| Shard::new(number, of));
        let (mine, now) = files.part(shard);
        if lines[0] != now {
            return Err(origin.error(differs(head, &now)).into());
        }
        lines.remove(0);
        if lines.len() != mine.len() {
            let what = format!(
                "it has {} of {} cells; only finished results are verified: run the sweep to its end first",
                lines.len(),
                mine.len()
            );
            return Err(origin.error(what).into());
        }
        Ok(Self { origin, files, mine, lines })
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.lines.len()
    }

    /// Runs some cells again, and gives the first that differs. No file is changed.
    ///
    /// # Errors
    /// If there are no such cells, or as [`StudyFiles::sweep`].
    pub fn run(
        &self,
        cells: Range<usize>,
        options: &SweepOptions,
        done: Done<'_>,
    ) -> Result<Option<Different>, SweepError> {
        if cells.start >= cells.end || cells.end > self.cells() {
            let what = format!(
                "it has {} cells, and {} to {} were asked for; allowed are a < b ≤ {0}",
                self.cells(),
                cells.start,
                cells.end
            );
            return Err(self.origin.error(what).into());
        }
        let (mut at, mut different) = (cells.start, None);
        let wanted = self.mine.start + cells.start..self.mine.start + cells.end;
        self.files.run_cells(wanted, options, &mut |made| {
            done(made.len())?;
            let there = &self.lines[at..at + made.len()];
            if let Some(place) = (0..made.len()).find(|&place| there[place] != made[place]) {
                different = Some(Different {
                    // Lines are counted from 1, and the first is the head.
                    line: at + place + 2,
                    there: there[place].clone(),
                    now: made[place].clone(),
                });
            }
            at += made.len();
            Ok(different.is_none())
        })?;
        Ok(different)
    }
}

/// What is another than when results were made.
fn differs(head: &Value, now: &str) -> String {
    let now: Value = serde_json::from_str(now).unwrap_or_default();
    let none = serde_json::Map::new();
    let (there, now) = (head.as_object().unwrap_or(&none), now.as_object().unwrap_or(&none));
    let names: std::collections::BTreeSet<&String> = there.keys().chain(now.keys()).collect();
    let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let parts: Vec<String> = names
        .into_iter()
        .filter(|name| there.get(*name) != now.get(*name))
        .map(|name| format!("{name}: {} then, {} now", text(there.get(name)), text(now.get(name))))
        .collect();
    format!("its study, a file of it or the program is another than when it was made: {}", parts.join("; "))
}
