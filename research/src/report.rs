use serde::Serialize;
use snn_engine::{Network, Population, Statistics};

use crate::costs::{PopulationCosts, TrainedOperations, costs};
use crate::digest::SpikeDigest;
use crate::energy::{Energy, Preset, Rival, rivals};
use crate::evaluate::{Ended, Evaluation};
use crate::neurobench::NeuroBench;
use crate::proportion::Proportion;
use crate::stop::Stop;
use crate::trained::Beside;

/// What an evaluation tells, for programs. Costs are means over samples.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluationReport {
    /// Samples that were run.
    pub samples: usize,
    /// Steps of the longest run.
    #[serde(rename = "T")]
    pub steps: u32,
    /// After each point: what a run of that length gives.
    pub points: Vec<PointReport>,
    /// What samples give that end early.
    pub stops: Vec<StopReport>,
    /// The trained net on the same samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained: Option<Beside>,
    /// Of the longest run, each class with its samples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassReport>,
    /// The predicted classes of the longest run.
    pub predictions: Vec<usize>,
    /// Of the longest run, by population.
    pub populations: Vec<PopulationCosts>,
    /// Multiply-adds of the trained net for one sample.
    pub trained_operations: TrainedOperations,
    /// Of the longest run, by the definitions of NeuroBench.
    pub neurobench: NeuroBench,
    /// Of the longest run, by preset.
    pub energy: Vec<Energy>,
    /// What else could be computed for the same answer, under the first preset.
    pub rivals: Vec<Rival>,
    /// By population, which spikes it emitted: equal for every mode and number of threads.
    pub spike_digests: Vec<PopulationDigest>,
}

/// What a run of so many steps gives.
#[derive(Clone, Debug, Serialize)]
pub struct PointReport {
    /// The number of steps.
    #[serde(rename = "T")]
    pub steps: u32,
    /// How often the label is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Proportion>,
    /// How often the class is named that the longest run names.
    pub settled: Proportion,
    /// What a sample costs up to here.
    #[serde(flatten)]
    pub spent: Spent,
}

/// What a sample costs, all populations together; a mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spent {
    /// Spikes, whatever their values.
    pub spikes: f64,
    /// The sum of the magnitudes of their values.
    pub magnitude: f64,
    /// Weights that they delivered.
    pub synaptic_operations: f64,
    /// Touched potentials.
    pub touched_potentials: f64,
}

impl Spent {
    fn of(statistics: &Statistics, samples: usize) -> Self {
        let total = statistics.total();
        let mean = |number: u64| number as f64 / samples.max(1) as f64;
        Self {
            spikes: mean(total.spikes),
            magnitude: mean(total.magnitude),
            synaptic_operations: mean(total.synaptic_operations),
            touched_potentials: mean(total.updates),
        }
    }
}

/// What samples give that end early.
#[derive(Clone, Debug, Serialize)]
pub struct StopReport {
    /// The rule.
    pub rule: Stop,
    /// How often the label is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Proportion>,
    /// Samples for which the rule never held: they ran to the end.
    pub unended: u64,
    /// The mean number of steps.
    pub mean_steps: f64,
    /// The numbers of steps that 50, 90 and 100 of 100 samples do not exceed.
    pub quantiles: [u32; 3],
    /// How many samples ended after how many steps, ascending.
    pub ended: Vec<(u32, u64)>,
    /// What a sample costs until it ends.
    #[serde(flatten)]
    pub spent: Spent,
}

impl StopReport {
    fn of(ended: &Ended, labels: Option<&[usize]>) -> Self {
        let mut sorted = ended.steps.clone();
        sorted.sort_unstable();
        let mut counts: Vec<(u32, u64)> = vec![];
        for &steps in &sorted {
            match counts.last_mut() {
                Some((last, count)) if *last == steps => *count += 1,
                _ => counts.push((steps, 1)),
            }
        }
        // The nearest rank: the smallest number that so many of 100 do not exceed.
        let quantile = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Self {
            rule: ended.rule,
            accuracy: labels.map(|labels| right(&ended.classes, labels)),
            unended: ended.unended,
            mean_steps: sorted.iter().map(|&steps| f64::from(steps)).sum::<f64>()
                / sorted.len().max(1) as f64,
            quantiles: if sorted.is_empty() { [0; 3] } else { [50, 90, 100].map(quantile) },
            ended: counts,
            spent: Spent::of(&ended.statistics, ended.steps.len()),
        }
    }
}

