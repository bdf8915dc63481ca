//! Where a run stands.

mod bytes;
mod standing;

pub use standing::{Difference, PopulationState, State};
pub(crate) use standing::{effective_biases, injected, inputs_counted, ramp_of};
