//! What the simulators are measured against, and how.
//!
//! - [`Dense`]: what a dense multi-step framework does: per layer one blocked matrix product over all steps
//!   (of a convolution: of its im2col), then a scan of the membranes.
//! - [`Scatter`]: the plain loop over compressed rows, one spike after the other, then the same scan.
//! - [`Stepped`]: the plain loop step by step, for networks with delays and cycles.
//! - [`scatter_limit`]: how many weights a second this machine can add to distinct places at all.
//! - [`study`]: all of them and the simulator on one network, interleaved, best of many, on one thread.
//!
//! Rivals are honest: compiled for the best instruction set of the machine, allocated once, given their spikes
//! in the form they like best before the clock starts, and run layer by layer so that their weights stay in
//! the cache.

mod clock;
mod dense;
mod limit;
mod membrane;
mod race;
mod rival;
mod scatter;
mod stepped;
mod study;
mod table;

pub use clock::thread_seconds;
pub use dense::Dense;
pub use limit::scatter_limit;
pub use membrane::Neurons;
pub use race::{Contender, Times, race};
pub use rival::{Counts, Rival, Unsupported};
pub use scatter::Scatter;
pub use stepped::Stepped;
pub use study::{Difference, LayerStudy, Study, StudyError, alone, counts, study};
