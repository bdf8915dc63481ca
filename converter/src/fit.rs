//! Scales, starts and ramps fitted to the spikes that really arrive.
//!
//! Scales chosen from activations alone assume that spikes arrive evenly. They do not: what arrives early and positive
//! makes a neuron fire that a later negative current should have kept silent, and no spike can be taken back. Here
//! populations are fitted one after another, each to the currents that it gets from those before it, as they have been
//! fitted (in the spirit of the layer-wise calibration of Li et al. 2021, "A free lunch from ANN", section 4.2, which
//! corrects bias and initial potential by the mean error). For every group of neurons three numbers are searched, so that
//! the squared difference between `λ · spikes / T` and the activation of the trained net becomes least:
//!
//! - the scale λ,
//! - the start, the potential before the first step; below ½ the neuron waits before it fires,
//! - the ramp, an addition to the bias, which makes up for the start over the run, and for errors of the mean.

use crate::affine::Runs;
use crate::ann::{Ann, NodeId, Op};
use crate::error::ConvertError;
use crate::forward::forward_while;
use crate::lower::{Fitted, Kind, Lowered, Part, Plan, Scaling, lower_fitted};
use crate::wanted::{RunEnd, Stopped, Wanted};
use rayon::prelude::*;
use snn_engine::{
    Drive, EventSimulator, Layout, Network, NetworkError, Observer, PopulationId, REBASE, Raster, Sample,
    Simulator, SpikeSlice, Stimulus, WindowSimulator, default_threads, run_samples,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a fit does with the spikes that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FitBy {
    /// Searches scale, start and ramp of every group for the least squared error.
    #[default]
    Search,
    /// Adds the mean error `mean(a − λ·spikes/T)` of every group to its bias: bias calibration (Li et al. 2021, "A free lunch
    /// from ANN", section 4.2).
    Bias,
    /// Adds `T` times the mean error to the potential before the first step: potential calibration (the same section),
    /// with one potential per group.
    Start,
}

impl FitBy {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Search, "search"), (Self::Bias, "bias"), (Self::Start, "start")];

    /// Its name, as front ends have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Bias => "bias",
            Self::Start => "start",
        }
    }
}

/// The most samples that are run.
pub(crate) const SAMPLES: usize = 256;

/// The most neurons of a group that are looked at, over all samples.
const TRACES: usize = 1024;

/// The room for the currents of one population, in numbers.
const ROOM: usize = 1 << 25;

/// What some neurons of a group get and should give, each in one sample.
struct Traces {
    /// The activations of the trained net, `[traces]`.
    targets: Vec<f32>,
    /// Currents summed up to each step, in the activation's unit, `[steps][traces]`.
    currents: Vec<f32>,
}

impl Traces {
    /// The currents of whole runs.
    fn ends(&self) -> &[f32] {
        &self.currents[self.currents.len() - self.targets.len()..]
    }
}

/// Lowers a net with scalings fitted to runs of `steps` steps with constant input, and with a read-out whose mean error is
/// taken up by its bias; `groups_of` an activation share their numbers.
///
/// Cost: of every population two runs over its synapses for each sample, so linear in depth. The spikes of a population
/// are held as long as later ones are connected to it.
pub(crate) fn fit(
    wanted: Wanted<'_>,
    ann: &Ann,
    plan: &Plan,
    [raw, prepared]: [&[f32]; 2],
    steps: u32,
    by: FitBy,
    groups_of: impl Fn(NodeId) -> usize,
) -> Result<Lowered, ConvertError> {
    let n = ann.input_shape().elements();
    let chosen = choose(raw, n, SAMPLES);
    let gather = |values: &[f32]| -> Vec<f32> {
        chosen.iter().flat_map(|&sample| &values[sample * n..(sample + 1) * n]).copied().collect()
    };
    let (raw, prepared) = (gather(raw), gather(prepared));
    let mut looks: HashMap<NodeId, Looks> = HashMap::new();
    for (&node, scaling) in &plan.scalings {
        let groups = groups_of(node).max(scaling.lambda.values().len());
        looks.insert(node, Looks::new(ann, node, groups, chosen.len(), steps));
    }
    let output = ann.output();
    looks
        .entry(output)
        .or_insert_with(|| Looks::new(ann, output, ann.output_shape().elements(), chosen.len(), steps));
    let nodes: Vec<NodeId> = looks.keys().copied().collect();
    forward_while(wanted, ann, &prepared, &nodes, |activation| {
        let looks = looks.get_mut(&activation.node).expect("only these nodes are shown");
        for (at, values) in activation.values.chunks_exact(activation.elements).enumerate() {
            looks.take(activation.first_sample + at, values);
        }
    })?;
    let mut fitting = Fitting {
        wanted,
        ann,
        plan,
        steps,
        by,
        raw,
        samples: chosen.len(),
        looks,
        rasters: HashMap::new(),
        failed: None,
    };
    let lowered = lower_fitted(ann, plan, &mut fitting);
    match fitting.failed {
        Some(error) => Err(error),
        None => lowered.map_err(ConvertError::Refused),
    }
}

