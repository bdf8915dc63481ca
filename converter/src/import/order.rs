//! Which nodes of a file are read for an output, in which order.

use super::Refusal;
use super::operator::{DECISIONS, MOVES, ROUNDS};
use rten_onnx::onnx::{GraphProto, NodeProto};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The nodes that an output needs.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// The tensor that the net is to yield.
    pub(super) output: &'a str,
    /// Places of nodes in the file: every node behind those that make its inputs, otherwise as they stand there.
    pub(super) nodes: Vec<usize>,
    /// The nodes at the end through which alone the output depends on all others, and which make probabilities, classes or
    /// another shape of what they get; from the output back.
    pub(super) last: Vec<usize>,
    /// The tensors that the nodes take, and the output.
    pub(super) used: HashSet<&'a str>,
}

/// Who makes which tensor.
struct Makers<'a> {
    graph: &'a GraphProto,
    of: HashMap<&'a str, usize>,
    /// Tensors that depend on no input of the net.
    constants: HashSet<&'a str>,
}

impl<'a> Order<'a> {
    /// The nodes that the wanted output needs: an output of the net, another tensor or a node's first output. Without a wish
    /// the net's only output, or the first of several that decide about the same scores.
    pub(super) fn of(graph: &'a GraphProto, wanted: Option<&str>) -> Result<Self, Vec<Refusal>> {
        let makers = Makers::new(graph)?;
        let outputs: Vec<&str> = graph.output.iter().filter_map(|output| output.name.as_deref()).collect();
        let output = match wanted {
            Some(name) => makers.tensor(name, &outputs)?,
            None => makers.only(&outputs)?,
        };
        let last = makers.tail(output).0;
        let (nodes, used) = makers.ordered(output)?;
        Ok(Order { output, nodes, last, used })
    }
}

