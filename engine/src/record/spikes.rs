use crate::network::PopulationId;
use crate::spikes::{SpikeList, SpikeSlice};

/// The spikes of all populations in one step, neurons ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spikes {
    pub(crate) lists: Vec<SpikeList>,
}

impl Spikes {
    /// No spikes of so many populations.
    #[must_use]
    pub fn none(populations: usize) -> Self {
        Self { lists: vec![SpikeList::new(); populations] }
    }

    /// The neurons of one population that fired in this step, ascending.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> &[u32] {
        self.lists[population.index()].neurons()
    }

    /// The same with the values of their spikes.
    #[must_use]
    pub fn with_values(&self, population: PopulationId) -> SpikeSlice<'_> {
        self.lists[population.index()].as_slice()
    }

    /// The number of spikes of all populations.
    #[must_use]
    pub fn total(&self) -> usize {
        self.lists.iter().map(SpikeList::len).sum()
    }
}

impl From<Vec<SpikeList>> for Spikes {
    /// The spikes of every population in order of declaration.
    fn from(lists: Vec<SpikeList>) -> Self {
        Self { lists }
    }
}
