//! Spiking networks of other tools, to and from snn-event.
//!
//! - [`nir`]: graphs of the Neuromorphic Intermediate Representation (Pedersen et al. 2024, *Nature Communications* 15, 8122), and the
//!   bytes of its files.

#![forbid(unsafe_code)]

pub mod nir;
