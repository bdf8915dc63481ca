//! Runs of a network over many samples.

use std::sync::Arc;

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use snn_engine::{
    AnySimulator, DenseOperations, Input, Memory, Mode, Network, NetworkError, Outcome, Raster, Statistics,
    Until, default_threads, run_batch,
};
use snn_formats::{Arrives, Description, Machine, QUIET_STEPS, RunLength};

use crate::array::{self, Samples};
use crate::{background, error};

/// The simulator of a name.
pub fn mode(name: &str) -> PyResult<Mode> {
    match name {
        "auto" => Ok(Mode::Auto),
        "event" => Ok(Mode::Event),
        "dense" => Ok(Mode::Dense),
        _ => Err(error::argument("mode", name, "\"auto\", \"event\" and \"dense\"")),
    }
}

/// The instruction set of the kernels that runs use on this machine, and what the machine is like, as JSON.
#[pyfunction]
pub fn machine() -> PyResult<(&'static str, String)> {
    let told = serde_json::to_string(&Machine::this())
        .map_err(|e| PyValueError::new_err(format!("the machine cannot be told as JSON: {e}")))?;
    Ok((snn_formats::kernels(), told))
}

/// Why work over samples ended before its end.
pub enum Stopped {
    /// A sample does not fit the network.
    Unfit(NetworkError),
    /// The user wants no more of it.
    Interrupted,
}

impl From<NetworkError> for Stopped {
    fn from(error: NetworkError) -> Self {
        Self::Unfit(error)
    }
}

/// What tells that so many samples have ended, and whether to go on.
pub type Ended<'a> = &'a (dyn Fn(usize) -> Result<(), Stopped> + Sync);

/// Works over samples without the interpreter's lock; this thread waits, and looks after signals and progress.
pub fn watched<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(Ended<'_>) -> Result<T, Stopped> + Send + 'static,
) -> PyResult<T> {
    let result = background::counted(py, progress, move |counter| {
        work(&|samples: usize| if counter.add(samples) { Ok(()) } else { Err(Stopped::Interrupted) })
    })?;
    result.map_err(|stopped| match stopped {
        Stopped::Unfit(error) => error::network(error),
        Stopped::Interrupted => unreachable!("only an interruption stops the work, and it was returned"),
    })
}

/// What the samples of a run gave.
#[pyclass(frozen, module = "snn_event._snn_event")]
pub struct Outcomes {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) names: Vec<String>,
    /// Neurons and dense operations of every population.
    pub(crate) sizes: Vec<(usize, DenseOperations)>,
    /// The trained net's outputs as each sample estimates them, if the network says what its own stand for.
    pub(crate) outputs: Option<Vec<Vec<f32>>>,
    /// What the user should know about the run.
    #[pyo3(get)]
    pub(crate) notes: Vec<String>,
    /// Neurons of the last population.
    pub(crate) width: usize,
    /// Whether spikes of the last population may be negative.
    pub(crate) signed: bool,
    /// Potentials of the last population.
    pub(crate) potentials: usize,
    /// Whether the input was one sample without an axis of samples.
    #[pyo3(get)]
    pub(crate) single: bool,
    /// Whether the input was made of currents, constant or arriving once.
    #[pyo3(get)]
    pub(crate) constant: bool,
    pub(crate) once: bool,
    /// The number of steps.
    #[pyo3(get, name = "T")]
    pub(crate) steps: u32,
    /// Threads that it was spread over.
    #[pyo3(get)]
    pub(crate) threads: usize,
}

/// Name, neurons, spikes, synaptic operations, dense operations, operations of constant currents, dense ones for them,
/// updates.
type PopulationRow = (String, usize, u64, u64, u64, u64, u64, u64, u64);

/// Neurons, steps and starts of the samples of all spikes of a population, and their values where not all are 1.
type Spikes<'py> = (
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u64>>,
    Option<Bound<'py, PyArray1<i32>>>,
);

