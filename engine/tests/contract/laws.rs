//! Every simulator equals the dense reference: State by bits after every step, then spikes, then counts.
//!
//! The number of networks is 2,000, or what `SNN_NETWORKS` says; `SNN_SEED` is the first of them. A failure names its seed,
//! and the smallest network that still fails.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use snn_engine::*;

use crate::case::Built;
use crate::judge::{hold, seeds};
use crate::simulators::{Reference, parting, reference, simulators};

#[test]
fn every_simulator_equals_the_reference_in_state_spikes_and_counts() {
    let (magnitude, taken_back) = (Cell::new(0), Cell::new(0));
    let spikes = hold(seeds(), |case| {
        let mut all = simulators(&case.network);
        let mut spikes = 0;
        for sample in &case.samples {
            let reference = reference(case, sample);
            let total = reference.statistics.total();
            spikes += total.spikes;
            magnitude.set(magnitude.get() + total.magnitude);
            taken_back.set(taken_back.get() + reference.taken_back(&case.network));
            for (name, simulator) in &mut all {
                let parting = parting(case, sample, &reference, simulator.as_mut());
                assert_eq!(parting, None, "{name}");
            }
        }
        spikes
    });
    // Networks in which nothing happens would prove nothing. A single network may be a silent one.
    let networks = seeds().end - seeds().start;
    let (magnitude, taken_back) = (magnitude.get(), taken_back.get());
    assert!(networks < 100 || spikes > 50 * networks, "only {spikes} spikes");
    assert!(networks < 100 || magnitude > spikes + spikes / 4, "{spikes} spikes of magnitude {magnitude}");
    assert!(networks < 100 || taken_back > spikes / 50, "{taken_back} of {spikes} spikes are negative");
}

/// Compares the spikes that a run tells with those of the reference, and counts the lists.
struct Listener<'a>(&'a Reference, u64);

impl Observer for Listener<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        assert!(!spikes.is_empty(), "silence is told of population {population} in step {step}");
        self.1 += 1;
        let expected = self.0.spikes[step as usize].with_values(population);
        assert_eq!(spikes, expected, "population {population}, step {step}");
    }
}

impl Reference {
    /// The number of spikes with negative values.
    fn taken_back(&self, network: &Network) -> u64 {
        let lists = self.spikes.iter().flat_map(|spikes| network.ids().map(|id| spikes.with_values(id)));
        lists.flat_map(SpikeSlice::values).filter(|value| **value < 0).count() as u64
    }

