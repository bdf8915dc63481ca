//! The front door: from a trained net to a spiking network.

mod best;
mod few;
mod input;
mod rates;

use crate::affine::Runs;
use crate::ann::{Ann, NodeId};
use crate::calibrate::Zeros;
use crate::compare::{Compared, compare};
use crate::effective::EffectiveOptions;
use crate::expect::{ExpectError, expect_while};
use crate::fit::{FitBy, choose};
use crate::forward::ForwardError;
use crate::import::Refusal;
use crate::lower::{Lowered, Plan, Scaling, lower, needed};
use crate::neuron::{self, NeuronKind};
use crate::normalise::{Normalise, ScalePer, Start};
use crate::notes;
use crate::quantise::Quantised;
use crate::recipe::Recipe;
use crate::report::{Report, Units, layers};
use crate::wanted::{RunEnd, Stopped, Wanted};
use crate::whole::{self, Activity, Rounded};
pub use best::{Candidate, convert_best_while};
use few::few;
pub use input::as_trained;
use input::{input_map, input_peak, prepare};
use rates::rates;
use snn_engine::{Network, NetworkError, WeightType};
use snn_formats::{Basis, Description, InputRange, RunLength};
use std::fmt;

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
    /// What activations become. Default: unit.
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
    /// How scales are chosen. Default: least squared error ([`Recipe`]).
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
    /// ([`Recipe::of`]).
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

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Nodes that cannot become part of a spiking network: all of them.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
    /// The method looks at activations, and there are no samples.
    #[error(
        "scales are chosen from activations (node `{node}`), which needs calibration samples; give some, or choose trained \
         thresholds (qcfs) or none, which need no samples"
    )]
    NoSamples {
        /// The first activation that needs them.
        node: String,
    },
    /// An option, or the number of samples or labels, does not fit.
    #[error("{0}")]
    Unfit(String),
    /// The net cannot be evaluated on the samples.
    #[error("calibration: {0}")]
    Forward(ForwardError),
    /// It is not wanted any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The net that was read is not the one that was trained, or the outputs expected of it do not fit.
    #[error("{0}")]
    Expect(ExpectError),
    /// The numbers do not make a network.
    #[error("{0}")]
    Network(#[from] NetworkError),
}

/// What a [`ConvertError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvertErrorKind {
    /// Something of the model has no spiking counterpart.
    Model,
    /// Samples, labels or expected outputs are missing or do not fit, or an option does not.
    Input,
    /// Numbers that are not finite, or too large.
    Numbers,
    /// The net that was read is not the one that was trained.
    Differs,
    /// The work was stopped from outside.
    Stopped,
}

impl ConvertError {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ConvertErrorKind {
        match self {
            Self::Refused(_) => ConvertErrorKind::Model,
            Self::NoSamples { .. }
            | Self::Unfit(_)
            | Self::Forward(ForwardError::Length { .. })
            | Self::Expect(ExpectError::Unfit(_) | ExpectError::Forward(ForwardError::Length { .. })) => {
                ConvertErrorKind::Input
            }
            Self::Forward(ForwardError::NotFinite { .. })
            | Self::Expect(ExpectError::Forward(ForwardError::NotFinite { .. }))
            | Self::Network(_) => ConvertErrorKind::Numbers,
            Self::Expect(ExpectError::Differs(_)) => ConvertErrorKind::Differs,
            Self::Stopped(_)
            | Self::Forward(ForwardError::Stopped(_))
            | Self::Expect(ExpectError::Forward(ForwardError::Stopped(_))) => ConvertErrorKind::Stopped,
        }
    }
}

impl From<ForwardError> for ConvertError {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Stopped(stopped) => Self::Stopped(stopped),
            other => Self::Forward(other),
        }
    }
}

impl From<ExpectError> for ConvertError {
    fn from(error: ExpectError) -> Self {
        match error {
            ExpectError::Forward(ForwardError::Stopped(stopped)) => Self::Stopped(stopped),
            other => Self::Expect(other),
        }
    }
}

impl From<RunEnd> for ConvertError {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Unfit(error) => Self::Network(error),
            RunEnd::Stopped(stopped) => Self::Stopped(stopped),
        }
    }
}

fn list(refusals: &[Refusal]) -> impl fmt::Display {
    let mut text =
        format!("{} node{} cannot be converted:", refusals.len(), if refusals.len() == 1 { "" } else { "s" });
    for refusal in refusals {
        text.push_str(&format!("\n  {refusal}"));
    }
    text
}

/// Converts a trained net.
///
/// # Errors
/// If nodes cannot be converted (all are listed), samples are missing or do not fit, an option does not fit the net, or a
/// value is not finite.
pub fn convert(
    ann: &Ann,
    samples: Option<&Samples<'_>>,
    options: &Options,
) -> Result<Conversion, ConvertError> {
    convert_while(Wanted::always(), ann, samples, options)
}

/// [`convert`] as long as it is wanted: a caller that is told to give up (Ctrl-C, a closed window) has its thread back
/// within a few hundredths of a second.
///
/// # Errors
/// As [`convert`], and [`ConvertError::Stopped`].
pub fn convert_while(
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
        layers: layers(&lowered, &network, &units),
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

/// The spiking network to be, and what is known of its populations.
struct Made {
    lowered: Lowered,
    quantised: Option<Quantised>,
    /// Of every part what was counted on the samples.
    units: Vec<Option<Units>>,
    /// The runs that the network is made for.
    run: Option<RunLength>,
    notes: Vec<String>,
    warnings: Vec<String>,
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

fn check(options: &Options, recipe: &Recipe) -> Result<(), ConvertError> {
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
    neuron::check(options, recipe)
}
