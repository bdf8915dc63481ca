//! Every simulator equals the dense reference: State by bits after every step, then spikes, then counts.
//!
//! The number of networks is 2,000, or what `SNN_NETWORKS` says; `SNN_SEED` is the first of them. A failure
//! names its seed.

use std::sync::Arc;

use snn_engine::*;

use crate::random::{self, Case};

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

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; allowed is a number")),
        Err(_) => default,
    }
}

/// The seeds of this test run.
pub fn seeds() -> std::ops::Range<u64> {
    let first = setting("SNN_SEED", 0);
    first..first + setting("SNN_NETWORKS", 2_000)
}

/// What the reference does: the state before and after every step, the spikes of every step, and the counts.
pub struct Reference {
    pub states: Vec<State>,
    pub spikes: Vec<Spikes>,
    pub statistics: Statistics,
}

pub fn reference(case: &Case, sample: &Sample) -> Reference {
    let mut dense = DenseSimulator::new(Arc::clone(&case.network));
    dense.start(&sample.drive);
    let (mut states, mut spikes) = (vec![dense.state()], vec![]);
    for step in 0..case.steps {
        spikes.push(dense.step(&sample.stimulus(&case.network, step as usize).unwrap()).clone());
        states.push(dense.state());
    }
    Reference { states, spikes, statistics: dense.statistics().clone() }
}

/// Where a simulator first parts from the reference, if it does.
pub fn parting(
    case: &Case,
    sample: &Sample,
    reference: &Reference,
    simulator: &mut dyn Simulator,
) -> Option<String> {
    simulator.start(&sample.drive);
    for step in 0..=case.steps as usize {
        let state = simulator.state();
        if state != reference.states[step] {
            let difference = reference.states[step].first_difference(&state);
            return Some(format!("seed {}, after {step} steps: {difference:?}", case.seed));
        }
        if step < reference.spikes.len() {
            let spikes = simulator.step(&sample.stimulus(&case.network, step).unwrap());
            if *spikes != reference.spikes[step] {
                return Some(format!(
                    "seed {}, step {step}: {spikes:?} for {:?}",
                    case.seed, reference.spikes[step]
                ));
            }
        }
    }
    (simulator.statistics() != &reference.statistics)
        .then(|| format!("seed {}: {:?} for {:?}", case.seed, simulator.statistics(), reference.statistics))
}

#[test]
fn every_simulator_equals_the_reference_in_state_spikes_and_counts() {
    let mut spikes = 0;
    for seed in seeds() {
        let case = random::case(seed);
        let mut all = simulators(&case.network);
        for sample in &case.samples {
            let reference = reference(&case, sample);
            spikes += reference.statistics.total().spikes;
            for (name, simulator) in &mut all {
                if let Some(parting) = parting(&case, sample, &reference, simulator.as_mut()) {
                    panic!("{name}: {parting}");
                }
            }
        }
    }
    // Networks in which nothing happens would prove nothing.
    // A single network may be a silent one.
    let networks = seeds().end - seeds().start;
    assert!(networks < 100 || spikes > 50 * networks, "only {spikes} spikes");
}

/// Notes the spikes of a run as flags.
struct Notes(Vec<Spikes>, u64);

impl Observer for Notes {
    fn spikes(&mut self, population: PopulationId, step: u64, neurons: &[u32]) {
        assert!(!neurons.is_empty(), "silence is not told");
        self.1 += 1;
        let told = self.0[step as usize].of(population);
        assert_eq!(told, neurons, "population {population}, step {step}");
    }
}

