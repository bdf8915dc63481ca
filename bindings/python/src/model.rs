//! Trained nets and their conversion.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::ndarray::Array2;
use numpy::{
    IntoPyArray, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use snn_converter::ann::{Ann, Linear, Op, Shape};
use snn_converter::calibrate::Zeros;
use snn_converter::import::{Import, onnx};
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, Readout, ScalePer, Start};
use snn_formats::Description;

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

    /// A fully connected net with ReLU between its layers: weights `[outputs, inputs]` and biases.
    #[staticmethod]
    fn from_layers(
        layers: Vec<(PyReadonlyArray2<'_, f32>, Option<PyReadonlyArray1<'_, f32>>)>,
    ) -> PyResult<Self> {
        let Some((first, _)) = layers.first() else {
            return Err(PyValueError::new_err("there are no layers; allowed is at least one (weight, bias)"));
        };
        let shape = Shape::new(vec![first.shape()[1]]).map_err(PyValueError::new_err)?;
        let mut ann = Ann::new("input", shape).map_err(error::ann)?;
        let mut node = ann.input();
        for (place, (weights, bias)) in layers.iter().enumerate() {
            let last = place + 1 == layers.len();
            let name = format!("layer{place}");
            let linear = Op::Linear(Linear {
                weights: weights.as_array().iter().copied().collect(),
                bias: bias.as_ref().map(|bias| bias.as_array().iter().copied().collect::<Arc<[f32]>>()),
                inputs: weights.shape()[1],
                outputs: weights.shape()[0],
            });
            let linear_name = if last { name.clone() } else { format!("{name}.weights") };
            node = ann.push(linear_name, linear, &[node]).map_err(error::ann)?;
            if !last {
                node = ann.push(name, Op::Relu, &[node]).map_err(error::ann)?;
            }
        }
        Ok(Self { ann, notes: vec![] })
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

    /// Makes a spiking network: the network, the report as JSON, and notes.
    #[pyo3(signature = (calibration, *, T, normalise, percentile, scale_per, zeros, start, readout, unroll, input_mean, input_std))]
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
        };
        let mut notes = self.notes.clone();
        let values =
            calibration.map(|calibration| self.values("calibration_data", &calibration)).transpose()?;
        let conversion = py.detach(|| {
            let samples = values.as_ref().map(|values| snn_converter::Samples { values, labels: None });
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