/// Which neurons of a population are looked at, and the activations of the trained net there.
struct Looks {
    groups: usize,
    /// Neurons of a group.
    length: usize,
    /// Of them, those that are looked at in each sample.
    each: usize,
    /// `[samples][groups][each]`
    targets: Vec<f32>,
}

impl Looks {
    fn new(ann: &Ann, node: NodeId, groups: usize, samples: usize, steps: u32) -> Self {
        let length = ann.node(node).shape.elements() / groups;
        let most = TRACES.min((ROOM / groups / steps as usize).max(64));
        let each = most.div_ceil(samples).min(length);
        Self { groups, length, each, targets: vec![0.0; samples * groups * each] }
    }

    /// In every sample other neurons, all equally often.
    fn elements(&self, sample: usize) -> impl Iterator<Item = usize> + use<> {
        let (groups, length, each) = (self.groups, self.length, self.each);
        let shift = sample.wrapping_mul(0x9E37_79B1) % length;
        let places =
            move |group: usize| (0..each).map(move |i| group * length + (i * length / each + shift) % length);
        (0..groups).flat_map(places)
    }

    fn take(&mut self, sample: usize, values: &[f32]) {
        let elements = self.elements(sample);
        let targets = &mut self.targets[sample * self.groups * self.each..];
        targets.iter_mut().zip(elements).for_each(|(target, element)| *target = values[element]);
    }
}

/// The populations that are made so far, with the spikes of those that later ones are connected to.
struct Fitting<'a> {
    wanted: Wanted<'a>,
    ann: &'a Ann,
    plan: &'a Plan,
    steps: u32,
    by: FitBy,
    /// The samples as the network takes them.
    raw: Vec<f32>,
    samples: usize,
    looks: HashMap<NodeId, Looks>,
    /// Of a population, the spikes in each sample.
    rasters: HashMap<usize, Vec<Raster>>,
    failed: Option<ConvertError>,
}

