use std::sync::Arc;

use super::interface::{BatchSimulator, Simulator};
use crate::error::NetworkError;
use crate::input::{Drive, Stimulus};
use crate::network::{AnyModel, Network, Neuron, PopulationId, Projection};
use crate::neuron::{Autonomy, REBASE, ramp_steps};
use crate::record::{Spikes, Statistics};
use crate::spikes::SpikeSlice;
use crate::state::{PopulationState, State, effective_biases, injected, inputs_counted};

/// The dense, time-stepped reference: the contract in its plainest form.
///
/// Every neuron looks in every step at every one of its synapses, in the order of the contract. It is
/// written from two definitions only, the synapses of a [`Connectivity`](crate::network::connectivity::Connectivity) and
/// [`Model::step`](crate::Model::step), and shares no code with the simulators that it judges.
///
/// Cost of a step: O(synapses + neurons), whatever fires. Memory: 8 bytes per synapse, shared weights
/// unrolled, so a large convolutional network needs much of it.
#[derive(Clone)]
pub struct DenseSimulator {
    network: Arc<Network>,
    drive: Drive,
    incoming: Arc<Vec<Vec<Gather>>>,
    state: State,
    /// For each population the values of its spikes, 0 for none: those of the present step last, before them those
    /// of the steps from which spikes are still under way.
    fired: Vec<Vec<Vec<i32>>>,
    spikes: Spikes,
    statistics: Statistics,
    /// The potentials that were asked for last.
    shown: Vec<f32>,
}

/// The synapses of one projection seen from its targets.
struct Gather {
    source: PopulationId,
    delay: usize,
    /// Target `i` has the synapses `starts[i]..starts[i + 1]`, sources ascending.
    starts: Vec<usize>,
    sources: Vec<u32>,
    weights: Vec<f32>,
}

impl Gather {
    fn synapses(&self, target: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = self.starts[target]..self.starts[target + 1];
        self.sources[range.clone()]
            .iter()
            .map(|&source| source as usize)
            .zip(self.weights[range].iter().copied())
    }
}

fn gather(projection: &Projection) -> Gather {
    let connectivity = projection.connectivity();
    let mut starts = vec![0; connectivity.targets() + 1];
    for source in 0..connectivity.sources() {
        connectivity.fan_out(source, |target, _| starts[target + 1] += 1);
    }
    for target in 0..connectivity.targets() {
        starts[target + 1] += starts[target];
    }
    let mut next = starts.clone();
    let synapses = starts[connectivity.targets()];
    let (mut sources, mut weights) = (vec![0; synapses], vec![0.0; synapses]);
    // Sources are visited in ascending order, so they stand in ascending order at every target.
    for source in 0..connectivity.sources() {
        connectivity.fan_out(source, |target, weight| {
            sources[next[target]] = source as u32;
            weights[next[target]] = weight;
            next[target] += 1;
        });
    }
    Gather { source: projection.source(), delay: projection.delay() as usize, starts, sources, weights }
}

