//! The targets: each reads an input as a program would read a file, uses what it read, and says whether it was accepted.

mod arrays;
mod events;
mod graphs;
mod models;
mod nets;

pub use arrays::{npy, npz, samples};
pub use events::{event_columns, event_rows, recording, spikes};
pub use graphs::nir;
pub use models::{layer_list, numpy_net, onnx, safetensors, torch};
pub use nets::{net_bin, simulators, state};