impl Fitted for Fitting<'_> {
    fn scaling(&mut self, lowered: &Lowered, place: usize) -> Option<Scaling> {
        let node = lowered.parts[place].node;
        let old = &self.plan.scalings[&node];
        let traces = match self.traces(lowered, place) {
            Ok(traces) => traces,
            Err(error) => return self.fail(error),
        };
        let bound = match self.ann.node(node).op {
            Op::Clip { max } => f64::from(max),
            _ => f64::INFINITY,
        };
        let length = self.looks[&node].length;
        let fitted = traces
            .par_iter()
            .enumerate()
            .map(|(group, traces)| {
                let from = Numbers { lambda: old.lambda.get(group * length), start: old.start, ramp: 0.0 };
                self.wanted.check()?;
                Ok(match self.by {
                    FitBy::Search => improve(from, traces, self.steps, bound),
                    FitBy::Bias => Numbers { ramp: from.missing(traces, self.steps), ..from },
                    FitBy::Start => Numbers { start: from.start + from.missing(traces, self.steps), ..from },
                })
            })
            .collect::<Result<Vec<Numbers>, Stopped>>();
        let fitted = match fitted {
            Ok(fitted) => fitted,
            Err(stopped) => return self.fail(stopped.into()),
        };
        let elements = old.lambda.elements();
        let runs = |f: &dyn Fn(&Numbers) -> f64| Runs::new(elements, fitted.iter().map(f).collect());
        Some(Scaling {
            lambda: runs(&|f| f.lambda),
            start: old.start,
            starts: runs(&|f| f.start),
            ramp: runs(&|f| f.ramp / f64::from(self.steps)),
            counts: old.counts,
        })
    }

    fn output_ramp(&mut self, lowered: &Lowered, place: usize) -> Option<Runs> {
        let traces = match self.traces(lowered, place) {
            Ok(traces) => traces,
            Err(error) => return self.fail(error),
        };
        let errors = traces.iter().map(|traces| {
            let off = traces
                .targets
                .iter()
                .zip(traces.ends())
                .map(|(&target, &end)| f64::from(target) - f64::from(end) / f64::from(self.steps));
            off.sum::<f64>() / traces.targets.len() as f64
        });
        Some(Runs::new(traces.len(), errors.collect()))
    }

    fn made(&mut self, lowered: &Lowered, place: usize) {
        // Relays are run again together with what is behind them: they emit in almost every step.
        if matches!(lowered.parts[place].kind, Kind::Source | Kind::Relays { .. }) || self.failed.is_some() {
            return;
        }
        match self.spikes(lowered, place) {
            Ok(rasters) => {
                self.rasters.insert(place, rasters);
            }
            Err(error) => self.failed = Some(error.into()),
        }
    }

    fn keep(&mut self, populations: &HashSet<usize>) {
        self.rasters.retain(|population, _| populations.contains(population));
    }
}

/// One population behind the spikes of others.
struct Stage {
    network: Arc<Network>,
    /// The sources that fire, by their place among the populations.
    sources: Vec<(usize, PopulationId)>,
}

impl Stage {
    /// The population at `place` behind the relays that are connected to it, and these behind sources in the place of the
    /// other populations.
    fn of(lowered: &Lowered, place: usize, integrates: bool) -> Result<Self, NetworkError> {
        let into = |place: usize| lowered.projections.iter().filter(move |(_, target, _)| *target == place);
        let before = lowered.behind_relays(into(place).map(|(source, _, _)| *source).collect());
        let mut places: Vec<usize> = before.into_iter().filter(|&at| at != 0).collect();
        places.sort_unstable();
        places.insert(0, 0);
        let relays = |at: usize| matches!(lowered.parts[at].kind, Kind::Relays { .. });
        let mut parts: Vec<Part> = places
            .iter()
            .map(|&at| match lowered.parts[at].clone() {
                relay if relays(at) => relay,
                part => Part { kind: Kind::Source, ..part },
            })
            .collect();
        let mut part = lowered.parts[place].clone();
        if integrates && let Kind::Fires { bias, .. } = part.kind {
            part.kind = Kind::Integrates { bias };
        }
        parts.push(part);
        places.push(place);
        let own = |source: usize| places.iter().position(|&at| at == source);
        let projections = lowered.projections.iter().filter_map(|(source, target, connectivity)| {
            let made = *target == place || relays(*target);
            let (source, target) = (own(*source)?, own(*target).filter(|_| made)?);
            Some((source, target, connectivity.clone()))
        });
        let projections = projections.collect();
        let network = Arc::new(Lowered { parts, projections }.network()?);
        places.pop();
        let sources = places.into_iter().zip(network.ids()).skip(1).filter(|(at, _)| !relays(*at)).collect();
        Ok(Self { network, sources })
    }
}

