use std::sync::Arc;

use criterion::{Criterion, Throughput};
use snn_engine::*;

use crate::nets;

/// A sample of 256 steps through 784-1200-1200-10 at density 0.1, input rate 4 %.
pub fn bench(criterion: &mut Criterion) {
    let network = nets::perceptron();
    let input = Input::values(&network, vec![0.04; 784], Encoding::Poisson { seed: 1 }).unwrap();
    let mut group = criterion.benchmark_group("run");
    let mut simulators = [
        ("window", AnySimulator::new(Mode::Auto, Arc::clone(&network))),
        ("event", AnySimulator::new(Mode::Event, Arc::clone(&network))),
        ("rival: dense", AnySimulator::new(Mode::Dense, Arc::clone(&network))),
    ];
    let outcomes: Vec<Outcome> = simulators
        .iter_mut()
        .map(|(_, simulator)| run_sample(simulator.get(), &input, 0, 256, false).unwrap())
        .collect();
    assert_eq!(outcomes[0], outcomes[2]);
    assert_eq!(outcomes[1], outcomes[2]);
    let total = outcomes[0].statistics.total();
    assert!((20_000..60_000).contains(&total.spikes), "{total:?}");
    group.throughput(Throughput::Elements(total.synaptic_operations));
    group.sample_size(10);
    for (name, simulator) in &mut simulators {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| run_sample(simulator.get(), &input, 0, 256, false).unwrap());
        });
    }
    group.finish();
}
