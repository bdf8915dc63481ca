//! The trained net's own forward pass: for calibration, for its accuracy, and as the mark to measure spikes against.

mod apply;
mod product;

pub(crate) use apply::apply;
pub use apply::transposed;

use crate::ann::{Ann, NodeId};
use crate::wanted::{Stopped, Wanted};
use rayon::prelude::*;

/// Most samples that are evaluated together by one thread.
const BLOCK: usize = 16;

/// Most numbers in one tensor of a block of more than one sample.
const BLOCK_NUMBERS: usize = 1 << 21;

/// The values of one node for a block of consecutive samples.
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// The node.
    pub node: NodeId,
    /// The place of the first sample of the block among the samples given.
    pub first_sample: usize,
    /// Elements of one sample.
    pub elements: usize,
    /// Row-major `[samples][elements]`, each sample in the order of the node's shape (channels first).
    pub values: &'a [f32],
}

/// Why the forward pass has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForwardError {
    /// The input is not a whole number of samples.
    #[error("{found} numbers are not a whole number of samples of {elements} (input `{input}`)")]
    Length {
        /// The name of the input.
        input: String,
        /// Numbers given.
        found: usize,
        /// Numbers of one sample.
        elements: usize,
    },
    /// A node yields a number that is not finite.
    #[error(
        "node `{node}` yields {value} in sample {sample} (element {element}); only finite numbers can be converted"
    )]
    NotFinite {
        /// The node's name.
        node: String,
        /// The place of the sample.
        sample: usize,
        /// The place in the sample.
        element: usize,
        /// NaN, ∞ or −∞.
        value: f32,
    },
    /// It is not wanted any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Evaluates a net on `samples` (`[n][elements]`, each sample in the order of the input's shape) and returns its output
