//! A network run step by step, for use inside other programs' loops.

use numpy::ndarray::ArrayD;
use numpy::{IntoPyArray, PyArray1, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use snn_engine::{
    AnySimulator, Drive, Layout, Memory, PopulationId, Simulator as _, SpikeSlice, Spikes, State, Stimulus,
};

use crate::error;
use crate::network::{Limit, Network};
use crate::recording::{Given, Recording};
use crate::{array, run};

/// Runs a network step by step.
#[pyclass(module = "snn_event")]
pub struct Simulator {
    simulator: AnySimulator,
    #[pyo3(get)]
    network: Py<Network>,
    mode: String,
    limit: Option<u64>,
    /// The sample of the last start, in the user's order.
    started: Option<Vec<f32>>,
    /// The spikes of the last step.
    last: Spikes,
    /// What a step is given.
    stimulus: Stimulus,
    step: u64,
}

/// The neurons that an array of flags or of indices names, and the values of their spikes, in the network's own order.
fn spikes_of(layout: Layout, name: &str, given: &Bound<'_, PyAny>) -> PyResult<(Vec<u32>, Vec<i32>)> {
    let unfit =
        |what: String| error::RaisedInputError::new_err(format!("spikes of population `{name}` {what}"));
    let size = layout.neurons().unwrap_or(u32::MAX) as usize;
    let flagged = |shape: &[usize], flags: Vec<bool>| {
        if flags.len() != size {
            return Err(unfit(format!("are flags of shape {shape:?}; allowed is {:?}", layout.shape())));
        }
        let fired = flags.iter().enumerate().filter(|(_, fired)| **fired);
        Ok(fired.map(|(index, _)| index).collect::<Vec<usize>>())
    };
    let (given, values) = match given.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 && pair.get_item(0)?.hasattr("__len__")? => {
            let values: Vec<i32> =
                pair.get_item(1)?.call_method0("tolist").or_else(|_| pair.get_item(1))?.extract()?;
            (pair.get_item(0)?, Some(values))
        }
        _ => (given.clone(), None),
    };
    let indices = if let Ok(flags) = given.extract::<PyReadonlyArrayDyn<'_, bool>>() {
        flagged(flags.shape(), array::copied(&flags))?
    } else if let Ok(flags) = given.extract::<PyReadonlyArrayDyn<'_, u8>>() {
        let values = array::copied(&flags);
        if let Some(value) = values.iter().find(|value| **value > 1) {
            return Err(unfit(format!("are uint8 flags with the value {value}; allowed are 0 and 1")));
        }
        flagged(flags.shape(), values.into_iter().map(|value| value == 1).collect())?
    } else {
        let found: Vec<i64> = match given.extract::<PyReadonlyArrayDyn<'_, u32>>() {
            Ok(indices) => array::copied(&indices).into_iter().map(i64::from).collect(),
            Err(_) => given.extract().map_err(|_| {
                PyTypeError::new_err(format!(
                    "spikes of population `{name}` are neither flags (bool or uint8 array) nor indices of neurons"
                ))
            })?,
        };
        let mut indices = Vec::with_capacity(found.len());
        for index in found {
            match usize::try_from(index).ok().filter(|index| *index < size) {
                Some(index) => indices.push(index),
                None => {
                    return Err(unfit(format!(
                        "name the neuron {index}; allowed are 0 to {}",
                        size.saturating_sub(1)
                    )));
                }
            }
        }
        indices
    };
    let values = values.unwrap_or_else(|| vec![1; indices.len()]);
    if values.len() != indices.len() {
        return Err(unfit(format!(
            "are {} with {} values; allowed is one for each",
            indices.len(),
            values.len()
        )));
    }
    // A neuron's id is below 2^32.
    let own = indices.into_iter().map(|index| layout.neuron_at(index) as u32);
    let mut spikes: Vec<(u32, i32)> = own.zip(values).collect();
    spikes.sort_unstable_by_key(|(neuron, _)| *neuron);
    if let Some(pair) = spikes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let twice = layout.user_index(pair[0].0 as usize);
        return Err(unfit(format!("name the neuron {twice} twice; a neuron fires at most once in a step")));
    }
    Ok(spikes.into_iter().unzip())
}

