//! Trained nets and their conversion.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use snn_converter::ann::{Ann, Op};
use snn_converter::calibrate::Zeros;
use snn_converter::import::{Import, onnx};
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, Readout, ScalePer, Start};
use snn_formats::{Array, Description, NpzReader, Values};

use crate::network::Network;
use crate::{array, error};

/// A trained net, ready to be evaluated and converted.
#[pyclass(frozen, module = "snn_event")]
pub struct Model {
    ann: Ann,
    notes: Vec<String>,
}

fn simplified(import: Import) -> PyResult<Model> {
    let ann = simplify(&import.ann).map_err(error::ann)?;
    Ok(Model { ann, notes: import.notes })
}

/// A trained net, or a spiking one as it is.
#[derive(IntoPyObject)]
pub enum Net {
    Trained(Model),
    Spiking(Network),
}

fn of_arrays(arrays: Vec<NamedArray>, at: &str) -> PyResult<(Net, Vec<String>)> {
    let made = numpy_net(arrays);
    let (net, notes) = made.map_err(|e| error::RaisedConvertError::new_err(format!("{at}{e}")))?;
    Ok(match net {
        NumpyNet::Trained(ann) => {
            let ann = simplify(&ann).map_err(error::ann)?;
            (Net::Trained(Model { ann, notes: notes.clone() }), notes)
        }
        NumpyNet::Spiking(network) => {
            let network = Network { inner: Arc::new(*network), description: Description::default() };
            (Net::Spiking(network), notes)
        }
    })
}

/// Reads a fully connected net from an .npz file of W0, b0, W1, b1, …: the net, and notes.
#[pyfunction]
pub fn read_npz(py: Python<'_>, path: PathBuf) -> PyResult<(Net, Vec<String>)> {
    py.detach(|| {
        let mut npz = NpzReader::open(&path).map_err(|e| error::format(e, &path))?;
        let names: Vec<String> = npz.names().map(str::to_owned).collect();
        let mut arrays = vec![];
        for name in names {
            let array = npz.read(&name).map_err(|e| error::format(e, &path))?;
            let shape = array.shape.clone();
            let values = of_file(array).map_err(|e| error::format(e, &path))?;
            arrays.push(NamedArray { name, shape, values });
        }
        of_arrays(arrays, &format!("{}: ", path.display()))
    })
}

fn of_file(array: Array) -> Result<ArrayValues, snn_formats::FormatError> {
    Ok(match &array.values {
        Values::Text(_) => ArrayValues::Text(array.into_text()?),
        Values::F32(_) | Values::F64(_) | Values::Bool(_) => ArrayValues::Numbers(array.into_f32()?),
        _ => ArrayValues::Whole(array.into_labels()?),
    })
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
    of_arrays(arrays.into_iter().map(of).collect(), "")
}

