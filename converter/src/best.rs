//! The neurons that suit runs of one length, by what they make of calibration samples.

use crate::ann::Ann;
use crate::convert::{Conversion, as_trained, convert_while};
use crate::error::ConvertError;
use crate::fit::{FitBy, SAMPLES, choose};
use crate::forward::forward_while;
use crate::neuron::NeuronKind;
use crate::normalise::Normalise;
use crate::options::{Options, Readout, Samples};
use crate::report::Candidate;
use crate::wanted::{RunEnd, Wanted};
use snn_engine::{AnySimulator, Encoding, Input, Mode, Outcome, default_threads, run_batch};
use std::sync::Arc;

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
    let n = ann.input_shape().elements();
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
    if let Some((what, _)) = given.iter().find(|(_, given)| *given) {
        return unfit(format!(
            "{what} is given, and the best neurons are to be chosen; leave one of them out"
        ));
    }
    let Some(steps) = options.steps else {
        return unfit("the best neurons are those for runs of one length; give the number of steps".into());
    };
    let Some(samples) = samples.filter(|samples| samples.values.len() >= 2 * n) else {
        return unfit("the best neurons are chosen on calibration samples, at least two; give some".into());
    };
    // The same halves in whatever order samples are given.
    let order = choose(samples.values, n, 2 * SAMPLES);
    let half = |which: usize| -> Vec<f32> {
        let chosen = order.iter().skip(which).step_by(2);
        chosen.flat_map(|&sample| &samples.values[sample * n..(sample + 1) * n]).copied().collect()
    };
    let [made_with, judged_on] = [half(0), half(1)];
    let mut candidates = Vec::with_capacity(2);
    for neuron in [NeuronKind::Unit, NeuronKind::Signed] {
        let options = Options { neuron: Some(neuron), compare: false, ..options.clone() };
        let of_half = Samples { values: &made_with, labels: None, expected: None };
        let conversion = convert_while(wanted, ann, Some(&of_half), &options)?;
        candidates.push(judge(wanted, ann, conversion, &judged_on, &options)?);
    }
    let best = candidates
        .iter()
        .fold(candidates[0], |best, candidate| if candidate.error < best.error { *candidate } else { best });
    let options = Options { neuron: Some(best.neuron), ..options.clone() };
    let mut conversion = convert_while(wanted, ann, Some(samples), &options)?;
    let tell = |candidate: &Candidate| {
        format!(
            "{} {:.2} % ({:.1} % of the classes the same, {:.0} spikes)",
            candidate.neuron.name(),
            100.0 * candidate.error,
            100.0 * candidate.agreement,
            candidate.spikes
        )
    };
    let note = format!(
        "{} neurons were chosen for {steps} steps: on half of the samples, with the network made of the others, outputs differ \
         from the trained net's by, in squares, {}",
        best.neuron.name(),
        candidates.iter().map(tell).collect::<Vec<_>>().join(", ")
    );
    conversion.report.notes.push(note.clone());
    conversion.notes.push(note);
    conversion.report.candidates = candidates;
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
