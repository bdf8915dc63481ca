use std::sync::Arc;

use super::cost;
use super::delivery::Delivery;
use super::threads::Threads;
use super::windows::{WindowPopulation, Windows};
use crate::error::NetworkError;
use crate::input::{Drive, Sample, Stimulus};
use crate::kernel::{self, Kernels};
use crate::network::{Network, PopulationId};
use crate::record::{Spikes, Statistics};
use crate::simulator::EventSimulator;
use crate::simulator::interface::{Observer, Simulator};
use crate::state::State;

/// The simulator for whole runs: a network is run population by population over windows of up
/// to [`REBASE`](crate::REBASE) steps, each population by whichever [`Delivery`] is the cheapest for the spikes that arrive.
///
/// A population's whole window is known before the next one is begun, so the weights of a layer are read
/// once per window instead of once per step, and the sums of many steps are made side by side. Populations that reach
/// themselves are run over as many steps at once as their delays allow ([`Network::steps_at_once`]). If that is a single
/// step, and they have most of the neurons, an [`EventSimulator`] steps the network instead, unless it is spread over
/// [threads](Self::with_threads).
///
/// Cost of a window: that of the cheapest delivery, plus O(steps · neurons / 16). Memory: 16 bytes per
/// neuron and sample side by side, a bit per step of a window and neuron of the largest population, the spikes of
/// a window, 600 KB, and at most 96 MiB of rearranged weights, made where they pay and shared by all simulators of the
/// network, with which they stay.
#[derive(Clone)]
pub struct WindowSimulator {
    pub(super) network: Arc<Network>,
    kernels: &'static Kernels,
    delivery: Option<Delivery>,
    pub(super) strategy: Strategy,
}

#[derive(Clone)]
pub(super) enum Strategy {
    Steps(Box<EventSimulator>),
    Windows(Box<Windows>),
}

/// Whether a network is run in windows where one thread runs it: not if most of its neurons reach themselves a step
/// later, so that most windows would be single steps.
pub(crate) fn runs_in_windows(network: &Network) -> bool {
    let size = |ids: &[PopulationId]| ids.iter().map(|&id| network.population(id).size()).sum::<usize>();
    let components = network.components();
    let all: usize = components.iter().map(|component| size(&component.populations)).sum();
    let stepped = components.iter().filter(|component| component.span == Some(1));
    let stepped: usize = stepped.map(|component| size(&component.populations)).sum();
    2 * stepped <= all
}

impl WindowSimulator {
    /// A simulator at step 0, without constant currents, with the best kernels of the machine.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        Self::with_kernels(network, kernel::best(), None)
    }

    /// The same with the given kernels, and with one delivery wherever that one is possible; the results do
    /// not depend on either.
    #[must_use]
    pub fn with_kernels(
        network: Arc<Network>,
        kernels: &'static Kernels,
        delivery: Option<Delivery>,
    ) -> Self {
        let strategy = if runs_in_windows(&network) {
            Strategy::Windows(Box::new(Windows::new(Arc::clone(&network), kernels, delivery)))
        } else {
            Strategy::Steps(Box::new(EventSimulator::with_kernels(Arc::clone(&network), kernels)))
        };
        Self { network, kernels, delivery, strategy }
    }

    /// The same simulator, which spreads the work on a population over so many threads, the calling one
    /// included, where there is enough of it in a window; the results do not depend on the threads.
    ///
    /// A new simulator has one thread. This is for single samples: many are better run side by side, by
    /// [`run_batch`](crate::run::run_batch). Clones share the threads. Memory: 600 KB for each
    /// thread, and 4 bytes for each neuron of the largest population; of large sparse tables 8 bytes for each row and
    /// each of 15 places where it may be cut. A network that must be stepped, and
    /// of which no step can have that much work, stays on one
    /// thread. At most [`MOST_THREADS`](crate::MOST_THREADS) are used, and fewer where the system starts no more.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        self.with_threads_from(threads, cost::SPREAD)
    }

    /// The same as [`with_threads`](Self::with_threads), for every population on which the work is predicted to
    /// take so many processor cycles or more.
    #[must_use]
    pub fn with_threads_from(mut self, threads: usize, cycles: f64) -> Self {
        if let Strategy::Steps(event) = &self.strategy
            && threads > 1
            && cost::most_of_a_step(&self.network) >= cycles
        {
            let mut windows = Windows::new(Arc::clone(&self.network), self.kernels, self.delivery);
            windows.start(event.drive());
            windows.take(&event.state());
            windows.statistics = vec![event.statistics().clone()];
            self.strategy = Strategy::Windows(Box::new(windows));
        }
        if let Strategy::Windows(windows) = &mut self.strategy {
            windows.team = Threads::over(threads, cycles);
        }
        self
    }

    /// The threads that the work on a population may be spread over.
    #[must_use]
    pub fn threads(&self) -> usize {
        match &self.strategy {
            Strategy::Steps(_) => 1,
            Strategy::Windows(windows) => windows.team.threads(),
        }
    }

    /// How the spikes of the last window reached a population; `None` if it has no potentials, or nothing was
    /// run in windows yet.
    #[must_use]
    pub fn delivery(&self, population: PopulationId) -> Option<Delivery> {
        match &self.strategy {
            Strategy::Steps(_) => None,
            Strategy::Windows(windows) => match &windows.populations[population.index()] {
                WindowPopulation::Layer(layer) => layer.delivered(),
                WindowPopulation::Source | WindowPopulation::MaxPool(_) => None,
            },
        }
    }
}

