//! NIR files: damaged as they stand, in the words of HDF5, or taken apart into their graph, changed there, and written again.

use snn_exchange::nir::file::{bytes, parse};
use snn_exchange::nir::{Graph, Node, Tensor};

use super::{Random, changed};

/// Signatures of HDF5's blocks, messages and links, and lengths of the kind that goes wrong.
const WORDS: &[&[u8]] = &[
    b"TREE\x00\x00",
    b"TREE\x01\x00",
    b"SNOD\x01\x00",
    b"HEAP\x00\x00\x00\x00",
    b"GCOL\x01\x00\x00\x00",
    b"OHDR\x02",
    b"FADB\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f\x00\x00\x00\x00",
    b"\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x01\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x00\x01\x00\x00\x00\x00\x00",
    b"\x10\x00\x10\x00",
    b"\x01\x00\x08\x00",
    b"\x03\x00\x10\x00",
    b"\x08\x00\x18\x00",
    b"\x0b\x00\x10\x00",
    b"NIRGraph",
    b"metadata",
];

const KINDS: &[&str] = &[
    "Input",
    "Output",
    "Affine",
    "Linear",
    "Scale",
    "Conv1d",
    "Conv2d",
    "Flatten",
    "SumPool2d",
    "AvgPool2d",
    "IF",
    "LIF",
    "CubaLIF",
    "LI",
    "I",
    "Threshold",
    "Delay",
    "NIRGraph",
    "Izhikevich",
];

const NAMES: &[&str] = &[
    "shape",
    "weight",
    "bias",
    "scale",
    "input_shape",
    "stride",
    "padding",
    "dilation",
    "groups",
    "kernel_size",
    "start_dim",
    "end_dim",
    "input_type",
    "r",
    "v_threshold",
    "v_reset",
    "v_leak",
    "tau",
    "tau_mem",
    "tau_syn",
    "w_in",
    "threshold",
    "delay",
];

/// A file with something changed; `None` for one whose graph cannot be written.
pub fn mutated(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    if random.below(2) == 0 {
        return Some(changed(file, WORDS, random));
    }
    let mut graph = parse(file.to_vec()).ok()?;
    for _ in 0..=random.below(3) {
        change(&mut graph, random, 0);
    }
    bytes(&graph).ok()
}

/// A number of the kind that goes wrong in a graph.
fn number(random: &mut Random) -> f64 {
    match random.below(4) {
        0 => random.number() as f64,
        1 => random.below(5) as f64 - 1.0,
        _ => f64::from(random.real()),
    }
}

fn change(graph: &mut Graph, random: &mut Random, depth: usize) {
    let names: Vec<String> = graph.nodes.keys().cloned().collect();
    if names.is_empty() {
        graph.nodes.insert("in".to_owned(), Node::new("Input", []));
        return;
    }
    let name = random.of_these(&names);
    match random.below(12) {
        0 => graph.edges.push((name, random.of_these(&names))),
        1 if !graph.edges.is_empty() => {
            let at = random.below(graph.edges.len());
            graph.edges.swap_remove(at);
        }
        2 if !graph.edges.is_empty() => {
            let at = random.below(graph.edges.len());
            graph.edges[at].1 = name;
        }
        3 => drop(graph.nodes.remove(&name)),
        4 => {
            let copy = graph.nodes[&name].clone();
            graph.nodes.insert(format!("{name}{}", random.below(3)), copy);
        }
        5 if depth == 0 => {
            let whole = graph.clone();
            if let Some(node) = graph.nodes.get_mut(&name) {
                node.kind = "NIRGraph".to_owned();
                node.graph = Some(Box::new(whole));
            }
        }
        _ => {
            if let Some(node) = graph.nodes.get_mut(&name) {
                change_node(node, random, depth);
            }
        }
    }
}

fn change_node(node: &mut Node, random: &mut Random, depth: usize) {
    if let Some(inner) = &mut node.graph {
        return change(inner, random, depth + 1);
    }
    let own: Vec<String> = node.numbers.keys().cloned().collect();
    match random.below(8) {
        0 => node.kind = random.of_these(KINDS).to_owned(),
        1 => {
            let tensor = Tensor::scalar(number(random));
            node.numbers.insert(random.of_these(NAMES).to_owned(), tensor);
        }
        2 => drop(
            node.texts.insert("padding".to_owned(), random.of_these(&["same", "valid", "odd"]).to_owned()),
        ),
        3 if !own.is_empty() => drop(node.numbers.remove(&random.of_these(&own))),
        4 => {
            let before = node
                .metadata
                .get("snn_event")
                .cloned()
                .unwrap_or_else(|| "leaky threshold=3f800000*1".to_owned());
            let after = changed(
                before.as_bytes(),
                &[b"*99999999", b"7f800000", b"reset=subtract", b"bipolar"],
                random,
            );
            node.metadata.insert("snn_event".to_owned(), String::from_utf8_lossy(&after).into_owned());
        }
        5 if !own.is_empty() => {
            // As many numbers in another shape, or in several times as many.
            let of = random.of_these(&own);
            let values = node.numbers[&of].values().repeat(1 + random.below(2));
            let shape = match random.below(4) {
                0 => vec![values.len(), 1],
                1 => vec![1, values.len()],
                2 if values.len().is_multiple_of(2) => vec![2, values.len() / 2],
                _ => vec![values.len()],
            };
            node.numbers.extend(Tensor::new(shape, values).map(|tensor| (of, tensor)));
        }
        _ if !own.is_empty() => {
            let of = random.of_these(&own);
            let (shape, mut values) =
                (node.numbers[&of].shape().to_vec(), node.numbers[&of].values().to_vec());
            if let Some(at) = (!values.is_empty()).then(|| random.below(values.len())) {
                values[at] = number(random);
            }
            node.numbers.extend(Tensor::new(shape, values).map(|tensor| (of, tensor)));
        }
        _ => {}
    }
}
