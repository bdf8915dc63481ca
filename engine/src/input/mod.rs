//! What a network is given.

mod batch;
mod drive;
mod sample;
mod stimulus;

pub use batch::{Encoding, Input};
pub use drive::Drive;
pub use sample::Sample;
pub use stimulus::Stimulus;
