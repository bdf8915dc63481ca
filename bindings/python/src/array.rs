//! NumPy arrays as samples of a network.

use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use snn_engine::{Encoding, Input, Network};

use crate::error;

/// How many samples an array of a shape holds, and whether it is one sample without an axis of samples.
struct Batch {
    samples: usize,
    single: bool,
}

fn size(axes: &[usize]) -> usize {
    axes.iter().product()
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn unfit(what: &str, shape: &[usize], allowed: &str) -> PyErr {
    error::RaisedNetworkError::new_err(format!("{what} of shape ({}); allowed are {allowed}", join(shape)))
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

/// The input of a run, and whether it is one sample without an axis of samples.
pub struct Samples {
    pub input: Input,
    pub single: bool,
}

/// Values `(N, …)` or one sample `(…)`.
pub fn values(
    network: &Network,
    array: &PyReadonlyArrayDyn<'_, f32>,
    encoding: Encoding,
) -> PyResult<Samples> {
    let wanted = source_shape(network)?;
    let batch = batch_of(array.shape(), &wanted)?;
    let input = Input::values(network, copied(array), encoding).map_err(error::network)?;
    debug_assert_eq!(input.samples(), batch.samples);
    Ok(Samples { input, single: batch.single })
}

fn batch_of(shape: &[usize], wanted: &[usize]) -> PyResult<Batch> {
    let width = size(wanted);
    let allowed = format!("({}) and (N, {})", join(wanted), join(wanted));
    if shape == wanted || (shape.len() == 1 && shape[0] == width) {
        return Ok(Batch { samples: 1, single: true });
    }
    if shape.len() >= 2 && size(&shape[1..]) == width {
        return Ok(Batch { samples: shape[0], single: false });
    }
    Err(unfit("samples", shape, &allowed))
}

/// Spikes `(T, …)` of one sample or `(N, T, …)`.
pub fn raster(network: &Network, array: &Bound<'_, PyAny>) -> PyResult<Samples> {
    let flags = array.extract::<PyReadonlyArrayDyn<'_, bool>>();
    let values = match &flags {
        Ok(flags) => {
            return of_raster(network, flags.shape(), |steps| Input::spikes(network, copied(flags), steps));
        }
        Err(_) => array.call_method1("astype", ("int64",)).and_then(|wide| {
            // Numbers that are not whole, or text, are not made so silently.
            let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
            if !matches!(kind.as_str(), "i" | "u") {
                return Err(PyTypeError::new_err("a raster is an array of bool, or of whole numbers"));
            }
            wide.extract::<PyReadonlyArrayDyn<'_, i64>>()
        })?,
    };
    let wide = copied(&values);
    let allowed = i64::from(snn_engine::LARGEST_VALUE);
    if let Some(value) = wide.iter().find(|value| !(-allowed..=allowed).contains(*value)) {
        return Err(error::RaisedNetworkError::new_err(format!(
            "a raster has the value {value}; allowed are spikes of -{allowed} to {allowed}"
        )));
    }
    // All are within 16 bits, as was just seen.
    let narrow: Vec<i16> = wide.into_iter().map(|value| value as i16).collect();
    of_raster(network, values.shape(), |steps| Input::valued(network, narrow, steps))
}

fn of_raster(
    network: &Network,
    shape: &[usize],
    input: impl FnOnce(usize) -> Result<Input, snn_engine::NetworkError>,
) -> PyResult<Samples> {
    let wanted = source_shape(network)?;
    let width = size(&wanted);
    let (steps, single) = if shape.len() >= 2 && size(&shape[1..]) == width {
        (shape[0], true)
    } else if shape.len() >= 3 && size(&shape[2..]) == width {
        (shape[1], false)
    } else {
        let wanted = join(&wanted);
        return Err(unfit("a raster", shape, &format!("(T, {wanted}) and (N, T, {wanted})")));
    };
    if steps == 0 {
        return Err(unfit("a raster", shape, "rasters of at least one step"));
    }
    let input = input(steps).map_err(error::network)?;
    Ok(Samples { input, single })
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
