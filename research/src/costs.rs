use serde::Serialize;
use snn_engine::{Connectivity, Network, Rows};

use crate::evaluate::Evaluation;

/// What a run costs in one population, a mean over samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PopulationCosts {
    /// Its name.
    pub population: String,
    /// Its neurons.
    pub neurons: usize,
    /// Spikes that its neurons emitted, whatever their values.
    pub spikes: f64,
    /// The sum of the magnitudes of their values.
    pub magnitude: f64,
    /// Additions: weights delivered by spikes of value ±1, and products with inputs of −1 or 1.
    pub additions: f64,
    /// Multiply-adds: weights delivered by other spikes, and products with other inputs, made once.
    pub multiply_adds: f64,
    /// The part of both that is spent once on currents from the input.
    pub drive_operations: f64,
    /// Weights delivered through projections, by how these are stored.
    #[serde(skip)]
    pub delivered: Delivered,
    /// Touched potentials: pairs of neuron and step in which a weight was delivered to the neuron, a current was given to it, or
    /// it fired.
    pub touched_potentials: f64,
    /// Weights that are read: one for each addition and multiply-add.
    pub weight_accesses: f64,
    /// Potentials that are read or written: each touched one is read once and written once.
    pub potential_accesses: f64,
    /// Bytes of its incoming weights and of its potentials, 4 each: what the memories must hold.
    #[serde(skip)]
    pub memory: [u64; 2],
}

/// Weights delivered by spikes in one population, by the kind of projection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delivered {
    /// Through tables that hold every weight.
    pub dense: f64,
    /// Through lists of the weights that are there.
    pub sparse: f64,
    /// Through kernels that positions share.
    pub convolution: f64,
}

/// The costs of every population, means over samples, in order of declaration.
#[must_use]
pub fn costs(network: &Network, evaluation: &Evaluation) -> Vec<PopulationCosts> {
    let last = evaluation.last();
    let samples = last.classes.len().max(1) as f64;
    network
        .ids()
        .map(|id| {
            let (population, of, at) = (network.population(id), last.statistics.of(id), id.index());
            let per_sample = |number: u64| number as f64 / samples;
            let multiplied = evaluation.graded_operations[at] + evaluation.drive_operations[at]
                - evaluation.ternary_drive_operations[at];
            let all = of.synaptic_operations + evaluation.drive_operations[at];
            // Projections of different kinds into one population share its operations by their synapses.
            let mut kinds = [0_u64; 3];
            let mut weights = 0;
            for projection in network.incoming(id) {
                let connectivity = projection.connectivity();
                let kind = match connectivity {
                    Connectivity::Rows(Rows::Dense(_)) => 0,
                    Connectivity::Rows(Rows::Sparse(_)) | Connectivity::OneToOne(_) => 1,
                    Connectivity::Conv2d(_) => 2,
                };
                kinds[kind] += connectivity.synapses();
                weights += connectivity.stored_weights();
            }
            let synapses = kinds.iter().sum::<u64>().max(1) as f64;
            let delivered = kinds.map(|kind| per_sample(of.synaptic_operations) * kind as f64 / synapses);
            PopulationCosts {
                population: population.name().to_owned(),
                neurons: population.size(),
                spikes: per_sample(of.spikes),
                magnitude: per_sample(of.magnitude),
                additions: per_sample(all - multiplied),
                multiply_adds: per_sample(multiplied),
                drive_operations: per_sample(evaluation.drive_operations[at]),
                delivered: Delivered { dense: delivered[0], sparse: delivered[1], convolution: delivered[2] },
                touched_potentials: per_sample(of.updates),
                weight_accesses: per_sample(all),
                potential_accesses: 2.0 * per_sample(of.updates),
                memory: [4 * weights, 4 * population.size() as u64],
            }
        })
        .collect()
}

/// The multiply-adds of the trained net that a network stands for, for one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainedOperations {
    /// With every weight, zero or not; padding is none.
    pub dense: u64,
    /// With the weights that are not zero.
    pub pruned: u64,
}

impl TrainedOperations {
    /// Of all projections, one pass through each.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let connectivities = || network.projections().iter().map(|projection| projection.connectivity());
        Self {
            dense: connectivities().map(Connectivity::dense_operations).sum(),
            pruned: connectivities().map(Connectivity::synapses).sum(),
        }
    }
}
