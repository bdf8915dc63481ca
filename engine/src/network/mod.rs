//! What a network is: populations of neurons and the projections between them.

mod builder;
mod built_in;
pub mod connectivity;
mod id;
mod in_user_order;
mod lattice;
mod layout;
mod net;
mod neuron;
mod order;
mod population;

pub use builder::{LONGEST_DELAY, NetworkBuilder};
pub use built_in::BuiltIn;
pub use id::PopulationId;
pub use in_user_order::ConvolutionShape;
pub use lattice::Lattice;
pub use layout::Layout;
pub use net::{DenseOperations, Network};
pub use neuron::{AnyModel, Neuron};
pub(crate) use order::Component;
pub use population::{Population, Projection};
