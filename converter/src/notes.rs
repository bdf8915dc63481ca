//! What the user should know about a conversion, in words.

use crate::ann::Shape;
use crate::lower::{Kind, Lowered};
use crate::normalise::Normalise;

/// That a percentile was probably given as a fraction.
pub(crate) fn on_percentile(normalise: Normalise) -> Option<String> {
    match normalise {
        Normalise::Percentile(percent) if percent <= 1.0 => Some(format!(
            "the percentile {percent} is in per cent, so nearly all activations are above their scale and saturate; for the \
             fraction {percent} say {}",
            // Without the noise of the multiplication: 99.9, not 99.90000000000001.
            (percent * 1e8).round() / 1e6
        )),
        _ => None,
    }
}

/// That some, but not all, channels are never active.
pub(crate) fn on_dead(name: &str, shape: &Shape, dead: usize) -> Option<String> {
    (dead > 0 && dead < shape.channels()).then(|| {
        format!(
            "`{name}`: {dead} of {} {} are never active on the calibration samples; their scale is the median of the others",
            shape.channels(),
            if shape.rank() > 1 { "channels" } else { "neurons" },
        )
    })
}

/// That a whole layer is dead or saturated: `dead` of its channels are never active, and the share `clipped` of its
/// activations above zero is above its scale.
pub(crate) fn on_layer(name: &str, shape: &Shape, dead: usize, clipped: Option<f64>) -> Option<String> {
    if dead == shape.channels() {
        return Some(format!(
            "`{name}` is dead: no neuron of it is ever active on the calibration samples; are they what the net was trained on, in \
             the same range?"
        ));
    }
    let clipped = clipped.filter(|clipped| *clipped >= 0.5)?;
    Some(format!(
        "`{name}` is saturated: {:.0} % of its activations above zero are above its scale, where neurons fire in every step and \
         the rest is lost; are the samples what the net was trained on, and is the way of choosing scales the right one?",
        clipped * 100.0
    ))
}

/// Which sums without an activation became populations of their own.
pub(crate) fn on_relays(lowered: &Lowered) -> Option<String> {
    const LISTED: usize = 4;
    let relays = lowered.parts.iter().filter(|part| matches!(part.kind, Kind::Relays { .. }));
    let names: Vec<String> = relays.map(|part| format!("`{}`", part.name)).collect();
    let more = names.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        format!(
            "{} {} passed on by relays, neurons whose spikes have values: {}{rest}; merged with the layers behind them they would take \
             more weights, and a maximum needs spikes",
            names.len(),
            if names.len() == 1 { "weighted sum is" } else { "weighted sums are" },
            names[..names.len() - more].join(", "),
        )
    })
}
