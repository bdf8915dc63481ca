//! Trained nets from arrays and files of weights.

use std::path::PathBuf;

use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use snn_converter::import::Import;
use snn_converter::import::state_dict::{self, LayerList, StateDict};
use snn_converter::model_file::npz_arrays;
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_formats::{Description, FileDigest};

use crate::model::Model;
use crate::network::{Network, Told, told};
use crate::{array, background, error};

/// A trained net, or a spiking one as it is.
#[derive(IntoPyObject)]
pub enum Net {
    Trained(Model),
    Spiking(Network),
}

/// A net of arrays, which a file holds if one is given.
fn of_arrays(arrays: Vec<NamedArray>, file: Option<(PathBuf, FileDigest)>) -> PyResult<(Net, Vec<String>)> {
    let (inputs, files): (Vec<_>, Vec<_>) = file.into_iter().unzip();
    let at = inputs.first().map(|path| format!("{}: ", path.display())).unwrap_or_default();
    let made = numpy_net(arrays);
    let (net, notes) = made.map_err(|e| error::RaisedConvertError::new_err(format!("{at}{e}")))?;
    Ok(match net {
        NumpyNet::Trained(ann) => {
            let import = Import { ann, notes: notes.clone(), files };
            (Net::Trained(Model::of(import, inputs).map_err(error::ann)?), notes)
        }
        NumpyNet::Spiking(network) => {
            (Net::Spiking(Network::new(*network, Description::default(), inputs)), notes)
        }
    })
}

/// Reads a fully connected net from an .npz file of W0, b0, W1, b1, …: the net, notes, and the file's name, bytes and CRC-32
/// in hexadecimal digits.
#[pyfunction]
pub fn read_npz(py: Python<'_>, path: PathBuf) -> PyResult<(Net, Vec<String>, Told)> {
    background::wait(py, move || {
        let (arrays, file) = npz_arrays(&path).map_err(|e| error::format(&e))?;
        let read = told(&file);
        let (net, notes) = of_arrays(arrays, Some((path, file)))?;
        Ok((net, notes, read))
    })?
}

/// An array of a net: numbers, whole numbers, or a text.
#[derive(FromPyObject)]
pub enum Given<'py> {
    Numbers(PyReadonlyArrayDyn<'py, f32>),
    Whole(PyReadonlyArrayDyn<'py, i64>),
    Text(String),
}

/// Makes a fully connected net of arrays W0, b0, W1, b1, …: the net, and notes.
#[pyfunction]
pub fn from_arrays(arrays: Vec<(String, Given<'_>)>) -> PyResult<(Net, Vec<String>)> {
    let of = |(name, given)| match given {
        Given::Numbers(array) => NamedArray {
            name,
            shape: array.shape().to_vec(),
            values: ArrayValues::Numbers(array::copied(&array)),
        },
        Given::Whole(array) => NamedArray {
            name,
            shape: array.shape().to_vec(),
            values: ArrayValues::Whole(array::copied(&array)),
        },
        Given::Text(text) => NamedArray { name, shape: vec![], values: ArrayValues::Text(text) },
    };
    of_arrays(arrays.into_iter().map(of).collect(), None)
}

/// What stands in front of an error, or `layers` for a list that was given as a text.
fn list_at(layers_path: Option<&PathBuf>) -> String {
    layers_path.map_or_else(|| "layers".to_owned(), |path| path.display().to_string())
}

fn of_state_dict(
    tensors: &StateDict,
    at: &str,
    layers: Option<&str>,
    layers_path: Option<&PathBuf>,
    inputs: Vec<PathBuf>,
) -> PyResult<Model> {
    let refused = |text: String| error::RaisedConvertError::new_err(text);
    let Some(layers) = layers else { return Err(refused(format!("{at}: {}", tensors.request()))) };
    let list_at = list_at(layers_path);
    let list = LayerList::parse(layers).map_err(|e| refused(format!("{list_at}: {e}")))?;
    let import =
        state_dict::import(tensors, list).map_err(|e| refused(format!("{list_at} for {at}: {e}")))?;
    Model::of(import, inputs).map_err(error::ann)
}

/// Reads the net that a layer list (TOML) makes of the tensors in a .pt, .pth or .safetensors file. `layers_path` is where the
/// list is from, if it is from a file.
#[pyfunction]
#[pyo3(signature = (path, layers, layers_path))]
pub fn read_state_dict(
    py: Python<'_>,
    path: PathBuf,
    layers: Option<String>,
    layers_path: Option<PathBuf>,
) -> PyResult<Model> {
    background::wait(py, move || {
        let at = path.display().to_string();
        let tensors = StateDict::read(&path).map_err(|e| error::state_dict(e, &path))?;
        let inputs = [path].into_iter().chain(layers_path.clone()).collect();
        of_state_dict(&tensors, &at, layers.as_deref(), layers_path.as_ref(), inputs)
    })?
}

/// Makes the net that a layer list (TOML) makes of tensors by name.
#[pyfunction]
#[pyo3(signature = (tensors, layers, layers_path))]
pub fn from_state_dict(
    tensors: Vec<(String, PyReadonlyArrayDyn<'_, f32>)>,
    layers: Option<String>,
    layers_path: Option<PathBuf>,
) -> PyResult<Model> {
    let tensors =
        tensors.into_iter().map(|(name, array)| (name, array.shape().to_vec(), array::copied(&array)));
    let tensors =
        StateDict::of_arrays(tensors).map_err(|e| error::RaisedConvertError::new_err(e.to_string()))?;
    let inputs = layers_path.clone().into_iter().collect();
    of_state_dict(&tensors, "the state dict", layers.as_deref(), layers_path.as_ref(), inputs)
}
