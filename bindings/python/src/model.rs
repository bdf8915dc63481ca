//! Trained nets and their conversion.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use snn_converter::ann::{Ann, AnnError, Op};
use snn_converter::calibrate::Zeros;
use snn_converter::convert::as_trained;
use snn_converter::import::{Import, onnx};
use snn_converter::model_file::files_beside;
use snn_converter::simplify::simplify;
use snn_converter::wanted::Wanted;
use snn_converter::{FitBy, NeuronKind, Normalise, Options, Readout, ScalePer, Start};
use snn_engine::WeightType;
use snn_formats::FileDigest;
use snn_formats::samples::{self, Misfit};
use snn_research::trained_classes;

use crate::array::Labels;
use crate::network::{Network, Told, told};
use crate::{array, background, error};

/// A network, the report of its conversion and the options in effect as JSON, notes, and warnings.
type Converted = (Network, String, String, Vec<String>, Vec<String>);

/// A trained net, ready to be evaluated and converted.
#[pyclass(frozen, module = "snn_event")]
pub struct Model {
    pub(crate) ann: Arc<Ann>,
    notes: Vec<String>,
    /// The files that it was read from.
    inputs: Vec<PathBuf>,
    /// What was read of them.
    files: Vec<FileDigest>,
}

impl Model {
    /// A net that was read, simplified, with the files that it was read from.
    pub fn of(import: Import, inputs: Vec<PathBuf>) -> Result<Self, AnnError> {
        Ok(Self { ann: Arc::new(simplify(&import.ann)?), notes: import.notes, inputs, files: import.files })
    }
}

#[pymethods]
impl Model {
    /// Reads an ONNX file.
    #[staticmethod]
    fn from_onnx(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        background::wait(py, move || {
            let import = onnx::read(&path).map_err(error::import)?;
            let mut inputs = vec![path];
            inputs.extend(files_beside(&inputs[0]));
            Self::of(import, inputs).map_err(error::ann)
        })?
    }

