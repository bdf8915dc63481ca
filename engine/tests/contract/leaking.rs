//! The leaky models once more, by themselves and with the mistakes that real simulators make of them: what the impostors
//! step them with.

use snn_engine::*;

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// The leak takes from what arrives in the step, too.
    LeakBehindCurrent,
    /// The potential gets the filtered current of the step before.
    FilterBehindPotential,
    /// Neurons rest one step too few.
    RestOffByOne,
    /// The leak is multiplied and added in one rounding.
    FusedLeak,
    /// A spike raises the threshold before it is subtracted.
    RiseBeforeReset,
}

/// One neuron of any of the leaky models.
struct Leaking<'a> {
    threshold: &'a PerNeuron,
    leak: &'a PerNeuron,
    reset: LeakyReset,
    after: &'a PerNeuron,
    refractory: &'a PerNeuron,
    decay: Option<&'a PerNeuron>,
    adaptation: Option<(&'a PerNeuron, &'a PerNeuron)>,
}

fn of(neuron: &Neuron) -> Option<Leaking<'_>> {
    if let Some(Leaky { leak, threshold, reset, after, refractory, .. }) = neuron.as_model() {
        let (decay, adaptation) = (None, None);
        return Some(Leaking { threshold, leak, reset: *reset, after, refractory, decay, adaptation });
    }
    if let Some(CurrentLeaky { decay, leak, threshold, reset, after, refractory, .. }) = neuron.as_model() {
        let (decay, adaptation) = (Some(decay), None);
        return Some(Leaking { threshold, leak, reset: *reset, after, refractory, decay, adaptation });
    }
    let AdaptiveLeaky { recovery, rise, leak, threshold, reset, after, refractory, .. } =
        neuron.as_model()?;
    let (decay, adaptation) = (None, Some((recovery, rise)));
    Some(Leaking { threshold, leak, reset: *reset, after, refractory, decay, adaptation })
}

/// Whether neurons move in every step instead of along a ramp.
pub fn is_leaky(neuron: &Neuron) -> bool {
    of(neuron).is_some() || neuron.as_model::<LeakyAccumulator>().is_some()
}

/// Where a potential moves.
fn moved(wrong: Wrong, leak: f32, u: f32, driven: f32, bias: f32) -> f32 {
    match wrong {
        Wrong::LeakBehindCurrent => (u + driven) * leak + bias,
        Wrong::FusedLeak => leak.mul_add(u, driven) + bias,
        _ => leak * u + driven + bias,
    }
}

/// A step of neuron `at`: whether it fires. `None` if it does not leak.
pub fn step(
    neuron: &Neuron,
    at: usize,
    wrong: Wrong,
    bias: f32,
    current: Option<f32>,
    state: &mut PopulationState,
) -> Option<bool> {
    let arrived = current.unwrap_or(-0.0);
    if let Some(LeakyAccumulator { leak, .. }) = neuron.as_model() {
        let u = &mut state.potentials[at];
        *u = moved(wrong, leak.get(at), *u, arrived, bias);
        return Some(false);
    }
    let model = of(neuron)?;
    let (u, leak) = (state.potentials[at], model.leak.get(at));
    let mut driven = arrived;
    if let Some(decay) = model.decay {
        let filtered = &mut state.reals[0][at];
        let before = *filtered;
        *filtered = before * decay.get(at) + arrived + 0.0;
        driven = if wrong == Wrong::FilterBehindPotential { before } else { *filtered };
    }
    let moved = moved(wrong, leak, u, driven, bias);
    let mut threshold = model.threshold.get(at);
    let mut raised = threshold;
    if let Some((recovery, rise)) = model.adaptation {
        let risen = &mut state.reals[0][at];
        *risen *= recovery.get(at);
        threshold += *risen;
        raised = threshold + rise.get(at);
    }
    let rest = &mut state.counts[0][at];
    if *rest > 0 {
        *rest -= 1;
        return Some(false);
    }
    let fires = moved >= threshold;
    state.potentials[at] = moved;
    if fires {
        state.potentials[at] = match model.reset {
            LeakyReset::Subtract if wrong == Wrong::RiseBeforeReset => moved - raised,
            LeakyReset::Subtract => moved - threshold,
            LeakyReset::To => model.after.get(at),
        };
        *rest = model.refractory.get(at) as i32;
        if wrong == Wrong::RestOffByOne {
            *rest = (*rest - 1).max(0);
        }
        if let Some((_, rise)) = model.adaptation {
            state.reals[0][at] += rise.get(at);
        }
    }
    Some(fires)
}
