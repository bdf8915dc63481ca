//! Whom the laws are held against, and the reference that they must equal.

use std::sync::Arc;

use snn_engine::*;

use crate::case::Built;

/// Every simulator that there is, with every kernel that this machine can run.
pub fn simulators(network: &Arc<Network>) -> Vec<(String, Box<dyn Simulator>)> {
    let mut all: Vec<(String, Box<dyn Simulator>)> =
        vec![("dense".into(), Box::new(DenseSimulator::new(Arc::clone(network))))];
    for kernels in kernel::available() {
        let event = EventSimulator::with_kernels(Arc::clone(network), kernels);
        all.push((format!("event/{}", kernels.name), Box::new(event)));
        for delivery in Delivery::ALL {
            let windows = WindowSimulator::with_kernels(Arc::clone(network), kernels, Some(delivery));
            all.push((format!("window/{}/{delivery:?}", kernels.name), Box::new(windows)));
        }
    }
    all.push(("window".into(), Box::new(WindowSimulator::new(Arc::clone(network)))));
    all
}

/// What the reference does: the state before and after every step, the spikes of every step, and the counts.
pub struct Reference {
    pub states: Vec<State>,
    pub spikes: Vec<Spikes>,
    pub statistics: Statistics,
}

pub fn reference(case: &Built, sample: &Sample) -> Reference {
    reference_given(case, sample, |step, stimulus| {
        sample.give(&case.network, step as usize, stimulus).unwrap();
    })
}

/// The same with what `give` gives in every step, from outside.
pub fn reference_given(case: &Built, sample: &Sample, mut give: impl FnMut(u64, &mut Stimulus)) -> Reference {
    let mut dense = DenseSimulator::new(Arc::clone(&case.network));
    dense.start(&sample.drive);
    let (mut states, mut spikes) = (vec![dense.state()], vec![]);
    let mut stimulus = Stimulus::none();
    for step in 0..case.steps {
        give(step, &mut stimulus);
        spikes.push(dense.step(&stimulus).clone());
        states.push(dense.state());
    }
    Reference { states, spikes, statistics: dense.statistics().clone() }
}

/// Where a simulator first parts from the reference, if it does.
pub fn parting(
    case: &Built,
    sample: &Sample,
    reference: &Reference,
    simulator: &mut dyn Simulator,
) -> Option<String> {
    parting_given(case, sample, reference, simulator, |step, stimulus| {
        sample.give(&case.network, step as usize, stimulus).unwrap();
    })
}

/// The same with what `give` gives in every step, from outside.
pub fn parting_given(
    case: &Built,
    sample: &Sample,
    reference: &Reference,
    simulator: &mut dyn Simulator,
    mut give: impl FnMut(u64, &mut Stimulus),
) -> Option<String> {
    simulator.start(&sample.drive);
    let mut stimulus = Stimulus::none();
    for step in 0..=case.steps as usize {
        let state = simulator.state();
        if state != reference.states[step] {
            let difference = reference.states[step].first_difference(&state);
            return Some(format!("after {step} steps: {difference:?}"));
        }
        if step < reference.spikes.len() {
            give(step as u64, &mut stimulus);
            let spikes = simulator.step(&stimulus);
            if *spikes != reference.spikes[step] {
                return Some(format!("step {step}: {spikes:?} for {:?}", reference.spikes[step]));
            }
        }
    }
    (simulator.statistics() != &reference.statistics)
        .then(|| format!("{:?} for {:?}", simulator.statistics(), reference.statistics))
}
