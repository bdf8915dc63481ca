//! Parameters that several models have.

use super::model::{Allowed, Parameter};

/// The current of every step.
pub const BIAS: Parameter = Parameter {
    name: "bias",
    allowed: Allowed::Finite,
    default: Some(0.0),
    at_rest: 0.0,
    meaning: "current of every step, potential per step",
};

/// Where a neuron fires.
pub const THRESHOLD: Parameter = Parameter {
    name: "threshold",
    allowed: Allowed::Positive,
    default: Some(1.0),
    at_rest: f32::INFINITY,
    meaning: "the neuron fires at this potential, inclusive",
};

/// The potential before the first step.
pub const START: Parameter = Parameter {
    name: "start",
    allowed: Allowed::Finite,
    default: Some(0.0),
    at_rest: 0.0,
    meaning: "potential before the first step; may exceed the threshold",
};
