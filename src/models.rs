//! Trained nets from files, by the ending of their names.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snn_converter::ann::Ann;
use snn_converter::import::ImportError;
use snn_converter::import::onnx::{self, Choice};
use snn_converter::import::state_dict::{self, LayerList, StateDict};
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_converter::simplify::simplify;
use snn_engine::Network;
use snn_exchange::nir::{self, Steps};
use snn_formats::{Array, Digest, FileDigest, NpzReader, Values};

use crate::commands::Usage;

/// A net from a file.
pub enum Model {
    /// A trained net, to be converted.
    Trained(Ann),
    /// A spiking network as it is.
    Spiking(Box<Network>),
}

/// A net that was read.
pub struct Read {
    pub model: Model,
    /// What its import noted.
    pub notes: Vec<String>,
    /// The files that it was read from: its own, and those that it names.
    pub files: Vec<FileDigest>,
    /// The layer list.
    pub layers: Option<FileDigest>,
}

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
pub fn read(path: &Path, layers: Option<&Path>, choice: &Choice, in_steps: InSteps) -> Result<Read> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let at = || path.display().to_string();
    let ending = if is_nir(path, ending) { "nir" } else { ending };
    if ending != "nir" && in_steps != InSteps::default() {
        return Err(Usage(format!(
            "--dt and --lossy: they say how the seconds of a NIR file become steps; leave them out for {}",
            path.display()
        ))
        .into());
    }
    if let (Some(layers), "onnx" | "npz" | "nir") = (layers, ending) {
        return Err(Usage(format!(
            "--layers {}: {} says itself which layers it has; leave the flag out",
            layers.display(),
            path.display()
        ))
        .into());
    }
    if ending != "onnx" && *choice != Choice::default() {
        return Err(Usage(format!(
            "--output and --input-shape: they choose among what an .onnx file leaves open; leave them out for {}",
            path.display()
        ))
        .into());
    }
    let mut layer_list = None;
    let (model, notes, files) = match ending {
        "onnx" => {
            let import = onnx::read_chosen(path, choice).map_err(with_flags).with_context(at)?;
            (Model::Trained(import.ann), import.notes, import.files)
        }
        "npz" => {
            let (arrays, file) = arrays(path)?;
            let (net, notes) = numpy_net(arrays).with_context(at)?;
            let model = match net {
                NumpyNet::Trained(ann) => Model::Trained(ann),
                NumpyNet::Spiking(network) => Model::Spiking(network),
            };
            (model, notes, vec![file])
        }
        "pt" | "pth" | "pt2" | "safetensors" => {
            let tensors = StateDict::read(path).with_context(at)?;
            let Some(layers) = layers else {
                bail!(
                    "{}: a layer list is needed, given with --layers LAYERS.TOML: {}",
                    path.display(),
                    tensors.request()
                )
            };
            let at_list = || layers.display().to_string();
            let (text, digest) =
                read_text(layers).with_context(|| format!("{}: cannot be read", layers.display()))?;
            layer_list = Some(FileDigest::new(layers, digest));
            let list = LayerList::parse(&text).with_context(at_list)?;
            let import = state_dict::import(&tensors, list)
                .with_context(|| format!("{} for {}", layers.display(), path.display()))?;
            (Model::Trained(import.ann), import.notes, import.files)
        }
        "nir" => {
            let bytes = snn_formats::regular::read(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            let file = FileDigest::new(path, Digest::of(&bytes));
            let graph = nir::file::parse(bytes).with_context(at)?;
            let steps = in_steps.steps();
            let translated = nir::to_network(&graph, steps).with_context(at)?;
            if !in_steps.lossy && !translated.losses.is_empty() {
                bail!(
                    "{}: cannot be said exactly in steps of {} s: {}\nthe flags for it: --dt SECONDS, or --lossy to have it as \
                     well as it can be",
                    path.display(),
                    steps.dt,
                    translated.losses.join("; ")
                );
            }
            let notes = [translated.losses, translated.notes].concat();
            (Model::Spiking(Box::new(translated.made)), notes, vec![file])
        }
        _ => bail!(
            "{}: unknown kind of model; allowed are files named .onnx, .npz, .pt, .pth, .safetensors and .nir",
            path.display()
        ),
    };
    let model = match model {
        Model::Trained(ann) => Model::Trained(simplify(&ann).with_context(at)?),
        spiking => spiking,
    };
    Ok(Read { model, notes, files, layers: layer_list })
}

/// Whether a file is one of NIR: by its name, or by its first bytes where the name says nothing.
fn is_nir(path: &Path, ending: &str) -> bool {
    match ending {
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

/// The text of a layer list.
fn read_text(path: &Path) -> std::io::Result<(String, Digest)> {
    let bytes = snn_formats::regular::read(path)?;
    let digest = Digest::of(&bytes);
    let text = String::from_utf8(bytes)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is no text in UTF-8"))?;
    Ok((text, digest))
}

/// The files beside a model's own that hold some of its numbers. None if the model cannot be read: its reading says why.
pub fn files_beside(path: &Path) -> Vec<PathBuf> {
    let is_onnx = path.extension().is_some_and(|ending| ending == "onnx") && path.is_file();
    let names = is_onnx.then(|| onnx::external_files(&snn_formats::regular::read(path).ok()?).ok()).flatten();
    let folder = path.parent().unwrap_or(Path::new(""));
    names.unwrap_or_default().iter().map(|name| folder.join(name)).collect()
}

/// An error of the library with the flags by which the user chooses, which the library does not know.
fn with_flags(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Refused(_) => anyhow::anyhow!(
            "{error}\nthe flags to choose an output and the shape of a sample: --output NAME, --input-shape 3,224,224"
        ),
        other => other.into(),
    }
}

fn arrays(path: &Path) -> Result<(Vec<NamedArray>, FileDigest)> {
    let mut npz = NpzReader::open(path)?;
    let names: Vec<String> = npz.names().map(str::to_owned).collect();
    let mut arrays = vec![];
    for name in names {
        let array = npz.read(&name)?;
        let shape = array.shape.clone();
        arrays.push(NamedArray { name, shape, values: values(array)? });
    }
    Ok((arrays, FileDigest::new(path, npz.digest())))
}

fn values(array: Array) -> Result<ArrayValues> {
    Ok(match &array.values {
        Values::Text(_) => ArrayValues::Text(array.into_text()?),
        Values::F32(_) | Values::F64(_) => ArrayValues::Numbers(array.into_f32()?),
        Values::Bool(_) => ArrayValues::Numbers(array.into_f32()?),
        _ => ArrayValues::Whole(array.into_labels()?),
    })
}
