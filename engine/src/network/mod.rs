//! What a network is: populations of neurons and the projections between them.

mod builder;
pub mod connectivity;
mod id;
mod kept;
mod lattice;
mod layout;
mod net;
mod neuron;
mod order;
mod population;

pub use builder::{LONGEST_DELAY, NetworkBuilder};
pub use id::PopulationId;
pub use lattice::Lattice;
pub use layout::Layout;
pub use net::{DenseOperations, Network};
pub use neuron::{AnyModel, BuiltIn, Neuron};
pub(crate) use order::Component;
pub use population::{Population, Projection};