#[pymethods]
impl Model {
    /// Reads an ONNX file.
    #[staticmethod]
    fn from_onnx(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| simplified(onnx::read(&path).map_err(error::import)?))
    }

    /// Reads the bytes of an ONNX file that stands alone.
    #[staticmethod]
    fn from_onnx_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| simplified(onnx::import(data.to_vec(), None).map_err(error::import)?))
    }

    /// The shape of one sample.
    #[getter]
    fn input_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        pyo3::types::PyTuple::new(py, self.ann.input_shape().extents())
    }

    /// The shape of the result for one sample.
    #[getter]
    fn output_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        pyo3::types::PyTuple::new(py, self.ann.output_shape().extents())
    }

    /// Levels of every quantised activation (QCFS), in execution order; none for the other activations.
    #[getter]
    fn activations(&self) -> Vec<Option<u32>> {
        let of = |op: &Op| match op {
            Op::Qcfs { levels, .. } => Some(*levels),
            _ => None,
        };
        let nodes = self.ann.nodes().iter();
        nodes.filter(|node| node.op.is_activation()).map(|node| of(&node.op)).collect()
    }

    /// What the user should know about how the model was read.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The outputs of the trained net itself, `(N, n)`.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArrayDyn<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let values = self.values("x", &x)?;
        let logits =
            py.detach(|| snn_converter::forward::logits(&self.ann, &values)).map_err(error::forward)?;
        let width = self.ann.output_shape().elements();
        let rows = logits.len() / width;
        Ok(Array2::from_shape_vec((rows, width), logits).expect("one row for each sample").into_pyarray(py))
    }

    /// Compares the outputs for samples with those that the trained net gave: how many samples, and their largest relative
    /// difference.
    fn expect(
        &self,
        py: Python<'_>,
        x: PyReadonlyArrayDyn<'_, f32>,
        outputs: PyReadonlyArrayDyn<'_, f64>,
    ) -> PyResult<(usize, f64)> {
        let (values, outputs) = (self.values("x", &x)?, array::copied(&outputs));
        let agreement =
            py.detach(|| snn_converter::expect(&self.ann, &values, &outputs)).map_err(error::expect)?;
        Ok((agreement.samples, agreement.largest))
    }

    /// Makes a spiking network: the network, the report as JSON, and notes.
    #[pyo3(signature = (calibration, *, T, normalise, percentile, scale_per, zeros, start, readout, unroll, input_mean, input_std, fit, compare, labels, expected))]
    #[allow(
        non_snake_case,
        reason = "T is what everybody calls the number of steps, here and on the command line"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn convert(
        &self,
        py: Python<'_>,
        calibration: Option<PyReadonlyArrayDyn<'_, f32>>,
        T: u32,
        normalise: &str,
        percentile: f64,
        scale_per: Option<&str>,
        zeros: bool,
        start: Option<&str>,
        readout: &str,
        unroll: bool,
        input_mean: Vec<f32>,
        input_std: Vec<f32>,
        fit: bool,
        compare: bool,
        labels: Option<PyReadonlyArray1<'_, i64>>,
        expected: Option<PyReadonlyArrayDyn<'_, f64>>,
    ) -> PyResult<(Network, String, Vec<String>)> {
        let options = Options {
            normalise: match normalise {
                "max" => Normalise::Max,
                "percentile" => Normalise::Percentile(percentile),
                "mse" => Normalise::LeastError,
                "qcfs" => Normalise::Trained,
                "none" => Normalise::None,
                _ => {
                    let allowed = "\"percentile\", \"max\", \"mse\", \"qcfs\" and \"none\"";
                    return Err(error::argument("normalise", normalise, allowed));
                }
            },
            scale_per: match scale_per {
                None => None,
                Some("layer") => Some(ScalePer::Layer),
                Some("channel") => Some(ScalePer::Channel),
                Some(other) => {
                    return Err(error::argument("scale_per", other, "\"layer\", \"channel\" and None"));
                }
            },
            zeros: if zeros { Zeros::Included } else { Zeros::Excluded },
            start: match start {
                None => None,
                Some("zero") => Some(Start::Zero),
                Some("half") => Some(Start::Half),
                Some(other) => return Err(error::argument("v0", other, "\"zero\", \"half\" and None")),
            },
            steps: T,
            readout: match readout {
                "spikes" => Readout::Spikes,
                "potential" => Readout::Potential,
                _ => return Err(error::argument("readout", readout, "\"spikes\" and \"potential\"")),
            },
            unroll,
            input_mean,
            input_std,
            fit,
            compare: compare || labels.is_some(),
        };
        let mut notes = self.notes.clone();
        let values =
            calibration.map(|calibration| self.values("calibration_data", &calibration)).transpose()?;
        let labels: Option<Vec<i64>> = labels.map(|labels| labels.as_array().iter().copied().collect());
        let expected = expected.map(|expected| array::copied(&expected));
        let conversion = py.detach(|| {
            let samples = values.as_ref().map(|values| snn_converter::Samples {
                values,
                labels: labels.as_deref(),
                expected: expected.as_deref(),
            });
            snn_converter::convert(&self.ann, samples.as_ref(), &options)
        });
        let conversion = conversion.map_err(error::convert)?;
        notes.extend(conversion.notes);
        let report = serde_json::to_string(&conversion.report)
            .map_err(|e| PyValueError::new_err(format!("the report cannot be written as JSON: {e}")))?;
        let network = Network { inner: Arc::new(conversion.network), description: Description::default() };
        Ok((network, report, notes))
    }
}

impl Model {
    /// Samples `(N, …)` or one `(…)` of the input's shape, or of as many numbers in another.
    fn values(&self, what: &str, array: &PyReadonlyArrayDyn<'_, f32>) -> PyResult<Vec<f32>> {
        let shape = array.shape();
        let elements = self.ann.input_shape().elements();
        let fits = |axes: &[usize]| axes.iter().product::<usize>() == elements;
        if shape.is_empty() || !(fits(&shape[1..]) || fits(shape)) {
            return Err(error::RaisedConvertError::new_err(format!(
                "{what} has the shape {shape:?}; allowed are samples of the model's input, {}",
                self.ann.input_shape()
            )));
        }
        Ok(array::copied(array))
    }
}
