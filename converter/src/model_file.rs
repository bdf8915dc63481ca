//! Nets from files of every kind, by the ending of their names.

use crate::ann::{Ann, AnnError};
use crate::import::onnx::{self, Choice};
use crate::import::state_dict::{self, LayerList, StateDict, StateDictError};
use crate::import::{Import, ImportError};
use crate::numpy_net::{ArrayValues, NamedArray, NumpyNet, NumpyNetError, numpy_net};
use crate::simplify::simplify;
use snn_engine::Network;
use snn_formats::{Array, Digest, FileDigest, FormatError, NpzReader, Values, regular};
use std::path::{Path, PathBuf};

/// A net from a file.
#[derive(Debug)]
pub enum Model {
    /// A trained net, simplified, to be converted.
    Trained(Ann),
    /// A spiking network as it is.
    Spiking(Box<Network>),
}

/// A file that was read.
#[derive(Debug)]
pub struct ModelFile {
    /// The net.
    pub model: Model,
    /// What its import noted, one sentence each.
    pub notes: Vec<String>,
    /// The files that were read: its own first, then those that it names.
    pub files: Vec<FileDigest>,
    /// The layer list.
    pub layers: Option<FileDigest>,
}

/// Why a file does not become a net. All name the file.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// Its name says of no kind of model that it is one.
    #[error("{}: unknown kind of model; allowed are files named .onnx, .npz, .pt, .pth and .safetensors", .0.display())]
    Kind(PathBuf),
    /// It is an ONNX file that does not become a net.
    #[error("{}: {error}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ImportError,
    },
    /// It is no .npz file, or a damaged one.
    #[error(transparent)]
    Npz(#[from] FormatError),
    /// Its arrays make no net.
    #[error("{}: {error}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// Why.
        error: NumpyNetError,
    },
    /// Its tensors cannot be read.
    #[error("{}: {error}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// Why.
        error: StateDictError,
    },
    /// It holds weights only, and there is no layer list that says what they are of.
    #[error("{}: a layer list is needed: {request}", path.display())]
    NoLayers {
        /// The file.
        path: PathBuf,
        /// What is asked for.
        request: String,
    },
    /// There is a layer list for a file that says itself which layers it has.
    #[error("{}: {} says itself which layers it has; leave the layer list out", layers.display(), path.display())]
    NeedsNoLayers {
        /// The file.
        path: PathBuf,
        /// The layer list.
        layers: PathBuf,
    },
    /// A choice of outputs or shapes for a file that leaves nothing open.
    #[error("{}: an output or a shape is chosen among what an .onnx file leaves open; leave it out", .0.display())]
    NoChoice(PathBuf),
    /// The layer list cannot be read, or is none.
    #[error("{}: {what}", path.display())]
    LayerList {
        /// The list.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// The layer list does not fit the tensors.
    #[error("{} for {}: {error}", layers.display(), path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The list.
        layers: PathBuf,
        /// Why.
        error: StateDictError,
    },
    /// The simplified graph does not hold together.
    #[error("{}: {error}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why.
        error: AnnError,
    },
}

/// What a file holds, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Onnx,
    Npz,
    Tensors,
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "onnx" => Some(Kind::Onnx),
        "npz" => Some(Kind::Npz),
        "pt" | "pth" | "pt2" | "safetensors" => Some(Kind::Tensors),
        _ => None,
    }
}

impl ModelFile {
    /// Reads a net, one of weights only (.pt, .pth, .safetensors) by its layer list; `choice` is among what an .onnx file leaves
    /// open. Trained nets are simplified. Time and memory are in proportion to the files.
    ///
    /// # Errors
    /// Whatever is wrong with the files, and a layer list or choice where there is nothing to be said or chosen.
    pub fn read(path: &Path, layers: Option<&Path>, choice: &Choice) -> Result<Self, ModelFileError> {
        let own = || path.to_owned();
        let kind = kind(path).ok_or_else(|| ModelFileError::Kind(own()))?;
        if let Some(layers) = layers
            && kind != Kind::Tensors
        {
            return Err(ModelFileError::NeedsNoLayers { path: own(), layers: layers.to_owned() });
        }
        if kind != Kind::Onnx && *choice != Choice::default() {
            return Err(ModelFileError::NoChoice(own()));
        }
        match kind {
            Kind::Onnx => {
                let read = onnx::read_chosen(path, choice);
                Self::trained(path, read.map_err(|error| ModelFileError::Onnx { path: own(), error })?, None)
            }
            Kind::Npz => {
                let (arrays, file) = npz_arrays(path)?;
                let made = numpy_net(arrays);
                let (net, notes) = made.map_err(|error| ModelFileError::Arrays { path: own(), error })?;
                match net {
                    NumpyNet::Trained(ann) => {
                        Self::trained(path, Import { ann, notes, files: vec![file] }, None)
                    }
                    NumpyNet::Spiking(network) => {
                        Ok(Self { model: Model::Spiking(network), notes, files: vec![file], layers: None })
                    }
                }
            }
            Kind::Tensors => {
                let unread = |error| ModelFileError::Tensors { path: own(), error };
                let tensors = StateDict::read(path).map_err(unread)?;
                let Some(layers) = layers else {
                    return Err(ModelFileError::NoLayers { path: own(), request: tensors.request() });
                };
                let no_list = |what: String| ModelFileError::LayerList { path: layers.to_owned(), what };
                let bytes =
                    regular::read(layers).map_err(|error| no_list(format!("cannot be read: {error}")))?;
                let digest = FileDigest::new(layers, Digest::of(&bytes));
                let text = String::from_utf8(bytes)
                    .map_err(|_| no_list("cannot be read: it is no text in UTF-8".into()))?;
                let list = LayerList::parse(&text).map_err(|error| no_list(error.to_string()))?;
                let import = state_dict::import(&tensors, list).map_err(|error| ModelFileError::Unfit {
                    path: own(),
                    layers: layers.to_owned(),
                    error,
                })?;
                Self::trained(path, import, Some(digest))
            }
        }
    }

    fn trained(path: &Path, import: Import, layers: Option<FileDigest>) -> Result<Self, ModelFileError> {
        let ann =
            simplify(&import.ann).map_err(|error| ModelFileError::Graph { path: path.to_owned(), error })?;
        Ok(Self { model: Model::Trained(ann), notes: import.notes, files: import.files, layers })
    }
}

/// The files beside a model's own that hold some of its numbers; none if the model cannot be read: its reading says why.
#[must_use]
pub fn files_beside(path: &Path) -> Vec<PathBuf> {
    if kind(path) != Some(Kind::Onnx) || !path.is_file() {
        return vec![];
    }
    let names = regular::read(path).ok().and_then(|bytes| onnx::external_files(&bytes).ok());
    let folder = path.parent().unwrap_or(Path::new(""));
    names.unwrap_or_default().iter().map(|name| folder.join(name)).collect()
}

/// The arrays of an .npz file, as [`numpy_net`] takes them, and its digest.
///
/// # Errors
/// If it cannot be read, or an array is of a type that no net has.
pub fn npz_arrays(path: &Path) -> Result<(Vec<NamedArray>, FileDigest), FormatError> {
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

fn values(array: Array) -> Result<ArrayValues, FormatError> {
    Ok(match &array.values {
        Values::Text(_) => ArrayValues::Text(array.into_text()?),
        Values::F32(_) | Values::F64(_) | Values::Bool(_) => ArrayValues::Numbers(array.into_f32()?),
        _ => ArrayValues::Whole(array.into_labels()?),
    })
}
