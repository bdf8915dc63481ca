//! NIR files: what other tools write is read as h5py reads it, what is written is read back by bits, and no damage, however
//! chosen, makes a reader panic or take more memory than the length of the file justifies.

mod various;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use snn_exchange::nir::file::{MAGIC, bytes, parse};
use snn_exchange::nir::{Graph, Node, Steps, Tensor, from_network, to_network};
use various::{bits, various};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(data().join(format!("{name}.nir"))).unwrap()
}

fn graph(name: &str) -> Graph {
    parse(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const FILES: [&str; 8] = [
    "by-hand",
    "by-hand-lzf",
    "by-hand-unpacked",
    "chunked",
    "norse",
    "sinabs",
    "snntorch",
    "snntorch-recurrent",
];

/// Numbers and texts of a node as h5py tells them, by their paths in the file.
fn told(node: &Node, graph: Option<&Graph>, at: &str, into: &mut Map<String, Value>) {
    let texts = |value: Value| serde_json::json!({ "texts": value });
    into.insert(format!("{at}/type"), texts(node.kind.clone().into()));
    for (name, tensor) in &node.numbers {
        let told = serde_json::json!({ "shape": tensor.shape(), "numbers": tensor.values() });
        into.insert(format!("{at}/{name}"), told);
    }
    for (name, text) in &node.texts {
        into.insert(format!("{at}/{name}"), texts(text.clone().into()));
    }
    let Some(graph) = graph else { return };
    let edges = graph.edges.iter().map(|(from, to)| vec![from.clone(), to.clone()]).collect::<Vec<_>>();
    into.insert(format!("{at}/edges"), texts(edges.into()));
    for (name, node) in &graph.nodes {
        told(node, node.graph.as_deref(), &format!("{at}/nodes/{name}"), into);
    }
}

#[test]
fn files_of_other_tools_are_read_as_h5py_reads_them() {
    let found: Vec<String> = std::fs::read_dir(data())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".nir").map(str::to_owned))
        .filter(|name| !name.starts_with("refused"))
        .collect();
    assert_eq!(found.len(), FILES.len(), "{found:?}");
    for name in FILES {
        let text = std::fs::read_to_string(data().join(format!("{name}.json"))).unwrap();
        let mut expected: Map<String, Value> = serde_json::from_str(&text).unwrap();
        expected.retain(|path, _| !path.contains("/metadata/") && path != "version");
        // JSON of Python has 1.0 where this has 1.
        let as_told = |value: &Value| value.to_string().replace(".0,", ",").replace(".0]", "]");
        let graph = graph(name);
        let root = Node { kind: "NIRGraph".to_owned(), ..Node::default() };
        let mut found = Map::new();
        told(&root, Some(&graph), "node", &mut found);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (path, value) in &expected {
            assert_eq!(as_told(&found[path]), as_told(value), "{name}: {path}");
        }
    }
}

#[test]
fn metadata_and_texts_are_read_from_wherever_they_stand() {
    for name in ["by-hand", "by-hand-lzf", "by-hand-unpacked"] {
        let graph = graph(name);
        let metadata = |key: &str| graph.metadata.get(key).map(String::as_str);
        assert_eq!(
            (metadata("made by"), metadata("version"), metadata("rates")),
            (Some("hand"), Some("3"), Some("[0.5, 1.5]"))
        );
        let inner = graph.nodes["rnn"].graph.as_ref().unwrap();
        assert_eq!(inner.nodes["lif"].metadata["cell type"], "pyramidal, Ψ");
        assert_eq!(graph.nodes["image"].texts["padding"], "same");
    }
}

#[test]
fn nets_of_other_tools_become_networks() {
    for (name, dt, populations) in [
        ("snntorch", 1e-4, &["input", "1", "3"][..]),
        ("norse", 1.0 / 1024.0, &["input", "cubalif"]),
        ("sinabs", 1e-4, &["input", "1", "3"]),
        ("by-hand", 1e-3, &["in", "if", "rnn.lif"]),
    ] {
        let made = to_network(&graph(name), Steps { dt, lossy: false })
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .made;
        let found: Vec<_> = made.populations().iter().map(|population| population.name()).collect();
        let firing: Vec<_> = found.iter().copied().filter(|name| !name.ends_with(".constant")).collect();
        assert_eq!(firing, populations, "{name}");
    }
}

#[test]
fn what_is_written_is_read_back_by_bits() {
    for steps in [Steps { dt: 1e-3, lossy: false }, Steps { dt: 0.37, lossy: true }] {
        let reset = if steps.lossy { "subtract" } else { "to" };
        let made = from_network(&various(reset, 0.0), steps).unwrap().made;
        let file = bytes(&made).unwrap();
        assert!(file.starts_with(MAGIC));
        let read = parse(file).unwrap();
        assert_eq!(read, made);
        let back = to_network(&read, Steps { lossy: false, ..steps }).unwrap().made;
        assert!(bits(back) == bits(various(reset, 0.0)));
    }
    // And what the others wrote.
    for name in FILES {
        let read = graph(name);
        assert_eq!(parse(bytes(&read).unwrap()).unwrap(), read, "{name}");
    }
}

