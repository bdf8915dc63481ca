//! The cases whose speed is claimed, and how much faster than the dense product each must at least be.

use std::sync::Arc;

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::{Encoding, Input, Network};

/// Steps of every case.
pub const STEPS: u32 = 256;

/// One population of firing neurons behind random input spikes.
pub struct Case {
    pub name: &'static str,
    pub plan: Plan,
    pub density: f64,
    pub rate: f64,
    /// How many times faster than the dense product over all steps it must be.
    pub floor: f64,
}

fn square(name: &'static str, size: u32, density: f64, rate: f64, floor: f64) -> Case {
    Case { name, plan: Plan::Layers(vec![size, size]), density, rate, floor }
}

fn image(name: &'static str, density: f64, floor: f64) -> Case {
    let plan = Plan::Convolution { source: [128, 16, 16], channels: 128, kernel: 3 };
    Case { name, plan, density, rate: 0.05, floor }
}

/// The cases of the record.
pub fn all() -> Vec<Case> {
    vec![
        square("1200², density 1, rate 5 %", 1200, 1.0, 0.05, 6.0),
        square("1200², density 0.3, rate 5 %", 1200, 0.3, 0.05, 6.0),
        square("1200², density 0.1, rate 10 %", 1200, 0.1, 0.1, 7.0),
        square("1200², density 0.1, rate 2 %", 1200, 0.1, 0.02, 14.0),
        square("1200², density 0.1, rate 0.5 %", 1200, 0.1, 0.005, 45.0),
        square("1200², density 0.02, rate 2 %", 1200, 0.02, 0.02, 45.0),
        square("4096², density 0.1, rate 2 %", 4096, 0.1, 0.02, 15.0),
        image("conv 128→128 3×3 on 16×16, density 1, rate 5 %", 1.0, 8.0),
        image("conv 128→128 3×3 on 16×16, density 0.1, rate 5 %", 0.1, 10.0),
    ]
}

impl Case {
    pub fn network(&self) -> Arc<Network> {
        let recipe = RandomNetwork {
            plan: self.plan.clone(),
            density: self.density,
            rate: self.rate,
            bias: 0.0,
            firing_output: true,
            seed: 1,
        };
        Arc::new(recipe.make().unwrap().0)
    }
}

/// Random spikes at a rate.
pub fn input(network: &Network, rate: f64, samples: usize) -> Input {
    let source = network.sources().next().unwrap();
    let x = vec![rate as f32; network.population(source).size() * samples];
    Input::values(network, x, Encoding::Poisson { seed: 1 }).unwrap()
}
