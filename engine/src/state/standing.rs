use crate::error::NetworkError;
use crate::input::Drive;
use crate::network::{Network, Neuron, PopulationId};
use crate::neuron::{Autonomy, Initial, ramp_steps};
use crate::spikes::SpikeList;

/// The last step from which a run can go on: no run is long enough to count beyond 64 bits from there.
const LATEST_STEP: u64 = 1 << 62;

/// The largest sum of the spikes of an input, in magnitude, that a run can go on from: as many may follow.
const MOST_ARRIVED: u64 = 1 << 62;

/// Where the neurons of one population stand.
#[derive(Clone, Debug, Default)]
pub struct PopulationState {
    /// `u` of every neuron, `[size]`; empty for populations without potential.
    pub potentials: Vec<f32>,
    /// The further real numbers of the model's state in order of its description, `[size]` each.
    pub reals: Vec<Vec<f32>>,
    /// The whole numbers of the model's state in order of its description, `[size]` each.
    pub counts: Vec<Vec<i32>>,
    /// Of max pooling, the sum of the values that have arrived from every input so far: projections in order of
    /// declaration, their sources ascending. Empty for other populations.
    pub arrived: Vec<i64>,
    /// The spikes of the last [`Network::delay_from`] steps, the latest last: those still under way.
    pub under_way: Vec<SpikeList>,
}

fn same_bits(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl PartialEq for PopulationState {
    /// Equal by the bits of the real numbers.
    fn eq(&self, other: &Self) -> bool {
        self.arrived == other.arrived
            && self.under_way == other.under_way
            && self.counts == other.counts
            && same_bits(&self.potentials, &other.potentials)
            && self.reals.len() == other.reals.len()
            && self.reals.iter().zip(&other.reals).all(|(one, other)| same_bits(one, other))
    }
}

impl Eq for PopulationState {}

impl PopulationState {
    /// Where a population stands before the first step.
    pub(crate) fn initial(network: &Network, id: PopulationId) -> Self {
        let population = network.population(id);
        let (mut reals, mut counts) = (vec![], vec![]);
        if let Some(model) = population.neuron().model() {
            let (description, parameters) = (model.description(), model.parameters());
            for (place, variable) in description.state.iter().enumerate() {
                let values = match variable.initial {
                    Initial::Zero => vec![0.0; population.size()],
                    Initial::Parameter(at) => parameters[at].to_vec(population.size()),
                };
                if place < description.reals {
                    reals.push(values);
                } else {
                    // What a whole number begins with is a parameter of whole numbers, or 0.
                    counts.push(values.into_iter().map(|value| value as i32).collect());
                }
            }
        }
        let potentials = if reals.is_empty() { vec![] } else { reals.remove(0) };
        let arrived = vec![0; inputs_counted(network, id)];
        let under_way = vec![SpikeList::new(); network.delay_from(id) as usize];
        Self { potentials, reals, counts, arrived, under_way }
    }
}

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
    /// What differs: `potential`, `further state` (real numbers), `count`, `arrived` or `spikes under way`; of
    /// runs until the network is quiet also when it is: `quiet`.
    pub quantity: &'static str,
    /// The value in either state.
    pub values: [String; 2],
}

impl State {
    /// The state before the first step.
    #[must_use]
    pub fn initial(network: &Network) -> Self {
        let populations = network.ids().map(|id| PopulationState::initial(network, id)).collect();
        Self { step: 0, populations }
    }

