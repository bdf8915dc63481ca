//! The scales of all activations of a net, and what calibration samples make of them.

use crate::affine::Runs;
use crate::ann::{Ann, NodeId};
use crate::calibrate::{Calibration, Extent, Watched};
use crate::error::ConvertError;
use crate::fit::{SAMPLES, choose};
use crate::forward::forward_while;
use crate::lower::{Kind, Lowered, Part, Scaling};
use crate::normalise::{ScalePer, floored, upper_bound};
use crate::options::{Options, Readout};
use crate::recipe::Recipe;
use crate::report::Units;
use crate::wanted::Wanted;

/// A chosen scale, with what was seen of the activation.
pub(crate) struct Measured {
    pub node: NodeId,
    pub scaling: Scaling,
    pub units: Option<Units>,
}

/// The scale of every activation, as options and recipe have it.
pub(crate) fn choose_scales(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: Option<&[f32]>,
    options: &Options,
    recipe: &Recipe,
    activations: &[NodeId],
) -> Result<Vec<Measured>, ConvertError> {
    let needy = activations.iter().find(|&&id| recipe.normalise.needs_samples(&ann.node(id).op));
    let Some(samples) = samples else {
        if let Some(&id) = needy {
            return Err(ConvertError::NoSamples { node: ann.node(id).name.clone() });
        }
        let fixed = |&node: &NodeId| Measured {
            node,
            scaling: fixed_scaling(ann, node, options, recipe),
            units: None,
        };
        return Ok(activations.iter().map(fixed).collect());
    };
    let calibration = Calibration { ann, samples, wanted };
    let channels: Vec<Watched> =
        activations.iter().map(|&node| Watched { node, groups: ann.node(node).shape.channels() }).collect();
    let extents = calibration.extents(&channels)?;
    let chosen: Vec<usize> = (0..activations.len())
        .filter(|&place| recipe.normalise.needs_samples(&ann.node(activations[place]).op))
        .collect();
    let watched: Vec<Watched> =
        chosen.iter().map(|&place| groups(ann, activations[place], options)).collect();
    let grouped: Vec<Extent> = chosen
        .iter()
        .zip(&watched)
        .map(|(&place, watched)| {
            if watched.groups == channels[place].groups {
                extents[place].clone()
            } else {
                extents[place].merged()
            }
        })
        .collect();
    let starts: Vec<f64> = watched.iter().map(|watched| start(ann, watched.node, options, recipe)).collect();
    let mut scales = recipe
        .normalise
        .measured(&calibration, &watched, &grouped, options.zeros, recipe.steps, &starts)?
        .into_iter();
    let mut all = Vec::with_capacity(activations.len());
    for (place, &node) in activations.iter().enumerate() {
        let scaling = if chosen.contains(&place) {
            let bound = upper_bound(&ann.node(node).op).unwrap_or(f64::INFINITY);
            let scales = floored(scales.next().expect("one list of scales for each chosen activation"));
            let scales = scales.into_iter().map(|scale| scale.min(bound)).collect();
            Scaling::new(
                Runs::new(ann.node(node).shape.elements(), scales),
                start(ann, node, options, recipe),
            )
        } else {
            fixed_scaling(ann, node, options, recipe)
        };
        let units = count_units(&extents[place], &scaling.lambda);
        all.push(Measured { node, scaling, units: Some(units) });
    }
    Ok(all)
}

fn count_units(extent: &Extent, lambda: &Runs) -> Units {
    let length = lambda.elements() / extent.largest.len();
    let dead = extent.positive.iter().filter(|&&positive| positive == 0).count();
    let saturated = extent
        .largest
        .iter()
        .enumerate()
        .filter(|(channel, largest)| f64::from(**largest) > lambda.get(channel * length))
        .count();
    Units { dead, saturated: Some(saturated), clipped: None, largest: None }
}

fn start(ann: &Ann, node: NodeId, options: &Options, recipe: &Recipe) -> f64 {
    let usual = recipe.normalise.usual_start(&ann.node(node).op);
    options.start.unwrap_or(usual).potential()
}

fn fixed_scaling(ann: &Ann, node: NodeId, options: &Options, recipe: &Recipe) -> Scaling {
    let lambda = recipe
        .normalise
        .fixed(&ann.node(node).op)
        .expect("an activation that needs no samples has a fixed scale");
    Scaling::new(Runs::same(ann.node(node).shape.elements(), lambda), start(ann, node, options, recipe))
}

/// The groups that share a scale: of a population whose spikes are the result, all of it, so that its classes compare.
pub(crate) fn groups(ann: &Ann, node: NodeId, options: &Options) -> Watched {
    let shape = &ann.node(node).shape;
    let result = options.readout == Readout::Spikes && node == ann.output();
    let usual = if shape.rank() > 1 { ScalePer::Channel } else { ScalePer::Layer };
    let groups = match options.scale_per.unwrap_or(usual) {
        ScalePer::Channel if !result => shape.channels(),
        _ => 1,
    };
    Watched { node, groups }
}

/// For each activation the share of what is above zero that is above its scale, on some of the samples: there the neuron
/// fires in every step and the rest is lost. `None` where nothing is above zero.
pub(crate) fn clipped(
    go_on: Wanted<'_>,
    ann: &Ann,
    lowered: &Lowered,
    raw: &[f32],
    prepared: &[f32],
    activations: &[NodeId],
) -> Result<Vec<Option<f64>>, ConvertError> {
    let n = ann.input_shape().elements();
    let values: Vec<f32> = choose(raw, n, SAMPLES)
        .iter()
        .flat_map(|&sample| &prepared[sample * n..(sample + 1) * n])
        .copied()
        .collect();
    let lambda_of = |node: NodeId| {
        let of = |part: &&Part| part.node == node && matches!(part.kind, Kind::Fires { .. });
        lowered.parts.iter().find(of).map(|part| &part.lambda)
    };
    let mut counts = vec![[0_u64; 2]; activations.len()];
    forward_while(go_on, ann, &values, activations, |activation| {
        for (counts, _) in counts.iter_mut().zip(activations).filter(|(_, node)| **node == activation.node) {
            let Some(lambda) = lambda_of(activation.node) else { continue };
            for (place, &value) in activation.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
                counts[0] += 1;
                counts[1] += u64::from(f64::from(value) > lambda.get(place % activation.elements));
            }
        }
    })?;
    Ok(counts
        .iter()
        .map(|[positive, above]| (*positive > 0).then(|| *above as f64 / *positive as f64))
        .collect())
}
