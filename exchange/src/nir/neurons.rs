//! Neurons of a node as a model of the engine.

use std::collections::BTreeMap;

use snn_engine::{BuiltIn, IntegrateFire, NetworkError, Neuron, PerNeuron, Reset};

use super::graph::{NirError, Node};
use super::{METADATA, Steps};

/// The smallest f32 above a number: `v > x` of any f32 v is `v ≥` this.
fn above(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) > x { near } else { near.next_up() }
}

/// Neurons of a node: the model, and the factor of what arrives.
pub(super) struct Neurons {
    pub model: BTreeMap<&'static str, Vec<f32>>,
    pub name: &'static str,
    pub choices: Vec<(&'static str, &'static str)>,
    pub gain: Vec<f64>,
    /// What is added in every step beside the constants that arrive.
    pub leak: Vec<f64>,
}

pub(super) fn neurons(name: &str, node: &Node, shape: &[usize], steps: Steps) -> Result<Neurons, NirError> {
    let count = shape.iter().product::<usize>();
    let each = |of: &str| -> Result<Vec<f64>, NirError> {
        let tensor = node.need(name, of)?;
        tensor.stretched(shape).ok_or_else(|| {
            NirError::of_node(
                name,
                format!("has `{of}` of shape {:?} for neurons of shape {shape:?}", tensor.shape()),
            )
        })
    };
    let or_zero = |of: &str| if node.numbers.contains_key(of) { each(of) } else { Ok(vec![0.0; count]) };
    let threshold = |of: &str| -> Result<Vec<f32>, NirError> {
        let thresholds: Vec<f32> = each(of)?.into_iter().map(above).collect();
        match thresholds.iter().find(|threshold| **threshold <= 0.0) {
            Some(threshold) => Err(NirError::of_node(
                name,
                format!("has a threshold of about {threshold}; allowed are numbers from 0 on"),
            )),
            None => Ok(thresholds),
        }
    };
    // dt/τ, at most 1.
    let rate = |of: &str| -> Result<Vec<f64>, NirError> {
        let rates: Vec<f64> = each(of)?.into_iter().map(|tau| steps.dt / tau).collect();
        match rates.iter().find(|rate| !(0.0..=1.0 + 1e-9).contains(*rate)) {
            Some(rate) => Err(NirError::of_node(
                name,
                format!(
                    "has `{of}` of {} s at steps of {} s; allowed are times of at least a step: use a smaller dt",
                    steps.dt / rate,
                    steps.dt
                ),
            )),
            None => Ok(rates.into_iter().map(|rate| rate.min(1.0)).collect()),
        }
    };
    let left = |rates: &[f64]| rates.iter().map(|rate| (1.0 - rate) as f32).collect::<Vec<f32>>();
    let times = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
    let none = vec![0.0; count];
    let to = vec![("reset", "to")];
    Ok(match node.kind.as_str() {
        "IF" => {
            let (threshold, after) = (threshold("v_threshold")?, narrow(or_zero("v_reset")?));
            if after.iter().all(|after| *after == 0.0) {
                let model = [("threshold", threshold)].into();
                let choices = vec![("reset", "zero")];
                Neurons { model, name: "integrate-and-fire", choices, gain: each("r")?, leak: none }
            } else {
                let model = [("threshold", threshold), ("after", after), ("leak", vec![1.0])].into();
                Neurons { model, name: "leaky", choices: to, gain: each("r")?, leak: none }
            }
        }
        "LIF" => {
            let rates = rate("tau")?;
            let model = [
                ("threshold", threshold("v_threshold")?),
                ("after", narrow(or_zero("v_reset")?)),
                ("leak", left(&rates)),
            ];
            let leak = times(&or_zero("v_leak")?, &rates);
            Neurons {
                model: model.into(),
                name: "leaky",
                choices: to,
                gain: times(&each("r")?, &rates),
                leak,
            }
        }
        "CubaLIF" => {
            let (rates, synaptic) = (rate("tau_mem")?, rate("tau_syn")?);
            let w_in = if node.numbers.contains_key("w_in") { each("w_in")? } else { vec![1.0; count] };
            let model = [
                ("threshold", threshold("v_threshold")?),
                ("after", narrow(or_zero("v_reset")?)),
                ("leak", left(&rates)),
                ("decay", left(&synaptic)),
            ];
            let gain = times(&times(&each("r")?, &rates), &times(&w_in, &synaptic));
            let leak = times(&or_zero("v_leak")?, &rates);
            Neurons { model: model.into(), name: "current-leaky", choices: to, gain, leak }
        }
        "Threshold" => {
            let model = [("threshold", threshold("threshold")?), ("leak", vec![0.0])].into();
            Neurons { model, name: "leaky", choices: to, gain: vec![1.0; count], leak: none }
        }
        "LI" => {
            let rates = rate("tau")?;
            let leak = times(&or_zero("v_leak")?, &rates);
            let model = [("leak", left(&rates))].into();
            Neurons {
                model,
                name: "leaky-accumulator",
                choices: vec![],
                gain: times(&each("r")?, &rates),
                leak,
            }
        }
        _ => Neurons {
            model: BTreeMap::new(),
            name: "accumulator",
            choices: vec![],
            gain: each("r")?,
            leak: none,
        },
    })
}

/// Parameters and choices of a model as the metadata of a node keep them: `name=value …`, numbers as the bits of f32 and runs of
/// equal ones as `bits*count`.
pub(super) fn kept(name: &str, text: &str, neurons: usize) -> Result<Neuron, NirError> {
    let refused = |what: String| NirError::of_node(name, format!("has metadata `{METADATA}` that {what}"));
    let mut words = text.split_whitespace();
    let model =
        BuiltIn::find(words.next().unwrap_or_default()).map_err(|error| refused(error.to_string()))?;
    let (mut parameters, mut choices) = (vec![], vec![]);
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            return Err(refused(format!("hold `{word}`; allowed are words `name=value`")));
        };
        if model.description.parameter(key).is_none() {
            choices.push((key, value));
            continue;
        }
        let mut values: Vec<f32> = vec![];
        for run in value.split(',') {
            let (bits, count) = run.split_once('*').unwrap_or((run, "1"));
            let number = u32::from_str_radix(bits, 16).map(f32::from_bits).ok();
            let count = count.parse().ok().filter(|count| *count <= neurons - values.len());
            let (Some(number), Some(count)) = (number, count) else {
                return Err(refused(format!(
                    "hold the number `{run}`; allowed are 8 hexadecimal digits and `*` a count, no more than {neurons} in all"
                )));
            };
            values.extend(std::iter::repeat_n(number, count));
        }
        parameters
            .push((key, PerNeuron::repeating(values.into()).map_err(|error| refused(error.to_string()))?));
    }
    model.named(parameters, choices).map_err(|error| refused(error.to_string()))
}

/// Neurons that fire in every step.
pub(super) fn every_step() -> Result<Neuron, NetworkError> {
    let [one, zero] = [PerNeuron::same(1.0)?, PerNeuron::same(0.0)?];
    Ok(Neuron::of(IntegrateFire { threshold: one.clone(), bias: one, start: zero, reset: Reset::Zero }))
}