/// `[n][elements of the output]`.
///
/// `observe` gets the values of each node of `wanted`, block by block: samples ascending, within a block nodes in
/// execution order. It is called in this thread, so statistics may stream through it.
///
/// Arithmetic is `f32`, every sum in one fixed order without fused operations: the values have the same bits whatever
/// the number of threads, the other samples, the blocks, the vector width and the machine. Memory is bounded by the
/// activations of at most 16 samples per thread (fewer of large nets), beside the output.
///
/// # Errors
/// If `samples` is not a whole number of samples, or a value is not finite; the first such node of the first block.
pub fn forward(
    ann: &Ann,
    samples: &[f32],
    wanted: &[NodeId],
    observe: impl FnMut(Activation<'_>),
) -> Result<Vec<f32>, ForwardError> {
    forward_while(Wanted::always(), ann, samples, wanted, observe)
}

/// [`forward`] as long as it is wanted.
///
/// # Errors
/// As [`forward`], and [`ForwardError::Stopped`].
pub fn forward_while(
    go_on: Wanted<'_>,
    ann: &Ann,
    samples: &[f32],
    wanted: &[NodeId],
    mut observe: impl FnMut(Activation<'_>),
) -> Result<Vec<f32>, ForwardError> {
    let elements = ann.input_shape().elements();
    if !samples.len().is_multiple_of(elements) {
        let input = ann.node(ann.input()).name.clone();
        return Err(ForwardError::Length { input, found: samples.len(), elements });
    }
    let plan = Plan::new(ann, wanted);
    let mut output = Vec::with_capacity(samples.len() / elements * ann.output_shape().elements());
    let wave = plan.block * rayon::current_num_threads();
    for (index, samples) in samples.chunks(wave * elements).enumerate() {
        let blocks: Vec<_> =
            samples.par_chunks(plan.block * elements).map(|block| plan.evaluate(go_on, block)).collect();
        for (place, block) in blocks.into_iter().enumerate() {
            let first_sample = index * wave + place * plan.block;
            let values = block.map_err(|error| error.offset(first_sample))?;
            for (node, values) in ann.iter().zip(&values).filter_map(|((id, _), v)| Some((id, v.as_ref()?))) {
                if plan.wanted[node.index()] {
                    let elements = ann.node(node).shape.elements();
                    observe(Activation { node, first_sample, elements, values });
                }
            }
            output.extend_from_slice(values[ann.output().index()].as_ref().expect("the output is kept"));
        }
    }
    Ok(output)
}

/// Evaluates a net on `samples` and returns its output only; see [`forward`].
///
/// # Errors
/// As [`forward`].
pub fn logits(ann: &Ann, samples: &[f32]) -> Result<Vec<f32>, ForwardError> {
    forward(ann, samples, &[], |_| ())
}

/// The values of one node, `[samples][elements]`, from given values of its inputs, which need not be what the net yields.
///
/// # Panics
/// If `node` is the input, or the inputs are not whole samples of their shapes, equally many of each.
pub fn evaluate_node(ann: &Ann, node: NodeId, inputs: &[&[f32]]) -> Vec<f32> {
    let node = ann.node(node);
    let shapes: Vec<_> = node.inputs.iter().map(|&id| &ann.node(id).shape).collect();
    assert_eq!(inputs.len(), shapes.len(), "inputs of node `{}`", node.name);
    let samples = inputs[0].len() / shapes[0].elements();
    apply::apply(&node.op, &shapes, inputs, samples, &node.shape)
}

/// Samples that are evaluated together, so that the tensors of a block stay small.
pub(crate) fn block(ann: &Ann) -> usize {
    let largest = ann.nodes().iter().map(|node| node.shape.elements()).max().unwrap_or(1);
    (BLOCK_NUMBERS / largest).clamp(1, BLOCK)
}

/// What to compute, and how long to keep it.
struct Plan<'a> {
    ann: &'a Ann,
    /// Samples of a block.
    block: usize,
    wanted: Vec<bool>,
    /// Whether a node is an ancestor of the output or of a wanted node.
    needed: Vec<bool>,
    /// For each node the nodes that are of no use after it.
    spent: Vec<Vec<NodeId>>,
}

impl<'a> Plan<'a> {
    fn new(ann: &'a Ann, wanted_nodes: &[NodeId]) -> Self {
        let count = ann.nodes().len();
        let mut wanted = vec![false; count];
        for node in wanted_nodes {
            wanted[node.index()] = true;
        }
        let mut needed = wanted.clone();
        needed[ann.output().index()] = true;
        let mut spent = vec![Vec::new(); count];
        let mut used = vec![false; count];
        for (id, node) in ann.iter().rev().filter(|(_, node)| !matches!(node.op, crate::ann::Op::Input(_))) {
            if !needed[id.index()] {
                continue;
            }
            for &input in &node.inputs {
                needed[input.index()] = true;
                let kept = wanted[input.index()] || input == ann.output();
                if !used[input.index()] && !kept {
                    spent[id.index()].push(input);
                }
                used[input.index()] = true;
            }
        }
        Plan { ann, block: block(ann), wanted, needed, spent }
    }

    /// The values of the nodes to keep, for one block of samples.
    fn evaluate(&self, go_on: Wanted<'_>, samples: &[f32]) -> Result<Vec<Option<Vec<f32>>>, ForwardError> {
        let count = samples.len() / self.ann.input_shape().elements();
        let mut values: Vec<Option<Vec<f32>>> = vec![None; self.ann.nodes().len()];
        for (id, node) in self.ann.iter().filter(|(id, _)| self.needed[id.index()]) {
            go_on.check()?;
            let result = if id == self.ann.input() {
                samples.to_vec()
            } else {
                let shapes: Vec<_> = node.inputs.iter().map(|&i| &self.ann.node(i).shape).collect();
                let inputs: Vec<&[f32]> = node
                    .inputs
                    .iter()
                    .map(|i| values[i.index()].as_deref().expect("inputs stand before the node"))
                    .collect();
                apply::apply(&node.op, &shapes, &inputs, count, &node.shape)
            };
            if let Some(at) = result.iter().position(|x| !x.is_finite()) {
                let elements = node.shape.elements();
                return Err(ForwardError::NotFinite {
                    node: node.name.clone(),
                    sample: at / elements,
                    element: at % elements,
                    value: result[at],
                });
            }
            values[id.index()] = Some(result);
            for spent in &self.spent[id.index()] {
                values[spent.index()] = None;
            }
        }
        Ok(values)
    }
}

impl ForwardError {
    fn offset(self, first_sample: usize) -> Self {
        match self {
            ForwardError::NotFinite { node, sample, element, value } => {
                ForwardError::NotFinite { node, sample: sample + first_sample, element, value }
            }
            other => other,
        }
    }
}
