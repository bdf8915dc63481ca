//! How much a graph may ask for.

use super::graph::{Graph, NirError};

/// What any graph may have, however few its numbers are, and for each of them.
const ELEMENTS: usize = 1 << 25;
const ELEMENTS_PER_NUMBER: usize = 64;
const SYNAPSES: usize = 1 << 28;
const SYNAPSES_PER_NUMBER: usize = 4;

/// The most that is made of a graph: a node of one number can stand for any number of neurons, and a few nodes for any number
/// of ways between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Elements of what goes into and comes out of all nodes together.
    pub elements: usize,
    /// Numbers of all maps between populations together, as they are put together.
    pub synapses: usize,
}

impl Most {
    /// What is justified by the numbers of a graph: 2^25 elements and 64 for each number, 2^28 synapses and 4 for each number.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        let numbers = numbers(graph);
        Self {
            elements: numbers.saturating_mul(ELEMENTS_PER_NUMBER).saturating_add(ELEMENTS),
            synapses: numbers.saturating_mul(SYNAPSES_PER_NUMBER).saturating_add(SYNAPSES),
        }
    }
}

fn numbers(graph: &Graph) -> usize {
    let of_node = |node: &super::Node| {
        let own: usize = node.numbers.values().map(|tensor| tensor.values().len()).sum();
        own.saturating_add(node.graph.as_ref().map_or(0, |inner| numbers(inner)))
    };
    graph.nodes.values().map(of_node).fold(0, usize::saturating_add)
}

/// What is left of a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    left: usize,
    most: usize,
    what: &'static str,
}

impl Room {
    pub fn elements(most: Most) -> Self {
        Self { left: most.elements, most: most.elements, what: "elements" }
    }

    pub fn synapses(most: Most) -> Self {
        Self { left: most.synapses, most: most.synapses, what: "synapses" }
    }

    /// Takes so many at a node.
    pub fn take(&mut self, name: &str, count: Option<usize>) -> Result<(), NirError> {
        match count.and_then(|count| self.left.checked_sub(count)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.refused(name)),
        }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left
    }

    pub fn refused(&self, name: &str) -> NirError {
        NirError::of_node(
            name,
            format!(
                "and the nodes before it make more than {} {}, which is what the numbers of the graph justify; give it smaller \
                 inputs, or neurons between its maps",
                self.most, self.what
            ),
        )
    }
}
