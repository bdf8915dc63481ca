//! What a conversion did, in numbers.

use crate::ann::Ann;
pub use crate::compare::{Accuracy, Loss};
use crate::expect::Agreement;
use crate::growth::sizes;
pub use crate::growth::{Size, TrainedOperator};
use crate::lower::{Kind, Lowered};
use crate::neuron::NeuronKind;
pub use crate::spread::Spread;
pub use crate::whole::WeightRounding;
use serde::Serialize;
use snn_engine::{Connectivity, Network, Rows};
use snn_formats::net::kept_report;
use std::collections::HashSet;

/// What a conversion did, layer by layer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What activations became.
    pub neuron: NeuronKind,
    /// The levels that they were rounded to, and the largest magnitude of a spike; absent of unit spikes.
    pub levels: Option<u32>,
    /// See `levels`.
    pub max_spikes: Option<u32>,
    /// The run length that scales were chosen for.
    pub steps: u32,
    /// Whether scales, starts and biases were fitted to the spikes of such runs.
    pub fitted: bool,
    /// The neurons that were tried, if the best were to be chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Calibration samples that both nets were compared on, if they were.
    pub compared: Option<usize>,
    /// How often either net is right on them, if their classes are known.
    pub accuracy: Option<Accuracy>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// How well the net that was read agrees with the outputs expected of it, if there were any.
    pub agreement: Option<Agreement>,
    /// One entry per population, in order of declaration.
    pub layers: Vec<LayerReport>,
}

impl Report {
    /// Bytes of the weights and indices of the network, and of those of the trained net, as [`Size`] counts them.
    pub fn bytes(&self) -> [u64; 2] {
        let stored = self.layers.iter().map(|layer| layer.size.bytes).sum();
        let mut seen = HashSet::new();
        let operators = self.layers.iter().flat_map(|layer| &layer.size.trained);
        let trained =
            operators.filter(|operator| seen.insert(&operator.name)).map(|operator| operator.bytes).sum();
        [stored, trained]
    }

    /// As it is kept in a `net.bin` ([`kept_report`]).
    ///
    /// # Errors
    /// If it cannot be JSON.
    pub fn kept(&self) -> serde_json::Result<String> {
        kept_report(serde_json::to_string(self)?)
    }
}

/// Neurons that were tried, and what they lose on samples that the network was not made with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// What activations became.
    pub neuron: NeuronKind,
    /// The largest magnitude of a spike.
    pub max_spikes: u32,
    /// The squared error of the outputs over the squared outputs of the trained net, each less its mean over the outputs of a
    /// sample, which decides nothing.
    pub error: f64,
    /// The share of samples that both nets give the same class.
    pub agreement: f64,
    /// Spikes per sample.
    pub spikes: f64,
}

/// One population and the projections into it.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// The population's name.
    pub name: String,
    /// The kind of its neurons.
    pub kind: String,
    /// Its shape as the user sees it.
    pub shape: Vec<usize>,
    /// Its number of neurons.
    pub neurons: usize,
    /// Where its spikes come from.
    pub sources: Vec<String>,
    /// How the synapses into it are stored.
    pub connectivity: Vec<String>,
    /// Places for weights, shared ones counted once.
    pub weights: u64,
    /// Weights that are not zero.
    pub nonzeros: u64,
    /// Non-zero weights per place.
    pub density: f64,
    /// Synapses, shared weights counted wherever they are used.
    pub synapses: u64,
    /// What it takes beside what was trained for it, and why, if it is more.
    pub size: Size,
    /// λ, the largest activation that a neuron can express: by a spike in every step, or by the largest count; of a relay, what a
    /// spike of value 1 in every step stands for.
    pub scale: Option<Spread>,
    /// Channels (of a vector: neurons) that no calibration sample activates; their λ is that of their neighbours.
    pub dead: Option<usize>,
    /// Channels (of a vector: neurons) whose largest calibration activation is above λ: there they fire in every step and
    /// the rest is lost.
    pub saturated: Option<usize>,
    /// The share of its activations above zero that is above λ, on at most 256 of the calibration samples.
    pub clipped: Option<f64>,
    /// What rounding the weights onto it to whole numbers did, if they were.
    pub weight_rounding: Option<WeightRounding>,
    /// The spike rates against the activations of the trained net, if they were compared.
    pub loss: Option<Loss>,
}

/// Counts of channels of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    pub dead: usize,
    /// None if it was not counted.
    pub saturated: Option<usize>,
    /// The share of activations above zero that is above λ, if it was counted.
    pub clipped: Option<f64>,
    /// The largest activation that a neuron expresses, where it is no spike in every step.
    pub largest: Option<Spread>,
}

/// The layers of a network as it was lowered from `ann`; `units` of every population where they were counted.
pub(crate) fn layers(
    ann: &Ann,
    lowered: &Lowered,
    network: &Network,
    units: &[Option<Units>],
    unrolled: bool,
) -> Vec<LayerReport> {
    network
        .ids()
        .zip(&lowered.parts)
        .zip(units)
        .zip(sizes(ann, lowered, unrolled))
        .map(|(((id, part), units), size)| {
            let population = network.population(id);
            let incoming: Vec<_> = network.incoming(id).collect();
            let fires = || {
                matches!(part.kind, Kind::Fires { .. } | Kind::Maximum | Kind::Relays { .. })
                    .then(|| Spread::of(part.lambda.values()))
            };
            let weights = incoming.iter().map(|p| places(p.connectivity())).sum();
            let nonzeros = incoming.iter().map(|p| p.connectivity().stored_weights()).sum();
            LayerReport {
                name: population.name().into(),
                kind: population.neuron().kind().into(),
                shape: population.layout().shape(),
                neurons: population.size(),
                sources: incoming.iter().map(|p| network.population(p.source()).name().into()).collect(),
                connectivity: incoming.iter().map(|p| describe(p.connectivity())).collect(),
                weights,
                nonzeros,
                density: if weights == 0 { 0.0 } else { nonzeros as f64 / weights as f64 },
                synapses: incoming.iter().map(|p| p.connectivity().synapses()).sum(),
                size,
                scale: units.and_then(|units| units.largest).or_else(fires),
                dead: units.map(|units| units.dead),
                saturated: units.and_then(|units| units.saturated),
                clipped: units.and_then(|units| units.clipped),
                weight_rounding: None,
                loss: None,
            }
        })
        .collect()
}

/// Places for weights, zeros included, shared ones counted once.
fn places(connectivity: &Connectivity) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => rows.len() as u64 * rows.width() as u64,
        Connectivity::Conv2d(conv) => {
            let rows = conv.rows();
            rows.len() as u64 * rows.width() as u64 / u64::from(conv.geometry().groups)
        }
        Connectivity::OneToOne(one) => one.weights().period() as u64,
    }
}

fn describe(connectivity: &Connectivity) -> String {
    let format = |rows: &Rows| match rows {
        Rows::Sparse(_) => "sparse",
        Rows::Dense(_) => "dense",
    };
    match connectivity {
        Connectivity::Rows(rows) => format!("{} rows", format(rows)),
        Connectivity::Conv2d(conv) => {
            let g = conv.geometry();
            let mut text =
                format!("{}x{} convolution, {} rows", g.kernel[0], g.kernel[1], format(conv.rows()));
            if g.pool != [1, 1] {
                text.push_str(&format!(", {}x{} means", g.pool[0], g.pool[1]));
            }
            text
        }
        Connectivity::OneToOne(_) => "one to one".into(),
    }
}
