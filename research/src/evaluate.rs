use std::ops::Range;
use std::sync::Arc;

use snn_engine::{
    AnySimulator, Input, Network, NetworkError, Observer, PopulationId, Sample, Simulator, SpikeSlice,
    Statistics, run_samples,
};
use snn_formats::Description;

use crate::digest::{SpikeDigest, SpikeHasher};
use crate::read_out::{ReadOut, confidence, first_largest, margin};
use crate::stop::Stop;

/// What of a run is told. [`Plan::new`] makes the usual ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Numbers of steps after which all is told, ascending; the last is the length of the run. Each is what a run of that
    /// length would give.
    pub points: Vec<u32>,
    /// Only what the last population receives after this step is read; below the first point.
    pub read_out_from: u32,
    /// Rules by which samples might have ended earlier.
    pub stops: Vec<Stop>,
    /// Whether potentials are compared after every step, for [`Evaluation::membrane_updates`]. Costs one pass over all
    /// neurons a step.
    pub membrane_updates: bool,
    /// Whether the spikes of every neuron are counted, for [`Evaluation::neuron_spikes`].
    pub neuron_spikes: bool,
}

/// What one plan gave for samples, in their order. Statistics are sums over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// After each of the plan's points.
    pub points: Vec<Point>,
    /// By each of the plan's rules.
    pub stops: Vec<Ended>,
    /// Which spikes each population emitted, in order of declaration.
    pub digests: Vec<SpikeDigest>,
    /// Multiply-adds spent once on the currents into each population.
    pub drive_operations: Vec<u64>,
    /// The part of them in samples whose input is −1, 0 or 1 everywhere ([`Input::is_ternary`]): additions.
    pub ternary_drive_operations: Vec<u64>,
    /// By population, pairs of neuron and step in which its potential differs from the one after the step before; in the first
    /// step all neurons, as NeuroBench counts. 0 if it was not asked for.
    pub membrane_updates: Vec<u64>,
    /// By population, weights that spikes of values beyond ±1 delivered: multiplications, unlike those of all others.
    pub graded_operations: Vec<u64>,
    /// By population, the spikes of every neuron in the user's order, whatever their values; empty if they were not asked for.
    pub neuron_spikes: Vec<Vec<u64>>,
}

/// What a run of so many steps gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The number of steps.
    pub steps: u32,
    /// The predicted class of every sample.
    pub classes: Vec<usize>,
    /// What happened in all samples up to here.
    pub statistics: Statistics,
}

/// What samples give that end early.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The rule.
    pub rule: Stop,
    /// After how many steps each sample ended: at a point of the plan.
    pub steps: Vec<u32>,
    /// Of how many samples the rule did not hold at any point, so that they ran to the last.
    pub unended: u64,
    /// The class that each had then.
    pub classes: Vec<usize>,
    /// What had happened in all samples when they ended.
    pub statistics: Statistics,
}

/// What one sample gave.
struct Trajectory {
    points: Vec<(usize, Statistics)>,
    /// By rule, the place of the point, or none.
    ends: Vec<Option<usize>>,
    digests: Vec<SpikeDigest>,
    drive_operations: Vec<u64>,
    /// Whether its input is −1, 0 or 1 everywhere.
    ternary: bool,
    membrane_updates: Vec<u64>,
    graded_operations: Vec<u64>,
    neuron_spikes: Vec<Vec<u64>>,
}

