//! Whole runs: samples and batches of them, and what came out.

mod batch;
mod divergence;
mod memory;
mod mode;
mod outcome;
mod samples;
mod until;

pub use batch::run_batch;
pub use divergence::{Divergence, divergence_at_end, first_divergence};
pub use memory::Memory;
pub use mode::{AnySimulator, Mode};
pub use outcome::{Outcome, run_sample};
pub use samples::run_samples;
pub use until::Until;
