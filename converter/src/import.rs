//! Trained nets from files.

mod draft;
mod fold;
mod layer_list;
pub mod onnx;
mod operator;
mod span;
mod staircase;
pub mod state_dict;
mod tensor;
pub(crate) mod wire;

use crate::ann::{Ann, AnnError};
use rten_onnx::onnx::StringStringEntryProto;
use std::collections::HashMap;
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
        "operator set {found} is not supported (9 to 21 are); export the net again with opset_version=17"
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

/// Opens a file that lies beside the net's and is named in it, and returns all its bytes.
pub type Opener<'a> = dyn Fn(&str) -> io::Result<Vec<u8>> + 'a;

/// The files beside a net that hold some of its numbers; each is read once.
pub(crate) struct External<'a> {
    open: Option<&'a Opener<'a>>,
    files: HashMap<String, Vec<u8>>,
}

impl<'a> External<'a> {
    pub(crate) fn new(open: Option<&'a Opener<'a>>) -> Self {
        External { open, files: HashMap::new() }
    }

    /// For a net that stands alone.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        External::new(None)
    }

    /// Gives `read` the `expected` bytes that the entries `location`, `offset` and `length` of a tensor name.
    fn read<T>(
        &mut self,
        entries: &[StringStringEntryProto],
        expected: usize,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, String> {
        let entry = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| {
            let parse = |text: &str| {
                text.parse::<usize>()
                    .map_err(|_| format!("the {key} `{text}` of external numbers is no number"))
            };
            entry(key).map(parse).transpose()
        };
        let location = entry("location").ok_or("external numbers without a location")?;
        let open = self.open.ok_or_else(|| {
            format!(
                "its numbers are in the file `{location}`, which was not given; read the net from its path"
            )
        })?;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?.filter(|&n| n != expected) {
            return Err(format!("{length} external bytes stated where its shape needs {expected}"));
        }
        if !self.files.contains_key(location) {
            let bytes =
                open(location).map_err(|e| format!("cannot read its numbers from `{location}`: {e}"))?;
            self.files.insert(location.to_owned(), bytes);
        }
        let file = &self.files[location];
        let bytes = offset.checked_add(expected).and_then(|end| file.get(offset..end)).ok_or_else(|| {
            format!("`{location}` has {} bytes; {expected} from {offset} on are needed", file.len())
        })?;
        Ok(read(bytes))
    }
}
