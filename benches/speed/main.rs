//! The cases of the record as criterion benches: the simulator beside the dense product over all steps and the
//! plain scatter loop.
//!
//! Spikes are compared before anything is timed: the scatter loop's must be equal neuron by neuron, the dense
//! product's sums within 1 %. Ratios for the record are made by `cargo bench --bench studies`, which takes turns.

mod cases;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use snn_engine::*;
use snn_rivals::{Dense, Rival, Scatter, counts};

fn bench_cases(criterion: &mut Criterion) {
    for case in cases::all() {
        let mut group = criterion.benchmark_group(case.name);
        group.sample_size(10);
        let network = case.network();
        let input = cases::input(&network, case.rate, 1);
        let sample = input.sample(&network, 0, cases::STEPS).unwrap();
        let mut simulator = WindowSimulator::new(network.clone());
        let mut scatter = Scatter::new(network.clone()).unwrap();
        let mut dense = Dense::new(network.clone(), cases::STEPS).unwrap();
        let ours = counts(&mut simulator, &sample, cases::STEPS).unwrap();
        let output = network.output();
        let spikes: u32 = ours[output.index()].iter().sum();
        let rate = f64::from(spikes) / (ours[output.index()].len() as f64 * f64::from(cases::STEPS));
        assert!((rate / case.rate - 1.0).abs() < 0.2, "{}: fires at {rate}", case.name);
        scatter.load(&sample, cases::STEPS);
        scatter.run();
        assert_eq!(scatter.counts(output), ours[output.index()], "{}", case.name);
        dense.load(&sample, cases::STEPS);
        dense.run();
        let of_dense: u32 = dense.counts(output).iter().sum();
        let apart = (f64::from(of_dense) - f64::from(spikes)).abs();
        assert!(apart <= 16.0 + 0.01 * f64::from(spikes), "{}: {of_dense} and {spikes}", case.name);
        let total = simulator.statistics().total();
        group.throughput(Throughput::Elements(total.synaptic_operations));
        group.bench_function("snn-event", |bencher| {
            bencher.iter(|| {
                simulator.start(&sample.drive);
                simulator.run(&sample, u64::from(cases::STEPS), &mut ()).unwrap();
            });
        });
        let claim = format!("rival: dense product over all steps, at least {} times as long", case.floor);
        group.bench_function(claim, |bencher| bencher.iter(|| dense.run()));
        group.bench_function("rival: scatter loop", |bencher| bencher.iter(|| scatter.run()));
        group.finish();
    }
}

/// The whole job on the shipped net: encoder, simulation, statistics and read-out; beside its layers alone.
fn bench_whole_job(criterion: &mut Criterion) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist");
    let network = snn_formats::read_net(format!("{folder}/net.bin"), snn_formats::Source::Mapped).unwrap();
    let network = std::sync::Arc::new(network);
    let x = snn_formats::npy::read(format!("{folder}/x.npy")).unwrap().into_f32().unwrap();
    let mut simulator = AnySimulator::new(Mode::Auto, network.clone());
    let mut reference = AnySimulator::new(Mode::Event, network.clone());
    let mut group = criterion.benchmark_group("MNIST, pruned by 90 %");
    for (name, encoding) in [("constant", Encoding::Constant), ("poisson", Encoding::Poisson { seed: 1 })] {
        let input = Input::values(&network, x.clone(), encoding).unwrap();
        let outcome = run_sample(simulator.get(), &input, 0, cases::STEPS, false).unwrap();
        assert_eq!(outcome, run_sample(reference.get(), &input, 0, cases::STEPS, false).unwrap());
        assert!(outcome.statistics.total().spikes > 5_000, "{:?}", outcome.statistics);
        let sample = input.sample(&network, 0, cases::STEPS).unwrap();
        group.bench_function(format!("{name}: the whole job"), |bencher| {
            bencher.iter(|| run_sample(simulator.get(), &input, 0, cases::STEPS, false).unwrap());
        });
        group.bench_function(format!("{name}: its layers alone"), |bencher| {
            bencher.iter(|| {
                simulator.get().start(&sample.drive);
                simulator.get().run(&sample, u64::from(cases::STEPS), &mut ()).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench_cases, bench_whole_job);
criterion_main!(benches);
