use std::sync::Arc;

use criterion::{Criterion, Throughput};
use snn_engine::*;

/// One step of 1200 neurons, all of which a spike of one source reached.
pub fn bench(criterion: &mut Criterion) {
    let same = |value| PerNeuron::same(value).unwrap();
    let models: [(&str, Neuron); 3] = [
        (
            "integrate-and-fire",
            Neuron::of(IntegrateFire {
                threshold: same(1.0),
                bias: same(0.004),
                start: same(0.0),
                reset: Reset::Subtract,
            }),
        ),
        ("bipolar, values of 1", Neuron::of(bipolar(1.0, Sign::Unsigned))),
        ("bipolar, signed values up to 4", Neuron::of(bipolar(4.0, Sign::Signed))),
    ];
    let mut group = criterion.benchmark_group("membrane");
    group.throughput(Throughput::Elements(1200));
    for (name, neuron) in models {
        let mut builder = NetworkBuilder::new();
        let input = builder.population("input", Layout::Flat(1), Neuron::Source);
        let layer = builder.population("layer", Layout::Flat(1200), neuron);
        let rows = DenseRows::new(1200, vec![0.02; 1200].into()).unwrap();
        builder.projection(input, layer, 0, Connectivity::Rows(Rows::Dense(rows)));
        let network = Arc::new(builder.build().unwrap());
        let stimulus = Stimulus::new(&network, &[(input, &[0])]).unwrap();
        for kernels in kernel::available() {
            let mut simulator = EventSimulator::with_kernels(Arc::clone(&network), kernels);
            // 0.024 a step reach 1 at the 42nd.
            let spikes: usize = (0..42).map(|_| simulator.step(&stimulus).of(layer).len()).sum();
            assert_eq!(spikes, 1200, "{name}, {}", kernels.name);
            group.bench_function(format!("{name}/{}", kernels.name), |bencher| {
                bencher.iter(|| simulator.step(&stimulus).of(layer).len());
            });
        }
    }
    group.finish();
}

fn bipolar(most: f32, sign: Sign) -> Bipolar {
    let same = |value| PerNeuron::same(value).unwrap();
    Bipolar {
        threshold: same(1.0),
        bias: same(0.004),
        start: same(0.0),
        most: same(most),
        low: same(0.0),
        high: same(Bipolar::UNBOUNDED),
        sign,
        arrives: BiasArrives::EveryStep,
    }
}
