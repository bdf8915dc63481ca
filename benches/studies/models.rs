//! What values of spikes cost where all are 1: a network of integrate-and-fire neurons beside the same one of bipolar neurons
//! with m = 1, unsigned and unbounded, which spike for spike do the same.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snn_engine::*;
use snn_rivals::thread_seconds;

use crate::cases::{self, STEPS};
use crate::nets::perceptron;
use crate::numbers::{ms, ratio};

/// The same network with bipolar neurons that emit 1 at most, and count without bounds.
fn bipolar(network: &Network) -> Result<Network, NetworkError> {
    let mut builder = NetworkBuilder::new();
    for population in network.populations() {
        let neuron = match population.neuron().as_model::<IntegrateFire>() {
            Some(IntegrateFire { threshold, bias, start, reset: Reset::Subtract }) => Neuron::of(Bipolar {
                threshold: threshold.clone(),
                bias: bias.clone(),
                start: start.clone(),
                most: PerNeuron::same(1.0)?,
                low: PerNeuron::same(0.0)?,
                high: PerNeuron::same(Bipolar::UNBOUNDED)?,
                sign: Sign::Unsigned,
                arrives: BiasArrives::EveryStep,
            }),
            _ => population.neuron().clone(),
        };
        builder.population(population.name(), population.layout(), neuron);
    }
    for projection in network.projections() {
        let (source, target) = (projection.source(), projection.target());
        builder.projection(source, target, projection.delay(), projection.connectivity().clone());
    }
    builder.build()
}

/// Whole runs of both, with every instruction set, in turns; the best of a time, and the median of the pairs.
pub fn models(time: Duration) -> String {
    let network = perceptron();
    let input = cases::input(&network, 0.04, 1);
    let found = bipolar(&network).map(Arc::new);
    let both = [Ok(network), found].map(|network| network.unwrap_or_else(|error| panic!("{error}")));
    let sample = input.sample(&both[0], 0, STEPS).unwrap_or_else(|error| panic!("{error}"));
    let mut text = String::from(
        "| instructions | run | integrate-and-fire, ms | bipolar, ms | times as long | median of pairs |\n\
         |---|---|---:|---:|---:|---:|\n",
    );
    for kernels in kernel::available() {
        let windows = both
            .each_ref()
            .map(|net| AnySimulator::Window(WindowSimulator::with_kernels(net.clone(), kernels, None)));
        let events = both
            .each_ref()
            .map(|net| AnySimulator::Event(EventSimulator::with_kernels(net.clone(), kernels)));
        for (run, mut pair) in [("windows", windows), ("steps", events)] {
            let (mut best, mut ratios) = ([f64::INFINITY; 2], vec![]);
            let begun = Instant::now();
            for round in 0.. {
                let mut seconds = [0.0; 2];
                // In turns, and each first in half of the rounds.
                for at in [round % 2, 1 - round % 2] {
                    pair[at].reset();
                    let started = thread_seconds();
                    let run = pair[at].run(&sample, u64::from(STEPS), &mut ());
                    assert_eq!(run, Ok(()));
                    seconds[at] = thread_seconds() - started;
                }
                if round > 0 {
                    best = std::array::from_fn(|at| best[at].min(seconds[at]));
                    ratios.push(seconds[1] / seconds[0]);
                }
                if round > 0 && begun.elapsed() > time {
                    break;
                }
            }
            assert_eq!(pair[0].statistics(), pair[1].statistics(), "the same spikes");
            ratios.sort_by(f64::total_cmp);
            let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
            let _ = writeln!(
                text,
                "| {} | {run} | {} | {} | {} | {} |",
                kernels.name,
                ms(best[0]),
                ms(best[1]),
                ratio(best[1] / best[0]),
                ratio(median)
            );
        }
    }
    text
}
