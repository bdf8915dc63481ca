//! Networks that are driven from outside: currents and spikes with values, given to any population in any step.

use std::cell::Cell;
use std::sync::Arc;

use snn_engine::*;

use crate::judge::{hold_driven, seeds};
use crate::simulators::{parting_given, reference_given, simulators};

#[test]
fn every_simulator_that_is_driven_from_outside_equals_the_reference_in_state_spikes_and_counts() {
    let given = Cell::new([0; 3]);
    hold_driven(seeds().step_by(2), |case| {
        let mut all = simulators(&case.network);
        for (at, sample) in case.samples.iter().enumerate() {
            let reference = reference_given(case, sample, |step, stimulus| {
                case.give(at, step, stimulus);
                let [mut currents, mut spikes, mut negative] = given.get();
                for id in case.network.ids() {
                    currents += stimulus.currents(id).len();
                    if !matches!(case.network.population(id).neuron(), Neuron::Source) {
                        spikes += stimulus.spikes(id).len();
                        negative += stimulus.spikes(id).values().iter().filter(|value| **value < 0).count();
                    }
                }
                given.set([currents, spikes, negative]);
            });
            for (name, simulator) in &mut all {
                let give = |step, stimulus: &mut Stimulus| case.give(at, step, stimulus);
                let parting = parting_given(case, sample, &reference, simulator.as_mut(), give);
                assert_eq!(parting, None, "{name}");
            }
        }
        1
    });
    let networks = seeds().count();
    let [currents, spikes, negative] = given.get();
    assert!(networks < 100 || currents.min(spikes) > 50 * networks, "{currents} currents, {spikes} spikes");
    assert!(networks < 100 || negative > networks, "{negative} negative spikes");
}

#[test]
fn single_driven_steps_between_runs_of_any_length_are_one_long_run_whichever_simulator_takes_over() {
    hold_driven(seeds().step_by(4), |case| {
        let Some(sample) = case.samples.first() else { return 0 };
        // A network that is driven in most of its steps is left alone in all but some of these.
        let sparse = case.seed % 8 < 4;
        let chosen = |step: u64| (case.seed ^ step).wrapping_mul(0x9E37_79B9) >> 7;
        let driven =
            |step: u64| case.outside[0].contains_key(&step) && (!sparse || chosen(step).is_multiple_of(5));
        let give = |step: u64, stimulus: &mut Stimulus| {
            if driven(step) {
                case.give(0, step, stimulus);
            } else {
                stimulus.clear();
                sample.give(&case.network, step as usize, stimulus).unwrap();
            }
        };
        let reference = reference_given(case, sample, give);
        let mut all = simulators(&case.network);
        all.iter_mut().for_each(|(_, simulator)| simulator.start(&sample.drive));
        let mut stimulus = Stimulus::none();
        let mut step = 0;
        while step < case.steps {
            let end = if driven(step) {
                step + 1
            } else {
                (step..case.steps).find(|&step| driven(step)).unwrap_or(case.steps)
            };
            for (name, simulator) in &mut all {
                if driven(step) {
                    give(step, &mut stimulus);
                    let spikes = simulator.step(&stimulus);
                    assert_eq!(*spikes, reference.spikes[step as usize], "{name}, step {step}");
                } else {
                    simulator.run(sample, end - step, &mut ()).unwrap();
                }
                let difference = reference.states[end as usize].first_difference(&simulator.state());
                assert_eq!(difference, None, "{name}, after {end} steps");
            }
            let states: Vec<State> = all.iter().map(|(_, simulator)| simulator.state()).collect();
            for (place, (_, simulator)) in all.iter_mut().enumerate() {
                simulator.restore(&states[(place + 1) % states.len()]).unwrap();
            }
            step = end;
        }
        for (name, simulator) in &mut all {
            assert_eq!(*simulator.statistics(), reference.statistics, "{name}");
            let last = &reference.states[case.steps as usize];
            for id in case.network.ids() {
                let expected = last.potentials(&case.network, id, &sample.drive);
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(simulator.potentials(id)), bits(&expected), "{name}, population {id}");
            }
        }
        1
    });
}

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).unwrap()
}

/// Two neurons of threshold 1 and two behind them, which receive their spikes over a weight of 0.5 after a step.
fn pair() -> (Arc<Network>, [PopulationId; 2]) {
    let mut builder = NetworkBuilder::new();
    let neuron = Neuron::of(Bipolar {
        threshold: same(1.0),
        bias: same(0.0),
        start: same(0.0),
        most: same(3.0),
        low: same(-9.0),
        high: same(9.0),
        sign: Sign::Signed,
        arrives: BiasArrives::EveryStep,
    });
    let first = builder.population("first", Layout::Flat(2), neuron.clone());
    let behind = builder.population("behind", Layout::Flat(2), neuron);
    builder.projection(first, behind, 1, Connectivity::OneToOne(OneToOne::new(2, same(0.5)).unwrap()));
    (Arc::new(builder.build().unwrap()), [first, behind])
}

