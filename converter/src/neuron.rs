//! What the activations of a trained net become.

use crate::convert::{ConvertError, Options, Readout};
use crate::fit::FitBy;
use crate::normalise::Normalise;
use crate::quantise::MOST_LEVELS;
use crate::recipe::Recipe;
use serde::Serialize;
use snn_engine::{BiasArrives, LARGEST_VALUE, Sign};

/// What the activations of a trained net become.
///
/// Rates of unit spikes need many steps: what arrives unevenly cannot be taken back, and a step tells one spike. The
/// other three are [`Bipolar`](snn_engine::Bipolar) neurons, whose spikes are whole numbers and which count what they gave.
/// They express the *quantised* network ([`quantise`](mod@crate::quantise)): activations of L levels.
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

/// Whether options and what they leave open fit one another.
pub(crate) fn check(options: &Options, recipe: &Recipe) -> Result<(), ConvertError> {
    let unfit = |reason: String| Err(ConvertError::Unfit(reason));
    let (name, counts) = (recipe.neuron.name(), recipe.neuron != NeuronKind::Unit);
    if !counts {
        let given = [
            ("a number of levels", options.levels.is_some()),
            ("a largest spike", options.max_spikes.is_some_and(|most| most != 1)),
            ("a reconstruction of weights", options.reconstruct.is_some()),
        ];
        if let Some((what, _)) = given.iter().find(|(_, given)| *given) {
            return unfit(format!(
                "{what} goes with the neurons multi, signed and settle; these are {name}, whose spikes are ones"
            ));
        }
        return Ok(());
    }
    let other_scales = !matches!(options.normalise, None | Some(Normalise::LeastError));
    let given = [
        (
            "a method of choosing scales other than least squared error (mse)",
            other_scales,
            "their scales are those of the quantised network",
        ),
        (
            "a fit to the spikes of a run",
            options.fit == Some(true),
            "they are fitted to the quantised network",
        ),
        ("a way of fitting", options.fit_by != FitBy::Search, "they are fitted to the quantised network"),
        ("a start", options.start.is_some(), "they start at half a threshold, so that they round"),
        (
            "a read-out by spikes",
            options.readout == Readout::Spikes,
            "outputs are read from potentials, which lose nothing",
        ),
        (
            "a number of steps",
            recipe.neuron == NeuronKind::Settle && options.steps.is_some(),
            "they run until they are at rest, in one step if the largest spike is as large as the number of levels",
        ),
    ];
    if let Some((what, _, why)) = given.iter().find(|(_, given, _)| *given) {
        return unfit(format!("{what} does not go with {name} neurons: {why}; leave it out"));
    }
    if !(1..=MOST_LEVELS).contains(&recipe.levels) {
        return unfit(format!("the number of levels is {}; allowed is 1 to {MOST_LEVELS}", recipe.levels));
    }
    let largest = LARGEST_VALUE.unsigned_abs();
    if !(1..=largest).contains(&recipe.max_spikes) {
        return unfit(format!("the largest spike is {}; allowed is 1 to {largest}", recipe.max_spikes));
    }
    let told = u64::from(recipe.steps) * u64::from(recipe.max_spikes);
    if recipe.neuron != NeuronKind::Settle && u64::from(recipe.levels) > told {
        return unfit(format!(
            "{} steps of spikes up to {} tell {told} levels, and {} are asked for; allowed are {told}: take more steps, \
             larger spikes or fewer levels",
            recipe.steps, recipe.max_spikes, recipe.levels
        ));
    }
    Ok(())
}
