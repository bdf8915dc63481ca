use criterion::{BatchSize, Criterion, Throughput};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::encode;

/// 256 steps of random spikes of 784 neurons at 5 %: drawn by gaps, and one number per neuron and step.
pub fn bench(criterion: &mut Criterion) {
    let x = [0.05; 784];
    let spikes = encode::bernoulli(&x, 256, 1, 0).unwrap().neurons().len();
    assert!((9_500..10_600).contains(&spikes), "{spikes} spikes");
    let mut group = criterion.benchmark_group("encoder");
    group.throughput(Throughput::Elements(spikes as u64));
    group.bench_function("bernoulli by gaps", |bencher| {
        bencher.iter(|| encode::bernoulli(&x, 256, 1, 0).unwrap());
    });
    group.bench_function("rival: a number per neuron and step", |bencher| {
        bencher.iter_batched(
            || Xoshiro256PlusPlus::seed_from_u64(1),
            |mut rng| {
                let mut spikes = Vec::new();
                for _ in 0..256 {
                    spikes.extend((0_u32..784).filter(|&j| rng.random::<f32>() < x[j as usize]));
                }
                spikes
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("regular", |bencher| bencher.iter(|| encode::regular(&x, 256).unwrap()));
    group.finish();
}
