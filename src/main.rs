//! `snn-event`: converts trained, pruned networks into spiking networks and runs them, event-driven.

mod commands;
#[cfg(unix)]
mod ending;
mod models;
mod optional;
mod output;
mod parts;
mod progress;
mod provenance;
mod samples;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Converts trained, pruned neural networks into spiking networks and runs them, event-driven.
///
/// Exit status: 0 done, 1 an error or (check) a difference, 2 wrong usage.
#[derive(Parser)]
#[command(version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  snn-event convert --model net.onnx --calib x_calib.npy --out net.bin
  snn-event run --net net.bin --T 256 --input x.npy --labels y.npy
  snn-event eval --net net.bin --T 64 --input x.npy --labels y.npy
  snn-event report --net net.bin --input x.npy --labels y.npy --out report.html
  snn-event check --net net.bin --T 64 --input x.npy --batch-range 0:10
  snn-event inspect --net net.bin";

#[derive(Subcommand)]
enum Command {
    Convert(commands::convert::Convert),
    Run(commands::run::Run),
    Check(commands::check::Check),
    Eval(commands::eval::Eval),
    Sweep(commands::sweep::Sweep),
    Report(commands::report::Report),
    Diff(commands::diff::Diff),
    Merge(commands::merge::Merge),
    Verify(commands::verify::Verify),
    Inspect(commands::inspect::Inspect),
    Export(commands::export::Export),
    Generate(commands::generate::Generate),
    Prune(commands::prune::Prune),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}

fn main() -> ExitCode {
    #[cfg(unix)]
    ending::leave_nothing();
    let done = match Cli::parse().command {
        Command::Convert(convert) => convert.run(),
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Eval(eval) => eval.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Report(report) => report.run(),
        Command::Diff(diff) => diff.run(),
        Command::Merge(merge) => merge.run(),
        Command::Verify(verify) => verify.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Export(export) => export.run(),
        Command::Generate(generate) => generate.run(),
        Command::Prune(prune) => prune.run(),
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    };
    match done {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<commands::Usage>() { 2 } else { 1 })
        }
    }
}
