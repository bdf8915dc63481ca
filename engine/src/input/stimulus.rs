use crate::error::NetworkError;
use crate::network::{Network, PopulationId};
use crate::neuron::Neuron;

/// The spikes given to the sources of a network in one step.
#[derive(Clone, Debug)]
pub struct Stimulus<'a> {
    lists: Vec<(PopulationId, &'a [u32])>,
}

impl<'a> Stimulus<'a> {
    /// No spikes.
    #[must_use]
    pub const fn none() -> Self {
        Self { lists: Vec::new() }
    }

    /// The neurons of some sources that fire in this step, ascending.
    ///
    /// # Errors
    /// If a population is not a source or named twice, or its neurons are out of range or not strictly ascending.
    pub fn new(network: &Network, lists: &[(PopulationId, &'a [u32])]) -> Result<Self, NetworkError> {
        for (place, &(id, neurons)) in lists.iter().enumerate() {
            if lists[..place].iter().any(|(earlier, _)| *earlier == id) {
                return Err(given_twice(id));
            }
            check_source(network, id, neurons)?;
        }
        Ok(Self { lists: lists.to_vec() })
    }

    /// The neurons of one source that fire.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> &'a [u32] {
        self.lists.iter().find(|(id, _)| *id == population).map_or(&[], |(_, neurons)| neurons)
    }
}

pub(super) fn given_twice(id: PopulationId) -> NetworkError {
    NetworkError::new(format!("stimulus of population {id}"), "is given twice")
}

pub(super) fn check_source(network: &Network, id: PopulationId, neurons: &[u32]) -> Result<(), NetworkError> {
    let Some(population) = network.populations().get(id.index()) else {
        return Err(NetworkError::new(
            format!("stimulus of population {id}"),
            "names a population that does not exist",
        ));
    };
    let at = || format!("stimulus of population `{}`", population.name());
    if !matches!(population.neuron(), Neuron::Source) {
        return Err(NetworkError::new(at(), "drives neurons that fire by themselves; allowed are sources"));
    }
    if let Some(pair) = neurons.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(NetworkError::new(
            at(),
            format!("has neuron {} before {}; allowed is ascending", pair[0], pair[1]),
        ));
    }
    match neurons.last() {
        Some(&last) if last as usize >= population.size() => Err(NetworkError::new(
            at(),
            format!("has neuron {last}; allowed are neurons below {}", population.size()),
        )),
        _ => Ok(()),
    }
}
