// The costs of a run under the names and by the definitions of NeuroBench 2.3 (Yik et al. 2025, Nature Communications 16,
// 1545), as far as they are defined for a network like ours.

use serde::Serialize;
use snn_engine::{Connectivity, Network, Neuron, Rows, Targets};

use crate::evaluate::Evaluation;

/// NeuroBench's metrics of a run.
///
/// They see a network that is called once a step with its input: constant currents are there multiplied in every step, which
/// this project does once ([`costs`](crate::costs)).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NeuroBench {
    /// Bytes of all weights, zero or not, and of the parameters of the neurons, four each.
    pub footprint: u64,
    /// Ours, beside it: bytes of what is stored, weights in their type, the indices of sparse rows and where these begin, and of the
    /// parameters of the neurons.
    pub sparse_bytes: u64,
    /// The share of weights that are zero, rounded to four digits. Biases are no connections.
    pub connection_sparsity: f64,
    /// The share of neurons and steps without a spike, over all populations that can fire but the input.
    pub activation_sparsity: f64,
    /// The same for each of them.
    pub activation_sparsity_by_layer: Vec<LayerSparsity>,
    /// Pairs of neuron and step in which the potential differs from the one a step earlier, and all neurons in the first: per
    /// sample. `None` if it was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membrane_updates: Option<f64>,
    /// Operations per sample.
    pub synaptic_operations: SynapticOperations,
}

/// The share of silent neurons and steps of one population.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSparsity {
    /// Its name.
    pub population: String,
    /// The share.
    pub sparsity: f64,
}

/// Operations per sample. Biases and padding are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(non_snake_case, reason = "NeuroBench's names")]
pub struct SynapticOperations {
    /// Products of weights and inputs that are not zero, in layers and steps in which an input is neither −1, 0 nor 1.
    pub Effective_MACs: f64,
    /// The same in all other layers and steps.
    pub Effective_ACs: f64,
    /// Products in all, zero or not.
    pub Dense: f64,
}

impl NeuroBench {
    /// The metrics of an evaluation. `once` says that the input's currents arrived once and not in every step;
    /// `membrane_updates` that [`Evaluation::membrane_updates`] were counted.
    #[must_use]
    pub fn of(network: &Network, evaluation: &Evaluation, once: bool, membrane_updates: bool) -> Self {
        let last = evaluation.last();
        let samples = last.classes.len().max(1) as f64;
        let steps = u64::from(last.steps);
        let calls = if once { 1 } else { steps };
        let currents = evaluation.drive_operations.iter().any(|&operations| operations > 0);
        let (mut zeros, mut weights, mut parameters, mut stored) = (0, 0, 0, 0);
        for projection in network.projections() {
            let all = possible_weights(projection.connectivity());
            weights += all;
            stored += stored_bytes(projection.connectivity());
            zeros += all - projection.connectivity().stored_weights().min(all);
        }
        for population in network.populations() {
            let Some(model) = population.neuron().model() else { continue };
            parameters += model.parameters().iter().map(|values| values.values().len() as u64).sum::<u64>();
        }
        let fires = |id: &snn_engine::PopulationId| {
            let neuron = network.population(*id).neuron();
            !matches!(neuron, Neuron::Source) && !neuron.is_read_out()
        };
        let silent = |spikes: u64, neurons: u64| 1.0 - spikes as f64 / (neurons.max(1) as f64);
        let (mut spikes, mut neurons) = (0, 0);
        let mut by_layer = vec![];
        for id in network.ids().filter(fires) {
            let population = network.population(id);
            let all = population.size() as u64 * last.statistics.steps;
            let fired = last.statistics.of(id).spikes;
            by_layer.push(LayerSparsity {
                population: population.name().to_owned(),
                sparsity: silent(fired, all),
            });
            spikes += fired;
            neurons += all;
        }
        let sum = |numbers: &[u64]| numbers.iter().sum::<u64>();
        let (drive, ternary) = (sum(&evaluation.drive_operations), sum(&evaluation.ternary_drive_operations));
        let graded = sum(&evaluation.graded_operations);
        let delivered = last.statistics.total().synaptic_operations;
        let dense: u64 = network
            .ids()
            .map(|id| {
                let dense = network.dense_operations(id, currents);
                dense.per_step * steps + dense.once * calls
            })
            .sum();
        Self {
            footprint: 4 * (weights + parameters),
            sparse_bytes: stored + 4 * parameters,
            connection_sparsity: (zeros as f64 / weights.max(1) as f64 * 1e4).round_ties_even() / 1e4,
            activation_sparsity: silent(spikes, neurons),
            activation_sparsity_by_layer: by_layer,
            membrane_updates: membrane_updates.then(|| sum(&evaluation.membrane_updates) as f64 / samples),
            synaptic_operations: SynapticOperations {
                Effective_MACs: (graded + (drive - ternary) * calls) as f64 / samples,
                Effective_ACs: (delivered - graded + ternary * calls) as f64 / samples,
                Dense: dense as f64,
            },
        }
    }
}

/// Weights that a projection could hold, zero or not; those that positions share count once.
fn possible_weights(connectivity: &Connectivity) -> u64 {
    let of = |rows: &Rows| rows.len() as u64 * rows.width() as u64;
    match connectivity {
        Connectivity::Rows(rows) => of(rows),
        // Channels of different groups have none between them.
        Connectivity::Conv2d(conv) => of(conv.rows()) / u64::from(conv.geometry().groups),
        Connectivity::OneToOne(one) => one.weights().values().len() as u64,
    }
}

/// Bytes of the weights of a projection as they are stored, of the indices of sparse rows, and of where these begin.
fn stored_bytes(connectivity: &Connectivity) -> u64 {
    let weights = connectivity.weight_type().bytes(connectivity.stored_weights());
    let of = |rows: &Rows| match rows {
        Rows::Dense(dense) => dense.weights().weight_type().bytes(rows.len() as u64 * rows.width() as u64),
        Rows::Sparse(sparse) => {
            let index = match sparse.targets() {
                Targets::U16(_) => 2,
                Targets::U32(_) => 4,
            };
            weights + rows.synapses() * index + sparse.row_starts().len() as u64 * 8
        }
    };
    match connectivity {
        Connectivity::Rows(rows) => of(rows),
        Connectivity::Conv2d(conv) => of(conv.rows()),
        Connectivity::OneToOne(one) => one.weights().values().len() as u64 * 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snn_engine::{DenseRows, OneToOne, PerNeuron, SparseRows, Weights};

    #[test]
    fn stored_bytes_are_those_of_weights_indices_and_starts() {
        let table = [0.5, 0.0, 0.0, -1.0, 0.0, 0.0];
        let sparse = SparseRows::from_dense(2, &table).expect("three rows of two");
        // Two weights of 4 bytes, two indices of 2, four starts of 8.
        assert_eq!(stored_bytes(&Connectivity::Rows(Rows::Sparse(sparse))), 8 + 4 + 32);
        let dense = DenseRows::new(2, Weights::from(table.to_vec())).expect("three rows of two");
        assert_eq!(stored_bytes(&Connectivity::Rows(Rows::Dense(dense))), 24);
        let one = OneToOne::new(3, PerNeuron::same(2.0).expect("a number")).expect("a projection");
        assert_eq!(stored_bytes(&Connectivity::OneToOne(one)), 4);
    }
}
