//! What a run leaves behind: spikes and counts.

mod raster;
mod spikes;
mod statistics;

pub use raster::Raster;
pub use spikes::Spikes;
pub use statistics::{PopulationStatistics, Statistics};
