//! The front door: from a trained net to a spiking network, of the neurons that suit runs of one length where none are named.

use crate::ann::Ann;
use crate::convert::{Conversion, as_trained, check_samples, convert_given};
use crate::error::ConvertError;
use crate::fit::{FitBy, SAMPLES, choose};
use crate::forward::forward_while;
use crate::neuron::NeuronKind;
use crate::normalise::Normalise;
use crate::options::{Options, Readout, Samples};
use crate::recipe::LONGEST_FITTED;
use crate::report::Candidate;
use crate::wanted::{RunEnd, Wanted};
use snn_engine::{AnySimulator, Encoding, Input, Mode, Outcome, default_threads, run_batch};
use std::sync::Arc;

/// The longest runs for which the best neurons are looked for where nothing is said. In longer ones unit spikes reach what the trained
/// net does (benches/record/accuracy-2026-11-23.md).
pub const LONGEST_COMPARED: u32 = LONGEST_FITTED;

/// Converts a trained net.
///
/// Where the options name no neurons, but a run length of at most [`LONGEST_COMPARED`] steps, and there are two calibration samples
/// or more, the neurons are those that lose least in such runs ([`convert_best_while`]), unless an option is given that only one
/// kind of neurons has or the result is read from spikes; everywhere else they are unit neurons.
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
    match worth_choosing(ann, samples, options) {
        Some((samples, steps)) => choose_and_convert(wanted, ann, samples, options, steps),
        None => convert_given(wanted, ann, samples, options),
    }
}

/// [`convert_while`] with the neurons, unit or signed, whose outputs in runs of `options.steps` steps are nearest to those of the
/// trained net: each is made with one half of the samples and judged on the other. With the chosen ones the network is made of all
/// samples; the report and a note tell what was found.
///
/// # Errors
/// As [`convert_while`], and if the options name neurons, a way of fitting or scales of unit spikes only, a read-out by spikes, or no
/// number of steps, or there are fewer than two samples.
pub fn convert_best_while(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: Option<&Samples<'_>>,
    options: &Options,
) -> Result<Conversion, ConvertError> {
    let unfit = |reason: String| Err(ConvertError::Unfit(reason));
    if let Some(what) = decided(options) {
        return unfit(format!(
            "{what} is given, and the best neurons are to be chosen; leave one of them out"
        ));
    }
    let Some(steps) = options.steps else {
        return unfit("the best neurons are those for runs of one length; give the number of steps".into());
    };
    let Some(samples) = samples.filter(|samples| count(ann, samples) >= 2) else {
        return unfit("the best neurons are chosen on calibration samples, at least two; give some".into());
    };
    choose_and_convert(wanted, ann, samples, options, steps)
}

/// The samples and the steps for which the best neurons are to be looked for though nobody asked: for runs of at most
/// [`LONGEST_COMPARED`] steps, if there are samples and nothing is given that only one kind of neurons has.
fn worth_choosing<'a>(
    ann: &Ann,
    samples: Option<&'a Samples<'a>>,
    options: &Options,
) -> Option<(&'a Samples<'a>, u32)> {
    let steps = options.steps.filter(|&steps| steps <= LONGEST_COMPARED)?;
    let samples = samples.filter(|samples| count(ann, samples) >= 2)?;
    decided(options).is_none().then_some((samples, steps))
}

/// What of the options leaves nothing to choose.
fn decided(options: &Options) -> Option<&'static str> {
    let given = [
        ("a kind of neurons", options.neuron.is_some()),
        ("a start", options.start.is_some()),
        ("a fit", options.fit.is_some() || options.fit_by != FitBy::Search),
        ("a method of choosing scales", !matches!(options.normalise, None | Some(Normalise::LeastError))),
        ("a read-out by spikes", options.readout == Readout::Spikes),
        ("a number of levels", options.levels.is_some()),
        ("a largest spike", options.max_spikes.is_some()),
        ("a reconstruction of weights", options.reconstruct.is_some()),
    ];
    given.iter().find_map(|&(what, given)| given.then_some(what))
}

fn count(ann: &Ann, samples: &Samples<'_>) -> usize {
    samples.values.len() / ann.input_shape().elements().max(1)
}

