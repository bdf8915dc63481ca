//! Many samples, several at once, and one sample over threads: wall clock.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snn_engine::*;

use crate::cases::{self, STEPS};
use crate::nets::{mnist, perceptron, square};
use crate::numbers::{ms, ratio};

/// Sizes, densities and rates at which one sample is spread over threads.
pub const SINGLE: [(u32, f64, f64); 7] = [
    (300, 0.1, 0.05),
    (600, 0.1, 0.05),
    (1200, 0.1, 0.02),
    (1200, 0.3, 0.05),
    (1200, 0.1, 0.1),
    (4096, 0.1, 0.02),
    (10_000, 0.1, 0.02),
];

/// A batch on one thread and on two: wall clock, in turns, the best of `rounds`.
pub fn batch(samples: usize, rounds: usize) -> String {
    let network = perceptron();
    let input = cases::input(&network, 0.04, samples);
    let simulator = AnySimulator::new(Mode::Auto, network);
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (threads, best) in (1..).zip(&mut best) {
            let started = Instant::now();
            let outcomes = run_batch(0..samples, threads, &simulator, &input, STEPS, false, |_| Ok(()));
            assert_eq!(outcomes.map(|outcomes: Vec<Outcome>| outcomes.len()), Ok::<_, NetworkError>(samples));
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    format!(
        "784-1200-1200-10, density 0.1, rate 4 %, {samples} samples, whole job: {} ms on one thread, {} ms on two: {:.2} times \
         faster\n",
        ms(best[0]),
        ms(best[1]),
        best[0] / best[1]
    )
}

/// Short runs of a batch, one sample after the other and several at once: whole job, wall clock, in turns, the best of
/// `rounds`.
pub fn short_runs(samples: usize, rounds: usize) -> String {
    let mut text = String::from(
        "| net and input | T | at once | one by one, µs a sample | at once, µs | times faster |\n|---|---:|---:|---:|---:|---:|\n",
    );
    let random = perceptron();
    let input = cases::input(&random, 0.04, samples);
    let (mnist, images) = mnist(Encoding::Constant);
    let nets = [
        ("784-1200-1200-10, density 0.1, random spikes of 4 %", random, input, samples),
        ("MNIST 784-300-100-10 pruned by 90 %, constant", mnist, images, samples.min(200)),
    ];
    for (name, network, input, samples) in nets {
        for steps in [4, 8, 16, 32, 64, 128] {
            let mut windows = WindowSimulator::new(Arc::clone(&network));
            let at_once = windows.side_by_side(u64::from(steps)).min(samples);
            let any = AnySimulator::Window(windows.clone());
            let mut best = [f64::INFINITY; 2];
            for _ in 0..rounds {
                let started = Instant::now();
                let one_by_one: Result<Vec<Outcome>, _> = (0..samples)
                    .map(|sample| run_sample(&mut windows, &input, sample, steps, false))
                    .collect();
                best[0] = best[0].min(started.elapsed().as_secs_f64());
                let started = Instant::now();
                let together = run_batch(0..samples, 1, &any, &input, steps, false, |_| Ok(()));
                best[1] = best[1].min(started.elapsed().as_secs_f64());
                assert!(one_by_one == together, "{name}, T = {steps}: other outcomes");
            }
            let [alone, together] = best.map(|seconds| seconds / samples as f64 * 1e6);
            let _ = writeln!(
                text,
                "| {name} | {steps} | {at_once} | {alone:.1} | {together:.1} | {:.2} |",
                alone / together
            );
        }
    }
    text
}

/// One sample on one thread and on two, every delivery: wall clock, in turns, the best of a time. Work is
/// spread however little there is of it.
pub fn single(cases: &[(u32, f64, f64)], time: Duration) -> String {
    let mut text = String::from(
        "| layer, density, rate | delivery | one thread, ms | two, ms | times faster | median of pairs |\n\
         |---|---|---:|---:|---:|---:|\n",
    );
    for &(size, density, rate) in cases {
        let network = square(size, density, rate);
        let input = cases::input(&network, rate, 1);
        let sample = input.sample(&network, 0, STEPS).unwrap_or_else(|error| panic!("{error}"));
        for delivery in Delivery::ALL {
            let windows = WindowSimulator::with_kernels(Arc::clone(&network), kernel::best(), Some(delivery));
            let mut both = [1, 2].map(|threads| windows.clone().with_threads_from(threads, 0.0));
            let mut best = [f64::INFINITY; 2];
            let mut ratios = vec![];
            // The first round lays the weights out.
            let begun = Instant::now();
            for round in 0.. {
                let seconds = both.each_mut().map(|windows| {
                    windows.reset();
                    let started = Instant::now();
                    let run = windows.run(&sample, u64::from(STEPS), &mut ());
                    assert_eq!(run, Ok(()));
                    started.elapsed().as_secs_f64()
                });
                if round > 0 {
                    best = std::array::from_fn(|at| best[at].min(seconds[at]));
                    ratios.push(seconds[0] / seconds[1]);
                }
                if round > 0 && begun.elapsed() > time {
                    break;
                }
            }
            assert_eq!(both[0].state(), both[1].state(), "{size}, {delivery:?}");
            // What is not possible is delivered otherwise, and stands in the table already.
            if both[0].delivery(network.output()) == Some(delivery) {
                ratios.sort_by(f64::total_cmp);
                let [one, two] = best;
                let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
                let _ = writeln!(
                    text,
                    "| {size}², {density}, {rate} | {delivery:?} | {} | {} | {:.2} | {} |",
                    ms(one),
                    ms(two),
                    one / two,
                    ratio(median)
                );
            }
        }
    }
    text
}