impl Fitting<'_> {
    fn fail<T>(&mut self, error: RunEnd) -> Option<T> {
        self.failed.get_or_insert(error.into());
        None
    }

    /// The spikes of a population in every sample.
    fn spikes(&self, lowered: &Lowered, place: usize) -> Result<Vec<Raster>, RunEnd> {
        let stage = Stage::of(lowered, place, false)?;
        let network = &stage.network;
        let simulator = WindowSimulator::new(Arc::clone(network));
        run_samples(0..self.samples, default_threads(), &simulator, |simulator, sample| {
            let spikes = stage.sources.iter().map(|&(from, id)| (id, self.rasters[&from][sample].clone()));
            let sample = Sample { drive: drive(network, &self.raw, sample)?, spikes: spikes.collect() };
            simulator.start(&sample.drive);
            let mut observer = Noted { population: network.output(), raster: Raster::new() };
            for first in (0..self.steps).step_by(REBASE as usize) {
                self.wanted.check()?;
                simulator.run(&sample, u64::from(REBASE.min(self.steps - first)), &mut observer)?;
            }
            Ok(observer.raster)
        })
    }

    /// What the neurons that are looked at get.
    fn traces(&self, lowered: &Lowered, place: usize) -> Result<Vec<Traces>, RunEnd> {
        let stage = Stage::of(lowered, place, true)?;
        let network = &stage.network;
        let population = network.output();
        let part = &lowered.parts[place];
        let looks = &self.looks[&part.node];
        let simulator = EventSimulator::new(Arc::clone(network));
        let currents = run_samples(0..self.samples, default_threads(), &simulator, |simulator, sample| {
            let neurons: Vec<usize> =
                looks.elements(sample).map(|element| part.layout.neuron_at(element)).collect();
            simulator.start(&drive(network, &self.raw, sample)?);
            let mut currents = Vec::with_capacity(neurons.len() * self.steps as usize);
            let mut stimulus = Stimulus::none();
            for step in 0..self.steps as usize {
                self.wanted.check()?;
                for &(from, id) in &stage.sources {
                    stimulus.set_spikes(network, id, self.rasters[&from][sample].with_values(step))?;
                }
                simulator.step(&stimulus);
                let potentials = simulator.potentials(population);
                currents.extend(neurons.iter().map(|&neuron| potentials[neuron]));
            }
            Ok::<_, RunEnd>(currents)
        })?;
        let (each, all) = (looks.each, looks.groups * looks.each);
        let count = self.samples * each;
        let collect = |group: usize| {
            let own = group * each..(group + 1) * each;
            let mut traces = Traces {
                targets: Vec::with_capacity(count),
                currents: Vec::with_capacity(count * self.steps as usize),
            };
            for sample in 0..self.samples {
                traces.targets.extend_from_slice(&looks.targets[sample * all..][own.clone()]);
            }
            let lambda = part.lambda.get(group * looks.length);
            for step in 0..self.steps as usize {
                for currents in &currents {
                    let seen = &currents[step * all..][own.clone()];
                    traces.currents.extend(seen.iter().map(|&v| (f64::from(v) * lambda) as f32));
                }
            }
            traces
        };
        Ok((0..looks.groups).into_par_iter().map(collect).collect())
    }
}

/// Keeps the spikes of one population.
struct Noted {
    population: PopulationId,
    raster: Raster,
}

impl Observer for Noted {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        if population == self.population {
            while (self.raster.steps() as u64) < step {
                self.raster.push_step(&[]);
            }
            self.raster.push(spikes);
        }
    }
}

/// `most` of the samples, whatever the order in which all are given: those whose bits have the smallest hashes.
pub(crate) fn choose(values: &[f32], n: usize, most: usize) -> Vec<usize> {
    let mut hashes: Vec<(u64, usize)> =
        values.chunks_exact(n).enumerate().map(|(place, sample)| (hash(sample), place)).collect();
    hashes.sort_unstable();
    hashes.truncate(most);
    hashes.into_iter().map(|(_, place)| place).collect()
}

