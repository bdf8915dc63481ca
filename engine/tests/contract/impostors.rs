//! Wrong engines. The comparison of the laws must reject every one of them; one that it lets pass is proof
//! that the comparison, or the random networks, are too weak.

use std::sync::Arc;

use snn_engine::*;

use crate::case::Case;
use crate::leaking::{self, Wrong, is_leaky};
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
    /// Takes every spike for one of value 1.
    ValuesAsOne,
    /// Multiplies weight and value and adds the product in one rounding.
    FusedContribution,
    /// Gives what arrives once behind the spikes of the first step.
    OnceBehindSpikes,
    /// Lets bipolar neurons emit whatever their count is.
    UnboundedCount,
    /// Resets bipolar neurons before the bounds of their count take something from the spike.
    ResetBeforeBounds,
    /// Multiplies value and threshold and subtracts the product in one rounding.
    FusedReset,
    /// Rounds v/θ towards 0 instead of down.
    RoundedToZero,
    /// Looks for potentials that fell below 0 only where something arrived.
    MissedFall,
    /// Never lets the count of a max-pool unit fall.
    MaxWithoutFalls,
    /// Runs populations that reach themselves over one step more at once than their delays allow: what is emitted in the
    /// first step of a window and arrives in its last is lost.
    LongWindow,
    /// Divides the targets of a population over two threads, and leaves out the one with which the second begins.
    LostTarget,
    /// Steps leaky neurons wrongly.
    Leaking(Wrong),
}

