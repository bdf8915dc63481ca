use std::sync::Arc;

use crate::error::NetworkError;
use crate::input::{Drive, Stimulus};
use crate::network::{Network, PopulationId};
use crate::neuron::IntegrateFire;
use crate::neuron::ramp_steps;
use crate::neuron::{Neuron, REBASE};
use crate::record::{Spikes, Statistics};
use crate::simulator::Simulator;
use crate::state::State;
use crate::state::{PopulationState, effective_biases, inputs_counted};

/// The dense, time-stepped reference: the contract in its plainest form.
///
/// Every neuron looks in every step at every one of its synapses, in the order of the contract. It is
/// written from two definitions only, the synapses of a [`Connectivity`](crate::network::connectivity::Connectivity) and
/// [`IntegrateFire::step`], and shares no code with the simulators that it judges.
///
/// Cost of a step: O(synapses + neurons), whatever fires. Memory: 8 bytes per synapse, shared weights
/// unrolled, so a large convolutional network needs much of it.
#[derive(Clone)]
pub struct DenseSimulator {
    network: Arc<Network>,
    drive: Drive,
    incoming: Arc<Vec<Vec<Gather>>>,
    state: State,
    /// For each population its spikes as flags: those of the present step last, before them those of the
    /// steps from which spikes are still under way.
    fired: Vec<Vec<Vec<bool>>>,
    spikes: Spikes,
    statistics: Statistics,
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

fn gather(projection: &crate::network::Projection) -> Gather {
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
                let mut steps = vec![vec![false; size]; state.populations[id.index()].under_way.len() + 1];
                for (flags, spikes) in steps.iter_mut().zip(&state.populations[id.index()].under_way) {
                    for &neuron in spikes {
                        flags[neuron as usize] = true;
                    }
                }
                steps
            })
            .collect();
        self.state = state;
    }

    /// Whether a source neuron's spike arrives in the present step through a projection of this delay.
    fn arrives(fired: &[Vec<Vec<bool>>], gather: &Gather, source: usize) -> bool {
        let steps = &fired[gather.source.index()];
        steps[steps.len() - 1 - gather.delay][source]
    }

    fn update(&mut self, id: PopulationId, k: f32, stimulus: &Stimulus<'_>) -> Vec<bool> {
        let population = self.network.population(id);
        let biases = effective_biases(&self.network, id, &self.drive).unwrap_or_default();
        let gathers = &self.incoming[id.index()];
        let PopulationState { potentials, arrived, .. } = &mut self.state.populations[id.index()];
        let statistics = self.statistics.at(id);
        let mut fires = vec![false; population.size()];
        if let Neuron::Source = population.neuron() {
            for &neuron in stimulus.of(id) {
                fires[neuron as usize] = true;
            }
        }
        let before = arrived.clone();
        if let Neuron::MaxPool(_) = population.neuron() {
            let inputs = gathers.iter().flat_map(|gather| {
                let sources = self.network.population(gather.source).size();
                (0..sources).map(move |source| (gather, source))
            });
            for (count, (gather, source)) in arrived.iter_mut().zip(inputs) {
                *count += u32::from(Self::arrives(&self.fired, gather, source));
            }
        }
        for (neuron, fires) in fires.iter_mut().enumerate() {
            let mut current = None;
            let (mut largest_before, mut largest) = (0, 0);
            let mut first_input = 0;
            for gather in gathers {
                for (source, weight) in gather.synapses(neuron) {
                    if Self::arrives(&self.fired, gather, source) {
                        current = Some(current.unwrap_or(0.0) + weight);
                        statistics.synaptic_operations += 1;
                    }
                    if let Neuron::MaxPool(_) = population.neuron() {
                        largest_before = before[first_input + source].max(largest_before);
                        largest = arrived[first_input + source].max(largest);
                    }
                }
                first_input += self.network.population(gather.source).size();
            }
            match population.neuron() {
                Neuron::Source => {}
                Neuron::IntegrateFire(model) => {
                    let (u, threshold) = (&mut potentials[neuron], model.threshold.get(neuron));
                    *fires = IntegrateFire::step(u, current, biases[neuron], k, threshold, model.reset);
                }
                Neuron::Accumulator(_) => {
                    if let Some(current) = current {
                        potentials[neuron] += current;
                    }
                }
                Neuron::MaxPool(_) => *fires = largest > largest_before,
            }
            statistics.spikes += u64::from(*fires);
            // A source has no potential that could be touched.
            let touched = current.is_some() || *fires;
            statistics.updates += u64::from(touched && !matches!(population.neuron(), Neuron::Source));
        }
        fires
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

    fn step(&mut self, stimulus: &Stimulus<'_>) -> &Spikes {
        let network = Arc::clone(&self.network);
        if self.state.step > 0 && self.state.step.is_multiple_of(u64::from(REBASE)) {
            for id in network.ids() {
                if let Some(biases) = effective_biases(&network, id, &self.drive) {
                    for (u, bias) in self.state.populations[id.index()].potentials.iter_mut().zip(biases) {
                        *u += bias * REBASE as f32;
                    }
                }
            }
        }
        self.state.step += 1;
        self.statistics.steps += 1;
        let k = ramp_steps(self.state.step) as f32;
        for &id in network.update_order() {
            let fires = self.update(id, k, stimulus);
            let list = fires.iter().enumerate().filter(|(_, fires)| **fires).map(|(neuron, _)| neuron as u32);
            self.spikes.lists[id.index()] = list.collect();
            *self.fired[id.index()].last_mut().expect("the present step") = fires;
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

    fn potentials(&self, population: PopulationId) -> Vec<f32> {
        self.state.potentials(&self.network, population, &self.drive)
    }
}