/// What a dictionary has for populations by their names, or something for the one that is meant if nothing is said.
fn by_population<'py>(
    network: &Network,
    given: &Bound<'py, PyAny>,
    what: &str,
    meant: &[PopulationId],
) -> PyResult<Vec<(PopulationId, Bound<'py, PyAny>)>> {
    if let Ok(by_name) = given.cast::<PyDict>() {
        let each = |(name, given): (Bound<'py, PyAny>, Bound<'py, PyAny>)| {
            let name: String = name.extract()?;
            Ok((network.find(Some(&name))?, given))
        };
        return by_name.iter().map(each).collect();
    }
    match meant[..] {
        [one] => Ok(vec![(one, given.clone())]),
        _ => Err(error::RaisedInputError::new_err(format!(
            "{} populations could be given {what}; give a dictionary of their names",
            meant.len()
        ))),
    }
}

impl Simulator {
    fn layout(&self, id: PopulationId) -> Layout {
        self.network.get().inner.population(id).layout()
    }

    /// Sets what the next step is given.
    fn give(
        &mut self,
        spikes: Option<&Bound<'_, PyAny>>,
        currents: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let network = self.network.get();
        self.stimulus.clear();
        if let Some(spikes) = spikes {
            let sources: Vec<_> = network.inner.sources().collect();
            for (id, given) in by_population(network, spikes, "spikes", &sources)? {
                let population = network.inner.population(id);
                let (neurons, values) = spikes_of(population.layout(), population.name(), &given)?;
                let slice = SpikeSlice::new(&neurons, &values).map_err(error::network)?;
                self.stimulus.set_spikes(&network.inner, id, slice).map_err(error::network)?;
            }
        }
        if let Some(currents) = currents {
            for (id, given) in by_population(network, currents, "currents", &driven(network))? {
                let layout = network.inner.population(id).layout();
                let values = array::copied(
                    &given
                        .extract::<PyReadonlyArrayDyn<'_, f32>>()
                        .map_err(|_| PyTypeError::new_err("currents are no float32 array"))?,
                );
                let own: Vec<f32> = if values.len() == network.inner.population(id).size() {
                    (0..values.len()).map(|neuron| values[layout.user_index(neuron)]).collect()
                } else {
                    // The engine's to refuse.
                    values
                };
                self.stimulus.set_currents(&network.inner, id, &own).map_err(error::network)?;
            }
        }
        Ok(())
    }

    /// Numbers of a population, given in the network's own order, as an array of the user's shape.
    fn in_user_order<'py, T: numpy::Element + Copy + Default>(
        &self,
        py: Python<'py>,
        id: PopulationId,
        own: &[T],
    ) -> Bound<'py, PyArrayDyn<T>> {
        let layout = self.layout(id);
        let values: Vec<T> = (0..own.len()).map(|index| own[layout.neuron_at(index)]).collect();
        ArrayD::from_shape_vec(layout.shape(), values).expect("a population fills its shape").into_pyarray(py)
    }

    fn flags<'py>(&self, py: Python<'py>, id: PopulationId) -> Bound<'py, PyArrayDyn<bool>> {
        let mut flags = vec![false; self.network.get().inner.population(id).size()];
        self.last.of(id).iter().for_each(|&neuron| flags[neuron as usize] = true);
        self.in_user_order(py, id, &flags)
    }

    fn forget_spikes(&mut self) {
        self.last = Spikes::none(self.network.get().inner.populations().len());
    }

    fn start_with(&mut self, sample: Option<Vec<f32>>) -> PyResult<()> {
        let network = self.network.get().inner.clone();
        let drive = match &sample {
            None => Drive::none(),
            Some(sample) => {
                let input =
                    snn_engine::Input::values(&network, sample.clone(), snn_engine::Encoding::Constant)
                        .map_err(error::network)?;
                if input.samples() != 1 {
                    return Err(error::RaisedInputError::new_err(format!(
                        "{} samples are given; a simulator runs one at a time",
                        input.samples()
                    )));
                }
                input.sample(&network, 0, 0).map_err(error::network)?.drive
            }
        };
        self.simulator.get().start(&drive);
        self.started = sample;
        self.step = 0;
        self.forget_spikes();
        Ok(())
    }
}

