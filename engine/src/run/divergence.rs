use std::sync::Arc;

use super::until::Until;
use crate::error::NetworkError;
use crate::input::Sample;
use crate::simulator::Simulator;
use crate::state::Difference;

/// Where two simulators of one network diverge.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The step after which their states differ for the first time.
    pub step: u64,
    /// What differs.
    pub difference: Difference,
    /// The potentials `v` of the neuron in either simulator, if the difference is in one.
    pub potentials: Option<[f32; 2]>,
}

impl Divergence {
    /// The first place where two simulators differ after the same number of steps.
    fn between(one: &mut dyn Simulator, other: &mut dyn Simulator) -> Option<Self> {
        let (state, others) = (one.state(), other.state());
        let difference = state.first_difference(&others)?;
        let population = difference.population;
        let in_potential = difference.neuron.filter(|_| difference.quantity == "potential");
        let potentials = in_potential
            .map(|neuron| [one.potentials(population)[neuron], other.potentials(population)[neuron]]);
        Some(Self { step: state.step.saturating_sub(1), difference, potentials })
    }
}

/// Runs two simulators side by side over one sample and compares their states by bits after every step, and, until they
/// are quiet, whether both are.
///
/// # Errors
/// If the sample does not fit the network.
pub fn first_divergence(
    one: &mut dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    until: impl Into<Until>,
) -> Result<Option<Divergence>, NetworkError> {
    let until = until.into();
    let network = Arc::clone(one.network());
    one.start(&sample.drive);
    other.start(&sample.drive);
    for step in 0..u64::from(until.most()) {
        if let Until::Quiet { .. } = until {
            let quiet = [one.is_quiet(), other.is_quiet()];
            if quiet[0] != quiet[1] {
                let (population, values) = (network.output(), quiet.map(|quiet| quiet.to_string()));
                let difference = Difference { population, neuron: None, quantity: "quiet", values };
                return Ok(Some(Divergence { step: step.saturating_sub(1), difference, potentials: None }));
            }
            if quiet[0] && step >= sample.silent_from() {
                return Ok(None);
            }
        }
        let stimulus = sample.stimulus(&network, usize::try_from(step).unwrap_or(usize::MAX - 2))?;
        one.step(&stimulus);
        other.step(&stimulus);
        if let Some(divergence) = Divergence::between(one, other) {
            return Ok(Some(divergence));
        }
    }
    Ok(None)
}

/// Runs a simulator over a whole sample in one go and compares its state by bits with that of another, which
/// has done so already.
///
/// # Errors
/// If the sample does not fit the network.
pub fn divergence_at_end(
    done: &mut dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    until: impl Into<Until>,
) -> Result<Option<Divergence>, NetworkError> {
    other.start(&sample.drive);
    match until.into() {
        Until::Steps(steps) => other.run(sample, u64::from(steps), &mut ())?,
        Until::Quiet { limit } => {
            let quiet = other.run_until_quiet(sample, u64::from(limit), &mut ())?.is_some();
            if (quiet, other.now()) != (done.is_quiet(), done.now()) {
                let population = done.network().output();
                let steps =
                    |now: u64, quiet| if quiet { format!("after {now} steps") } else { "never".to_owned() };
                let values = [steps(done.now(), done.is_quiet()), steps(other.now(), quiet)];
                let difference = Difference { population, neuron: None, quantity: "quiet", values };
                return Ok(Some(Divergence { step: done.now(), difference, potentials: None }));
            }
        }
    }
    Ok(Divergence::between(done, other))
}
