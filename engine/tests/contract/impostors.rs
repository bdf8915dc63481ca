//! Wrong engines. The comparison of the laws must reject every one of them; one that it lets pass is proof
//! that the comparison, or the random networks, are too weak.

use std::sync::Arc;

use snn_engine::*;

use crate::case::Case;
use crate::simulators::{parting, reference};
use crate::{draw, shrink};

/// What is wrong with an engine. Each is a mistake that real simulators make.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nothing: this engine must pass.
    None,
    /// Adds the weights of a step in descending order of their sources.
    DescendingSources,
    /// Adds the weights of the projections in reverse order of declaration.
    ReversedProjections,
    /// Adds each weight to the potential instead of to a current of its own.
    NoAccumulator,
    /// Multiplies and adds the bias ramp in one rounding.
    FusedRamp,
    /// Adds the bias to the potential in every step.
    BiasAsEvent,
    /// Never re-bases the ramp.
    NoRebase,
    /// Re-bases at the end of the step before.
    EarlyRebase,
    /// Fires above the threshold only.
    StrictThreshold,
    /// Fires only neurons that something reached.
    ForgottenResidual,
    /// Fires only neurons that something reached or that have a bias.
    ForgottenStart,
    /// Resets to zero what should be reset by subtraction.
    LostResidual,
    /// Reset to zero forgets the ramp.
    RampKeptAtReset,
    /// Delivers spikes a step late where the delay is not zero.
    LateDelay,
    /// Fires max-pool units whenever an input fires.
    MaxOfSpikes,
    /// Lets accumulators fire at 1.
    FiringReadOut,
}

const FAULTS: [Fault; 15] = [
    Fault::DescendingSources,
    Fault::ReversedProjections,
    Fault::NoAccumulator,
    Fault::FusedRamp,
    Fault::BiasAsEvent,
    Fault::NoRebase,
    Fault::EarlyRebase,
    Fault::StrictThreshold,
    Fault::ForgottenResidual,
    Fault::ForgottenStart,
    Fault::LostResidual,
    Fault::RampKeptAtReset,
    Fault::LateDelay,
    Fault::MaxOfSpikes,
    Fault::FiringReadOut,
];

/// A clocked engine with one fault, in scatter form and without any cleverness.
struct Impostor {
    network: Arc<Network>,
    fault: Fault,
    drive: Drive,
    state: State,
    /// The spikes of all steps so far.
    past: Vec<Spikes>,
    statistics: Statistics,
}

impl Impostor {
    fn new(network: &Arc<Network>, fault: Fault) -> Self {
        Self {
            network: Arc::clone(network),
            fault,
            drive: Drive::none(),
            state: State::initial(network),
            past: vec![],
            statistics: Statistics::zero(network),
        }
    }

    fn bias(&self, id: PopulationId, neuron: usize) -> f32 {
        let bias = self.network.population(id).neuron().bias().unwrap().get(neuron);
        self.drive.of(id).map_or(bias, |currents| bias + currents[neuron])
    }

    fn rebase(&mut self) {
        for id in self.network.clone().ids() {
            for neuron in 0..self.state.populations[id.index()].potentials.len() {
                let ramp = self.bias(id, neuron) * REBASE as f32;
                self.state.populations[id.index()].potentials[neuron] += ramp;
            }
        }
    }

    /// The spikes of a projection that arrive in the present step; those of this step are in `now`.
    fn arriving(&self, projection: &Projection, now: &[Vec<u32>]) -> Vec<u32> {
        let late = u64::from(self.fault == Fault::LateDelay && projection.delay() > 0);
        let delay = u64::from(projection.delay()) + late;
        if delay == 0 {
            return now[projection.source().index()].clone();
        }
        let emitted = self.state.step.checked_sub(delay);
        emitted.map_or(vec![], |step| self.past[step as usize].of(projection.source()).to_vec())
    }

