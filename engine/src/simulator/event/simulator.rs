use std::sync::Arc;

use super::delivery::FanOut;
use super::neurons::{EventNeurons, Scratch};
use crate::error::NetworkError;
use crate::input::{Drive, Sample, Stimulus};
use crate::kernel::{self, Kernels};
use crate::network::{Network, Neuron, PopulationId, Projection};
use crate::neuron::{Maxima, REBASE, ramp_steps};
use crate::record::{Spikes, Statistics};
use crate::simulator::interface::{BatchSimulator, Observer, Simulator};
use crate::simulator::rows;
use crate::spikes::SpikeList;
use crate::state::{PopulationState, State, effective_biases, injected, inputs_counted, ramp_of, waits};

/// The event-driven simulator: only emitted spikes are propagated, and only potentials that a spike
/// reaches, or that cross the threshold by themselves, are read or written.
///
/// The spikes of each population wait in a queue per step until they have arrived everywhere. A spike adds
/// its row of weights to the currents of its targets and marks the blocks of 16 neurons that it reaches;
/// the marked blocks are then updated. A bias costs nothing until it carries a neuron over its threshold:
/// that step is predicted exactly, and the block waits for it in a wake queue. Where much happens at once that is more work
/// than to update a population as a whole: while a quarter of its blocks are due in every step, it is.
///
/// Cost of a step: O(delivered synapses + blocks reached or due). Memory: 12 bytes per neuron and 12 per
/// block besides the spikes, 260 KB and 4 bytes per neuron of the largest population, and a bit per weight row and block
/// that clones share.
#[derive(Clone)]
pub struct EventSimulator {
    network: Arc<Network>,
    kernels: &'static Kernels,
    fan_out: Arc<Vec<FanOut>>,
    drive: Drive,
    step: u64,
    populations: Vec<EventPopulation>,
    /// The spikes of the present and of the last steps, a ring.
    history: Vec<Spikes>,
    statistics: Statistics,
    scratch: Scratch,
}

/// What a population has while it runs.
#[derive(Clone)]
enum EventPopulation {
    Source,
    Neurons(Box<EventNeurons>),
    MaxPool(Maxima),
}

impl EventSimulator {
    /// A simulator at step 0, without constant currents, with the best kernels of the machine.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        Self::with_kernels(network, kernel::best())
    }

    /// The same with the given kernels; the results do not depend on them.
    #[must_use]
    pub fn with_kernels(network: Arc<Network>, kernels: &'static Kernels) -> Self {
        let fan_out = network.kept(|network| {
            network.projections().iter().map(|projection| FanOut::of(projection.connectivity())).collect()
        });
        let depth = network.longest_delay() as usize + 1;
        let populations: Vec<EventPopulation> =
            network.ids().map(|id| EventPopulation::new(&network, id)).collect();
        let lines = populations.iter().map(EventPopulation::lines).max().unwrap_or(0);
        let mut simulator = Self {
            kernels,
            fan_out,
            drive: Drive::none(),
            step: 0,
            populations,
            history: vec![Spikes::none(network.populations().len()); depth],
            statistics: Statistics::zero(&network),
            scratch: Scratch::for_lines(lines),
            network,
        };
        let state = State::initial(&simulator.network);
        simulator.take_drive(&Drive::none());
        simulator.take(&state);
        simulator
    }

    fn take_drive(&mut self, drive: &Drive) {
        self.drive = drive.clone();
        for (id, population) in self.network.ids().zip(&mut self.populations) {
            if let (EventPopulation::Neurons(neurons), Some(biases)) =
                (population, effective_biases(&self.network, id, drive))
            {
                neurons.drive(&biases, injected(&self.network, id, drive));
            }
        }
    }

    fn take(&mut self, state: &State) {
        self.step = state.step;
        for spikes in &mut self.history {
            spikes.lists.iter_mut().for_each(SpikeList::clear);
        }
        let depth = self.history.len() as u64;
        for (id, from) in self.network.ids().zip(&state.populations) {
            for (age, spikes) in (1_u64..).zip(from.under_way.iter().rev()) {
                // Before step 0 there were no spikes, and the slots are empty.
                if let Some(emitted) = state.step.checked_sub(age) {
                    self.history[(emitted % depth) as usize].lists[id.index()].clone_from(spikes);
                }
            }
            match &mut self.populations[id.index()] {
                EventPopulation::Source => {}
                EventPopulation::Neurons(neurons) => neurons.take(from, state.step),
                EventPopulation::MaxPool(m) => {
                    m.take(&from.arrived, self.network.incoming(id).map(Projection::connectivity));
                }
            }
        }
    }
}

