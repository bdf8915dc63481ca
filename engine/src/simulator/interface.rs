use std::sync::Arc;

use crate::error::NetworkError;
use crate::input::{Drive, Sample, Stimulus};
use crate::network::{Network, PopulationId};
use crate::record::{Spikes, Statistics};
use crate::spikes::SpikeSlice;
use crate::state::State;

/// Takes note of the spikes of a run.
pub trait Observer {
    /// The spikes of a population in a step, neurons ascending; called for every population and step in which any
    /// fired.
    ///
    /// The steps of one population come in ascending order; a simulator that runs population by
    /// population tells many steps of one before the first of the next.
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>);
}

/// Takes note of nothing.
impl Observer for () {
    fn spikes(&mut self, _: PopulationId, _: u64, _: SpikeSlice<'_>) {}
}

/// Something that runs a network as the [contract](crate) says. The caller drives it; there is no thread
/// and no callback inside, and no way forward in time but [`step`](Simulator::step) and
/// [`run`](Simulator::run).
pub trait Simulator {
    /// The network that it runs.
    fn network(&self) -> &Arc<Network>;

    /// Goes back to step 0 and takes the constant currents of a new sample.
    fn start(&mut self, drive: &Drive);

    /// Goes back to step 0 with the same constant currents.
    fn reset(&mut self);

    /// Does one step, with what is given from outside, and gives its spikes. Cost: see the simulator.
    fn step(&mut self, stimulus: &Stimulus) -> &Spikes;

    /// Where the run stands.
    fn state(&self) -> State;

    /// Whether the network is quiet ([`State::is_quiet`]): without further spikes from outside nothing will ever happen
    /// again. Cost: see the simulator.
    fn is_quiet(&mut self) -> bool;

    /// The number of steps done: the step that comes next.
    fn now(&self) -> u64;

    /// Goes on from a state, of whichever simulator of this network, with the constant currents of the
    /// last [`start`](Simulator::start). The statistics go on counting.
    ///
    /// # Errors
    /// If the state does not belong to the network; the simulator is then as it was.
    fn restore(&mut self, state: &State) -> Result<(), NetworkError>;

    /// What happened since the last [`start`](Simulator::start) or [`reset`](Simulator::reset).
    fn statistics(&self) -> &Statistics;

    /// The potentials `v = u + bias·k` of a population as they stand after the last step, `[size]`; empty
    /// for populations without potential.
    ///
    /// Where they are borrowed from and at which cost: see the simulator.
    fn potentials(&mut self, population: PopulationId) -> &[f32];

    /// Does `steps` steps with the spikes of `sample`, from the present step on; the drive is that of the
    /// last [`start`](Simulator::start).
    ///
    /// # Errors
    /// If the spikes of the sample do not fit the network.
    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        let network = Arc::clone(self.network());
        let first = self.now();
        let mut stimulus = Stimulus::none();
        for step in first..first + steps {
            let place = usize::try_from(step).unwrap_or(usize::MAX - 2);
            sample
                .give(&network, place, &mut stimulus)
                .map_err(|error| error.within(format!("step {step}")))?;
            let spikes = self.step(&stimulus);
            for id in network.ids() {
                let spikes = spikes.with_values(id);
                if !spikes.is_empty() {
                    observer.spikes(id, step, spikes);
                }
            }
        }
        Ok(())
    }

    /// Goes on with the spikes of `sample` until the network is quiet and the sample has no more of them, at most until
    /// `limit` steps are done in all. Returns after how many steps it was quiet, `None` if it is not at the limit.
    ///
    /// Every simulator ends after the same step.
    ///
    /// # Errors
    /// If the spikes of the sample do not fit the network.
    fn run_until_quiet(
        &mut self,
        sample: &Sample,
        limit: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<u64>, NetworkError> {
        let silent = sample.silent_from();
        loop {
            if self.now() >= silent && self.is_quiet() {
                return Ok(Some(self.now()));
            }
            if self.now() >= limit {
                return Ok(None);
            }
            self.run(sample, 1, observer)?;
        }
    }
}

/// A [`Simulator`] that [`run_batch`](crate::run_batch) can run: every thread has a clone of it.
///
/// Any simulator that can be cloned is one by `impl BatchSimulator for MySimulator {}`. The methods are for those that run
/// several samples at once.
pub trait BatchSimulator: Simulator + Clone + Send + Sync {
    /// The steps of a long run after which a batch looks whether it is to be stopped, at least 1.
    fn steps_between_looks(&self) -> u32 {
        8
    }

    /// How many samples of `steps` steps [`run_side_by_side`](Self::run_side_by_side) takes, at least 1.
    fn side_by_side(&self, steps: u64) -> usize {
        let _ = steps;
        1
    }

    /// Runs several samples from the beginning, `steps` steps each, and tells each observer the spikes of its sample. Of
    /// each, [`potentials_of`](Self::potentials_of) and [`statistics_of`](Self::statistics_of) then tell how it ended, as if
    /// it had been run alone; as a [`Simulator`], this one stands at the end of the first.
    ///
    /// # Errors
    /// If the spikes of a sample do not fit the network.
    ///
    /// # Panics
    /// If there are no samples, or more than [`side_by_side`](Self::side_by_side) has room for, or not as many
    /// observers.
    fn run_side_by_side(
        &mut self,
        samples: &[Sample],
        steps: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(), NetworkError> {
        let ([sample], [observer]) = (samples, observers) else {
            panic!("{} samples side by side; room is for 1, with its observer", samples.len())
        };
        self.start(&sample.drive);
        self.run(sample, steps, *observer)
    }

    /// The potentials `v` of a population at the end of one of the samples of the last
    /// [`run_side_by_side`](Self::run_side_by_side), `[size]`.
    ///
    /// # Panics
    /// If there was no such sample.
    fn potentials_of(&mut self, sample: usize, population: PopulationId) -> &[f32] {
        assert_eq!(sample, 0, "the place of a sample that is run alone");
        self.potentials(population)
    }

    /// What happened in one of the samples of the last [`run_side_by_side`](Self::run_side_by_side).
    ///
    /// # Panics
    /// If there was no such sample.
    fn statistics_of(&self, sample: usize) -> &Statistics {
        assert_eq!(sample, 0, "the place of a sample that is run alone");
        self.statistics()
    }
}
