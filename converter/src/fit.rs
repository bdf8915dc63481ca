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
use crate::convert::ConvertError;
use crate::forward::forward_while;
use crate::lower::{Kind, Lowered, Plan, lower};
use crate::wanted::{RunEnd, Stopped, Wanted};
use rayon::prelude::*;
use snn_engine::{
    Drive, EventSimulator, Layout, Network, NetworkError, PopulationId, Simulator, Stimulus, default_threads,
    run_samples,
};
use std::sync::Arc;

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

/// Fits the scalings of a plan, and the bias of its read-out, to runs of `steps` steps with constant input; `groups_of` an
/// activation share their numbers.
pub(crate) fn fit(
    wanted: Wanted<'_>,
    ann: &Ann,
    plan: &mut Plan,
    raw: &[f32],
    prepared: &[f32],
    steps: u32,
    groups_of: impl Fn(NodeId) -> usize,
) -> Result<(), ConvertError> {
    let n = ann.input_shape().elements();
    let chosen = choose(raw, n, SAMPLES);
    let gather = |values: &[f32]| -> Vec<f32> {
        chosen.iter().flat_map(|&sample| &values[sample * n..(sample + 1) * n]).copied().collect()
    };
    let (raw, prepared) = (gather(raw), gather(prepared));
    let mut lowered = lower(ann, plan).map_err(ConvertError::Refused)?;
    for place in 0..lowered.parts.len() {
        let part = &lowered.parts[place];
        let node = part.node;
        match part.kind {
            Kind::Source | Kind::Maximum => continue,
            Kind::Fires { .. } => {
                let groups = groups_of(node).max(plan.scalings[&node].lambda.values().len());
                let traces = traces(wanted, ann, &lowered, place, groups, [&raw, &prepared], steps)?;
                let bound = match ann.node(node).op {
                    Op::Clip { max } => f64::from(max),
                    _ => f64::INFINITY,
                };
                let old = &plan.scalings[&node];
                let length = old.lambda.elements() / groups;
                let fitted = traces
                    .par_iter()
                    .enumerate()
                    .map(|(group, traces)| {
                        let start =
                            Fitted { lambda: old.lambda.get(group * length), start: old.start, ramp: 0.0 };
                        wanted.check()?;
                        Ok(improve(start, traces, steps, bound))
                    })
                    .collect::<Result<Vec<Fitted>, Stopped>>()?;
                let elements = ann.node(node).shape.elements();
                let runs = |f: &dyn Fn(&Fitted) -> f64| Runs::new(elements, fitted.iter().map(f).collect());
                let (lambda, starts, ramp) =
                    (runs(&|f| f.lambda), runs(&|f| f.start), runs(&|f| f.ramp / f64::from(steps)));
                let scaling = plan.scalings.get_mut(&node).expect("every activation has a scaling");
                scaling.lambda = lambda;
                scaling.starts = starts;
                scaling.ramp = ramp;
            }
            Kind::Integrates { .. } => {
                let groups = ann.node(node).shape.elements();
                let traces = traces(wanted, ann, &lowered, place, groups, [&raw, &prepared], steps)?;
                let errors = traces.iter().map(|traces| {
                    let off = traces
                        .targets
                        .iter()
                        .zip(traces.ends())
                        .map(|(&target, &end)| f64::from(target) - f64::from(end) / f64::from(steps));
                    off.sum::<f64>() / traces.targets.len() as f64
                });
                plan.output_ramp = Some(Runs::new(groups, errors.collect()));
            }
        }
        lowered = lower(ann, plan).map_err(ConvertError::Refused)?;
    }
    Ok(())
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

/// Traces of some neurons of every group of a population.
fn traces(
    wanted: Wanted<'_>,
    ann: &Ann,
    lowered: &Lowered,
    place: usize,
    groups: usize,
    [raw, prepared]: [&[f32]; 2],
    steps: u32,
) -> Result<Vec<Traces>, ConvertError> {
    let part = &lowered.parts[place];
    let node = part.node;
    let elements = ann.node(node).shape.elements();
    let length = elements / groups;
    let samples = raw.len() / ann.input_shape().elements();
    let most = TRACES.min((ROOM / groups / steps as usize).max(64));
    let each = most.div_ceil(samples).min(length);
    // In every sample other neurons, all equally often.
    let elements_of = move |sample: usize| {
        (0..groups).flat_map(move |group| {
            (0..each).map(move |i| {
                let shift = sample.wrapping_mul(0x9E37_79B1) % length;
                group * length + (i * length / each + shift) % length
            })
        })
    };
    let mut targets = vec![0.0_f32; samples * groups * each];
    forward_while(wanted, ann, prepared, &[node], |activation| {
        for (at, values) in activation.values.chunks_exact(elements).enumerate() {
            let sample = activation.first_sample + at;
            let targets = &mut targets[sample * groups * each..];
            for (target, element) in targets.iter_mut().zip(elements_of(sample)) {
                *target = values[element];
            }
        }
    })?;
    let network = Arc::new(lowered.integrating_until(place)?);
    let population = network.output();
    let layout = part.layout;
    let simulator = EventSimulator::new(Arc::clone(&network));
    let currents = run_samples(0..samples, default_threads(), &simulator, |simulator, sample| {
        let neurons: Vec<usize> = elements_of(sample).map(|element| layout.neuron_at(element)).collect();
        simulator.start(&drive(&network, raw, sample)?);
        let mut currents = Vec::with_capacity(neurons.len() * steps as usize);
        for _ in 0..steps {
            wanted.check()?;
            simulator.step(&Stimulus::none());
            let potentials = simulator.potentials(population);
            currents.extend(neurons.iter().map(|&neuron| potentials[neuron]));
        }
        Ok::<_, RunEnd>(currents)
    })?;
    let count = samples * each;
    let collect = |group: usize| {
        let own = group * each..(group + 1) * each;
        let mut traces = Traces {
            targets: Vec::with_capacity(count),
            currents: Vec::with_capacity(count * steps as usize),
        };
        for sample in 0..samples {
            traces.targets.extend_from_slice(&targets[sample * groups * each..][own.clone()]);
        }
        let lambda = part.lambda.get(group * length);
        for step in 0..steps as usize {
            for currents in &currents {
                let seen = &currents[step * groups * each..][own.clone()];
                traces.currents.extend(seen.iter().map(|&v| (f64::from(v) * lambda) as f32));
            }
        }
        traces
    };
    Ok((0..groups).into_par_iter().map(collect).collect())
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
struct Fitted {
    lambda: f64,
    start: f64,
    ramp: f64,
}

impl Fitted {
    /// The sum of squared differences between what neurons with these numbers give and what they should give.
    fn error(&self, traces: &Traces, steps: u32) -> f64 {
        const LANES: usize = 16;
        let count = traces.targets.len();
        let unit = 1.0 / self.lambda as f32;
        let (start, slope) = (self.start as f32, (self.ramp / f64::from(steps)) as f32);
        let level = self.lambda / f64::from(steps);
        let mut error = 0.0;
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
                let off = f64::from(*spikes) * level - f64::from(*target);
                error += off * off;
            }
        }
        error
    }
}

/// The best numbers that a few rounds of searching along one number at a time find, from `from` on.
fn improve(from: Fitted, traces: &Traces, steps: u32, bound: f64) -> Fitted {
    let mut best = (from.error(traces, steps), from);
    if best.0 == 0.0 {
        return from;
    }
    let mut consider = |candidate: Fitted| {
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
            now = consider(Fitted { lambda, ..here });
        }
        // Waiting: what the start takes the ramp gives back.
        let here = now;
        for wait in [-0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0] {
            let wait = wait * fine;
            now = consider(Fitted { start: here.start - wait, ramp: here.ramp + wait, ..here });
        }
        let here = now;
        for more in [-1.0, -0.5, -0.375, -0.25, -0.125, 0.125, 0.25, 0.375, 0.5, 1.0] {
            now = consider(Fitted { start: here.start + more * fine, ..here });
        }
        let here = now;
        for more in [-1.0, -0.5, -0.25, -0.125, 0.125, 0.25, 0.5, 1.0] {
            now = consider(Fitted { ramp: here.ramp + more * fine, ..here });
        }
        if now == before && round > 0 {
            break;
        }
    }
    now
}
