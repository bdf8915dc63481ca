use std::sync::Arc;

use crate::kernel::{self, BLOCK, Block, Kernels, Membrane};
use crate::state::{PopulationState, effective_biases, inputs_counted, ramp_steps};
use crate::wake::WakeQueue;
use crate::{
    Connectivity, Conv2d, Drive, Network, NetworkError, Neuron, PopulationId, REBASE, Reset, Rows, Simulator,
    Spikes, State, Statistics, Stimulus, Targets,
};

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
    populations: Vec<Running>,
    /// The spikes of the present and of the last steps, a ring.
    history: Vec<Spikes>,
    statistics: Statistics,
}

/// Which blocks each weight row of a projection reaches, a bit each.
struct BlockMasks {
    words: usize,
    masks: Vec<u64>,
}

impl BlockMasks {
    fn of_row(&self, row: usize) -> &[u64] {
        &self.masks[row * self.words..(row + 1) * self.words]
    }
}

/// What a population has while it runs.
#[derive(Clone)]
enum Running {
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

/// The counts of a max-pooling population.
#[derive(Clone)]
pub(crate) struct Maxima {
    arrived: Vec<u32>,
    /// The largest count among the inputs of each unit.
    largest: Vec<u32>,
    grown: Vec<u64>,
    reached: Vec<u64>,
}

fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}

fn set(bits: &mut [u64], place: usize) {
    bits[place / 64] |= 1 << (place % 64);
}

fn each_bit(bits: &[u64], mut each: impl FnMut(usize)) {
    for (word, &bits) in bits.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            each(word * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// Values in whole blocks, the last one filled up.
fn blocks(values: impl ExactSizeIterator<Item = f32>, fill: f32) -> Vec<Block> {
    let mut blocks = vec![[fill; BLOCK]; values.len().div_ceil(BLOCK)];
    for (place, value) in blocks.as_flattened_mut().iter_mut().zip(values) {
        *place = value;
    }
    blocks
}

fn block_masks(connectivity: &Connectivity) -> BlockMasks {
    let Connectivity::Rows(rows) = connectivity else {
        return BlockMasks { words: 0, masks: vec![] };
    };
    let words = words(rows.width().div_ceil(BLOCK));
    let mut masks = vec![0; words * rows.len()];
    for row in 0..rows.len() {
        let mask = &mut masks[row * words..(row + 1) * words];
        rows.fan_out(row, |target, _| set(mask, target / BLOCK));
    }
    BlockMasks { words, masks }
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
            populations: network.ids().map(|id| Running::new(&network, id)).collect(),
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
        for (id, running) in self.network.ids().zip(&mut self.populations) {
            if let (Running::Potentials(p), Some(biases)) =
                (running, effective_biases(&self.network, id, drive))
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
                Running::Source => {}
                Running::Potentials(p) => p.take(from, state.step),
                Running::MaxPool(m) => m.take(from, &self.network, id),
            }
        }
    }
}

