//! From a trained net to a spiking network of given neurons.

mod check;
mod few;
mod input;
mod made;
mod rates;

use crate::affine::Runs;
use crate::ann::{Ann, NodeId};
use crate::compare::{Compared, compare};
use crate::effective::EffectiveOptions;
use crate::error::ConvertError;
use crate::expect::expect_while;
use crate::fit::choose;
use crate::import::Refusal;
use crate::lower::{Lowered, Plan, Scaling, lower, needed};
use crate::neuron::NeuronKind;
use crate::normalise::Normalise;
use crate::notes;
use crate::options::{Options, Readout, Samples};
use crate::quantise::Quantised;
use crate::recipe::Recipe;
use crate::report::{Report, layers};
use crate::wanted::Wanted;
use crate::whole::{self, Activity, Rounded};
use check::check;
use few::few;
pub use input::as_trained;
pub(crate) use input::check_samples;
use input::{input_map, input_peak, prepare};
use made::Made;
use rates::rates;
use snn_engine::{Network, WeightType};
use snn_formats::{Basis, Description, InputRange, RunLength};

/// What a conversion yields.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The network. Its first population is `input`, its last the one to read.
    pub network: Network,
    /// What its numbers stand for, and what it is made for; its provenance and report are the caller's to fill in
    /// ([`Report::kept`]).
    pub description: Description,
    /// How it was made, nothing left open.
    pub options: EffectiveOptions,
    /// The quantised network that neurons which count express; none of unit spikes.
    pub quantised: Option<Quantised>,
    /// What was done, layer by layer.
    pub report: Report,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What the user should look at: the network is probably not what was wanted.
    pub warnings: Vec<String>,
}

/// Converts a trained net to the neurons that the options name, unit ones if they name none.
pub(crate) fn convert_given(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: Option<&Samples<'_>>,
    options: &Options,
) -> Result<Conversion, ConvertError> {
    let recipe = Recipe::of(options, samples.is_some());
    check(options, &recipe)?;
    let (input_scale, input_shift) = input_map(ann, options)?;
    let activations = activations(ann, options);
    let mut plan = Plan {
        scalings: activations.iter().map(|&node| (node, unit_scaling(ann, node))).collect(),
        output_fires: options.readout == Readout::Spikes,
        input_scale,
        input_shift,
        input_peak: samples.map_or(1.0, |samples| input_peak(samples.values)),
        unroll: options.unroll,
        check_only: true,
    };
    let mut refusals = lower(ann, &plan).err().unwrap_or_default();
    refusals.extend(untrained(ann, &activations, &recipe));
    if !refusals.is_empty() {
        return Err(ConvertError::Refused(refusals));
    }
    let mut notes = Vec::new();
    let mut warnings: Vec<String> = notes::on_percentile(recipe.normalise).into_iter().collect();
    let prepared = samples.map(|samples| prepare(ann, samples, &plan)).transpose()?;
    let expected = samples.and_then(|samples| samples.expected).zip(prepared.as_deref());
    let agreement =
        expected.map(|(outputs, prepared)| expect_while(wanted, ann, prepared, outputs)).transpose()?;
    plan.check_only = false;
    let given = samples.zip(prepared.as_deref());
    let made = if recipe.neuron == NeuronKind::Unit {
        rates(wanted, ann, plan, given, options, &recipe, &activations)?
    } else {
        few(wanted, ann, &plan, given, options, &recipe)?
    };
    notes.extend(made.notes);
    warnings.extend(made.warnings);
    let Made { mut lowered, quantised, units, run, .. } = made;
    notes.extend(notes::on_relays(&lowered));
    let Rounded { network, layers: roundings, .. } =
        whole_weights(wanted, &mut lowered, options, &recipe, samples.map(|samples| samples.values))?;
    let mut report = Report {
        neuron: recipe.neuron,
        levels: quantised.as_ref().map(|_| recipe.levels),
        max_spikes: quantised.as_ref().map(|_| recipe.max_spikes),
        steps: recipe.steps,
        fitted: recipe.fit,
        notes: warnings.iter().chain(&notes).cloned().collect(),
        agreement,
        layers: layers(
            quantised.as_ref().map_or(ann, |quantised| &quantised.ann),
            &lowered,
            &network,
            &units,
            options.unroll,
        ),
        ..Report::default()
    };
    for (layer, rounding) in report.layers.iter_mut().zip(roundings) {
        layer.weight_rounding = rounding;
    }
    if options.compare
        && let Some((samples, prepared)) = given
    {
        let values = [samples.values, prepared];
        let compared = Compared {
            lowered: &lowered,
            network: &network,
            quantised: quantised.as_ref(),
            run: run.unwrap_or(RunLength::new(recipe.steps, Basis::Stated)),
        };
        let found = compare(wanted, ann, &compared, values, samples.labels)?;
        report.compared = Some(found.samples);
        report.accuracy = found.accuracy;
        for (layer, loss) in report.layers.iter_mut().zip(found.losses) {
            layer.loss = loss;
        }
    }
    let description = Description {
        run,
        input: samples.and_then(|samples| InputRange::of(samples.values)),
        units: lowered.parts.iter().map(|part| part.unit().map(Some)).collect::<Result<_, _>>()?,
        ..Description::default()
    };
    let options = EffectiveOptions::of(ann, options, &recipe);
    Ok(Conversion { network, description, options, quantised, report, notes, warnings })
}

/// The network with its weights rounded, if that is asked for; read-outs take the scale up in their unit.
fn whole_weights(
    wanted: Wanted<'_>,
    lowered: &mut Lowered,
    options: &Options,
    recipe: &Recipe,
    samples: Option<&[f32]>,
) -> Result<Rounded, ConvertError> {
    let network = lowered.network()?;
    let of = options.weights.unwrap_or(WeightType::F32);
    let activity = match samples.filter(|_| of != WeightType::F32) {
        Some(raw) => {
            let n = network.populations()[0].size();
            Activity::of_runs(wanted, &network, raw, &choose(raw, n, whole::SAMPLES), recipe.steps)?
        }
        None => Activity::unknown(&network),
    };
    let rounded = whole::round(&network, &activity, of, recipe.steps)?;
    for (part, &factor) in lowered.parts.iter_mut().zip(&rounded.read_out) {
        part.lambda = part.lambda.map(|lambda| lambda * factor);
    }
    Ok(rounded)
}

/// The activations that the output depends on, and the output if it is to fire.
fn activations(ann: &Ann, options: &Options) -> Vec<NodeId> {
    let needed = needed(ann);
    ann.iter()
        .filter(|(id, node)| {
            let fires = options.readout == Readout::Spikes && *id == ann.output();
            needed[id.index()] && (node.op.is_activation() || fires)
        })
        .map(|(id, _)| id)
        .collect()
}

fn unit_scaling(ann: &Ann, node: NodeId) -> Scaling {
    Scaling::new(Runs::same(ann.node(node).shape.elements(), 1.0), 0.0)
}

/// The activations without a trained threshold, if that is what is asked for.
fn untrained(ann: &Ann, activations: &[NodeId], recipe: &Recipe) -> Vec<Refusal> {
    if recipe.normalise != Normalise::Trained {
        return Vec::new();
    }
    activations
        .iter()
        .filter(|&&id| Normalise::Trained.fixed(&ann.node(id).op).is_none())
        .map(|&id| Refusal {
            node: ann.node(id).name.clone(),
            op: ann.node(id).op.kind().into(),
            reason: "it has no trained threshold".into(),
            hint: "choose a method that looks at activations, such as mse, and give calibration samples"
                .into(),
        })
        .collect()
}
