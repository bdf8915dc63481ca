//! When nothing happens any more.

use super::standing::{PopulationState, State, effective_biases, injected};
use crate::input::Drive;
use crate::network::{AnyModel, Network, PopulationId};
use crate::neuron::{Autonomy, REBASE, ramp_steps};

/// Whether a neuron is at rest after `step` steps; of its parameters the first is the bias that it has.
pub(crate) fn neuron_rests(
    model: &AnyModel,
    parameters: &[f32],
    reals: &mut [f32],
    counts: &[i32],
    step: u64,
) -> bool {
    // What the next step begins with.
    if model.description().autonomy == Autonomy::Ramp && step > 0 && step.is_multiple_of(u64::from(REBASE)) {
        reals[0] += parameters[0] * REBASE as f32;
    }
    model.erased().rests(parameters, reals, counts, ramp_steps(step + 1))
}

impl State {
    /// Whether the network is *quiet*: no spike is under way, no current waits to be given, and every neuron is at rest
    /// ([`Model::rests`](crate::Model::rests)). Without further spikes from outside nothing will ever happen again.
    ///
    /// `drive` is the one that the run was started with. Cost: O(neurons).
    #[must_use]
    pub fn is_quiet(&self, network: &Network, drive: &Drive) -> bool {
        network.ids().zip(&self.populations).all(|(id, population)| {
            population.under_way.iter().all(|spikes| spikes.is_empty())
                && !waits(network, id, drive, self.step)
                && rests(network, id, drive, population, self.step)
        })
    }
}

/// Whether currents wait to be given to a population in the first step.
pub(crate) fn waits(network: &Network, id: PopulationId, drive: &Drive, step: u64) -> bool {
    let given = || injected(network, id, drive).unwrap_or_default();
    step == 0 && given().iter().any(|&current| current != 0.0)
}

fn rests(network: &Network, id: PopulationId, drive: &Drive, state: &PopulationState, step: u64) -> bool {
    // A pool moves only when something arrives.
    let Some(model) = network.population(id).neuron().model() else { return true };
    let biases = effective_biases(network, id, drive).unwrap_or_default();
    let (all, stepped) = (model.parameters(), model.description().stepped);
    biases.iter().enumerate().all(|(neuron, &bias)| {
        let mut parameters: Vec<f32> = all[..stepped].iter().map(|values| values.get(neuron)).collect();
        parameters[0] = bias;
        let columns = std::iter::once(&state.potentials).chain(&state.reals);
        let mut reals: Vec<f32> = columns.map(|column| column[neuron]).collect();
        let counts: Vec<i32> = state.counts.iter().map(|column| column[neuron]).collect();
        neuron_rests(model, &parameters, &mut reals, &counts, step)
    })
}
