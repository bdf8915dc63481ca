use std::sync::Arc;

use super::delivery::{BlockMasks, block_masks, deliver};
use super::wake::WakeQueue;
use crate::bits::{each_bit, set, words};
use crate::error::NetworkError;
use crate::input::{Drive, Stimulus};
use crate::kernel::{self, BLOCK, Block, Kernels, Membrane};
use crate::network::{Network, PopulationId, Projection};
use crate::neuron::{Maxima, Neuron, REBASE, Reset, ramp_steps};
use crate::record::{Spikes, Statistics};
use crate::simulator::interface::Simulator;
use crate::state::{PopulationState, State, effective_biases, inputs_counted};

/// The event-driven simulator: only emitted spikes are propagated, and only potentials that a spike
/// reaches, or that cross the threshold by themselves, are read or written.
///
/// The spikes of each population wait in a queue per step until they have arrived everywhere. A spike adds
/// its row of weights to the currents of its targets and marks the blocks of 16 neurons that it reaches;
/// the marked blocks are then updated. A bias costs nothing until it carries a neuron over its threshold:
/// that step is predicted exactly, and the block waits for it in a [`WakeQueue`].
///
/// Cost of a step: O(delivered synapses + blocks reached or due). Memory: 16 bytes per neuron and 12 per
/// block besides the spikes, and a bit per weight row and block that clones share.
#[derive(Clone)]
pub struct EventSimulator {
    network: Arc<Network>,
    kernels: &'static Kernels,
    fan_out: Arc<Vec<BlockMasks>>,
    drive: Drive,
    step: u64,
    populations: Vec<EventPopulation>,
    /// The spikes of the present and of the last steps, a ring.
    history: Vec<Spikes>,
    statistics: Statistics,
}

/// What a population has while it runs.
#[derive(Clone)]
enum EventPopulation {
    Source,
    Potentials(Potentials),
    MaxPool(Maxima),
}

#[derive(Clone)]
struct Potentials {
    u: Vec<Block>,
    currents: Vec<Block>,
    biases: Vec<Block>,
    /// Infinite for neurons that never fire.
    thresholds: Vec<Block>,
    reset: Reset,
    /// Blocks to update in this step, a bit each.
    due: Vec<u64>,
    /// Blocks in which some neuron has a bias.
    biased: Vec<u64>,
    crossings: Vec<u16>,
    wake: WakeQueue,
}

/// Values in whole blocks, the last one filled up.
fn blocks(values: impl ExactSizeIterator<Item = f32>, fill: f32) -> Vec<Block> {
    let mut blocks = vec![[fill; BLOCK]; values.len().div_ceil(BLOCK)];
    for (place, value) in blocks.as_flattened_mut().iter_mut().zip(values) {
        *place = value;
    }
    blocks
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
        let fan_out =
            network.projections().iter().map(|projection| block_masks(projection.connectivity())).collect();
        let depth = network.longest_delay() as usize + 1;
        let mut simulator = Self {
            kernels,
            fan_out: Arc::new(fan_out),
            drive: Drive::none(),
            step: 0,
            populations: network.ids().map(|id| EventPopulation::new(&network, id)).collect(),
            history: vec![Spikes::none(network.populations().len()); depth],
            statistics: Statistics::zero(&network),
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
            if let (EventPopulation::Potentials(p), Some(biases)) =
                (population, effective_biases(&self.network, id, drive))
            {
                p.biases.as_flattened_mut()[..biases.len()].copy_from_slice(&biases);
                p.biased.fill(0);
                for (neuron, _) in biases.iter().enumerate().filter(|(_, bias)| **bias != 0.0) {
                    set(&mut p.biased, neuron / BLOCK);
                }
            }
        }
    }

    fn take(&mut self, state: &State) {
        self.step = state.step;
        for spikes in &mut self.history {
            spikes.lists.iter_mut().for_each(Vec::clear);
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
                EventPopulation::Potentials(p) => p.take(from, state.step),
                EventPopulation::MaxPool(m) => {
                    let incoming = self.network.incoming(id).map(Projection::connectivity);
                    m.take(&from.arrived, incoming);
                }
            }
        }
    }
}

