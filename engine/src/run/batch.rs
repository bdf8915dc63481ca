use std::ops::Range;
use std::sync::Arc;

use super::mode::AnySimulator;
use super::outcome::{Outcome, Recorder, run_sample};
use super::samples::run_samples;
use crate::error::NetworkError;
use crate::input::Input;
use crate::simulator::{Observer, Simulator, WindowSimulator};

/// Runs samples of an input over threads, `steps` steps each, and gives the outcomes in order: those of
/// [`run_sample`], whatever the number of threads.
///
/// Short runs of a [`WindowSimulator`] are made several at once ([`WindowSimulator::run_side_by_side`]). `done(samples)`
/// is told whenever some samples have ended, and may stop the batch by an error.
///
/// # Errors
/// The error of the first sample, in order, that does not fit the network, or of `done`.
pub fn run_batch<E: From<NetworkError> + Send>(
    samples: Range<usize>,
    threads: usize,
    simulator: &AnySimulator,
    input: &Input,
    steps: u32,
    keep_spikes: bool,
    done: impl Fn(usize) -> Result<(), E> + Sync,
) -> Result<Vec<Outcome>, E> {
    let room = match simulator {
        AnySimulator::Window(windows) => windows.side_by_side(u64::from(steps)),
        AnySimulator::Event(_) | AnySimulator::Dense(_) => 1,
    };
    // As many as there is room for, but not so many that a thread has none.
    let at_once = room.min(samples.len().div_ceil(threads.max(1))).max(1);
    let groups = 0..samples.len().div_ceil(at_once);
    let outcomes = run_samples(groups, threads, simulator, |simulator, group| {
        let first = samples.start + group * at_once;
        let group = first..samples.end.min(first + at_once);
        let ended = group.len();
        let outcomes = match simulator {
            AnySimulator::Window(windows) if ended > 1 => {
                run_group(windows, input, group, steps, keep_spikes)?
            }
            other => group
                .map(|index| run_sample(other.get(), input, index, steps, keep_spikes))
                .collect::<Result<_, _>>()?,
        };
        done(ended)?;
        Ok::<Vec<Outcome>, E>(outcomes)
    })?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Runs samples side by side.
fn run_group(
    simulator: &mut WindowSimulator,
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
    let outcomes = recorders.into_iter().zip(&samples).enumerate().map(|(at, (recorder, sample))| {
        let v = simulator.potentials_of(at, network.output());
        recorder.outcome(&v, simulator.statistics_of(at), sample)
    });
    Ok(outcomes.collect())
}
