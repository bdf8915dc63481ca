use crate::error::NetworkError;
use crate::network::{Network, Neuron, PopulationId};
use crate::spikes::SpikeSlice;

/// The spikes given to the sources of a network in one step.
#[derive(Clone, Debug)]
pub struct Stimulus<'a> {
    lists: Vec<(PopulationId, SpikeSlice<'a>)>,
}

impl<'a> Stimulus<'a> {
    /// No spikes.
    #[must_use]
    pub const fn none() -> Self {
        Self { lists: Vec::new() }
    }

    /// The neurons of some sources that fire in this step, ascending; their spikes have the value 1.
    ///
    /// # Errors
    /// If a population is not a source or named twice, or its neurons are out of range or not strictly ascending.
    pub fn new(network: &Network, lists: &[(PopulationId, &'a [u32])]) -> Result<Self, NetworkError> {
        Self::with(network, lists.iter().map(|&(id, neurons)| (id, SpikeSlice::unit(neurons))).collect())
    }

    /// The spikes of some sources in this step, with values.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(network: &Network, lists: Vec<(PopulationId, SpikeSlice<'a>)>) -> Result<Self, NetworkError> {
        for (place, &(id, spikes)) in lists.iter().enumerate() {
            if lists[..place].iter().any(|(earlier, _)| *earlier == id) {
                return Err(given_twice(id));
            }
            check_source(network, id, spikes.neurons())?;
        }
        Ok(Self { lists })
    }

    /// The neurons of one source that fire.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> &'a [u32] {
        self.with_values(population).neurons()
    }

    /// The spikes of one source.
    #[must_use]
    pub fn with_values(&self, population: PopulationId) -> SpikeSlice<'a> {
        let found = self.lists.iter().find(|(id, _)| *id == population);
        found.map_or(SpikeSlice::default(), |(_, spikes)| *spikes)
    }
}

pub(super) fn given_twice(id: PopulationId) -> NetworkError {
    NetworkError::of_input(format!("stimulus of population {id}"), "is given twice")
}

pub(super) fn check_source(network: &Network, id: PopulationId, neurons: &[u32]) -> Result<(), NetworkError> {
    let Some(population) = network.populations().get(id.index()) else {
        return Err(NetworkError::of_input(
            format!("stimulus of population {id}"),
            "names a population that does not exist",
        ));
    };
    let at = || format!("stimulus of population `{}`", population.name());
    if !matches!(population.neuron(), Neuron::Source) {
        return Err(NetworkError::of_input(
            at(),
            "drives neurons that fire by themselves; allowed are sources",
        ));
    }
    if let Some(pair) = neurons.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(NetworkError::of_input(
            at(),
            format!("has neuron {} before {}; allowed is ascending", pair[0], pair[1]),
        ));
    }
    match neurons.last() {
        Some(&last) if last as usize >= population.size() => Err(NetworkError::of_input(
            at(),
            format!("has neuron {last}; allowed are neurons below {}", population.size()),
        )),
        _ => Ok(()),
    }
}
