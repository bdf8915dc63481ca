//! Evaluations of a network, and where two runs part.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyReadonlyArrayDyn;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use snn_converter::convert::as_trained;
use snn_engine::{AnySimulator, Input, Memory, Mode};
use snn_formats::{Description, SpikeFile};
use snn_research::{
    Context, EnergyError, EvaluationReport, PageError, Parting, PartingError, Plan, PlanError, RunPage, Side,
    Stop, chosen_presets, part_spikes, presets,
};

use crate::array::{self, Labels};
use crate::model::Model;
use crate::network::{Limit, Network};
use crate::run::{Asked, prepared, watched};
use crate::{background, error};

/// What an evaluation gave.
#[pyclass(frozen, module = "snn_event._snn_event")]
pub struct Evaluated {
    /// The report as JSON.
    #[pyo3(get)]
    report: String,
    #[pyo3(get)]
    notes: Vec<String>,
    #[pyo3(get)]
    points: Vec<u32>,
    /// The names of the energy presets.
    #[pyo3(get)]
    energies: Vec<String>,
    #[pyo3(get)]
    threads: usize,
    /// What a page of it is drawn from, if one is to be.
    drawn: Option<Arc<Drawn>>,
}

/// A trained net, samples, and what is subtracted from these and they are divided by.
type TrainedBeside<'py> = (Bound<'py, Model>, PyReadonlyArrayDyn<'py, f32>, Vec<f32>, Vec<f32>);

struct Drawn {
    network: Arc<snn_engine::Network>,
    description: Description,
    simulator: AnySimulator,
    input: Input,
    evaluation: snn_research::Evaluation,
    report: EvaluationReport,
    steps: u32,
    threads: usize,
}

/// An error of a page, in the class of its cause.
pub fn no_page(error: PageError) -> PyErr {
    match error {
        PageError::File(error) => error::format(&error),
        PageError::Network(error) => error::network(error),
        other => PyValueError::new_err(other.to_string()),
    }
}

#[pymethods]
impl Evaluated {
    /// Writes a page, and the files of its figures into a folder; `provenance` is JSON, `trained` the trained net, the samples,
    /// and its `input_mean` and `input_std`. Gives the number of figures.
    #[pyo3(signature = (out, figures, provenance, trained))]
    fn write_page(
        &self,
        py: Python<'_>,
        out: PathBuf,
        figures: Option<PathBuf>,
        provenance: &str,
        trained: Option<TrainedBeside<'_>>,
    ) -> PyResult<usize> {
        let drawn = self.drawn.clone();
        let drawn = drawn.ok_or_else(|| PyValueError::new_err("nothing was kept that a page could show"))?;
        let provenance: serde_json::Value = serde_json::from_str(provenance).map_err(no_json)?;
        let trained = trained
            .map(|(model, x, mean, std)| {
                let (ann, x) = (Arc::clone(&model.get().ann), array::copied(&x));
                let values = as_trained(&ann, &x, &mean, &std).map_err(error::convert)?;
                Ok::<_, PyErr>((ann, values))
            })
            .transpose()?;
        background::wait(py, move || {
            let samples = drawn.input.samples();
            let page = RunPage {
                network: &drawn.network,
                description: &drawn.description,
                simulator: &drawn.simulator,
                input: &drawn.input,
                samples: 0..samples,
                steps: drawn.steps,
                threads: drawn.threads,
                evaluation: &drawn.evaluation,
                report: &drawn.report,
                trained: trained.as_ref().map(|(ann, values)| (&**ann, &values[..])),
                provenance: &provenance,
            };
            let page = page.page()?;
            page.write(&out, figures.as_deref())?;
            Ok::<_, PageError>(page.figures().count())
        })?
        .map_err(no_page)
    }
}

fn no_plan(error: PlanError) -> PyErr {
    let what = match error {
        PlanError::Points => "points",
        PlanError::ReadOut { .. } => "readout_from",
        PlanError::Confidence => "stop",
    };
    PyValueError::new_err(format!("{what}: {error}"))
}