impl<'a> Makers<'a> {
    fn new(graph: &'a GraphProto) -> Result<Self, Vec<Refusal>> {
        let mut of = HashMap::new();
        for (place, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if of.insert(&output[..], place).is_some() {
                    let reason = format!("another node makes its output `{output}` too");
                    return Err(vec![refusal(
                        graph,
                        place,
                        reason,
                        "the file is damaged; export the net again",
                    )]);
                }
            }
        }
        let constants = constants(graph);
        Ok(Makers { graph, of, constants })
    }

    /// The tensor of a name that the user gave.
    fn tensor(&self, name: &str, outputs: &[&'a str]) -> Result<&'a str, Vec<Refusal>> {
        if let Some(&output) = outputs.iter().find(|&&output| output == name) {
            return Ok(output);
        }
        if let Some((&tensor, _)) = self.of.get_key_value(name) {
            return Ok(tensor);
        }
        let named = self.graph.node.iter().find(|node| node.name.as_deref() == Some(name));
        if let Some(output) = named.and_then(|node| node.output.first()) {
            return Ok(output);
        }
        Err(vec![Refusal {
            node: name.to_owned(),
            op: "Output".into(),
            reason: "the net has no output, tensor or node of this name".into(),
            hint: format!("its outputs are {}", quoted(outputs)),
        }])
    }

    fn only(&self, outputs: &[&'a str]) -> Result<&'a str, Vec<Refusal>> {
        let Some(&first) = outputs.first() else {
            return Err(vec![Refusal {
                node: "net".into(),
                op: "Output".into(),
                reason: "the net has no output".into(),
                hint: "the file is damaged; export the net again, or choose a tensor as the output".into(),
            }]);
        };
        let scores: HashSet<&str> = outputs.iter().map(|output| self.tail(output).1).collect();
        if scores.len() == 1 {
            return Ok(first);
        }
        let hint = format!("choose one as the output: {}", quoted(outputs));
        let several = |output: &&str| Refusal {
            node: (*output).to_owned(),
            op: "Output".into(),
            reason: format!("the net has {} outputs that differ; exactly one is converted", outputs.len()),
            hint: hint.clone(),
        };
        Err(outputs.iter().map(several).collect())
    }

    /// The nodes that decide about scores or give them another shape, from the output back, and the scores.
    fn tail(&self, output: &'a str) -> (Vec<usize>, &'a str) {
        let (mut tail, mut tensor) = (vec![], output);
        while let Some(&place) = self.of.get(tensor)
            && !tail.contains(&place)
        {
            let node = &self.graph.node[place];
            let op = node.op_type.as_deref().unwrap_or("");
            let mut inputs = node.input.iter().filter(|input| !self.constants.contains(&input[..]));
            let (Some(input), None) = (inputs.next(), inputs.next()) else { break };
            if !DECISIONS.contains(&op) && !MOVES.contains(&op) && !ROUNDS.contains(&op) {
                break;
            }
            tail.push(place);
            tensor = input;
        }
        (tail, tensor)
    }

    /// The nodes behind which the output stands, sorted.
    fn ordered(&self, output: &'a str) -> Result<(Vec<usize>, HashSet<&'a str>), Vec<Refusal>> {
        let nodes = &self.graph.node;
        let mut used = HashSet::from([output]);
        let mut needed = vec![false; nodes.len()];
        let mut open: Vec<usize> = self.of.get(output).copied().into_iter().collect();
        let mut users: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut waits = vec![0_usize; nodes.len()];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut needed[place], true) {
                continue;
            }
            for input in nodes[place].input.iter().filter(|input| !input.is_empty()) {
                used.insert(&input[..]);
                if let Some(&maker) = self.of.get(&input[..]) {
                    users.entry(maker).or_default().push(place);
                    waits[place] += 1;
                    open.push(maker);
                }
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..nodes.len()).filter(|&place| needed[place] && waits[place] == 0).map(Reverse).collect();
        let mut sorted = vec![];
        while let Some(Reverse(place)) = ready.pop() {
            sorted.push(place);
            for &user in users.get(&place).into_iter().flatten() {
                waits[user] -= 1;
                if waits[user] == 0 {
                    ready.push(Reverse(user));
                }
            }
        }
        if let Some(place) = (0..nodes.len()).find(|&place| waits[place] > 0) {
            let reason = "it depends on its own output, or on nodes that do".to_owned();
            return Err(vec![refusal(self.graph, place, reason, "only feed-forward nets are converted")]);
        }
        Ok((sorted, used))
    }
}

/// The tensors that depend on no input of the net. Nodes may stand in any order: each is looked at when the last of its
/// inputs becomes known (Kahn 1962), so that time is O(nodes and their inputs).
fn constants(graph: &GraphProto) -> HashSet<&str> {
    let mut constants: HashSet<&str> =
        graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    let mut waits = vec![0_usize; graph.node.len()];
    let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, node) in graph.node.iter().enumerate() {
        for input in node.input.iter().filter(|input| !input.is_empty() && !constants.contains(&input[..])) {
            waits[place] += 1;
            users.entry(input).or_default().push(place);
        }
    }
    let mut ready: Vec<usize> = (0..waits.len()).filter(|&place| waits[place] == 0).collect();
    while let Some(place) = ready.pop() {
        for output in &graph.node[place].output {
            if !constants.insert(output) {
                continue;
            }
            for &user in users.get(&output[..]).into_iter().flatten() {
                waits[user] -= 1;
                if waits[user] == 0 {
                    ready.push(user);
                }
            }
        }
    }
    constants
}

fn refusal(graph: &GraphProto, place: usize, reason: String, hint: &str) -> Refusal {
    let node = &graph.node[place];
    let op = node.op_type.clone().unwrap_or_default();
    Refusal { node: node_name(place, node), op, reason, hint: hint.into() }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A node's name; a nameless one is called after its operator and place.
pub(super) fn node_name(place: usize, node: &NodeProto) -> String {
    match node.name.as_deref() {
        None | Some("") => format!("{}_{place}", node.op_type.as_deref().unwrap_or("node")),
        Some(name) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rten_onnx::onnx::TensorProto;

    #[test]
    fn constants_are_found_in_any_order_of_the_nodes_and_in_time_linear_in_their_number() {
        let node = |inputs: &[String], output: String| NodeProto {
            input: inputs.to_vec(),
            output: vec![output],
            ..Default::default()
        };
        let named = |place: usize| format!("c{place}");
        // A chain of a hundred thousand, the last first: looked at again and again it would take hours.
        let count = 100_000;
        let mut nodes: Vec<NodeProto> = (0..count)
            .map(|place| node(&[named(place), named(0), String::new()], named(place + 1)))
            .collect();
        nodes.reverse();
        nodes.push(node(&["x".into(), named(3)], "y".into()));
        nodes.push(node(&[], "made of nothing".into()));
        let first = TensorProto { name: Some(named(0)), ..Default::default() };
        let graph = GraphProto { node: nodes, initializer: vec![first], ..Default::default() };
        let found = constants(&graph);
        assert_eq!(found.len(), count + 2);
        assert!(found.contains("made of nothing") && found.contains("c100000") && !found.contains("y"));
    }
}