impl Simulator for WindowSimulator {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        match &mut self.strategy {
            Strategy::Steps(event) => event.start(drive),
            Strategy::Windows(windows) => windows.start(drive),
        }
    }

    fn reset(&mut self) {
        match &mut self.strategy {
            Strategy::Steps(event) => event.reset(),
            Strategy::Windows(windows) => {
                windows.alone();
                windows.reset();
            }
        }
    }

    /// A window of one step: [`EventSimulator`] is faster where single steps are wanted.
    fn step(&mut self, stimulus: &Stimulus) -> &Spikes {
        match &mut self.strategy {
            Strategy::Steps(event) => event.step(stimulus),
            Strategy::Windows(windows) => {
                windows.alone();
                windows.step(stimulus);
                for (list, train) in windows.spikes.lists.iter_mut().zip(&windows.trains) {
                    list.take(train.last(1));
                }
                &windows.spikes
            }
        }
    }

    fn state(&self) -> State {
        match &self.strategy {
            Strategy::Steps(event) => event.state(),
            Strategy::Windows(windows) => windows.state(0),
        }
    }

    fn is_quiet(&mut self) -> bool {
        match &mut self.strategy {
            Strategy::Steps(event) => event.is_quiet(),
            Strategy::Windows(windows) => windows.is_quiet(),
        }
    }

    /// In windows that grow; where the last event was is known from their spikes.
    fn run_until_quiet(
        &mut self,
        sample: &Sample,
        limit: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<u64>, NetworkError> {
        /// Steps of the first window.
        const FIRST: u64 = 8;
        if let Strategy::Steps(event) = &mut self.strategy {
            return event.run_until_quiet(sample, limit, observer);
        }
        let silent = sample.silent_from();
        let mut wanted = FIRST;
        loop {
            let Strategy::Windows(windows) = &mut self.strategy else { unreachable!("seen above") };
            if windows.step >= silent && windows.is_quiet() {
                return Ok(Some(windows.step));
            }
            let first = windows.step;
            if first >= limit {
                return Ok(None);
            }
            // Neurons that move in every step may come to rest without an event.
            let steps = if windows.rests_after_events() {
                windows.window(wanted.min(limit - first)) as u64
            } else {
                1
            };
            self.run(sample, steps, observer)?;
            let Strategy::Windows(windows) = &mut self.strategy else { unreachable!("seen above") };
            // A network of neurons that move in every step was stepped one by one: it is quiet only now.
            if windows.step >= silent && windows.rests_after_events() && windows.is_quiet() {
                windows.go_back(windows.quiet_from(first).max(silent));
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    fn now(&self) -> u64 {
        match &self.strategy {
            Strategy::Steps(event) => event.now(),
            Strategy::Windows(windows) => windows.step,
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        match &mut self.strategy {
            Strategy::Steps(event) => event.restore(state),
            Strategy::Windows(windows) => {
                state.check(&self.network)?;
                windows.alone();
                windows.take(state);
                Ok(())
            }
        }
    }

    fn statistics(&self) -> &Statistics {
        match &self.strategy {
            Strategy::Steps(event) => event.statistics(),
            Strategy::Windows(windows) => &windows.statistics[0],
        }
    }

    /// As of [`EventSimulator`].
    fn potentials(&mut self, population: PopulationId) -> &[f32] {
        match &mut self.strategy {
            Strategy::Steps(event) => event.potentials(population),
            Strategy::Windows(windows) => windows.potentials(0, population),
        }
    }

    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        let windows = match &mut self.strategy {
            Strategy::Steps(event) => return event.run(sample, steps, observer),
            Strategy::Windows(windows) => windows,
        };
        windows.alone();
        let end = windows.step + steps;
        while windows.step < end {
            let first = windows.step;
            let place = |step: usize| usize::try_from(first).map_or(usize::MAX - 2, |first| first + step);
            let wanted = windows.window(end - first);
            // The steps before a faulty one are done, as they are when they are done one by one.
            let mut fault = None;
            let mut sound = 0;
            while sound < wanted && fault.is_none() {
                match sample.check_step(&self.network, place(sound)) {
                    Ok(()) => sound += 1,
                    Err(error) => fault = Some(error.within(format!("step {}", first + sound as u64))),
                }
            }
            if sound > 0 {
                windows.run(sound, |id, step| sample.of(id, place(step)));
            }
            for id in self.network.ids() {
                let fired = windows.trains[id.index()].arriving(0, 0..sound);
                for (step, of_window) in (first..).zip(0..sound) {
                    let spikes = fired.of(of_window);
                    if !spikes.is_empty() {
                        observer.spikes(id, step, spikes.settled());
                    }
                }
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        Ok(())
    }
}
