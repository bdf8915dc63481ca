use std::sync::Arc;

use super::delivery::Delivery;
use super::layer::{Incoming, Layer, Scratch, Window};
use super::threads::Threads;
use super::train::Train;
use super::weights::{self, WeightLayouts};
use crate::input::{Drive, Stimulus};
use crate::kernel::{Kernels, MOST_STEPS};
use crate::network::{Network, Neuron, PopulationId, Projection};
use crate::neuron::{Autonomy, Maxima, REBASE, ramp_steps};
use crate::record::{Spikes, Statistics};
use crate::spikes::{SpikeList, SpikeSlice};
use crate::state::{PopulationState, State, effective_biases, injected, inputs_counted, ramp_of};

/// The most words of spike bits that a window may have: 16 MB.
const MOST_WORDS: usize = 1 << 21;

#[derive(Clone)]
pub(super) struct Windows {
    pub(super) network: Arc<Network>,
    pub(super) kernels: &'static Kernels,
    pub(super) forced: Option<Delivery>,
    pub(super) team: Threads,
    pub(super) layouts: Arc<Vec<WeightLayouts>>,
    /// Every population after all that reach it.
    pub(super) order: Arc<[PopulationId]>,
    pub(super) longest: usize,
    pub(super) step: u64,
    /// Samples that run side by side; more than one only in [`WindowSimulator::run_side_by_side`].
    pub(super) samples: usize,
    pub(super) populations: Vec<WindowPopulation>,
    pub(super) trains: Vec<Train>,
    /// Of every population a neuron that was not at rest when that was asked last.
    awake: Vec<usize>,
    /// The spikes of the last single step.
    pub(super) spikes: Spikes,
    /// One for each sample.
    pub(super) statistics: Vec<Statistics>,
    pub(super) scratch: Scratch,
}

#[derive(Clone)]
pub(super) enum WindowPopulation {
    Source,
    Layer(Layer),
    MaxPool(Maxima),
}

/// The most steps that are run in one window.
pub(crate) fn longest_window(network: &Network) -> usize {
    let largest = network.populations().iter().map(|population| population.size()).max().unwrap_or(0);
    (MOST_WORDS / largest.div_ceil(64).max(1)).clamp(16, MOST_STEPS)
}

impl Windows {
    pub(super) fn new(
        network: Arc<Network>,
        kernels: &'static Kernels,
        forced: Option<Delivery>,
        order: Arc<[PopulationId]>,
    ) -> Self {
        let populations: Vec<WindowPopulation> =
            network.ids().map(|id| WindowPopulation::new(&network, id)).collect();
        let mut windows = Self {
            kernels,
            forced,
            team: Threads::default(),
            layouts: Arc::new(weights::layouts(&network)),
            order,
            longest: longest_window(&network),
            step: 0,
            samples: 1,
            trains: network.ids().map(|id| Train::new(network.delay_from(id) as usize)).collect(),
            awake: vec![0; network.populations().len()],
            populations,
            spikes: Spikes::none(network.populations().len()),
            statistics: vec![],
            scratch: Scratch::default(),
            network,
        };
        windows.start(&Drive::none());
        windows
    }

    pub(super) fn start(&mut self, drive: &Drive) {
        self.start_all(std::iter::once(drive));
    }

    /// Whether a window knows nothing of what was before it but the state of the neurons.
    pub(super) fn is_plain(&self) -> bool {
        let pools = self.populations.iter().any(|one| matches!(one, WindowPopulation::MaxPool(_)));
        !pools && self.network.ids().all(|id| self.network.delay_from(id) == 0)
    }

    /// Goes on with the first sample alone.
    pub(super) fn alone(&mut self) {
        if self.samples > 1 {
            self.make_room(1);
            self.statistics.truncate(1);
        }
    }

    fn make_room(&mut self, samples: usize) {
        self.samples = samples;
        for population in &mut self.populations {
            if let WindowPopulation::Layer(layer) = population {
                layer.begin(samples);
            }
        }
    }

