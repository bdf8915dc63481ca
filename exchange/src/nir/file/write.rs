//! From a graph to the bytes of a file.

use std::collections::BTreeMap;

use hdf5_pure::{Error, FileBuilder, FinishedGroup, FormatError, GroupBuilder};

use super::{RESERVED, WHOLE};
use crate::nir::graph::{Graph, NirError, Node, Tensor};

/// The version of the package whose files these are like.
const VERSION: &str = "1.0.8";

/// Arrays of so many numbers are packed; fewer take less room as they are.
const PACKED: usize = 256;

/// The most numbers of a chunk, and how hard it is packed: as h5py does it.
const CHUNK: usize = 1 << 17;
const LEVEL: u32 = 4;

/// The bytes of a NIR file that holds a graph, as `nir.write` of version 1.0.8 writes them.
///
/// Memory is O(numbers of the graph).
///
/// # Errors
/// If a name cannot stand in a file (empty, `.`, `..`, or with a `/`), or a number that counts is no whole one.
pub fn bytes(graph: &Graph) -> Result<Vec<u8>, NirError> {
    let mut file = FileBuilder::new();
    let unwritable = |error: FormatError| NirError::new("file", format!("cannot be made: {error}"));
    file.create_dataset("version").with_strings(&[VERSION]).map_err(unwritable)?.with_shape(&[]);
    let root = file.create_group("node");
    file.add_group(filled(root, graph, &graph.metadata, "NIRGraph")?);
    file.finish().map_err(|error: Error| NirError::new("file", format!("cannot be made: {error}")))
}

/// A group as a graph.
fn filled(
    mut group: GroupBuilder,
    graph: &Graph,
    metadata: &BTreeMap<String, String>,
    kind: &str,
) -> Result<FinishedGroup, NirError> {
    text(&mut group, "type", kind)?;
    let ends: Vec<&str> = graph.edges.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
    let edges = graph.edges.len() as u64;
    ends.iter().try_for_each(|name| check(name))?;
    texts(&mut group, "edges", &ends, &[edges, 2])?;
    let mut nodes = group.create_group("nodes");
    for (name, node) in &graph.nodes {
        check(name)?;
        let inner = nodes.create_group(name);
        nodes.add_group(self::node(inner, name, node)?);
    }
    group.add_group(nodes.finish());
    described(&mut group, metadata)?;
    Ok(group.finish())
}

fn node(mut group: GroupBuilder, name: &str, node: &Node) -> Result<FinishedGroup, NirError> {
    if let Some(graph) = &node.graph {
        let metadata = if graph.metadata.is_empty() { &node.metadata } else { &graph.metadata };
        return filled(group, graph, metadata, &node.kind);
    }
    text(&mut group, "type", &node.kind)?;
    for (of, value) in &node.texts {
        check_own(name, of)?;
        text(&mut group, of, value)?;
    }
    for (of, tensor) in &node.numbers {
        check_own(name, of)?;
        if node.texts.contains_key(of) {
            return Err(NirError::of_node(
                name,
                format!("has `{of}` as a text and as numbers; allowed is one of them"),
            ));
        }
        numbers(&mut group, name, of, tensor)?;
    }
    described(&mut group, &node.metadata)?;
    Ok(group.finish())
}

/// What else is said about a node, if anything is.
fn described(group: &mut GroupBuilder, metadata: &BTreeMap<String, String>) -> Result<(), NirError> {
    if metadata.is_empty() {
        return Ok(());
    }
    let mut inner = group.create_group("metadata");
    for (name, value) in metadata {
        check(name)?;
        text(&mut inner, name, value)?;
    }
    group.add_group(inner.finish());
    Ok(())
}

/// That a name can stand in a file, whose paths are joined by `/`.
fn check(name: &str) -> Result<(), NirError> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(NirError::new(
            format!("name `{}`", name.escape_debug()),
            "cannot stand in a file; allowed are names without `/` that are not empty, `.` or `..`",
        ));
    }
    Ok(())
}

/// That what belongs to a node has no name that means something else in a file.
fn check_own(node: &str, name: &str) -> Result<(), NirError> {
    check(name)?;
    if RESERVED.contains(&name) {
        return Err(NirError::of_node(
            node,
            format!("has something of its own named `{name}`, which means something else in a file"),
        ));
    }
    Ok(())
}

fn text(group: &mut GroupBuilder, name: &str, value: &str) -> Result<(), NirError> {
    texts(group, name, &[value], &[])
}

/// Texts, all as long as the longest: those of any length would take 4 KiB of the file, each.
fn texts(group: &mut GroupBuilder, name: &str, values: &[&str], shape: &[u64]) -> Result<(), NirError> {
    let at = |what: String| NirError::new(format!("text `{}`", name.escape_debug()), what);
    if values.iter().any(|value| value.contains('\0')) {
        return Err(at("has a character NUL, which ends texts in a file".to_owned()));
    }
    let dataset = group.create_dataset(name).with_strings(values);
    dataset.map_err(|error| at(format!("cannot be written: {error}")))?.with_shape(shape);
    Ok(())
}

fn numbers(group: &mut GroupBuilder, node: &str, name: &str, tensor: &Tensor) -> Result<(), NirError> {
    let shape: Vec<u64> = tensor.shape().iter().map(|&extent| extent as u64).collect();
    let values = tensor.values();
    let dataset = group.create_dataset(name);
    if WHOLE.contains(&name) {
        let whole = |value: &f64| (value.fract() == 0.0 && value.abs() < 9.0e15).then_some(*value as i64);
        let counts = values.iter().map(whole).collect::<Option<Vec<i64>>>().ok_or_else(|| {
            NirError::of_node(node, format!("has {values:?} as `{name}`; allowed are whole numbers"))
        })?;
        dataset.with_i64_data(&counts);
    } else {
        dataset.with_f64_data(values);
    }
    dataset.with_shape(&shape);
    if values.len() >= PACKED {
        dataset.with_chunks(&chunk(tensor.shape())).with_deflate(LEVEL);
    }
    Ok(())
}

/// The shape of chunks: whole along the last axes, as far as they have room.
fn chunk(shape: &[usize]) -> Vec<u64> {
    let mut room = CHUNK;
    let mut chunk = vec![1; shape.len()];
    for (extent, &size) in chunk.iter_mut().zip(shape).rev() {
        let taken = size.clamp(1, room);
        *extent = taken as u64;
        room /= taken;
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_along_the_last_axes_and_never_larger_than_their_room() {
        assert_eq!(chunk(&[300, 200]), [300, 200]);
        assert_eq!(chunk(&[100_000, 1000]), [131, 1000]);
        assert_eq!(chunk(&[2, 1 << 20]), [1, 1 << 17]);
        assert_eq!(chunk(&[4, 3, 1 << 17]), [1, 1, 1 << 17]);
    }
}