/// Runs samples once and tells for every point of a plan what a run of that length gives, in order of the samples and
/// whatever the number of threads. `done` is called after every sample and may end all by an error.
///
/// The read-out of a network with biases or currents that arrive once (`once`) is no sum over steps.
///
/// Cost: the run, broken at every point; memory grows with samples × points.
///
/// # Errors
/// The error of the first sample that does not fit the network, or of `done`.
///
/// # Panics
/// If the plan has no point, or they do not ascend above the first step that is read.
pub fn evaluate<E: From<NetworkError> + Send>(
    samples: Range<usize>,
    threads: usize,
    simulator: &AnySimulator,
    description: &Description,
    input: &Input,
    plan: &Plan,
    done: impl Fn() -> Result<(), E> + Sync,
) -> Result<Evaluation, E> {
    let ascending = plan.points.windows(2).all(|pair| pair[0] < pair[1]);
    let first = plan.points.first().copied().unwrap_or(0);
    assert!(ascending && first > plan.read_out_from, "points ascend above the first step that is read");
    let network = Arc::clone(simulator.clone().get().network());
    let mut evaluation = Evaluation::empty(&network, plan);
    // So many trajectories are kept at a time.
    let portion = 64 * threads.max(1);
    for first in samples.clone().step_by(portion) {
        let range = first..samples.end.min(first + portion);
        let trajectories = run_samples(range, threads, simulator, |simulator, index| {
            let sample = input.sample(&network, index, plan.points[plan.points.len() - 1])?;
            let run = SampleRun { network: &network, description, plan, sample: &sample, index };
            let mut trajectory = run.run(simulator, input.arrives_once())?;
            trajectory.ternary = input.is_ternary(index);
            done()?;
            Ok::<_, E>(trajectory)
        })?;
        trajectories.iter().for_each(|trajectory| evaluation.add(plan, trajectory));
    }
    Ok(evaluation)
}

impl Evaluation {
    fn empty(network: &Network, plan: &Plan) -> Self {
        let populations = network.populations().len();
        let none = || (vec![], Statistics::zero(network));
        let point = |&steps: &u32| {
            let (classes, statistics) = none();
            Point { steps, classes, statistics }
        };
        let ended = |&rule: &Stop| {
            let (classes, statistics) = none();
            Ended { rule, steps: vec![], unended: 0, classes, statistics }
        };
        Self {
            points: plan.points.iter().map(point).collect(),
            stops: plan.stops.iter().map(ended).collect(),
            digests: vec![SpikeDigest::default(); populations],
            drive_operations: vec![0; populations],
            ternary_drive_operations: vec![0; populations],
            membrane_updates: vec![0; populations],
            graded_operations: vec![0; populations],
            neuron_spikes: no_spikes(network, plan),
        }
    }

    fn add(&mut self, plan: &Plan, sample: &Trajectory) {
        for (point, (class, statistics)) in self.points.iter_mut().zip(&sample.points) {
            point.classes.push(*class);
            point.statistics += statistics;
        }
        for (stop, end) in self.stops.iter_mut().zip(&sample.ends) {
            stop.unended += u64::from(end.is_none());
            let place = end.unwrap_or(sample.points.len() - 1);
            stop.steps.push(plan.points[place]);
            let (class, statistics) = &sample.points[place];
            stop.classes.push(*class);
            stop.statistics += statistics;
        }
        self.digests.iter_mut().zip(&sample.digests).for_each(|(sum, part)| sum.merge(part));
        if sample.ternary {
            add(&mut self.ternary_drive_operations, &sample.drive_operations);
        }
        for (sums, parts) in [
            (&mut self.drive_operations, &sample.drive_operations),
            (&mut self.membrane_updates, &sample.membrane_updates),
            (&mut self.graded_operations, &sample.graded_operations),
        ] {
            add(sums, parts);
        }
        self.neuron_spikes.iter_mut().zip(&sample.neuron_spikes).for_each(|(sums, parts)| add(sums, parts));
    }

    /// What a run of the whole length gives.
    ///
    /// # Panics
    /// Never: a plan has a point.
    #[must_use]
    pub fn last(&self) -> &Point {
        self.points.last().expect("a plan has a point")
    }
}

fn add(sums: &mut [u64], parts: &[u64]) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
}

/// For every population a count for each of its neurons, if they are asked for.
fn no_spikes(network: &Network, plan: &Plan) -> Vec<Vec<u64>> {
    let populations = network.populations().iter().filter(|_| plan.neuron_spikes);
    populations.map(|population| vec![0; population.size()]).collect()
}

/// What a sample is run with.
struct SampleRun<'a> {
    network: &'a Network,
    description: &'a Description,
    plan: &'a Plan,
    sample: &'a Sample,
    index: usize,
}

/// Takes note of all spikes of a sample.
struct Noted<'a> {
    network: &'a Network,
    read_out: ReadOut<'a>,
    hasher: SpikeHasher<'a>,
    graded_operations: Vec<u64>,
    neuron_spikes: Vec<Vec<u64>>,
    steps: u64,
}

