//! Networks of unit spikes, whose rates stand for activations.

use super::made::Made;
use crate::ann::{Ann, NodeId};
use crate::error::ConvertError;
use crate::fit::fit;
use crate::lower::{Kind, Part, Plan, lower};
use crate::notes;
use crate::options::{Options, Samples};
use crate::recipe::Recipe;
use crate::report::Units;
use crate::scales::{choose_scales, clipped, groups};
use crate::wanted::Wanted;
use snn_formats::{Basis, RunLength};

/// Integrate-and-fire neurons whose rates stand for activations.
pub(super) fn rates(
    wanted: Wanted<'_>,
    ann: &Ann,
    mut plan: Plan,
    given: Option<(&Samples<'_>, &[f32])>,
    options: &Options,
    recipe: &Recipe,
    activations: &[NodeId],
) -> Result<Made, ConvertError> {
    let (mut said, mut warnings) = (Vec::new(), Vec::new());
    let prepared = given.map(|(_, prepared)| prepared);
    let measured = choose_scales(wanted, ann, prepared, options, recipe, activations)?;
    plan.scalings = measured.iter().map(|m| (m.node, m.scaling.clone())).collect();
    let lowered = if recipe.fit {
        let Some((samples, prepared)) = given else {
            return Err(ConvertError::NoSamples { node: ann.node(ann.output()).name.clone() });
        };
        let groups_of = |node| groups(ann, node, options).groups;
        said.push(format!(
            "fitted to runs of {} steps with constant input; convert again for other run lengths",
            recipe.steps
        ));
        fit(wanted, ann, &plan, [samples.values, prepared], recipe.steps, options.fit_by, groups_of)?
    } else {
        lower(ann, &plan).map_err(ConvertError::Refused)?
    };
    let clipped = match given {
        Some((samples, prepared)) => clipped(wanted, ann, &lowered, samples.values, prepared, activations)?,
        None => Vec::new(),
    };
    for (place, measured) in measured.iter().enumerate() {
        let Some(units) = measured.units else { continue };
        let (name, of) = (&ann.node(measured.node).name, &ann.node(measured.node).shape);
        said.extend(notes::on_dead(name, of, units.dead));
        warnings.extend(notes::on_layer(name, of, units.dead, clipped.get(place).copied().flatten()));
    }
    let of_part = |part: &Part| {
        let place = measured.iter().position(|m| m.node == part.node)?;
        let clipped = clipped.get(place).copied().flatten();
        measured[place].units.map(|units| Units { clipped, ..units })
    };
    let fires = |part: &Part| matches!(part.kind, Kind::Fires { .. });
    let units = lowered.parts.iter().map(|part| if fires(part) { of_part(part) } else { None }).collect();
    let run = run_length(ann, options, recipe);
    Ok(Made { lowered, quantised: None, units, run, notes: said, warnings })
}

/// The runs that the network is made for.
fn run_length(ann: &Ann, options: &Options, recipe: &Recipe) -> Option<RunLength> {
    let basis = match options.steps {
        _ if recipe.fit => Basis::Fitted,
        Some(_) if recipe.depends_on_steps(ann) => Basis::Scaled,
        Some(_) => Basis::Stated,
        None => return None,
    };
    Some(RunLength::new(recipe.steps, basis))
}
