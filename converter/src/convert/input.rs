//! What the user gives: samples and the map of the input, checked.

use crate::affine::Runs;
use crate::ann::Ann;
use crate::error::ConvertError;
use crate::lower::Plan;
use crate::options::{Options, Samples};

/// Samples as a trained net takes them, `(x − mean) / std`, from samples as its spiking network does: mean and deviation are
/// those of [`Options::input_mean`] and [`Options::input_std`].
///
/// # Errors
/// [`ConvertError::Unfit`] if mean or deviation do not fit the net's input, or the values are no whole number of samples.
pub fn as_trained(ann: &Ann, values: &[f32], mean: &[f32], std: &[f32]) -> Result<Vec<f32>, ConvertError> {
    let options = Options { input_mean: mean.to_vec(), input_std: std.to_vec(), ..Options::default() };
    let (scale, shift) = input_map(ann, &options)?;
    let n = ann.input_shape().elements();
    if !values.len().is_multiple_of(n) {
        return Err(ConvertError::Unfit(format!(
            "there are {} numbers; allowed is a whole number of samples of {n} (the input is {})",
            values.len(),
            ann.input_shape()
        )));
    }
    Ok(scaled(values, n, &scale, &shift))
}

fn scaled(values: &[f32], n: usize, scale: &Runs, shift: &Runs) -> Vec<f32> {
    let map = |(element, &value): (usize, &f32)| {
        (f64::from(value) * scale.get(element % n) + shift.get(element % n)) as f32
    };
    values.iter().enumerate().map(map).collect()
}

/// Factor and summand of the input: `(x − mean) / std`.
pub(super) fn input_map(ann: &Ann, options: &Options) -> Result<(Runs, Runs), ConvertError> {
    let shape = ann.input_shape();
    let (n, channels) = (shape.elements(), shape.channels());
    let numbers = |what: &str, values: &[f32], usual: f64| {
        if values.is_empty() {
            return Ok(Runs::same(n, usual));
        }
        if values.len() != 1 && values.len() != channels {
            return Err(ConvertError::Unfit(format!(
                "the input's {what} has {} numbers; allowed are 1 or {channels} (the input is {shape})",
                values.len()
            )));
        }
        Ok(Runs::of_node(n, values))
    };
    if let Some(value) = options.input_mean.iter().find(|value| !value.is_finite()) {
        return Err(ConvertError::Unfit(format!(
            "the input's mean has the number {value}; allowed are finite numbers"
        )));
    }
    if let Some(value) = options.input_std.iter().find(|value| !value.is_normal() || **value < 0.0) {
        return Err(ConvertError::Unfit(format!(
            "the input's deviation has the number {value}; allowed are positive, finite numbers"
        )));
    }
    let scale = numbers("deviation", &options.input_std, 1.0)?.map(|std| 1.0 / std);
    let shift = numbers("mean", &options.input_mean, 0.0)?.zip(&scale, |mean, scale| -mean * scale);
    Ok((scale, shift))
}

/// Twice the largest magnitude of the samples, at least that of a spike.
pub(super) fn input_peak(values: &[f32]) -> f64 {
    2.0 * f64::from(values.iter().fold(0.5_f32, |most, value| most.max(value.abs())))
}

/// Whether the numbers of the samples and their labels fit the net.
pub(crate) fn check_samples(ann: &Ann, samples: &Samples<'_>) -> Result<(), ConvertError> {
    let shape = ann.input_shape();
    let n = shape.elements();
    let count = samples.values.len() / n;
    if !samples.values.len().is_multiple_of(n) || count == 0 {
        return Err(ConvertError::Unfit(format!(
            "there are {} calibration numbers; allowed is a whole number of samples, at least one, of {n} numbers (the input \
             `{}` is {shape})",
            samples.values.len(),
            ann.node(ann.input()).name
        )));
    }
    if let Some(labels) = samples.labels {
        if labels.len() != count {
            return Err(ConvertError::Unfit(format!(
                "there are {} labels for {count} calibration samples; allowed are equal numbers",
                labels.len()
            )));
        }
        let classes = ann.output_shape().elements();
        let is_class = |label: &i64| usize::try_from(*label).is_ok_and(|label| label < classes);
        if let Some(place) = labels.iter().position(|label| !is_class(label)) {
            return Err(ConvertError::Unfit(format!(
                "label {} of calibration sample {place} is no class: the net has {classes} outputs, allowed are 0 to {}",
                labels[place],
                classes.saturating_sub(1)
            )));
        }
    }
    Ok(())
}

/// The samples as the net takes them, checked.
pub(super) fn prepare(ann: &Ann, samples: &Samples<'_>, plan: &Plan) -> Result<Vec<f32>, ConvertError> {
    check_samples(ann, samples)?;
    let n = ann.input_shape().elements();
    Ok(scaled(samples.values, n, &plan.input_scale, &plan.input_shift))
}