impl Observer for Noted<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        if population == self.network.output() {
            spikes.iter().for_each(|(neuron, value)| self.read_out.count(neuron, value));
        }
        self.hasher.spikes(population, step, spikes);
        if let Some(counts) = self.neuron_spikes.get_mut(population.index()) {
            let layout = self.network.population(population).layout();
            for &neuron in spikes.neurons() {
                counts[layout.user_index(neuron as usize)] += 1;
            }
        }
        if spikes.values().iter().any(|value| value.unsigned_abs() > 1) {
            for projection in self.network.projections().iter().filter(|one| one.source() == population) {
                if step + u64::from(projection.delay()) < self.steps {
                    let synapses = |&neuron: &u32| projection.connectivity().synapses_of(neuron as usize);
                    self.graded_operations[projection.target().index()] +=
                        spikes.neurons().iter().map(synapses).sum::<u64>();
                }
            }
        }
    }
}

impl SampleRun<'_> {
    fn run(&self, simulator: &mut AnySimulator, once: bool) -> Result<Trajectory, NetworkError> {
        let (network, plan, output) = (self.network, self.plan, self.network.output());
        let simulator = simulator.get();
        simulator.start(&self.sample.drive);
        let populations = network.populations().len();
        let mut noted = Noted {
            network,
            read_out: ReadOut::new(network, self.description.unit(output.index()), once),
            hasher: SpikeHasher::new(network, self.index as u64),
            graded_operations: vec![0; populations],
            neuron_spikes: no_spikes(network, plan),
            steps: plan.points.last().copied().unwrap_or(0).into(),
        };
        let mut membranes = plan.membrane_updates.then(|| Membranes::new(network));
        let mut points = Vec::with_capacity(plan.points.len());
        let mut ends = vec![None; plan.stops.len()];
        let begins = (plan.read_out_from > 0).then_some(plan.read_out_from);
        for step in begins.into_iter().chain(plan.points.iter().copied()) {
            let step = u64::from(step);
            match &mut membranes {
                None => simulator.run(self.sample, step - simulator.now(), &mut noted)?,
                Some(membranes) => {
                    while simulator.now() < step {
                        simulator.run(self.sample, 1, &mut noted)?;
                        membranes.count(network, simulator);
                    }
                }
            }
            let potentials = simulator.potentials(output);
            if step == u64::from(plan.read_out_from) {
                noted.read_out.begin(step, potentials);
                continue;
            }
            let received = noted.read_out.since(potentials);
            for (rule, end) in plan.stops.iter().zip(&mut ends).filter(|(_, end)| end.is_none()) {
                let outputs = noted.read_out.outputs(&received, step);
                let holds = match *rule {
                    Stop::Margin(least) => margin(&outputs) >= least,
                    Stop::Confidence(least) => confidence(&outputs) >= least,
                    // It does no further step.
                    Stop::Quiet => simulator.run_until_quiet(self.sample, step, &mut noted)?.is_some(),
                };
                *end = holds.then_some(points.len());
            }
            points.push((first_largest(&received), simulator.statistics().clone()));
        }
        Ok(Trajectory {
            points,
            ends,
            digests: noted.hasher.finish(),
            drive_operations: network.ids().map(|id| self.sample.drive.operations(id)).collect(),
            ternary: false,
            membrane_updates: membranes.map_or(vec![0; populations], |membranes| membranes.updates),
            graded_operations: noted.graded_operations,
            neuron_spikes: noted.neuron_spikes,
        })
    }
}

/// The potentials after the step before, and how many were others.
struct Membranes {
    before: Vec<Option<Vec<f32>>>,
    updates: Vec<u64>,
}

impl Membranes {
    fn new(network: &Network) -> Self {
        let populations = network.populations().len();
        Self { before: vec![None; populations], updates: vec![0; populations] }
    }

    fn count(&mut self, network: &Network, simulator: &mut dyn Simulator) {
        for id in network.ids() {
            let now = simulator.potentials(id);
            let changed = match &self.before[id.index()] {
                None => now.len(),
                Some(before) => before.iter().zip(now).filter(|(before, now)| before != now).count(),
            };
            self.updates[id.index()] += changed as u64;
            let before = self.before[id.index()].get_or_insert_default();
            before.clear();
            before.extend_from_slice(now);
        }
    }
}
