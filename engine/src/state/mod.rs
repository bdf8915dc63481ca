//! Where a run stands.

mod bytes;
mod rest;
mod standing;

pub(crate) use rest::{neuron_rests, waits};
pub use standing::{Difference, PopulationState, State};
pub(crate) use standing::{effective_biases, injected, inputs_counted, ramp_of};