impl EventPopulation {
    fn new(network: &Network, id: PopulationId) -> Self {
        let population = network.population(id);
        let n = population.size();
        let n_blocks = n.div_ceil(BLOCK);
        let (thresholds, reset) = match population.neuron() {
            Neuron::Source => return Self::Source,
            Neuron::MaxPool(_) => {
                return Self::MaxPool(Maxima::new(n, inputs_counted(network, id)));
            }
            Neuron::IntegrateFire(model) => {
                let thresholds: Vec<f32> = model.threshold.iter(n).collect();
                (blocks(thresholds.into_iter(), f32::INFINITY), model.reset)
            }
            Neuron::Accumulator(_) => (vec![[f32::INFINITY; BLOCK]; n_blocks], Reset::Subtract),
        };
        Self::Potentials(Potentials {
            u: vec![[0.0; BLOCK]; n_blocks],
            currents: vec![[-0.0; BLOCK]; n_blocks],
            biases: vec![[0.0; BLOCK]; n_blocks],
            thresholds,
            reset,
            due: vec![0; words(n_blocks)],
            biased: vec![0; words(n_blocks)],
            crossings: vec![0; n_blocks],
            wake: WakeQueue::new(n_blocks, REBASE as usize),
        })
    }
}

impl Potentials {
    fn take(&mut self, from: &PopulationState, step: u64) {
        self.u.as_flattened_mut()[..from.potentials.len()].copy_from_slice(&from.potentials);
        self.currents.as_flattened_mut().fill(-0.0);
        self.due.fill(0);
        self.wake.clear_all();
        // Which neurons cross by themselves is not part of the state: all blocks are looked at once.
        for block in 0..self.u.len() as u32 {
            self.wake.set(block, step);
        }
    }

    fn rebase(&mut self) {
        let Self { u, biases, biased, .. } = self;
        each_bit(biased, |block| {
            for (u, bias) in u[block].iter_mut().zip(&biases[block]) {
                *u += bias * REBASE as f32;
            }
        });
        for (due, biased) in self.due.iter_mut().zip(&self.biased) {
            *due |= biased;
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

    fn step(&mut self, stimulus: &Stimulus<'_>) -> &Spikes {
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
                EventPopulation::Source => fired.extend_from_slice(stimulus.of(id)),
                EventPopulation::Potentials(p) => {
                    if rebase {
                        p.rebase();
                    }
                    for (projection, masks, spikes) in arriving {
                        let currents = p.currents.as_flattened_mut();
                        for &source in spikes {
                            statistics.synaptic_operations += deliver(
                                self.kernels,
                                projection.connectivity(),
                                masks,
                                source as usize,
                                currents,
                                &mut p.due,
                            );
                        }
                    }
                    statistics.updates += p.update(self.kernels, step, k, &mut fired);
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
                                m.arrive(projection.connectivity(), first_input, spikes);
                        }
                        first_input += projection.connectivity().sources();
                    }
                    statistics.updates += m.update(&mut fired);
                }
            }
            self.statistics.at(id).spikes += fired.len() as u64;
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
                let n = self.network.population(id).size();
                let (potentials, arrived) = match population {
                    EventPopulation::Source => (vec![], vec![]),
                    EventPopulation::Potentials(p) => (p.u.as_flattened()[..n].to_vec(), vec![]),
                    EventPopulation::MaxPool(m) => (vec![], m.arrived().to_vec()),
                };
                let ages = (1..=u64::from(self.network.delay_from(id))).rev();
                let under_way = ages
                    .map(|age| match self.step.checked_sub(age) {
                        Some(emitted) => self.history[(emitted % depth) as usize].lists[id.index()].clone(),
                        None => vec![],
                    })
                    .collect();
                PopulationState { potentials, arrived, under_way }
            })
            .collect();
        State { step: self.step, populations }
    }

    fn restore(&mut self, state: &State) -> Result<(), NetworkError> {
        state.check(&self.network)?;
        self.take(state);
        Ok(())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn potentials(&self, population: PopulationId) -> Vec<f32> {
        let EventPopulation::Potentials(p) = &self.populations[population.index()] else {
            return vec![];
        };
        let k = ramp_steps(self.step) as f32;
        let n = self.network.population(population).size();
        let pairs = p.u.as_flattened()[..n].iter().zip(p.biases.as_flattened());
        pairs.map(|(u, bias)| u + bias * k).collect()
    }
}

impl Potentials {
    /// Updates the blocks that are due. Returns the number of potentials touched.
    fn update(&mut self, kernels: &Kernels, step: u64, k: u32, fired: &mut Vec<u32>) -> u64 {
        let Self { due, wake, .. } = self;
        wake.take(step, |block| set(due, block as usize));
        let mut membrane = Membrane {
            potentials: &mut self.u,
            currents: &mut self.currents,
            biases: &self.biases,
            thresholds: &self.thresholds,
            k,
            reset: self.reset,
        };
        let updated = (kernels.integrate)(&mut membrane, due, &mut self.crossings, fired);
        each_bit(due, |block| match self.crossings[block] {
            0 => wake.clear(block as u32),
            crossing => wake.set(block as u32, step + u64::from(crossing) - u64::from(k)),
        });
        due.fill(0);
        updated.touched
    }
}