    /// Whether the state belongs to this network.
    ///
    /// # Errors
    /// If a number of populations, neurons, inputs or delayed steps is another, a potential is not
    /// finite or −0.0, which no run reaches, spikes under way are out of range or not ascending, or a number is so large
    /// that the run could not go on from it.
    pub fn check(&self, network: &Network) -> Result<(), NetworkError> {
        if self.step > LATEST_STEP {
            return Err(NetworkError::new(
                "state",
                format!("is that after {} steps; allowed are at most 2^62", self.step),
            ));
        }
        let expected = Self::initial(network);
        if self.populations.len() != expected.populations.len() {
            return Err(NetworkError::of_state(
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
                ("further real numbers a neuron", found.reals.len(), wanted.reals.len()),
                ("whole numbers a neuron", found.counts.len(), wanted.counts.len()),
                ("counted inputs", found.arrived.len(), wanted.arrived.len()),
                ("steps of spikes under way", found.under_way.len(), wanted.under_way.len()),
            ] {
                if found != wanted {
                    return Err(NetworkError::of_state(
                        at,
                        format!("has {found} {what}; the network has {wanted}"),
                    ));
                }
            }
            check_variables(network, id, found).map_err(|error| error.within(&at))?;
            if let Some(input) =
                found.arrived.iter().position(|arrived| arrived.unsigned_abs() > MOST_ARRIVED)
            {
                return Err(NetworkError::new(
                    at,
                    format!(
                        "has counted {} from input {input}; allowed are at most 2^62 in magnitude",
                        found.arrived[input]
                    ),
                ));
            }
            // The latest stand last; before step 0 there were none.
            let early =
                found.under_way.len().saturating_sub(usize::try_from(self.step).unwrap_or(usize::MAX));
            if found.under_way[..early].iter().any(|spikes| !spikes.is_empty()) {
                return Err(NetworkError::of_state(
                    at,
                    format!("has spikes from before step 0 at step {}", self.step),
                ));
            }
            let emission = network.emission(id);
            for spikes in &found.under_way {
                let neurons = spikes.neurons();
                let ascending = neurons.windows(2).all(|pair| pair[0] < pair[1]);
                if !ascending || neurons.last().is_some_and(|&last| last as usize >= population.size()) {
                    return Err(NetworkError::of_state(
                        at,
                        format!("has spikes under way that are not ascending below {}", population.size()),
                    ));
                }
                let least = if emission.negative { -emission.largest } else { 1 };
                let allowed = |value: &i32| *value != 0 && (least..=emission.largest).contains(value);
                if let Some(value) = spikes.values().iter().find(|value| !allowed(value)) {
                    return Err(NetworkError::of_state(
                        at,
                        format!(
                            "has a spike of value {value} under way; allowed are {least} to {} but 0",
                            emission.largest
                        ),
                    ));
                }
                if !emission.fires() && !spikes.is_empty() {
                    return Err(NetworkError::of_state(
                        at,
                        "has spikes under way, but its neurons never fire",
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
    pub fn potentials(&self, network: &Network, population: PopulationId, drive: &Drive) -> Vec<f32> {
        let Some(biases) = effective_biases(network, population, drive) else {
            return vec![];
        };
        let u = &self.populations[population.index()].potentials;
        let Some(k) = ramp_of(network, population, self.step) else { return u.clone() };
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
            for (one, two) in one.reals.iter().zip(&two.reals) {
                if let Some(at) = one.iter().zip(two).position(|(a, b)| a.to_bits() != b.to_bits()) {
                    let values = [one[at].to_string(), two[at].to_string()];
                    return Some(difference(Some(at), "further state", values));
                }
            }
            for (one, two) in one.counts.iter().zip(&two.counts) {
                if let Some(at) = one.iter().zip(two).position(|(a, b)| a != b) {
                    let values = [one[at].to_string(), two[at].to_string()];
                    return Some(difference(Some(at), "count", values));
                }
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

fn check_variables(network: &Network, id: PopulationId, found: &PopulationState) -> Result<(), NetworkError> {
    let Some(model) = network.population(id).neuron().model() else { return Ok(()) };
    let (description, size) = (model.description(), network.population(id).size());
    let (real_names, count_names) = description.state.split_at(description.reals);
    let reals = std::iter::once(&found.potentials).chain(&found.reals);
    for (variable, values) in real_names.iter().zip(reals) {
        let name = variable.name;
        if values.len() != size {
            return Err(NetworkError::of_state(
                name,
                format!("has {} values for {size} neurons", values.len()),
            ));
        }
        if let Some(neuron) = values.iter().position(|value| !value.is_finite()) {
            return Err(NetworkError::of_state(
                format!("{name}[{neuron}]"),
                format!("is {}; allowed are finite numbers", values[neuron]),
            ));
        }
        // A sum that starts at +0.0 is never −0.0. So a simulator need not write a potential to which nothing is added, and
        // another may add +0.0 to it: from −0.0 these would part.
        if let Some(neuron) = values.iter().position(|value| value.to_bits() == (-0.0f32).to_bits()) {
            return Err(NetworkError::new(format!("{name}[{neuron}]"), "is −0.0; allowed is 0.0"));
        }
    }
    let all = model.parameters();
    for (place, (variable, counts)) in count_names.iter().zip(&found.counts).enumerate() {
        let name = variable.name;
        if counts.len() != size {
            return Err(NetworkError::of_state(
                name,
                format!("has {} values for {size} neurons", counts.len()),
            ));
        }
        for (neuron, &count) in counts.iter().enumerate() {
            let parameters: Vec<f32> =
                all[..description.stepped].iter().map(|values| values.get(neuron)).collect();
            if !model.erased().allows_count(&parameters, place, count) {
                return Err(NetworkError::of_state(
                    format!("{name}[{neuron}]"),
                    format!("is {count}, which the parameters of this neuron do not allow"),
                ));
            }
        }
    }
    Ok(())
}

/// The number of inputs whose spikes a population counts.
pub(crate) fn inputs_counted(network: &Network, id: PopulationId) -> usize {
    match network.population(id).neuron() {
        Neuron::MaxPool(_) => {
            network.incoming(id).map(|projection| projection.connectivity().sources()).sum()
        }
        Neuron::Source | Neuron::Model(_) => 0,
    }
}

/// The `k` of the potential `v = u + bias·k` of a population after `step` steps; `None` if it is on no ramp.
pub(crate) fn ramp_of(network: &Network, id: PopulationId, step: u64) -> Option<f32> {
    let model = network.population(id).neuron().model()?;
    // At most REBASE, which is exact.
    (model.description().autonomy == Autonomy::Ramp).then(|| ramp_steps(step) as f32)
}

/// Bias plus constant current of every neuron, `[size]`, for populations that have a bias.
fn driven_biases(network: &Network, id: PopulationId, drive: &Drive) -> Option<Vec<f32>> {
    let population = network.population(id);
    let mut biases = population.neuron().bias()?.to_vec(population.size());
    for (bias, current) in biases.iter_mut().zip(drive.of(id).unwrap_or_default()) {
        *bias += current;
    }
    Some(biases)
}

/// Whether bias and constant current of a population arrive once.
fn arrives_once(network: &Network, id: PopulationId, drive: &Drive) -> bool {
    let model = network.population(id).neuron().model();
    drive.arrives_once() || model.is_some_and(|model| model.bias_arrives_once())
}

/// The bias of every step, `[size]`, for populations that have a bias: with the constant current, or 0 where both
/// arrive once.
pub(crate) fn effective_biases(network: &Network, id: PopulationId, drive: &Drive) -> Option<Vec<f32>> {
    let mut biases = driven_biases(network, id, drive)?;
    if arrives_once(network, id, drive) {
        biases.fill(0.0);
    }
    Some(biases)
}

/// The currents that arrive once, in the first step, `[size]`: bias plus constant current. A neuron whose current is 0
/// is given none.
pub(crate) fn injected(network: &Network, id: PopulationId, drive: &Drive) -> Option<Vec<f32>> {
    driven_biases(network, id, drive).filter(|_| arrives_once(network, id, drive))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Layout, NetworkBuilder};
    use crate::{Accumulator, PerNeuron};

    #[test]
    fn a_state_with_negative_zero_or_numbers_that_would_overflow_is_refused() {
        let mut builder = NetworkBuilder::new();
        let bias = PerNeuron::same(0.0).unwrap();
        builder.population("out", Layout::Flat(1), Neuron::of(Accumulator { bias }));
        let network = builder.build().unwrap();
        let sound = State::initial(&network);
        assert!(sound.check(&network).is_ok());
        let mut state = sound.clone();
        state.populations[0].potentials[0] = -0.0;
        assert!(state.check(&network).unwrap_err().to_string().contains("−0.0"));
        let late = State { step: u64::MAX, ..sound };
        assert!(late.check(&network).unwrap_err().to_string().contains("2^62"));
    }
}
