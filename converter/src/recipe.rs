//! What is done where the user says nothing. Every front end asks here, so that the same net, samples and options make the
//! same network everywhere.

use crate::ann::{Ann, Op};
use crate::neuron::NeuronKind;
use crate::normalise::Normalise;
use crate::options::Options;
use snn_engine::LARGEST_VALUE;

/// The longest runs that networks are fitted to if nothing is said. In longer ones spikes arrive evenly enough: the
/// scales alone are as accurate (benches/record/accuracy-2026-11-23.md).
pub const LONGEST_FITTED: u32 = 64;

/// The steps that scales are chosen for if no run length is given: they suit runs of any length.
pub const USUAL_STEPS: u32 = 32;

/// The levels that activations are rounded to if nothing is said.
pub const USUAL_LEVELS: u32 = 16;

/// The steps of a run of neurons that fire several thresholds a step if nothing is said.
pub const USUAL_FEW_STEPS: u32 = 4;

/// How a net is converted, nothing left open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// What activations become.
    pub neuron: NeuronKind,
    /// How scales are chosen.
    pub normalise: Normalise,
    /// The number of steps that they are chosen for; 1 for neurons that settle, whose input arrives in one step.
    pub steps: u32,
    /// Whether scales, starts and biases are then fitted to runs of so many steps.
    pub fit: bool,
    /// The levels that activations are rounded to; those that a run can tell apart.
    pub levels: u32,
    /// The largest magnitude of a spike.
    pub max_spikes: u32,
}

impl Recipe {
    /// What the options say, and where they say nothing: least squared error; scales for 32 steps; fitted if a run length of
    /// at most [`LONGEST_FITTED`] steps is given, there are samples and scales are those of least error.
    ///
    /// Of neurons that count: 16 levels, and spikes as large as it takes to tell all of them in a run.
    #[must_use]
    pub fn of(options: &Options, calibrated: bool) -> Self {
        let normalise = options.normalise.unwrap_or_default();
        let neuron = options.neuron.unwrap_or_default();
        let largest = LARGEST_VALUE.unsigned_abs();
        let (steps, levels, max_spikes) = match neuron {
            NeuronKind::Unit => {
                let steps = options.steps.unwrap_or(USUAL_STEPS);
                (steps, steps, 1)
            }
            NeuronKind::Settle => {
                let levels = options.levels.unwrap_or(USUAL_LEVELS);
                (1, levels, options.max_spikes.unwrap_or(levels.clamp(1, largest)))
            }
            NeuronKind::Multi | NeuronKind::Signed => {
                let steps = options.steps.unwrap_or(USUAL_FEW_STEPS);
                let wanted = options.levels.unwrap_or(USUAL_LEVELS);
                let enough = wanted.div_ceil(steps.max(1)).clamp(1, largest);
                let max_spikes = options.max_spikes.unwrap_or(enough);
                (steps, options.levels.unwrap_or(steps.saturating_mul(max_spikes)), max_spikes)
            }
        };
        let short = options.steps.is_some_and(|steps| steps <= LONGEST_FITTED);
        let usual = neuron == NeuronKind::Unit && short && calibrated && normalise == Normalise::LeastError;
        Self { neuron, normalise, steps, fit: options.fit.unwrap_or(usual), levels, max_spikes }
    }

    /// Whether scales of this net depend on the number of steps.
    pub(crate) fn depends_on_steps(&self, ann: &Ann) -> bool {
        let chosen = |op: &Op| op.is_activation() && self.normalise.needs_samples(op);
        self.fit
            || (self.normalise == Normalise::LeastError && ann.nodes().iter().any(|node| chosen(&node.op)))
    }
}
