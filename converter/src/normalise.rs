//! How the scale λ of an activation is chosen: the value that a spike in every step stands for.

use crate::ann::Op;
use crate::calibrate::{Calibration, Extent, Watched, Zeros};
use crate::forward::ForwardError;

/// How scales are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Normalise {
    /// λ is the largest activation (Diehl et al. 2015, "Fast-classifying, high-accuracy spiking deep networks through weight
    /// and threshold balancing"). Nothing is clipped; rates are low if there are outliers.
    Max,
    /// λ is a high percentile of the activations (Rueckauer et al. 2017, "Conversion of continuous-valued deep networks to
    /// efficient event-driven networks for image classification", section 2.2.2), in per cent.
    Percentile(f64),
    /// λ minimises the squared error of clipping and rounding to the rates that a run of
    /// [`steps`](crate::options::Options::steps) steps can express (Li et al. 2021, "A free lunch from ANN", section 4.1).
    /// Trained thresholds of QCFS activations are kept. The default.
    #[default]
    LeastError,
    /// λ is what local threshold balancing comes to ([`Calibration::balanced_scales`]; Bu et al. 2024, arXiv:2409.03368), in 100
    /// rounds at half the rate with which the first step could go beyond the largest activation.
    Balanced,
    /// λ is the trained threshold of every activation, which must be QCFS (Bu et al. 2022, "Optimal ANN-SNN conversion for
    /// high-accuracy and ultra-low-latency spiking neural networks") or have an upper bound.
    Trained,
    /// λ is 1: the weights go into the network as they are.
    None,
}

/// Rounds of local threshold balancing, and η of each step.
const ROUNDS: u32 = 100;
const RATE: f64 = 0.5;

/// How far one scale reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalePer {
    /// One λ for all neurons of a layer.
    Layer,
    /// One λ per channel of an image, one per neuron of a vector.
    Channel,
}

/// The potential before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// 0: rates are rounded down.
    Zero,
    /// Half a threshold: rates are rounded to the nearest (Bu et al. 2022, theorem 2).
    Half,
}

impl Start {
    /// In thresholds.
    pub fn potential(self) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Half => 0.5,
        }
    }
}

impl Normalise {
    /// Whether it looks at the activations of this operator.
    pub(crate) fn needs_samples(self, op: &Op) -> bool {
        match self {
            Self::Max | Self::Percentile(_) | Self::Balanced => true,
            Self::LeastError => !matches!(op, Op::Qcfs { .. }),
            Self::Trained | Self::None => false,
        }
    }

    /// The start that goes with the method, if the user names none.
    pub(crate) fn usual_start(self, op: &Op) -> Start {
        match (self, op) {
            (_, Op::Qcfs { .. }) | (Self::LeastError | Self::Balanced | Self::Trained, _) => Start::Half,
            (Self::Max | Self::Percentile(_) | Self::None, _) => Start::Zero,
        }
    }

    /// λ of an operator that is known without samples.
    pub(crate) fn fixed(self, op: &Op) -> Option<f64> {
        match (self, op) {
            (Self::None, _) => Some(1.0),
            (Self::Trained | Self::LeastError, Op::Qcfs { theta, .. }) => Some(f64::from(*theta)),
            (Self::Trained, Op::Clip { max }) => Some(f64::from(*max)),
            // Only the net's output is no activation: where its spikes are read, its own unit is their unit.
            (Self::Trained, op) if !op.is_activation() => Some(1.0),
            _ => None,
        }
    }

    /// λ of every group of every watched activation; 0 where no activation was above zero.
    pub(crate) fn measured(
        self,
        calibration: &Calibration<'_>,
        watched: &[Watched],
        extents: &[Extent],
        zeros: Zeros,
        steps: u32,
        starts: &[f64],
    ) -> Result<Vec<Vec<f64>>, ForwardError> {
        match self {
            Self::Percentile(percent) => calibration.percentiles(watched, extents, percent, zeros),
            Self::LeastError => calibration.least_error_scales(watched, extents, steps, starts),
            Self::Balanced => calibration.balanced_scales(watched, extents, ROUNDS, RATE),
            Self::Max | Self::Trained | Self::None => {
                let maxima =
                    extents.iter().map(|extent| extent.largest.iter().map(|&v| f64::from(v)).collect());
                Ok(maxima.collect())
            }
        }
    }
}

/// The upper bound of an activation, which λ need not exceed.
pub(crate) fn upper_bound(op: &Op) -> Option<f64> {
    match op {
        Op::Clip { max } => Some(f64::from(*max)),
        Op::Qcfs { theta, .. } => Some(f64::from(*theta)),
        _ => None,
    }
}

/// Scales with those of dead groups, which are 0, raised to the median of the others, or to 1 if all are dead: what never
/// was active gets a resolution like its neighbours'.
pub(crate) fn floored(mut scales: Vec<f64>) -> Vec<f64> {
    let mut alive: Vec<f64> = scales.iter().copied().filter(|&scale| scale > 0.0).collect();
    alive.sort_by(f64::total_cmp);
    let usual = alive.get(alive.len() / 2).copied().unwrap_or(1.0);
    for scale in scales.iter_mut().filter(|scale| **scale <= 0.0) {
        *scale = usual;
    }
    scales
}
