//! The network to be, in parts: populations whose biases can still be changed, and what connects them.

use super::connect::{in_neuron_order, rounded};
use crate::affine::Runs;
use crate::ann::NodeId;
use snn_engine::{
    Accumulator, BiasArrives, Bipolar, Connectivity, IntegrateFire, LARGEST_VALUE, Layout, MaxPool, Network,
    NetworkBuilder, NetworkError, Neuron, PerNeuron, PopulationId, Reset, Sign,
};
use snn_formats::Unit;
use std::collections::HashSet;

/// How one activation becomes integrate-and-fire neurons.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    /// λ, the activation that a spike in every step stands for, per element.
    pub lambda: Runs,
    /// The potential before the first step, in thresholds, as the method has it.
    pub start: f64,
    /// The potential before the first step, in thresholds, per element.
    pub starts: Runs,
    /// What is added to the bias, in thresholds, per element.
    pub ramp: Runs,
    /// The counts of neurons whose spikes have values; none where every spike is one.
    pub counts: Option<Counts>,
}

/// How neurons count what they emit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The largest magnitude of a spike.
    pub most: u32,
    /// The largest count; the least is 0.
    pub high: u32,
    /// Whether a neuron may take back what it gave.
    pub sign: Sign,
    /// When the bias arrives.
    pub arrives: BiasArrives,
}

impl Scaling {
    /// A scaling with one start for all and nothing added to the bias.
    pub fn new(lambda: Runs, start: f64) -> Self {
        let n = lambda.elements();
        Self { lambda, start, starts: Runs::same(n, start), ramp: Runs::same(n, 0.0), counts: None }
    }
}

/// A population of the network to be.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The node whose values its rates (or, of a read-out, its potentials per step) stand for.
    pub node: NodeId,
    pub name: String,
    pub layout: Layout,
    /// The value of the node that a rate of 1, or a potential of 1 per step, stands for, per element.
    pub lambda: Runs,
    /// The value of the node that a rate of 0 stands for, per element.
    pub offset: Runs,
    /// The potential, in thresholds, that stands for no input: what the method of choosing scales starts with.
    pub zero: f64,
    /// The largest magnitude of its spikes, or of the currents that stand for them.
    pub most: f64,
    pub kind: Kind,
}

impl Part {
    /// What its rates stand for.
    pub fn unit(&self) -> Result<Unit, NetworkError> {
        let numbers = |runs: &Runs| in_neuron_order(runs, self.layout);
        let scale: Vec<f32> =
            rounded(&numbers(&self.lambda)).iter().map(|v| v.max(f32::MIN_POSITIVE)).collect();
        let at = |error: NetworkError| error.within(format!("population `{}`", self.name));
        Ok(Unit {
            scale: PerNeuron::repeating(scale.into()).map_err(at)?,
            offset: PerNeuron::repeating(rounded(&numbers(&self.offset)).into()).map_err(at)?,
            zero: self.zero as f32,
        })
    }
}

/// What the neurons of a population do.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Source,
    /// Fires at a threshold of 1; bias and potential before the first step per neuron or per channel, in the order of neurons.
    Fires {
        bias: Vec<f64>,
        start: Vec<f64>,
        counts: Option<Counts>,
    },
    Integrates {
        bias: Vec<f64>,
    },
    Maximum,
    /// Passes its current on, in whole numbers of λ; bias per neuron or per channel, in the order of neurons.
    Relays {
        bias: Vec<f64>,
    },
}

/// The network in parts, so that biases can still be calibrated.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub parts: Vec<Part>,
    pub projections: Vec<(usize, usize, Connectivity)>,
}

impl Lowered {
    /// The network. Cost: the parameters of the neurons; the synapses are shared.
    pub fn network(&self) -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new();
        let mut ids: Vec<PopulationId> = Vec::new();
        for part in &self.parts {
            let at = |error: NetworkError| error.within(format!("population `{}`", part.name));
            let numbers = |values: &[f64]| PerNeuron::repeating(rounded(values).into()).map_err(at);
            let neuron = match &part.kind {
                Kind::Source => Neuron::Source,
                Kind::Maximum => Neuron::MaxPool(MaxPool),
                Kind::Integrates { bias } => Neuron::of(Accumulator { bias: numbers(bias)? }),
                Kind::Fires { bias, start, counts: None } => Neuron::of(IntegrateFire {
                    threshold: PerNeuron::same(1.0)?,
                    bias: numbers(bias)?,
                    start: numbers(start)?,
                    reset: Reset::Subtract,
                }),
                // Levels are at most 2^16, so both numbers are exact.
                Kind::Fires { bias, start, counts: Some(counts) } => Neuron::of(Bipolar {
                    threshold: PerNeuron::same(1.0)?,
                    bias: numbers(bias)?,
                    start: numbers(start)?,
                    most: PerNeuron::same(counts.most as f32)?,
                    low: PerNeuron::same(0.0)?,
                    high: PerNeuron::same(counts.high as f32)?,
                    sign: counts.sign,
                    arrives: counts.arrives,
                }),
                Kind::Relays { bias } => Neuron::of(Bipolar {
                    threshold: PerNeuron::same(1.0)?,
                    bias: numbers(bias)?,
                    start: PerNeuron::same(0.5)?,
                    most: PerNeuron::same(LARGEST_VALUE as f32)?,
                    low: PerNeuron::same(-Bipolar::UNBOUNDED)?,
                    high: PerNeuron::same(Bipolar::UNBOUNDED)?,
                    sign: Sign::Signed,
                    arrives: BiasArrives::EveryStep,
                }),
            };
            ids.push(builder.population(part.name.clone(), part.layout, neuron));
        }
        for (source, target, connectivity) in &self.projections {
            builder.projection(ids[*source], ids[*target], 0, connectivity.clone());
        }
        builder.build()
    }

    /// Some populations and, where they are relays, those that these pass on.
    pub fn behind_relays(&self, mut populations: HashSet<usize>) -> HashSet<usize> {
        let mut open: Vec<usize> = populations.iter().copied().collect();
        while let Some(place) = open.pop() {
            if !self.parts.get(place).is_some_and(|part| matches!(part.kind, Kind::Relays { .. })) {
                continue;
            }
            let sources = self.projections.iter().filter(|(_, target, _)| *target == place);
            open.extend(sources.map(|(source, _, _)| *source).filter(|source| populations.insert(*source)));
        }
        populations
    }
}
