//! What arrays say about the samples of a net: how their axes hold values, spikes and labels.

mod labels;
mod shape;

pub use labels::labels;
pub use shape::{Batch, Misfit, batch, packed, raster};
