//! `snn-rivals`: times a network on this machine beside a dense product over all steps and the plain scatter loop.

mod command;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::json;
use snn_formats::{FileDigest, NetFile, OutputError, Part, Provenance, Source, check_outputs};
use snn_rivals::study;

use crate::command::input::{InputArgs, Usage};
use crate::command::print;
use crate::command::report::Report;

/// Time a network on this machine beside its rivals: dense products over all steps, and the plain scatter loop.
///
/// All run the same samples on one thread, in turns; the best run of each sample counts, in processor time. Before, their
/// spikes are compared: those of the scatter loop must be equal, those of the dense products, which round differently,
/// within 1 %. A ratio says how many times faster the network runs here than with the rival.
///
/// Exit status: 0 done, 1 an error or other spikes, 2 wrong usage.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Examples:
  cargo run --release -p snn-rivals -- --net net.bin --T 256 --input x.npy
  cargo run --release -p snn-rivals -- --net net.bin --T 256 --rate 0.05 --json - | jq .ratio_dense"
)]
struct Command {
    /// The network, as `snn-event convert` writes it
    #[arg(long, value_name = "NET.BIN")]
    net: PathBuf,

    #[command(flatten)]
    input: InputArgs,

    /// About how long to measure, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    time: u32,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

impl Command {
    fn run(&self) -> Result<()> {
        self.check_outputs()?;
        let file = NetFile::open(&self.net, Source::Mapped)?;
        let net = FileDigest::new(&self.net, file.digest);
        let network = Arc::new(file.network);
        let (input, steps, samples_file) = self.input.read(&network)?;
        let samples = self.input.samples().min(input.samples());
        let time = Duration::from_secs(u64::from(self.time));
        let study = study(&network, &input, samples, steps, time)?;
        let provenance = Provenance::new(concat!("snn-rivals ", env!("CARGO_PKG_VERSION")), "snn-rivals")
            .file("net", Some(net))
            .file("input", samples_file)
            .options(self.input.options(steps, samples))
            .options([("time", json!(self.time))]);
        let report = Report::new(provenance, &self.net, self.input.words(), &network, &study);
        if let Some(path) = &self.json {
            print::write_json(path, &report)?;
        }
        if self.json.as_deref() != Some(Path::new("-")) {
            print::print(&report.text())?;
        }
        Ok(())
    }
}

impl Command {
    /// Refuses, before any work, a report that would overwrite what is read, or that cannot be written.
    fn check_outputs(&self) -> Result<()> {
        let Some(path) = self.json.as_deref().filter(|path| *path != Path::new("-")) else { return Ok(()) };
        let mut inputs = vec![Part { name: "--net", path: &self.net }];
        inputs.extend(self.input.file().map(|path| Part { name: "--input", path }));
        match check_outputs(&inputs, &[Part { name: "--json", path }]) {
            Ok(()) => Ok(()),
            Err(OutputError::Shared(shared)) => Err(Usage(shared.to_string()).into()),
            Err(OutputError::Unwritable(error)) => Err(error.into()),
        }
    }
}

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if print::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