impl EventSimulator {
    /// What the run was started with.
    pub(in crate::simulator) fn drive(&self) -> &Drive {
        &self.drive
    }

    /// Whether a quiet network stays as it is, but for the number of steps: nothing is on a ramp.
    fn may_skip(&self) -> bool {
        self.populations.iter().all(|population| match population {
            EventPopulation::Neurons(neurons) => !neurons.has_biases(),
            EventPopulation::Source | EventPopulation::MaxPool(_) => true,
        })
    }

    /// Goes to a later step; until then nothing happens.
    fn skip_to(&mut self, step: u64) {
        self.statistics.steps += step - self.step;
        self.step = step;
        // What is not under way any more must not come to be so again in its place of the ring.
        self.history.iter_mut().for_each(|spikes| spikes.lists.iter_mut().for_each(SpikeList::clear));
    }
}

impl EventPopulation {
    /// Lines of 16 neurons.
    fn lines(&self) -> usize {
        match self {
            Self::Neurons(neurons) => neurons.membrane.lines(),
            Self::Source | Self::MaxPool(_) => 0,
        }
    }

    fn new(network: &Network, id: PopulationId) -> Self {
        let population = network.population(id);
        match population.neuron() {
            Neuron::Source => Self::Source,
            Neuron::Model(model) => Self::Neurons(Box::new(EventNeurons::new(population, model))),
            Neuron::MaxPool(_) => {
                let incoming = network.incoming(id).map(Projection::connectivity);
                let (units, inputs) = (population.size(), inputs_counted(network, id));
                Self::MaxPool(Maxima::new(units, inputs, network.emission(id).negative, incoming))
            }
        }
    }
}

impl Simulator for EventSimulator {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn start(&mut self, drive: &Drive) {
        self.take_drive(drive);
        self.reset();
    }

    fn reset(&mut self) {
        self.take(&State::initial(&self.network));
        self.statistics = Statistics::zero(&self.network);
    }

    fn step(&mut self, stimulus: &Stimulus) -> &Spikes {
        let step = self.step;
        let rebase = step > 0 && step.is_multiple_of(u64::from(REBASE));
        let k = ramp_steps(step + 1);
        let depth = self.history.len() as u64;
        let now = (step % depth) as usize;
        let network = Arc::clone(&self.network);
        for &id in network.update_order() {
            // Taken out of the ring, so that spikes of the same slot can be read while it is filled.
            let mut fired = std::mem::take(&mut self.history[now].lists[id.index()]);
            fired.clear();
            let statistics = self.statistics.at(id);
            let arriving = network.incoming[id.index()].iter().filter_map(|&at| {
                let projection = &network.projections()[at];
                let emitted = step.checked_sub(u64::from(projection.delay()))?;
                let spikes = &self.history[(emitted % depth) as usize].lists[projection.source().index()];
                Some((projection, &self.fan_out[at], spikes))
            });
            match &mut self.populations[id.index()] {
                EventPopulation::Source => {}
                EventPopulation::Neurons(neurons) => {
                    if rebase {
                        neurons.rebase();
                    }
                    let scratch = &mut self.scratch;
                    if step == 0 {
                        neurons.inject(scratch);
                    }
                    neurons.give(stimulus.currents(id), scratch);
                    for (projection, fan_out, spikes) in arriving {
                        let (connectivity, spikes) = (projection.connectivity(), spikes.as_slice());
                        statistics.synaptic_operations +=
                            fan_out.carried.count(connectivity, spikes.neurons());
                        if let Some(due) = neurons.due() {
                            fan_out.mark(connectivity, spikes.neurons(), due);
                        }
                        let (all, currents) = (0..connectivity.targets(), &mut scratch.currents);
                        rows::deliver(self.kernels, connectivity, None, spikes, &all, currents);
                    }
                    statistics.updates += neurons.update(self.kernels, step, k, scratch, &mut fired);
                    fired.settle();
                }
                EventPopulation::MaxPool(m) => {
                    let mut first_input = 0;
                    // Inputs are counted for every projection, also for one from which nothing can arrive yet.
                    for &at in &network.incoming[id.index()] {
                        let projection = &network.projections()[at];
                        if let Some(emitted) = step.checked_sub(u64::from(projection.delay())) {
                            let spikes =
                                &self.history[(emitted % depth) as usize].lists[projection.source().index()];
                            statistics.synaptic_operations +=
                                m.arrive(projection.connectivity(), first_input, spikes.as_slice());
                        }
                        first_input += projection.connectivity().sources();
                    }
                    statistics.updates += m.update(&mut fired);
                }
            }
            fired.overwrite(stimulus.spikes(id));
            let statistics = self.statistics.at(id);
            statistics.spikes += fired.len() as u64;
            statistics.magnitude += fired.as_slice().magnitude();
            self.history[now].lists[id.index()] = fired;
        }
        self.step += 1;
        self.statistics.steps += 1;
        &self.history[now]
    }

