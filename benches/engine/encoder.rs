use criterion::{BatchSize, Criterion, Throughput};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::encode;

/// 256 steps of spikes of 784 neurons: random ones below, at and above the rate from which they are drawn by words, the
/// same with one number per neuron and step, and evenly spaced ones.
pub fn bench(criterion: &mut Criterion) {
    for rate in [0.001, 0.0156, 0.0157, 0.05, 0.5] {
        bench_rate(criterion, rate);
    }
}

fn bench_rate(criterion: &mut Criterion, rate: f32) {
    let x = [rate; 784];
    let spikes = encode::bernoulli(&x, 256, 1, 0).unwrap().neurons().len();
    let mean = 784.0 * 256.0 * f64::from(rate);
    assert!((spikes as f64 - mean).abs() < 6.0 * mean.sqrt(), "{spikes} spikes at {rate}");
    let mut group = criterion.benchmark_group(format!("encoder, rate {rate}"));
    group.throughput(Throughput::Elements(spikes as u64));
    group.bench_function("bernoulli", |bencher| {
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
