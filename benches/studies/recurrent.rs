//! Networks that reach themselves, beside the plain loop that goes step by step.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use snn_engine::*;
use snn_rivals::{Contender, Rival, Stepped, counts, race};

use crate::cases::STEPS;
use crate::numbers::{ms, ratio};

/// A network of the record.
#[derive(Clone, Copy)]
pub struct Net {
    pub neurons: u32,
    /// The shortest delay.
    pub delay: u32,
    /// Biases are drawn up to twice that, so without the synapses, whose weights cancel on average, it would be the
    /// rate.
    pub bias: f32,
    /// How many times faster than the plain loop an event-driven run must at least be.
    pub floor: f64,
}

const fn net(neurons: u32, delay: u32, bias: f32, floor: f64) -> Net {
    Net { neurons, delay, bias, floor }
}

/// The networks of the record.
pub const NETS: [Net; 8] = [
    net(4_000, 1, 0.04, 1.2),
    net(4_000, 1, 0.08, 1.2),
    net(4_000, 1, 0.001, 1.2),
    net(4_000, 4, 0.04, 1.2),
    net(40_000, 1, 0.04, 1.4),
    net(40_000, 1, 0.08, 1.4),
    net(40_000, 1, 0.001, 1.4),
    net(40_000, 4, 0.04, 1.4),
];

/// Synapses out of every neuron.
const FAN_OUT: usize = 100;

/// One population of `n` neurons, which reach 100 others each, half of them `delay` and half of them `delay + 2` steps
/// later.
pub fn network(n: u32, delay: u32, bias: f32) -> Arc<Network> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(u64::from(n + delay));
    let mut builder = NetworkBuilder::new();
    let mut each = |high: f32| {
        let values: Vec<f32> = (0..n).map(|_| rng.random_range(0.0..high)).collect();
        PerNeuron::repeating(values.into()).unwrap_or_else(|error| panic!("{error}"))
    };
    let neuron = IntegrateFire {
        threshold: PerNeuron::same(1.0).unwrap_or_else(|error| panic!("{error}")),
        bias: each(2.0 * bias),
        start: each(1.0),
        reset: Reset::Subtract,
    };
    let population = builder.population("population", Layout::Flat(n), Neuron::of(neuron));
    for delay in [delay, delay + 2] {
        let (mut starts, mut columns, mut weights) = (vec![0], vec![], vec![]);
        for _ in 0..n {
            let row = columns.len();
            columns.extend((0..FAN_OUT / 2).map(|_| rng.random_range(0..n)));
            columns[row..].sort_unstable();
            columns.dedup();
            // A weight of zero is no synapse.
            let mut weight =
                || rng.random_range(0.001..0.08_f32) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            weights.extend((row..columns.len()).map(|_| weight()));
            starts.push(columns.len() as u64);
        }
        let rows = SparseRows::from_columns(n as usize, starts, columns, weights);
        let rows = Rows::Sparse(rows.unwrap_or_else(|error| panic!("{error}")));
        builder.projection(population, population, delay, Connectivity::Rows(rows));
    }
    Arc::new(builder.build().unwrap_or_else(|error| panic!("{error}")))
}

/// A simulator as a contender.
struct Ours<'a>(&'a mut dyn Simulator, &'a Sample);

impl Contender for Ours<'_> {
    fn prepare(&mut self, _: usize) {
        self.0.start(&self.1.drive);
    }

    fn run(&mut self) {
        let run = self.0.run(self.1, u64::from(STEPS), &mut ());
        run.unwrap_or_else(|error| panic!("a sample without spikes: {error}"));
    }
}

/// The plain loop as a contender.
struct Theirs<'a>(&'a mut Stepped, &'a Sample);

impl Contender for Theirs<'_> {
    fn prepare(&mut self, _: usize) {
        self.0.load(self.1, STEPS);
    }

    fn run(&mut self) {
        self.0.run();
    }
}

/// One run of a simulator on one thread and of the same on two, wall clock, in turns for the given time: the median of
/// their ratios. Work is spread however little there is of it.
fn two_threads(network: &Arc<Network>, sample: &Sample, time: Duration) -> f64 {
    let windows = WindowSimulator::new(Arc::clone(network));
    let mut one = windows.clone();
    let mut two = windows.with_threads_from(2, 0.0);
    let mut ratios = vec![];
    let begun = Instant::now();
    // The first round finds where rows are cut.
    for round in 0.. {
        let seconds = [&mut one, &mut two].map(|windows| {
            windows.start(&sample.drive);
            let started = Instant::now();
            let run = windows.run(sample, u64::from(STEPS), &mut ());
            run.unwrap_or_else(|error| panic!("a sample without spikes: {error}"));
            started.elapsed().as_secs_f64()
        });
        if round > 0 {
            ratios.push(seconds[0] / seconds[1]);
        }
        if round > 0 && begun.elapsed() > time {
            break;
        }
    }
    assert_eq!(one.state(), two.state());
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Each network by the simulators and by the plain loop, after their spikes were found equal.
pub fn recurrent(nets: &[Net], time: Duration) -> String {
    let mut text = String::from(
        "| neurons | least delay | rate, % | operations a step | event, ms | window, ms | plain loop, ms | event, ns an operation | \
         event faster than loop | floor | window faster than loop | two threads faster than one |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for &Net { neurons, delay, bias, floor } in nets {
        let network = network(neurons, delay, bias);
        let sample = Sample::default();
        let mut event = EventSimulator::new(Arc::clone(&network));
        let mut window = WindowSimulator::new(Arc::clone(&network));
        let mut plain = Stepped::new(Arc::clone(&network)).unwrap_or_else(|error| panic!("{error}"));
        plain.load(&sample, STEPS);
        plain.run();
        let simulators: [&mut dyn Simulator; 2] = [&mut event, &mut window];
        for simulator in simulators {
            let ours = counts(simulator, &sample, STEPS).unwrap_or_else(|error| panic!("{error}"));
            assert!(ours[0] == plain.counts(network.output()), "{neurons}, {delay}: other spikes");
        }
        assert_eq!(event.state(), window.state());
        let total = event.statistics().total();
        let rate = total.spikes as f64 / f64::from(neurons) / f64::from(STEPS);
        let mut contenders =
            (Ours(&mut event, &sample), Ours(&mut window, &sample), Theirs(&mut plain, &sample));
        let times = race(&mut [&mut contenders.0, &mut contenders.1, &mut contenders.2], 1, time);
        let [event, window, plain] = [0, 1, 2].map(|at: usize| times[at].best());
        let operations = total.synaptic_operations as f64;
        let _ = writeln!(
            text,
            "| {neurons} | {delay} | {:.2} | {:.0} | {} | {} | {} | {:.2} | **{}** | {floor} | {} | {:.2} |",
            rate * 100.0,
            operations / f64::from(STEPS),
            ms(event),
            ms(window),
            ms(plain),
            event / operations * 1e9,
            ratio(plain / event),
            ratio(plain / window),
            two_threads(&network, &sample, time)
        );
    }
    text
}
