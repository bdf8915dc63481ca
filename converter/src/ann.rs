//! The trained net as it is converted: a graph of a few exhaustively listed operators.

mod decision;
mod op;
mod resample;
mod shape;
mod window;

pub use decision::Decision;
pub use op::{Affine, AveragePool, Conv, Linear, MaxPool, Op, coefficient};
pub use resample::{Progression, Resample, Taps};
pub use shape::{MAX_ELEMENTS, Shape};
pub use window::Window;

use std::collections::HashSet;
use std::fmt;

/// The place of a node in its [`Ann`], from 0 (the input) in execution order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// The place in [`Ann::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One operation of the net and the one tensor it makes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name of the operation in the file, made unique; never empty.
    pub name: String,
    /// The name of the tensor in the file that has this node's values, if there is one (rewriting the graph can make
    /// tensors that the file does not have).
    pub tensor: Option<String>,
    /// What it computes.
    pub op: Op,
    /// Where its inputs come from; all of them are earlier nodes.
    pub inputs: Vec<NodeId>,
    /// The shape of its output, of one sample.
    pub shape: Shape,
}

/// A node that does not fit into the graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` ({kind}): {reason}")]
pub struct AnnError {
    /// The node's name.
    pub node: String,
    /// The kind of its operator.
    pub kind: &'static str,
    /// What does not fit.
    pub reason: String,
}

/// A trained artificial neural network: a directed acyclic graph with one input and one output.
///
/// Nodes stand in execution order, every input of a node before it; node 0 is the input. Every tensor has the shape of
/// one sample, the batch axis is left out. Weights are shared by reference, so that cloning a node is cheap.
///
/// ```
/// use snn_converter::ann::{Ann, Linear, Op, Shape};
/// let mut ann = Ann::new("x", Shape::new([2])?)?;
/// let linear = Linear { weights: [1.0, -1.0].into(), bias: None, inputs: 2, outputs: 1 };
/// let linear = ann.push("linear", Op::Linear(linear), &[ann.input()])?;
/// let relu = ann.push("relu", Op::Relu, &[linear])?;
/// ann.set_output(relu);
/// assert_eq!(ann.node(ann.output()).shape.extents(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ann {
    nodes: Vec<Node>,
    names: HashSet<String>,
    output: NodeId,
    decisions: Vec<Decision>,
}

impl Ann {
    /// A net of an input only, which is also its output.
    ///
    /// # Errors
    /// If the name is empty.
    pub fn new(input: impl Into<String>, shape: Shape) -> Result<Self, AnnError> {
        let mut ann = Ann { nodes: Vec::new(), names: HashSet::new(), output: NodeId(0), decisions: vec![] };
        ann.push(input, Op::Input(shape), &[])?;
        Ok(ann)
    }

    /// Adds a node behind the others and makes it the output.
    ///
    /// # Errors
    /// If the name is empty or taken, a second input is added, or shapes, weights or parameters do not fit together
    /// ([`Op::output_shape`]).
    ///
    /// # Panics
    /// If an input is not a node of this graph.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> Result<NodeId, AnnError> {
        let name = name.into();
        let refuse = |reason: String| AnnError { node: name.clone(), kind: op.kind(), reason };
        if name.is_empty() {
            return Err(refuse("a node needs a name".into()));
        }
        if self.names.contains(&name) {
            return Err(refuse("the name is taken by another node".into()));
        }
        if matches!(op, Op::Input(_)) && !self.nodes.is_empty() {
            return Err(refuse(format!("the net already has the input `{}`", self.nodes[0].name)));
        }
        let shapes: Vec<&Shape> = inputs
            .iter()
            .map(|id| {
                assert!(id.0 < self.nodes.len(), "node {} of {} as input", id.0, self.nodes.len());
                &self.nodes[id.0].shape
            })
            .collect();
        let shape = op.output_shape(&shapes).map_err(refuse)?;
        let id = NodeId(self.nodes.len());
        self.names.insert(name.clone());
        self.nodes.push(Node { name, tensor: None, op, inputs: inputs.to_vec(), shape });
        self.output = id;
        Ok(id)
    }

    /// Notes which tensor of the file has the values of a node.
    ///
    /// # Panics
    /// If `id` is not a node of this graph.
    pub fn set_tensor(&mut self, id: NodeId, tensor: Option<String>) {
        self.nodes[id.0].tensor = tensor;
    }

    /// Makes a node the output of the net.
    ///
    /// # Panics
    /// If `id` is not a node of this graph.
    pub fn set_output(&mut self, id: NodeId) {
        assert!(id.0 < self.nodes.len(), "node {} of {} as output", id.0, self.nodes.len());
        self.output = id;
    }

    /// Notes what the file does with the output, in this order, that is left out of the net.
    pub fn set_decisions(&mut self, decisions: Vec<Decision>) {
        self.decisions = decisions;
    }

    /// What the file does with the output, in this order, and the net does not.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// The input, node 0.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// The output.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// All nodes in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All nodes in execution order, for one that rewrites them.
    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// All nodes with their ids, in execution order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId(i), node))
    }

    /// One node.
    ///
    /// # Panics
    /// If `id` is not a node of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The node of a name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name).map(NodeId)
    }

    /// Whether a name is taken.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// For each node those that take it as an input, ascending; one that takes it twice is listed twice.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.iter() {
            for input in &node.inputs {
                consumers[input.0].push(id);
            }
        }
        consumers
    }

    /// The shape of one sample of the input.
    pub fn input_shape(&self) -> &Shape {
        &self.nodes[0].shape
    }

    /// The shape of one sample of the output.
    pub fn output_shape(&self) -> &Shape {
        &self.nodes[self.output.0].shape
    }
}