const FAULTS: [Fault; 31] = [
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
    Fault::ValuesAsOne,
    Fault::FusedContribution,
    Fault::OnceBehindSpikes,
    Fault::UnboundedCount,
    Fault::ResetBeforeBounds,
    Fault::FusedReset,
    Fault::RoundedToZero,
    Fault::MissedFall,
    Fault::MaxWithoutFalls,
    Fault::LongWindow,
    Fault::LostTarget,
    Fault::Leaking(Wrong::LeakBehindCurrent),
    Fault::Leaking(Wrong::FilterBehindPotential),
    Fault::Leaking(Wrong::RestOffByOne),
    Fault::Leaking(Wrong::FusedLeak),
    Fault::Leaking(Wrong::RiseBeforeReset),
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

    /// Whether bias and constant currents arrive once.
    fn once(&self, id: PopulationId) -> bool {
        self.drive.arrives_once()
            || self.network.population(id).neuron().model().is_some_and(AnyModel::bias_arrives_once)
    }

    fn bias(&self, id: PopulationId, neuron: usize) -> f32 {
        if self.once(id) { 0.0 } else { self.driven(id, neuron) }
    }

    fn driven(&self, id: PopulationId, neuron: usize) -> f32 {
        let bias = self.network.population(id).neuron().bias().unwrap().get(neuron);
        self.drive.of(id).map_or(bias, |currents| bias + currents[neuron])
    }

    fn rebase(&mut self) {
        for id in self.network.clone().ids() {
            if is_leaky(self.network.population(id).neuron()) {
                continue;
            }
            for neuron in 0..self.state.populations[id.index()].potentials.len() {
                let ramp = self.bias(id, neuron) * REBASE as f32;
                self.state.populations[id.index()].potentials[neuron] += ramp;
            }
        }
    }

    /// The spikes of a projection that arrive in the present step; those of this step are in `now`.
    fn arriving(&self, projection: &Projection, now: &[SpikeList]) -> SpikeList {
        let late = u64::from(self.fault == Fault::LateDelay && projection.delay() > 0);
        let delay = u64::from(projection.delay()) + late;
        if delay == 0 {
            return now[projection.source().index()].clone();
        }
        let emitted = self.state.step.checked_sub(delay);
        if self.fault == Fault::LongWindow
            && emitted.is_some_and(|emitted| self.overlooks(projection, emitted))
        {
            return SpikeList::new();
        }
        emitted
            .map_or(SpikeList::new(), |step| self.past[step as usize].with_values(projection.source()).into())
    }

    /// Whether a window that is one step too long has begun before the spikes of a cycle that arrive now were emitted.
    fn overlooks(&self, projection: &Projection, emitted: u64) -> bool {
        let Some(span) = self.network.steps_at_once() else { return false };
        let first = self.state.step - self.state.step % u64::from(span + 1);
        projection.delay() == span
            && emitted >= first
            && reaches(&self.network, projection.target(), projection.source())
    }

    fn integrate(&mut self, id: PopulationId, k: f32, now: &[SpikeList]) -> SpikeList {
        let network = Arc::clone(&self.network);
        let n = network.population(id).size();
        // What arrives once arrives in the first step, before all spikes.
        let once = |neuron| Some(self.driven(id, neuron)).filter(|current| self.once(id) && *current != 0.0);
        let once: Vec<Option<f32>> =
            (0..n).map(|neuron| if self.state.step == 0 { once(neuron) } else { None }).collect();
        let behind = self.fault == Fault::OnceBehindSpikes;
        let mut currents = if behind { vec![None; n] } else { once.clone() };
        let mut projections: Vec<&Projection> = network.incoming(id).collect();
        if self.fault == Fault::ReversedProjections {
            projections.reverse();
        }
        let mut operations = 0;
        for projection in projections {
            let arriving = self.arriving(projection, now);
            let mut sources: Vec<(u32, i32)> = arriving.as_slice().iter().collect();
            if self.fault == Fault::DescendingSources {
                sources.reverse();
            }
            for (source, value) in sources {
                for (target, current) in currents.iter_mut().enumerate() {
                    let Some(weight) = projection.connectivity().weight(source as usize, target) else {
                        continue;
                    };
                    if self.fault == Fault::LostTarget && n > 1 && target == n / 2 {
                        continue;
                    }
                    operations += 1;
                    let value = if self.fault == Fault::ValuesAsOne { 1.0 } else { value as f32 };
                    let weight = if self.fault == Fault::FusedContribution {
                        *current = Some(weight.mul_add(value, current.unwrap_or(0.0)));
                        continue;
                    } else {
                        weight * value
                    };
                    if self.fault == Fault::NoAccumulator {
                        self.state.populations[id.index()].potentials[target] += weight;
                        *current = Some(0.0);
                    } else {
                        *current = Some(current.unwrap_or(0.0) + weight);
                    }
                }
            }
        }
        if behind {
            for (current, once) in currents.iter_mut().zip(once) {
                *current = once.map(|once| current.unwrap_or(0.0) + once).or(*current);
            }
        }
        let mut fired = vec![];
        let mut updates = 0;
        for (neuron, current) in currents.into_iter().enumerate() {
            let bias = self.bias(id, neuron);
            let fault = self.fault;
            let neurons = network.population(id).neuron();
            let wrong = if let Fault::Leaking(wrong) = fault { wrong } else { Wrong::Nothing };
            let state = &mut self.state.populations[id.index()];
            if let Some(fires) = leaking::step(neurons, neuron, wrong, bias, current, state) {
                if fires {
                    fired.push((neuron as u32, 1));
                }
                updates += u64::from(fires || current.is_some());
                continue;
            }
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
            if let Some(model) = neurons.as_model::<Bipolar>() {
                let missed = fault == Fault::MissedFall && current.is_none() && v < 0.0;
                let count = &mut self.state.populations[id.index()].counts[0][neuron];
                let value = if missed { 0 } else { bipolar(model, neuron, fault, v, &mut u, count) };
                if value != 0 {
                    fired.push((neuron as u32, value));
                }
                updates += u64::from(value != 0 || current.is_some());
                self.state.populations[id.index()].potentials[neuron] = u;
                continue;
            }
            let (threshold, reset) = match neurons.as_model::<IntegrateFire>() {
                Some(model) => (model.threshold.get(neuron), model.reset),
                None if fault == Fault::FiringReadOut => (1.0, Reset::Subtract),
                None => (f32::INFINITY, Reset::Subtract),
            };
            let forgotten = current.is_none()
                && (fault == Fault::ForgottenResidual || fault == Fault::ForgottenStart && bias == 0.0);
            let crosses = if fault == Fault::StrictThreshold { v > threshold } else { v >= threshold };
            let fires = crosses && !forgotten;
            if fires {
                fired.push((neuron as u32, 1));
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
        listed(&fired)
    }

    fn count(&mut self, id: PopulationId, synaptic_operations: u64, updates: u64) {
        let statistics = &mut self.statistics.populations[id.index()];
        statistics.synaptic_operations += synaptic_operations;
        statistics.updates += updates;
    }

    fn pool(&mut self, id: PopulationId, now: &[SpikeList]) -> SpikeList {
        let network = Arc::clone(&self.network);
        let before = self.state.populations[id.index()].arrived.clone();
        let n = network.population(id).size();
        let (mut reached, mut old, mut new) = (vec![false; n], vec![None; n], vec![None; n]);
        let (mut first, mut operations) = (0, 0);
        for projection in network.incoming(id) {
            let spikes = self.arriving(projection, now);
            for source in 0..projection.connectivity().sources() {
                let value = spikes.as_slice().iter().find(|(neuron, _)| *neuron == source as u32);
                let (fired, value) = (value.is_some(), value.map_or(0, |(_, value)| i64::from(value)));
                let arrived = &mut self.state.populations[id.index()].arrived[first + source];
                *arrived += value;
                for unit in 0..n {
                    if projection.connectivity().weight(source, unit).is_some() {
                        reached[unit] |= fired;
                        operations += u64::from(fired);
                        old[unit] = old[unit].max(Some(before[first + source]));
                        new[unit] = new[unit].max(Some(*arrived));
                    }
                }
            }
            first += projection.connectivity().sources();
        }
        self.count(id, operations, reached.iter().filter(|&&reached| reached).count() as u64);
        let value = |unit: usize| {
            let change = (new[unit].unwrap_or(0) - old[unit].unwrap_or(0)) as i32;
            if self.fault == Fault::MaxOfSpikes {
                i32::from(reached[unit])
            } else if self.fault == Fault::MaxWithoutFalls {
                change.max(0)
            } else {
                change
            }
        };
        listed(
            &(0..n)
                .map(|unit| (unit as u32, value(unit)))
                .filter(|(_, value)| *value != 0)
                .collect::<Vec<_>>(),
        )
    }
}

/// Whether spikes of a population come to another, or to itself, through whatever projections.
fn reaches(network: &Network, from: PopulationId, to: PopulationId) -> bool {
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(&source) = reached.get(at) {
        for projection in network.projections().iter().filter(|projection| projection.source() == source) {
            if !reached.contains(&projection.target()) {
                reached.push(projection.target());
            }
        }
        at += 1;
    }
    reached.contains(&to)
}

/// A step of a bipolar neuron at the potential `v`: the value of its spike.
fn bipolar(model: &Bipolar, neuron: usize, fault: Fault, v: f32, u: &mut f32, count: &mut i32) -> i32 {
    let theta = model.threshold.get(neuron);
    let most = model.most.get(neuron);
    let least = if model.sign == Sign::Signed { -most } else { 0.0 };
    let quotient = v / theta;
    let whole = if fault == Fault::RoundedToZero { quotient.trunc() } else { quotient.floor() };
    let wanted = whole.clamp(least, most) as i32;
    let bounds = [model.low.get(neuron) as i32, model.high.get(neuron) as i32];
    let bounded = (*count + wanted).clamp(bounds[0], bounds[1]) - *count;
    let value = if fault == Fault::UnboundedCount { wanted } else { bounded };
    let taken = if fault == Fault::ResetBeforeBounds { wanted } else { value };
    if taken != 0 {
        let taken = taken as f32;
        *u = if fault == Fault::FusedReset { (-taken).mul_add(theta, *u) } else { *u - taken * theta };
        *count += value;
    }
    value
}

fn listed(fired: &[(u32, i32)]) -> SpikeList {
    let (neurons, values): (Vec<u32>, Vec<i32>) = fired.iter().copied().unzip();
    SpikeSlice::new(&neurons, &values).unwrap().into()
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
        let mut now = vec![SpikeList::new(); network.populations().len()];
        for &id in network.update_order() {
            now[id.index()] = match network.population(id).neuron() {
                Neuron::Source => stimulus.with_values(id).into(),
                Neuron::MaxPool(_) => self.pool(id, &now),
                Neuron::Model(_) => self.integrate(id, k, &now),
            };
            let statistics = &mut self.statistics.populations[id.index()];
            statistics.spikes += now[id.index()].len() as u64;
            statistics.magnitude += now[id.index()].as_slice().magnitude();
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
        self.past.push(now.into());
        self.past.last().unwrap()
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, _: &State) -> Result<(), NetworkError> {
        unreachable!("impostors are only stepped")
    }

    fn now(&self) -> u64 {
        self.state.step
    }

    fn is_quiet(&mut self) -> bool {
        self.state.is_quiet(&self.network, &self.drive)
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn potentials(&self, population: PopulationId) -> Vec<f32> {
        self.state.potentials(&self.network, population, &self.drive)
    }
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
    let layer = builder.population("layer", Layout::Flat(2), Neuron::of(neuron));
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
    let parting = first_divergence(&mut dense, &mut strict, &sample, 3_u32).unwrap().unwrap();
    assert_eq!((parting.step, parting.difference.population, parting.difference.neuron), (1, layer, Some(0)));
    assert_eq!(parting.potentials, Some([0.0, 1.0]));
    let mut sound = Impostor::new(&network, Fault::None);
    assert_eq!(first_divergence(&mut dense, &mut sound, &sample, 3_u32).unwrap(), None);
}
