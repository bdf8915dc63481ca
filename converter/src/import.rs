//! Trained nets from files.

mod attributes;
mod axes;
mod broadcast;
mod budget;
mod draft;
mod external;
mod fold;
mod layer_list;
mod numbers;
pub mod onnx;
mod operator;
mod order;
mod quantiser;
mod skeleton;
mod span;
mod sparse;
mod staircase;
mod stamp;
pub mod state_dict;
mod tensor;
pub(crate) mod wire;

pub use external::Opener;

use crate::ann::{Ann, AnnError};
use snn_formats::FileDigest;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A net that was read, and what was left out of it.
#[derive(Clone, Debug)]
pub struct Import {
    /// The net as the file states it, not yet simplified ([`crate::simplify`]).
    pub ann: Ann,
    /// What the user should know, one sentence each: operators dropped at the end of the net, names invented.
    pub notes: Vec<String>,
    /// The files that were read: the net's own first, if it came from one, then those that it names.
    pub files: Vec<FileDigest>,
}

/// A node of the file that cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name in the file, or operator and place if it has none (`Sigmoid_7`).
    pub node: String,
    /// The operator in the file.
    pub op: String,
    /// Why it cannot be converted, with what was found.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}` ({}): {}", self.node, self.op, self.reason)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Something in a layer list that is wrong or does not fit the tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The layer, by number, name and kind (``layer 3 `fc1` (linear)``), or the list.
    pub place: String,
    /// What was found and what is allowed.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Why a file does not become a net.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is not an ONNX file, or a damaged one.
    #[error("not a readable ONNX file: {0}")]
    Format(String),
    /// The file's operator set is too old or too new.
    #[error(
        "operator set {found} is not supported (7 to 28 are); export the net again with opset_version=17"
    )]
    Opset {
        /// The version in the file.
        found: i64,
    },
    /// Nodes that cannot be converted, the net's inputs and outputs among them: all there are, in the order of the file.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
    /// The simplified graph does not hold together, which numbers of extreme size can cause.
    #[error(transparent)]
    Graph(#[from] AnnError),
}

fn list(refusals: &[Refusal]) -> String {
    let nodes = if refusals.len() == 1 { "1 node" } else { &format!("{} nodes", refusals.len()) };
    let mut text = format!("{nodes} cannot be converted:");
    for refusal in refusals {
        text.push_str(&format!("\n  {refusal}"));
    }
    text
}
