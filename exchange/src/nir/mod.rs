//! Graphs of the Neuromorphic Intermediate Representation (NIR), to networks and back.
//!
//! A [`Graph`] is what a NIR file or the Python package `nir` holds: nodes with their numbers, and edges. [`to_network`] makes a
//! network of it and [`from_network`] a graph of a network.
//!
//! Files are read and written in [`mod@file`].
//!
//! NIR states neurons as differential equations; a network has whole steps of `dt` seconds. Between them stand these sentences:
//!
//! | node | equation | in steps |
//! |---|---|---|
//! | LIF | τ·dv/dt = (v_leak − v) + R·I | v ← (1 − dt/τ)·v + (dt/τ)·(v_leak + R·I) |
//! | LI | the same | the same, and it never fires |
//! | CubaLIF | τ_syn·di/dt = −i + w_in·S, τ_mem·dv/dt = (v_leak − v) + R·i | i as above with S, then v with the new i |
//! | IF, I | dv/dt = R·I | v ← v + R·I: spikes are impulses, whatever `dt` |
//! | Threshold | H(I − θ) | it fires iff the current of the step is above θ |
//! | Delay | S(t − τ) | τ/dt steps, a whole number |
//!
//! A constant that arrives at a CubaLIF passes its filter as spikes do: it comes from a neuron that fires in every step, named
//! `NODE.constant`, and goes back into the weights' bias.
//!
//! This is forward Euler, as norse and snnTorch have it. A neuron of NIR fires where `v > θ`, one of ours where `v ≥ θ'`: with
//! θ' the next f32 above θ both say the same of every f32. It is then set to `v_reset`. A spike crosses an edge in its own step;
//! on an edge that closes a cycle without a Delay it takes one step, as in every clocked simulator.
//!
//! What NIR cannot say (subtraction of the threshold, rest after a spike, potentials before the first step) is refused, or, with
//! [`lossy`](Steps::lossy), left out of the equations, listed, and kept in the metadata, from which [`to_network`] has it again.

pub mod file;
mod from_network;
mod graph;
mod linear;
mod most;
mod neurons;
mod order;
mod shapes;
mod to_network;

pub use from_network::from_network;
pub use graph::{Graph, NirError, Node, Tensor};
pub use most::Most;
pub use to_network::{to_network, to_network_within};

/// Between the continuous time of NIR and whole steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Seconds of a step, above 0.
    pub dt: f64,
    /// Whether what cannot be said exactly is said as well as it can be, and listed.
    pub lossy: bool,
}

impl Default for Steps {
    /// 0.1 ms, as snnTorch has it; nothing is lost.
    fn default() -> Self {
        Self { dt: 1e-4, lossy: false }
    }
}

/// Something made, and what was changed or assumed on the way, a sentence each.
#[derive(Clone, Debug)]
pub struct Translated<T> {
    /// What was made.
    pub made: T,
    /// What the other side says otherwise, or not at all.
    pub losses: Vec<String>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// The key of the metadata under which a model's own parameters are kept.
const METADATA: &str = "snn_event";

/// The key under which a population's name is kept, where a node cannot have it.
const NAME: &str = "snn_event_name";

/// What the names of neurons end with that fire in every step, for constants that pass a synaptic filter.
const CONSTANT: &str = ".constant";
