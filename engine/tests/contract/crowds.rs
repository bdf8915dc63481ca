//! Populations in which much happens for a while, and then little: the event-driven simulator updates them as a whole
//! and block by block in turn.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;

fn each(rng: &mut Xoshiro256PlusPlus, n: usize, low: f32, high: f32) -> PerNeuron {
    PerNeuron::repeating((0..n).map(|_| rng.random_range(low..high)).collect::<Vec<f32>>().into()).unwrap()
}

/// 300 neurons behind as many sources and themselves; with biases if `biased`.
fn network(seed: u64, biased: bool) -> Arc<Network> {
    let n = 300;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let same = |value| PerNeuron::same(value).unwrap();
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(n as u32), Neuron::Source);
    let bias = if biased { each(&mut rng, n, -0.002, 0.004) } else { same(0.0) };
    let fire = IntegrateFire {
        threshold: same(1.0),
        bias: bias.clone(),
        start: each(&mut rng, n, 0.0, 0.9),
        reset: Reset::Subtract,
    };
    let fire = builder.population("fire", Layout::Flat(n as u32), Neuron::of(fire));
    let read_out = builder.population("read-out", Layout::Flat(n as u32), Neuron::of(Accumulator { bias }));
    let mut projection = |source, target, delay, density: f64| {
        let mut weight = || if rng.random_bool(density) { rng.random_range(-0.4..0.5_f32) } else { 0.0 };
        let table: Vec<f32> = (0..n * n).map(|_| weight()).collect();
        let rows = Rows::Sparse(SparseRows::from_dense(n, &table).unwrap());
        builder.projection(source, target, delay, Connectivity::Rows(rows));
    };
    projection(input, fire, 0, 0.1);
    projection(fire, fire, 1, 0.01);
    projection(fire, read_out, 2, 0.02);
    Arc::new(builder.build().unwrap())
}

/// Bursts of spikes, of any length, and silences with a spike now and then.
fn bursts(seed: u64, steps: usize) -> Raster {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut raster = Raster::new();
    let mut rate = 0.0;
    for _ in 0..steps {
        if rng.random_bool(0.03) {
            rate = [0.0, 0.0005, 0.3][rng.random_range(0..3)];
        }
        raster.push_step(&(0..300).filter(|_| rng.random_bool(rate)).collect::<Vec<u32>>());
    }
    raster
}

#[test]
fn states_and_rest_are_those_of_the_reference_while_bursts_and_silences_follow_each_other() {
    let (mut silent, mut loud, mut quiet) = (0, 0, 0);
    for (seed, biased) in [(1, true), (2, false), (3, true), (4, false)] {
        let network = network(seed, biased);
        let steps = 700;
        let input = network.sources().next().unwrap();
        let sample = Sample { drive: Drive::none(), spikes: vec![(input, bursts(seed, steps))] };
        let mut dense = DenseSimulator::new(Arc::clone(&network));
        let mut events: Vec<EventSimulator> = kernel::available()
            .into_iter()
            .map(|kernels| EventSimulator::with_kernels(Arc::clone(&network), kernels))
            .collect();
        for step in 0..steps {
            let stimulus = sample.stimulus(&network, step).unwrap();
            let spikes = dense.step(&stimulus).clone();
            let state = dense.state();
            let rests = state.is_quiet(&network, &sample.drive);
            let count = network.ids().map(|id| spikes.of(id).len()).sum::<usize>();
            (silent, loud) = (silent + usize::from(count < 3), loud + usize::from(count > 60));
            quiet += usize::from(rests);
            for event in &mut events {
                assert!(*event.step(&stimulus) == spikes, "seed {seed}, step {step}");
                assert_eq!(state.first_difference(&event.state()), None, "seed {seed}, step {step}");
                assert_eq!(event.is_quiet(), rests, "seed {seed}, step {step}");
            }
        }
        for event in &events {
            assert_eq!(event.statistics(), dense.statistics(), "seed {seed}");
        }
    }
    assert!(silent > 300 && loud > 300 && quiet > 50, "{silent} silent steps, {loud} loud, {quiet} quiet");
}
