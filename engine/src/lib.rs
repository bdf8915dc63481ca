//! Simulation of spiking networks on whole time steps, event-driven and dense, equal bit for bit.
//!
//! A [`Network`] holds populations of neurons and the projections between them; it is immutable, checked by
//! its [`NetworkBuilder`], and shared by any number of simulators. A [`Simulator`] holds where a run stands,
//! a [`State`]. [`WindowSimulator`] is the fastest for whole runs and [`EventSimulator`] for single steps;
//! [`DenseSimulator`] is the reference that both must equal.
//!
//! ```
//! use std::sync::Arc;
//! use snn_engine::*;
//!
//! # fn main() -> Result<(), NetworkError> {
//! // Two inputs excite one neuron of threshold 1, with weights 0.5 and 0.75.
//! let mut builder = NetworkBuilder::new();
//! let input = builder.population("input", Layout::Flat(2), Neuron::Source);
//! let layer = builder.population(
//!     "layer",
//!     Layout::Flat(1),
//!     Neuron::IntegrateFire(IntegrateFire {
//!         threshold: PerNeuron::same(1.0)?,
//!         bias: PerNeuron::same(0.0)?,
//!         start: PerNeuron::same(0.0)?,
//!         reset: Reset::Subtract,
//!     }),
//! );
//! let weights = SparseRows::from_dense(1, &[0.5, 0.75])?;
//! builder.projection(input, layer, 0, Connectivity::Rows(Rows::Sparse(weights)));
//! let network = Arc::new(builder.build()?);
//!
//! let mut simulator = EventSimulator::new(Arc::clone(&network));
//! let both = Stimulus::new(&network, &[(input, &[0, 1])])?;
//! assert_eq!(simulator.step(&both).of(layer), [0]); // 0.5 + 0.75 crosses 1 …
//! assert_eq!(simulator.potentials(layer), [0.25]); // … and 0.25 stays.
//! assert!(simulator.step(&Stimulus::none()).of(layer).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! Every simulator computes exactly this, bit for bit; numbers are f32.
//!
//! 1. **Time** is a whole number of steps `t = 0 …`. A projection has a delay `d ≥ 0` in whole steps: a spike
//!    emitted at `t` arrives at `t + d`. Projections with `d = 0` form no cycle; populations are updated in a
//!    topological order of them, so a spike crosses a zero-delay projection within its own step.
//! 2. **Current.** In a step the input current of a neuron starts at +0.0 in its own accumulator. The weights
//!    of the arriving spikes are added one by one: projections in declaration order, sources in ascending id.
//!    Nothing is reassociated, fused or reordered. Then one add: `u ← u + current`. A neuron at which nothing
//!    arrived is not written.
//! 3. **Bias is a ramp, not an event.** The membrane potential is `v = u + b·k`, with `k` the number of steps
//!    since the last re-base, this one included; one multiply, one add. At the start of every step that is a
//!    multiple of [`REBASE`] (but 0), `u ← u + b·REBASE`, and `k` restarts at 1. So a neuron that nothing reaches
//!    costs nothing, and the first step at which its bias alone carries it over the threshold is known exactly.
//! 4. **Spike.** A neuron fires iff `v ≥ θ`, at most once in a step. Reset by subtraction: `u ← u − θ`; to zero:
//!    `u ← 0 − b·k`. A residual `v ≥ θ` after a reset stays and fires in the next step without any input; so does
//!    an initial potential `≥ θ`. The spikes of a step are listed in ascending id. An accumulator only
//!    integrates: it never fires and never resets. A max-pool unit fires iff the largest spike count among its
//!    inputs grew ([`MaxPool`]).
//! 5. **State** is all that the next step depends on and nothing else ([`State`]). Two simulators of one network
//!    given one stimulus have equal states, by bits, after every step; and a state saved from one can be
//!    restored into any other, which then goes on with equal bits.
//! 6. **Independence.** Results do not depend on the number of threads, the batch a sample was in, the kernel
//!    chosen, the width of the registers, or the platform.
//! 7. **Input.** Encoders are pure functions of (seed, sample, neuron, step). Constant-current input is an
//!    addition to the biases behind the source, per sample; the product with the weights is made once, in the
//!    order of sentence 2 ([`Drive::constant`]).
//! 8. Weights, biases, thresholds and initial potentials are finite and at most [`LARGEST`] in magnitude, so that
//!    no potential can overflow; thresholds are above 0. A zero weight is no synapse; −0.0 becomes +0.0.
//!
//! Two sentences say more than the founding text of the contract did: the re-base stands at the *start* of a
//! step (so a run of [`REBASE`] steps has none), and sentence 8 has a bound, without which two simulators could
//! part at a NaN.

#![deny(unsafe_code)]

// `tests/layers.rs` has them from the bottom up: a file imports from its own folder and from lower layers only.
mod bits;
mod buffer;
pub mod encode;
mod error;
mod input;
#[allow(unsafe_code, reason = "functions compiled for an instruction set are called after it was detected")]
#[cfg(not(feature = "internals"))]
mod kernel;
#[allow(unsafe_code, reason = "functions compiled for an instruction set are called after it was detected")]
#[cfg(feature = "internals")]
pub mod kernel;
mod network;
mod neuron;
mod per_neuron;
pub mod random;
mod record;
mod run;
mod simulator;
mod state;

pub use buffer::Buffer;
pub use error::NetworkError;
pub use input::{Drive, Encoding, Input, Sample, Stimulus};
pub use kernel::instruction_sets;
pub use network::connectivity::{
    Connectivity, Conv2d, Conv2dGeometry, DenseRows, OneToOne, Rows, SparseRows, Targets,
};
pub use network::{
    DenseOperations, LONGEST_DELAY, Layout, Network, NetworkBuilder, Population, PopulationId, Projection,
};
#[cfg(feature = "internals")]
pub use neuron::first_crossing;
pub use neuron::{Accumulator, IntegrateFire, MaxPool, Neuron, REBASE, Reset};
pub use per_neuron::{LARGEST, PerNeuron};
pub use record::{PopulationStatistics, Raster, Spikes, Statistics};
pub use run::{
    AnySimulator, Divergence, Mode, Outcome, default_threads, divergence_at_end, first_divergence, run_batch,
    run_sample, run_samples,
};
#[cfg(feature = "internals")]
pub use simulator::WakeQueue;
pub use simulator::{Delivery, DenseSimulator, EventSimulator, Observer, Simulator, WindowSimulator};
pub use state::{Difference, PopulationState, State};
