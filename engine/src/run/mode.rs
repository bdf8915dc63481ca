use std::sync::Arc;

use crate::network::Network;
use crate::simulator::{DenseSimulator, EventSimulator, Simulator, WindowSimulator};

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
        match self {
            Self::Window(simulator) => simulator,
            Self::Event(simulator) => simulator,
            Self::Dense(simulator) => simulator,
        }
    }
}
