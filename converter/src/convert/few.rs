//! Networks of few steps: neurons that count, made of the quantised network.

use super::made::Made;
use crate::affine::Runs;
use crate::ann::Ann;
use crate::error::ConvertError;
use crate::lower::{Counts, Plan, Scaling, lower};
use crate::neuron::NeuronKind;
use crate::notes;
use crate::options::{Options, Samples};
use crate::quantise::{self, Layer, QuantiseError, quantise_while};
use crate::recipe::Recipe;
use crate::report::{Spread, Units};
use crate::wanted::Wanted;
use snn_formats::{Arrives, Basis, QUIET_STEPS, RunLength};

impl From<QuantiseError> for ConvertError {
    fn from(error: QuantiseError) -> Self {
        match error {
            QuantiseError::Forward(error) => error.into(),
            QuantiseError::Stopped(stopped) => Self::Stopped(stopped),
            QuantiseError::Unfit(_) | QuantiseError::Ann(_) => Self::Unfit(error.to_string()),
        }
    }
}

/// Quantises a net and lowers it: a count of a neuron is a level, so its threshold of 1 is worth θ of its group's total input, and
/// its spikes stand for the group's value.
///
/// Where input arrives in each of T steps, a step brings a T-th of the total, so that counts after T steps are those of
/// the quantised network but for what came unevenly.
pub(super) fn few(
    wanted: Wanted<'_>,
    ann: &Ann,
    plan: &Plan,
    samples: Option<(&Samples<'_>, &[f32])>,
    options: &Options,
    recipe: &Recipe,
) -> Result<Made, ConvertError> {
    let Some((_, prepared)) = samples else {
        return Err(ConvertError::Unfit(format!(
            "the levels of {} neurons are chosen on calibration samples, and there are none; give some",
            recipe.neuron.name()
        )));
    };
    let of = quantise::Options {
        levels: recipe.levels,
        scale_per: options.scale_per,
        reconstruct: options.reconstruct,
    };
    let quantised = quantise_while(wanted, ann, prepared, &of)?;
    let mut plan = Plan { check_only: false, ..plan.clone() };
    plan.scalings.clear();
    let (mut said, mut warnings) = (Vec::new(), Vec::new());
    for layer in &quantised.layers {
        let node = ann.node(layer.trained);
        let count = layer.count(&quantised.ann) * f64::from(recipe.steps);
        let scaling = Scaling {
            counts: Some(Counts {
                most: recipe.max_spikes,
                high: layer.levels,
                sign: recipe.neuron.sign(),
                arrives: recipe.neuron.arrives(),
            }),
            ..Scaling::new(Runs::same(node.shape.elements(), count), 0.5)
        };
        plan.scalings.insert(layer.counts, scaling);
        said.extend(notes::on_dead(&node.name, &node.shape, layer.dead));
        warnings.extend(notes::on_layer(&node.name, &node.shape, layer.dead, None));
        let told = u64::from(recipe.steps) * u64::from(recipe.max_spikes);
        if recipe.neuron != NeuronKind::Settle && u64::from(layer.levels) > told {
            warnings.push(format!(
                "`{}` was trained with {} levels, and {} steps of spikes up to {} tell {told}: what is above is lost; take more \
                 steps or larger spikes",
                node.name, layer.levels, recipe.steps, recipe.max_spikes
            ));
        }
    }
    let mut lowered = lower(&quantised.ann, &plan).map_err(ConvertError::Refused)?;
    let mut units = Vec::with_capacity(lowered.parts.len());
    for part in &mut lowered.parts {
        let layer = quantised.layers.iter().find(|layer| layer.counts == part.node);
        units.push(layer.map(|layer| {
            let times = |factor: f64| layer.values.iter().map(|value| value * factor).collect::<Vec<f64>>();
            // The net that was lowered has counts here; the user has activations.
            part.lambda = Runs::new(part.lambda.elements(), times(f64::from(recipe.steps)));
            let largest = Some(Spread::of(&times(f64::from(layer.levels))));
            Units { dead: layer.dead, saturated: None, clipped: None, largest }
        }));
    }
    let run = Some(run_length(&quantised.layers, recipe));
    Ok(Made { lowered, quantised: Some(quantised), units, run, notes: said, warnings })
}

/// The runs that such a network is made for.
fn run_length(layers: &[Layer], recipe: &Recipe) -> RunLength {
    if recipe.neuron != NeuronKind::Settle {
        return RunLength::new(recipe.steps, Basis::Fitted);
    }
    // With spikes as large as the largest count every neuron says all it has when its whole input is there.
    let at_once = layers.iter().all(|layer| layer.levels <= recipe.max_spikes);
    let steps = if at_once { 1 } else { QUIET_STEPS };
    RunLength { arrives: Arrives::Once, until_quiet: !at_once, ..RunLength::new(steps, Basis::Settled) }
}
