use std::any::Any;
use std::sync::Arc;

use super::id::PopulationId;
use super::kept::Kept;
use super::lattice::Lattice;
use super::neuron::Neuron;
use super::order::{Component, components};
use super::population::{Population, Projection};
use crate::neuron::Emission;

/// A spiking network: populations and the projections between them. Immutable and valid; made by
/// [`NetworkBuilder`](crate::network::NetworkBuilder), the only door. It holds what the net *is*; where a run
/// stands is in [`State`](crate::state::State).
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) populations: Vec<Population>,
    pub(crate) projections: Vec<Projection>,
    pub(crate) order: Vec<PopulationId>,
    pub(crate) incoming: Vec<Vec<usize>>,
    pub(crate) longest_delay: u32,
    pub(crate) delay_from: Vec<u32>,
    pub(crate) emissions: Vec<Emission>,
    pub(crate) lattices: Vec<Option<Lattice>>,
    pub(super) kept: Kept,
}

impl Network {
    /// What simulators of this network make of it once and share, one thing of each type; it lives as long as the network.
    pub(crate) fn kept<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Arc<T> {
        self.kept.or_make(|| make(self))
    }

    /// The populations in order of declaration.
    #[must_use]
    pub fn populations(&self) -> &[Population] {
        &self.populations
    }

    /// One population.
    ///
    /// # Panics
    /// If the id belongs to a larger network.
    #[must_use]
    pub fn population(&self, id: PopulationId) -> &Population {
        &self.populations[id.index()]
    }

    /// The ids of all populations in order of declaration.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = PopulationId> + use<> {
        (0..self.populations.len() as u32).map(PopulationId)
    }

    /// The population of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PopulationId> {
        self.ids().find(|id| self.populations[id.index()].name == name)
    }

    /// The populations that the stimulus drives, in order of declaration.
    pub fn sources(&self) -> impl Iterator<Item = PopulationId> + '_ {
        self.ids().filter(|id| matches!(self.population(*id).neuron, Neuron::Source))
    }

    /// The projections in order of declaration.
    #[must_use]
    pub fn projections(&self) -> &[Projection] {
        &self.projections
    }

    /// The projections into a population, in order of declaration.
    pub fn incoming(&self, target: PopulationId) -> impl ExactSizeIterator<Item = &Projection> {
        self.incoming[target.index()].iter().map(|&at| &self.projections[at])
    }

    /// The order in which the populations of one step are updated: along the zero-delay projections,
    /// ties in order of declaration.
    #[must_use]
    pub fn update_order(&self) -> &[PopulationId] {
        &self.order
    }

    /// The longest delay of any projection, in steps.
    #[must_use]
    pub fn longest_delay(&self) -> u32 {
        self.longest_delay
    }

    /// The longest delay of the projections out of one population: how many past steps of its spikes are
    /// still under way.
    #[must_use]
    pub fn delay_from(&self, source: PopulationId) -> u32 {
        self.delay_from[source.index()]
    }

    /// Which values the spikes of a population may have. Of a source any, as the stimulus says; of max pooling those
    /// of its inputs.
    #[must_use]
    pub fn emission(&self, id: PopulationId) -> Emission {
        self.emissions[id.index()]
    }

    /// The lattice of a population's potentials, if they have one.
    #[must_use]
    pub fn lattice(&self, id: PopulationId) -> Option<&Lattice> {
        self.lattices[id.index()].as_ref()
    }

    /// Whether no population reaches itself, through whatever delays: it can then be run population by
    /// population over many steps.
    #[must_use]
    pub fn is_feed_forward(&self) -> bool {
        self.steps_at_once().is_none()
    }

    /// How many steps the populations that reach themselves can be run at once, one after the other; `None` if there are
    /// none.
    ///
    /// It is the longest window for which some order of the populations has all spikes that arrive from a later one
    /// emitted before the window: at least the shortest delay that is not 0 of the projections on cycles.
    #[must_use]
    pub fn steps_at_once(&self) -> Option<u32> {
        self.components().into_iter().filter_map(|component| component.span).min()
    }

    /// The strongly connected components, each behind all that reach it.
    pub(crate) fn components(&self) -> Vec<Component> {
        components(self.populations.len(), &self.projections)
    }

    /// The population to read results from: the last one declared.
    #[must_use]
    pub fn output(&self) -> PopulationId {
        PopulationId(self.populations.len() as u32 - 1)
    }

    /// The multiply-adds that a dense simulator makes for the projections into a population. With `currents` the
    /// sources give currents, constant or arriving once, which it, too, makes once; else they send spikes in every step.
    #[must_use]
    pub fn dense_operations(&self, target: PopulationId, currents: bool) -> DenseOperations {
        let mut dense = DenseOperations::default();
        for projection in self.incoming(target) {
            let from_source = matches!(self.population(projection.source()).neuron(), Neuron::Source);
            let operations = projection.connectivity.dense_operations();
            if currents && from_source {
                dense.once += operations;
            } else {
                dense.per_step += operations;
            }
        }
        dense
    }
}

/// Multiply-adds of a dense simulator for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenseOperations {
    /// In every step.
    pub per_step: u64,
    /// Once, for constant currents.
    pub once: u64,
}
