use super::wake::WakeQueue;
use crate::bits::{each_bit, set, words};
use crate::kernel::Kernels;
use crate::kernel::membrane::{BlockStep, LINES_PER_WORD};
use crate::lanes::{BLOCK, Line, flat_mut};
use crate::network::{AnyModel, Population};
use crate::neuron::{Autonomy, REBASE};
use crate::simulator::membrane::Membrane;
use crate::simulator::rows;
use crate::spikes::SpikeList;
use crate::state::PopulationState;

/// The neurons of a population of a model in the event-driven simulator: which blocks of 16 something reached, and
/// which wait for a step at which they act by themselves.
#[derive(Clone)]
pub(super) struct EventNeurons {
    pub(super) membrane: Membrane,
    /// Whether all blocks are updated in every step, and none is marked or waits: for models that move in every step,
    /// and while so much happens that this takes less time.
    everywhere: bool,
    /// The last steps that would be faster the other way: all at once if blocks are marked, marked if all are updated.
    misjudged: u32,
    /// Blocks to update in this step, a bit each.
    due: Vec<u64>,
    /// Blocks in which some neuron has a bias.
    biased: Vec<u64>,
    acts: Vec<u16>,
    wake: WakeQueue,
    /// The currents that arrive once, in the first step.
    injected: Option<Vec<f32>>,
    /// A neuron that was not at rest when that was asked last.
    awake: usize,
}

/// Memory for a step of one population, used for one after the other.
#[derive(Clone)]
pub(super) struct Scratch {
    /// −0.0 between the steps; with room behind for compact rows.
    pub(super) currents: Vec<Line>,
    /// A bit for each neuron that fires.
    fired: Vec<u64>,
}

impl Scratch {
    /// With room for populations of at most so many lines.
    pub(super) fn for_lines(lines: usize) -> Self {
        let mut currents = vec![];
        rows::make_room(&mut currents, lines);
        Self { currents, fired: vec![0; lines.div_ceil(LINES_PER_WORD)] }
    }
}

/// All blocks are updated at once from the step on in which one in so many was due. A block by itself takes about as
/// many times longer, its next act to be found included.
const CROWDED: usize = 4;
/// After so many such steps.
const CROWDED_STEPS: u32 = 2;
/// And no longer after so many steps with fewer than a neuron in so many blocks touched.
const CALM: u64 = 8;
/// After so many such steps: the first step with marked blocks again looks at all of them.
const CALM_STEPS: u32 = 16;

impl EventNeurons {
    pub(super) fn new(population: &Population, model: &AnyModel) -> Self {
        let membrane = Membrane::new(population, model, LINES_PER_WORD);
        let blocks = membrane.lines();
        // Only on a ramp is something waited for.
        let waiting = if membrane.autonomy() == Autonomy::Ramp { blocks } else { 0 };
        Self {
            everywhere: membrane.autonomy() == Autonomy::EveryStep,
            misjudged: 0,
            membrane,
            due: vec![0; words(blocks)],
            biased: vec![0; words(blocks)],
            acts: vec![0; blocks],
            wake: WakeQueue::new(waiting, REBASE as usize),
            injected: None,
            awake: 0,
        }
    }

    /// Takes the biases of a sample, and the currents that arrive once.
    pub(super) fn drive(&mut self, biases: &[f32], injected: Option<Vec<f32>>) {
        self.membrane.set_biases(0, biases);
        self.injected = injected;
        self.biased.fill(0);
        for block in 0..self.membrane.lines() {
            if self.membrane.has_bias(block) {
                set(&mut self.biased, block);
            }
        }
    }

    pub(super) fn take(&mut self, from: &PopulationState, step: u64) {
        self.membrane.take(0, from);
        self.everywhere = self.membrane.autonomy() == Autonomy::EveryStep;
        self.misjudged = 0;
        self.due.fill(0);
        self.wake.clear_all();
        self.wake_all(step);
    }

    /// Has all neurons that may act by themselves looked at in a step: it is not known which of them do when.
    fn wake_all(&mut self, step: u64) {
        if self.membrane.autonomy() == Autonomy::Ramp {
            for block in 0..self.membrane.lines() as u32 {
                self.wake.set(block, step);
            }
        }
    }

    /// Folds the ramp into the potentials, and looks at those that have one.
    pub(super) fn rebase(&mut self) {
        if self.membrane.autonomy() != Autonomy::Ramp {
            return;
        }
        each_bit(&self.biased, |block| self.membrane.rebase(block));
        if !self.everywhere {
            for (due, biased) in self.due.iter_mut().zip(&self.biased) {
                *due |= biased;
            }
        }
    }

