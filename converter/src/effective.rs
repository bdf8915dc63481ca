//! The options of a conversion with nothing left open, as they are told beside its results.

use serde::Serialize;

use crate::ann::Ann;
use crate::calibrate::Zeros;
use crate::normalise::{Normalise, ScalePer, Start};
use crate::options::{Options, Readout};
use crate::recipe::Recipe;
use snn_engine::WeightType;

/// How a net was converted: all options, those that nobody gave by what they then were. Every front end tells them so, in
/// `net.bin` and in reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EffectiveOptions {
    /// The length of the runs that the network is made for; none if it is not made for runs of a certain length.
    #[serde(rename = "T")]
    pub steps: Option<u32>,
    /// What activations became: `unit`, `multi`, `signed` or `settle`.
    pub neuron: &'static str,
    /// The levels that activations were rounded to, or that a run of unit spikes can tell apart.
    pub levels: u32,
    /// The largest magnitude of a spike.
    pub max_spikes: u32,
    /// The cost of the reconstruction of weights, if there was one.
    pub reconstruct: Option<f64>,
    /// The number of steps that scales were chosen for.
    pub scale_steps: u32,
    /// How scales were chosen: `mse`, `percentile`, `max`, `qcfs` or `none`.
    pub normalise: &'static str,
    /// In per cent, if scales are percentiles.
    pub percentile: Option<f64>,
    /// Whether scales, starts and biases were fitted.
    pub fit: bool,
    /// How: `search`, `bias` or `start`.
    pub fit_by: &'static str,
    /// How far one scale reaches: `layer`, `channel`, or `shape`: a channel of images, a layer of vectors.
    pub scale_per: &'static str,
    /// Whether zeros count in percentiles: `in` or `out`.
    pub zeros: &'static str,
    /// The potential before the first step, in thresholds: `0`, `half`, or `trained`: half where levels were trained, else 0.
    pub v0: &'static str,
    /// What is read: `potential` or `spikes`.
    pub readout: &'static str,
    /// What weights are stored as: `f32`, `int16`, `int8` or `int4`.
    pub weights: &'static str,
    /// Whether shared weights were written out.
    pub unroll: bool,
    /// Whether the report compares rates with activations.
    pub compare: bool,
    /// Subtracted from the input; nothing, a number, or one per channel.
    pub input_mean: Vec<f32>,
    /// What the input was divided by; nothing, a number, or one per channel.
    pub input_std: Vec<f32>,
}

impl EffectiveOptions {
    /// What the options of a net's conversion came to; O(nodes).
    #[must_use]
    pub fn of(ann: &Ann, options: &Options, recipe: &Recipe) -> Self {
        let (normalise, percentile) = match recipe.normalise {
            Normalise::Max => ("max", None),
            Normalise::Percentile(percent) => ("percentile", Some(percent)),
            Normalise::LeastError => ("mse", None),
            Normalise::Balanced => ("balance", None),
            Normalise::Trained => ("qcfs", None),
            Normalise::None => ("none", None),
        };
        let start = |start| match start {
            Start::Zero => "0",
            Start::Half => "half",
        };
        let activations = ann.nodes().iter().filter(|node| node.op.is_activation());
        let mut usual: Vec<_> =
            activations.map(|node| start(recipe.normalise.usual_start(&node.op))).collect();
        usual.sort_unstable();
        usual.dedup();
        let usual = match usual[..] {
            [] => "0",
            [only] => only,
            _ => "trained",
        };
        Self {
            steps: options.steps,
            neuron: recipe.neuron.name(),
            levels: recipe.levels,
            max_spikes: recipe.max_spikes,
            reconstruct: options.reconstruct,
            scale_steps: recipe.steps,
            normalise,
            percentile,
            fit: recipe.fit,
            fit_by: options.fit_by.name(),
            scale_per: match options.scale_per {
                None => "shape",
                Some(ScalePer::Layer) => "layer",
                Some(ScalePer::Channel) => "channel",
            },
            zeros: match options.zeros {
                Zeros::Included => "in",
                Zeros::Excluded => "out",
            },
            v0: options.start.map_or(usual, start),
            readout: match options.readout {
                Readout::Potential => "potential",
                Readout::Spikes => "spikes",
            },
            weights: options.weights.unwrap_or(WeightType::F32).name(),
            unroll: options.unroll,
            compare: options.compare,
            input_mean: options.input_mean.clone(),
            input_std: options.input_std.clone(),
        }
    }
}
