use std::ops::AddAssign;

use crate::network::{Network, PopulationId};

/// What happened in one population. The numbers are exact, and every simulator counts the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PopulationStatistics {
    /// Spikes that its neurons emitted, whatever their values: events.
    pub spikes: u64,
    /// The sum of the magnitudes of their values.
    pub magnitude: u64,
    /// Synaptic operations: weights of arriving spikes that were delivered to its neurons. Absent
    /// synapses and the padding of convolutions carry none.
    pub synaptic_operations: u64,
    /// Touched potentials: pairs of neuron and step in which a weight was delivered to the neuron, a current was
    /// given to it, or it fired.
    pub updates: u64,
}

impl AddAssign for PopulationStatistics {
    fn add_assign(&mut self, other: Self) {
        self.spikes += other.spikes;
        self.magnitude += other.magnitude;
        self.synaptic_operations += other.synaptic_operations;
        self.updates += other.updates;
    }
}

/// What happened in a run, per population and in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Steps done, of all samples.
    pub steps: u64,
    /// One for each population in order of declaration.
    pub populations: Vec<PopulationStatistics>,
}

impl Statistics {
    /// Nothing has happened yet.
    #[must_use]
    pub fn zero(network: &Network) -> Self {
        Self { steps: 0, populations: vec![PopulationStatistics::default(); network.populations().len()] }
    }

    /// The numbers of one population.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> &PopulationStatistics {
        &self.populations[population.index()]
    }

    /// The sums over all populations.
    #[must_use]
    pub fn total(&self) -> PopulationStatistics {
        let mut total = PopulationStatistics::default();
        for population in &self.populations {
            total += *population;
        }
        total
    }

    pub(crate) fn at(&mut self, population: PopulationId) -> &mut PopulationStatistics {
        &mut self.populations[population.index()]
    }
}

impl AddAssign<&Statistics> for Statistics {
    fn add_assign(&mut self, other: &Self) {
        self.steps += other.steps;
        for (sum, part) in self.populations.iter_mut().zip(&other.populations) {
            *sum += *part;
        }
    }
}
