//! The event-driven simulator.

mod delivery;
mod simulator;
mod wake;

pub use simulator::EventSimulator;
#[cfg(feature = "internals")]
pub use wake::WakeQueue;
