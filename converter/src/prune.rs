//! Pruning by magnitude, on the file of a net: the smallest weights become zero, nothing else changes.

use crate::import::wire::{self, Field, Fields, Value};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Among which weights the smallest are sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All weights of the net together, so that layers become differently sparse.
    Global,
    /// Each tensor by itself, so that all become equally sparse.
    Layer,
}

/// What happened to one tensor of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrunedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Its number of weights.
    pub weights: usize,
    /// Zeros among them before.
    pub zeros_before: usize,
    /// Zeros among them after.
    pub zeros_after: usize,
}

/// A pruned file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The file: of the same length, and in every byte but those of pruned weights the same.
    pub bytes: Vec<u8>,
    /// The tensors of weights, in the order of the file.
    pub tensors: Vec<PrunedTensor>,
}

/// Why a file cannot be pruned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PruneError {
    /// The share of zeros is not a number from 0 to 1.
    #[error("a sparsity of {0} is not between 0 and 1")]
    Sparsity(f64),
    /// The file is not an ONNX file, or a damaged one.
    #[error("not a readable ONNX file: {0}")]
    Format(String),
    /// Weights are stored in a way in which they cannot be edited.
    #[error("the weights `{tensor}` {reason}")]
    Weights {
        /// The tensor's name.
        tensor: String,
        /// What was found and what to do.
        reason: String,
    },
    /// No convolution or linear map has weights in the file.
    #[error("the net has no weights to prune: no Conv, Gemm or MatMul with a constant of two or more axes")]
    Nothing,
}

/// Sets the `sparsity` share of weights with the smallest magnitudes to zero (Han et al. 2015).
///
/// Weights are the constants of two or more axes that feed a Conv, Gemm or MatMul as its second input, directly or through
/// Identity, Transpose, Reshape or Cast; biases and normalisations are left alone. Of `n` weights (all, or those of a
/// tensor) exactly `round(sparsity · n)` are zero afterwards, or more if more were zero before; among equal magnitudes
/// the first in the file go first. O(n) time, 4 n bytes of memory beside two copies of the file.
///
/// # Errors
/// [`PruneError`].
pub fn prune(bytes: &[u8], sparsity: f64, scope: Scope) -> Result<Pruned, PruneError> {
    if !(0.0..=1.0).contains(&sparsity) {
        return Err(PruneError::Sparsity(sparsity));
    }
    wire::check(bytes).map_err(PruneError::Format)?;
    let model = ModelProto::parse_buf(bytes).map_err(|e| PruneError::Format(e.to_string()))?;
    let graph = model.graph.ok_or_else(|| PruneError::Format("it holds no graph".into()))?;
    let names = weight_names(&graph);
    drop(graph);
    let mut stored = vec![];
    for (name, range) in constants(bytes).map_err(PruneError::Format)? {
        if names.contains(&name)
            && let Some(tensor) = Stored::of(bytes, name, range)?
        {
            stored.push(tensor);
        }
    }
    if stored.is_empty() {
        return Err(PruneError::Nothing);
    }
    let mut pruned = bytes.to_vec();
    let groups: Vec<&[Stored]> = match scope {
        Scope::Global => vec![&stored],
        Scope::Layer => stored.chunks(1).collect(),
    };
    for group in groups {
        zero_smallest(&mut pruned, group, sparsity);
    }
    let zeros = |file: &[u8], tensor: &Stored| tensor.places().filter(|&at| magnitude(file, at) == 0).count();
    let tensors = stored
        .iter()
        .map(|tensor| PrunedTensor {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            weights: tensor.places().count(),
            zeros_before: zeros(bytes, tensor),
            zeros_after: zeros(&pruned, tensor),
        })
        .collect();
    Ok(Pruned { bytes: pruned, tensors })
}

/// Sets the smallest `sparsity` share of the weights of a group to zero.
fn zero_smallest(file: &mut [u8], group: &[Stored], sparsity: f64) {
    let mut magnitudes: Vec<u32> =
        group.iter().flat_map(Stored::places).map(|at| magnitude(file, at)).collect();
    let count = (sparsity * magnitudes.len() as f64).round() as usize;
    if count == 0 {
        return;
    }
    let (smaller, &mut limit, _) = magnitudes.select_nth_unstable(count - 1);
    let below = smaller.iter().filter(|&&m| m < limit).count();
    let mut ties = count - below;
    for at in group.iter().flat_map(Stored::places) {
        let m = magnitude(file, at);
        if m < limit || (m == limit && ties > 0) {
            ties -= usize::from(m == limit);
            file[at..at + 4].fill(0);
        }
    }
}

/// The bits of |w| of the weight at a place; they order as the magnitudes do.
fn magnitude(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff
}

