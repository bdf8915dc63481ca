//! What brings a network forward in time.

mod dense;
mod event;
mod interface;
mod membrane;
mod rows;
mod window;

pub use dense::DenseSimulator;
pub use event::EventSimulator;
#[cfg(feature = "internals")]
pub use event::WakeQueue;
pub use interface::{Observer, Simulator};
pub use window::{Delivery, WindowSimulator};
pub(crate) use window::{longest_window, runs_in_windows};
