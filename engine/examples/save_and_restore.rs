//! A run that is saved as bytes in its middle and goes on elsewhere, in another simulator, with equal bits.

use std::sync::Arc;

use snn_engine::random::{Plan, RandomNetwork};
use snn_engine::*;

/// Runs it; every assertion holds.
pub fn main() -> Result<(), NetworkError> {
    let recipe = RandomNetwork {
        plan: Plan::Layers(vec![50, 80, 10]),
        density: 0.2,
        rate: 0.2,
        bias: 0.01,
        firing_output: true,
        seed: 7,
    };
    let network = Arc::new(recipe.make()?.0);
    let input = Input::values(&network, vec![0.3; 50], Encoding::Poisson { seed: 1 })?;
    let sample = input.sample(&network, 0, 200)?;

    let mut first = EventSimulator::new(Arc::clone(&network));
    first.start(&sample.drive);
    first.run(&sample, 120, &mut ())?;
    let bytes = first.state().to_bytes();
    first.run(&sample, 80, &mut ())?;

    // Perhaps on another machine: the state says at which step it stands, and goes on with the same sample.
    let state = State::from_bytes(&bytes)?;
    println!("a state of {} bytes, after {} steps", bytes.len(), state.step);
    let mut second = WindowSimulator::new(Arc::clone(&network));
    second.start(&sample.drive);
    second.restore(&state)?;
    second.run(&sample, 80, &mut ())?;
    assert_eq!((second.now(), second.state()), (200, first.state()));

    // A damaged state is refused, and so is one of another network.
    let mut damaged = bytes.clone();
    damaged[30] ^= 1;
    println!("{}", State::from_bytes(&damaged).expect_err("a bit was flipped"));
    let other = Arc::new(RandomNetwork { plan: Plan::Layers(vec![50, 81, 10]), ..recipe }.make()?.0);
    println!("{}", EventSimulator::new(other).restore(&state).expect_err("there is a neuron more"));
    Ok(())
}
