use crate::error::NetworkError;
use crate::network::{Network, Neuron, Population, PopulationId};
use crate::per_neuron::LARGEST;
use crate::spikes::{SpikeList, SpikeSlice};

/// What a network is given from outside in one step: currents of single neurons, and spikes of whole populations
/// ([sentence 9](crate) of the contract).
///
/// It owns its lists and is meant to be kept: [`clear`](Self::clear) it, set what is given in the next step, and step. Once
/// it has held as much as it will hold, nothing is allocated any more.
///
/// - A **current** is added to the potential of its neuron like that of arriving spikes, in the step in which it is given;
///   0 is no current. Any population with potentials takes currents.
/// - A **spike** is emitted in the step in which it is given as if by its neuron: it goes out over all projections, is listed
///   and counted among the spikes of the step, and is under way in the state. It stands in place of what the neuron emits
///   by itself in that step; the neuron is as it would be without it, and is not reset. Any population that fires takes
///   spikes, of the values that it may emit ([`Network::emission`]).
///
/// Neurons are named by their ids, images channels-last ([`Layout::neuron_at`](crate::Layout::neuron_at)).
///
/// ```
/// # use std::sync::Arc;
/// # use snn_engine::*;
/// # fn main() -> Result<(), NetworkError> {
/// # let mut builder = NetworkBuilder::new();
/// # let same = PerNeuron::same;
/// let neuron = IntegrateFire { threshold: same(1.0)?, bias: same(0.0)?, start: same(0.0)?, reset: Reset::Subtract };
/// let layer = builder.population("layer", Layout::Flat(3), Neuron::of(neuron));
/// let network = Arc::new(builder.build()?);
/// let mut simulator = EventSimulator::new(Arc::clone(&network));
///
/// let mut stimulus = Stimulus::none();
/// stimulus.set_currents(&network, layer, &[0.75, 0.0, 1.5])?;
/// stimulus.set_spikes(&network, layer, SpikeSlice::unit(&[1]))?;
/// // Neuron 1 fires because it is told to, and neuron 2 because its current crosses the threshold.
/// assert_eq!(simulator.step(&stimulus).of(layer), [1, 2]);
/// assert_eq!(simulator.potentials(layer), [0.75, 0.0, 0.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stimulus {
    /// By the number of the population; those that were never given anything may be missing at the end.
    given: Vec<Given>,
}

/// What one population is given.
#[derive(Clone, Debug, Default)]
struct Given {
    spikes: SpikeList,
    /// The neurons that are given a current, ascending.
    neurons: Vec<u32>,
    /// Their currents, none of which is 0.
    currents: Vec<f32>,
}

