//! Batches of a simulator from outside the crate.

use std::sync::Arc;

use snn_engine::*;

use crate::impostors::Impostor;
use crate::judge::{hold, seeds};

#[test]
fn a_batch_of_a_simulator_from_outside_has_the_outcomes_of_those_of_the_crate_on_any_threads() {
    let batches = hold(seeds().step_by(10), |case| {
        let sources: Vec<PopulationId> = case.network.sources().collect();
        let [source] = sources[..] else { return 0 };
        let width = case.network.population(source).size();
        if width == 0 {
            return 0;
        }
        let x: Vec<f32> = (0..5 * width).map(|at| ((at * 7_919) % 101) as f32 * 0.01).collect();
        let steps = case.steps.min(40) as u32;
        for encoding in [Encoding::Poisson { seed: case.seed }, Encoding::Constant, Encoding::Once] {
            let input = Input::values(&case.network, x.clone(), encoding).unwrap();
            if input.sample(&case.network, 0, steps).is_err() {
                // A source behind which there are delays or max pools takes spikes only.
                continue;
            }
            for until in [Until::Steps(steps), Until::Quiet { limit: steps }] {
                let crates = WindowSimulator::new(Arc::clone(&case.network));
                let expected = batch(&crates, &input, until, 1);
                let outside = Impostor::sound(&case.network);
                for threads in 1..=3 {
                    let found = batch(&outside, &input, until, threads);
                    assert!(found == expected, "{encoding:?}, {until:?}, {threads} threads");
                }
            }
        }
        1
    });
    assert!(batches >= seeds().count() as u64 / 100, "{batches} networks with one source");
}

fn batch<S: BatchSimulator>(simulator: &S, input: &Input, until: Until, threads: usize) -> Vec<Outcome> {
    run_batch(0..input.samples(), threads, simulator, input, until, true, |_| Ok::<_, NetworkError>(()))
        .unwrap()
}