impl Outcomes {
    fn gather<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        width: usize,
        of: impl Fn(&Outcome) -> Vec<T>,
    ) -> Bound<'py, PyArray2<T>> {
        let values: Vec<T> = self.outcomes.iter().flat_map(of).collect();
        Array2::from_shape_vec((self.outcomes.len(), width), values)
            .expect("every sample has a value for every neuron")
            .into_pyarray(py)
    }
}

#[pymethods]
impl Outcomes {
    /// The sum of the values of the spikes of every neuron of the last population, `(N, n)`: their number where all
    /// values are 1. uint32, or int64 if spikes may be negative.
    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.signed {
            return Ok(self.gather(py, self.width, |outcome| outcome.counts.clone()).into_any());
        }
        let all = self.outcomes.iter().flat_map(|outcome| &outcome.counts);
        if let Some(count) = all.copied().find(|&count| u32::try_from(count).is_err()) {
            return Err(PyValueError::new_err(format!(
                "a neuron's count of {count} does not fit 32 bits; run fewer steps"
            )));
        }
        // All fit, as was just seen.
        let narrow = |outcome: &Outcome| outcome.counts.iter().map(|&count| count as u32).collect();
        Ok(self.gather(py, self.width, narrow).into_any())
    }

    /// Potentials of the last population after the last step, `(N, n)`, or `(N, 0)` if it has none.
    #[getter]
    fn potentials<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.gather(py, self.potentials, |outcome| outcome.potentials.clone())
    }

    /// The trained net's outputs as the run estimates them, in their own unit, `(N, n)`.
    fn outputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let outputs = self.outputs.as_ref().ok_or_else(|| {
            PyValueError::new_err(
                "the network does not say what its outputs stand for; one that convert makes of a trained net does",
            )
        })?;
        Ok(Array2::from_shape_vec((self.outcomes.len(), self.width), outputs.concat())
            .expect("every sample has a value for every neuron")
            .into_pyarray(py))
    }

    /// What the counts of each sample are divided by to be rates, `(N,)`: the steps done, or 1 where input arrived once.
    #[getter]
    fn durations<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let steps = |outcome: &Outcome| if self.once { 1.0 } else { outcome.statistics.steps.max(1) as f64 };
        self.outcomes.iter().map(steps).collect::<Vec<_>>().into_pyarray(py)
    }

    /// After how many steps the network was quiet, `(N,)`: -1 where it was not at the limit, and in runs of a given length.
    #[getter]
    fn quiet_after<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        // No run is longer than 2^32 steps.
        let after = self.outcomes.iter().map(|outcome| outcome.quiet_after.map_or(-1, |steps| steps as i64));
        after.collect::<Vec<_>>().into_pyarray(py)
    }

    /// The class as the command line tells it, `(N,)`.
    #[getter]
    fn classes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let classes = self.outcomes.iter().map(|outcome| outcome.class as i64);
        classes.collect::<Vec<_>>().into_pyarray(py)
    }

    /// The number of samples.
    #[getter]
    fn samples(&self) -> usize {
        self.outcomes.len()
    }

    /// For every population: name, neurons, spikes, their magnitude, synaptic operations, dense operations, operations of constant currents,
    /// dense ones for them, updates; all samples.
    fn populations(&self) -> Vec<PopulationRow> {
        let mut sums = Statistics::default();
        sums.populations.resize(self.names.len(), Default::default());
        for outcome in &self.outcomes {
            sums += &outcome.statistics;
        }
        let samples = self.outcomes.len() as u64;
        let rows = self.names.iter().zip(&self.sizes).zip(&sums.populations).enumerate();
        rows.map(|(place, ((name, (neurons, dense)), sum))| {
            let driven = self.outcomes.iter().map(|outcome| outcome.drive_operations[place]).sum();
            let (dense, once) = (dense.per_step * sums.steps, dense.once * samples);
            let operations = sum.synaptic_operations;
            (name.clone(), *neurons, sum.spikes, sum.magnitude, operations, dense, driven, once, sum.updates)
        })
        .collect()
    }

    /// What [`parts`](Self::parts) took apart.
    #[staticmethod]
    fn from_parts(parts: &Bound<'_, PyDict>) -> PyResult<Self> {
        Self::of_parts(parts)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_parts")?, (self.parts(py)?,)))
    }

    /// All spikes of a population: neurons (user's order), steps, where each sample starts, and their values where not all are
    /// 1. Only if kept.
    fn spikes<'py>(&self, py: Python<'py>, population: &str) -> PyResult<Spikes<'py>> {
        let place = self
            .names
            .iter()
            .position(|name| name == population)
            .ok_or_else(|| error::argument("population", population, &format!("{:?}", self.names)))?;
        let (mut neurons, mut steps, mut starts, mut values) = (vec![], vec![], vec![0u64], vec![]);
        let ones =
            |outcome: &Outcome| outcome.spikes.as_ref().is_none_or(|all| all[place].values().is_empty());
        let valued = !self.outcomes.iter().all(ones);
        for outcome in &self.outcomes {
            let rasters: &[Raster] = outcome
                .spikes
                .as_deref()
                .ok_or_else(|| PyValueError::new_err("the spikes were not kept; run with spikes=True"))?;
            let raster = &rasters[place];
            neurons.extend_from_slice(raster.neurons());
            match raster.values() {
                [] if valued => values.extend(std::iter::repeat_n(1, raster.neurons().len())),
                given => values.extend_from_slice(given),
            }
            for (step, range) in raster.starts().windows(2).enumerate() {
                let step = u32::try_from(step).expect("a run has at most 2^32 steps");
                steps.extend(std::iter::repeat_n(step, range[1] - range[0]));
            }
            starts.push(neurons.len() as u64);
        }
        let values = valued.then(|| values.into_pyarray(py));
        Ok((neurons.into_pyarray(py), steps.into_pyarray(py), starts.into_pyarray(py), values))
    }
}

