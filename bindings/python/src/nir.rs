//! Graphs of the Neuromorphic Intermediate Representation, as the package's `nir` module takes them apart.

use std::collections::BTreeMap;

use numpy::{IntoPyArray, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods, ndarray::ArrayD};
use pyo3::prelude::*;
use snn_exchange::nir::{Graph, NirError, Node, Steps, Tensor, from_network, to_network};
use snn_formats::Description;

use crate::network::Network;
use crate::{array, error};

/// A node: its type, its numbers, its texts, what else is said about it, and the graph of one that is a graph.
#[derive(FromPyObject)]
struct Taken<'py>(
    String,
    BTreeMap<String, PyReadonlyArrayDyn<'py, f64>>,
    BTreeMap<String, String>,
    BTreeMap<String, String>,
    Option<Bound<'py, PyAny>>,
);

/// Nodes by name, and edges.
type Parts<'py> = (BTreeMap<String, Bound<'py, PyAny>>, Vec<(String, String)>);

fn refused(error: NirError) -> PyErr {
    error::RaisedConvertError::new_err(error.to_string())
}

fn graph(parts: &Bound<'_, PyAny>) -> PyResult<Graph> {
    let (nodes, edges): Parts<'_> = parts.extract()?;
    let mut graph = Graph { edges, ..Graph::default() };
    for (name, taken) in nodes {
        let Taken(kind, numbers, texts, metadata, inner) = taken.extract()?;
        let tensor = |(of, values): (String, PyReadonlyArrayDyn<'_, f64>)| {
            let tensor = Tensor::new(values.shape().to_vec(), array::copied(&values));
            tensor
                .map(|tensor| (of, tensor))
                .map_err(|_| refused(NirError::new(&name, "has an array that does not fill its shape")))
        };
        let numbers = numbers.into_iter().map(tensor).collect::<PyResult<_>>()?;
        let inner = inner.map(|inner| self::graph(&inner)).transpose()?.map(Box::new);
        graph.nodes.insert(name.clone(), Node { kind, numbers, texts, graph: inner, metadata });
    }
    Ok(graph)
}

/// Makes a network of a graph: the network, what is said otherwise, and what was assumed.
#[pyfunction]
pub fn network_of_nir(
    parts: &Bound<'_, PyAny>,
    dt: f64,
    lossy: bool,
) -> PyResult<(Network, Vec<String>, Vec<String>)> {
    let graph = graph(parts)?;
    let translated = parts.py().detach(|| to_network(&graph, Steps { dt, lossy })).map_err(refused)?;
    Ok((Network::new(translated.made, Description::default(), vec![]), translated.losses, translated.notes))
}

/// A node taken apart: its type, its numbers, its texts, what else is said about it.
type TakenApart<'py> = (
    String,
    BTreeMap<String, Bound<'py, PyArrayDyn<f64>>>,
    BTreeMap<String, String>,
    BTreeMap<String, String>,
);

/// Makes a graph of a network: its nodes taken apart, its edges, and what is said otherwise.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "a tuple for Python")]
pub fn nir_of_network<'py>(
    py: Python<'py>,
    network: &Network,
    dt: f64,
    lossy: bool,
) -> PyResult<(BTreeMap<String, TakenApart<'py>>, Vec<(String, String)>, Vec<String>)> {
    let inner = &network.inner;
    let translated = py.detach(|| from_network(inner, Steps { dt, lossy })).map_err(refused)?;
    let apart = |node: Node| -> TakenApart<'py> {
        let array = |tensor: Tensor| {
            let values = tensor.values().to_vec();
            ArrayD::from_shape_vec(tensor.shape(), values).expect("a tensor fills its shape").into_pyarray(py)
        };
        let numbers = node.numbers.into_iter().map(|(of, tensor)| (of, array(tensor))).collect();
        (node.kind, numbers, node.texts, node.metadata)
    };
    let nodes = translated.made.nodes.into_iter().map(|(name, node)| (name, apart(node))).collect();
    Ok((nodes, translated.made.edges, translated.losses))
}
