//! A net that is being rewritten.

use crate::ann::{Ann, AnnError, Node, NodeId, Op, Shape};

/// A node while the net is rewritten; inputs are places in [`Graph::nodes`].
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) tensor: Option<String>,
    pub(super) op: Op,
    pub(super) inputs: Vec<usize>,
    pub(super) shape: Shape,
}

/// Nodes in execution order; those that a pass adds come last, wherever they belong.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Draft>,
    pub(super) output: usize,
}

impl Graph {
    pub(super) fn of(ann: Ann) -> Self {
        let output = ann.output().index();
        let draft = |node: Node| Draft {
            name: node.name,
            tensor: node.tensor,
            op: node.op,
            inputs: node.inputs.iter().map(|i| i.index()).collect(),
            shape: node.shape,
        };
        Graph { nodes: ann.into_nodes().into_iter().map(draft).collect(), output }
    }

    /// Adds a node and returns its place.
    pub(super) fn add(&mut self, node: Draft) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// How often each node is used by nodes that the output needs; the output itself counts as used once more.
    pub(super) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        uses[self.output] = 1;
        // Nodes stand behind their inputs as long as none was added.
        for id in (0..self.nodes.len()).rev() {
            if uses[id] > 0 {
                self.nodes[id].inputs.iter().for_each(|&input| uses[input] += 1);
            }
        }
        uses
    }

    /// For each node those that use it; all are counted, needed or not.
    pub(super) fn consumers(&self) -> Vec<Vec<usize>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| consumers[input].push(id));
        }
        consumers
    }

    /// Lets `rewrite` say for each node, in execution order, which earlier node it is now (itself, mostly); its inputs are
    /// those of the rewritten nodes already.
    pub(super) fn rewrite(&mut self, mut rewrite: impl FnMut(&mut Self, usize) -> usize) {
        let mut places: Vec<usize> = (0..self.nodes.len()).collect();
        for id in 0..places.len() {
            for input in &mut self.nodes[id].inputs {
                *input = places[*input];
            }
            places[id] = rewrite(self, id);
        }
        self.output = places[self.output];
    }

    /// The net: what the output needs, inputs before their users, otherwise in the order of the places.
    pub(super) fn finish(self) -> Result<Ann, AnnError> {
        let input = &self.nodes[0];
        let mut ann = Ann::new(input.name.clone(), input.shape.clone())?;
        ann.set_tensor(ann.input(), input.tensor.clone());
        let needed = self.needed();
        let mut places: Vec<Option<NodeId>> = vec![None; self.nodes.len()];
        places[0] = Some(ann.input());
        for start in (1..self.nodes.len()).filter(|&id| needed[id]) {
            let mut open = vec![start];
            while let Some(&id) = open.last() {
                if places[id].is_some() {
                    open.pop();
                    continue;
                }
                let node = &self.nodes[id];
                let missing: Vec<_> = node.inputs.iter().filter(|&&i| places[i].is_none()).copied().collect();
                if !missing.is_empty() {
                    open.extend(missing.into_iter().rev());
                    continue;
                }
                let inputs: Vec<_> = node.inputs.iter().filter_map(|&i| places[i]).collect();
                let mut name = node.name.clone();
                let mut count = 1;
                while ann.has_name(&name) {
                    count += 1;
                    name = format!("{}_{count}", node.name);
                }
                let place = ann.push(name, node.op.clone(), &inputs)?;
                ann.set_tensor(place, node.tensor.clone());
                places[id] = Some(place);
                open.pop();
            }
        }
        ann.set_output(places[self.output].expect("the output is needed"));
        Ok(ann)
    }

    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        let mut open = vec![self.output];
        while let Some(id) = open.pop() {
            if !std::mem::replace(&mut needed[id], true) {
                open.extend(&self.nodes[id].inputs);
            }
        }
        needed
    }
}
