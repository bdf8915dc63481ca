use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use snn_research::merge;

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

impl Merge {
    pub fn run(self) -> Result<ExitCode> {
        let inputs: Vec<_> = self.parts.iter().map(|path| ("PART.JSONL", Some(path.as_path()))).collect();
        output::check(&inputs, &[("--out", Some(self.out.as_path()))])?;
        let cells = merge(&self.parts, &self.out)?;
        output::print(&format!(
            "{}: {} of {}\n",
            self.out.display(),
            output::counted(cells, "cell"),
            output::counted(self.parts.len(), "part")
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
