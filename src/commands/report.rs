use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use snn_formats::AtomicFile;
use snn_research::{Page, Row, Shown, look, of_run, of_study};

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
                output::check(&eval.files(), &[("--out", Some(&self.out))])?;
                of_evaluated(eval.evaluate("report", true)?)?
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
        write(&self.out, page.html().as_bytes())?;
        if let Some(folder) = &self.figures {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{}: the folder cannot be made", folder.display()))?;
            for figure in page.figures() {
                let files =
                    [("svg", figure.svg.as_bytes()), ("pdf", &figure.pdf), ("csv", figure.csv.as_bytes())];
                for (ending, bytes) in files {
                    write(&folder.join(format!("{}.{ending}", figure.name)), bytes)?;
                }
            }
        }
        output::print(&format!(
            "{}: {}\n{}\n",
            self.out.display(),
            output::counted(page.figures().count(), "figure"),
            page.summary
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(file.commit()?)
}

/// Samples that are looked at more closely.
const LOOKED_AT: usize = 16;

fn of_evaluated(evaluated: Evaluated) -> Result<Page> {
    let Evaluated { net, samples, threads, simulator, evaluation, report, trained, provenance } = evaluated;
    let range = samples.range.start..samples.range.end.min(samples.range.start + LOOKED_AT);
    let looked = look(range.clone(), threads, &simulator, &samples.input, samples.steps)?;
    let once = samples.input.arrives_once();
    let activations = match &trained {
        Some(trained) => {
            let values = &trained.samples[..range.len() * trained.ann.input_shape().elements()];
            looked.activations(&net.network, &net.description, &trained.ann, values, once)?
        }
        None => vec![],
    };
    let conversion: Option<Value> = net
        .description
        .report
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .context("the network's report")?;
    let shown = Shown {
        network: &net.network,
        report: &report,
        evaluation: &evaluation,
        look: &looked,
        activations: &activations,
        conversion: conversion.as_ref(),
    };
    let provenance = serde_json::to_value(&provenance).context("the provenance cannot be JSON")?;
    Ok(Page::of_run(&shown, of_run(&shown)?, &provenance, &Value::Object(net.description.provenance.clone())))
}

fn of_results(path: &Path) -> Result<Page> {
    let at = || path.display().to_string();
    let bytes = snn_formats::regular::read(path).with_context(at)?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("it is no text in UTF-8")).with_context(at)?;
    let mut lines = text.lines();
    let head: Value = lines
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .filter(|head: &Value| head.get("study").is_some())
        .with_context(|| format!("{}: it holds no results of a sweep", path.display()))?;
    let rows: Vec<Row> = lines
        .enumerate()
        .map(|(place, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}: line {}: it is no result", path.display(), place + 2))
        })
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("{}: it has no results yet; run the sweep first", path.display());
    }
    Ok(Page::of_study(&rows, of_study(&rows)?, &head))
}
