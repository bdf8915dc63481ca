//! Views and transpositions.

use super::graph::{Draft, Graph};
use crate::ann::{Linear, Op, Resample, Shape, Taps};
use crate::forward::transposed;
use std::sync::Arc;

/// Merges consecutive views and consecutive transpositions, turns transpositions that keep the order of the elements into
/// views, and drops views that change nothing.
pub(super) fn merge(graph: &mut Graph) {
    graph.rewrite(|graph, id| {
        let mut node = graph.nodes[id].clone();
        let Some(&input) = node.inputs.first() else {
            return id;
        };
        match &node.op {
            Op::Concat { .. } if node.inputs.len() == 1 => node.op = Op::View(node.shape.clone()),
            Op::Transpose { perm } => {
                if let Op::Transpose { perm: inner } = &graph.nodes[input].op {
                    let perm = perm.iter().map(|&axis| inner[axis]).collect();
                    node.op = Op::Transpose { perm };
                    node.inputs = graph.nodes[input].inputs.clone();
                }
            }
            _ => {}
        }
        if let Op::Transpose { perm } = &node.op
            && keeps_order(perm, graph.nodes[node.inputs[0]].shape.extents())
        {
            node.op = Op::View(node.shape.clone());
        }
        if matches!(node.op, Op::View(_)) {
            if let Op::View(_) = graph.nodes[node.inputs[0]].op {
                node.inputs = graph.nodes[node.inputs[0]].inputs.clone();
            }
            if graph.nodes[node.inputs[0]].shape == node.shape {
                return node.inputs[0];
            }
        }
        graph.nodes[id] = node;
        id
    });
}

/// Makes picks of channels of views and transpositions that change the order of channels only: a channel shuffle
/// (ShuffleNet, Zhang et al. 2018) is one, written as a view in groups, a transposition of these, and a view back.
pub(super) fn shuffles(graph: &mut Graph) {
    graph.rewrite(|graph, id| {
        if let Some((op, source)) = shuffle(graph, id) {
            (graph.nodes[id].op, graph.nodes[id].inputs) = (op, vec![source]);
        }
        id
    });
}

fn shuffle(graph: &Graph, id: usize) -> Option<(Op, usize)> {
    let node = &graph.nodes[id];
    let Op::View(_) = node.op else { return None };
    let transposition = &graph.nodes[*node.inputs.first()?];
    let Op::Transpose { perm } = &transposition.op else { return None };
    let view = &graph.nodes[*transposition.inputs.first()?];
    let Op::View(groups) = &view.op else { return None };
    let source = *view.inputs.first()?;
    let shape = &graph.nodes[source].shape;
    if *shape != node.shape || !(1..=3).contains(&shape.rank()) {
        return None;
    }
    // The axes that make up the channels stay before the others, and those where they are.
    let channels = |axes: &usize| groups.extents()[..*axes].iter().product::<usize>() == shape.channels();
    let front = (1..=groups.rank()).find(channels)?;
    let stays = perm[front..].iter().copied().eq(front..groups.rank());
    if !stays {
        return None;
    }
    let order = transposed(&perm[..front], &Shape::new(&groups.extents()[..front]).ok()?);
    let taps = Taps::picked(shape.channels(), order.into_iter().map(Some)).ok()?;
    let mut axes = vec![None; shape.rank()];
    axes[0] = Some(Arc::new(taps));
    Some((Op::Resample(Resample { axes }), source))
}

/// Lets the weights of a linear map behind a transposition take their inputs where these were before: channels-last images
/// that are flattened, as Keras and TensorFlow do it.
pub(super) fn turn_weights(graph: &mut Graph) {
    graph.rewrite(|graph, id| {
        let Op::Linear(linear) = &graph.nodes[id].op else { return id };
        let view = graph.nodes[id].inputs[0];
        let turned = match graph.nodes[view].op {
            Op::View(_) => graph.nodes[view].inputs[0],
            _ => return id,
        };
        let Op::Transpose { perm } = &graph.nodes[turned].op else { return id };
        let source = graph.nodes[turned].inputs[0];
        let order = transposed(perm, &graph.nodes[source].shape);
        let weights = linear.weights.moved(&order);
        let op = Op::Linear(Linear { weights, bias: linear.bias.clone(), ..*linear });
        let flat = graph.nodes[view].clone();
        // A view of a view is one.
        let source = match graph.nodes[source].op {
            Op::View(_) => graph.nodes[source].inputs[0],
            _ => source,
        };
        let flat = graph.add(Draft { tensor: None, inputs: vec![source], ..flat });
        (graph.nodes[id].op, graph.nodes[id].inputs) = (op, vec![flat]);
        id
    });
}

/// Whether a permutation leaves the axes of more than one element in their order.
fn keeps_order(perm: &[usize], extents: &[usize]) -> bool {
    perm.iter().filter(|&&axis| extents[axis] > 1).is_sorted()
}
