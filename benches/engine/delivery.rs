use criterion::{Criterion, Throughput};
use snn_engine::{Targets, encode, kernel};

use crate::nets;

/// 256 steps of spikes at 5 % over 1200 × 1200 weights, a tenth of them left: the scatter alone.
pub fn bench(criterion: &mut Criterion) {
    let rows = nets::rows(1200, 1200, 0.1, 1.0, 0.0, 1);
    let spikes = encode::bernoulli(&[0.05; 1200], 256, 1, 0).unwrap();
    let Targets::U16(ids) = rows.targets() else { panic!("1200 targets fit 16 bits") };
    let operations: u64 =
        spikes.neurons().iter().map(|&source| rows.range(source as usize).len() as u64).sum();
    assert!((1_750_000..1_950_000).contains(&operations), "{operations} synaptic operations");
    let weights = rows.weights().to_f32();
    let mut group = criterion.benchmark_group("delivery");
    group.throughput(Throughput::Elements(operations));
    for kernels in kernel::available() {
        let mut currents = vec![-0.0; 1200];
        group.bench_function(format!("scatter_u16/{}", kernels.name), |bencher| {
            bencher.iter(|| {
                for &source in spikes.neurons() {
                    let range = rows.range(source as usize);
                    (kernels.scatter_u16)(&ids[range.clone()], &weights[range], &mut currents);
                }
            });
        });
    }
    group.finish();
}
