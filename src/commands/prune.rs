use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use snn_converter::model_file::files_beside;
use snn_converter::prune::{self, PrunedTensor, Scope};
use snn_formats::{AtomicFile, Digest, FileDigest, Provenance};

use crate::commands::Usage;
use crate::{output, provenance, table};

/// Set the smallest weights of an ONNX file to zero (magnitude pruning).
///
/// Only the bytes of pruned weights change. Accuracy usually falls; fine-tune in your training framework.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event prune --model net.onnx --sparsity 0.9 --out pruned.onnx
  for s in 0.5 0.8 0.9; do snn-event prune --model net.onnx --sparsity $s --scope layer --out net-$s.onnx; done")]
pub struct Prune {
    /// The trained net
    #[arg(long, value_parser = output::file(), value_name = "IN.ONNX")]
    model: PathBuf,

    /// Share of the weights that become zero, 0 to 1
    #[arg(long, allow_negative_numbers = true)]
    sparsity: f64,

    /// Which weights compete
    #[arg(long, value_enum, default_value = "global")]
    scope: ScopeName,

    /// Where the pruned net goes
    #[arg(long, value_parser = output::file(), value_name = "OUT.ONNX")]
    out: PathBuf,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    /// All weights of the net together
    Global,
    /// Each layer by itself
    Layer,
}

#[derive(Serialize)]
struct Report {
    provenance: Provenance,
    weights: usize,
    zeros: usize,
    tensors: Vec<PrunedTensor>,
}

impl Prune {
    pub fn run(self) -> Result<ExitCode> {
        if !(0.0..=1.0).contains(&self.sparsity) {
            return Err(
                Usage(format!("--sparsity {}: allowed are numbers from 0 to 1", self.sparsity)).into()
            );
        }
        let beside = files_beside(&self.model);
        let mut inputs = vec![("--model", Some(self.model.as_path()))];
        inputs.extend(beside.iter().map(|path| ("--model", Some(path.as_path()))));
        output::check(&inputs, &[("--out", Some(self.out.as_path())), ("--json", self.json.as_deref())])?;
        let at = || self.model.display().to_string();
        let bytes =
            snn_formats::regular::read(&self.model).with_context(|| format!("{}: cannot be read", at()))?;
        let model = FileDigest::new(&self.model, Digest::of(&bytes));
        let scope = match self.scope {
            ScopeName::Global => Scope::Global,
            ScopeName::Layer => Scope::Layer,
        };
        let pruned = prune::prune(&bytes, self.sparsity, scope).with_context(at)?;
        let mut file = AtomicFile::create(&self.out)?;
        file.write_all(&pruned.bytes)
            .with_context(|| format!("{}: cannot be written", self.out.display()))?;
        file.commit()?;
        let tensors = pruned.tensors;
        let weights = tensors.iter().map(|tensor| tensor.weights).sum();
        let zeros = tensors.iter().map(|tensor| tensor.zeros_after).sum();
        let scope = self.scope.to_possible_value();
        let provenance = provenance::of("prune")
            .file("model", Some(model))
            .file("out", Some(FileDigest::new(&self.out, Digest::of(&pruned.bytes))))
            .options([
                ("sparsity", json!(self.sparsity)),
                ("scope", json!(scope.as_ref().map(|scope| scope.get_name()))),
            ]);
        let report = Report { provenance, weights, zeros, tensors };
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&self.text(&report))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self, report: &Report) -> String {
        let share = |zeros: usize, weights: usize| output::percent(zeros as f64 / weights.max(1) as f64);
        let row = |name: &str, shape: String, weights: usize, zeros: usize| {
            let counts = [weights, zeros].map(|number| output::count(number as u64));
            [name.to_owned(), shape].into_iter().chain(counts).chain([share(zeros, weights)]).collect()
        };
        let rows = report
            .tensors
            .iter()
            .map(|tensor| {
                row(&tensor.name, format!("{:?}", tensor.shape), tensor.weights, tensor.zeros_after)
            })
            .chain([row("all", String::new(), report.weights, report.zeros)]);
        let table = table::table(&["weights", "shape", "number", "zeros", "sparsity"], rows);
        format!("{table}\n\n{}\n", self.out.display())
    }
}
