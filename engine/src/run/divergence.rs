use std::sync::Arc;

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
    fn between(one: &dyn Simulator, other: &dyn Simulator) -> Option<Self> {
        let (state, others) = (one.state(), other.state());
        let difference = state.first_difference(&others)?;
        let population = difference.population;
        let in_potential = difference.neuron.filter(|_| difference.quantity == "potential");
        let potentials = in_potential
            .map(|neuron| [one.potentials(population)[neuron], other.potentials(population)[neuron]]);
        Some(Self { step: state.step.saturating_sub(1), difference, potentials })
    }
}

/// Runs two simulators side by side over one sample and compares their states by bits after every step.
///
/// # Errors
/// If the sample does not fit the network.
pub fn first_divergence(
    one: &mut dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    steps: u64,
) -> Result<Option<Divergence>, NetworkError> {
    let network = Arc::clone(one.network());
    one.start(&sample.drive);
    other.start(&sample.drive);
    for step in 0..steps {
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
    done: &dyn Simulator,
    other: &mut dyn Simulator,
    sample: &Sample,
    steps: u64,
) -> Result<Option<Divergence>, NetworkError> {
    other.start(&sample.drive);
    other.run(sample, steps, &mut ())?;
    Ok(Divergence::between(done, other))
}
