//! The spiking network beside the trained net: what each layer loses.

use crate::ann::{Ann, NodeId};
use crate::convert::ConvertError;
use crate::fit::{SAMPLES, choose, drive};
use crate::forward::forward_while;
use crate::lower::{Kind, Lowered};
use crate::wanted::{RunEnd, Wanted};
use serde::Serialize;
use snn_engine::{EventSimulator, Network, Simulator, Stimulus, default_threads, run_samples};
use std::collections::HashMap;
use std::sync::Arc;

/// Samples that are held at once.
const BLOCK: usize = 32;

/// The activation of the trained net against the spike rate of one population after T steps of constant input.
///
/// All are means over neurons and samples, in units of λ: an activation `a` should be the rate `a/λ`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// Pearson's correlation of activation and rate; absent if one of them never changes.
    pub correlation: Option<f64>,
    /// Mean activation.
    pub activation: f64,
    /// Mean rate.
    pub rate: f64,
    /// Mean absolute difference of rate and activation.
    pub error: f64,
    /// Of it, what is above λ and cannot be expressed: `|a − min(a, 1)|`.
    pub clipping: f64,
    /// What rounding to whole spikes loses even if input arrives evenly: `|a − ⌊a·T + start⌋/T|` of the clipped activation.
    pub quantisation: f64,
    /// The rest: `|rate − ⌊a·T + start⌋/T|`. Spikes that arrive unevenly, and errors of the layers before.
    pub rest: f64,
}

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

/// Runs some of the samples (at most 256, the same ones in whatever order they are given) for `steps` steps.
pub(crate) fn compare(
    wanted: Wanted<'_>,
    ann: &Ann,
    lowered: &Lowered,
    network: &Network,
    [raw, prepared]: [&[f32]; 2],
    labels: Option<&[i64]>,
    steps: u32,
) -> Result<Comparison, ConvertError> {
    let n = ann.input_shape().elements();
    let chosen = choose(raw, n, SAMPLES);
    let network = Arc::new(network.clone());
    let simulator = EventSimulator::new(Arc::clone(&network));
    let firing: Vec<usize> =
        (0..lowered.parts.len()).filter(|&at| matches!(lowered.parts[at].kind, Kind::Fires { .. })).collect();
    let nodes: Vec<NodeId> = firing.iter().map(|&at| lowered.parts[at].node).collect();
    let mut sums = vec![Sums::default(); firing.len()];
    let mut right = [0_usize; 2];
    for block in chosen.chunks(BLOCK) {
        let gather = |values: &[f32]| -> Vec<f32> {
            block.iter().flat_map(|&sample| &values[sample * n..(sample + 1) * n]).copied().collect()
        };
        let (raw, prepared) = (gather(raw), gather(prepared));
        let runs = run_samples(0..block.len(), default_threads(), &simulator, |simulator, sample| {
            simulator.start(&drive(&network, &raw, sample)?);
            let mut counts: Vec<Vec<u32>> =
                network.populations().iter().map(|population| vec![0; population.size()]).collect();
            for _ in 0..steps {
                wanted.check()?;
                let spikes = simulator.step(&Stimulus::none());
                for (id, counts) in network.ids().zip(&mut counts) {
                    spikes.of(id).iter().for_each(|&neuron| counts[neuron as usize] += 1);
                }
            }
            Ok::<_, RunEnd>((counts, simulator.potentials(network.output()).to_vec()))
        })?;
        let mut activations: HashMap<NodeId, Vec<f32>> = HashMap::new();
        let outputs = forward_while(wanted, ann, &prepared, &nodes, |activation| {
            activations.entry(activation.node).or_default().extend_from_slice(activation.values);
        })?;
        for (sums, &at) in sums.iter_mut().zip(&firing) {
            let part = &lowered.parts[at];
            let Kind::Fires { start, .. } = &part.kind else { continue };
            let elements = part.lambda.elements();
            for (sample, (counts, _)) in runs.iter().enumerate() {
                let values = &activations[&part.node][sample * elements..(sample + 1) * elements];
                for (neuron, &spikes) in counts[at].iter().enumerate() {
                    let element = part.layout.user_index(neuron);
                    let activation = f64::from(values[element].max(0.0)) / part.lambda.get(element);
                    sums.add(activation, spikes, steps, start[neuron % start.len()]);
                }
            }
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
                        _ => f64::from(counts[last][neuron]),
                    }
                });
                for (right, found) in right.iter_mut().zip([trained, spiking]) {
                    *right += usize::from(i64::try_from(found) == Ok(labels[sample]));
                }
            }
        }
    }
    let mut losses = vec![None; lowered.parts.len()];
    for (sums, &at) in sums.iter().zip(&firing) {
        losses[at] = Some(sums.loss());
    }
    let share = |right: usize| right as f64 / chosen.len() as f64;
    let accuracy = labels.map(|_| Accuracy {
        samples: chosen.len(),
        trained: share(right[0]),
        spiking: share(right[1]),
    });
    Ok(Comparison { losses, accuracy, samples: chosen.len() })
}

/// The class of the largest value, the first of equal ones.
fn best(classes: usize, value: impl Fn(usize) -> f64) -> usize {
    (1..classes).fold(0, |best, class| if value(class) > value(best) { class } else { best })
}

/// Sums over neurons and samples.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    activation: f64,
    rate: f64,
    /// Of the squares of activation and rate, and of their product.
    squares: [f64; 3],
    error: f64,
    clipping: f64,
    quantisation: f64,
    rest: f64,
}

impl Sums {
    fn add(&mut self, a: f64, spikes: u32, steps: u32, start: f64) {
        let steps = f64::from(steps);
        let rate = f64::from(spikes) / steps;
        let clipped = a.min(1.0);
        let even = (clipped * steps + start).floor().clamp(0.0, steps) / steps;
        self.count += 1.0;
        self.activation += a;
        self.rate += rate;
        self.squares[0] += a * a;
        self.squares[1] += rate * rate;
        self.squares[2] += a * rate;
        self.error += (rate - a).abs();
        self.clipping += a - clipped;
        self.quantisation += (clipped - even).abs();
        self.rest += (rate - even).abs();
    }

    fn loss(&self) -> Loss {
        let mean = |sum: f64| sum / self.count;
        let (activation, rate) = (mean(self.activation), mean(self.rate));
        let [aa, rr, ar] = self.squares.map(mean);
        let (a, r) = (aa - activation * activation, rr - rate * rate);
        let correlation =
            (a > 0.0 && r > 0.0).then(|| ((ar - activation * rate) / (a * r).sqrt()).clamp(-1.0, 1.0));
        Loss {
            correlation,
            activation,
            rate,
            error: mean(self.error),
            clipping: mean(self.clipping),
            quantisation: mean(self.quantisation),
            rest: mean(self.rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_split_into_clipping_rounding_and_the_rest() {
        let mut sums = Sums::default();
        // 1.5 is clipped to 1; 7 of 8 spikes came.
        sums.add(1.5, 7, 8, 0.5);
        // 0.3 of 8 steps rounds to 2 spikes; 3 came.
        sums.add(0.3, 3, 8, 0.5);
        let loss = sums.loss();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(loss.clipping, 0.5 / 2.0);
        close(loss.quantisation, 0.05 / 2.0);
        close(loss.rest, (0.125 + 0.125) / 2.0);
        close(loss.error, (0.625 + 0.075) / 2.0);
        close(loss.correlation.unwrap(), 1.0);
    }
}
