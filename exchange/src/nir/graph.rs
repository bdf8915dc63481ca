//! What a NIR file holds.

use std::collections::BTreeMap;

use thiserror::Error;

/// Why a graph is not a network, or a network not a graph: where, what was found, what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {what}")]
pub struct NirError {
    /// The node, population or file.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

impl NirError {
    /// An error at a place, such as ``node `lif` ``.
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }

    /// An error of a node.
    pub(super) fn of_node(name: &str, what: impl Into<String>) -> Self {
        Self::new(format!("node `{name}`"), what)
    }
}

/// Numbers in C order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Tensor {
    /// Numbers of a shape.
    ///
    /// # Errors
    /// If there are more or fewer than the shape says; the number that it says, if it fits.
    pub fn new(shape: Vec<usize>, values: Vec<f64>) -> Result<Self, Option<usize>> {
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        if count == Some(values.len()) { Ok(Self { shape, values }) } else { Err(count) }
    }

    /// A single number.
    #[must_use]
    pub fn scalar(value: f64) -> Self {
        Self { shape: vec![], values: vec![value] }
    }

    /// A list of numbers.
    #[must_use]
    pub fn list(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its numbers.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The numbers as they stand when it is stretched to a larger shape by NumPy's rule: axes from the last on, those of
    /// length 1 repeated. A list of as many numbers as the shape has stands as it is.
    pub(super) fn stretched(&self, shape: &[usize]) -> Option<Vec<f64>> {
        let count = shape.iter().product::<usize>();
        if let [value] = self.values[..] {
            return Some(vec![value; count]);
        }
        if self.values.len() == count && (self.shape == shape || self.shape.len() == 1) {
            return Some(self.values.clone());
        }
        let missing = shape.len().checked_sub(self.shape.len())?;
        let fits = self.shape.iter().zip(&shape[missing..]).all(|(own, wanted)| *own == 1 || own == wanted);
        if !fits {
            return None;
        }
        let at = |mut index: usize| {
            let (mut place, mut step) = (0, 1);
            for axis in (0..shape.len()).rev() {
                let position = index % shape[axis];
                index /= shape[axis];
                if let Some(own) = axis.checked_sub(missing).map(|axis| self.shape[axis]) {
                    place += if own == 1 { 0 } else { position * step };
                    step *= own;
                }
            }
            self.values[place]
        };
        Some((0..count).map(at).collect())
    }
}

/// A node: its type, such as `LIF`, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// NIR's name of its type.
    pub kind: String,
    /// Its numbers by NIR's names.
    pub numbers: BTreeMap<String, Tensor>,
    /// Its texts, such as a padding that is `same`.
    pub texts: BTreeMap<String, String>,
    /// The graph, of a node that is one (`NIRGraph`).
    pub graph: Option<Box<Graph>>,
    /// What else is said about it.
    pub metadata: BTreeMap<String, String>,
}

impl Node {
    /// A node of a type with numbers.
    #[must_use]
    pub fn new(kind: &str, numbers: impl IntoIterator<Item = (&'static str, Tensor)>) -> Self {
        let numbers = numbers.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Self { kind: kind.to_owned(), numbers, ..Self::default() }
    }

    /// Numbers that must be there, all finite.
    pub(super) fn need(&self, name: &str, of: &str) -> Result<&Tensor, NirError> {
        let found = self.numbers.get(of).ok_or_else(|| {
            let known: Vec<&String> = self.numbers.keys().collect();
            NirError::of_node(
                name,
                format!("has no `{of}`, which a node of type {} needs; it has {known:?}", self.kind),
            )
        })?;
        match found.values.iter().find(|value| !value.is_finite()) {
            Some(value) => {
                Err(NirError::of_node(name, format!("`{of}` holds {value}; allowed are finite numbers")))
            }
            None => Ok(found),
        }
    }

    /// Whole numbers that must be there, from 0 to 2^24.
    pub(super) fn sizes(&self, name: &str, of: &str, wanted: usize) -> Result<Vec<u32>, NirError> {
        let found = self.need(name, of)?;
        let whole = |value: &f64| {
            (value.fract() == 0.0 && (0.0..=16_777_216.0).contains(value)).then_some(*value as u32)
        };
        let sizes: Option<Vec<u32>> = found.values.iter().map(whole).collect();
        match sizes {
            Some(sizes) if sizes.len() == wanted => Ok(sizes),
            // One number stands for all axes.
            Some(sizes) if sizes.len() == 1 => Ok(vec![sizes[0]; wanted]),
            _ => Err(NirError::of_node(
                name,
                format!("`{of}` is {:?}; allowed are {wanted} whole numbers from 0 to 2^24", found.values),
            )),
        }
    }

    /// The shape that an Input or Output states, if it does.
    pub(super) fn stated_shape(&self, name: &str) -> Result<Option<Vec<usize>>, NirError> {
        let Some(shape) = self.numbers.get("shape").filter(|shape| !shape.values.is_empty()) else {
            return Ok(None);
        };
        let sizes = self.sizes(name, "shape", shape.values.len())?;
        Ok(Some(sizes.into_iter().map(|size| size as usize).collect()))
    }
}

/// Nodes and edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The nodes by their names.
    pub nodes: BTreeMap<String, Node>,
    /// From where to where what comes out of a node goes.
    pub edges: Vec<(String, String)>,
    /// What else is said about it.
    pub metadata: BTreeMap<String, String>,
}

