//! What is done where the user says nothing. Every front end asks here, so that the same net, samples and options make the
//! same network everywhere.

use crate::ann::{Ann, Op};
use crate::convert::Options;
use crate::normalise::Normalise;

/// The longest runs that networks are fitted to if nothing is said. In longer ones spikes arrive evenly enough: the
/// scales alone are as accurate (benches/record/accuracy-2026-11-23.md).
pub const LONGEST_FITTED: u32 = 64;

/// The steps that scales are chosen for if no run length is given: they suit runs of any length.
pub const USUAL_STEPS: u32 = 32;

/// How a net is converted, nothing left open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// How scales are chosen.
    pub normalise: Normalise,
    /// The number of steps that they are chosen for.
    pub steps: u32,
    /// Whether scales, starts and biases are then fitted to runs of so many steps.
    pub fit: bool,
}

impl Recipe {
    /// What the options say, and where they say nothing: least squared error; scales for 32 steps; fitted if a run length of
    /// at most [`LONGEST_FITTED`] steps is given, there are samples and scales are those of least error.
    #[must_use]
    pub fn of(options: &Options, calibrated: bool) -> Self {
        let normalise = options.normalise.unwrap_or_default();
        let short = options.steps.is_some_and(|steps| steps <= LONGEST_FITTED);
        let usual = short && calibrated && normalise == Normalise::LeastError;
        Self { normalise, steps: options.steps.unwrap_or(USUAL_STEPS), fit: options.fit.unwrap_or(usual) }
    }

    /// Whether scales of this net depend on the number of steps.
    pub(crate) fn depends_on_steps(&self, ann: &Ann) -> bool {
        let chosen = |op: &Op| op.is_activation() && self.normalise.needs_samples(op);
        self.fit
            || (self.normalise == Normalise::LeastError && ann.nodes().iter().any(|node| chosen(&node.op)))
    }
}
