//! Converts trained, pruned neural networks into spiking networks.

#![forbid(unsafe_code)]

mod affine;
pub mod ann;
mod best;
pub mod calibrate;
mod compare;
pub mod convert;
pub mod effective;
pub mod error;
pub mod expect;
mod fit;
pub mod forward;
mod growth;
pub mod import;
mod lower;
pub mod model_file;
pub mod neuron;
pub mod normalise;
mod notes;
pub mod numpy_net;
pub mod options;
pub mod prune;
pub mod quantise;
pub mod recipe;
pub mod report;
mod scales;
pub mod settled;
pub mod simplify;
mod spread;
pub mod wanted;
mod whole;

pub use best::{LONGEST_COMPARED, convert, convert_best_while, convert_while};
pub use convert::Conversion;
pub use effective::EffectiveOptions;
pub use error::{ConvertError, ConvertErrorKind};
pub use expect::{Agreement, Difference, ExpectError, expect};
pub use fit::FitBy;
pub use neuron::NeuronKind;
pub use normalise::{Normalise, ScalePer, Start};
pub use options::{Options, Readout, Samples};
pub use recipe::Recipe;
pub use report::{Accuracy, Candidate, LayerReport, Loss, Report};
pub use wanted::{Stopped, Wanted};
