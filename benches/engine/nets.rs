//! Random networks of the size that papers on pruning use.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

/// Rows of a given density with weights between −1 and 1, times `gain`, shifted by `mean`.
pub fn rows(rows: usize, width: usize, density: f64, gain: f32, mean: f32, seed: u64) -> SparseRows {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut table = vec![0.0; rows * width];
    for weight in &mut table {
        if rng.random_bool(density) {
            *weight = gain * (rng.random_range(-1.0..1.0) + mean);
        }
    }
    SparseRows::from_dense(width, &table).unwrap()
}

/// 784-1200-1200-10, ten per cent of the weights left, rates of a few per cent in every layer.
pub fn perceptron() -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let same = |value| PerNeuron::same(value).unwrap();
    let mut source = builder.population("input", Layout::Flat(784), Neuron::Source);
    let sizes = [784, 1200, 1200, 10];
    for layer in 0..3 {
        let last = layer == 2;
        let neuron = if last {
            Neuron::of(Accumulator { bias: same(0.0) })
        } else {
            let (threshold, bias) = (same(1.0), same(0.005));
            Neuron::of(IntegrateFire { threshold, bias, start: same(0.0), reset: Reset::Subtract })
        };
        let target = builder.population(format!("layer{layer}"), Layout::Flat(sizes[layer + 1]), neuron);
        let weights = rows(sizes[layer] as usize, sizes[layer + 1] as usize, 0.1, 0.25, 0.02, layer as u64);
        builder.projection(source, target, 0, Connectivity::Rows(Rows::Sparse(weights)));
        source = target;
    }
    Arc::new(builder.build().unwrap())
}