    /// Starts a sample with each drive.
    pub(super) fn start_all<'a>(&mut self, drives: impl ExactSizeIterator<Item = &'a Drive>) {
        self.make_room(drives.len());
        for (sample, drive) in drives.enumerate() {
            for (id, population) in self.network.ids().zip(&mut self.populations) {
                if let (WindowPopulation::Layer(layer), Some(biases)) =
                    (population, effective_biases(&self.network, id, drive))
                {
                    layer.drive(sample, &biases, injected(&self.network, id, drive));
                }
            }
        }
        self.reset();
    }

    pub(super) fn reset(&mut self) {
        self.take(&State::initial(&self.network));
        self.statistics.clear();
        self.statistics.resize(self.samples, Statistics::zero(&self.network));
    }

    pub(super) fn take(&mut self, state: &State) {
        self.step = state.step;
        let populations = self.populations.iter_mut().zip(&mut self.trains);
        for ((id, (population, train)), from) in self.network.ids().zip(populations).zip(&state.populations) {
            train.take(&from.under_way);
            match population {
                WindowPopulation::Source => {}
                WindowPopulation::Layer(layer) => {
                    (0..self.samples).for_each(|sample| layer.membrane.take(sample, from));
                }
                WindowPopulation::MaxPool(maxima) => {
                    maxima.take(&from.arrived, self.network.incoming(id).map(Projection::connectivity));
                }
            }
        }
    }

    /// Whether the first sample is quiet.
    pub(super) fn is_quiet(&mut self) -> bool {
        if self.trains.iter().any(|train| train.has_under_way()) {
            return false;
        }
        let (network, step) = (&self.network, self.step);
        let populations = network.ids().zip(&mut self.populations).zip(&mut self.awake);
        populations.into_iter().all(|((_, population), awake)| match population {
            WindowPopulation::Layer(layer) => {
                !(step == 0 && layer.waits()) && layer.membrane.rests(step, awake)
            }
            WindowPopulation::Source | WindowPopulation::MaxPool(_) => true,
        })
    }

    /// Whether a network comes to rest only by an event: no neurons move in every step.
    pub(super) fn rests_after_events(&self) -> bool {
        self.populations.iter().all(|population| match population {
            WindowPopulation::Layer(layer) => layer.membrane.autonomy() != Autonomy::EveryStep,
            WindowPopulation::Source | WindowPopulation::MaxPool(_) => true,
        })
    }

    /// Of a network that is quiet at the end of a window which began at step `first`, the steps after which it was so:
    /// all spikes of the window have arrived, and what was given in step 0 was.
    pub(super) fn quiet_from(&self, first: u64) -> u64 {
        let arrived = self.trains.iter().map(|train| first + train.arrived_after() as u64);
        let given = first == 0
            && self.populations.iter().any(|population| match population {
                WindowPopulation::Layer(layer) => layer.waits(),
                WindowPopulation::Source | WindowPopulation::MaxPool(_) => false,
            });
        arrived.max().unwrap_or(first).max(first + u64::from(given))
    }

    /// Goes back to an earlier step of the last window, after which nothing happened any more.
    pub(super) fn go_back(&mut self, step: u64) {
        let undone = self.step - step;
        self.statistics[0].steps -= undone;
        self.step = step;
        // Steps of the window that were not done any more: none of them has spikes.
        self.trains.iter_mut().for_each(|train| train.drop_silent_steps(undone as usize));
    }

    /// The number of steps, of `wanted`, that can be done in one window from the present step on.
    pub(super) fn window(&self, wanted: u64) -> usize {
        let before_rebase = u64::from(REBASE) - self.step % u64::from(REBASE);
        // At most the longest window, so it fits.
        wanted.min(before_rebase).min(self.longest as u64) as usize
    }

    /// Runs a window of one step of the only sample, with what is given from outside.
    pub(super) fn step(&mut self, stimulus: &Stimulus) {
        self.run_given(1, |id, _| stimulus.spikes(id), stimulus);
    }

    /// Runs a window of `steps` steps of each sample; `given(source, step)` are the spikes of a source in its steps,
    /// those of one sample behind those of another.
    pub(super) fn run<'a>(&mut self, steps: usize, given: impl Fn(PopulationId, usize) -> SpikeSlice<'a>) {
        self.run_given(steps, given, &Stimulus::none());
    }

    /// The same; what other populations are given is given in the first step of a window of the only sample.
    fn run_given<'a>(
        &mut self,
        steps: usize,
        given: impl Fn(PopulationId, usize) -> SpikeSlice<'a>,
        stimulus: &Stimulus,
    ) {
        let network = Arc::clone(&self.network);
        let (samples, all_steps) = (self.samples, self.samples * steps);
        let mut updates = vec![0; samples];
        let first = self.step == 0;
        let rebase = self.step > 0 && self.step.is_multiple_of(u64::from(REBASE));
        let k = ramp_steps(self.step + 1);
        for &id in self.order.iter() {
            // Taken out, so that the trains of others can be read while it is filled.
            let mut train = std::mem::take(&mut self.trains[id.index()]);
            train.advance();
            let projections =
                || network.incoming[id.index()].iter().map(|&at| (at, &network.projections()[at]));
            match &mut self.populations[id.index()] {
                WindowPopulation::Source => (0..all_steps).for_each(|step| train.push(given(id, step))),
                WindowPopulation::Layer(layer) => {
                    let incoming: Vec<Incoming<'_>> = projections()
                        .map(|(at, projection)| {
                            let (connectivity, layouts) = (projection.connectivity(), &self.layouts[at]);
                            let source = &self.trains[projection.source().index()];
                            let arriving = source.arriving(projection.delay(), all_steps);
                            let mut operations = 0;
                            for (sample, statistics) in self.statistics.iter_mut().enumerate() {
                                let spikes = arriving.of_steps(sample * steps..(sample + 1) * steps);
                                let of_sample = layouts.operations(connectivity, spikes.neurons());
                                statistics.at(id).synaptic_operations += of_sample;
                                operations += of_sample;
                            }
                            Incoming { connectivity, layouts, arriving, operations }
                        })
                        .collect();
                    if rebase {
                        layer.rebase();
                    }
                    let (kernels, forced, team) = (self.kernels, self.forced, &self.team);
                    let window = Window { kernels, forced, samples, steps, first, k, team };
                    layer.give(stimulus.currents(id), first);
                    updates.fill(0);
                    layer.run(window, &incoming, &mut self.scratch, &mut train, &mut updates);
                    for (statistics, updates) in self.statistics.iter_mut().zip(&updates) {
                        statistics.at(id).updates += updates;
                    }
                }
                WindowPopulation::MaxPool(maxima) => {
                    assert_eq!(samples, 1, "samples side by side with max pooling");
                    let statistics = self.statistics[0].at(id);
                    let mut fired = SpikeList::new();
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
                        train.push(fired.as_slice());
                    }
                }
            }
            if !matches!(self.populations[id.index()], WindowPopulation::Source) {
                train.overwrite_last(stimulus.spikes(id));
            }
            let emitted = train.arriving(0, all_steps);
            for (sample, statistics) in self.statistics.iter_mut().enumerate() {
                let spikes = emitted.of_steps(sample * steps..(sample + 1) * steps);
                statistics.at(id).spikes += spikes.len() as u64;
                statistics.at(id).magnitude += spikes.magnitude();
            }
            self.trains[id.index()] = train;
        }
        self.step += steps as u64;
        self.statistics.iter_mut().for_each(|statistics| statistics.steps += steps as u64);
    }

    /// The potentials of a population in one sample.
    pub(super) fn potentials(&mut self, sample: usize, population: PopulationId) -> &[f32] {
        match &mut self.populations[population.index()] {
            WindowPopulation::Layer(layer) => {
                layer.membrane.potentials(sample, ramp_of(&self.network, population, self.step))
            }
            WindowPopulation::Source | WindowPopulation::MaxPool(_) => &[],
        }
    }

    /// The state of one sample.
    pub(super) fn state(&self, sample: usize) -> State {
        let populations = self.network.ids().map(|id| {
            let state = match &self.populations[id.index()] {
                WindowPopulation::Source => PopulationState::default(),
                WindowPopulation::Layer(layer) => layer.membrane.state(sample),
                WindowPopulation::MaxPool(maxima) => {
                    PopulationState { arrived: maxima.arrived().to_vec(), ..PopulationState::default() }
                }
            };
            let ages = (1..=self.network.delay_from(id) as usize).rev();
            let under_way = ages.map(|age| self.trains[id.index()].last(age).into()).collect();
            PopulationState { under_way, ..state }
        });
        State { step: self.step, populations: populations.collect() }
    }
}

impl WindowPopulation {
    fn new(network: &Network, id: PopulationId) -> Self {
        let population = network.population(id);
        if let Some(layer) = Layer::new(population) {
            return Self::Layer(layer);
        }
        match population.neuron() {
            Neuron::MaxPool(_) => {
                let incoming = network.incoming(id).map(Projection::connectivity);
                let (units, inputs) = (population.size(), inputs_counted(network, id));
                Self::MaxPool(Maxima::new(units, inputs, network.emission(id).negative, incoming))
            }
            Neuron::Source | Neuron::Model(_) => Self::Source,
        }
    }
}
