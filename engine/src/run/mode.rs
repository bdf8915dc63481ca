use std::sync::Arc;

use crate::error::NetworkError;
use crate::input::{Drive, Sample, Stimulus};
use crate::network::{Network, PopulationId};
use crate::record::{Spikes, Statistics};
use crate::simulator::{
    BatchSimulator, DenseSimulator, EventSimulator, Observer, Simulator, WindowSimulator,
};
use crate::state::State;

/// Which simulator runs a network. The results are the same, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// [`WindowSimulator`]
    Auto,
    /// [`EventSimulator`]
    Event,
    /// [`DenseSimulator`]
    Dense,
}

/// A simulator of any mode, to be cloned for every thread.
#[derive(Clone)]
pub enum AnySimulator {
    /// [`WindowSimulator`]
    Window(WindowSimulator),
    /// [`EventSimulator`]
    Event(EventSimulator),
    /// [`DenseSimulator`]
    Dense(DenseSimulator),
}

/// Does the same with whichever it is.
macro_rules! of_any {
    ($any:expr, $simulator:ident => $do:expr) => {
        match $any {
            Self::Window($simulator) => $do,
            Self::Event($simulator) => $do,
            Self::Dense($simulator) => $do,
        }
    };
}

impl AnySimulator {
    /// The simulator of a mode.
    #[must_use]
    pub fn new(mode: Mode, network: Arc<Network>) -> Self {
        match mode {
            Mode::Auto => Self::Window(WindowSimulator::new(network)),
            Mode::Event => Self::Event(EventSimulator::new(network)),
            Mode::Dense => Self::Dense(DenseSimulator::new(network)),
        }
    }

    /// Divides threads between samples and the targets of each: the simulator, and the threads for
    /// [`run_batch`](crate::run_batch).
    ///
    /// Where there is a sample for every thread, samples are taken side by side; else one after the other, each
    /// over all threads ([`WindowSimulator::with_threads`]) if the simulator can do that.
    #[must_use]
    pub fn over_threads(self, threads: usize, samples: usize) -> (Self, usize) {
        match self {
            Self::Window(simulator) if samples < threads => {
                let spread = simulator.with_threads(threads);
                let side_by_side = if spread.threads() == threads { 1 } else { threads };
                (Self::Window(spread), side_by_side)
            }
            other => (other, threads),
        }
    }

    /// The simulator itself.
    pub fn get(&mut self) -> &mut dyn Simulator {
        of_any!(self, simulator => simulator)
    }
}

impl Simulator for AnySimulator {
    fn network(&self) -> &Arc<Network> {
        of_any!(self, simulator => simulator.network())
    }

    fn start(&mut self, drive: &Drive) {
        of_any!(self, simulator => simulator.start(drive));
    }

    fn reset(&mut self) {
        of_any!(self, simulator => simulator.reset());
    }

    fn step(&mut self, stimulus: &Stimulus) -> &Spikes {
        of_any!(self, simulator => simulator.step(stimulus))
    }

    fn state(&self) -> State {
        of_any!(self, simulator => simulator.state())
    }

    fn is_quiet(&mut self) -> bool {
        of_any!(self, simulator => simulator.is_quiet())
    }

    fn now(&self) -> u64 {
        of_any!(self, simulator => simulator.now())
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        of_any!(self, simulator => simulator.restore(state))
    }

    fn statistics(&self) -> &Statistics {
        of_any!(self, simulator => simulator.statistics())
    }

    fn potentials(&mut self, population: PopulationId) -> &[f32] {
        of_any!(self, simulator => simulator.potentials(population))
    }

    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        of_any!(self, simulator => simulator.run(sample, steps, observer))
    }

    fn run_until_quiet(
        &mut self,
        sample: &Sample,
        limit: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<u64>, NetworkError> {
        of_any!(self, simulator => simulator.run_until_quiet(sample, limit, observer))
    }
}

impl BatchSimulator for AnySimulator {
    fn steps_between_looks(&self) -> u32 {
        of_any!(self, simulator => simulator.steps_between_looks())
    }

    fn side_by_side(&self, steps: u64) -> usize {
        of_any!(self, simulator => simulator.side_by_side(steps))
    }

    fn run_side_by_side(
        &mut self,
        samples: &[Sample],
        steps: u64,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(), NetworkError> {
        of_any!(self, simulator => simulator.run_side_by_side(samples, steps, observers))
    }

    fn potentials_of(&mut self, sample: usize, population: PopulationId) -> &[f32] {
        of_any!(self, simulator => simulator.potentials_of(sample, population))
    }

    fn statistics_of(&self, sample: usize) -> &Statistics {
        of_any!(self, simulator => simulator.statistics_of(sample))
    }
}