    /// The lists of spikes that a run of some steps tells.
    fn lists(&self, steps: Range<u64>, network: &Network) -> u64 {
        let steps = &self.spikes[steps.start as usize..steps.end as usize];
        let lists = steps.iter().flat_map(|spikes| network.ids().map(|id| spikes.of(id)));
        lists.filter(|list| !list.is_empty()).count() as u64
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_run_in_pieces_of_any_length_and_a_state_moved_to_another_simulator_go_on_with_equal_bits() {
    hold(seeds().step_by(2), |case| {
        let Some(sample) = case.samples.first() else { return 0 };
        let reference = reference(case, sample);
        let mut all = simulators(&case.network);
        let count = all.len();
        let mut step = 0;
        // Each piece is run by every simulator, then all take over the state of the next one in turn.
        for piece in 1.. {
            let length = case.seed.wrapping_mul(0x9E37_79B9).wrapping_add(piece * 7) % 300;
            let end = (step + length).min(case.steps);
            for (name, simulator) in &mut all {
                if step == 0 {
                    simulator.start(&sample.drive);
                }
                let mut listener = Listener(&reference, 0);
                simulator.run(sample, end - step, &mut listener).unwrap();
                assert_eq!(listener.1, reference.lists(step..end, &case.network), "{name}");
                let difference = reference.states[end as usize].first_difference(&simulator.state());
                assert_eq!(difference, None, "{name}, after {end} steps");
            }
            step = end;
            let states: Vec<State> = all.iter().map(|(_, simulator)| simulator.state()).collect();
            for (place, (_, simulator)) in all.iter_mut().enumerate() {
                simulator.restore(&states[(place + 1) % count]).unwrap();
            }
            if step == case.steps {
                break;
            }
        }
        for (name, simulator) in &all {
            assert_eq!(*simulator.statistics(), reference.statistics, "{name}");
            for id in case.network.ids() {
                let expected = reference.states[step as usize].potentials(&case.network, id, &sample.drive);
                assert_eq!(bits(&simulator.potentials(id)), bits(&expected), "{name}, population {id}");
            }
        }
        1
    });
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_or_on_the_batch() {
    hold(seeds().step_by(20), |case| {
        let copies = 3 * case.samples.len();
        let run = |threads, samples: Range<usize>| {
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
            assert!(run(threads, 0..copies) == one, "{threads} threads");
        }
        if copies > 0 {
            assert!(run(2, 1..copies)[..] == one[1..], "without the first sample");
        }
        1
    });
}

/// The spikes of a run.
#[derive(Default, PartialEq)]
struct Told(Vec<(PopulationId, u64, SpikeList)>);

impl Observer for Told {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        self.0.push((population, step, spikes.into()));
    }
}

impl Told {
    /// Simulators that run population by population tell them in another order.
    fn sorted(mut self) -> Self {
        self.0.sort();
        self
    }
}

/// How one sample ends when it is run alone, and where it stands a step later.
struct Alone {
    state: State,
    statistics: Statistics,
    potentials: Vec<f32>,
    told: Told,
    next: State,
}

fn alone(case: &Built, sample: &Sample, steps: u64) -> Alone {
    let mut event = EventSimulator::new(Arc::clone(&case.network));
    event.start(&sample.drive);
    let mut told = Told::default();
    event.run(sample, steps, &mut told).unwrap();
    let (state, statistics) = (event.state(), event.statistics().clone());
    let potentials = event.potentials(case.network.output());
    event.run(sample, 1, &mut ()).unwrap();
    Alone { state, statistics, potentials, told: told.sorted(), next: event.state() }
}

#[test]
fn samples_side_by_side_end_as_they_do_one_after_the_other() {
    let several = hold(seeds().step_by(4), |case| {
        if case.samples.is_empty() {
            return 0;
        }
        let steps = [1, 5, 16, 60][case.seed as usize / 4 % 4].min(case.steps);
        let alone: Vec<_> = case.samples.iter().map(|sample| alone(case, sample, steps)).collect();
        let mut several = 0;
        for delivery in Delivery::ALL.into_iter().map(Some).chain([None]) {
            let mut windows =
                WindowSimulator::with_kernels(Arc::clone(&case.network), kernel::best(), delivery);
            let room = windows.side_by_side(steps).min(9);
            several += u64::from(room > 1);
            for first in 0..2 {
                let which: Vec<usize> = (0..room).map(|at| (first + at) % case.samples.len()).collect();
                let samples: Vec<Sample> = which.iter().map(|&at| case.samples[at].clone()).collect();
                let mut told: Vec<Told> = samples.iter().map(|_| Told::default()).collect();
                let mut observers: Vec<&mut dyn Observer> =
                    told.iter_mut().map(|told| told as &mut dyn Observer).collect();
                windows.run_side_by_side(&samples, steps, &mut observers).unwrap();
                for (at, (sample, told)) in which.iter().zip(told).enumerate() {
                    let what = format!("{delivery:?}, {at} of {room} samples, {steps} steps");
                    let alone = &alone[*sample];
                    assert_eq!(alone.state.first_difference(&windows.state_of(at)), None, "{what}");
                    assert_eq!(*windows.statistics_of(at), alone.statistics, "{what}");
                    let potentials = windows.potentials_of(at, case.network.output());
                    assert_eq!(bits(&potentials), bits(&alone.potentials), "{what}");
                    assert!(told.sorted() == alone.told, "{what}: other spikes");
                }
                // By itself it goes on with the first.
                windows.run(&samples[0], 1, &mut ()).unwrap();
                let difference = alone[which[0]].next.first_difference(&windows.state());
                assert_eq!(difference, None, "{delivery:?}, a step after {steps}");
            }
        }
        several
    });
    assert!(several >= seeds().count() as u64 / 20, "{several} runs with several samples side by side");
}

#[test]
fn results_do_not_depend_on_the_threads_that_one_sample_is_spread_over() {
    let (stepped, pieces) = (Cell::new(0), Cell::new(0));
    hold(seeds().step_by(4), |case| {
        match case.network.steps_at_once().map(u64::from) {
            Some(1) => stepped.set(stepped.get() + 1),
            // Several pieces of several steps.
            Some(span) => pieces.set(pieces.get() + u64::from(case.steps > 2 * span)),
            None => {}
        }
        let every: Vec<Option<Delivery>> = Delivery::ALL.into_iter().map(Some).chain([None]).collect();
        // Threads that meet in every step are slow on a machine with other work: one delivery for each such network.
        let deliveries = match case.network.steps_at_once() {
            Some(_) => vec![every[case.seed as usize / 4 % every.len()]],
            None => every,
        };
        let mut all: Vec<(String, WindowSimulator)> = deliveries
            .into_iter()
            .flat_map(|delivery| (1..=3).map(move |threads| (delivery, threads)))
            .map(|(delivery, threads)| {
                let windows =
                    WindowSimulator::with_kernels(Arc::clone(&case.network), kernel::best(), delivery);
                (format!("{delivery:?}, {threads} threads"), windows.with_threads_from(threads, 0.0))
            })
            .collect();
        for sample in &case.samples {
            let reference = reference(case, sample);
            for (name, windows) in &mut all {
                windows.start(&sample.drive);
                let mut listener = Listener(&reference, 0);
                windows.run(sample, case.steps, &mut listener).unwrap();
                let expected = &reference.states[case.steps as usize];
                assert_eq!(expected.first_difference(&windows.state()), None, "{name}");
                assert_eq!(listener.1, reference.lists(0..case.steps, &case.network), "{name}");
                assert_eq!(*windows.statistics(), reference.statistics, "{name}");
            }
        }
        1
    });
    let least = seeds().count() as u64 / 100;
    let (stepped, pieces) = (stepped.get(), pieces.get());
    assert!(
        stepped >= least && pieces >= least,
        "{stepped} networks reach themselves in a step, {pieces} later"
    );
}

#[test]
fn fan_out_lists_exactly_the_synapses_that_weight_defines() {
    hold(seeds().step_by(4), |case| {
        for projection in case.network.projections() {
            let connectivity = projection.connectivity();
            let mut synapses = 0;
            for source in 0..connectivity.sources() {
                let mut listed = vec![];
                connectivity.fan_out(source, |target, weight| listed.push((target, weight)));
                let defined = (0..connectivity.targets())
                    .filter_map(|target| Some((target, connectivity.weight(source, target)?)));
                assert_eq!(listed, defined.collect::<Vec<_>>(), "source {source}");
                assert_eq!(connectivity.synapses_of(source), listed.len() as u64, "source {source}");
                synapses += listed.len() as u64;
            }
            assert_eq!(connectivity.synapses(), synapses);
        }
        1
    });
}

#[test]
fn the_constant_current_of_a_neuron_is_the_sum_of_weight_times_value_over_its_synapses() {
    let driven = hold(seeds().step_by(4), |case| {
        let mut driven = 0;
        for source in case.network.sources() {
            let x: Vec<f32> =
                (0..case.network.population(source).size()).map(|j| (j as f32 * 0.37).sin()).collect();
            let Ok(drive) = Drive::constant(&case.network, source, &x) else { continue };
            for id in case.network.ids() {
                let mut products = 0;
                let incoming: Vec<_> = case.network.incoming(id).filter(|p| p.source() == source).collect();
                let Some(currents) = drive.of(id) else {
                    assert!(incoming.is_empty(), "population {id} has no current");
                    assert_eq!(drive.operations(id), 0, "population {id}");
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
                    assert_eq!(sum.to_bits(), current.to_bits(), "neuron {target} of population {id}");
                }
                assert_eq!(products, drive.operations(id), "population {id}");
            }
            driven += 1;
        }
        driven
    });
    assert!(driven >= seeds().count() as u64 / 20, "only {driven} sources take constant currents");
}