impl fmt::Display for Ann {
    /// One line per node: its place, name, operator, inputs and shape.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, node) in self.iter() {
            let inputs: Vec<String> = node.inputs.iter().map(|i| i.0.to_string()).collect();
            let mark = if id == self.output { " (output)" } else { "" };
            writeln!(
                f,
                "{:>3} {} {}({}) {}{mark}",
                id.0,
                node.name,
                node.op.kind(),
                inputs.join(", "),
                node.shape
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(extents: &[usize]) -> Shape {
        Shape::new(extents).unwrap()
    }

    fn conv(in_channels: usize, out_channels: usize, groups: usize, window: Window) -> Op {
        let weights = in_channels / groups * out_channels * window.kernel[0] * window.kernel[1];
        Op::Conv(Conv {
            weights: vec![0.5; weights].into(),
            bias: None,
            in_channels,
            out_channels,
            groups,
            window,
        })
    }

    #[test]
    fn shapes_follow_the_operators() {
        let mut ann = Ann::new("x", shape(&[4, 9, 8])).unwrap();
        let window = Window { stride: [2, 1], before: [1, 0], after: [0, 1], ..Window::of([3, 2]) };
        let a = ann.push("conv", conv(4, 6, 2, window), &[ann.input()]).unwrap();
        assert_eq!(ann.node(a).shape.extents(), [6, 4, 8]);
        let b = ann.push("mean", Op::GlobalAverage, &[a]).unwrap();
        assert_eq!(ann.node(b).shape.extents(), [6, 1, 1]);
        let c = ann.push("view", Op::View(shape(&[6])), &[b]).unwrap();
        let d = ann.push("both", Op::Concat { axis: 0 }, &[c, c]).unwrap();
        assert_eq!(ann.node(d).shape.extents(), [12]);
        let e = ann.push("swap", Op::Transpose { perm: vec![2, 0, 1] }, &[a]).unwrap();
        assert_eq!(ann.node(e).shape.extents(), [8, 6, 4]);
        let f = ann.push("pad", Op::Pad { before: vec![0, 1, 2], after: vec![1, 0, 0] }, &[a]).unwrap();
        assert_eq!(ann.node(f).shape.extents(), [7, 5, 10]);
        assert_eq!(ann.output(), f);
        assert_eq!(ann.consumers()[a.index()], [b, e, f]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_name_of_the_node() {
        let mut ann = Ann::new("x", shape(&[3, 4, 4])).unwrap();
        let x = ann.input();
        let linear = |weights: Vec<f32>| {
            Op::Linear(Linear { weights: weights.into(), bias: None, inputs: 48, outputs: 1 })
        };
        let window = Window::of([3, 3]);
        for (name, op, inputs) in [
            ("rank", linear(vec![0.0; 48]), vec![x]),
            ("groups", conv(3, 4, 2, window.clone()), vec![x]),
            ("channels", conv(4, 4, 1, window.clone()), vec![x]),
            ("large", conv(3, 4, 1, Window::of([5, 1])), vec![x]),
            ("one", Op::Add, vec![x]),
            ("two", Op::Relu, vec![x, x]),
            ("view", Op::View(shape(&[47])), vec![x]),
            ("perm", Op::Transpose { perm: vec![0, 0, 1] }, vec![x]),
            ("clip", Op::Clip { max: 0.0 }, vec![x]),
            ("levels", Op::Qcfs { levels: 0, theta: 1.0 }, vec![x]),
            ("affine", Op::Affine(Affine { scale: [1.0; 2].into(), shift: [0.0].into() }), vec![x]),
            ("nan", Op::Affine(Affine { scale: [f32::NAN].into(), shift: [0.0].into() }), vec![x]),
            ("axis", Op::Concat { axis: 3 }, vec![x, x]),
            ("x", Op::Relu, vec![x]),
            ("", Op::Relu, vec![x]),
            ("again", Op::Input(shape(&[1])), vec![]),
        ] {
            let error = ann.push(name, op, &inputs).expect_err(name);
            assert_eq!(error.node, name);
            assert_eq!(ann.nodes().len(), 1, "{name} left a trace");
        }
    }

    #[test]
    fn a_pooling_window_wholly_in_the_padding_is_refused() {
        let mut ann = Ann::new("x", shape(&[1, 2, 2])).unwrap();
        let window = Window { before: [2, 0], ..Window::of([2, 1]) };
        let max = Op::MaxPool(MaxPool { window: window.clone(), ceil_mode: false });
        assert!(ann.push("max", max, &[ann.input()]).is_err());
        let pool = |count_include_pad| {
            Op::AveragePool(AveragePool { window: window.clone(), ceil_mode: false, count_include_pad })
        };
        assert!(ann.push("mean", pool(false), &[ann.input()]).is_err());
        assert!(ann.push("mean", pool(true), &[ann.input()]).is_err());
        let inside = Op::AveragePool(AveragePool {
            window: Window::of([2, 1]),
            ceil_mode: false,
            count_include_pad: true,
        });
        assert!(ann.push("mean", inside, &[ann.input()]).is_ok());
    }
}