/// The most nodes of a graph with all graphs in it, and the most graphs inside one another.
const MOST_NODES: usize = 100_000;
const DEEPEST: usize = 32;

impl Graph {
    /// The same with the nodes of inner graphs in place of these, named `graph.node`, and their inputs and outputs as nodes
    /// that pass on what they get.
    pub(super) fn flat(&self) -> Result<Self, NirError> {
        let mut flat = Self::default();
        self.flatten_into("", 0, &mut flat)?;
        for (from, to) in &flat.edges {
            if let Some(missing) = [from, to].into_iter().find(|name| !flat.nodes.contains_key(*name)) {
                return Err(NirError::new(
                    format!("edge `{from}` -> `{to}`"),
                    format!("names `{missing}`, which is no node of the graph"),
                ));
            }
        }
        Ok(flat)
    }

    fn flatten_into(&self, prefix: &str, depth: usize, flat: &mut Self) -> Result<(), NirError> {
        if depth > DEEPEST || flat.nodes.len() + self.nodes.len() > MOST_NODES {
            return Err(NirError::new(
                "graph",
                format!(
                    "has more than {MOST_NODES} nodes, or graphs inside one another more than {DEEPEST} deep"
                ),
            ));
        }
        for (name, node) in &self.nodes {
            let full = format!("{prefix}{name}");
            if let Some(inner) = &node.graph {
                inner.flatten_into(&format!("{full}."), depth + 1, flat)?;
                continue;
            }
            let mut node = node.clone();
            if depth > 0 && matches!(node.kind.as_str(), "Input" | "Output") {
                node.kind = "Pass".to_owned();
            }
            if flat.nodes.insert(full.clone(), node).is_some() {
                return Err(NirError::of_node(&full, "stands twice, once as a node of an inner graph"));
            }
        }
        for (from, to) in &self.edges {
            let from = self.end(prefix, from, "Output")?;
            let to = self.end(prefix, to, "Input")?;
            flat.edges.push((from, to));
        }
        Ok(())
    }

    /// The node at which an edge ends: of an inner graph its one input or output.
    fn end(&self, prefix: &str, name: &str, kind: &str) -> Result<String, NirError> {
        let full = format!("{prefix}{name}");
        let Some(inner) = self.nodes.get(name).and_then(|node| node.graph.as_ref()) else { return Ok(full) };
        let mut ends = inner.nodes.iter().filter(|(_, node)| node.kind == kind);
        match (ends.next(), ends.next()) {
            (Some((end, _)), None) => inner.end(&format!("{full}."), end, kind),
            _ => Err(NirError::of_node(
                &full,
                format!("is a graph without exactly one {kind}; an edge to it does not say which is meant"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stretched_as_numpy_does_and_refused_where_it_would() {
        let channels = Tensor::new(vec![2, 1, 1], vec![1.0, 2.0]).unwrap();
        assert_eq!(channels.stretched(&[2, 1, 2]), Some(vec![1.0, 1.0, 2.0, 2.0]));
        assert_eq!(Tensor::list(vec![1.0, 2.0]).stretched(&[2, 2]), Some(vec![1.0, 2.0, 1.0, 2.0]));
        assert_eq!(Tensor::scalar(3.0).stretched(&[2]), Some(vec![3.0, 3.0]));
        assert_eq!(Tensor::list(vec![1.0, 2.0]).stretched(&[3]), None);
        assert_eq!(Tensor::new(vec![2, 3], vec![0.0; 5]), Err(Some(6)));
    }

    #[test]
    fn inner_graphs_stand_in_their_place_with_their_names_before_the_nodes() {
        let edges = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect::<Vec<_>>()
        };
        let node = |kind: &str| Node::new(kind, []);
        let inner = Graph {
            nodes: [("in", "Input"), ("lif", "LIF"), ("out", "Output")]
                .map(|(n, k)| (n.to_owned(), node(k)))
                .into(),
            edges: edges(&[("in", "lif"), ("lif", "out")]),
            metadata: BTreeMap::new(),
        };
        let mut sub = node("NIRGraph");
        sub.graph = Some(Box::new(inner));
        let graph = Graph {
            nodes: [
                ("a".to_owned(), node("Input")),
                ("sub".to_owned(), sub),
                ("z".to_owned(), node("Output")),
            ]
            .into(),
            edges: edges(&[("a", "sub"), ("sub", "z")]),
            metadata: BTreeMap::new(),
        };
        let flat = graph.flat().unwrap();
        assert_eq!(flat.nodes["sub.in"].kind, "Pass");
        let expected =
            edges(&[("sub.in", "sub.lif"), ("sub.lif", "sub.out"), ("a", "sub.in"), ("sub.out", "z")]);
        let mut found = flat.edges.clone();
        found.sort();
        assert_eq!(found, {
            let mut e = expected;
            e.sort();
            e
        });
        let lost = Graph { edges: edges(&[("a", "nowhere")]), ..graph };
        assert!(lost.flat().unwrap_err().to_string().contains("`nowhere`"));
    }
}
