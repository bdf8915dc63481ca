//! Many steps at once: what every step is given, and what is written down.

use std::collections::BTreeMap;

use numpy::ndarray::ArrayD;
use numpy::{IntoPyArray, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use snn_engine::{
    AnySimulator, Layout, NetworkError, PopulationId, Simulator as _, SpikeSlice, Spikes, Stimulus,
};

use crate::network::Network;
use crate::{array, error};

/// Spikes and currents of every step, in the network's own order.
pub struct Given {
    steps: u32,
    /// Values `[steps][neurons]`, 0 for none.
    spikes: Vec<(PopulationId, Vec<i16>)>,
    /// `[steps][neurons]`, or `[neurons]` for every step.
    currents: Vec<(PopulationId, Vec<f32>)>,
}

/// Numbers of a population in the network's own order, step after step.
fn in_own_order<T: Copy>(layout: Layout, size: usize, values: &[T]) -> Vec<T> {
    let steps = values.chunks_exact(size.max(1));
    steps.flat_map(|step| (0..size).map(|neuron| step[layout.user_index(neuron)])).collect()
}

impl Given {
    pub fn new(steps: u32) -> Self {
        Self { steps, spikes: vec![], currents: vec![] }
    }

    /// Whether an array is of every step, of a shape `[steps]` and that of the population, or flat.
    fn check(
        &self,
        what: &str,
        network: &snn_engine::Network,
        id: PopulationId,
        shape: &[usize],
        also_once: bool,
    ) -> PyResult<()> {
        let population = network.population(id);
        let (own, size) = (population.layout().shape(), population.size());
        let of_neurons = |shape: &[usize]| shape == own || *shape == [size];
        let in_steps = shape.first() == Some(&(self.steps as usize)) && of_neurons(&shape[1..]);
        if in_steps || (also_once && of_neurons(shape)) {
            return Ok(());
        }
        let once = if also_once { format!(", or {own:?} for every step") } else { String::new() };
        Err(error::RaisedInputError::new_err(format!(
            "{what} of population `{}` have the shape {shape:?}; allowed is {:?}{once}",
            population.name(),
            [&[self.steps as usize], own.as_slice()].concat()
        )))
    }

    pub fn spikes(
        &mut self,
        network: &snn_engine::Network,
        id: PopulationId,
        raster: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (shape, values) = array::spike_values(raster)?;
        self.check("spikes", network, id, &shape, false)?;
        let population = network.population(id);
        self.spikes.push((id, in_own_order(population.layout(), population.size(), &values)));
        Ok(())
    }

    pub fn currents(
        &mut self,
        network: &snn_engine::Network,
        id: PopulationId,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let values: PyReadonlyArrayDyn<'_, f32> =
            values.extract().map_err(|_| PyTypeError::new_err("currents are no float32 array"))?;
        self.check("currents", network, id, values.shape(), true)?;
        let population = network.population(id);
        let values = array::copied(&values);
        self.currents.push((id, in_own_order(population.layout(), population.size(), &values)));
        Ok(())
    }

    /// Sets what one step is given.
    pub fn give(
        &self,
        network: &snn_engine::Network,
        step: u32,
        stimulus: &mut Stimulus,
    ) -> Result<(), NetworkError> {
        stimulus.clear();
        let at = |error: NetworkError| error.within(format!("step {step}"));
        for (id, values) in &self.spikes {
            let size = network.population(*id).size();
            let step = &values[step as usize * size..][..size];
            // Ids are below 2^32.
            let fired = (0_u32..).zip(step).filter(|(_, value)| **value != 0);
            let (neurons, values): (Vec<u32>, Vec<i32>) =
                fired.map(|(neuron, &value)| (neuron, i32::from(value))).unzip();
            stimulus.set_spikes(network, *id, SpikeSlice::new(&neurons, &values)?).map_err(at)?;
        }
        for (id, values) in &self.currents {
            let size = network.population(*id).size();
            let of_step = if values.len() == size { values } else { &values[step as usize * size..][..size] };
            stimulus.set_currents(network, *id, of_step).map_err(at)?;
        }
        Ok(())
    }
}

/// Spikes of one population, in the user's order.
#[derive(Default)]
struct Written {
    neurons: Vec<u32>,
    steps: Vec<u32>,
    values: Vec<i32>,
}

/// What is written down.
pub struct Recording {
    first: u64,
    steps: u32,
    /// Done so far.
    step: u32,
    spikes: BTreeMap<PopulationId, Written>,
    potentials: BTreeMap<PopulationId, Vec<f32>>,
    layouts: Vec<Layout>,
}

impl Recording {
    pub fn new(
        network: &Network,
        limit: Option<u64>,
        first: u64,
        steps: u32,
        record: Vec<PopulationId>,
        watched: Vec<PopulationId>,
    ) -> PyResult<Self> {
        let populations = network.inner.populations();
        for id in &watched {
            let population = network.inner.population(*id);
            if !population.neuron().has_potential() {
                return Err(error::RaisedNetworkError::new_err(format!(
                    "population `{}` ({}) has no potentials",
                    population.name(),
                    population.neuron().kind()
                )));
            }
        }
        let numbers: u64 = watched.iter().map(|id| network.inner.population(*id).size() as u64).sum();
        let needed = numbers.saturating_mul(u64::from(steps)).saturating_mul(4);
        let limit = network.memory_limit_of(limit)?;
        if needed > limit {
            return Err(error::RaisedInputError::new_err(format!(
                "the potentials of {steps} steps need {needed} bytes of memory; allowed are {limit}; record fewer, or raise \
                 memory_limit"
            )));
        }
        Ok(Self {
            first,
            steps,
            step: 0,
            spikes: record.into_iter().map(|id| (id, Written::default())).collect(),
            potentials: watched.into_iter().map(|id| (id, vec![])).collect(),
            layouts: populations.iter().map(snn_engine::Population::layout).collect(),
        })
    }

    /// Writes one step down.
    pub fn take(&mut self, simulator: &mut AnySimulator, last: &Spikes) {
        for (id, written) in &mut self.spikes {
            let (layout, before) = (self.layouts[id.index()], written.neurons.len());
            let mut spikes: Vec<(u32, i32)> = last
                .with_values(*id)
                .iter()
                .map(|(neuron, value)| (layout.user_index(neuron as usize) as u32, value))
                .collect();
            spikes.sort_unstable();
            for (neuron, value) in spikes {
                written.neurons.push(neuron);
                written.values.push(value);
            }
            written.steps.resize(written.steps.len() + written.neurons.len() - before, self.step);
        }
        for (id, kept) in &mut self.potentials {
            let (layout, v) = (self.layouts[id.index()], simulator.potentials(*id));
            kept.extend((0..v.len()).map(|index| v[layout.neuron_at(index)]));
        }
        self.step += 1;
    }

    /// A `Recording` of the package.
    pub fn told<'py>(self, py: Python<'py>, network: &Network) -> PyResult<Bound<'py, PyAny>> {
        let package = py.import("snn_event.recording")?;
        let (spikes, potentials) = (PyDict::new(py), PyDict::new(py));
        for (id, written) in self.spikes {
            let population = network.inner.population(id);
            let shape = pyo3::types::PyTuple::new(py, population.layout().shape())?;
            let starts = vec![0_u64, written.neurons.len() as u64].into_pyarray(py);
            let ones = written.values.iter().all(|value| *value == 1);
            let values = (!ones).then(|| written.values.into_pyarray(py));
            let (neurons, steps) = (written.neurons.into_pyarray(py), written.steps.into_pyarray(py));
            let of = package.getattr("Spikes")?.call1((
                population.name(),
                shape,
                self.steps,
                neurons,
                steps,
                starts,
                values,
            ))?;
            spikes.set_item(population.name(), of)?;
        }
        for (id, kept) in self.potentials {
            let population = network.inner.population(id);
            let shape = [&[self.steps as usize], population.layout().shape().as_slice()].concat();
            let array = ArrayD::from_shape_vec(shape, kept).expect("a step has a potential of every neuron");
            potentials.set_item(population.name(), array.into_pyarray(py))?;
        }
        package.getattr("Recording")?.call1((self.first, self.steps, spikes, potentials))
    }
}
