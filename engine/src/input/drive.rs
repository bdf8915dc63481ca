use super::stimulus::check_source;
use crate::error::NetworkError;
use crate::network::connectivity::Connectivity;
use crate::network::{Network, PopulationId};
use crate::per_neuron::LARGEST;

/// Constant currents for one sample, added to the biases of some populations.
///
/// Constant-current input `x` of a source is not delivered as spikes: its product with the weights is made
/// once and added to the bias of the populations behind it (Rueckauer et al. 2017, section 2.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drive {
    currents: Vec<(PopulationId, Vec<f32>)>,
    /// The multiply-adds that each of them took.
    operations: Vec<u64>,
    once: bool,
}

impl Drive {
    /// No current.
    #[must_use]
    pub const fn none() -> Self {
        Self { currents: Vec::new(), operations: Vec::new(), once: false }
    }

    /// The currents that the values `x` `[source size]` of a source make in the populations behind it.
    ///
    /// Each starts at +0.0; the products `weight · x` are added one by one, projections in order of
    /// declaration, sources ascending. Cost: one pass over the synapses of the source.
    ///
    /// # Errors
    /// If `x` has the wrong length or is not finite, or a projection out of the source has a delay or ends
    /// at neurons without bias.
    pub fn constant(network: &Network, source: PopulationId, x: &[f32]) -> Result<Self, NetworkError> {
        check_source(network, source, &[])?;
        let name = network.population(source).name();
        let at = || format!("input of population `{name}`");
        if x.len() != network.population(source).size() {
            return Err(NetworkError::of_input(
                at(),
                format!("has {} values; allowed are {}", x.len(), network.population(source).size()),
            ));
        }
        if let Some(index) = x.iter().position(|value| !value.is_finite()) {
            return Err(NetworkError::of_input(format!("{}[{index}]", at()), format!("is {}", x[index])));
        }
        let mut drive = Self::none();
        for projection in network.projections().iter().filter(|projection| projection.source() == source) {
            let target = network.population(projection.target());
            if projection.delay() > 0 {
                return Err(NetworkError::of_input(
                    at(),
                    format!(
                        "reaches `{}` with a delay of {}, so it is not constant there; use spikes as input",
                        target.name(),
                        projection.delay()
                    ),
                ));
            }
            if target.neuron().bias().is_none() {
                return Err(NetworkError::of_input(
                    at(),
                    format!(
                        "reaches `{}`, whose neurons take spikes only; use spikes as input",
                        target.name()
                    ),
                ));
            }
            let known = drive.currents.iter().position(|(id, _)| *id == projection.target());
            let place = known.unwrap_or_else(|| {
                drive.currents.push((projection.target(), vec![0.0; target.size()]));
                drive.operations.push(0);
                drive.currents.len() - 1
            });
            let currents = &mut drive.currents[place].1;
            drive.operations[place] += add_products(projection.connectivity(), x, currents);
        }
        for (target, currents) in &drive.currents {
            if let Some(neuron) =
                currents.iter().position(|current| current.is_nan() || current.abs() > LARGEST / 2.0)
            {
                return Err(NetworkError::of_input(
                    at(),
                    format!(
                        "makes a current of {} at neuron {neuron} of `{}`; allowed are currents up to 2^63",
                        currents[neuron],
                        network.population(*target).name()
                    ),
                ));
            }
        }
        Ok(drive)
    }

    /// The same currents, arriving once: in the first step they, and the biases of all populations with them, are given
    /// to the neurons as a current, and from then on there is neither.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Whether currents and biases arrive once.
    #[must_use]
    pub fn arrives_once(&self) -> bool {
        self.once
    }

    /// The current of every neuron of a population, `[size]`, if there is any.
    #[must_use]
    pub fn of(&self, population: PopulationId) -> Option<&[f32]> {
        self.currents.iter().find(|(id, _)| *id == population).map(|(_, currents)| currents.as_slice())
    }

    /// The multiply-adds that the making of one population's currents took: the synapses of the source neurons that were
    /// not zero.
    #[must_use]
    pub fn operations(&self, population: PopulationId) -> u64 {
        let pairs = self.currents.iter().zip(&self.operations);
        pairs.filter(|((id, _), _)| *id == population).map(|(_, operations)| operations).sum()
    }
}

fn add_products(connectivity: &Connectivity, x: &[f32], currents: &mut [f32]) -> u64 {
    let mut operations = 0;
    for (source, &value) in x.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        connectivity.fan_out(source, |target, weight| {
            currents[target] += weight * value;
            operations += 1;
        });
    }
    operations
}
