use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use snn_exchange::nir::{self, Steps};
use snn_formats::{AtomicFile, Digest, FileDigest, Provenance};

use crate::samples::NetArgs;
use crate::{output, provenance};

/// Write a network as a file that other tools read.
///
/// NIR, the Neuromorphic Intermediate Representation, is what norse, snnTorch, sinabs and others read. What it cannot say is
/// refused and listed.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event export --net net.bin --format nir --out net.nir
  snn-event export --net net.bin --format nir --dt 0.001 --lossy --out net.nir --json losses.json")]
pub struct Export {
    #[command(flatten)]
    net: NetArgs,

    /// The form of the file
    #[arg(long, value_enum)]
    format: FormatName,

    /// Where the file goes
    #[arg(long, value_parser = output::file(), value_name = "NET.NIR")]
    out: PathBuf,

    /// Seconds of a step
    #[arg(long, value_name = "SECONDS", default_value_t = Steps::default().dt, value_parser = seconds, allow_negative_numbers = true)]
    dt: f64,

    /// Say what the form cannot say exactly as well as it can be said, and list it
    #[arg(long)]
    lossy: bool,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// A graph of NIR in HDF5, as the Python package nir 1.0 writes it
    Nir,
}

/// A time above 0.
pub fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|dt: &f64| dt.is_finite() && *dt > 0.0)
        .ok_or_else(|| "allowed are seconds above 0, as 0.001".to_owned())
}

#[derive(Serialize)]
struct Report {
    provenance: Provenance,
    out: String,
    bytes: u64,
    nodes: usize,
    edges: usize,
    /// What the file says otherwise than the network, or not at all.
    losses: Vec<String>,
    /// What was assumed.
    notes: Vec<String>,
}

impl Export {
    pub fn run(self) -> Result<ExitCode> {
        let inputs = [("--net", Some(self.net.net.as_path()))];
        output::check(&inputs, &[("--out", Some(self.out.as_path())), ("--json", self.json.as_deref())])?;
        let net = self.net.read()?;
        let at = || self.net.net.display().to_string();
        // What is lost is told whole; whether it may be is decided here.
        let steps = Steps { dt: self.dt, lossy: true };
        let translated = nir::from_network(&net.network, steps).with_context(at)?;
        let losses = translated.losses;
        if !losses.is_empty() && !self.lossy {
            bail!(
                "{}: cannot be said exactly in NIR:\n  {}\nthe flag to leave it out: --lossy",
                at(),
                losses.join("\n  ")
            );
        }
        let bytes = nir::file::bytes(&translated.made).with_context(at)?;
        let mut file = AtomicFile::create(&self.out)?;
        file.write_all(&bytes).with_context(|| format!("{}: cannot be written", self.out.display()))?;
        file.commit()?;
        output::notes(&losses);
        output::notes(&translated.notes);
        let provenance = provenance::of("export")
            .file("net", Some(net.file))
            .file("out", Some(FileDigest::new(&self.out, Digest::of(&bytes))))
            .options(self.net.options(net.memory_limit))
            .options([("format", json!("nir")), ("dt", json!(self.dt)), ("lossy", json!(self.lossy))]);
        let report = Report {
            provenance,
            out: self.out.display().to_string(),
            bytes: bytes.len() as u64,
            nodes: translated.made.nodes.len(),
            edges: translated.made.edges.len(),
            losses,
            notes: translated.notes,
        };
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&format!(
                "{}: {}, {}, {}\n",
                report.out,
                output::counted(report.nodes, "node"),
                output::counted(report.edges, "edge"),
                output::bytes(report.bytes)
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
