use std::ops::Range;
use std::sync::Arc;

use super::delivery::Delivery;
use super::layer::{Incoming, Layer, Scratch, Window};
use super::threads::Threads;
use super::train::Train;
use super::weights::{self, WeightLayouts};
use crate::input::{Drive, Stimulus};
use crate::kernel::{Kernels, MOST_STEPS};
use crate::network::{Component, Network, Neuron, PopulationId, Projection};
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
    /// Every component after all that reach it.
    pub(super) components: Arc<[Component]>,
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
    scratch: Scratch,
    /// Of every sample the updates of a population in a window.
    updates: Vec<u64>,
    /// The spikes of max pooling in a step.
    fired: SpikeList,
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
    pub(super) fn new(network: Arc<Network>, kernels: &'static Kernels, forced: Option<Delivery>) -> Self {
        let populations: Vec<WindowPopulation> =
            network.ids().map(|id| WindowPopulation::new(&network, id)).collect();
        let mut windows = Self {
            kernels,
            forced,
            team: Threads::default(),
            layouts: network.kept(weights::layouts),
            components: network.components().into(),
            longest: longest_window(&network),
            step: 0,
            samples: 1,
            trains: network.ids().map(|id| Train::new(network.delay_from(id) as usize)).collect(),
            awake: vec![0; network.populations().len()],
            populations,
            spikes: Spikes::none(network.populations().len()),
            statistics: vec![],
            scratch: Scratch::default(),
            updates: vec![],
            fired: SpikeList::new(),
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
                let WindowPopulation::Layer(layer) = population else { continue };
                match injected(&self.network, id, drive) {
                    // What arrives once has no bias in any step.
                    Some(once) => layer.drive(sample, &[], Some(once)),
                    None => layer.drive(
                        sample,
                        &effective_biases(&self.network, id, drive).unwrap_or_default(),
                        None,
                    ),
                }
            }
        }
        self.reset();
    }

    pub(super) fn reset(&mut self) {
        self.step = 0;
        // One after the other, in memory that is near and used again.
        for id in self.network.ids() {
            self.take_population(id, &PopulationState::initial(&self.network, id));
        }
        self.statistics.clear();
        self.statistics.resize(self.samples, Statistics::zero(&self.network));
    }

    pub(super) fn take(&mut self, state: &State) {
        self.step = state.step;
        for (id, from) in self.network.ids().zip(&state.populations) {
            self.take_population(id, from);
        }
    }

    fn take_population(&mut self, id: PopulationId, from: &PopulationState) {
        self.trains[id.index()].take(&from.under_way);
        match &mut self.populations[id.index()] {
            WindowPopulation::Source => {}
            WindowPopulation::Layer(layer) => {
                (0..self.samples).for_each(|sample| layer.membrane.take(sample, from));
            }
            WindowPopulation::MaxPool(maxima) => {
                maxima.take(&from.arrived, self.network.incoming(id).map(Projection::connectivity));
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
    ///
    /// Component by component; one that reaches itself in pieces of its span, its populations one after the other in each.
    pub(super) fn run<'a>(&mut self, steps: usize, given: impl Fn(PopulationId, usize) -> SpikeSlice<'a>) {
        self.run_given(steps, given, &Stimulus::none());
    }

    /// The same; what other populations than sources are given is given in the first step of a window of the only sample.
    fn run_given<'a>(
        &mut self,
        steps: usize,
        given: impl Fn(PopulationId, usize) -> SpikeSlice<'a>,
        stimulus: &Stimulus,
    ) {
        let components = Arc::clone(&self.components);
        for Component { populations, span } in components.iter() {
            populations.iter().for_each(|id| self.trains[id.index()].advance());
            let piece = span.map_or(steps, |span| steps.min(span as usize));
            for first in (0..steps).step_by(piece.max(1)) {
                for &id in populations {
                    self.run_population(id, steps, first..steps.min(first + piece), &given, stimulus);
                }
            }
        }
        self.step += steps as u64;
        self.statistics.iter_mut().for_each(|statistics| statistics.steps += steps as u64);
    }

    /// Runs a population in some steps of a window of `whole` steps of each sample; if there are several samples, in all.
    fn run_population<'a>(
        &mut self,
        id: PopulationId,
        whole: usize,
        piece: Range<usize>,
        given: &impl Fn(PopulationId, usize) -> SpikeSlice<'a>,
        stimulus: &Stimulus,
    ) {
        let (samples, steps) = (self.samples, piece.len());
        assert!(
            samples == 1 || steps == whole,
            "{samples} samples side by side in steps {piece:?} of {whole}"
        );
        // The samples stand one behind the other.
        let all = piece.start..piece.start + samples * steps;
        match &mut self.populations[id.index()] {
            WindowPopulation::Source => {
                for step in all.clone() {
                    self.trains[id.index()].push(given(id, step));
                }
            }
            WindowPopulation::Layer(_) => self.run_layer(id, all.clone(), steps, stimulus),
            WindowPopulation::MaxPool(_) => {
                assert_eq!(samples, 1, "samples side by side with max pooling");
                all.clone().for_each(|step| self.run_pool(id, step));
            }
        }
        if !matches!(self.populations[id.index()], WindowPopulation::Source) {
            self.trains[id.index()].overwrite_last(stimulus.spikes(id));
        }
        let emitted = self.trains[id.index()].arriving(0, all);
        for (sample, statistics) in self.statistics.iter_mut().enumerate() {
            let spikes = emitted.of_steps(sample * steps..(sample + 1) * steps);
            statistics.at(id).spikes += spikes.len() as u64;
            statistics.at(id).magnitude += spikes.magnitude();
        }
    }

    /// Runs neurons in the steps `all` of the window, `steps` of each sample.
    fn run_layer(&mut self, id: PopulationId, all: Range<usize>, steps: usize, stimulus: &Stimulus) {
        let network = Arc::clone(&self.network);
        let WindowPopulation::Layer(layer) = &mut self.populations[id.index()] else { return };
        let mut incoming = Vec::with_capacity(network.incoming[id.index()].len());
        for &at in &network.incoming[id.index()] {
            let (projection, layouts) = (&network.projections()[at], &self.layouts[at]);
            let connectivity = projection.connectivity();
            let source = &self.trains[projection.source().index()];
            let arriving = source.arriving(projection.delay(), all.clone());
            let mut operations = 0;
            for (sample, statistics) in self.statistics.iter_mut().enumerate() {
                let spikes = arriving.of_steps(sample * steps..(sample + 1) * steps);
                let of_sample = layouts.operations(connectivity, spikes.neurons());
                statistics.at(id).synaptic_operations += of_sample;
                operations += of_sample;
            }
            incoming.push(Incoming { connectivity, layouts, arriving, operations });
        }
        let now = self.step + all.start as u64;
        if now > 0 && now.is_multiple_of(u64::from(REBASE)) {
            layer.rebase();
        }
        let window = Window {
            kernels: self.kernels,
            forced: self.forced,
            samples: self.samples,
            steps,
            first: now == 0,
            k: ramp_steps(now + 1),
            team: &self.team,
        };
        layer.give(stimulus.currents(id), now == 0);
        self.updates.clear();
        self.updates.resize(self.samples, 0);
        layer.run(window, &incoming, &mut self.scratch, &mut self.updates);
        layer.emit(self.kernels, all.len(), &self.scratch, &mut self.trains[id.index()]);
        for (statistics, updates) in self.statistics.iter_mut().zip(&self.updates) {
            statistics.at(id).updates += updates;
        }
    }

    /// Runs max pooling in a step of the window.
    fn run_pool(&mut self, id: PopulationId, step: usize) {
        let WindowPopulation::MaxPool(maxima) = &mut self.populations[id.index()] else { return };
        let statistics = self.statistics[0].at(id);
        let mut first_input = 0;
        for projection in self.network.incoming(id) {
            let source = &self.trains[projection.source().index()];
            let arriving = source.arriving(projection.delay(), step..step + 1);
            statistics.synaptic_operations +=
                maxima.arrive(projection.connectivity(), first_input, arriving.of(0));
            first_input += projection.connectivity().sources();
        }
        self.fired.clear();
        statistics.updates += maxima.update(&mut self.fired);
        self.trains[id.index()].push(self.fired.as_slice());
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
