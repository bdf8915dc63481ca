//! NumPy arrays as samples of a network.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use snn_engine::{Encoding, Input, Network};
use snn_formats::samples::{self, Misfit};
use snn_formats::{Array, Description, Origin, Values};

use crate::error;

fn unfit(misfit: Misfit) -> PyErr {
    error::RaisedInputError::new_err(misfit.to_string())
}

/// Values in the order of the array, copied once: the array may be written to by other threads during the run.
pub fn copied<T: numpy::Element + Copy>(array: &PyReadonlyArrayDyn<'_, T>) -> Vec<T> {
    let view = array.as_array();
    match view.as_slice() {
        Some(values) => values.to_vec(),
        // Not in C order: element by element, the last axis fastest.
        None => view.iter().copied().collect(),
    }
}

/// The input of a run.
pub struct Samples {
    pub input: Input,
    /// Whether it is one sample without an axis of samples.
    pub single: bool,
    /// What the user should know about it.
    pub notes: Vec<String>,
}

/// Values `(N, …)` or one sample `(…)`.
pub fn values(
    network: &Network,
    description: &Description,
    array: &PyReadonlyArrayDyn<'_, f32>,
    encoding: Encoding,
) -> PyResult<Samples> {
    let batch = samples::batch("samples", array.shape(), &source_shape(network)?).map_err(unfit)?;
    let values = copied(array);
    let notes = description.note_on_input(&values).into_iter().collect();
    let input = Input::values(network, values, encoding).map_err(error::network)?;
    Ok(Samples { input, single: batch.single, notes })
}

/// Spikes `(T, …)` of one sample or `(N, T, …)`.
pub fn raster(network: &Network, array: &Bound<'_, PyAny>) -> PyResult<Samples> {
    if let Ok(flags) = array.extract::<PyReadonlyArrayDyn<'_, bool>>() {
        return of_raster(network, flags.shape(), |steps| Input::spikes(network, copied(&flags), steps));
    }
    let (shape, values) = spike_values(array)?;
    of_raster(network, &shape, |steps| Input::valued(network, values, steps))
}

/// The shape of an array of flags, or of whole numbers as the values of spikes, and the values.
pub fn spike_values(array: &Bound<'_, PyAny>) -> PyResult<(Vec<usize>, Vec<i16>)> {
    // Numbers that are not whole, or text, are not made so silently.
    let kind: String =
        array.getattr("dtype").and_then(|dtype| dtype.getattr("kind")?.extract()).unwrap_or_default();
    if !matches!(kind.as_str(), "b" | "i" | "u") {
        return Err(PyTypeError::new_err("a raster is an array of bool, or of whole numbers"));
    }
    let values = array.call_method1("astype", ("int64",))?;
    let values = values.extract::<PyReadonlyArrayDyn<'_, i64>>()?;
    let wide = copied(&values);
    let allowed = i64::from(snn_engine::LARGEST_VALUE);
    if let Some(value) = wide.iter().find(|value| !(-allowed..=allowed).contains(*value)) {
        return Err(error::RaisedNetworkError::new_err(format!(
            "a raster has the value {value}; allowed are spikes of -{allowed} to {allowed}"
        )));
    }
    // All are within 16 bits, as was just seen.
    Ok((values.shape().to_vec(), wide.into_iter().map(|value| value as i16).collect()))
}

/// Spikes as `numpy.packbits(flags, axis=-1)` writes them: `(T, bytes)` of one sample or `(N, T, bytes)`, a row of bits over the
/// neurons in the user's order.
pub fn packed(network: &Network, bytes: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<Samples> {
    let batch = samples::packed("packed spikes", bytes.shape(), &source_shape(network)?).map_err(unfit)?;
    let steps = batch.steps.unwrap_or(0);
    if steps == 0 {
        return Err(error::RaisedNetworkError::new_err(
            "the packed spikes have no steps; allowed are at least one",
        ));
    }
    let input = Input::packed(network, &copied(bytes), steps).map_err(error::network)?;
    Ok(Samples { input, single: batch.single, notes: vec![] })
}

fn of_raster(
    network: &Network,
    shape: &[usize],
    input: impl FnOnce(usize) -> Result<Input, snn_engine::NetworkError>,
) -> PyResult<Samples> {
    let batch = samples::raster("a raster", shape, &source_shape(network)?).map_err(unfit)?;
    let steps = batch.steps.unwrap_or(0);
    if steps == 0 {
        return Err(error::RaisedNetworkError::new_err(
            "the raster has no steps; allowed are rasters of at least one step",
        ));
    }
    let input = input(steps).map_err(error::network)?;
    Ok(Samples { input, single: batch.single, notes: vec![] })
}

fn source_shape(network: &Network) -> PyResult<Vec<usize>> {
    let source = network.sources().next().ok_or_else(|| {
        error::RaisedNetworkError::new_err("the network has no input population, so nothing can drive it")
    })?;
    Ok(network.population(source).layout().shape())
}

/// The encoding of a name.
pub fn encoding(name: &str, seed: u64) -> PyResult<Encoding> {
    match name {
        "constant" => Ok(Encoding::Constant),
        "poisson" => Ok(Encoding::Poisson { seed }),
        "once" => Ok(Encoding::Once),
        "regular" => Ok(Encoding::Regular),
        _ => Err(error::argument(
            "encoding",
            name,
            "\"constant\", \"once\", \"poisson\" and \"regular\"; for given spikes use raster=",
        )),
    }
}

/// Labels of any type that NumPy has for numbers.
#[derive(FromPyObject)]
pub enum Labels<'py> {
    Whole(PyReadonlyArrayDyn<'py, i64>),
    Numbers(PyReadonlyArrayDyn<'py, f64>),
    Flags(PyReadonlyArrayDyn<'py, bool>),
}

/// The class of every sample.
pub fn classes(labels: Labels<'_>, samples: usize, classes: usize) -> PyResult<Vec<i64>> {
    let (shape, values) = match &labels {
        Labels::Whole(array) => (array.shape().to_vec(), Values::I64(copied(array))),
        Labels::Numbers(array) => (array.shape().to_vec(), Values::F64(copied(array))),
        Labels::Flags(array) => (array.shape().to_vec(), Values::Bool(copied(array))),
    };
    let array = Array::new(shape, values, Origin::file("labels"));
    samples::labels(array, samples, classes).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The classes `(N,)` of labels `(N,)`, `(N, 1)` or one-hot, for so many samples and classes.
#[pyfunction]
pub fn class_labels<'py>(
    py: Python<'py>,
    labels: Labels<'_>,
    samples: usize,
    classes: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    Ok(self::classes(labels, samples, classes)?.into_pyarray(py))
}
