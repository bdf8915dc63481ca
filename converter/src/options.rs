//! What is given to a conversion beside the net.

use crate::calibrate::Zeros;
use crate::fit::FitBy;
use crate::neuron::NeuronKind;
use crate::normalise::{Normalise, ScalePer, Start};
use snn_engine::WeightType;

/// What is read from the network as its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readout {
    /// The potentials of a last population that integrates and never fires. A potential divided by the number of steps
    /// estimates the net's output, in its own unit.
    #[default]
    Potential,
    /// The spikes of a last population that fires like the others, with one λ for all of it. Negative outputs are lost.
    Spikes,
}

/// How to convert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// What activations become. Default: with samples, for runs of at most 64 steps, those of unit and signed that lose less in them
    /// ([`convert`](crate::convert())); else unit.
    pub neuron: Option<NeuronKind>,
    /// L, the levels of neurons that count. Default: 16; of those that get their input in every step the steps times the largest
    /// spike, which they can tell.
    pub levels: Option<u32>,
    /// m, the largest magnitude of a spike of neurons that count. Default: what tells all levels in a run; of those that
    /// settle the number of levels, so that they are at rest after one step.
    pub max_spikes: Option<u32>,
    /// Whether the weights of the quantised network are reconstructed ([`quantise`](crate::quantise::Options::reconstruct)).
    /// Default: no.
    pub reconstruct: Option<f64>,
    /// How scales are chosen. Default: least squared error ([`Recipe`](crate::Recipe)).
    pub normalise: Option<Normalise>,
    /// How far one scale reaches. Default: one per channel of images, one for all of a vector.
    pub scale_per: Option<ScalePer>,
    /// Whether zeros count in percentiles. Default: they do.
    pub zeros: Zeros,
    /// The potential before the first step. Default: half a threshold for QCFS activations and the methods that round to
    /// the nearest rate, else 0.
    pub start: Option<Start>,
    /// The number of steps of the runs that the network is made for; at least 1. Default: none; scales are then chosen for
    /// [`USUAL_STEPS`](crate::recipe::USUAL_STEPS) and suit runs of any length.
    pub steps: Option<u32>,
    /// Whether scales, starts and biases are then fitted, layer by layer, to the spikes that really arrive in runs of
    /// `steps` steps with constant input. The network is much more accurate in short runs of this length, and less in runs of
    /// other lengths, because what a start takes the bias gives back over the run. Needs samples. Default: for short runs
    /// ([`Recipe::of`](crate::Recipe::of)).
    pub fit: Option<bool>,
    /// What a fit does with the spikes that arrive. Default: it searches scales, starts and biases.
    pub fit_by: FitBy,
    /// Whether the report compares spike rates with activations, and accuracies if labels are given, on at most 256 of the
    /// samples in runs of `steps` steps. Default: no.
    pub compare: bool,
    /// What is read from the network. Default: potentials.
    pub readout: Readout,
    /// What weights are stored as: whole numbers are rounded to, per channel, and take 2 bytes, 1 or half a one; potentials are
    /// exact sums then. Default: as they are, f32.
    pub weights: Option<WeightType>,
    /// Write shared weights out as plain sparse rows. The results have the same bits. Default: no.
    pub unroll: bool,
    /// Subtracted from the input before the net sees it: nothing, one number, or one per channel.
    pub input_mean: Vec<f32>,
    /// What the input is divided by after that: nothing, one number, or one per channel.
    pub input_std: Vec<f32>,
}

/// Samples for calibration.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// `[n][elements of the input]`, as they are given to the spiking network: before mean and deviation.
    pub values: &'a [f32],
    /// The class of each sample, if it is known.
    pub labels: Option<&'a [i64]>,
    /// What the trained net itself gave for each sample, `[n][outputs]`, if the net that was read is to be compared with it
    /// ([`expect`](crate::expect())).
    pub expected: Option<&'a [f64]>,
}