    fn state(&self) -> State {
        let depth = self.history.len() as u64;
        let populations = self
            .network
            .ids()
            .zip(&self.populations)
            .map(|(id, population)| {
                let state = match population {
                    EventPopulation::Source => PopulationState::default(),
                    EventPopulation::Neurons(neurons) => neurons.membrane.state(0),
                    EventPopulation::MaxPool(m) => {
                        PopulationState { arrived: m.arrived().to_vec(), ..PopulationState::default() }
                    }
                };
                let ages = (1..=u64::from(self.network.delay_from(id))).rev();
                let under_way = ages
                    .map(|age| match self.step.checked_sub(age) {
                        Some(emitted) => self.history[(emitted % depth) as usize].lists[id.index()].clone(),
                        None => SpikeList::new(),
                    })
                    .collect();
                PopulationState { under_way, ..state }
            })
            .collect();
        State { step: self.step, populations }
    }

    /// Cost: O(populations · delays) where something happened lately, else mostly that of a step.
    fn is_quiet(&mut self) -> bool {
        let depth = self.history.len() as u64;
        let under_way = |id: PopulationId| {
            let ages = 1..=u64::from(self.network.delay_from(id)).min(self.step);
            ages.rev()
                .any(|age| !self.history[((self.step - age) % depth) as usize].lists[id.index()].is_empty())
        };
        if self.network.ids().any(under_way) {
            return false;
        }
        let (network, drive, step) = (&self.network, &self.drive, self.step);
        network.ids().zip(&mut self.populations).all(|(id, population)| match population {
            EventPopulation::Neurons(neurons) => !waits(network, id, drive, step) && neurons.rests(step),
            EventPopulation::Source | EventPopulation::MaxPool(_) => true,
        })
    }

    /// Steps in which nothing happens because the network is quiet and has no biases are passed over.
    fn run(&mut self, sample: &Sample, steps: u64, observer: &mut dyn Observer) -> Result<(), NetworkError> {
        let network = Arc::clone(&self.network);
        let end = self.step + steps;
        let mut stimulus = Stimulus::none();
        while self.step < end {
            let step = self.step;
            let place = usize::try_from(step).unwrap_or(usize::MAX - 2);
            sample
                .give(&network, place, &mut stimulus)
                .map_err(|error| error.within(format!("step {step}")))?;
            let spikes = self.step(&stimulus);
            let mut silent = true;
            for id in network.ids() {
                let spikes = spikes.with_values(id);
                if !spikes.is_empty() {
                    silent = false;
                    observer.spikes(id, step, spikes);
                }
            }
            if silent && self.step < end && self.may_skip() && self.is_quiet() {
                self.skip_to(sample.next_spikes(self.step).map_or(end, |next| next.min(end)));
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        self.step
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        state.check(&self.network)?;
        self.take(state);
        Ok(())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Potentials on a ramp are not written while nothing happens: with a bias they are worked out when they are asked for,
    /// O(neurons of the population), as they are gathered for models with further real numbers. Else they are borrowed where
    /// they stand, O(1).
    fn potentials(&mut self, population: PopulationId) -> &[f32] {
        match &mut self.populations[population.index()] {
            EventPopulation::Neurons(neurons) => {
                neurons.membrane.potentials(0, ramp_of(&self.network, population, self.step))
            }
            EventPopulation::Source | EventPopulation::MaxPool(_) => &[],
        }
    }
}

impl BatchSimulator for EventSimulator {}
