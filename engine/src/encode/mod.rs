//! How values become spikes.
//!
//! Every encoder is a pure function of its seed, the sample's number, the neuron and the step: the first
//! `T` steps of a longer raster are the raster of `T` steps, whatever the batch or the number of threads.
//! Constant-current input needs no encoder: see [`Drive::constant`](crate::input::Drive::constant).

mod bernoulli;
mod given;
mod regular;
mod words;

pub use bernoulli::bernoulli;
pub(crate) use bernoulli::{split_mix, stream};
pub use given::given;
pub(crate) use given::{of_rows, pack, unpack};
pub use regular::regular;

use crate::error::NetworkError;

/// Refuses what is not a rate, by the first neuron that has none.
fn check_rates(x: &[f32]) -> Result<(), NetworkError> {
    match x.iter().position(|rate| !(0.0..=1.0).contains(rate)) {
        Some(index) => Err(NetworkError::of_input(
            format!("input value [{index}]"),
            format!(
                "is {}; spike rates must lie in [0, 1]: scale the input, or use constant-current encoding",
                x[index]
            ),
        )),
        None => Ok(()),
    }
}
