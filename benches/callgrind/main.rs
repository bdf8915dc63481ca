//! Three fixed runs whose instructions can be counted without noise: `benches/callgrind/count.sh` runs each under
//! valgrind. Without the name of a case, all are run and only their spikes are asserted.
//!
//! The networks and spikes come from pinned generators, so a count changes only with the code, the compiler, or
//! the instruction sets that valgrind offers (AVX2 at most).

use std::sync::Arc;

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::*;

/// Steps of each run.
const STEPS: u32 = 256;

/// A name, a network and its rate, how it is run, and the spikes and synaptic operations that must come out.
struct Case {
    name: &'static str,
    plan: Plan,
    density: f64,
    rate: f64,
    mode: Mode,
    expected: [u64; 2],
}

fn cases() -> [Case; 3] {
    let perceptron = || Plan::Layers(vec![784, 1200, 1200, 10]);
    let image = Plan::Convolution { source: [32, 8, 8], channels: 32, kernel: 3 };
    [
        Case {
            name: "perceptron",
            plan: perceptron(),
            density: 0.1,
            rate: 0.04,
            mode: Mode::Auto,
            expected: [34_068, 2_558_569],
        },
        Case {
            name: "perceptron-event",
            plan: perceptron(),
            density: 0.1,
            rate: 0.01,
            mode: Mode::Event,
            expected: [8_134, 615_000],
        },
        Case {
            name: "convolution",
            plan: image,
            density: 0.1,
            rate: 0.05,
            mode: Mode::Auto,
            expected: [52_482, 656_607],
        },
    ]
}

/// What is counted: one sample, its spikes given.
#[inline(never)]
fn counted_run(simulator: &mut dyn Simulator, sample: &Sample) {
    simulator.start(&sample.drive);
    let run = simulator.run(sample, u64::from(STEPS), &mut ());
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn run(case: &Case) {
    let Case { plan, density, rate, mode, expected, name } = case;
    let recipe = RandomNetwork {
        plan: plan.clone(),
        density: *density,
        rate: *rate,
        bias: 0.0,
        firing_output: true,
        seed: 1,
    };
    let network = Arc::new(recipe.make().unwrap_or_else(|error| panic!("{error}")).0);
    let source = network.sources().map(|source| network.population(source).size()).sum();
    let input = Input::values(&network, vec![*rate as f32; source], Encoding::Poisson { seed: 1 });
    let sample = input.and_then(|input| input.sample(&network, 0, STEPS));
    let sample = sample.unwrap_or_else(|error| panic!("{error}"));
    let mut simulator = AnySimulator::new(*mode, network);
    counted_run(simulator.get(), &sample);
    let total = simulator.get().statistics().total();
    assert_eq!([total.spikes, total.synaptic_operations], *expected, "{name}");
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    for case in cases().iter().filter(|case| wanted.is_empty() || wanted.iter().any(|name| name == case.name))
    {
        run(case);
    }
}