impl DenseSimulator {
    /// A simulator at step 0, without constant currents.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        let incoming = network.ids().map(|id| network.incoming(id).map(gather).collect()).collect();
        let state = State::initial(&network);
        let mut simulator = Self {
            drive: Drive::none(),
            incoming: Arc::new(incoming),
            state: State { step: 0, populations: vec![] },
            fired: vec![],
            spikes: Spikes::none(network.populations().len()),
            statistics: Statistics::zero(&network),
            shown: vec![],
            network,
        };
        simulator.take(state);
        simulator
    }

    fn take(&mut self, state: State) {
        self.fired = self
            .network
            .ids()
            .map(|id| {
                let size = self.network.population(id).size();
                let mut steps = vec![vec![0; size]; state.populations[id.index()].under_way.len() + 1];
                for (values, spikes) in steps.iter_mut().zip(&state.populations[id.index()].under_way) {
                    for (neuron, value) in spikes.as_slice().iter() {
                        values[neuron as usize] = value;
                    }
                }
                steps
            })
            .collect();
        self.state = state;
    }

    /// The value of a source neuron's spike that arrives in the present step through a projection of this delay; 0 if
    /// there is none.
    fn arrives(fired: &[Vec<Vec<i32>>], gather: &Gather, source: usize) -> i32 {
        let steps = &fired[gather.source.index()];
        steps[steps.len() - 1 - gather.delay][source]
    }

    /// One step of a population: the values that its neurons emit.
    fn update(&mut self, id: PopulationId, k: u32, stimulus: &Stimulus) -> Vec<i32> {
        let network = Arc::clone(&self.network);
        let mut emitted = match network.population(id).neuron() {
            Neuron::Source => vec![0; network.population(id).size()],
            Neuron::Model(model) => self.integrate(id, model, k, stimulus),
            Neuron::MaxPool(_) => self.pool(id),
        };
        // What is given stands in place of what the neuron emits by itself.
        for (neuron, value) in stimulus.spikes(id).iter() {
            emitted[neuron as usize] = value;
        }
        let statistics = self.statistics.at(id);
        statistics.spikes += emitted.iter().filter(|value| **value != 0).count() as u64;
        statistics.magnitude += emitted.iter().map(|value| u64::from(value.unsigned_abs())).sum::<u64>();
        emitted
    }

    fn integrate(&mut self, id: PopulationId, model: &AnyModel, k: u32, stimulus: &Stimulus) -> Vec<i32> {
        let biases = effective_biases(&self.network, id, &self.drive).unwrap_or_default();
        // What arrives once arrives in the first step, before all spikes.
        let once = if self.state.step == 1 { injected(&self.network, id, &self.drive) } else { None };
        let mut given = vec![None; self.network.population(id).size()];
        for (neuron, current) in stimulus.currents(id) {
            given[neuron as usize] = Some(current);
        }
        let parameters = model.parameters();
        let stepped = model.description().stepped;
        let PopulationState { potentials, reals, counts, .. } = &mut self.state.populations[id.index()];
        let statistics = self.statistics.at(id);
        let mut emitted = vec![0; potentials.len()];
        for (neuron, emitted) in emitted.iter_mut().enumerate() {
            let mut current = once.as_ref().map(|once| once[neuron]).filter(|current| *current != 0.0);
            if let Some(given) = given[neuron] {
                current = Some(current.unwrap_or(0.0) + given);
            }
            for gather in &self.incoming[id.index()] {
                for (source, weight) in gather.synapses(neuron) {
                    let value = Self::arrives(&self.fired, gather, source);
                    if value != 0 {
                        current = Some(current.unwrap_or(0.0) + weight * value as f32);
                        statistics.synaptic_operations += 1;
                    }
                }
            }
            let mut of_neuron: Vec<f32> =
                parameters[..stepped].iter().map(|values| values.get(neuron)).collect();
            of_neuron[0] = biases[neuron];
            let columns = std::iter::once(&*potentials).chain(&*reals);
            let mut real: Vec<f32> = columns.map(|column| column[neuron]).collect();
            let mut whole: Vec<i32> = counts.iter().map(|column| column[neuron]).collect();
            *emitted = model.erased().step(&of_neuron, &mut real, &mut whole, current, k);
            for (column, real) in std::iter::once(&mut *potentials).chain(&mut *reals).zip(real) {
                column[neuron] = real;
            }
            for (column, whole) in counts.iter_mut().zip(whole) {
                column[neuron] = whole;
            }
            statistics.updates += u64::from(current.is_some() || *emitted != 0);
        }
        emitted
    }

    fn pool(&mut self, id: PopulationId) -> Vec<i32> {
        let arrived = &mut self.state.populations[id.index()].arrived;
        let before = arrived.clone();
        let statistics = self.statistics.at(id);
        let gathers = &self.incoming[id.index()];
        let sources = |gather: &Gather| self.network.population(gather.source).size();
        let inputs =
            gathers.iter().flat_map(|gather| (0..sources(gather)).map(move |source| (gather, source)));
        for (count, (gather, source)) in arrived.iter_mut().zip(inputs) {
            *count += i64::from(Self::arrives(&self.fired, gather, source));
        }
        let units = 0..self.network.population(id).size();
        let pooled = units.map(|unit| {
            let (mut largest_before, mut largest) = (None, None);
            let (mut first_input, mut reached) = (0, false);
            for gather in gathers {
                for (source, _) in gather.synapses(unit) {
                    if Self::arrives(&self.fired, gather, source) != 0 {
                        statistics.synaptic_operations += 1;
                        reached = true;
                    }
                    largest_before = largest_before.max(Some(before[first_input + source]));
                    largest = largest.max(Some(arrived[first_input + source]));
                }
                first_input += sources(gather);
            }
            // Every count changes by the values of one step's spikes, which are 32 bits.
            let value = (largest.unwrap_or(0) - largest_before.unwrap_or(0)) as i32;
            statistics.updates += u64::from(reached || value != 0);
            value
        });
        pooled.collect()
    }
}

