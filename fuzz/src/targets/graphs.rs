//! Graphs of other tools: NIR files, and the networks that they become.

use snn_exchange::nir::file::{bytes, parse};
use snn_exchange::nir::{Graph, Most, Node, Steps, from_network, to_network_within};

/// What a graph may ask for here: a node of one number can stand for any number of neurons, which the length of the input does
/// not justify.
const MOST: Most = Most { elements: 1 << 16, synapses: 1 << 17 };

/// The most numbers of a graph that is written again, and of the matrices of a network that is.
const WRITTEN: usize = 1 << 18;

fn numbers(graph: &Graph) -> usize {
    let of = |node: &Node| -> usize {
        let own: usize = node.numbers.values().map(|tensor| tensor.values().len()).sum();
        own + node.graph.as_deref().map_or(0, numbers)
    };
    graph.nodes.values().map(of).sum()
}

/// A NIR file; what it holds is written and read again, and becomes a network and a graph again.
pub fn nir(file: &[u8]) -> bool {
    let Ok(graph) = parse(file.to_vec()) else { return false };
    // Numbers that are none are equal to nothing.
    if numbers(&graph) <= WRITTEN
        && graph == graph.clone()
        && let Ok(written) = bytes(&graph)
    {
        assert_eq!(parse(written).as_ref(), Ok(&graph), "what was written");
    }
    let steps = Steps { dt: 1e-3, lossy: true };
    let Ok(made) = to_network_within(&graph, steps, MOST) else { return true };
    let places = made.made.projections().iter().map(|projection| {
        let ends = [projection.source(), projection.target()];
        ends.map(|id| made.made.population(id).size()).into_iter().fold(1, usize::saturating_mul)
    });
    if places.fold(0, usize::saturating_add) <= WRITTEN
        && let Ok(again) = from_network(&made.made, steps)
    {
        let back = to_network_within(&again.made, steps, Most::of(&again.made));
        assert_eq!(
            back.map(|back| back.made.populations().len()),
            Ok(made.made.populations().len()),
            "what came back"
        );
    }
    true
}