/// Fowler, Noll and Vo's hash (1a) of the bits.
fn hash(values: &[f32]) -> u64 {
    values.iter().fold(0xCBF2_9CE4_8422_2325, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The constant input of one sample, given in the user's order.
pub(crate) fn drive(network: &Network, raw: &[f32], sample: usize) -> Result<Drive, NetworkError> {
    let input: PopulationId = network.sources().next().expect("a lowered network has an input");
    let layout: Layout = network.population(input).layout();
    let n = network.population(input).size();
    let x: Vec<f32> = (0..n).map(|neuron| raw[sample * n + layout.user_index(neuron)]).collect();
    Drive::constant(network, input, &x)
}

/// Scale, start and ramp (over the whole run, in thresholds) of one group.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers {
    lambda: f64,
    start: f64,
    ramp: f64,
}

impl Numbers {
    /// The sum of squared differences between what neurons with these numbers give and what they should give.
    fn error(&self, traces: &Traces, steps: u32) -> f64 {
        let level = self.lambda / f64::from(steps);
        let mut error = 0.0;
        self.each(traces, steps, |spikes, target| {
            let off = spikes * level - target;
            error += off * off;
        });
        error
    }

    /// The spikes that are missing in a run, on average: T times the mean error, in thresholds.
    fn missing(&self, traces: &Traces, steps: u32) -> f64 {
        let wanted = f64::from(steps) / self.lambda;
        let mut missing = 0.0;
        self.each(traces, steps, |spikes, target| missing += target * wanted - spikes);
        missing / (traces.targets.len() as f64).max(1.0)
    }

    /// Calls `each(spikes of a run, activation)` for all neurons that are looked at.
    fn each(&self, traces: &Traces, steps: u32, mut each: impl FnMut(f64, f64)) {
        const LANES: usize = 16;
        let count = traces.targets.len();
        let unit = 1.0 / self.lambda as f32;
        let (start, slope) = (self.start as f32, (self.ramp / f64::from(steps)) as f32);
        for first in (0..count).step_by(LANES) {
            let lanes = LANES.min(count - first);
            let mut spikes = [0.0_f32; LANES];
            for (step, currents) in traces.currents.chunks_exact(count).enumerate() {
                let bias = start + slope * (step + 1) as f32;
                let mut seen = [0.0_f32; LANES];
                seen[..lanes].copy_from_slice(&currents[first..first + lanes]);
                for (spikes, current) in spikes.iter_mut().zip(seen) {
                    *spikes += if current * unit + bias - *spikes >= 1.0 { 1.0 } else { 0.0 };
                }
            }
            for (spikes, target) in spikes.iter().zip(&traces.targets[first..first + lanes]) {
                each(f64::from(*spikes), f64::from(*target));
            }
        }
    }
}

/// The best numbers that a few rounds of searching along one number at a time find, from `from` on.
fn improve(from: Numbers, traces: &Traces, steps: u32, bound: f64) -> Numbers {
    let mut best = (from.error(traces, steps), from);
    if best.0 == 0.0 {
        return from;
    }
    let mut consider = |candidate: Numbers| {
        let error = candidate.error(traces, steps);
        if error < best.0 {
            best = (error, candidate);
        }
        best.1
    };
    let mut now = from;
    for round in 0..3 {
        let fine = 0.5_f64.powi(round);
        let before = now;
        let here = now;
        for factor in [0.5, 0.65, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0_f64] {
            let lambda = (here.lambda * factor.powf(fine)).min(bound);
            now = consider(Numbers { lambda, ..here });
        }
        // Waiting: what the start takes the ramp gives back.
        let here = now;
        for wait in [-0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0] {
            let wait = wait * fine;
            now = consider(Numbers { start: here.start - wait, ramp: here.ramp + wait, ..here });
        }
        let here = now;
        for more in [-1.0, -0.5, -0.375, -0.25, -0.125, 0.125, 0.25, 0.375, 0.5, 1.0] {
            now = consider(Numbers { start: here.start + more * fine, ..here });
        }
        let here = now;
        for more in [-1.0, -0.5, -0.25, -0.125, 0.125, 0.25, 0.5, 1.0] {
            now = consider(Numbers { ramp: here.ramp + more * fine, ..here });
        }
        if now == before && round > 0 {
            break;
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrations_add_the_mean_error_of_their_formula() {
        // Two neurons of λ = 2 in four steps: a steady current of 1, and one that is all there in the last step.
        let traces =
            Traces { targets: vec![1.0, 1.5], currents: vec![1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 6.0] };
        let from = Numbers { lambda: 2.0, start: 0.5, ramp: 0.0 };
        // In thresholds with the start: 1, 1½, 2, 2½, so two spikes; and one, though 3½ would be due.
        let mut spikes = vec![];
        from.each(&traces, 4, |count, _| spikes.push(count));
        assert_eq!(spikes, [2.0, 1.0]);
        // e = mean(a − λ·spikes/T) = mean(1 − 1, 1.5 − 0.5) = 0.5; T·e/λ = 1.
        assert_eq!(from.missing(&traces, 4), 1.0);
        assert_eq!(from.error(&traces, 4), 1.0);
    }
}