    /// Reads the bytes of an ONNX file that stands alone.
    #[staticmethod]
    fn from_onnx_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let data = data.to_vec();
        background::wait(py, move || {
            let import = onnx::import(data, None).map_err(error::import)?;
            Self::of(import, vec![]).map_err(error::ann)
        })?
    }

    /// The files that it was read from: names, bytes, and CRC-32 in hexadecimal digits; its own first, then those that it
    /// names. None if it was read from memory.
    #[getter]
    fn files(&self) -> Vec<Told> {
        self.files.iter().map(told).collect()
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
        let ann = Arc::clone(&self.ann);
        let logits = background::wait(py, move || snn_converter::forward::logits(&ann, &values))?;
        let logits = logits.map_err(error::forward)?;
        let width = self.ann.output_shape().elements();
        let rows = logits.len() / width;
        Ok(Array2::from_shape_vec((rows, width), logits).expect("one row for each sample").into_pyarray(py))
    }

    /// The class that the trained net names for samples as a network takes them, `(N,)`: the largest output, the lowest index among
    /// equals. `input_mean` is subtracted from them first, and they are divided by `input_std`.
    fn classes<'py>(
        &self,
        py: Python<'py>,
        x: PyReadonlyArrayDyn<'py, f32>,
        input_mean: Vec<f32>,
        input_std: Vec<f32>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let values = self.values("x", &x)?;
        let ann = Arc::clone(&self.ann);
        let classes = background::wait(py, move || -> PyResult<Vec<usize>> {
            let values = as_trained(&ann, &values, &input_mean, &input_std).map_err(error::convert)?;
            trained_classes(&ann, &values).map_err(error::forward)
        })??;
        // A net has far fewer than 2^63 outputs.
        let classes = classes.into_iter().map(|class| class as i64);
        Ok(classes.collect::<Vec<_>>().into_pyarray(py))
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
        let ann = Arc::clone(&self.ann);
        let agreement = background::wait(py, move || snn_converter::expect(&ann, &values, &outputs))?;
        let agreement = agreement.map_err(error::expect)?;
        Ok((agreement.samples, agreement.largest))
    }

    /// Makes a spiking network: the network, the report and the options in effect as JSON, notes, and warnings.
    #[pyo3(signature = (calibration, *, T, neuron, levels, max_spikes, reconstruct, normalise, percentile, scale_per, zeros, start, readout, weights, unroll, input_mean, input_std, fit, fit_by, compare, labels, expected))]
    #[allow(
        non_snake_case,
        reason = "T is what everybody calls the number of steps, here and on the command line"
    )]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn convert(
        &self,
        py: Python<'_>,
        calibration: Option<PyReadonlyArrayDyn<'_, f32>>,
        T: Option<u32>,
        neuron: Option<&str>,
        levels: Option<u32>,
        max_spikes: Option<u32>,
        reconstruct: Option<f64>,
        normalise: Option<&str>,
        percentile: f64,
        scale_per: Option<&str>,
        zeros: bool,
        start: Option<&str>,
        readout: &str,
        weights: &str,
        unroll: bool,
        input_mean: Vec<f32>,
        input_std: Vec<f32>,
        fit: Option<bool>,
        fit_by: &str,
        compare: bool,
        labels: Option<Labels<'_>>,
        expected: Option<PyReadonlyArrayDyn<'_, f64>>,
    ) -> PyResult<Converted> {
        let best = neuron == Some("best");
        let kind = |name: &str| {
            let found = NeuronKind::ALL.into_iter().find(|(_, known)| *known == name);
            let allowed = "\"unit\", \"multi\", \"signed\", \"settle\", \"best\" and None";
            found.map(|(kind, _)| kind).ok_or_else(|| error::argument("neuron", name, allowed))
        };
        let options = Options {
            neuron: neuron.filter(|_| !best).map(kind).transpose()?,
            levels,
            max_spikes,
            reconstruct,
            normalise: match normalise {
                None => None,
                Some("max") => Some(Normalise::Max),
                Some("percentile") => Some(Normalise::Percentile(percentile)),
                Some("mse") => Some(Normalise::LeastError),
                Some("balance") => Some(Normalise::Balanced),
                Some("qcfs") => Some(Normalise::Trained),
                Some("none") => Some(Normalise::None),
                Some(other) => {
                    let allowed =
                        "\"percentile\", \"max\", \"mse\", \"balance\", \"qcfs\", \"none\" and None";
                    return Err(error::argument("normalise", other, allowed));
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
            weights: match WeightType::ALL.into_iter().find(|of| of.name() == weights) {
                Some(of) => Some(of),
                None => {
                    let allowed = "\"f32\", \"int16\", \"int8\" and \"int4\"";
                    return Err(error::argument("weights", weights, allowed));
                }
            },
            unroll,
            input_mean,
            input_std,
            fit,
            fit_by: match FitBy::ALL.into_iter().find(|(_, name)| *name == fit_by) {
                Some((by, _)) => by,
                None => {
                    let allowed = "\"search\", \"bias\" and \"start\"";
                    return Err(error::argument("fit_by", fit_by, allowed));
                }
            },
            compare: compare || labels.is_some(),
        };
        let mut notes = self.notes.clone();
        let values =
            calibration.map(|calibration| self.values("calibration_data", &calibration)).transpose()?;
        let count =
            values.as_ref().map_or(0, |values| values.len() / self.ann.input_shape().elements().max(1));
        let classes = self.ann.output_shape().elements();
        let labels = labels.map(|labels| array::classes(labels, count, classes)).transpose()?;
        let expected = expected.map(|expected| array::copied(&expected));
        let (ann, stop) = (Arc::clone(&self.ann), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let conversion = background::run(
            py,
            &stop,
            |_| Ok(()),
            move || {
                let samples = values.as_ref().map(|values| snn_converter::Samples {
                    values,
                    labels: labels.as_deref(),
                    expected: expected.as_deref(),
                });
                let go_on = || !stopped.load(Ordering::Relaxed);
                let wanted = Wanted::as_long_as(&go_on);
                if best {
                    snn_converter::convert_best_while(wanted, &ann, samples.as_ref(), &options)
                } else {
                    snn_converter::convert_while(wanted, &ann, samples.as_ref(), &options)
                }
            },
        )?;
        let conversion = conversion.map_err(error::convert)?;
        notes.extend(conversion.notes);
        let (description, warnings) = (conversion.description, conversion.warnings);
        let unwritable = |e| PyValueError::new_err(format!("the report cannot be written as JSON: {e}"));
        let report = serde_json::to_string(&conversion.report).map_err(unwritable)?;
        let options = serde_json::to_string(&conversion.options).map_err(unwritable)?;
        let network = Network::new(conversion.network, description, self.inputs.clone());
        Ok((network, report, options, notes, warnings))
    }
}

impl Model {
    /// Samples `(N, …)` or one `(…)` of the input's shape, or flat ones.
    fn values(&self, what: &str, array: &PyReadonlyArrayDyn<'_, f32>) -> PyResult<Vec<f32>> {
        let shape = (array.shape(), self.ann.input_shape().extents());
        let misfit = |misfit: Misfit| error::RaisedConvertError::new_err(format!("{what}: {misfit}"));
        samples::batch("samples", shape.0, shape.1).map_err(misfit)?;
        Ok(array::copied(array))
    }
}