/// The populations that take currents.
fn driven(network: &Network) -> Vec<PopulationId> {
    let takes = |id: &PopulationId| network.inner.population(*id).neuron().has_potential();
    network.inner.ids().filter(takes).collect()
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (network, mode = "event", *, memory_limit = None))]
    fn new(network: Py<Network>, mode: &str, memory_limit: Option<Limit>) -> PyResult<Self> {
        let inner = network.get().inner.clone();
        let parsed = run::mode(mode)?;
        let limit = memory_limit.map(Limit::bytes).transpose()?;
        network.get().simulators(Memory::of(parsed, &inner, u64::MAX), 1, limit)?;
        Ok(Self {
            simulator: AnySimulator::new(parsed, inner.clone()),
            network,
            mode: mode.to_owned(),
            limit,
            started: None,
            last: Spikes::none(inner.populations().len()),
            stimulus: Stimulus::none(),
            step: 0,
        })
    }

    /// Steps done.
    #[getter]
    fn t(&self) -> u64 {
        self.step
    }

    /// Goes back to step 0, with the constant currents of one sample, or without any.
    #[pyo3(signature = (x = None))]
    fn start(&mut self, x: Option<PyReadonlyArrayDyn<'_, f32>>) -> PyResult<()> {
        if let Some(x) = &x {
            // Its shape is looked at there.
            let network = self.network.get();
            array::values(&network.inner, &network.description, x, snn_engine::Encoding::Constant)?;
        }
        self.start_with(x.map(|x| array::copied(&x)))
    }

    /// Goes back to step 0 with the same constant currents.
    fn reset(&mut self) {
        self.simulator.get().reset();
        self.step = 0;
        self.forget_spikes();
    }

    /// Does one step and gives the spikes of the last population.
    #[pyo3(signature = (spikes = None, currents = None))]
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        spikes: Option<&Bound<'py, PyAny>>,
        currents: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArrayDyn<bool>>> {
        self.give(spikes, currents)?;
        let (simulator, last, stimulus) = (&mut self.simulator, &mut self.last, &self.stimulus);
        py.detach(|| last.clone_from(simulator.get().step(stimulus)));
        self.step += 1;
        Ok(self.flags(py, self.network.get().inner.output()))
    }

    /// Does so many steps, with spikes and currents of every step, and gives what was to be recorded.
    #[pyo3(signature = (T, *, spikes = None, currents = None, record = None, potentials = None))]
    #[allow(non_snake_case, reason = "T is what everybody calls the number of steps")]
    fn run<'py>(
        &mut self,
        py: Python<'py>,
        T: u32,
        spikes: Option<&Bound<'py, PyAny>>,
        currents: Option<&Bound<'py, PyAny>>,
        record: Option<Vec<String>>,
        potentials: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        /// Steps between two looks at signals.
        const PIECE: u32 = 64;
        let network = self.network.clone_ref(py);
        let network = network.get();
        let mut given = Given::new(T);
        if let Some(spikes) = spikes {
            let sources: Vec<_> = network.inner.sources().collect();
            for (id, raster) in by_population(network, spikes, "spikes", &sources)? {
                given.spikes(&network.inner, id, &raster)?;
            }
        }
        if let Some(currents) = currents {
            for (id, values) in by_population(network, currents, "currents", &driven(network))? {
                given.currents(&network.inner, id, &values)?;
            }
        }
        let find = |name: String| network.find(Some(&name));
        let record: Vec<PopulationId> = match record {
            Some(names) => names.into_iter().map(find).collect::<PyResult<_>>()?,
            None => network.inner.ids().collect(),
        };
        let watched = potentials.unwrap_or_default().into_iter().map(find).collect::<PyResult<Vec<_>>>()?;
        let mut recording = Recording::new(network, self.limit, self.step, T, record, watched)?;
        let mut done = 0;
        while done < T {
            let end = T.min(done + PIECE);
            let (simulator, last, stimulus) = (&mut self.simulator, &mut self.last, &mut self.stimulus);
            py.detach(|| {
                for step in done..end {
                    given.give(&network.inner, step, stimulus)?;
                    last.clone_from(simulator.step(stimulus));
                    recording.take(simulator, last);
                }
                Ok(())
            })
            .map_err(error::network)?;
            self.step += u64::from(end - done);
            done = end;
            py.check_signals()?;
        }
        recording.told(py, network)
    }

    /// The spikes of a population in the last step, as flags of its shape; of the last population if none is named.
    #[pyo3(signature = (population = None))]
    fn spikes<'py>(
        &self,
        py: Python<'py>,
        population: Option<&str>,
    ) -> PyResult<Bound<'py, PyArrayDyn<bool>>> {
        let id = self.network.get().find(population)?;
        Ok(self.flags(py, id))
    }

    /// The values of the spikes of a population in the last step, of its shape, 0 where there is none; of the last population if
    /// none is named.
    #[pyo3(signature = (population = None))]
    fn spike_values<'py>(
        &self,
        py: Python<'py>,
        population: Option<&str>,
    ) -> PyResult<Bound<'py, PyArrayDyn<i32>>> {
        let id = self.network.get().find(population)?;
        let mut values = vec![0; self.network.get().inner.population(id).size()];
        self.last.with_values(id).iter().for_each(|(neuron, value)| values[neuron as usize] = value);
        Ok(self.in_user_order(py, id, &values))
    }

    /// The neurons of a population that fired in the last step, ascending; of the last population if none is named.
    #[pyo3(signature = (population = None))]
    fn fired<'py>(&self, py: Python<'py>, population: Option<&str>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let id = self.network.get().find(population)?;
        let layout = self.layout(id);
        let mut fired: Vec<u32> =
            self.last.of(id).iter().map(|&neuron| layout.user_index(neuron as usize) as u32).collect();
        fired.sort_unstable();
        Ok(fired.into_pyarray(py))
    }

    /// The potentials of a population after the last step, of its shape; of the last population if none is named.
    #[pyo3(signature = (population = None))]
    fn potentials<'py>(
        &mut self,
        py: Python<'py>,
        population: Option<&str>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let id = self.network.get().find(population)?;
        let own = self.simulator.get().potentials(id).to_vec();
        let population = self.network.get().inner.population(id);
        if !population.neuron().has_potential() {
            return Err(error::RaisedNetworkError::new_err(format!(
                "population `{}` ({}) has no potentials",
                population.name(),
                population.neuron().kind()
            )));
        }
        Ok(self.in_user_order(py, id, &own))
    }

    /// Whether nothing will ever happen again without further input.
    #[getter]
    fn is_quiet(&mut self) -> bool {
        self.simulator.get().is_quiet()
    }

    /// Where the run stands: all that the next step depends on but the stimulus and the constant currents.
    fn state<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.simulator.get().state().to_bytes())
    }

    /// Goes on from a state of any simulator of this network, with the constant currents of the last start.
    fn restore(&mut self, state: &[u8]) -> PyResult<()> {
        let state = State::from_bytes(state).map_err(error::network)?;
        self.simulator.get().restore(&state).map_err(error::network)?;
        self.step = state.step;
        self.forget_spikes();
        Ok(())
    }

    /// Name, spikes, synaptic operations and updates of every population since the last start or reset.
    fn statistics(&mut self) -> Vec<(String, u64, u64, u64)> {
        let network = self.network.get().inner.clone();
        let statistics = self.simulator.get().statistics();
        network
            .ids()
            .map(|id| {
                let of = statistics.of(id);
                let name = network.population(id).name().to_owned();
                (name, of.spikes, of.synaptic_operations, of.updates)
            })
            .collect()
    }

    /// A simulator at a state, with the constant currents of a sample: what pickling makes.
    #[staticmethod]
    fn at(
        network: Py<Network>,
        mode: &str,
        memory_limit: Option<u64>,
        sample: Option<PyReadonlyArrayDyn<'_, f32>>,
        state: &[u8],
    ) -> PyResult<Self> {
        let mut simulator = Self::new(network, mode, memory_limit.map(Limit::Bytes))?;
        simulator.start_with(sample.map(|sample| array::copied(&sample)))?;
        simulator.restore(state)?;
        Ok(simulator)
    }

    #[allow(clippy::type_complexity, reason = "a tuple of arguments")]
    fn __reduce__<'py>(
        &mut self,
        py: Python<'py>,
    ) -> PyResult<(
        Bound<'py, PyAny>,
        (Py<Network>, String, Option<u64>, Option<Bound<'py, PyArray1<f32>>>, Bound<'py, PyBytes>),
    )> {
        let sample = self.started.clone().map(|sample| sample.into_pyarray(py));
        let state = self.state(py);
        let parts = (self.network.clone_ref(py), self.mode.clone(), self.limit, sample, state);
        Ok((py.get_type::<Self>().getattr("at")?, parts))
    }

    fn __repr__(&self) -> String {
        let network = &self.network.get().inner;
        format!(
            "Simulator({} populations, mode={:?}, t={})",
            network.populations().len(),
            self.mode,
            self.step
        )
    }
}