fn no_energy(error: EnergyError) -> PyErr {
    PyValueError::new_err(format!("energy: {error}"))
}

fn no_parting(error: PartingError) -> PyErr {
    match error {
        PartingError::Network(error) => error::network(error),
        other => error::RaisedInputError::new_err(other.to_string()),
    }
}

fn no_json(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(format!("this cannot be written as JSON: {error}"))
}

/// Runs samples once and tells accuracy and costs after every point. `energy_toml` holds own presets; `trained` are the classes
/// that the trained net names; `drawn` keeps what a page is drawn from.
#[pyfunction]
#[pyo3(signature = (network, x, T, *, raster, packed, encoding, seed, threads, mode, points, readout_from, stop, energy, energy_toml, membrane_updates, labels, trained, drawn, progress, memory_limit))]
#[allow(
    non_snake_case,
    reason = "T is what everybody calls the number of steps, here and on the command line"
)]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn evaluate<'py>(
    py: Python<'py>,
    network: &Bound<'py, Network>,
    x: Option<PyReadonlyArrayDyn<'py, f32>>,
    T: Option<u32>,
    raster: Option<Bound<'py, PyAny>>,
    packed: Option<PyReadonlyArrayDyn<'py, u8>>,
    encoding: Option<&str>,
    seed: u64,
    threads: Option<usize>,
    mode: &str,
    points: Vec<u32>,
    readout_from: u32,
    stop: Vec<String>,
    energy: Vec<String>,
    energy_toml: Option<String>,
    membrane_updates: bool,
    labels: Option<Labels<'py>>,
    trained: Option<Labels<'py>>,
    drawn: bool,
    progress: Option<Py<PyAny>>,
    memory_limit: Option<Limit>,
) -> PyResult<Evaluated> {
    let network = network.get();
    let (inner, description) = (Arc::clone(&network.inner), network.description.clone());
    let limit = memory_limit.map(Limit::bytes).transpose()?;
    // The last point is the length of the run.
    let until_quiet = (!points.is_empty()).then_some(false);
    let steps = points.last().copied().or(T);
    let keep_spikes = false;
    let asked =
        Asked { x, raster, packed, steps, encoding, seed, threads, mode, keep_spikes, progress, until_quiet };
    let prepared = prepared(&inner, &description, &asked)?;
    let rule = |rule: &String| rule.parse().map_err(|e| PyValueError::new_err(format!("stop: {e}")));
    let stops: Vec<Stop> = stop.iter().map(rule).collect::<PyResult<_>>()?;
    let mut plan = Plan::new(&points, prepared.until, readout_from)
        .and_then(|plan| plan.stopping(&stops, &inner, &description))
        .map_err(no_plan)?;
    plan.membrane_updates = membrane_updates;
    plan.neuron_spikes = drawn;
    let presets = chosen_presets(&energy, energy_toml.as_deref()).map_err(no_energy)?;
    let samples = prepared.samples.input.samples();
    let width = inner.population(inner.output()).size();
    let classes = |labels: Option<Labels<'_>>| -> PyResult<Option<Vec<usize>>> {
        let classes = labels.map(|labels| array::classes(labels, samples, width)).transpose()?;
        // They are those of neurons, as was just checked.
        Ok(classes.map(|classes| classes.into_iter().map(|class| class as usize).collect()))
    };
    let (labels, trained) = (classes(labels)?, classes(trained)?);
    let memory = Memory::of(prepared.mode, &inner, u64::from(prepared.steps));
    let threads = network.simulators(memory, prepared.threads, limit)?;
    let simulator = AnySimulator::new(prepared.mode, Arc::clone(&inner));
    let (input, notes, points) = (prepared.samples.input, prepared.notes, plan.points.clone());
    let steps = prepared.steps;
    let energies = presets.iter().map(|(name, _)| name.clone()).collect();
    let (report, drawn) = watched(py, asked.progress.as_ref(), move |ended| {
        let (all, done) = (0..samples, || ended(1));
        let evaluation = snn_research::evaluate(all, threads, &simulator, &description, &input, &plan, done)?;
        let context = Context {
            network: &inner,
            labels: labels.as_deref(),
            trained: trained.as_deref(),
            once: input.arrives_once(),
            membrane_updates: plan.membrane_updates,
            presets: &presets,
        };
        let report = EvaluationReport::of(&evaluation, &context);
        let told = serde_json::to_string(&report);
        let drawn = drawn.then(|| {
            let network = inner;
            Arc::new(Drawn { network, description, simulator, input, evaluation, report, steps, threads })
        });
        Ok((told, drawn))
    })?;
    Ok(Evaluated { report: report.map_err(no_json)?, notes, points, energies, threads, drawn })
}

