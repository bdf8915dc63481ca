//! The networks of the studies, and one study of any.

use std::sync::Arc;
use std::time::Duration;

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::*;
use snn_rivals::{Study, study};

use crate::cases::{self, STEPS};

pub fn run(network: &Arc<Network>, rate: f64, samples: usize, time: Duration) -> Study {
    let input = cases::input(network, rate, samples);
    study(network, &input, samples, STEPS, time).unwrap_or_else(|error| panic!("{error}"))
}

pub fn square(size: u32, density: f64, rate: f64) -> Arc<Network> {
    let plan = Plan::Layers(vec![size, size]);
    let recipe = RandomNetwork { plan, density, rate, bias: 0.0, firing_output: true, seed: 1 };
    Arc::new(recipe.make().unwrap_or_else(|error| panic!("{error}")).0)
}

/// The network as a user runs it: from a mapped file, which may then be removed.
pub fn mapped(network: &Network) -> Arc<Network> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder for networks: {error}"));
    let path = folder.path().join("net.bin");
    let info = snn_formats::Description::default();
    snn_formats::write_net(&path, network, &info).unwrap_or_else(|error| panic!("{error}"));
    let mapped = snn_formats::read_net(&path, snn_formats::Source::Mapped);
    Arc::new(mapped.unwrap_or_else(|error| panic!("{error}")))
}

pub fn perceptron() -> Arc<Network> {
    let plan = Plan::Layers(vec![784, 1200, 1200, 10]);
    let recipe = RandomNetwork { plan, density: 0.1, rate: 0.04, bias: 0.0, firing_output: false, seed: 1 };
    Arc::new(recipe.make().unwrap_or_else(|error| panic!("{error}")).0)
}

/// The shipped network and its images.
pub fn mnist(encoding: Encoding) -> (Arc<Network>, Input) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mnist");
    let network = snn_formats::read_net(format!("{folder}/net.bin"), snn_formats::Source::Mapped);
    let network = Arc::new(network.unwrap_or_else(|error| panic!("{error}")));
    let array = snn_formats::npy::read(format!("{folder}/x.npy"));
    let x = array.and_then(|array| array.into_f32()).unwrap_or_else(|error| panic!("{error}"));
    let input = Input::values(&network, x, encoding).unwrap_or_else(|error| panic!("{error}"));
    (network, input)
}
