//! The simulator for whole runs.

mod cost;
mod delivery;
mod gather;
mod lanes;
mod layer;
mod side_by_side;
mod simulator;
mod threads;
mod tiled;
mod tiles;
mod train;
mod weights;
mod windows;

pub use delivery::Delivery;
pub use simulator::WindowSimulator;
pub(crate) use simulator::runs_in_windows;
pub(crate) use windows::longest_window;
