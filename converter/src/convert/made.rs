//! What the ways of converting have in common.

use crate::lower::Lowered;
use crate::quantise::Quantised;
use crate::report::Units;
use snn_formats::RunLength;

/// The spiking network to be, and what is known of its populations.
pub(super) struct Made {
    pub lowered: Lowered,
    pub quantised: Option<Quantised>,
    /// Of every part what was counted on the samples.
    pub units: Vec<Option<Units>>,
    /// The runs that the network is made for.
    pub run: Option<RunLength>,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
}
