//! Activations before maxima.

use super::graph::{Draft, Graph};
use crate::ann::Op;

/// Most views and maxima that an activation is moved over; each activation gets its own copy of them.
const MAX_CHAIN: usize = 32;

/// Moves every activation before the maxima that feed it, through views between them: behind the activation's name
/// and tensor stand the maxima then. A maximum that something else uses too stays for that as well.
pub(super) fn behind_activations(graph: &mut Graph) {
    increasing_maps_before_maxima(graph);
    for id in 0..graph.nodes.len() {
        if !graph.nodes[id].op.is_activation() {
            continue;
        }
        // The chain of views and maxima before the activation, nearest first, as far as its first maximum.
        let mut chain = vec![];
        let mut at = graph.nodes[id].inputs[0];
        loop {
            let node = &graph.nodes[at];
            if !node.op.is_maximum() && !matches!(node.op, Op::View(_) | Op::Transpose { .. }) {
                break;
            }
            chain.push(at);
            at = node.inputs[0];
        }
        while chain.last().is_some_and(|&last| !graph.nodes[last].op.is_maximum()) {
            chain.pop();
        }
        let Some(&first) = chain.last().filter(|_| chain.len() <= MAX_CHAIN) else { continue };
        let source = graph.nodes[first].inputs[0];
        let activation = graph.nodes[id].clone();
        let shape = graph.nodes[source].shape.clone();
        let mut at = graph.add(Draft { tensor: None, inputs: vec![source], shape, ..activation.clone() });
        for &link in chain[1..].iter().rev() {
            let node = graph.nodes[link].clone();
            at = graph.add(Draft { tensor: None, inputs: vec![at], ..node });
        }
        // The activation's place takes the last link, so that its users see it.
        let (name, op) = (graph.nodes[chain[0]].name.clone(), graph.nodes[chain[0]].op.clone());
        let tensor = activation.tensor;
        graph.nodes[id] = Draft { name, tensor, op, inputs: vec![at], shape: activation.shape };
    }
}

/// Moves an increasing per-channel map between a maximum and an activation before the maximum, so that the activation
/// can follow (conv → pool → batch-norm → ReLU).
fn increasing_maps_before_maxima(graph: &mut Graph) {
    let consumers = graph.consumers();
    for id in 0..graph.nodes.len() {
        let node = &graph.nodes[id];
        let Op::Affine(affine) = &node.op else { continue };
        let maximum = node.inputs[0];
        let source = match graph.nodes[maximum].op.is_maximum() {
            true => graph.nodes[maximum].inputs[0],
            false => continue,
        };
        let alone = |id: usize| consumers[id].len() == 1 && graph.output != id;
        let fits = graph.nodes[source].shape.channels() == node.shape.channels()
            && affine.scale.iter().all(|&s| s > 0.0)
            && [&affine.scale, &affine.shift].iter().all(|x| [1, node.shape.channels()].contains(&x.len()));
        if !fits || !alone(maximum) || !alone(id) || !graph.nodes[consumers[id][0]].op.is_activation() {
            continue;
        }
        let map = node.clone();
        let before = graph.nodes[maximum].clone();
        let shape = graph.nodes[source].shape.clone();
        let moved = graph.add(Draft { tensor: None, inputs: vec![source], shape, ..map.clone() });
        graph.nodes[id] = Draft { tensor: map.tensor, inputs: vec![moved], ..before };
    }
}