/// The energies that come with the package, by name, as JSON: where they are from, and picojoules by operation.
#[pyfunction]
pub fn energy_presets() -> PyResult<String> {
    serde_json::to_string(&presets(None).map_err(no_energy)?).map_err(no_json)
}

/// Sample, step, population, neuron, the values of its spike in either run, and its potentials after the step.
type Parted = (usize, u64, String, usize, (i32, i32), Option<(f32, f32)>);

fn parted(parting: Parting) -> Parted {
    let Parting { sample, step, population, neuron, spikes: [one, other], potentials } = parting;
    (sample, step, population, neuron, (one, other), potentials.map(|[one, other]| (one, other)))
}

/// Runs two networks side by side over the same samples and finds where they first part; none if they do not.
#[pyfunction]
#[pyo3(signature = (first, second, x, T, *, raster, encoding, seed, threads))]
#[allow(
    non_snake_case,
    reason = "T is what everybody calls the number of steps, here and on the command line"
)]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn part_networks<'py>(
    py: Python<'py>,
    first: &Bound<'py, Network>,
    second: &Bound<'py, Network>,
    x: Option<PyReadonlyArrayDyn<'py, f32>>,
    T: Option<u32>,
    raster: Option<Bound<'py, PyAny>>,
    encoding: Option<&str>,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Option<Parted>> {
    let asked = Asked {
        x,
        raster,
        packed: None,
        steps: T,
        encoding,
        seed,
        threads,
        mode: "event",
        keep_spikes: false,
        progress: None,
        until_quiet: None,
    };
    let networks = [first.get(), second.get()];
    let [one, other] = networks.map(|network| prepared(&network.inner, &network.description, &asked));
    let (one, other) = (one?, other?);
    let steps = one.steps;
    if other.steps != steps {
        return Err(PyValueError::new_err(format!(
            "the first network is made for runs of {steps} steps, the second for {}; give T",
            other.steps
        )));
    }
    let [memory, more] = networks.map(|network| Memory::of(Mode::Event, &network.inner, u64::from(steps)));
    let threads = networks[0].simulators(memory.and(more), one.threads, None)?;
    let simulators = networks.map(|network| AnySimulator::new(Mode::Event, Arc::clone(&network.inner)));
    let inputs = [one.samples.input, other.samples.input];
    let found = background::wait(py, move || {
        let sides = [0, 1].map(|side| Side { simulator: &simulators[side], input: &inputs[side] });
        snn_research::part_networks(sides, 0..inputs[0].samples(), steps, threads)
    })?;
    Ok(found.map_err(no_parting)?.map(parted))
}

/// Finds where two files of spikes first part; none if they do not.
#[pyfunction]
pub fn part_spike_files(py: Python<'_>, first: PathBuf, second: PathBuf) -> PyResult<Option<Parted>> {
    let found = background::wait(py, move || -> PyResult<Option<Parting>> {
        let read = |path: &PathBuf| SpikeFile::read(path).map_err(|e| error::format(&e));
        part_spikes(&read(&first)?, &read(&second)?).map_err(no_parting)
    })?;
    Ok(found?.map(parted))
}