    /// Gives the neurons the currents of the first step.
    pub(super) fn inject(&mut self, scratch: &mut Scratch) {
        if let Some(injected) = &self.injected {
            let currents = flat_mut(&mut scratch.currents);
            for (neuron, &current) in injected.iter().enumerate().filter(|(_, current)| **current != 0.0) {
                currents[neuron] = current;
                set(&mut self.due, neuron / BLOCK);
            }
        }
    }

    /// Gives the neurons currents from outside.
    pub(super) fn give(&mut self, given: impl Iterator<Item = (u32, f32)>, scratch: &mut Scratch) {
        let currents = flat_mut(&mut scratch.currents);
        for (neuron, current) in given {
            let neuron = neuron as usize;
            // To −0.0, where nothing was given before, the current is added without a change.
            currents[neuron] += current;
            if let Some(due) = self.due() {
                set(due, neuron / BLOCK);
            }
        }
    }

    /// Whether all neurons are at rest after `step` steps. Cost: O(1) where no neuron has a bias and all were updated since
    /// the state was taken, O(neurons) where all rest, and mostly O(1) else.
    pub(super) fn rests(&mut self, step: u64) -> bool {
        let quick = match self.membrane.autonomy() {
            Autonomy::Ramp => !self.everywhere && self.wake.is_empty() && !self.has_biases(),
            Autonomy::EveryStep => false,
            Autonomy::Never => true,
        };
        quick || self.membrane.rests(step, &mut self.awake)
    }

    /// Whether some neuron has a bias.
    pub(super) fn has_biases(&self) -> bool {
        self.biased.iter().any(|&bits| bits != 0)
    }

    /// The blocks that are reached, to be marked; `None` while all are updated.
    pub(super) fn due(&mut self) -> Option<&mut [u64]> {
        if self.everywhere { None } else { Some(&mut self.due) }
    }

    /// Updates the blocks that are due. Returns the number of neurons touched.
    pub(super) fn update(
        &mut self,
        kernels: &Kernels,
        step: u64,
        k: u32,
        scratch: &mut Scratch,
        fired: &mut SpikeList,
    ) -> u64 {
        if self.everywhere {
            self.update_all(kernels, step, k, scratch, fired)
        } else {
            self.update_marked(kernels, step, k, scratch, fired)
        }
    }

    fn update_marked(
        &mut self,
        kernels: &Kernels,
        step: u64,
        k: u32,
        scratch: &mut Scratch,
        fired: &mut SpikeList,
    ) -> u64 {
        let Self { due, wake, acts, membrane, .. } = self;
        let blocks = membrane.lines();
        wake.take(step, |block| set(due, block as usize));
        let currents = &mut scratch.currents[..blocks];
        let (fired, values) = fired.parts();
        let values = membrane.has_values().then_some(values);
        let touched =
            membrane.integrate(kernels.set, BlockStep { blocks: due, currents, k, acts, fired, values });
        if membrane.autonomy() == Autonomy::Ramp {
            each_bit(due, |block| match acts[block] {
                0 => wake.clear(block as u32),
                acts => wake.set(block as u32, step + u64::from(acts) - u64::from(k)),
            });
        }
        let count: usize = due.iter().map(|word| word.count_ones() as usize).sum();
        due.fill(0);
        self.misjudged = if count * CROWDED >= blocks.max(1) { self.misjudged + 1 } else { 0 };
        if self.misjudged >= CROWDED_STEPS {
            self.everywhere = true;
            self.misjudged = 0;
            if !self.wake.is_empty() {
                self.wake.clear_all();
            }
        }
        touched
    }

    fn update_all(
        &mut self,
        kernels: &Kernels,
        step: u64,
        k: u32,
        scratch: &mut Scratch,
        fired: &mut SpikeList,
    ) -> u64 {
        let blocks = self.membrane.lines();
        let bits = &mut scratch.fired[..blocks / LINES_PER_WORD];
        let (fired, values) = fired.parts();
        let currents = &mut scratch.currents[..blocks];
        let touched = self.membrane.integrate_words(kernels.set, currents, k, bits, values);
        (kernels.list)(bits, fired);
        if self.membrane.autonomy() == Autonomy::EveryStep {
            return touched;
        }
        if touched == 0 && !self.has_biases() {
            // All were looked at and none did anything, and without biases none will by itself: nothing is to be waited
            // for.
            self.everywhere = false;
            self.misjudged = 0;
            return touched;
        }
        self.misjudged = if touched * CALM < blocks as u64 { self.misjudged + 1 } else { 0 };
        if self.misjudged >= CALM_STEPS {
            self.everywhere = false;
            self.misjudged = 0;
            self.wake_all(step + 1);
        }
        touched
    }
}
