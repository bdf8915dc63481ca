use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value};

use crate::output;

/// Join the results of the parts of a study that were run with `sweep --shard`.
///
/// The file is the one that a sweep without --shard writes, byte for byte; with it, sweep makes the tables.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event merge part-1.jsonl part-2.jsonl part-3.jsonl --out results.jsonl
  snn-event sweep study.toml --out results.jsonl --csv table.csv        # all cells are there: only the table is made")]
pub struct Merge {
    /// The results of all parts, in any order
    #[arg(value_parser = output::file(), value_name = "PART.JSONL", required = true)]
    parts: Vec<PathBuf>,

    /// Where the results go
    #[arg(long, value_parser = output::file(), value_name = "RESULTS.JSONL")]
    out: PathBuf,
}

/// The results of one part.
struct Part<'a> {
    path: &'a Path,
    /// The first line, without what it says about the part.
    head: Map<String, Value>,
    number: u64,
    of: u64,
    /// The first cell and the one behind the last.
    cells: [u64; 2],
    lines: Vec<String>,
}

impl<'a> Part<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let at = || path.display().to_string();
        let bytes = snn_formats::regular::read(path).with_context(|| format!("{}: cannot be read", at()))?;
        let text =
            String::from_utf8(bytes).ok().with_context(|| format!("{}: it is no text in UTF-8", at()))?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let head = lines.first().and_then(|line| serde_json::from_str(line).ok());
        let Some(mut head): Option<Map<String, Value>> = head else {
            bail!("{}: its first line is not what sweep writes", at());
        };
        lines.remove(0);
        let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
        let shard = head.remove("shard").and_then(|shard| {
            let cell = |at: usize| shard.get("cells").and_then(|cells| cells.get(at)?.as_u64());
            Some((number(&shard, "number")?, number(&shard, "of")?, [cell(0)?, cell(1)?]))
        });
        let Some((number, of, cells)) = shard else {
            bail!("{}: it holds no part of a study; allowed are results of sweep --shard", at());
        };
        if !text.ends_with('\n') || lines.len() as u64 != cells[1].saturating_sub(cells[0]) {
            bail!(
                "{}: it has {} of {} cells; run sweep --shard {number}/{of} again, which goes on where it ended",
                at(),
                lines.len(),
                cells[1].saturating_sub(cells[0])
            );
        }
        Ok(Self { path, head, number, of, cells, lines })
    }
}

impl Merge {
    pub fn run(self) -> Result<ExitCode> {
        let inputs: Vec<_> = self.parts.iter().map(|path| ("PART.JSONL", Some(path.as_path()))).collect();
        output::check(&inputs, &[("--out", Some(self.out.as_path()))])?;
        let mut parts = self.parts.iter().map(|path| Part::read(path)).collect::<Result<Vec<_>>>()?;
        parts.sort_by_key(|part| part.number);
        let first = &parts[0];
        if let Some(other) = parts.iter().find(|part| part.head != first.head || part.of != first.of) {
            bail!(
                "{} and {}: they are of different studies, files, versions or numbers of parts",
                first.path.display(),
                other.path.display()
            );
        }
        let mut next = (1, 0);
        for part in &parts {
            if (part.number, part.cells[0]) != next {
                bail!(
                    "{}: it is part {} of {}, and {} was expected; give each part once",
                    part.path.display(),
                    part.number,
                    part.of,
                    next.0
                );
            }
            next = (part.number + 1, part.cells[1]);
        }
        if next.0 != first.of + 1 {
            bail!("part {} of {} is missing", next.0, first.of);
        }
        let mut file = snn_formats::AtomicFile::create(&self.out)?;
        let at = || format!("{}: cannot be written", self.out.display());
        writeln!(file, "{}", Value::Object(first.head.clone())).with_context(at)?;
        for line in parts.iter().flat_map(|part| &part.lines) {
            writeln!(file, "{line}").with_context(at)?;
        }
        file.commit()?;
        output::print(&format!(
            "{}: {} of {}\n",
            self.out.display(),
            output::counted(usize::try_from(next.1)?, "cell"),
            output::counted(parts.len(), "part")
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