impl Stimulus {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { given: Vec::new() }
    }

    /// The neurons of some populations that fire in this step, ascending; their spikes have the value 1.
    ///
    /// # Errors
    /// As [`set_spikes`](Self::set_spikes), and if a population is named twice.
    pub fn new(network: &Network, lists: &[(PopulationId, &[u32])]) -> Result<Self, NetworkError> {
        let mut stimulus = Self::none();
        for (place, &(id, neurons)) in lists.iter().enumerate() {
            if lists[..place].iter().any(|(earlier, _)| *earlier == id) {
                return Err(given_twice(id));
            }
            stimulus.set_spikes(network, id, SpikeSlice::unit(neurons))?;
        }
        Ok(stimulus)
    }

    /// Gives nothing any more, and keeps the memory.
    pub fn clear(&mut self) {
        for given in &mut self.given {
            given.spikes.clear();
            given.neurons.clear();
            given.currents.clear();
        }
    }

    /// Sets the spikes of a population, instead of those that were set before. Cost: O(spikes).
    ///
    /// # Errors
    /// If there is no such population or it never fires, neurons are out of range or not strictly ascending, or a value is
    /// none that it may emit. The stimulus is then as it was.
    pub fn set_spikes(
        &mut self,
        network: &Network,
        population: PopulationId,
        spikes: SpikeSlice<'_>,
    ) -> Result<(), NetworkError> {
        let found = find(network, population)?;
        let at = || format!("stimulus of population `{}`", found.name());
        let emission = network.emission(population);
        if !emission.fires() {
            return Err(NetworkError::of_input(
                at(),
                "has spikes of neurons that never fire; a read-out takes currents only",
            ));
        }
        check_neurons(found, spikes.neurons())?;
        let least = if emission.negative { -emission.largest } else { 1 };
        let allowed = |value: &i32| *value != 0 && (least..=emission.largest).contains(value);
        if let Some(value) = spikes.values().iter().find(|value| !allowed(value)) {
            return Err(NetworkError::of_input(
                at(),
                format!("has a spike of value {value}; allowed are {least} to {} but 0", emission.largest),
            ));
        }
        self.take_spikes(population, spikes);
        Ok(())
    }

    /// Sets the currents of all neurons of a population, `[size]`, in units of their potentials, instead of those that were
    /// set before; 0 is none. Cost: O(neurons).
    ///
    /// # Errors
    /// If there is no such population or it has no potentials, there are more or fewer currents than neurons, or one is not
    /// finite or larger than [`LARGEST`] in magnitude. The stimulus is then as it was.
    pub fn set_currents(
        &mut self,
        network: &Network,
        population: PopulationId,
        currents: &[f32],
    ) -> Result<(), NetworkError> {
        let found = takes_currents(network, population)?;
        if currents.len() != found.size() {
            return Err(NetworkError::of_input(
                format!("currents of population `{}`", found.name()),
                format!("are {}; allowed are {}, one for each neuron", currents.len(), found.size()),
            ));
        }
        check_currents(found, |place| place, currents)?;
        // A population has fewer than 2³² neurons.
        self.take_currents(population, (0_u32..).zip(currents.iter().copied()));
        Ok(())
    }

    /// Sets the currents of some neurons of a population, in units of their potentials, instead of those that were set
    /// before. Cost: O(currents).
    ///
    /// # Errors
    /// As [`set_currents`](Self::set_currents), and if there are more or fewer currents than neurons named, or these are out
    /// of range or not strictly ascending.
    pub fn set_currents_of(
        &mut self,
        network: &Network,
        population: PopulationId,
        neurons: &[u32],
        currents: &[f32],
    ) -> Result<(), NetworkError> {
        let found = takes_currents(network, population)?;
        if currents.len() != neurons.len() {
            return Err(NetworkError::of_input(
                format!("currents of population `{}`", found.name()),
                format!("are {} for {} neurons; allowed is one for each", currents.len(), neurons.len()),
            ));
        }
        check_neurons(found, neurons)?;
        check_currents(found, |place| neurons[place] as usize, currents)?;
        self.take_currents(population, neurons.iter().copied().zip(currents.iter().copied()));
        Ok(())
    }

    /// The spikes that a population is given.
    #[must_use]
    pub fn spikes(&self, population: PopulationId) -> SpikeSlice<'_> {
        self.given.get(population.index()).map_or(SpikeSlice::default(), |given| given.spikes.as_slice())
    }

    /// The neurons of a population that are given a current, ascending, with their currents, none of which is 0.
    pub fn currents(&self, population: PopulationId) -> impl ExactSizeIterator<Item = (u32, f32)> + '_ {
        let (neurons, currents): (&[u32], &[f32]) = match self.given.get(population.index()) {
            Some(given) => (&given.neurons, &given.currents),
            None => (&[], &[]),
        };
        neurons.iter().copied().zip(currents.iter().copied())
    }

    fn at(&mut self, population: PopulationId) -> &mut Given {
        let missing = (population.index() + 1).saturating_sub(self.given.len());
        self.given.extend(std::iter::repeat_with(Given::default).take(missing));
        &mut self.given[population.index()]
    }

    /// Sets spikes that were checked.
    pub(super) fn take_spikes(&mut self, population: PopulationId, spikes: SpikeSlice<'_>) {
        self.at(population).spikes.take(spikes);
    }

    fn take_currents(&mut self, population: PopulationId, currents: impl Iterator<Item = (u32, f32)>) {
        let given = self.at(population);
        given.neurons.clear();
        given.currents.clear();
        for (neuron, current) in currents.filter(|(_, current)| *current != 0.0) {
            given.neurons.push(neuron);
            given.currents.push(current);
        }
    }
}

pub(super) fn given_twice(id: PopulationId) -> NetworkError {
    NetworkError::of_input(format!("stimulus of population {id}"), "is given twice")
}

fn find(network: &Network, id: PopulationId) -> Result<&Population, NetworkError> {
    network.populations().get(id.index()).ok_or_else(|| {
        NetworkError::of_input(
            format!("stimulus of population {id}"),
            "names a population that does not exist",
        )
    })
}

fn takes_currents(network: &Network, id: PopulationId) -> Result<&Population, NetworkError> {
    let population = find(network, id)?;
    if population.neuron().has_potential() {
        return Ok(population);
    }
    Err(NetworkError::of_input(
        format!("currents of population `{}`", population.name()),
        format!("drive neurons without potentials ({}); these take spikes only", population.neuron().kind()),
    ))
}

fn check_currents(
    population: &Population,
    neuron: impl Fn(usize) -> usize,
    currents: &[f32],
) -> Result<(), NetworkError> {
    match currents.iter().position(|current| current.is_nan() || current.abs() > LARGEST) {
        Some(place) => Err(NetworkError::of_input(
            format!("current of neuron {} of population `{}`", neuron(place), population.name()),
            format!("is {}; allowed are finite numbers of at most 2^64 in magnitude", currents[place]),
        )),
        None => Ok(()),
    }
}

/// Checks that a population is a source, and that these are neurons of it.
pub(super) fn check_source(network: &Network, id: PopulationId, neurons: &[u32]) -> Result<(), NetworkError> {
    let population = find(network, id)?;
    if !matches!(population.neuron(), Neuron::Source) {
        return Err(NetworkError::of_input(
            format!("stimulus of population `{}`", population.name()),
            "drives neurons that fire by themselves; allowed in a sample are sources",
        ));
    }
    check_neurons(population, neurons)
}

fn check_neurons(population: &Population, neurons: &[u32]) -> Result<(), NetworkError> {
    let at = || format!("stimulus of population `{}`", population.name());
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
