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
//!     Neuron::of(IntegrateFire {
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
//! 2. **Current.** A spike has a *value* `s`, a whole number that is not 0 and at most `m` in magnitude, a property of
//!    the emitting population ([`Emission`]); where nothing else is said it is 1. The *contribution* of a spike over a
//!    weight `w` is the product `w·s`, rounded once (for |s| = 1 it is exact). In a step the current of a neuron
//!    starts at +0.0 in its own accumulator, or with what it is given from outside (sentence 9). The contributions of the arriving
//!    spikes are added one by one: projections in declaration order, sources in ascending id. Nothing is
//!    reassociated, fused or reordered. Then one add: `u ← u + current`. A neuron at which nothing arrived is not
//!    written, unless its model moves in every step.
//! 3. **Bias is a ramp, not an event**, for models on a ramp ([`Autonomy::Ramp`]). The membrane potential is
//!    `v = u + b·k`, with `k` the number of steps since the last re-base, this one included; one multiply, one add. At
//!    the start of every step that is a multiple of [`REBASE`] (but 0), `u ← u + b·REBASE`, and `k` restarts at 1. So a
//!    neuron that nothing reaches costs nothing, and the first step at which it acts by itself is known exactly. Models
//!    that move in every step ([`Autonomy::EveryStep`]) have neither: their step adds the bias. Where the bias arrives
//!    once ([`Drive::once`], [`BiasArrives::Once`]) there is no ramp either: in step 0 the neuron is given bias plus
//!    constant current as a current, if that sum is not 0.
//! 4. **Spike.** What a neuron emits is what [`Model::step`] of its model says, at most one spike in a step.
//!    [`IntegrateFire`]: it fires iff `v ≥ θ`, with the value 1; reset by subtraction: `u ← u − θ`; to zero:
//!    `u ← 0 − b·k`. A residual `v ≥ θ` after a reset stays and fires in the next step without any input; so does an
//!    initial potential `≥ θ`. [`Bipolar`]: `q = ⌊v/θ⌋` (one division, one floor), `s = q` brought into −m … m and then so
//!    that the sum A of its values stays within its bounds; if `s ≠ 0`: `u ← u − s·θ` (the product rounded once, then
//!    one subtraction), `A ← A + s`. An [`Accumulator`] only integrates: it never fires and never resets. A max-pool
//!    unit emits by how much the largest count among its inputs changed ([`MaxPool`]). The spikes of a step are listed
//!    in ascending id.
//! 5. **State** is all that the next step depends on and nothing else ([`State`]): the step, the variables of every
//!    neuron as its model describes them, the counts of max pooling, and the spikes under way with their values. Two
//!    simulators of one network given one stimulus have equal states, by bits, after every step; and a state saved
//!    from one can be restored into any other, which then goes on with equal bits.
//! 6. **Independence.** Results do not depend on the number of threads, the batch a sample was in, the kernel
//!    chosen, the width of the registers, or the platform.
//! 7. **Input.** Encoders are pure functions of (seed, sample, neuron, step). Constant-current input is an
//!    addition to the biases behind the source, per sample; the product with the weights is made once, in the
//!    order of sentence 2 ([`Drive::constant`]).
//! 8. Weights, biases, thresholds and initial potentials are finite and at most [`LARGEST`] in magnitude, values of
//!    spikes at most [`LARGEST_VALUE`], so that no potential can overflow; thresholds are above 0. A zero weight is no
//!    synapse; −0.0 becomes +0.0.
//! 9. **From outside** ([`Stimulus`]). In any step a neuron may be given a *current*: its accumulator then starts with it,
//!    or, where something arrives once in the same step, with the sum of that and the current, in this order. A current of 0 is
//!    none. And a population that fires may be given *spikes*, of values that it may emit: they are emitted in this step as
//!    if by their neurons (delivered, listed, counted, under way), each in place of what its neuron emits by itself, whose
//!    own step is as it would be without. Sources emit what they are given and nothing else.
//!
//! Two sentences say more than the founding text of the contract did: the re-base stands at the *start* of a
//! step (so a run of [`REBASE`] steps has none), and sentence 8 has a bound, without which two simulators could
//! part at a NaN. Values are whole because counts, rates and bounds must be exact; their product with a weight is rounded
//! before it is added because that is what every machine does alike.

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
#[allow(unsafe_code, reason = "values of a register type are proof of its instructions")]
mod lanes;
mod network;
mod neuron;
mod per_neuron;
pub mod random;
mod record;
mod run;
mod simulator;
mod spikes;
mod state;
mod threads;

pub use buffer::Buffer;
pub use error::{NetworkError, NetworkErrorKind};
pub use input::{Drive, Encoding, Input, Sample, Stimulus};
pub use kernel::instruction_sets;
pub use lanes::{Counts, Lanes};
pub use network::connectivity::{
    Connectivity, Conv2d, Conv2dGeometry, DenseRows, Nibbles, OneToOne, Rows, SparseRows, Targets,
    WeightType, Weights,
};
pub use network::{
    AnyModel, BuiltIn, ConvolutionShape, DenseOperations, LONGEST_DELAY, Lattice, Layout, Network,
    NetworkBuilder, Neuron, Population, PopulationId, Projection,
};
pub use neuron::models::*;
pub use neuron::{
    Allowed, Autonomy, BIAS, BiasArrives, Choice, Columns, Description, Emission, Emitted, Initial,
    LeakyReset, MaxPool, Model, Parameter, REBASE, Reset, START, Sign, THRESHOLD, Variable,
};
pub use per_neuron::{LARGEST, PerNeuron};
pub use record::{PopulationStatistics, Raster, Spikes, Statistics};
pub use run::{
    AnySimulator, Divergence, Memory, Mode, Outcome, Until, divergence_at_end, first_divergence, run_batch,
    run_sample, run_samples,
};
#[cfg(feature = "internals")]
pub use simulator::WakeQueue;
pub use simulator::{
    BatchSimulator, Delivery, DenseSimulator, EventSimulator, Observer, Simulator, WindowSimulator,
};
pub use spikes::{LARGEST_VALUE, SpikeList, SpikeSlice};
pub use state::{Difference, PopulationState, State};
pub use threads::{MOST_THREADS, default_threads};