/// How the user asked for a run.
pub struct Asked<'a, 'py> {
    pub x: Option<PyReadonlyArrayDyn<'py, f32>>,
    pub raster: Option<Bound<'py, PyAny>>,
    pub packed: Option<PyReadonlyArrayDyn<'py, u8>>,
    pub steps: Option<u32>,
    pub encoding: Option<&'a str>,
    pub seed: u64,
    pub threads: Option<usize>,
    pub mode: &'a str,
    pub keep_spikes: bool,
    pub progress: Option<Py<PyAny>>,
    pub until_quiet: Option<bool>,
}

/// What is run, how, and how long.
pub struct Prepared {
    pub samples: Samples,
    pub mode: Mode,
    pub until: Until,
    /// The most steps.
    pub steps: u32,
    /// Threads that are wanted.
    pub threads: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What was asked for, as it is for a network: values `x` in an encoding, or the spikes of `raster` or `packed`.
pub fn prepared(network: &Network, description: &Description, asked: &Asked<'_, '_>) -> PyResult<Prepared> {
    let mode = mode(asked.mode)?;
    let threads = match asked.threads {
        Some(0) => return Err(error::argument("threads", "0", "numbers from 1 on, and None")),
        Some(threads) => threads,
        None => default_threads(),
    };
    let encoding = array::encoding(asked.encoding.unwrap_or(usual_encoding(description)), asked.seed)?;
    let samples = match (&asked.x, &asked.raster, &asked.packed) {
        (Some(x), None, None) => array::values(network, description, x, encoding)?,
        (None, Some(raster), None) => array::raster(network, raster)?,
        (None, None, Some(bytes)) => array::packed(network, bytes)?,
        _ => return Err(PyValueError::new_err("give one of x, raster= and packed=")),
    };
    let made_for = description.run.map(|run| run.steps);
    let until_quiet = asked.until_quiet.unwrap_or_else(|| {
        let usual = description.run.is_some_and(|run| run.until_quiet);
        usual && asked.steps.is_none() && samples.input.steps().is_none()
    });
    let steps = if until_quiet {
        match asked.steps {
            Some(0) => return Err(error::argument("T", "0", "numbers of steps from 1 on")),
            steps => steps.unwrap_or(QUIET_STEPS),
        }
    } else {
        steps(asked.steps, &samples, made_for)?
    };
    let until = if until_quiet { Until::Quiet { limit: steps } } else { Until::Steps(steps) };
    let mut notes = samples.notes.clone();
    notes.extend(description.note_on_run(until, arrives(&samples.input)));
    Ok(Prepared { samples, mode, until, steps, threads, notes })
}

/// Runs samples. `fitting` says how many simulators, of those that are wanted, fit into the memory that the run may take.
pub fn run(
    py: Python<'_>,
    network: &Arc<Network>,
    description: &Description,
    asked: &Asked<'_, '_>,
    fitting: &dyn Fn(Memory, usize) -> PyResult<usize>,
) -> PyResult<Outcomes> {
    let Prepared { samples, mode, until, steps, threads, notes } = prepared(network, description, asked)?;
    let Samples { input, single, .. } = samples;
    let memory = Memory::of(mode, network, u64::from(steps)).and_outcomes(network, input.samples());
    let threads = fitting(memory, threads)?;
    let once = input.arrives_once();
    let constant = input.is_constant() || once;
    let simulator = AnySimulator::new(mode, Arc::clone(network));
    let (simulator, side_by_side) = simulator.over_threads(threads, input.samples());
    let keep = asked.keep_spikes;
    let outcomes = watched(py, asked.progress.as_ref(), move |ended| {
        run_batch(0..input.samples(), side_by_side, &simulator, &input, until, keep, ended)
    })?;
    let outputs = outcomes.iter().map(|outcome| description.outputs(network, outcome, once)).collect();
    let output = network.population(network.output());
    Ok(Outcomes {
        outcomes,
        outputs,
        names: network.populations().iter().map(|population| population.name().to_owned()).collect(),
        sizes: network
            .ids()
            .map(|id| (network.population(id).size(), network.dense_operations(id, constant)))
            .collect(),
        notes,
        width: output.size(),
        signed: network.emission(network.output()).negative,
        potentials: if output.neuron().has_potential() { output.size() } else { 0 },
        single,
        constant,
        once,
        steps,
        threads,
    })
}

/// How constant input is given in the runs that a network is made for.
pub fn usual_encoding(description: &Description) -> &'static str {
    match description.run {
        Some(RunLength { arrives: Arrives::Once, .. }) => "once",
        _ => "constant",
    }
}

/// When currents arrive; nothing of spikes.
fn arrives(input: &Input) -> Option<Arrives> {
    if input.arrives_once() {
        return Some(Arrives::Once);
    }
    input.is_constant().then_some(Arrives::EveryStep)
}

/// The steps of a run: those asked for, those of the raster, or those that the network was made for.
fn steps(asked: Option<u32>, samples: &Samples, made_for: Option<u32>) -> PyResult<u32> {
    let given = samples.input.steps();
    match (asked, given) {
        (Some(0), _) => Err(error::argument("T", "0", "numbers of steps from 1 on")),
        (Some(steps), Some(given)) if steps as usize > given => Err(PyValueError::new_err(format!(
            "T is {steps}; the raster has {given} steps, allowed are 1 to {given}"
        ))),
        (Some(steps), _) => Ok(steps),
        (None, Some(given)) => u32::try_from(given).map_err(|_| {
            PyValueError::new_err(format!("the raster has {given} steps; allowed are fewer than 2^32"))
        }),
        (None, None) => made_for.ok_or_else(|| {
            PyValueError::new_err(
                "T, the number of steps, is missing, and the network does not say what it was made for",
            )
        }),
    }
}