impl Simulator for DenseSimulator {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        self.drive = drive.clone();
        self.reset();
    }

    fn reset(&mut self) {
        self.take(State::initial(&self.network));
        self.statistics = Statistics::zero(&self.network);
    }

    fn step(&mut self, stimulus: &Stimulus) -> &Spikes {
        let network = Arc::clone(&self.network);
        if self.state.step > 0 && self.state.step.is_multiple_of(u64::from(REBASE)) {
            for id in network.ids() {
                let on_ramp = |model: &AnyModel| model.description().autonomy == Autonomy::Ramp;
                if !network.population(id).neuron().model().is_some_and(on_ramp) {
                    continue;
                }
                let biases = effective_biases(&network, id, &self.drive).unwrap_or_default();
                for (u, bias) in self.state.populations[id.index()].potentials.iter_mut().zip(biases) {
                    *u += bias * REBASE as f32;
                }
            }
        }
        self.state.step += 1;
        self.statistics.steps += 1;
        let k = ramp_steps(self.state.step);
        for &id in network.update_order() {
            let emitted = self.update(id, k, stimulus);
            let fired = (0_u32..).zip(&emitted).filter(|(_, value)| **value != 0);
            let (neurons, values): (Vec<u32>, Vec<i32>) =
                fired.map(|(neuron, value)| (neuron, *value)).unzip();
            self.spikes.lists[id.index()] = SpikeSlice::of(&neurons, &values).into();
            *self.fired[id.index()].last_mut().expect("the present step") = emitted;
        }
        for id in network.ids() {
            // What was the present step becomes the last one.
            let population = &mut self.state.populations[id.index()];
            let steps = &mut self.fired[id.index()];
            if !population.under_way.is_empty() {
                steps.rotate_left(1);
                population.under_way.rotate_left(1);
                *population.under_way.last_mut().expect("not empty") = self.spikes.lists[id.index()].clone();
            }
        }
        &self.spikes
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn is_quiet(&mut self) -> bool {
        self.state.is_quiet(&self.network, &self.drive)
    }

    fn now(&self) -> u64 {
        self.state.step
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        state.check(&self.network)?;
        debug_assert!(
            self.network.ids().all(|id| {
                state.populations[id.index()].arrived.len() == inputs_counted(&self.network, id)
            })
        );
        self.take(state.clone());
        Ok(())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Cost: O(neurons of the population).
    fn potentials(&mut self, population: PopulationId) -> &[f32] {
        self.shown = self.state.potentials(&self.network, population, &self.drive);
        &self.shown
    }
}

impl BatchSimulator for DenseSimulator {}
