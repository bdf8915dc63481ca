//! A network run step by step, for use inside other programs' loops.

use numpy::ndarray::ArrayD;
use numpy::{IntoPyArray, PyArray1, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use snn_engine::{AnySimulator, Drive, Layout, Memory, PopulationId, SpikeList, SpikeSlice, State, Stimulus};

use crate::error;
use crate::network::{Limit, Network};
use crate::{array, run};

/// Runs a network step by step.
#[pyclass(module = "snn_event")]
pub struct Simulator {
    simulator: AnySimulator,
    #[pyo3(get)]
    network: Py<Network>,
    /// The spikes of the last step, in the network's own order.
    last: Vec<SpikeList>,
    step: u64,
}

/// The neurons that an array of flags or of indices names, in the network's own order.
fn neurons(layout: Layout, name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let unfit =
        |what: String| error::RaisedNetworkError::new_err(format!("spikes of population `{name}` {what}"));
    let size = layout.neurons().unwrap_or(u32::MAX) as usize;
    let flagged = |shape: &[usize], flags: Vec<bool>| {
        if flags.len() != size {
            return Err(unfit(format!("are flags of shape {shape:?}; allowed is {:?}", layout.shape())));
        }
        let fired = flags.iter().enumerate().filter(|(_, fired)| **fired);
        Ok(fired.map(|(index, _)| index).collect::<Vec<usize>>())
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
    let mut neurons: Vec<u32> = indices.into_iter().map(|index| layout.neuron_at(index) as u32).collect();
    neurons.sort_unstable();
    if let Some(pair) = neurons.windows(2).find(|pair| pair[0] == pair[1]) {
        let twice = layout.user_index(pair[0] as usize);
        return Err(unfit(format!("name the neuron {twice} twice; a neuron fires at most once in a step")));
    }
    Ok(neurons)
}

/// The spikes of a population whose values an array holds, in the network's own order.
fn valued(layout: Layout, name: &str, given: &Bound<'_, PyAny>) -> PyResult<SpikeList> {
    let (shape, values) = array::step_of_raster(given)?;
    if values.len() != layout.neurons().unwrap_or(u32::MAX) as usize {
        return Err(error::RaisedNetworkError::new_err(format!(
            "the raster of population `{name}` has the shape {shape:?}; allowed is {:?}",
            layout.shape()
        )));
    }
    let (mut neurons, mut own) = (vec![], vec![]);
    for neuron in 0..values.len() {
        let value = values[layout.user_index(neuron)];
        if value != 0 {
            neurons.push(neuron as u32);
            own.push(i32::from(value));
        }
    }
    Ok(SpikeSlice::new(&neurons, &own).map_err(error::network)?.into())
}

impl Simulator {
    fn layout(&self, id: PopulationId) -> Layout {
        self.network.get().inner.population(id).layout()
    }

    /// What each source is given: neurons that fire, or the values of all.
    fn stimulus(
        &self,
        spikes: Option<&Bound<'_, PyAny>>,
        raster: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<(PopulationId, SpikeList)>> {
        let network = self.network.get();
        let (spikes, valued) = match (spikes, raster) {
            (Some(_), Some(_)) => {
                return Err(error::RaisedNetworkError::new_err(
                    "spikes and raster= are given; allowed is one",
                ));
            }
            (None, None) => return Ok(vec![]),
            (Some(spikes), None) => (spikes, false),
            (None, Some(raster)) => (raster, true),
        };
        let of = |id: PopulationId, given: &Bound<'_, PyAny>| {
            let population = network.inner.population(id);
            let (layout, name) = (population.layout(), population.name());
            let list = if valued {
                self::valued(layout, name, given)?
            } else {
                neurons(layout, name, given)?.into()
            };
            Ok((id, list))
        };
        if let Ok(by_name) = spikes.cast::<PyDict>() {
            let each = |(name, given): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
                of(network.find(Some(name.extract()?))?, &given)
            };
            return by_name.iter().map(each).collect();
        }
        let sources: Vec<_> = network.inner.sources().collect();
        match sources[..] {
            [source] => Ok(vec![of(source, spikes)?]),
            _ => Err(error::RaisedNetworkError::new_err(format!(
                "the network has {} sources; give a dictionary of their names",
                sources.len()
            ))),
        }
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
        self.last[id.index()].neurons().iter().for_each(|&neuron| flags[neuron as usize] = true);
        self.in_user_order(py, id, &flags)
    }

    fn forget_spikes(&mut self) {
        self.last.iter_mut().for_each(SpikeList::clear);
    }
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (network, mode = "event", *, memory_limit = None))]
    fn new(network: Py<Network>, mode: &str, memory_limit: Option<Limit>) -> PyResult<Self> {
        let inner = network.get().inner.clone();
        let mode = run::mode(mode)?;
        let limit = memory_limit.map(Limit::bytes).transpose()?;
        network.get().simulators(Memory::of(mode, &inner, u64::MAX), 1, limit)?;
        let last = vec![SpikeList::default(); inner.populations().len()];
        Ok(Self { simulator: AnySimulator::new(mode, inner), network, last, step: 0 })
    }

    /// Steps done.
    #[getter]
    fn t(&self) -> u64 {
        self.step
    }

    /// Goes back to step 0, with the constant currents of one sample, or without any.
    #[pyo3(signature = (x = None))]
    fn start(&mut self, x: Option<PyReadonlyArrayDyn<'_, f32>>) -> PyResult<()> {
        let network = self.network.get().inner.clone();
        let drive = match x {
            None => Drive::none(),
            Some(x) => {
                let samples = array::values(
                    &network,
                    &self.network.get().description,
                    &x,
                    snn_engine::Encoding::Constant,
                )?;
                if !samples.single && samples.input.samples() != 1 {
                    return Err(error::RaisedNetworkError::new_err(format!(
                        "{} samples are given; a simulator runs one at a time",
                        samples.input.samples()
                    )));
                }
                samples.input.sample(&network, 0, 0).map_err(error::network)?.drive
            }
        };
        self.simulator.get().start(&drive);
        self.step = 0;
        self.forget_spikes();
        Ok(())
    }

    /// Goes back to step 0 with the same constant currents.
    fn reset(&mut self) {
        self.simulator.get().reset();
        self.step = 0;
        self.forget_spikes();
    }

    /// Does one step and gives the spikes of the last population, as flags; [`values`](Self::values) has their values.
    #[pyo3(signature = (spikes = None, *, raster = None))]
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        spikes: Option<&Bound<'py, PyAny>>,
        raster: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArrayDyn<bool>>> {
        let network = self.network.get().inner.clone();
        let given = self.stimulus(spikes, raster)?;
        let mut stimulus = Stimulus::none();
        for (id, list) in &given {
            stimulus.set_spikes(&network, *id, list.as_slice()).map_err(error::network)?;
        }
        let (simulator, last) = (&mut self.simulator, &mut self.last);
        py.detach(|| {
            let spikes = simulator.get().step(&stimulus);
            for (id, last) in network.ids().zip(last) {
                last.take(spikes.with_values(id));
            }
        });
        self.step += 1;
        Ok(self.flags(py, network.output()))
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

    /// The values of the spikes of a population in the last step, of its shape, 0 where there is none; of the last population
    /// if none is named.
    #[pyo3(signature = (population = None))]
    fn values<'py>(
        &self,
        py: Python<'py>,
        population: Option<&str>,
    ) -> PyResult<Bound<'py, PyArrayDyn<i32>>> {
        let id = self.network.get().find(population)?;
        let mut values = vec![0; self.network.get().inner.population(id).size()];
        let last = self.last[id.index()].as_slice();
        last.iter().for_each(|(neuron, value)| values[neuron as usize] = value);
        Ok(self.in_user_order(py, id, &values))
    }

    /// The neurons of a population that fired in the last step, ascending; of the last population if none is named.
    #[pyo3(signature = (population = None))]
    fn fired<'py>(&self, py: Python<'py>, population: Option<&str>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let id = self.network.get().find(population)?;
        let layout = self.layout(id);
        let last = self.last[id.index()].neurons();
        let mut fired: Vec<u32> =
            last.iter().map(|&neuron| layout.user_index(neuron as usize) as u32).collect();
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
}
