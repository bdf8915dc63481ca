//! A recurrent network with delays: two populations that excite and inhibit each other, and what delays make of them.

use std::sync::Arc;

use snn_engine::*;

/// One excitatory and one inhibitory population of 100 neurons. Excitation takes `delay` steps, inhibition twice as many.
fn network(delay: u32) -> Result<Arc<Network>, NetworkError> {
    let mut builder = NetworkBuilder::new();
    let neurons = |bias: f32| -> Result<Neuron, NetworkError> {
        // Potentials that start apart, so that the neurons do not all fire at once.
        let start: Vec<f32> = (0..100_u16).map(|neuron| f32::from(neuron * 37 % 100) * 0.01).collect();
        Ok(Neuron::of(IntegrateFire {
            threshold: PerNeuron::same(1.0)?,
            bias: PerNeuron::same(bias)?,
            start: PerNeuron::repeating(start.into())?,
            reset: Reset::Subtract,
        }))
    };
    let excitatory = builder.population("excitatory", Layout::Flat(100), neurons(0.05)?);
    let inhibitory = builder.population("inhibitory", Layout::Flat(100), neurons(0.0)?);
    // Every neuron reaches ten others, with the same weight.
    let rows = |weight: f32, offset: usize| -> Result<Connectivity, NetworkError> {
        let reached = |at: usize| ((at % 100) * 3 + (at / 100) * 7 + offset) % 100 < 10;
        let table: Vec<f32> = (0..100 * 100).map(|at| if reached(at) { weight } else { 0.0 }).collect();
        Ok(Connectivity::Rows(Rows::Sparse(SparseRows::from_dense(100, &table)?)))
    };
    builder.projection(excitatory, inhibitory, delay, rows(0.1, 0)?);
    builder.projection(inhibitory, excitatory, 2 * delay, rows(-0.08, 50)?);
    Ok(Arc::new(builder.build()?))
}

/// Runs it; every assertion holds.
pub fn main() -> Result<(), NetworkError> {
    for delay in [1, 5] {
        let network = network(delay)?;
        // It is no feed-forward network, so it is stepped; a simulator for windows does so by itself.
        assert!(!network.is_feed_forward());
        let mut simulator = WindowSimulator::new(Arc::clone(&network));
        simulator.run(&Sample::default(), 1_000, &mut ())?;
        let rate = |name: &str| {
            let id = network.find(name)?;
            // 100 neurons in 1,000 steps.
            Some(simulator.statistics().of(id).spikes as f64 / 1e5)
        };
        let (excitatory, inhibitory) = (rate("excitatory"), rate("inhibitory"));
        println!("delays of {delay} and {}: {excitatory:?} and {inhibitory:?} spikes a step", 2 * delay);
        // The bias alone makes 0.05; inhibition takes from it.
        assert!(excitatory.is_some_and(|rate| (0.01..0.05).contains(&rate)));

        // The dense reference says the same, bit by bit.
        let mut reference = DenseSimulator::new(network);
        reference.run(&Sample::default(), 1_000, &mut ())?;
        assert_eq!(reference.state(), simulator.state());
    }
    Ok(())
}