    fn integrate(&mut self, id: PopulationId, k: f32, now: &[Vec<u32>]) -> Vec<u32> {
        let network = Arc::clone(&self.network);
        let n = network.population(id).size();
        let mut currents: Vec<Option<f32>> = vec![None; n];
        let mut projections: Vec<&Projection> = network.incoming(id).collect();
        if self.fault == Fault::ReversedProjections {
            projections.reverse();
        }
        let mut operations = 0;
        for projection in projections {
            let mut sources = self.arriving(projection, now);
            if self.fault == Fault::DescendingSources {
                sources.reverse();
            }
            for source in sources {
                for (target, current) in currents.iter_mut().enumerate() {
                    let Some(weight) = projection.connectivity().weight(source as usize, target) else {
                        continue;
                    };
                    operations += 1;
                    if self.fault == Fault::NoAccumulator {
                        self.state.populations[id.index()].potentials[target] += weight;
                        *current = Some(0.0);
                    } else {
                        *current = Some(current.unwrap_or(0.0) + weight);
                    }
                }
            }
        }
        let mut fired = vec![];
        let mut updates = 0;
        for (neuron, current) in currents.into_iter().enumerate() {
            let bias = self.bias(id, neuron);
            let fault = self.fault;
            let mut u = self.state.populations[id.index()].potentials[neuron];
            let mut ramp = bias * k;
            if let Some(current) = current {
                u += current;
            }
            if fault == Fault::BiasAsEvent {
                u += bias;
                ramp = 0.0;
            }
            let v = if fault == Fault::FusedRamp { bias.mul_add(k, u) } else { u + ramp };
            let (threshold, reset) = match network.population(id).neuron() {
                Neuron::IntegrateFire(model) => (model.threshold.get(neuron), model.reset),
                Neuron::Accumulator(_) if fault == Fault::FiringReadOut => (1.0, Reset::Subtract),
                Neuron::Accumulator(_) => (f32::INFINITY, Reset::Subtract),
                Neuron::Source | Neuron::MaxPool(_) => unreachable!("these have no potential"),
            };
            let forgotten = current.is_none()
                && (fault == Fault::ForgottenResidual || fault == Fault::ForgottenStart && bias == 0.0);
            let crosses = if fault == Fault::StrictThreshold { v > threshold } else { v >= threshold };
            let fires = crosses && !forgotten;
            if fires {
                fired.push(neuron as u32);
                let to_zero = if fault == Fault::RampKeptAtReset { 0.0 } else { 0.0 - ramp };
                u = match reset {
                    Reset::Subtract if fault == Fault::LostResidual => to_zero,
                    Reset::Subtract => u - threshold,
                    Reset::Zero => to_zero,
                };
            }
            updates += u64::from(fires || current.is_some());
            self.state.populations[id.index()].potentials[neuron] = u;
        }
        self.count(id, operations, updates);
        fired
    }

    fn count(&mut self, id: PopulationId, synaptic_operations: u64, updates: u64) {
        let statistics = &mut self.statistics.populations[id.index()];
        statistics.synaptic_operations += synaptic_operations;
        statistics.updates += updates;
    }

    fn pool(&mut self, id: PopulationId, now: &[Vec<u32>]) -> Vec<u32> {
        let network = Arc::clone(&self.network);
        let before = self.state.populations[id.index()].arrived.clone();
        let n = network.population(id).size();
        let (mut reached, mut old, mut new) = (vec![false; n], vec![0; n], vec![0; n]);
        let (mut first, mut operations) = (0, 0);
        for projection in network.incoming(id) {
            let spikes = self.arriving(projection, now);
            for source in 0..projection.connectivity().sources() {
                let fired = spikes.contains(&(source as u32));
                let arrived = &mut self.state.populations[id.index()].arrived[first + source];
                *arrived += u32::from(fired);
                for unit in 0..n {
                    if projection.connectivity().weight(source, unit).is_some() {
                        reached[unit] |= fired;
                        operations += u64::from(fired);
                        old[unit] = before[first + source].max(old[unit]);
                        new[unit] = new[unit].max(*arrived);
                    }
                }
            }
            first += projection.connectivity().sources();
        }
        self.count(id, operations, reached.iter().filter(|&&reached| reached).count() as u64);
        let fires = |unit: usize| {
            if self.fault == Fault::MaxOfSpikes { reached[unit] } else { new[unit] > old[unit] }
        };
        (0..n).filter(|&unit| fires(unit)).map(|unit| unit as u32).collect()
    }
}

impl Simulator for Impostor {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        self.drive = drive.clone();
        self.reset();
    }

    fn reset(&mut self) {
        self.state = State::initial(&self.network);
        self.statistics = Statistics::zero(&self.network);
        self.past.clear();
    }

    fn step(&mut self, stimulus: &Stimulus<'_>) -> &Spikes {
        let network = Arc::clone(&self.network);
        let rebase = u64::from(REBASE);
        let done = self.state.step;
        let ramps = self.fault != Fault::NoRebase && self.fault != Fault::BiasAsEvent;
        if ramps && self.fault != Fault::EarlyRebase && done > 0 && done.is_multiple_of(rebase) {
            self.rebase();
        }
        let k = if ramps { done % rebase + 1 } else { done + 1 } as f32;
        let mut now = vec![vec![]; network.populations().len()];
        for &id in network.update_order() {
            now[id.index()] = match network.population(id).neuron() {
                Neuron::Source => stimulus.of(id).to_vec(),
                Neuron::MaxPool(_) => self.pool(id, &now),
                Neuron::IntegrateFire(_) | Neuron::Accumulator(_) => self.integrate(id, k, &now),
            };
            self.statistics.populations[id.index()].spikes += now[id.index()].len() as u64;
        }
        self.state.step += 1;
        self.statistics.steps += 1;
        for (population, spikes) in self.state.populations.iter_mut().zip(&now) {
            if !population.under_way.is_empty() {
                population.under_way.remove(0);
                population.under_way.push(spikes.clone());
            }
        }
        if ramps && self.fault == Fault::EarlyRebase && self.state.step.is_multiple_of(rebase) {
            self.rebase();
        }
        // `Spikes` has no public constructor: the dense simulator of a net of sources gives one.
        self.past.push(spikes_of(&network, &now));
        self.past.last().unwrap()
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, _: &State) -> Result<(), NetworkError> {
        unreachable!("impostors are only stepped")
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn potentials(&self, population: PopulationId) -> Vec<f32> {
        self.state.potentials(&self.network, population, &self.drive)
    }
}

