use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use snn_research::{Page, Results, RunPage};

use crate::commands::Usage;
use crate::commands::eval::{EvalArgs, Evaluated};
use crate::optional::Optional;
use crate::output;

/// Write one HTML page of figures and tables: of a run as `eval` makes it, or of the results of a sweep.
///
/// The page needs no network and no scripts; each figure brings its SVG, its PDF, and its numbers as CSV.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event report --net net.bin --input x.npy --labels y.npy --model net.onnx --out report.html
  snn-event report --net net.bin --input x.npy --T 64 --stop margin=2 --energy loihi --out report.html --figures figures
  snn-event report --sweep results.jsonl --out report.html")]
pub struct Report {
    #[command(flatten)]
    eval: Optional<EvalArgs>,

    /// Results of `sweep`, instead of a network and samples
    #[arg(long, value_parser = output::file(), value_name = "RESULTS.JSONL")]
    sweep: Option<PathBuf>,

    /// The page
    #[arg(long, value_parser = output::file(), value_name = "REPORT.HTML")]
    out: PathBuf,

    /// A folder for the SVG, PDF and CSV of every figure as files; made if it is not there
    #[arg(long, value_parser = output::file(), value_name = "FOLDER")]
    figures: Option<PathBuf>,
}

impl Report {
    pub fn run(self) -> Result<ExitCode> {
        let page = match (self.eval.0, &self.sweep) {
            (Some(eval), None) => {
                output::check(&eval.files(), &[("--out", Some(&self.out)), eval.part()])?;
                of_evaluated(&eval.evaluate("report", true)?)?
            }
            (None, Some(path)) => {
                output::check(&[("--sweep", Some(path))], &[("--out", Some(&self.out))])?;
                of_results(path)?
            }
            (Some(_), Some(_)) => {
                return Err(Usage(
                    "--sweep: its results are drawn as they are; leave the flags of a run out".into(),
                )
                .into());
            }
            (None, None) => return Err(Usage("give --net and --input, or --sweep".into()).into()),
        };
        page.write(&self.out, self.figures.as_deref())?;
        output::print(&format!(
            "{}: {}\n{}\n",
            self.out.display(),
            output::counted(page.figures().count(), "figure"),
            page.summary
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn of_evaluated(evaluated: &Evaluated) -> Result<Page> {
    let Evaluated { net, samples, threads, simulator, evaluation, report, trained, provenance } = evaluated;
    let provenance = serde_json::to_value(provenance).context("the provenance cannot be JSON")?;
    let page = RunPage {
        network: &net.network,
        description: &net.description,
        simulator,
        input: &samples.input,
        samples: samples.range.clone(),
        steps: samples.steps,
        threads: *threads,
        evaluation,
        report,
        trained: trained.as_ref().map(|trained| (&trained.ann, &trained.samples[..])),
        provenance: &provenance,
    };
    Ok(page.page()?)
}

fn of_results(path: &Path) -> Result<Page> {
    let results = Results::read(path)?;
    Page::of_study(&results).with_context(|| path.display().to_string())
}
