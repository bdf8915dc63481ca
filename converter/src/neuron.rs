//! What the activations of a trained net become.

use serde::Serialize;
use snn_engine::{BiasArrives, Sign};

/// What the activations of a trained net become.
///
/// Rates of unit spikes need many steps: what arrives unevenly cannot be taken back, and a step tells one spike. The
/// other three are [`Bipolar`](snn_engine::Bipolar) neurons, whose spikes are whole numbers and which count what they gave.
/// They express the *quantised* network ([`quantise`](mod@crate::quantise)): activations of L levels.
///
/// Calibrated offset spikes (COS, Hao et al. 2023, "Bridging the gap between ANNs and SNNs by calibrating offset spikes") are not
/// among them. They shift the start of each neuron by what one sample left in it after a first run of ρ steps, layer after layer, so
/// they are no property of a network, and potentials are read between its steps. Spikes that came too early, which they
/// correct, signed and settling neurons take back within the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeuronKind {
    /// Integrate-and-fire neurons with spikes of value 1, reset by subtraction; constant input in every step.
    #[default]
    Unit,
    /// Up to m thresholds in a step, none taken back (AdaFire, Wang et al. 2024); constant input in every step.
    Multi,
    /// Up to m thresholds in a step, and what was given too early is taken back (Wang et al. 2022; ST-BIF of SpikeZIP-TF, You
    /// et al. 2024); constant input in every step. After T steps of at most m thresholds each a neuron tells T·m levels.
    Signed,
    /// As signed, but input and biases arrive once, in the first step, and the network comes to rest: at the quantised
    /// network, whatever the order of the spikes. With m = L it does so in a single step.
    Settle,
}

impl NeuronKind {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Unit, "unit"), (Self::Multi, "multi"), (Self::Signed, "signed"), (Self::Settle, "settle")];

    /// Its name, as front ends have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Multi => "multi",
            Self::Signed => "signed",
            Self::Settle => "settle",
        }
    }

    pub(crate) fn sign(self) -> Sign {
        match self {
            Self::Unit | Self::Multi => Sign::Unsigned,
            Self::Signed | Self::Settle => Sign::Signed,
        }
    }

    pub(crate) fn arrives(self) -> BiasArrives {
        match self {
            Self::Unit | Self::Multi | Self::Signed => BiasArrives::EveryStep,
            Self::Settle => BiasArrives::Once,
        }
    }
}
