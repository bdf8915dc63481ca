//! The spiking network beside the trained net: what each layer loses.

mod loss;

use crate::ann::{Ann, NodeId};
use crate::error::ConvertError;
use crate::fit::{SAMPLES, choose, drive};
use crate::forward::forward_while;
use crate::lower::{Kind, Lowered, Part};
use crate::quantise::{Layer, Quantised};
use crate::wanted::{RunEnd, Wanted};
pub use loss::Loss;
use loss::Sums;
use serde::Serialize;
use snn_engine::{EventSimulator, Network, Simulator, Stimulus, default_threads, run_samples};
use snn_formats::{Arrives, RunLength};
use std::collections::HashMap;
use std::sync::Arc;

/// Samples that are held at once.
const BLOCK: usize = 32;

/// How often either net is right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Samples that were classified.
    pub samples: usize,
    /// The share that the trained net classifies right.
    pub trained: f64,
    /// The share that the spiking network classifies right.
    pub spiking: f64,
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// For every part of the lowered network that fires, its loss.
    pub losses: Vec<Option<Loss>>,
    pub accuracy: Option<Accuracy>,
    pub samples: usize,
}

/// The spiking network that is compared, and how it is run.
#[derive(Clone, Copy)]
pub(crate) struct Compared<'a> {
    pub lowered: &'a Lowered,
    pub network: &'a Network,
    /// The quantised network that its neurons express, if they count.
    pub quantised: Option<&'a Quantised>,
    pub run: RunLength,
}

/// What one sample gave: the sum of the values of every neuron's spikes by population, and the last potentials.
type Ran = (Vec<Vec<i64>>, Vec<f32>);

/// Runs some of the samples (at most 256, the same ones in whatever order they are given).
pub(crate) fn compare(
    wanted: Wanted<'_>,
    ann: &Ann,
    compared: &Compared<'_>,
    [raw, prepared]: [&[f32]; 2],
    labels: Option<&[i64]>,
) -> Result<Comparison, ConvertError> {
    let Compared { lowered, network, quantised, run } = *compared;
    let n = ann.input_shape().elements();
    let chosen = choose(raw, n, SAMPLES);
    let network = Arc::new(network.clone());
    let simulator = EventSimulator::new(Arc::clone(&network));
    let pairs: Vec<Pair<'_>> = lowered
        .parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| Pair::of(at, part, quantised, run.steps))
        .collect();
    let nodes: Vec<NodeId> = pairs.iter().map(|pair| pair.trained).collect();
    let counted: Vec<NodeId> = pairs.iter().filter_map(|pair| Some(pair.layer?.counts)).collect();
    let mut sums = vec![Sums::default(); pairs.len()];
    let mut right = [0_usize; 2];
    for block in chosen.chunks(BLOCK) {
        let gather = |values: &[f32]| -> Vec<f32> {
            block.iter().flat_map(|&sample| &values[sample * n..(sample + 1) * n]).copied().collect()
        };
        let (raw, prepared) = (gather(raw), gather(prepared));
        let runs = run_samples(0..block.len(), default_threads(), &simulator, |simulator, sample| {
            ran(wanted, &network, simulator, &raw, sample, run)
        })?;
        let mut activations: HashMap<NodeId, Vec<f32>> = HashMap::new();
        let outputs = forward_while(wanted, ann, &prepared, &nodes, |activation| {
            activations.entry(activation.node).or_default().extend_from_slice(activation.values);
        })?;
        let mut counts: HashMap<NodeId, Vec<f32>> = HashMap::new();
        if let Some(quantised) = quantised {
            forward_while(wanted, &quantised.ann, &prepared, &counted, |activation| {
                counts.entry(activation.node).or_default().extend_from_slice(activation.values);
            })?;
        }
        for (sums, pair) in sums.iter_mut().zip(&pairs) {
            let counts = pair.layer.map(|layer| &counts[&layer.counts][..]);
            pair.add(sums, &activations[&pair.trained], counts, &runs);
        }
        if let Some(labels) = labels {
            let last = lowered.parts.len() - 1;
            let layout = lowered.parts[last].layout;
            let classes = ann.output_shape().elements();
            for (at, (&sample, (counts, potentials))) in block.iter().zip(&runs).enumerate() {
                let trained = best(classes, |class| f64::from(outputs[at * classes + class]));
                let spiking = best(classes, |class| {
                    let neuron = layout.neuron_at(class);
                    match lowered.parts[last].kind {
                        Kind::Integrates { .. } => f64::from(potentials[neuron]),
                        // Counts are far below 2^53.
                        _ => counts[last][neuron] as f64,
                    }
                });
                for (right, found) in right.iter_mut().zip([trained, spiking]) {
                    *right += usize::from(i64::try_from(found) == Ok(labels[sample]));
                }
            }
        }
    }
    let mut losses = vec![None; lowered.parts.len()];
    for (sums, pair) in sums.iter().zip(&pairs) {
        losses[pair.at] = Some(sums.loss());
    }
    let share = |right: usize| right as f64 / chosen.len() as f64;
    let accuracy = labels.map(|_| Accuracy {
        samples: chosen.len(),
        trained: share(right[0]),
        spiking: share(right[1]),
    });
    Ok(Comparison { losses, accuracy, samples: chosen.len() })
}

