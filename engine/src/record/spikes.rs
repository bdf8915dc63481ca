use crate::network::PopulationId;

/// The spikes of all populations in one step, neurons ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spikes {
    pub(crate) lists: Vec<Vec<u32>>,
}

impl Spikes {
    pub(crate) fn none(populations: usize) -> Self {
        Self { lists: vec![vec![]; populations] }
    }

    /// The neurons of one population that fired in this step, ascending.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> &[u32] {
        &self.lists[population.index()]
    }

    /// The number of spikes of all populations.
    #[must_use]
    pub fn total(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }
}
