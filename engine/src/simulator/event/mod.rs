//! The event-driven simulator.

mod delivery;
mod neurons;
mod simulator;
mod wake;

pub use simulator::EventSimulator;
#[cfg(feature = "internals")]
pub use wake::WakeQueue;
