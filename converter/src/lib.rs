//! Converts trained, pruned neural networks into spiking networks.

#![forbid(unsafe_code)]

pub mod ann;
pub mod forward;
pub mod import;
pub mod prune;
pub mod simplify;
