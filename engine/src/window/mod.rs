mod arranged;
mod cost;
mod laid;
mod layer;
mod rows;
mod side_by_side;
mod spread;
mod tiles;
mod train;

use std::sync::Arc;

use laid::Laid;
use layer::{Incoming, Layer, Window, Workspace};
use spread::Spread;
use train::Train;

use crate::event::Maxima;
use crate::kernel::{self, Kernels, MOST_STEPS};
use crate::state::{PopulationState, effective_biases, ramp_steps};
use crate::{
    Drive, EventSimulator, Network, NetworkError, Neuron, Observer, PopulationId, REBASE, Sample, Simulator,
    Spikes, State, Statistics, Stimulus,
};

/// How the spikes of a window are brought to the neurons of a population. All give equal bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Step by step, the weight row of every spike is added to the currents of its targets.
    Rows,
    /// Sixteen targets at a time: the currents of eight steps are summed in registers over weight rows in full, which of
    /// large sparse tables are written out block by block.
    Tiles,
    /// Target by target: the currents of all steps are summed in registers, each weight added in the steps in
    /// which its source fires. Of populations behind a single table of weight rows.
    TimeLanes,
}

impl Delivery {
    /// Every delivery.
    pub const ALL: [Self; 3] = [Self::Rows, Self::Tiles, Self::TimeLanes];
}

/// The most words of spike bits that a window may have: 16 MB.
const MOST_WORDS: usize = 1 << 21;

/// The simulator for whole runs: a feed-forward network is run population by population over windows of up
/// to [`REBASE`] steps, each population by whichever [`Delivery`] is the cheapest for the spikes that arrive.
///
/// A population's whole window is known before the next one is begun, so the weights of a layer are read
/// once per window instead of once per step, and the sums of many steps are made side by side. A network in
/// which some population reaches itself is stepped by an [`EventSimulator`] instead.
///
/// Cost of a window: that of the cheapest delivery, plus O(steps · neurons / 16). Memory: 16 bytes per
/// neuron and sample side by side, a bit per step of a window and neuron of the largest population, the spikes of
/// a window, 600 KB, and at most 96 MiB of rearranged weights that clones share.
#[derive(Clone)]
pub struct WindowSimulator {
    network: Arc<Network>,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Steps(Box<EventSimulator>),
    Windows(Box<Windows>),
}

#[derive(Clone)]
struct Windows {
    network: Arc<Network>,
    kernels: &'static Kernels,
    forced: Option<Delivery>,
    spread: Spread,
    laid: Arc<Vec<Laid>>,
    /// Every population after all that reach it.
    order: Arc<[PopulationId]>,
    longest: usize,
    step: u64,
    /// Samples that run side by side; more than one only in [`WindowSimulator::run_side_by_side`].
    runs: usize,
    populations: Vec<Running>,
    trains: Vec<Train>,
    /// The spikes of the last single step.
    spikes: Spikes,
    /// One for each run.
    statistics: Vec<Statistics>,
    workspace: Workspace,
}

#[derive(Clone)]
enum Running {
    Source,
    Layer(Layer),
    MaxPool(Maxima),
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
        let way = match network.feed_forward_order() {
            None => Way::Steps(Box::new(EventSimulator::with_kernels(Arc::clone(&network), kernels))),
            Some(order) => {
                Way::Windows(Box::new(Windows::new(Arc::clone(&network), kernels, delivery, order.into())))
            }
        };
        Self { network, way }
    }

    /// The same simulator, which spreads the work on a population over so many threads, the calling one
    /// included, where there is enough of it in a window; the results do not depend on the threads.
    ///
    /// A new simulator has one thread. This is for single samples: many are better run side by side, by
    /// [`run_batch`](crate::run_batch). Clones share the threads. Memory: 600 KB for each
    /// thread, and 4 bytes for each neuron of the largest population. A network that must be stepped stays on one
    /// thread.
    ///
    /// # Panics
    /// If the threads cannot be started.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        self.with_threads_from(threads, cost::SPREAD)
    }

    /// The same as [`with_threads`](Self::with_threads), for every population on which the work is predicted to
    /// take so many processor cycles or more.
    ///
    /// # Panics
    /// If the threads cannot be started.
    #[must_use]
    pub fn with_threads_from(mut self, threads: usize, cycles: f64) -> Self {
        if let Way::Windows(windows) = &mut self.way {
            windows.spread = Spread::over(threads, cycles);
        }
        self
    }

    /// The threads that the work on a population may be spread over.
    #[must_use]
    pub fn threads(&self) -> usize {
        match &self.way {
            Way::Steps(_) => 1,
            Way::Windows(windows) => windows.spread.threads(),
        }
    }

    /// How the spikes of the last window reached a population; `None` if it has no potentials, or nothing was
    /// run in windows yet.
    #[must_use]
    pub fn delivery(&self, population: PopulationId) -> Option<Delivery> {
        match &self.way {
            Way::Steps(_) => None,
            Way::Windows(windows) => match &windows.populations[population.index()] {
                Running::Layer(layer) => layer.delivered(),
                Running::Source | Running::MaxPool(_) => None,
            },
        }
    }
}