impl Running {
    fn new(network: &Network, id: PopulationId) -> Self {
        let population = network.population(id);
        let n = population.size();
        let n_blocks = n.div_ceil(BLOCK);
        let (thresholds, reset) = match population.neuron() {
            Neuron::Source => return Self::Source,
            Neuron::MaxPool(_) => {
                return Self::MaxPool(Maxima::new(network, id));
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

impl Maxima {
    pub(crate) fn new(network: &Network, id: PopulationId) -> Self {
        let n = network.population(id).size();
        Self {
            arrived: vec![0; inputs_counted(network, id)],
            largest: vec![0; n],
            grown: vec![0; words(n)],
            reached: vec![0; words(n)],
        }
    }

    /// The spikes of every input so far.
    pub(crate) fn arrived(&self) -> &[u32] {
        &self.arrived
    }

    pub(crate) fn take(&mut self, from: &PopulationState, network: &Network, id: PopulationId) {
        self.arrived.copy_from_slice(&from.arrived);
        self.largest.fill(0);
        if self.arrived.iter().all(|&count| count == 0) {
            return;
        }
        let mut first_input = 0;
        for projection in network.incoming(id) {
            let connectivity = projection.connectivity();
            for source in 0..connectivity.sources() {
                let arrived = self.arrived[first_input + source];
                connectivity.fan_out(source, |unit, _| self.largest[unit] = self.largest[unit].max(arrived));
            }
            first_input += connectivity.sources();
        }
    }
}

/// Adds the weights of one spike to the currents of its targets, and marks the blocks that it reaches.
/// Returns the number of synapses.
#[inline]
fn deliver(
    kernels: &Kernels,
    connectivity: &Connectivity,
    masks: &BlockMasks,
    source: usize,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => {
            for (due, mask) in due.iter_mut().zip(masks.of_row(source)) {
                *due |= mask;
            }
            add_weights(kernels, rows, source, currents)
        }
        Connectivity::Conv2d(conv) => deliver_conv2d(kernels, conv, source, currents, due),
        Connectivity::OneToOne(one) => match one.weight(source, source) {
            Some(weight) => {
                currents[source] += weight;
                set(due, source / BLOCK);
                1
            }
            None => 0,
        },
    }
}

#[inline]
fn add_weights(kernels: &Kernels, rows: &Rows, row: usize, currents: &mut [f32]) -> u64 {
    match rows {
        Rows::Sparse(sparse) => {
            let range = sparse.range(row);
            let weights = &sparse.weights()[range.clone()];
            match sparse.targets() {
                Targets::U16(ids) => (kernels.scatter_u16)(&ids[range], weights, currents),
                Targets::U32(ids) => (kernels.scatter_u32)(&ids[range], weights, currents),
            }
        }
        Rows::Dense(dense) => (kernels.add_row)(dense.row(row), currents),
    }
    rows.synapses_of(row)
}

fn deliver_conv2d(
    kernels: &Kernels,
    conv: &Conv2d,
    source: usize,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    let channels = conv.rows().width();
    let mut synapses = 0;
    conv.taps_of(source, |position, row| {
        if conv.rows().synapses_of(row) == 0 {
            return;
        }
        let first = position * channels;
        synapses += add_weights(kernels, conv.rows(), row, &mut currents[first..first + channels]);
        for block in first / BLOCK..=(first + channels - 1) / BLOCK {
            set(due, block);
        }
    });
    synapses
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
                Running::Source => fired.extend_from_slice(stimulus.of(id)),
                Running::Potentials(p) => {
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
                Running::MaxPool(m) => {
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
            .map(|(id, running)| {
                let n = self.network.population(id).size();
                let (potentials, arrived) = match running {
                    Running::Source => (vec![], vec![]),
                    Running::Potentials(p) => (p.u.as_flattened()[..n].to_vec(), vec![]),
                    Running::MaxPool(m) => (vec![], m.arrived().to_vec()),
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
        let Running::Potentials(p) = &self.populations[population.index()] else {
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

impl Maxima {
    /// Counts the spikes of one projection. Returns the number of synaptic operations.
    pub(crate) fn arrive(&mut self, connectivity: &Connectivity, first_input: usize, spikes: &[u32]) -> u64 {
        let mut operations = 0;
        for &source in spikes {
            let arrived = &mut self.arrived[first_input + source as usize];
            *arrived += 1;
            connectivity.fan_out(source as usize, |unit, _| {
                operations += 1;
                set(&mut self.reached, unit);
                if *arrived > self.largest[unit] {
                    self.largest[unit] = *arrived;
                    set(&mut self.grown, unit);
                }
            });
        }
        operations
    }

    /// Lists the units whose largest count grew. Returns the number of units reached.
    pub(crate) fn update(&mut self, fired: &mut Vec<u32>) -> u64 {
        each_bit(&self.grown, |unit| fired.push(unit as u32));
        let reached = self.reached.iter().map(|word| u64::from(word.count_ones())).sum();
        self.grown.fill(0);
        self.reached.fill(0);
        reached
    }
}
