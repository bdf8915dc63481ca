//! What arrays say about the samples of a net: how their axes hold values, spikes and labels.

mod labels;
mod shape;

pub use labels::labels;
pub use shape::{Batch, Misfit, batch, packed, raster};

use std::path::Path;

use crate::array::Array;
use crate::error::{FormatError, Origin};

/// The array of samples in an `.npy` file; at least one.
///
/// # Errors
/// As [`crate::npy::read`], and if it has none.
pub fn read(path: &Path) -> Result<Array, FormatError> {
    let array = crate::npy::read(path)?;
    if array.shape.contains(&0) {
        let shape: Vec<String> = array.shape.iter().map(usize::to_string).collect();
        return Err(Origin::file(path).error(format!(
            "it has no samples; at least one is needed (its shape is ({}))",
            shape.join(", ")
        )));
    }
    Ok(array)
}