impl Windows {
    fn new(
        network: Arc<Network>,
        kernels: &'static Kernels,
        forced: Option<Delivery>,
        order: Arc<[PopulationId]>,
    ) -> Self {
        let populations: Vec<Running> = network
            .ids()
            .map(|id| match Layer::new(&network, id) {
                Some(layer) => Running::Layer(layer),
                None if matches!(network.population(id).neuron(), Neuron::MaxPool(_)) => {
                    Running::MaxPool(Maxima::new(&network, id))
                }
                None => Running::Source,
            })
            .collect();
        let largest = network.populations().iter().map(|population| population.size()).max().unwrap_or(0);
        let mut windows = Self {
            kernels,
            forced,
            spread: Spread::default(),
            laid: Arc::new(laid::lay(&network)),
            order,
            longest: (MOST_WORDS / largest.div_ceil(64).max(1)).clamp(16, MOST_STEPS),
            step: 0,
            runs: 1,
            trains: network.ids().map(|id| Train::new(network.delay_from(id) as usize)).collect(),
            populations,
            spikes: Spikes::none(network.populations().len()),
            statistics: vec![],
            workspace: Workspace::default(),
            network,
        };
        windows.start(&Drive::none());
        windows
    }

    fn start(&mut self, drive: &Drive) {
        self.start_all(std::iter::once(drive));
    }

    /// Whether a window knows nothing of what was before it but the potentials.
    fn is_plain(&self) -> bool {
        let pools = self.populations.iter().any(|running| matches!(running, Running::MaxPool(_)));
        !pools && self.network.ids().all(|id| self.network.delay_from(id) == 0)
    }

    /// Goes on with the first run alone.
    fn alone(&mut self) {
        if self.runs > 1 {
            self.runs = 1;
            self.statistics.truncate(1);
            for running in &mut self.populations {
                if let Running::Layer(layer) = running {
                    layer.begin(1);
                }
            }
        }
    }

    /// Starts a run with each drive.
    fn start_all<'a>(&mut self, drives: impl ExactSizeIterator<Item = &'a Drive>) {
        self.runs = drives.len();
        for running in &mut self.populations {
            if let Running::Layer(layer) = running {
                layer.begin(self.runs);
            }
        }
        for (run, drive) in drives.enumerate() {
            for (id, running) in self.network.ids().zip(&mut self.populations) {
                if let (Running::Layer(layer), Some(biases)) =
                    (running, effective_biases(&self.network, id, drive))
                {
                    layer.set_biases(run, &biases);
                }
            }
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.take(&State::initial(&self.network));
        self.statistics.clear();
        self.statistics.resize(self.runs, Statistics::zero(&self.network));
    }

    fn take(&mut self, state: &State) {
        self.step = state.step;
        let running = self.populations.iter_mut().zip(&mut self.trains);
        for ((id, (running, train)), from) in self.network.ids().zip(running).zip(&state.populations) {
            train.take(&from.under_way);
            match running {
                Running::Source => {}
                Running::Layer(layer) => {
                    (0..self.runs).for_each(|run| layer.set_potentials(run, &from.potentials));
                }
                Running::MaxPool(maxima) => maxima.take(from, &self.network, id),
            }
        }
    }

    /// The number of steps, of `wanted`, that can be done in one window from the present step on.
    fn window(&self, wanted: u64) -> usize {
        let before_rebase = u64::from(REBASE) - self.step % u64::from(REBASE);
        // At most the longest window, so it fits.
        wanted.min(before_rebase).min(self.longest as u64) as usize
    }

    /// Runs a window of `steps` steps of each run; `given(source, step)` are the spikes of a source in its steps, those
    /// of one run behind those of another.
    fn run<'a>(&mut self, steps: usize, given: impl Fn(PopulationId, usize) -> &'a [u32]) {
        let network = Arc::clone(&self.network);
        let (runs, all_steps) = (self.runs, self.runs * steps);
        let mut updates = vec![0; runs];
        let rebase = self.step > 0 && self.step.is_multiple_of(u64::from(REBASE));
        let k = ramp_steps(self.step + 1);
        for &id in self.order.iter() {
            // Taken out, so that the trains of others can be read while it is filled.
            let mut train = std::mem::take(&mut self.trains[id.index()]);
            train.advance();
            let projections =
                || network.incoming[id.index()].iter().map(|&at| (at, &network.projections()[at]));
            match &mut self.populations[id.index()] {
                Running::Source => (0..all_steps).for_each(|step| train.push(given(id, step))),
                Running::Layer(layer) => {
                    let incoming: Vec<Incoming<'_>> = projections()
                        .map(|(at, projection)| {
                            let (connectivity, laid) = (projection.connectivity(), &self.laid[at]);
                            let source = &self.trains[projection.source().index()];
                            let arriving = source.arriving(projection.delay(), all_steps);
                            let mut operations = 0;
                            for (run, statistics) in self.statistics.iter_mut().enumerate() {
                                let spikes = arriving.of_steps(run * steps..(run + 1) * steps);
                                let of_run = laid.operations(connectivity, spikes);
                                statistics.at(id).synaptic_operations += of_run;
                                operations += of_run;
                            }
                            Incoming { connectivity, laid, arriving, operations }
                        })
                        .collect();
                    if rebase {
                        layer.rebase();
                    }
                    let (kernels, forced, spread) = (self.kernels, self.forced, &self.spread);
                    let window = Window { kernels, forced, runs, steps, k, spread };
                    updates.fill(0);
                    layer.run(window, &incoming, &mut self.workspace, &mut train, &mut updates);
                    for (statistics, updates) in self.statistics.iter_mut().zip(&updates) {
                        statistics.at(id).updates += updates;
                    }
                }
                Running::MaxPool(maxima) => {
                    assert_eq!(runs, 1, "runs side by side with max pooling");
                    let statistics = self.statistics[0].at(id);
                    let mut fired = vec![];
                    for step in 0..steps {
                        let mut first_input = 0;
                        for (_, projection) in projections() {
                            let arriving =
                                self.trains[projection.source().index()].arriving(projection.delay(), steps);
                            statistics.synaptic_operations +=
                                maxima.arrive(projection.connectivity(), first_input, arriving.of(step));
                            first_input += projection.connectivity().sources();
                        }
                        fired.clear();
                        statistics.updates += maxima.update(&mut fired);
                        train.push(&fired);
                    }
                }
            }
            let emitted = train.arriving(0, all_steps);
            for (run, statistics) in self.statistics.iter_mut().enumerate() {
                statistics.at(id).spikes += emitted.of_steps(run * steps..(run + 1) * steps).len() as u64;
            }
            self.trains[id.index()] = train;
        }
        self.step += steps as u64;
        self.statistics.iter_mut().for_each(|statistics| statistics.steps += steps as u64);
    }

    /// The potentials `v` of a population in one run.
    fn potentials(&self, run: usize, population: PopulationId) -> Vec<f32> {
        match &self.populations[population.index()] {
            Running::Layer(layer) => {
                let k = ramp_steps(self.step) as f32;
                let pairs = layer.potentials(run).iter().zip(layer.biases(run));
                pairs.map(|(u, bias)| u + bias * k).collect()
            }
            Running::Source | Running::MaxPool(_) => vec![],
        }
    }

    /// The state of one run.
    fn state(&self, run: usize) -> State {
        let populations = self.network.ids().map(|id| {
            let (potentials, arrived) = match &self.populations[id.index()] {
                Running::Source => (vec![], vec![]),
                Running::Layer(layer) => (layer.potentials(run).to_vec(), vec![]),
                Running::MaxPool(maxima) => (vec![], maxima.arrived().to_vec()),
            };
            let ages = (1..=self.network.delay_from(id) as usize).rev();
            let under_way = ages.map(|age| self.trains[id.index()].last(age).to_vec()).collect();
            PopulationState { potentials, arrived, under_way }
        });
        State { step: self.step, populations: populations.collect() }
    }
}