#[test]
fn a_given_spike_is_emitted_in_place_of_the_neurons_own_and_leaves_its_neuron_alone() {
    let (network, [first, behind]) = pair();
    for (name, simulator) in &mut simulators(&network) {
        let mut stimulus = Stimulus::none();
        // Neuron 0 would fire with 2; it is told to emit −3. Neuron 1 is told to emit 1.
        stimulus.set_currents(&network, first, &[2.25, 0.5]).unwrap();
        let given = SpikeSlice::new(&[0, 1], &[-3, 1]).unwrap();
        stimulus.set_spikes(&network, first, given).unwrap();
        assert_eq!(simulator.step(&stimulus).with_values(first), given, "{name}");
        // It has been reset by its own 2, and counts them; neuron 1 was not reset.
        assert_eq!(simulator.potentials(first), [0.25, 0.5], "{name}");
        assert_eq!(simulator.state().populations[first.index()].counts, [vec![2, 0]], "{name}");
        let statistics = *simulator.statistics().of(first);
        assert_eq!((statistics.spikes, statistics.magnitude, statistics.updates), (2, 4, 2), "{name}");
        assert_eq!(simulator.state().populations[first.index()].under_way[0].as_slice(), given, "{name}");
        // −3 · 0.5 falls below 0 by two thresholds.
        stimulus.clear();
        let spikes = simulator.step(&stimulus);
        assert_eq!(spikes.with_values(behind), SpikeSlice::new(&[0], &[-2]).unwrap(), "{name}");
        assert_eq!(simulator.potentials(behind), [0.5, 0.5], "{name}");
    }
}

#[test]
fn a_given_current_stands_before_those_of_spikes_and_behind_what_arrives_once() {
    // 2^24 + 1 is 2^24 in f32, so the order of three summands shows.
    let large = 16_777_216.0;
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(1), Neuron::Source);
    let out = builder.population("out", Layout::Flat(1), Neuron::of(Accumulator { bias: same(1.0) }));
    let weight = OneToOne::new(1, same(-large)).unwrap();
    builder.projection(input, out, 0, Connectivity::OneToOne(weight));
    let network = Arc::new(builder.build().unwrap());
    let drive = Drive::constant(&network, input, &[0.0]).unwrap().once();
    for (name, simulator) in &mut simulators(&network) {
        for (given, expected) in [(large, 0.0), (1.0, 2.0 - large), (-1.0, -large)] {
            simulator.start(&drive);
            let mut stimulus = Stimulus::new(&network, &[(input, &[0])]).unwrap();
            stimulus.set_currents(&network, out, &[given]).unwrap();
            simulator.step(&stimulus);
            assert_eq!(simulator.potentials(out), [expected], "{name}, {given}");
            // What cancels to 0 has arrived all the same.
            assert_eq!(simulator.statistics().of(out).updates, 1, "{name}, {given}");
        }
    }
}

#[test]
fn what_no_population_can_be_given_is_refused_by_name_and_changes_nothing() {
    let mut builder = NetworkBuilder::new();
    let input = builder.population("input", Layout::Flat(3), Neuron::Source);
    let unit =
        IntegrateFire { threshold: same(1.0), bias: same(0.0), start: same(0.0), reset: Reset::Subtract };
    let layer = builder.population("layer", Layout::Flat(3), Neuron::of(unit));
    let out = builder.population("out", Layout::Flat(3), Neuron::of(Accumulator { bias: same(0.0) }));
    let network = builder.build().unwrap();
    let (_, [_, elsewhere]) = pair();
    let mut stimulus = Stimulus::none();
    stimulus.set_spikes(&network, layer, SpikeSlice::unit(&[1])).unwrap();
    stimulus.set_currents(&network, layer, &[0.0, 0.5, -0.0]).unwrap();
    let value = |values: &'static [i32]| SpikeSlice::new(&[0], values).unwrap();
    let beyond = network.ids().last().unwrap();
    let mut refused = vec![
        (stimulus.set_spikes(&network, out, SpikeSlice::unit(&[0])), "never fire"),
        (stimulus.set_spikes(&network, layer, value(&[2])), "value 2; allowed are 1 to 1"),
        (stimulus.set_spikes(&network, layer, value(&[-1])), "value -1; allowed are 1 to 1"),
        (
            stimulus.set_spikes(&network, layer, SpikeSlice::unit(&[3])),
            "neuron 3; allowed are neurons below 3",
        ),
        (stimulus.set_spikes(&network, layer, SpikeSlice::unit(&[1, 1])), "allowed is ascending"),
        (stimulus.set_currents(&network, input, &[1.0; 3]), "`input` drive neurons without potentials"),
        (stimulus.set_currents(&network, layer, &[1.0; 2]), "are 2; allowed are 3"),
        (stimulus.set_currents(&network, layer, &[0.0, f32::NAN, 0.0]), "current of neuron 1"),
        (stimulus.set_currents_of(&network, layer, &[2], &[f32::INFINITY]), "current of neuron 2"),
        (stimulus.set_currents_of(&network, layer, &[2], &[2e19]), "at most 2^64"),
        (stimulus.set_currents_of(&network, layer, &[2, 1], &[1.0; 2]), "allowed is ascending"),
        (stimulus.set_currents_of(&network, layer, &[2], &[]), "0 for 1 neurons"),
    ];
    let small = {
        let mut builder = NetworkBuilder::new();
        builder.population("only", Layout::Flat(1), Neuron::Source);
        builder.build().unwrap()
    };
    refused.push((stimulus.set_spikes(&small, elsewhere, SpikeSlice::default()), "does not exist"));
    refused.push((stimulus.set_currents(&small, beyond, &[]), "does not exist"));
    for (result, expected) in refused {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}, which does not say `{expected}`");
    }
    assert_eq!(stimulus.spikes(layer).neurons(), [1]);
    assert_eq!(stimulus.currents(layer).collect::<Vec<_>>(), [(1, 0.5)]);
    assert!(network.ids().all(|id| id == layer || stimulus.spikes(id).is_empty()));
}