/// Runs one sample.
fn ran(
    wanted: Wanted<'_>,
    network: &Arc<Network>,
    simulator: &mut EventSimulator,
    raw: &[f32],
    sample: usize,
    run: RunLength,
) -> Result<Ran, RunEnd> {
    let drive = drive(network, raw, sample)?;
    simulator.start(&if run.arrives == Arrives::Once { drive.once() } else { drive });
    let mut counts: Vec<Vec<i64>> =
        network.populations().iter().map(|population| vec![0; population.size()]).collect();
    for _ in 0..run.steps {
        wanted.check()?;
        if run.until_quiet && simulator.is_quiet() {
            break;
        }
        let spikes = simulator.step(&Stimulus::none());
        for (id, counts) in network.ids().zip(&mut counts) {
            for (neuron, value) in spikes.with_values(id).iter() {
                counts[neuron as usize] += i64::from(value);
            }
        }
    }
    Ok((counts, simulator.potentials(network.output()).to_vec()))
}

/// A population that fires, and the activation that it stands for.
struct Pair<'a> {
    at: usize,
    part: &'a Part,
    trained: NodeId,
    layer: Option<&'a Layer>,
    /// What a count is worth at the node of the counts.
    count: f64,
    steps: u32,
}

impl<'a> Pair<'a> {
    fn of(at: usize, part: &'a Part, quantised: Option<&'a Quantised>, steps: u32) -> Option<Self> {
        if !matches!(part.kind, Kind::Fires { .. }) {
            return None;
        }
        let found =
            |quantised: &'a Quantised| quantised.layers.iter().find(|layer| layer.counts == part.node);
        let layer = quantised.and_then(found);
        let count = quantised.zip(layer).map_or(1.0, |(quantised, layer)| layer.count(&quantised.ann));
        Some(Self { at, part, trained: layer.map_or(part.node, |layer| layer.trained), layer, count, steps })
    }

    /// Adds what all neurons gave in some samples.
    fn add(&self, sums: &mut Sums, activations: &[f32], counts: Option<&[f32]>, runs: &[Ran]) {
        let Kind::Fires { start, .. } = &self.part.kind else { return };
        let elements = self.part.lambda.elements();
        for (sample, (spiking, _)) in runs.iter().enumerate() {
            for (neuron, &spiking) in spiking[self.at].iter().enumerate() {
                let element = self.part.layout.user_index(neuron);
                let activation = f64::from(activations[sample * elements + element].max(0.0));
                if let (Some(layer), Some(counts)) = (self.layer, counts) {
                    let full =
                        layer.values[element * layer.values.len() / elements] * f64::from(layer.levels);
                    // A whole number of at most 2^16.
                    let quantised =
                        (f64::from(counts[sample * elements + element]) / self.count).round() as i64;
                    sums.add_count(activation / full, [spiking, quantised], layer.levels);
                } else {
                    let activation = activation / self.part.lambda.get(element);
                    sums.add_rate(activation, spiking, self.steps, start[neuron % start.len()]);
                }
            }
        }
    }
}

/// The class of the largest value, the first of equal ones.
fn best(classes: usize, value: impl Fn(usize) -> f64) -> usize {
    (1..classes).fold(0, |best, class| if value(class) > value(best) { class } else { best })
}