impl Simulator for WindowSimulator {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        match &mut self.way {
            Way::Steps(event) => event.start(drive),
            Way::Windows(windows) => windows.start(drive),
        }
    }

    fn reset(&mut self) {
        match &mut self.way {
            Way::Steps(event) => event.reset(),
            Way::Windows(windows) => {
                windows.alone();
                windows.reset();
            }
        }
    }

    /// A window of one step: [`EventSimulator`] is faster where single steps are wanted.
    fn step(&mut self, stimulus: &Stimulus<'_>) -> &Spikes {
        match &mut self.way {
            Way::Steps(event) => event.step(stimulus),
            Way::Windows(windows) => {
                windows.alone();
                windows.run(1, |id, _| stimulus.of(id));
                for (list, train) in windows.spikes.lists.iter_mut().zip(&windows.trains) {
                    list.clear();
                    list.extend_from_slice(train.last(1));
                }
                &windows.spikes
            }
        }
    }

    fn state(&self) -> State {
        match &self.way {
            Way::Steps(event) => event.state(),
            Way::Windows(windows) => windows.state(0),
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        match &mut self.way {
            Way::Steps(event) => event.restore(state),
            Way::Windows(windows) => {
                state.check(&self.network)?;
                windows.alone();
                windows.take(state);
                Ok(())
            }
        }
    }

    fn statistics(&self) -> &Statistics {
        match &self.way {
            Way::Steps(event) => event.statistics(),
            Way::Windows(windows) => &windows.statistics[0],
        }
    }

    fn potentials(&self, population: PopulationId) -> Vec<f32> {
        match &self.way {
            Way::Steps(event) => event.potentials(population),
            Way::Windows(windows) => windows.potentials(0, population),
        }
    }

    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        let windows = match &mut self.way {
            Way::Steps(event) => return event.run(sample, steps, observer),
            Way::Windows(windows) => windows,
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
                let fired = windows.trains[id.index()].arriving(0, sound);
                for (step, of_window) in (first..).zip(0..sound) {
                    if !fired.of(of_window).is_empty() {
                        observer.spikes(id, step, fired.of(of_window));
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
