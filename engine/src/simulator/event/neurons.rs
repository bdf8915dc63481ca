use super::wake::WakeQueue;
use crate::bits::{each_bit, set, words};
use crate::kernel::Kernels;
use crate::kernel::membrane::BlockStep;
use crate::lanes::{BLOCK, Line, flat_mut};
use crate::network::{AnyModel, Population};
use crate::neuron::{Autonomy, REBASE};
use crate::simulator::membrane::Membrane;
use crate::spikes::SpikeList;
use crate::state::PopulationState;

/// The neurons of a population of a model in the event-driven simulator: which blocks of 16 something reached, and
/// which wait for a step at which they act by themselves.
#[derive(Clone)]
pub(super) struct EventNeurons {
    pub(super) membrane: Membrane,
    /// −0.0 where nothing has arrived.
    currents: Vec<Line>,
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

impl EventNeurons {
    pub(super) fn new(population: &Population, model: &AnyModel) -> Self {
        let membrane = Membrane::new(population, model, 1);
        let blocks = membrane.lines();
        // Only on a ramp is something waited for.
        let waiting = if membrane.autonomy() == Autonomy::Ramp { blocks } else { 0 };
        Self {
            membrane,
            currents: vec![Line::of(-0.0); blocks],
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
        flat_mut(&mut self.currents).fill(-0.0);
        self.due.fill(0);
        self.wake.clear_all();
        if self.membrane.autonomy() == Autonomy::Ramp {
            // Which neurons act by themselves is not part of the state: all blocks are looked at once.
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
        for (due, biased) in self.due.iter_mut().zip(&self.biased) {
            *due |= biased;
        }
    }

    /// Gives the neurons the currents of the first step.
    pub(super) fn inject(&mut self) {
        if let Some(injected) = &self.injected {
            let currents = flat_mut(&mut self.currents);
            for (neuron, &current) in injected.iter().enumerate().filter(|(_, current)| **current != 0.0) {
                currents[neuron] = current;
                set(&mut self.due, neuron / BLOCK);
            }
        }
    }

    /// Gives the neurons currents from outside.
    pub(super) fn give(&mut self, given: impl Iterator<Item = (u32, f32)>) {
        for (neuron, current) in given {
            let neuron = neuron as usize;
            // To −0.0, where nothing was given before, the current is added without a change.
            flat_mut(&mut self.currents)[neuron] += current;
            set(&mut self.due, neuron / BLOCK);
        }
    }

    /// Whether all neurons are at rest after `step` steps. Cost: O(1) where no neuron has a bias and all were updated since
    /// the state was taken, O(neurons) where all rest, and mostly O(1) else.
    pub(super) fn rests(&mut self, step: u64) -> bool {
        let quick = match self.membrane.autonomy() {
            Autonomy::Ramp => self.wake.is_empty() && !self.has_biases(),
            Autonomy::EveryStep => false,
            Autonomy::Never => true,
        };
        quick || self.membrane.rests(step, &mut self.awake)
    }

    /// Whether some neuron has a bias.
    pub(super) fn has_biases(&self) -> bool {
        self.biased.iter().any(|&bits| bits != 0)
    }

    /// Where arriving spikes go: the currents of the neurons, and the blocks that are reached.
    pub(super) fn inbox(&mut self) -> (&mut [f32], &mut [u64]) {
        (flat_mut(&mut self.currents), &mut self.due)
    }

    /// Updates the blocks that are due. Returns the number of potentials touched.
    pub(super) fn update(&mut self, kernels: &Kernels, step: u64, k: u32, fired: &mut SpikeList) -> u64 {
        let Self { due, wake, acts, currents, membrane, .. } = self;
        match membrane.autonomy() {
            Autonomy::Ramp => wake.take(step, |block| set(due, block as usize)),
            Autonomy::EveryStep => (0..currents.len()).for_each(|block| set(due, block)),
            Autonomy::Never => {}
        }
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
        due.fill(0);
        touched
    }
}