/// A tensor of weights in the file.
struct Stored {
    name: String,
    shape: Vec<usize>,
    /// Where its numbers lie, four bytes each, row-major.
    segments: Vec<Range<usize>>,
}

impl Stored {
    /// The place of each number.
    fn places(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().flat_map(|segment| segment.clone().step_by(4))
    }

    /// The tensor whose message lies in a range of the file; `None` if it has fewer than two axes.
    fn of(file: &[u8], name: String, range: Range<usize>) -> Result<Option<Self>, PruneError> {
        let refuse = |reason: String| PruneError::Weights { tensor: name.clone(), reason };
        let mut shape = vec![];
        let mut segments = vec![];
        let mut kind = 0;
        for field in Fields::of(&file[range.clone()]) {
            let Field { number, value, start } = field.map_err(PruneError::Format)?;
            let start = range.start + start;
            match (number, value) {
                (1, Value::Varint(extent)) => shape.push(usize::try_from(extent).unwrap_or(usize::MAX)),
                (2, Value::Varint(number)) => kind = i32::try_from(number).unwrap_or(0),
                (4 | 9, Value::Bytes(bytes)) => segments.push(start..start + bytes.len()),
                (4, Value::Fixed32(_)) => segments.push(start..start + 4),
                (14, Value::Varint(1)) => {
                    return Err(refuse("lie in another file; save the net as one file first".into()));
                }
                _ => {}
            }
        }
        if shape.len() < 2 {
            return Ok(None);
        }
        if DataType(kind) != DataType::FLOAT {
            return Err(refuse(format!("are of type {}; only FLOAT can be pruned", DataType(kind))));
        }
        let length: usize = segments.iter().map(Range::len).sum();
        let expected = shape.iter().try_fold(4usize, |n, &e| n.checked_mul(e));
        if expected != Some(length) || segments.iter().any(|s| !s.len().is_multiple_of(4)) {
            return Err(refuse(format!("have {length} bytes for the shape {shape:?}")));
        }
        let tensor = Stored { name, shape, segments };
        if tensor.places().any(|at| magnitude(file, at) >= 0x7f80_0000) {
            let reason = "hold a number that is not finite".into();
            return Err(PruneError::Weights { tensor: tensor.name, reason });
        }
        Ok(Some(tensor))
    }
}

/// The names of the constants that are weights.
fn weight_names(graph: &GraphProto) -> HashSet<String> {
    let makers: HashMap<&str, &NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |output| (output.as_str(), node)))
        .collect();
    let mut names = HashSet::new();
    for node in &graph.node {
        if !matches!(node.op_type.as_deref(), Some("Conv" | "Gemm" | "MatMul")) {
            continue;
        }
        let Some(mut name) = node.input.get(1) else { continue };
        // A chain is no longer than the graph; a damaged one might be a ring.
        for _ in 0..graph.node.len() {
            let through = makers.get(name.as_str()).filter(|maker| {
                matches!(maker.op_type.as_deref(), Some("Identity" | "Transpose" | "Reshape" | "Cast"))
            });
            match through.and_then(|maker| maker.input.first()) {
                Some(input) => name = input,
                None => break,
            }
        }
        names.insert(name.clone());
    }
    names
}

/// The named constants of the file, initialisers and Constant nodes, and where their messages lie.
fn constants(file: &[u8]) -> Result<Vec<(String, Range<usize>)>, String> {
    let mut found = vec![];
    for graph in messages(file, 0..file.len(), 7)? {
        for tensor in messages(file, graph.clone(), 5)? {
            found.push((text(&file[tensor.clone()], 8)?, tensor));
        }
        for node in messages(file, graph, 1)? {
            if text(&file[node.clone()], 4)? != "Constant" {
                continue;
            }
            let name = text(&file[node.clone()], 2)?;
            for attribute in messages(file, node, 5)? {
                found.extend(messages(file, attribute, 5)?.into_iter().map(|tensor| (name.clone(), tensor)));
            }
        }
    }
    Ok(found)
}

/// Where the length-delimited fields of one number lie in a message that lies in `range`.
fn messages(file: &[u8], range: Range<usize>, number: u64) -> Result<Vec<Range<usize>>, String> {
    let mut found = vec![];
    for field in Fields::of(&file[range.clone()]) {
        let field = field?;
        if let (true, Value::Bytes(bytes)) = (field.number == number, field.value) {
            let start = range.start + field.start;
            found.push(start..start + bytes.len());
        }
    }
    Ok(found)
}

/// The last text field of one number in a message, empty if there is none.
fn text(message: &[u8], number: u64) -> Result<String, String> {
    let mut found = String::new();
    for field in Fields::of(message) {
        let field = field?;
        if let (true, Value::Bytes(bytes)) = (field.number == number, field.value) {
            found = String::from_utf8_lossy(bytes).into_owned();
        }
    }
    Ok(found)
}
