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

    /// Does one step and gives its spikes. Cost: see the simulator.
    fn step(&mut self, stimulus: &Stimulus<'_>) -> &Spikes;

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
    fn potentials(&self, population: PopulationId) -> Vec<f32>;

    /// Does `steps` steps with the spikes of `sample`, from the present step on; the drive is that of the
    /// last [`start`](Simulator::start).
    ///
    /// # Errors
    /// If the spikes of the sample do not fit the network.
    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        let network = Arc::clone(self.network());
        let first = self.now();
        for step in first..first + steps {
            let place = usize::try_from(step).unwrap_or(usize::MAX - 2);
            let stimulus =
                sample.stimulus(&network, place).map_err(|error| error.within(format!("step {step}")))?;
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
