//! Views and transpositions.

use super::graph::Graph;
use crate::ann::Op;

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

/// Whether a permutation leaves the axes of more than one element in their order.
fn keeps_order(perm: &[usize], extents: &[usize]) -> bool {
    perm.iter().filter(|&&axis| extents[axis] > 1).is_sorted()
}