fn spikes_of(network: &Network, lists: &[Vec<u32>]) -> Spikes {
    let mut builder = NetworkBuilder::new();
    let sources: Vec<PopulationId> = network
        .populations()
        .iter()
        .map(|population| builder.population(population.name(), population.layout(), Neuron::Source))
        .collect();
    let sources_only = Arc::new(builder.build().unwrap());
    let stimulus: Vec<(PopulationId, &[u32])> =
        sources.into_iter().zip(lists.iter().map(Vec::as_slice)).collect();
    let mut simulator = DenseSimulator::new(Arc::clone(&sources_only));
    simulator.step(&Stimulus::new(&sources_only, &stimulus).unwrap()).clone()
}

/// Where the comparison rejects an engine with a fault, if it does; the network of the case must be valid.
fn rejected(case: &Case, fault: Fault) -> Option<String> {
    let built = case.build().ok()?;
    built.samples.iter().find_map(|sample| {
        let reference = reference(&built, sample);
        parting(&built, sample, &reference, &mut Impostor::new(&built.network, fault))
    })
}

/// The first case of 2,000 in which the comparison rejects an engine.
fn first_rejected(fault: Fault) -> Case {
    let case = (0..2_000).map(draw::case).find(|case| rejected(case, fault).is_some());
    case.unwrap_or_else(|| panic!("an engine with {fault:?} passes the comparison"))
}

/// Rejected must be the fault and nothing else: the same engine without it passes at the same seed. So must it in the
/// smallest network that tells the two apart, which has to be one that a reader can follow.
#[test]
fn every_wrong_engine_is_rejected_where_the_faultless_one_passes_also_in_a_network_made_small() {
    for fault in FAULTS {
        let case = first_rejected(fault);
        assert_eq!(rejected(&case, Fault::None), None, "seed {}, the engine without a fault", case.seed);
        let (small, tries) = shrink::smallest(case, |case| rejected(case, fault).is_some());
        println!("{fault:?}, made small in {tries} tries\n{small}");
        assert!(rejected(&small, fault).is_some(), "{fault:?} passes in\n{small}");
        assert_eq!(rejected(&small, Fault::None), None, "the engine without a fault in\n{small}");
        assert!(small.populations.len() <= 3 && small.projections.len() <= 3, "{fault:?}\n{small}");
        assert!(small.neurons() <= 6 && small.weights() <= 6, "{fault:?}\n{small}");
        assert!(small.samples.len() == 1 && small.steps <= 300, "{fault:?}\n{small}");
    }
}

#[test]
fn the_same_engine_without_a_fault_passes() {
    for seed in 0..300 {
        assert_eq!(rejected(&draw::case(seed), Fault::None), None, "seed {seed}");
    }
}

#[test]
fn the_first_divergence_names_step_population_neuron_and_both_potentials() {
    // Two halves reach the threshold exactly: a neuron that fires above it only keeps its potential.
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(2), Neuron::Source);
    let same = |value| PerNeuron::same(value).unwrap();
    let neuron =
        IntegrateFire { threshold: same(1.0), bias: same(0.0), start: same(0.0), reset: Reset::Subtract };
    let layer = builder.population("layer", Layout::Flat(2), Neuron::IntegrateFire(neuron));
    let halves = Connectivity::OneToOne(OneToOne::new(2, same(0.5)).unwrap());
    builder.projection(input, layer, 0, halves);
    let network = Arc::new(builder.build().unwrap());
    let mut raster = Raster::new();
    for spikes in [&[0, 1][..], &[0], &[1]] {
        raster.push_step(spikes);
    }
    let sample = Sample { drive: Drive::none(), spikes: vec![(input, raster)] };
    let mut dense = DenseSimulator::new(Arc::clone(&network));
    let mut strict = Impostor::new(&network, Fault::StrictThreshold);
    let parting = first_divergence(&mut dense, &mut strict, &sample, 3).unwrap().unwrap();
    assert_eq!((parting.step, parting.difference.population, parting.difference.neuron), (1, layer, Some(0)));
    assert_eq!(parting.potentials, Some([0.0, 1.0]));
    let mut sound = Impostor::new(&network, Fault::None);
    assert_eq!(first_divergence(&mut dense, &mut sound, &sample, 3).unwrap(), None);
}
