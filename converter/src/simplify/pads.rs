//! Zeros that are the padding of what comes behind them.

use super::graph::{Draft, Graph};
use crate::ann::Op;

/// Makes zeros around the input of a convolution its padding, likewise zeros around values that are never negative before
/// a max pool.
pub(super) fn absorb(graph: &mut Graph) {
    let mut positive: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    graph.rewrite(|graph, id| {
        let node = &graph.nodes[id];
        positive.push(is_never_negative(node, &positive));
        if let Some((op, input)) = widened(graph, node, &positive) {
            graph.nodes[id].op = op;
            graph.nodes[id].inputs = vec![input];
        }
        id
    });
}

/// The operator with the zeros that a Pad before it adds as its own padding, and the Pad's input.
fn widened(graph: &Graph, node: &Draft, positive: &[bool]) -> Option<(Op, usize)> {
    let pad = &graph.nodes[*node.inputs.first()?];
    let Op::Pad { before, after } = &pad.op else {
        return None;
    };
    let source = pad.inputs[0];
    let rank = before.len();
    if !(2..=3).contains(&rank) || before[0] != 0 || after[0] != 0 {
        return None;
    }
    let mut op = node.op.clone();
    let window = match &mut op {
        Op::Conv(conv) => &mut conv.window,
        Op::MaxPool(pool) if !pool.window.is_padded() && positive[source] => &mut pool.window,
        _ => return None,
    };
    for axis in 1..rank {
        window.before[axis + 2 - rank] += before[axis];
        window.after[axis + 2 - rank] += after[axis];
    }
    // A pool whose window would lie wholly in the padding, and one that rounds up otherwise, keep the Pad.
    let shape = op.output_shape(&[&graph.nodes[source].shape]).ok()?;
    (shape == node.shape).then_some((op, source))
}

/// Whether a node yields no negative number, whatever the input; known of all nodes before it.
fn is_never_negative(node: &Draft, positive: &[bool]) -> bool {
    match &node.op {
        op if op.is_activation() => true,
        Op::AveragePool(_)
        | Op::GlobalAverage
        | Op::MaxPool(_)
        | Op::GlobalMax
        | Op::Add
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::View(_)
        | Op::Transpose { .. } => node.inputs.iter().all(|&i| positive[i]),
        _ => false,
    }
}
