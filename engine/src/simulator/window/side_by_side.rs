//! Several samples in one window.

use super::simulator::{Strategy, WindowSimulator};
use crate::error::NetworkError;
use crate::input::Sample;
use crate::network::PopulationId;
use crate::record::Statistics;
use crate::simulator::{Observer, Simulator};
use crate::state::State;

/// The most neurons of all samples that run side by side: 16 MB of potentials and biases.
const MOST_SIDE_BY_SIDE: usize = 1 << 21;

impl WindowSimulator {
    /// How many samples of `steps` steps [`run_side_by_side`](Self::run_side_by_side) takes: those that fit a window
    /// and 16 MB, or one if the network has delays, recurrence or max pooling, or the work on a population is spread over threads.
    #[must_use]
    pub fn side_by_side(&self, steps: u64) -> usize {
        match &self.strategy {
            Strategy::Windows(windows) if windows.team.threads() == 1 && windows.is_plain() => {
                let neurons =
                    self.network.populations().iter().map(|population| population.size()).sum::<usize>();
                let most = (MOST_SIDE_BY_SIDE / neurons.max(1)) as u64;
                // At most the longest window, so it fits.
                (windows.longest as u64 / steps.max(1)).min(most).max(1) as usize
            }
            Strategy::Windows(_) | Strategy::Steps(_) => 1,
        }
    }

    /// Runs several samples from the beginning, `steps` steps each, and tells each observer the spikes of its sample.
    ///
    /// The samples stand one behind the other in one window: the weights of a layer are read once for all of them, and
    /// arrangements made once. At 16 to 32 steps that takes up to a third less time; the results are those of one
    /// sample after the other. Of each, [`state_of`](Self::state_of), [`potentials_of`](Self::potentials_of) and
    /// [`statistics_of`](Self::statistics_of) then tell how it ended; as a [`Simulator`], this one stands at the
    /// end of the first.
    ///
    /// # Errors
    /// If the spikes of a sample do not fit the network: nothing was run then.
    ///
    /// # Panics
    /// If there are no samples, or more than [`side_by_side`](Self::side_by_side) has room for, or not as many
    /// observers.
    pub fn run_side_by_side(
        &mut self,
        samples: &[Sample],
        steps: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(), NetworkError> {
        let most = self.side_by_side(steps);
        assert!(
            (1..=most).contains(&samples.len()) && observers.len() == samples.len(),
            "{} samples and {} observers; room is for {most}",
            samples.len(),
            observers.len()
        );
        let windows = match (&mut self.strategy, samples) {
            (Strategy::Windows(windows), [_, _, ..]) => windows,
            (_, samples) => {
                self.start(&samples[0].drive);
                return self.run(&samples[0], steps, observers[0]);
            }
        };
        // More than one sample of so many steps fits a window.
        let steps = steps as usize;
        for (at, sample) in samples.iter().enumerate() {
            for step in 0..steps {
                let checked = sample.check_step(&self.network, step);
                checked.map_err(|error| {
                    error.within(format!("sample {at} of those side by side, step {step}"))
                })?;
            }
        }
        windows.start_all(samples.iter().map(|sample| &sample.drive));
        if steps > 0 {
            windows.run(steps, |id, at| samples[at / steps].of(id, at % steps));
        }
        for id in self.network.ids() {
            let fired = windows.trains[id.index()].arriving(0, 0..samples.len() * steps);
            for (sample, observer) in observers.iter_mut().enumerate() {
                for step in 0..steps {
                    let spikes = fired.of(sample * steps + step);
                    if !spikes.is_empty() {
                        observer.spikes(id, step as u64, spikes.settled());
                    }
                }
            }
        }
        Ok(())
    }

    /// Where one of the samples of the last [`run_side_by_side`](Self::run_side_by_side) ended.
    ///
    /// # Panics
    /// If there was no such sample.
    #[must_use]
    pub fn state_of(&self, sample: usize) -> State {
        match (&self.strategy, sample) {
            (Strategy::Windows(windows), _) => windows.state(sample),
            (Strategy::Steps(event), 0) => event.state(),
            (Strategy::Steps(_), _) => panic!("sample {sample} of 1"),
        }
    }

    /// The potentials `v` of a population at the end of one of the samples of the last
    /// [`run_side_by_side`](Self::run_side_by_side), `[size]`.
    ///
    /// # Panics
    /// If there was no such sample.
    #[must_use]
    pub fn potentials_of(&self, sample: usize, population: PopulationId) -> Vec<f32> {
        match (&self.strategy, sample) {
            (Strategy::Windows(windows), _) => windows.potentials(sample, population),
            (Strategy::Steps(event), 0) => event.potentials(population),
            (Strategy::Steps(_), _) => panic!("sample {sample} of 1"),
        }
    }

    /// What happened in one of the samples of the last [`run_side_by_side`](Self::run_side_by_side).
    ///
    /// # Panics
    /// If there was no such sample.
    #[must_use]
    pub fn statistics_of(&self, sample: usize) -> &Statistics {
        match (&self.strategy, sample) {
            (Strategy::Windows(windows), _) => &windows.statistics[sample],
            (Strategy::Steps(event), 0) => event.statistics(),
            (Strategy::Steps(_), _) => panic!("sample {sample} of 1"),
        }
    }
}