#[test]
fn many_numbers_are_packed_in_chunks_and_come_back() {
    let weights: Vec<f64> =
        (0..700 * 500).map(|i| if i % 50 == 0 { f64::from(i) * 0.37 } else { 0.0 }).collect();
    let linear = Node::new("Linear", [("weight", Tensor::new(vec![700, 500], weights).unwrap())]);
    let graph = Graph { nodes: [("w".to_owned(), linear)].into(), ..Graph::default() };
    let file = bytes(&graph).unwrap();
    assert!(file.len() < 700 * 500, "{} bytes", file.len());
    assert_eq!(parse(file).unwrap(), graph);
}

#[test]
fn names_that_no_file_can_hold_are_refused() {
    for name in ["", ".", "..", "a/b", "a\0b"] {
        let graph = Graph { nodes: [(name.to_owned(), Node::new("IF", []))].into(), ..Graph::default() };
        let error = bytes(&graph).unwrap_err().to_string();
        assert!(error.contains("cannot stand in a file"), "{error}");
    }
    let half = Node::new("Flatten", [("start_dim", Tensor::scalar(0.5))]);
    let graph = Graph { nodes: [("flat".to_owned(), half)].into(), ..Graph::default() };
    assert!(bytes(&graph).unwrap_err().to_string().contains("node `flat`: has [0.5] as `start_dim`"));
}

fn refusal(file: Vec<u8>) -> String {
    parse(file).unwrap_err().to_string()
}

#[test]
fn what_is_no_graph_of_nir_is_refused_with_what_was_found() {
    assert!(refusal(vec![]).contains("is no sound HDF5 file"));
    assert!(refusal(b"PK\x03\x04".to_vec()).contains("is no sound HDF5 file"));
    let newest = refusal(file("refused-newest"));
    assert!(newest.contains("/node/nodes/w/weight") && newest.contains("a newer form of HDF5"), "{newest}");
    let whole = file("sinabs");
    assert!(refusal(whole[..whole.len() / 2].to_vec()).starts_with("file"));
    // Another name of the same length where the name of something stands.
    let renamed = |from: &str, to: &str| {
        let mut file = file("sinabs");
        let at: Vec<usize> =
            (0..file.len() - from.len()).filter(|&at| file[at..].starts_with(from.as_bytes())).collect();
        assert!(!at.is_empty(), "{from}");
        at.into_iter().for_each(|at| file[at..at + to.len()].copy_from_slice(to.as_bytes()));
        refusal(file)
    };
    let other = renamed("node\0", "load\0");
    assert!(other.contains("holds no group `node`"), "{other}");
    let untyped = renamed("type\0", "kind\0");
    assert!(untyped.contains("has no text `type`"), "{untyped}");
    let single = renamed("NIRGraph", "NIRDwarf");
    assert!(single.contains("is a single node of type NIRDwarf; allowed is a graph"), "{single}");
    let edgeless = renamed("edges\0", "hedge\0");
    assert!(
        edgeless.contains("`/node/hedge`: holds texts of shape [5, 2]; allowed is a single one"),
        "{edgeless}"
    );
}

#[test]
fn arrays_that_are_said_to_be_larger_than_their_file_can_hold_are_refused_before_they_are_made() {
    // The thresholds of an image of 2 × 4 × 4.
    let shape = |sizes: [u64; 3]| sizes.iter().flat_map(|size| size.to_le_bytes()).collect::<Vec<u8>>();
    let mut large = file("by-hand-unpacked");
    let from = shape([2, 4, 4]);
    let places: Vec<usize> =
        (0..large.len() - from.len()).filter(|&at| large[at..].starts_with(&from)).collect();
    assert!(places.len() >= 3, "{places:?}");
    for &at in &places {
        large[at..at + from.len()].copy_from_slice(&shape([2 << 40, 4, 4]));
    }
    let error = refusal(large);
    assert!(
        error.contains("/node/nodes/if/") && error.contains("unfolds into") && error.contains("at most"),
        "{error}"
    );
    // So much less that the whole file could unfold into it, but not what is stored of it.
    let mut less = file("by-hand-unpacked");
    for at in places {
        less[at..at + from.len()].copy_from_slice(&shape([2 << 12, 4, 4]));
    }
    let error = refusal(less);
    assert!(error.contains("/node/nodes/if/") && error.contains("bytes that are stored of it"), "{error}");
}

#[test]
fn damage_of_any_byte_is_an_error_or_another_graph_and_never_a_panic() {
    let mut outcomes = BTreeMap::new();
    for name in ["chunked", "sinabs"] {
        let whole = file(name);
        let every = whole.len().div_ceil(1500);
        for at in (0..whole.len()).step_by(every) {
            for damage in [0x01, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= damage;
                *outcomes.entry(parse(damaged).is_ok()).or_insert(0) += 1;
            }
            *outcomes.entry(parse(whole[..at].to_vec()).is_ok()).or_insert(0) += 1;
        }
    }
    assert!(outcomes[&false] > 1000, "{outcomes:?}");
}
