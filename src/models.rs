//! Nets from files: what the converter reads, and NIR files; errors with the flags that help.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use snn_converter::import::ImportError;
use snn_converter::import::onnx::Choice;
use snn_converter::model_file::{Model, ModelFile, ModelFileError};
use snn_exchange::nir::{self, Steps};
use snn_formats::{Digest, FileDigest};

use crate::commands::Usage;

/// What is said of the steps of a NIR file, which has seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InSteps {
    /// Seconds of a step.
    pub dt: Option<f64>,
    /// Whether what cannot be said exactly is said as well as it can be.
    pub lossy: bool,
}

impl InSteps {
    /// What the library is told: nothing is refused for being lost before it is known what the flags say.
    fn steps(self) -> Steps {
        Steps { dt: self.dt.unwrap_or(Steps::default().dt), lossy: true }
    }
}

/// Reads a net, one of weights only by its layer list.
pub fn read(path: &Path, layers: Option<&Path>, choice: &Choice, in_steps: InSteps) -> Result<ModelFile> {
    let needs_no_layers = |layers: &Path| {
        Usage(format!(
            "--layers {}: {} says itself which layers it has; leave the flag out",
            layers.display(),
            path.display()
        ))
    };
    let no_choice = || {
        Usage(format!(
            "--output and --input-shape: they choose among what an .onnx file leaves open; leave them out for {}",
            path.display()
        ))
    };
    if is_nir(path) {
        if let Some(layers) = layers {
            return Err(needs_no_layers(layers).into());
        }
        if *choice != Choice::default() {
            return Err(no_choice().into());
        }
        return read_nir(path, in_steps);
    }
    if in_steps != InSteps::default() {
        return Err(Usage(format!(
            "--dt and --lossy: they say how the seconds of a NIR file become steps; leave them out for {}",
            path.display()
        ))
        .into());
    }
    ModelFile::read(path, layers, choice).map_err(|error| match error {
        ModelFileError::Kind(path) => anyhow::anyhow!(
            "{}: unknown kind of model; allowed are files named .onnx, .npz, .pt, .pth, .safetensors and .nir",
            path.display()
        ),
        ModelFileError::NeedsNoLayers { layers, .. } => needs_no_layers(&layers).into(),
        ModelFileError::NoChoice(_) => no_choice().into(),
        ModelFileError::NoLayers { path, request } => anyhow::anyhow!(
            "{}: a layer list is needed, given with --layers LAYERS.TOML: {request}",
            path.display()
        ),
        ModelFileError::Onnx { error: ImportError::Refused(_), .. } => anyhow::anyhow!(
            "{error}\nthe flags to choose an output and the shape of a sample: --output NAME, --input-shape 3,224,224"
        ),
        other => other.into(),
    })
}

fn read_nir(path: &Path, in_steps: InSteps) -> Result<ModelFile> {
    let at = || path.display().to_string();
    let bytes =
        snn_formats::regular::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let file = FileDigest::new(path, Digest::of(&bytes));
    let graph = nir::file::parse(bytes).with_context(at)?;
    let steps = in_steps.steps();
    let translated = nir::to_network(&graph, steps).with_context(at)?;
    if !in_steps.lossy && !translated.losses.is_empty() {
        bail!(
            "{}: cannot be said exactly in steps of {} s: {}\nthe flags for it: --dt SECONDS, or --lossy to have it as well as \
             it can be",
            path.display(),
            steps.dt,
            translated.losses.join("; ")
        );
    }
    let notes = [translated.losses, translated.notes].concat();
    let model = Model::Spiking(Box::new(translated.made));
    Ok(ModelFile { model, notes, files: vec![file], layers: None })
}

/// Whether a file is one of NIR: by its name, or by its first bytes where the name says nothing.
fn is_nir(path: &Path) -> bool {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "nir" => true,
        "onnx" | "npz" | "pt" | "pth" | "pt2" | "safetensors" => false,
        _ => {
            let head = snn_formats::regular::open(path).ok().and_then(|(file, _)| {
                let mut head = vec![];
                file.take(nir::file::MAGIC.len() as u64).read_to_end(&mut head).ok()?;
                Some(head)
            });
            head.is_some_and(|head| head == nir::file::MAGIC)
        }
    }
}
