//! The engine inside another program: a loop of one's own that drives a network from outside and reads it, step by step,
//! without a copy or an allocation.

use std::sync::Arc;

use snn_engine::*;

/// Twenty neurons that excite their right neighbour a step later: a ring along which activity travels.
fn ring() -> Result<(Arc<Network>, PopulationId), NetworkError> {
    const N: usize = 20;
    let mut builder = NetworkBuilder::new();
    let neuron = Neuron::of(Leaky {
        threshold: PerNeuron::same(1.0)?,
        leak: PerNeuron::same(0.75)?,
        bias: PerNeuron::same(0.0)?,
        start: PerNeuron::same(0.0)?,
        reset: LeakyReset::To,
        after: PerNeuron::same(0.0)?,
        refractory: PerNeuron::same(2.0)?,
    });
    let ring = builder.population("ring", Layout::Flat(N as u32), neuron);
    let right = |from: usize| (from + 1) % N;
    let table: Vec<f32> = (0..N * N).map(|at| if at % N == right(at / N) { 1.0 } else { 0.0 }).collect();
    let rows = Rows::Sparse(SparseRows::from_dense(N, &table)?);
    builder.projection(ring, ring, 1, Connectivity::Rows(rows));
    Ok((Arc::new(builder.build()?), ring))
}

/// Runs it; every assertion holds.
pub fn main() -> Result<(), NetworkError> {
    let (network, ring) = ring()?;
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let mut stimulus = Stimulus::none();

    // A spike from outside sets the activity going. It travels one neuron a step, by itself.
    stimulus.set_spikes(&network, ring, SpikeSlice::unit(&[0]))?;
    for step in 0..30_u32 {
        assert_eq!(simulator.step(&stimulus).of(ring), [step % 20]);
        stimulus.clear();
    }
    println!("after {} steps neuron 9 has fired", simulator.now());

    // A negative current holds the next neuron below its threshold: the activity ends there.
    stimulus.set_currents_of(&network, ring, &[10], &[-0.5])?;
    assert_eq!(simulator.step(&stimulus).total(), 0);
    let v = simulator.potentials(ring)[10];
    assert_eq!(v, 0.5);
    stimulus.clear();
    simulator.step(&stimulus);
    println!("neuron 10 was held at {v} and leaks: {}", simulator.potentials(ring)[10]);
    assert_eq!(simulator.potentials(ring)[10], 0.375);

    // A controller: whatever the potential of neuron 3 lacks to 0.9 is given as its current, from where it stands.
    for _ in 0..5 {
        let lacks = 0.9 - 0.75 * simulator.potentials(ring)[3];
        stimulus.clear();
        stimulus.set_currents_of(&network, ring, &[3], &[lacks])?;
        assert_eq!(simulator.step(&stimulus).total(), 0);
    }
    let v = simulator.potentials(ring)[3];
    println!("neuron 3 is held at {v}");
    assert!((v - 0.9).abs() < 1e-6);
    Ok(())
}