#[test]
fn a_run_in_pieces_of_any_length_and_a_state_moved_to_another_simulator_go_on_with_equal_bits() {
    for seed in seeds().step_by(2) {
        let case = random::case(seed);
        let sample = &case.samples[0];
        let reference = reference(&case, sample);
        let mut all = simulators(&case.network);
        let count = all.len();
        let mut step = 0;
        // Each piece is run by every simulator, then all take over the state of the next one in turn.
        for piece in 1.. {
            let steps = (seed.wrapping_mul(0x9E37_79B9).wrapping_add(piece * 7) % 300).min(case.steps - step);
            for (name, simulator) in &mut all {
                if step == 0 {
                    simulator.start(&sample.drive);
                }
                let mut notes = Notes(reference.spikes.clone(), 0);
                simulator.run(sample, steps, &mut notes).unwrap();
                let told = &reference.spikes[step as usize..(step + steps) as usize];
                let lists = told.iter().flat_map(|spikes| case.network.ids().map(|id| spikes.of(id)));
                assert_eq!(
                    notes.1,
                    lists.filter(|list| !list.is_empty()).count() as u64,
                    "{name}, seed {seed}"
                );
                let difference =
                    reference.states[(step + steps) as usize].first_difference(&simulator.state());
                assert_eq!(difference, None, "{name}, seed {seed}, after {} steps", step + steps);
            }
            step += steps;
            let states: Vec<State> = all.iter().map(|(_, simulator)| simulator.state()).collect();
            for (place, (_, simulator)) in all.iter_mut().enumerate() {
                simulator.restore(&states[(place + 1) % count]).unwrap();
            }
            if step == case.steps {
                break;
            }
        }
        for (name, simulator) in &all {
            assert_eq!(*simulator.statistics(), reference.statistics, "{name}, seed {seed}");
            for id in case.network.ids() {
                let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                let expected = reference.states[step as usize].potentials(&case.network, id, &sample.drive);
                assert_eq!(bits(simulator.potentials(id)), bits(expected), "{name}, seed {seed}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_or_on_the_batch() {
    for seed in seeds().step_by(20) {
        let case = random::case(seed);
        let copies = 3 * case.samples.len();
        let run = |threads, samples: std::ops::Range<usize>| {
            let simulator = EventSimulator::new(Arc::clone(&case.network));
            run_samples(samples, threads, &simulator, |simulator, sample| {
                let sample = &case.samples[sample % case.samples.len()];
                simulator.start(&sample.drive);
                simulator.run(sample, case.steps, &mut ())?;
                Ok::<_, NetworkError>((simulator.state(), simulator.statistics().clone()))
            })
            .unwrap()
        };
        let one = run(1, 0..copies);
        for threads in [2, 3] {
            assert!(run(threads, 0..copies) == one, "seed {seed}, {threads} threads");
        }
        assert!(run(2, 1..copies)[..] == one[1..], "seed {seed}, without the first sample");
    }
}

/// The spikes of a run in order of populations and steps.
#[derive(Default, PartialEq)]
struct Spoken(Vec<(PopulationId, u64, Vec<u32>)>);

impl Observer for Spoken {
    fn spikes(&mut self, population: PopulationId, step: u64, neurons: &[u32]) {
        self.0.push((population, step, neurons.to_vec()));
    }
}

#[test]
fn samples_side_by_side_end_as_they_do_one_after_the_other() {
    let mut several = 0;
    for seed in seeds().step_by(4) {
        let case = random::case(seed);
        let steps = [1, 5, 16, 60][seed as usize / 4 % 4].min(case.steps);
        // One by one, and one step more.
        let alone: Vec<_> = case
            .samples
            .iter()
            .map(|sample| {
                let mut event = EventSimulator::new(Arc::clone(&case.network));
                event.start(&sample.drive);
                let mut told = Spoken::default();
                event.run(sample, steps, &mut told).unwrap();
                told.0.sort();
                let end = (
                    event.state(),
                    event.statistics().clone(),
                    event.potentials(case.network.output()),
                    told,
                );
                event.run(sample, 1, &mut ()).unwrap();
                (end, event.state())
            })
            .collect();
        for delivery in Delivery::ALL.into_iter().map(Some).chain([None]) {
            let mut windows =
                WindowSimulator::with_kernels(Arc::clone(&case.network), kernel::best(), delivery);
            let room = windows.side_by_side(steps).min(9);
            several += usize::from(room > 1);
            for first in 0..2 {
                let which: Vec<usize> = (0..room).map(|at| (first + at) % case.samples.len()).collect();
                let samples: Vec<Sample> = which.iter().map(|&at| case.samples[at].clone()).collect();
                let mut told: Vec<Spoken> = samples.iter().map(|_| Spoken::default()).collect();
                let mut observers: Vec<&mut dyn Observer> =
                    told.iter_mut().map(|told| told as &mut dyn Observer).collect();
                windows.run_side_by_side(&samples, steps, &mut observers).unwrap();
                for (at, (sample, mut told)) in which.iter().zip(told).enumerate() {
                    let what = format!("seed {seed}, {delivery:?}, {at} of {room} samples, {steps} steps");
                    told.0.sort();
                    let (state, statistics, potentials, spikes) = &alone[*sample].0;
                    assert_eq!(state.first_difference(&windows.state_of(at)), None, "{what}");
                    assert_eq!(windows.statistics_of(at), statistics, "{what}");
                    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    let found = windows.potentials_of(at, case.network.output());
                    assert_eq!(bits(&found), bits(potentials), "{what}");
                    assert!(told == *spikes, "{what}: other spikes");
                }
                // Alone it goes on with the first.
                windows.run(&samples[0], 1, &mut ()).unwrap();
                assert_eq!(
                    alone[which[0]].1.first_difference(&windows.state()),
                    None,
                    "seed {seed}, {delivery:?}"
                );
            }
        }
    }
    assert!(several >= seeds().count() / 20, "{several} runs with several samples side by side");
}

#[test]
fn results_do_not_depend_on_the_threads_that_one_sample_is_spread_over() {
    for seed in seeds().step_by(4) {
        let case = random::case(seed);
        let deliveries = Delivery::ALL.into_iter().map(Some).chain([None]);
        let mut all: Vec<(String, WindowSimulator)> = deliveries
            .flat_map(|delivery| (1..=3).map(move |threads| (delivery, threads)))
            .map(|(delivery, threads)| {
                let windows =
                    WindowSimulator::with_kernels(Arc::clone(&case.network), kernel::best(), delivery);
                (format!("{delivery:?}, {threads} threads"), windows.with_threads_from(threads, 0.0))
            })
            .collect();
        for sample in &case.samples {
            let reference = reference(&case, sample);
            for (name, windows) in &mut all {
                windows.start(&sample.drive);
                let mut notes = Notes(reference.spikes.clone(), 0);
                windows.run(sample, case.steps, &mut notes).unwrap();
                let expected = &reference.states[case.steps as usize];
                assert_eq!(expected.first_difference(&windows.state()), None, "seed {seed}, {name}");
                let lists =
                    reference.spikes.iter().flat_map(|spikes| case.network.ids().map(|id| spikes.of(id)));
                let told = lists.filter(|list| !list.is_empty()).count() as u64;
                assert_eq!(notes.1, told, "seed {seed}, {name}");
                assert_eq!(*windows.statistics(), reference.statistics, "seed {seed}, {name}");
            }
        }
    }
}

#[test]
fn fan_out_lists_exactly_the_synapses_that_weight_defines() {
    for seed in seeds().step_by(4) {
        let case = random::case(seed);
        for projection in case.network.projections() {
            let connectivity = projection.connectivity();
            let mut synapses = 0;
            for source in 0..connectivity.sources() {
                let mut listed = vec![];
                connectivity.fan_out(source, |target, weight| listed.push((target, weight)));
                let defined = (0..connectivity.targets())
                    .filter_map(|target| Some((target, connectivity.weight(source, target)?)));
                assert_eq!(listed, defined.collect::<Vec<_>>(), "seed {seed}, source {source}");
                assert_eq!(
                    connectivity.synapses_of(source),
                    listed.len() as u64,
                    "seed {seed}, source {source}"
                );
                synapses += listed.len() as u64;
            }
            assert_eq!(connectivity.synapses(), synapses, "seed {seed}");
        }
    }
}

#[test]
fn the_constant_current_of_a_neuron_is_the_sum_of_weight_times_value_over_its_synapses() {
    let mut driven = 0;
    for seed in seeds().step_by(4) {
        let case = random::case(seed);
        for source in case.network.sources() {
            let x: Vec<f32> =
                (0..case.network.population(source).size()).map(|j| (j as f32 * 0.37).sin()).collect();
            let Ok(drive) = Drive::constant(&case.network, source, &x) else { continue };
            for id in case.network.ids() {
                let mut products = 0;
                let incoming: Vec<_> = case.network.incoming(id).filter(|p| p.source() == source).collect();
                let Some(currents) = drive.of(id) else {
                    assert!(incoming.is_empty(), "seed {seed}");
                    assert_eq!(drive.operations(id), 0, "seed {seed}");
                    continue;
                };
                for (target, current) in currents.iter().enumerate() {
                    let mut sum = 0.0;
                    for projection in &incoming {
                        for (j, value) in x.iter().enumerate() {
                            if let Some(weight) = projection.connectivity().weight(j, target) {
                                sum += weight * value;
                                products += u64::from(*value != 0.0);
                            }
                        }
                    }
                    assert_eq!(sum.to_bits(), current.to_bits(), "seed {seed}");
                }
                assert_eq!(products, drive.operations(id), "seed {seed}");
            }
            driven += 1;
        }
    }
    assert!(driven >= seeds().count() / 20, "only {driven} sources take constant currents");
}
