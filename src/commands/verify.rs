use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use snn_research::{Different, SweepOptions, Verification};

use crate::commands::Usage;
use crate::commands::sweep::with_flags;
use crate::samples::{BatchRange, parse_range, threads};
use crate::{output, progress};

/// Run the cells of finished results of `sweep` again and compare: exit status 1 if one gives something else.
///
/// All files that the study names have to be there, and to be the same as when the results were made.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event verify results.jsonl
  snn-event verify results.jsonl --cells 0:5
  snn-event verify part-2.jsonl --study studies/mnist.toml
  snn-event sweep --model m.onnx … --print-study > study.toml    # the study of a sweep that was told by flags")]
pub struct Verify {
    /// Results of `sweep`, of all cells or of one part
    #[arg(value_parser = output::file(), value_name = "RESULTS.JSONL")]
    results: PathBuf,

    /// The study [default: beside the results, by the name that they give]
    #[arg(long, value_parser = output::file(), value_name = "STUDY.TOML")]
    study: Option<PathBuf>,

    /// Only the cells of the file from a up to, but not with, b, counted from 0; either may be left out
    #[arg(long, value_name = "A:B", value_parser = parse_range)]
    cells: Option<BatchRange>,

    /// Bytes of memory that the runs of the cells may take together, as 512M or 4G: fewer cells are run at the same time [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = snn_formats::net::parse_bytes)]
    memory_limit: Option<u64>,

    /// Threads, one cell each [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,
}

impl Verify {
    pub fn run(self) -> Result<ExitCode> {
        let verification = Verification::of(&self.results, self.study.as_deref()).map_err(with_flags)?;
        let all = verification.cells();
        let cells = self.cells.map_or(0..all, |cells| cells.of(all));
        if cells.start >= cells.end || cells.end > all {
            return Err(Usage(format!(
                "--cells {}:{}: {} has {all} cells; allowed are a < b ≤ {all}",
                cells.start,
                cells.end,
                self.results.display()
            ))
            .into());
        }
        let options =
            SweepOptions { memory_limit: self.memory_limit, threads: threads(self.threads.map(usize::from)) };
        let bar = progress::bar(cells.len(), "verify");
        let number = cells.len();
        let different = verification.run(cells, &options, &mut |cells| {
            bar.inc(cells as u64);
            Ok(())
        });
        bar.finish_and_clear();
        let Some(Different { line, there, now }) = different.map_err(with_flags)? else {
            output::print(&format!(
                "verified: {} of {}\n",
                output::counted(number, "cell"),
                self.results.display()
            ))?;
            return Ok(ExitCode::SUCCESS);
        };
        output::print(&format!(
            "DIFFERENT: line {line} of {}\n  there: {there}\n  now:   {now}\n",
            self.results.display()
        ))?;
        Ok(ExitCode::FAILURE)
    }
}
