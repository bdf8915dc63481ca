//! Whether the options of a conversion fit one another.

use crate::error::ConvertError;
use crate::fit::FitBy;
use crate::neuron::NeuronKind;
use crate::normalise::Normalise;
use crate::options::{Options, Readout};
use crate::quantise::MOST_LEVELS;
use crate::recipe::Recipe;
use snn_engine::LARGEST_VALUE;

/// Whether options and what they leave open fit one another.
pub(super) fn check(options: &Options, recipe: &Recipe) -> Result<(), ConvertError> {
    if let Normalise::Percentile(percent) = recipe.normalise
        && !(percent > 0.0 && percent <= 100.0)
    {
        return Err(ConvertError::Unfit(format!(
            "the percentile is {percent}; allowed is above 0 and at most 100"
        )));
    }
    if recipe.steps == 0 {
        return Err(ConvertError::Unfit("the number of steps is 0; allowed is at least 1".into()));
    }
    if options.fit_by != FitBy::Search && recipe.neuron == NeuronKind::Unit && !recipe.fit {
        return Err(ConvertError::Unfit(format!(
            "a way of fitting, {}, is given, and nothing is fitted; give a number of steps, calibration samples, and say that it \
             is to be fitted",
            options.fit_by.name()
        )));
    }
    check_neuron(options, recipe)
}

fn check_neuron(options: &Options, recipe: &Recipe) -> Result<(), ConvertError> {
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
