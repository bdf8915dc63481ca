use criterion::{Criterion, Throughput};
use snn_engine::Reset;
use snn_engine::kernel::{self, BLOCK, Membrane};

/// One step of 1200 neurons, all of which were reached.
pub fn bench(criterion: &mut Criterion) {
    let blocks = 1200 / BLOCK;
    let due = [u64::MAX, (1 << (blocks - 64)) - 1];
    let mut group = criterion.benchmark_group("membrane");
    group.throughput(Throughput::Elements(1200));
    for kernels in kernel::available() {
        let mut potentials = vec![[0.0; BLOCK]; blocks];
        let mut currents = vec![[-0.0; BLOCK]; blocks];
        let mut crossings = vec![0; blocks];
        let (biases, thresholds) = (vec![[0.004; BLOCK]; blocks], vec![[1.0; BLOCK]; blocks]);
        let mut fired = vec![];
        let mut step = |k: u32| {
            fired.clear();
            currents.as_flattened_mut().fill(0.02);
            let mut membrane = Membrane {
                potentials: &mut potentials,
                currents: &mut currents,
                biases: &biases,
                thresholds: &thresholds,
                k,
                reset: Reset::Subtract,
            };
            let updated = (kernels.integrate)(&mut membrane, &due, &mut crossings, &mut fired);
            assert_eq!(updated.touched, 1200);
            fired.len()
        };
        // 0.024 a step reach 1 at the 42nd.
        let spikes: usize = (1..=42).map(&mut step).sum();
        assert_eq!(spikes, 1200, "{}", kernels.name);
        let mut k = 0;
        group.bench_function(kernels.name, |bencher| {
            bencher.iter(|| {
                k = k % 255 + 1;
                step(k)
            });
        });
    }
    group.finish();
}
