use crate::error::NetworkError;
use crate::network::{Network, PopulationId};
use crate::neuron::{Neuron, ramp_steps};

/// Where the neurons of one population stand.
#[derive(Clone, Debug)]
pub struct PopulationState {
    /// `u` of every neuron, `[size]`; empty for populations without potential.
    pub potentials: Vec<f32>,
    /// Of max pooling, the spikes that have arrived from every input so far: projections in order of
    /// declaration, their sources ascending. Empty for other populations.
    pub arrived: Vec<u32>,
    /// The spikes of the last [`Network::delay_from`] steps, the latest last: those still under way.
    pub under_way: Vec<Vec<u32>>,
}

impl PartialEq for PopulationState {
    /// Equal by the bits of the potentials.
    fn eq(&self, other: &Self) -> bool {
        let bits = |state: &Self| -> Vec<u32> { state.potentials.iter().map(|u| u.to_bits()).collect() };
        self.arrived == other.arrived && self.under_way == other.under_way && bits(self) == bits(other)
    }
}

impl Eq for PopulationState {}

/// All that the next step of a network depends on, besides its stimulus, and nothing else.
///
/// Two simulators of one network that were given one stimulus have equal states after every step, and a
/// state saved from one can be restored into any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The number of steps done.
    pub step: u64,
    /// One for each population in order of declaration.
    pub populations: Vec<PopulationState>,
}

/// The first place where two states of a network differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The population that differs.
    pub population: PopulationId,
    /// The neuron, or the input of a max pooling, if a single one can be named.
    pub neuron: Option<usize>,
    /// What differs: `potential`, `arrived` or `spikes under way`.
    pub quantity: &'static str,
    /// The value in either state.
    pub values: [String; 2],
}

impl State {
    /// The state before the first step.
    #[must_use]
    pub fn initial(network: &Network) -> Self {
        let populations = network
            .ids()
            .map(|id| {
                let population = network.population(id);
                let potentials = match population.neuron() {
                    Neuron::IntegrateFire(neuron) => neuron.start.to_vec(population.size()),
                    Neuron::Accumulator(_) => vec![0.0; population.size()],
                    Neuron::Source | Neuron::MaxPool(_) => vec![],
                };
                let arrived = vec![0; inputs_counted(network, id)];
                let under_way = vec![vec![]; network.delay_from(id) as usize];
                PopulationState { potentials, arrived, under_way }
            })
            .collect();
        Self { step: 0, populations }
    }

    /// Whether the state belongs to this network.
    ///
    /// # Errors
    /// If a number of populations, neurons, inputs or delayed steps is another, a potential is not
    /// finite, or spikes under way are out of range or not ascending.
    pub fn check(&self, network: &Network) -> Result<(), NetworkError> {
        let expected = Self::initial(network);
        if self.populations.len() != expected.populations.len() {
            return Err(NetworkError::new(
                "state",
                format!(
                    "has {} populations; the network has {}",
                    self.populations.len(),
                    expected.populations.len()
                ),
            ));
        }
        for (id, (found, wanted)) in network.ids().zip(self.populations.iter().zip(&expected.populations)) {
            let population = network.population(id);
            let at = format!("state of population `{}`", population.name());
            for (what, found, wanted) in [
                ("potentials", found.potentials.len(), wanted.potentials.len()),
                ("counted inputs", found.arrived.len(), wanted.arrived.len()),
                ("steps of spikes under way", found.under_way.len(), wanted.under_way.len()),
            ] {
                if found != wanted {
                    return Err(NetworkError::new(
                        at,
                        format!("has {found} {what}; the network has {wanted}"),
                    ));
                }
            }
            if let Some(neuron) = found.potentials.iter().position(|u| !u.is_finite()) {
                return Err(NetworkError::new(
                    at,
                    format!("has the potential {} at {neuron}", found.potentials[neuron]),
                ));
            }
            // The latest stand last; before step 0 there were none.
            let early =
                found.under_way.len().saturating_sub(usize::try_from(self.step).unwrap_or(usize::MAX));
            if found.under_way[..early].iter().any(|spikes| !spikes.is_empty()) {
                return Err(NetworkError::new(
                    at,
                    format!("has spikes from before step 0 at step {}", self.step),
                ));
            }
            for spikes in &found.under_way {
                let ascending = spikes.windows(2).all(|pair| pair[0] < pair[1]);
                if !ascending || spikes.last().is_some_and(|&last| last as usize >= population.size()) {
                    return Err(NetworkError::new(
                        at,
                        format!("has spikes under way that are not ascending below {}", population.size()),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The potentials `v = u + bias·k` of a population as they stand after the last step, `[size]`.
    ///
    /// `drive` is the one that the run was started with.
    #[must_use]
    pub fn potentials(
        &self,
        network: &Network,
        population: PopulationId,
        drive: &crate::input::Drive,
    ) -> Vec<f32> {
        let Some(biases) = effective_biases(network, population, drive) else {
            return vec![];
        };
        let k = ramp_steps(self.step) as f32;
        let u = &self.populations[population.index()].potentials;
        u.iter().zip(biases).map(|(u, bias)| u + bias * k).collect()
    }

    /// The first place where two states of one network differ: populations in order of declaration.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<Difference> {
        let pairs = self.populations.iter().zip(&other.populations);
        for (population, (one, two)) in (0..).map(PopulationId).zip(pairs) {
            let difference = |neuron, quantity, values| Difference { population, neuron, quantity, values };
            let potentials = one.potentials.iter().zip(&two.potentials);
            if let Some(at) = potentials.clone().position(|(a, b)| a.to_bits() != b.to_bits()) {
                let values = [one.potentials[at].to_string(), two.potentials[at].to_string()];
                return Some(difference(Some(at), "potential", values));
            }
            if let Some(at) = one.arrived.iter().zip(&two.arrived).position(|(a, b)| a != b) {
                let values = [one.arrived[at].to_string(), two.arrived[at].to_string()];
                return Some(difference(Some(at), "arrived", values));
            }
            if one != two {
                let values = [format!("{:?}", one.under_way), format!("{:?}", two.under_way)];
                return Some(difference(None, "spikes under way", values));
            }
        }
        None
    }
}

/// The number of inputs whose spikes a population counts.
pub(crate) fn inputs_counted(network: &Network, id: PopulationId) -> usize {
    match network.population(id).neuron() {
        Neuron::MaxPool(_) => {
            network.incoming(id).map(|projection| projection.connectivity().sources()).sum()
        }
        Neuron::Source | Neuron::IntegrateFire(_) | Neuron::Accumulator(_) => 0,
    }
}

/// Bias plus constant current of every neuron, `[size]`, for populations that have a bias.
pub(crate) fn effective_biases(
    network: &Network,
    id: PopulationId,
    drive: &crate::input::Drive,
) -> Option<Vec<f32>> {
    let population = network.population(id);
    let mut biases = population.neuron().bias()?.to_vec(population.size());
    for (bias, current) in biases.iter_mut().zip(drive.of(id).unwrap_or_default()) {
        *bias += current;
    }
    Some(biases)
}