/// One class of the labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class.
    pub class: usize,
    /// How often it is named where it is the label.
    pub recall: Proportion,
    /// How often it is the label where it is named.
    pub precision: Proportion,
}

/// Which spikes a population emitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PopulationDigest {
    /// Its name.
    pub population: String,
    /// Their [digest](crate::SpikeDigest).
    pub digest: String,
}

impl PopulationDigest {
    /// The digests of all populations, in order of declaration, by name.
    #[must_use]
    pub fn all(network: &Network, digests: &[SpikeDigest]) -> Vec<Self> {
        let pairs = network.populations().iter().zip(digests);
        let of = |population: &Population, digest: &SpikeDigest| Self {
            population: population.name().to_owned(),
            digest: digest.to_string(),
        };
        pairs.map(|(population, digest)| of(population, digest)).collect()
    }
}

fn right(classes: &[usize], labels: &[usize]) -> Proportion {
    Proportion::count(classes.iter().zip(labels).map(|(class, label)| class == label))
}

/// What the numbers of a report stand for beside the evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The network that was run.
    pub network: &'a Network,
    /// The true classes of the samples, in their order.
    pub labels: Option<&'a [usize]>,
    /// The classes that the trained net names.
    pub trained: Option<&'a [usize]>,
    /// Whether the input's currents arrived once.
    pub once: bool,
    /// Whether membrane updates were counted.
    pub membrane_updates: bool,
    /// Energies by name; the first is also that of the rivals.
    pub presets: &'a [(String, Preset)],
}

impl EvaluationReport {
    /// What an evaluation tells.
    #[must_use]
    pub fn of(evaluation: &Evaluation, context: &Context<'_>) -> Self {
        let Context { network, labels, trained, once, membrane_updates, presets } = *context;
        let last = evaluation.last();
        let samples = last.classes.len();
        let costs = costs(network, evaluation);
        let point = |point: &crate::Point| PointReport {
            steps: point.steps,
            accuracy: labels.map(|labels| right(&point.classes, labels)),
            settled: right(&point.classes, &last.classes),
            spent: Spent::of(&point.statistics, samples),
        };
        let neurobench = NeuroBench::of(network, evaluation, once, membrane_updates);
        let rate = 1.0 - neurobench.activation_sparsity;
        Self {
            samples,
            steps: last.steps,
            points: evaluation.points.iter().map(point).collect(),
            stops: evaluation.stops.iter().map(|ended| StopReport::of(ended, labels)).collect(),
            trained: trained.map(|trained| Beside::of(trained, &last.classes, labels)),
            classes: labels.map(|labels| classes(&last.classes, labels)).unwrap_or_default(),
            predictions: last.classes.clone(),
            trained_operations: TrainedOperations::of(network),
            neurobench,
            energy: presets
                .iter()
                .map(|(name, preset)| preset.energy(name, network, &costs, last.steps))
                .collect(),
            rivals: presets
                .first()
                .map(|(_, preset)| rivals(preset, network, &costs, last.steps, rate))
                .unwrap_or_default(),
            spike_digests: PopulationDigest::all(network, &evaluation.digests),
            populations: costs,
        }
    }
}

fn classes(predicted: &[usize], labels: &[usize]) -> Vec<ClassReport> {
    let count = predicted.iter().chain(labels).max().map_or(0, |most| most + 1);
    let pairs = || predicted.iter().zip(labels);
    let of = |class: usize| {
        let labelled = pairs().filter(|(_, label)| **label == class);
        let named = pairs().filter(|(predicted, _)| **predicted == class);
        ClassReport {
            class,
            recall: Proportion::count(labelled.map(|(predicted, _)| *predicted == class)),
            precision: Proportion::count(named.map(|(_, label)| *label == class)),
        }
    };
    (0..count).map(of).filter(|class| class.recall.samples + class.precision.samples > 0).collect()
}
