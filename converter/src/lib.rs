//! Converts trained, pruned neural networks into spiking networks.

#![forbid(unsafe_code)]

mod affine;
pub mod ann;
pub mod calibrate;
pub mod convert;
pub mod forward;
mod lower;
pub mod normalise;
pub mod report;

pub use convert::{Conversion, ConvertError, Options, Readout, Samples, convert};
pub use lower::Refusal;
pub use normalise::{Normalise, ScalePer, Start};
pub use report::{LayerReport, Report};
