use std::ops::Range;
use std::sync::Arc;

use super::outcome::{Outcome, Recorder, run_in_pieces};
use super::samples::run_samples;
use super::until::Until;
use crate::error::NetworkError;
use crate::input::Input;
use crate::simulator::{BatchSimulator, Observer};

/// Runs samples of an input over threads, each for so many steps or until the network is quiet, and gives the outcomes in order: those of
/// [`run_sample`](crate::run_sample), whatever the number of threads.
///
/// The simulator may be any, also one from outside this crate; every thread runs a clone of it. Short runs of one that
/// can do so are made several at once ([`BatchSimulator::run_side_by_side`]). `done(samples)` is told whenever some samples
/// have ended, with 0 now and then within a long one, and may stop the batch by an error.
///
/// # Errors
/// The error of the first sample, in order, that does not fit the network, or of `done`.
pub fn run_batch<S: BatchSimulator, E: From<NetworkError> + Send>(
    samples: Range<usize>,
    threads: usize,
    simulator: &S,
    input: &Input,
    until: impl Into<Until>,
    keep_spikes: bool,
    done: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<Vec<Outcome>, E> {
    let until = until.into();
    let room = match until {
        Until::Steps(steps) => simulator.side_by_side(u64::from(steps)),
        // Samples come to rest one by one.
        Until::Quiet { .. } => 1,
    };
    let piece = simulator.steps_between_looks();
    // As many as there is room for, but not so many that a thread has none.
    let at_once = room.min(samples.len().div_ceil(threads.max(1))).max(1);
    let groups = 0..samples.len().div_ceil(at_once);
    let outcomes = run_samples(groups, threads, simulator, |simulator, group| {
        let first = samples.start + group * at_once;
        let group = first..samples.end.min(first + at_once);
        let ended = group.len();
        let outcomes = if ended > 1 {
            run_group(simulator, input, group, until.most(), keep_spikes)?
        } else {
            group
                .map(|index| run_in_pieces(simulator, input, index, until, keep_spikes, piece, || done(0)))
                .collect::<Result<_, _>>()?
        };
        done(ended)?;
        Ok::<Vec<Outcome>, E>(outcomes)
    })?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Runs samples side by side.
fn run_group<S: BatchSimulator>(
    simulator: &mut S,
    input: &Input,
    samples: Range<usize>,
    steps: u32,
    keep_spikes: bool,
) -> Result<Vec<Outcome>, NetworkError> {
    let network = Arc::clone(simulator.network());
    let samples = samples.map(|index| input.sample(&network, index, steps)).collect::<Result<Vec<_>, _>>()?;
    let mut recorders: Vec<Recorder<'_>> =
        samples.iter().map(|_| Recorder::new(&network, keep_spikes)).collect();
    let mut observers: Vec<&mut dyn Observer> =
        recorders.iter_mut().map(|recorder| recorder as &mut dyn Observer).collect();
    simulator.run_side_by_side(&samples, u64::from(steps), &mut observers)?;
    let outcomes = recorders.into_iter().zip(&samples).enumerate().map(|(at, (mut recorder, sample))| {
        recorder.read_out(simulator.potentials_of(at, network.output()));
        recorder.outcome(simulator.statistics_of(at), sample, None)
    });
    Ok(outcomes.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::input::Encoding;
    use crate::random::{Plan, RandomNetwork};
    use crate::run::{AnySimulator, Mode};

    #[test]
    fn one_sample_of_a_very_long_run_can_be_stopped_on_its_way() {
        let plan = Plan::Layers(vec![8, 8, 2]);
        let recipe =
            RandomNetwork { plan, density: 0.5, rate: 0.2, bias: 0.0, firing_output: false, seed: 1 };
        let network = Arc::new(recipe.make().unwrap().0);
        let input = Input::values(&network, vec![0.3; 8], Encoding::Constant).unwrap();
        for mode in [Mode::Auto, Mode::Event, Mode::Dense] {
            for threads in [1, 3] {
                let simulator = AnySimulator::new(mode, Arc::clone(&network));
                let (simulator, over) = simulator.over_threads(threads, 1);
                let looks = AtomicUsize::new(0);
                let look = |ended: usize| {
                    assert_eq!(ended, 0);
                    match looks.fetch_add(1, Ordering::Relaxed) {
                        2 => Err(NetworkError::new("run", "is not wanted any more")),
                        _ => Ok(()),
                    }
                };
                // It would take hours.
                let stopped = run_batch(0..1, over, &simulator, &input, u32::MAX, false, look);
                assert!(stopped.unwrap_err().to_string().contains("not wanted"), "{mode:?}");
                assert_eq!(looks.into_inner(), 3, "{mode:?}");
            }
        }
    }
}