/// The conversion with the neurons that lose least in runs of so many steps.
fn choose_and_convert(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: &Samples<'_>,
    options: &Options,
    steps: u32,
) -> Result<Conversion, ConvertError> {
    check_samples(ann, samples)?;
    let n = ann.input_shape().elements();
    // The same halves in whatever order samples are given.
    let order = choose(samples.values, n, 2 * SAMPLES);
    let half = |which: usize| -> Vec<f32> {
        let chosen = order.iter().skip(which).step_by(2);
        chosen.flat_map(|&sample| &samples.values[sample * n..(sample + 1) * n]).copied().collect()
    };
    let [made_with, judged_on] = [half(0), half(1)];
    let tried = |neuron| {
        let options = Options { neuron: Some(neuron), compare: false, ..options.clone() };
        let of_half = Samples { values: &made_with, labels: None, expected: None };
        let conversion = convert_given(wanted, ann, Some(&of_half), &options)?;
        judge(wanted, ann, conversion, &judged_on, &options)
    };
    let candidates = [tried(NeuronKind::Unit)?, tried(NeuronKind::Signed)?];
    let best = candidates
        .iter()
        .fold(candidates[0], |best, candidate| if candidate.error < best.error { *candidate } else { best });
    let options = Options { neuron: Some(best.neuron), ..options.clone() };
    let mut conversion = convert_given(wanted, ann, Some(samples), &options)?;
    let tell = |candidate: &Candidate| {
        format!(
            "{} {:.2} % ({:.1} % of the classes the same, {:.0} spikes)",
            candidate.neuron.name(),
            100.0 * candidate.error,
            100.0 * candidate.agreement,
            candidate.spikes
        )
    };
    let found = candidates.iter().map(tell).collect::<Vec<_>>().join(", ");
    let note = format!(
        "{} neurons were chosen for {steps} steps: on half of the samples, with the network made of the others, outputs differ \
         from the trained net's by, in squares, {found}",
        best.neuron.name(),
    );
    conversion.report.notes.push(note.clone());
    conversion.notes.push(note);
    conversion.report.candidates = candidates.to_vec();
    Ok(conversion)
}

/// What a network loses on samples.
fn judge(
    wanted: Wanted<'_>,
    ann: &Ann,
    conversion: Conversion,
    values: &[f32],
    options: &Options,
) -> Result<Candidate, ConvertError> {
    let prepared = as_trained(ann, values, &options.input_mean, &options.input_std)?;
    let trained = forward_while(wanted, ann, &prepared, &[], |_| {})?;
    let classes = ann.output_shape().elements();
    let network = Arc::new(conversion.network);
    let input = Input::values(&network, values.to_vec(), Encoding::Constant)?;
    let simulator = AnySimulator::new(Mode::Auto, Arc::clone(&network));
    let steps = conversion.report.steps;
    let outcomes: Vec<Outcome> =
        run_batch(0..input.samples(), default_threads(), &simulator, &input, steps, false, |_| {
            wanted.check().map_err(RunEnd::from)
        })?;
    let (mut off, mut size, mut same) = (0.0, 0.0, 0_usize);
    for (outcome, trained) in outcomes.iter().zip(trained.chunks_exact(classes)) {
        let found = conversion.description.outputs(&network, outcome, false).unwrap_or_default();
        let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / classes as f64;
        let (mean_found, mean_trained) = (mean(&found), mean(trained));
        for (found, trained) in found.iter().zip(trained) {
            let trained = f64::from(*trained) - mean_trained;
            off += (f64::from(*found) - mean_found - trained).powi(2);
            size += trained * trained;
        }
        same += usize::from(largest(&found) == largest(trained));
    }
    let spikes: u64 = outcomes.iter().map(|outcome| outcome.statistics.total().spikes).sum();
    let each = outcomes.len().max(1) as f64;
    Ok(Candidate {
        neuron: conversion.report.neuron,
        max_spikes: conversion.options.max_spikes,
        error: if size > 0.0 { off / size } else { off },
        agreement: same as f64 / each,
        spikes: spikes as f64 / each,
    })
}

fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}
