//! What the neurons of a population are. Each file holds one kind: its parameters and its step.

mod accumulator;
mod integrate_fire;
mod kind;
mod max_pool;
mod ramp;

pub use accumulator::Accumulator;
#[cfg(feature = "internals")]
pub use integrate_fire::first_crossing;
pub use integrate_fire::{IntegrateFire, Reset};
pub use kind::Neuron;
pub use max_pool::MaxPool;
pub(crate) use max_pool::Maxima;
pub use ramp::REBASE;
pub(crate) use ramp::ramp_steps;
