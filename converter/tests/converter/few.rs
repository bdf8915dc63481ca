//! Networks of few steps: neurons that count beside the quantised network.

use crate::conversion::{inputs, small_net};
use proptest::prelude::*;
use snn_converter::ann::{Affine, Ann, Linear, Op, Shape};
use snn_converter::forward::{forward, logits};
use snn_converter::settled::{Emitted, Quantised, Rest};
use snn_converter::{Conversion, NeuronKind, Normalise, Options, Readout, Samples, Start, convert};
use snn_engine::{
    AnySimulator, Encoding, EventSimulator, Input, Mode, Observer, Outcome, Simulator, SpikeSlice, Until,
    run_batch,
};
use snn_formats::{Arrives, Basis};
use std::sync::Arc;

fn of(values: &[f32]) -> Samples<'_> {
    Samples { values, labels: None, expected: None }
}

fn settle(levels: u32, max_spikes: Option<u32>) -> Options {
    Options { neuron: Some(NeuronKind::Settle), levels: Some(levels), max_spikes, ..Options::default() }
}

fn counting(neuron: NeuronKind, steps: u32, max_spikes: u32) -> Options {
    let (steps, max_spikes) = (Some(steps), Some(max_spikes));
    Options { neuron: Some(neuron), steps, max_spikes, ..Options::default() }
}

/// Runs samples as the network says that it is made to be run, and keeps all spikes.
fn run(conversion: &Conversion, x: &[f32], mode: Mode) -> Vec<Outcome> {
    let network = Arc::new(conversion.network.clone());
    let made_for = conversion.description.run.unwrap();
    let encoding = match made_for.arrives {
        Arrives::Once => Encoding::Once,
        Arrives::EveryStep => Encoding::Constant,
    };
    let until = match made_for.until_quiet {
        true => Until::Quiet { limit: made_for.steps },
        false => Until::Steps(made_for.steps),
    };
    let input = Input::values(&network, x.to_vec(), encoding).unwrap();
    let simulator = AnySimulator::new(mode, network);
    let all = 0..input.samples();
    run_batch(all, 1, &simulator, &input, until, true, |_| Ok::<_, snn_engine::NetworkError>(())).unwrap()
}

/// The net's outputs as the runs estimate them.
fn outputs(conversion: &Conversion, x: &[f32]) -> Vec<f32> {
    let once = conversion.description.run.unwrap().arrives == Arrives::Once;
    let of = |outcome| conversion.description.outputs(&conversion.network, &outcome, once).unwrap();
    run(conversion, x, Mode::Event).into_iter().flat_map(of).collect()
}

/// The counts of every neuron of a population, in the user's order, sample after sample.
fn counts(conversion: &Conversion, outcomes: &[Outcome], population: &str) -> Vec<i64> {
    let id = conversion.network.find(population).unwrap();
    let size = conversion.network.population(id).size();
    let of_sample = |outcome: &Outcome| {
        let raster = &outcome.spikes.as_ref().unwrap()[id.index()];
        let mut counts = vec![0; size];
        for (place, &neuron) in raster.neurons().iter().enumerate() {
            counts[neuron as usize] += i64::from(raster.values().get(place).copied().unwrap_or(1));
        }
        counts
    };
    outcomes.iter().flat_map(of_sample).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a - b) * (a - b))).sum::<f64>().sqrt()
}

#[test]
fn at_rest_every_neuron_has_the_count_of_the_quantised_network_whatever_the_largest_spike() {
    for seed in 0..6 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 24);
        for (levels, most) in [(1, 1), (4, 1), (8, 3), (16, 16)] {
            let conversion = convert(&ann, Some(&of(&x)), &settle(levels, Some(most))).unwrap();
            let made_for = conversion.description.run.unwrap();
            assert_eq!((made_for.arrives, made_for.basis), (Arrives::Once, Basis::Settled));
            assert_eq!(made_for.until_quiet, most < levels);
            let outcomes = run(&conversion, &x, Mode::Event);
            let rested = |outcome: &Outcome| outcome.quiet_after.is_some() || outcome.statistics.steps == 1;
            assert!(outcomes.iter().all(rested));
            let quantised = conversion.quantised.as_ref().unwrap();
            let nodes: Vec<_> = quantised.layers.iter().map(|layer| layer.counts).collect();
            let mut wanted = vec![Vec::new(); quantised.ann.nodes().len()];
            let results = forward(&quantised.ann, &x, &nodes, |activation| {
                wanted[activation.node.index()].extend(activation.values.iter().map(|&count| count as i64));
            })
            .unwrap();
            for layer in &quantised.layers {
                let name = &quantised.ann.node(layer.counts).name;
                let found = counts(&conversion, &outcomes, name);
                assert_eq!(found, wanted[layer.counts.index()], "seed {seed}, {levels}, {most}: {name}");
                assert!(found.iter().all(|count| (0..=i64::from(levels)).contains(count)));
            }
            assert!(distance(&outputs(&conversion, &x), &results) < 1e-3);
        }
    }
}

#[test]
fn windows_and_the_dense_reference_give_the_same_counts() {
    let ann = small_net(2);
    let x = inputs(5, 72 * 6);
    let ways = [settle(8, None), settle(8, Some(2)), counting(NeuronKind::Signed, 3, 4)];
    for options in ways.iter().chain([&counting(NeuronKind::Multi, 3, 4)]) {
        let conversion = convert(&ann, Some(&of(&x)), options).unwrap();
        let [dense, event, auto] =
            [Mode::Dense, Mode::Event, Mode::Auto].map(|mode| run(&conversion, &x, mode));
        for ((dense, event), auto) in dense.iter().zip(&event).zip(&auto) {
            assert_eq!((&dense.potentials, &dense.spikes), (&event.potentials, &event.spikes));
            assert_eq!((&dense.potentials, &dense.spikes), (&auto.potentials, &auto.spikes));
        }
    }
}

#[test]
fn with_very_many_levels_one_step_gives_the_outputs_of_the_trained_net() {
    for seed in 0..4 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 10);
        let wanted = logits(&ann, &x).unwrap();
        let conversion = convert(&ann, Some(&of(&x)), &settle(4096, None)).unwrap();
        let found = outputs(&conversion, &x);
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 5e-3, "seed {seed}: {found} instead of {wanted}");
        }
    }
}

#[test]
fn where_no_neurons_are_named_those_are_taken_that_lose_less_in_runs_of_the_length() {
    let ann = small_net(5);
    let x = inputs(7, 40 * ann.input_shape().elements());
    let made = |options: &Options| convert(&ann, Some(&of(&x)), options).unwrap();
    for steps in [1, 4, 32] {
        let usual = made(&Options { steps: Some(steps), ..Options::default() });
        let tried = &usual.report.candidates;
        assert_eq!(
            tried.iter().map(|one| one.neuron).collect::<Vec<_>>(),
            [NeuronKind::Unit, NeuronKind::Signed]
        );
        let least = tried.iter().map(|one| one.error).fold(f64::INFINITY, f64::min);
        let chosen = tried.iter().find(|one| one.neuron == usual.report.neuron).unwrap();
        assert!(chosen.error == least, "{steps}: {tried:?}");
        let named = made(&Options { steps: Some(steps), neuron: Some(chosen.neuron), ..Options::default() });
        assert_eq!(outputs(&usual, &x), outputs(&named, &x), "{steps}");
        assert!(named.report.candidates.is_empty());
    }
    // Nothing is measured for runs of any length, for long ones, or where the options leave no choice.
    for options in [
        Options::default(),
        Options { steps: Some(65), ..Options::default() },
        Options { steps: Some(4), readout: Readout::Spikes, ..Options::default() },
        Options { steps: Some(4), start: Some(Start::Half), ..Options::default() },
        Options { steps: Some(4), normalise: Some(Normalise::Max), ..Options::default() },
    ] {
        let usual = made(&options);
        assert!(usual.report.neuron == NeuronKind::Unit && usual.report.candidates.is_empty(), "{options:?}");
    }
    // What does not fit is told of all samples, not of the half that it was found in.
    let options = Options { steps: Some(4), ..Options::default() };
    let labels = [0; 39];
    let misfit = Samples { labels: Some(&labels), ..of(&x) };
    let error = convert(&ann, Some(&misfit), &options).unwrap_err().to_string();
    assert!(error.contains("39 labels for 40 calibration samples"), "{error}");
}

#[test]
fn a_neuron_that_takes_back_what_it_gave_too_early_comes_closer_than_one_that_does_not() {
    let (mut signed, mut multi, mut rest) = (0.0, 0.0, 0.0);
    for seed in 0..8 {
        let ann = small_net(seed);
        let x = inputs(seed + 40, 72 * 24);
        let wanted = logits(&ann, &x).unwrap();
        let off = |options: &Options| {
            distance(&outputs(&convert(&ann, Some(&of(&x)), options).unwrap(), &x), &wanted)
        };
        signed += off(&counting(NeuronKind::Signed, 8, 1));
        multi += off(&counting(NeuronKind::Multi, 8, 1));
        rest += off(&settle(8, None));
    }
    assert!(signed < 0.95 * multi, "{signed} and {multi}");
    assert!(signed < 1.2 * rest, "{signed} and {rest} at rest");
}

/// `x → linear → ReLU → 2·`, with weights of 1 and a bias of ¼: worked by hand.
fn by_hand() -> Ann {
    let mut ann = Ann::new("x", Shape::new([1]).unwrap()).unwrap();
    let linear = Linear { weights: [1.0].into(), bias: Some([0.25].into()), inputs: 1, outputs: 1 };
    let sum = ann.push("sum", Op::Linear(linear), &[ann.input()]).unwrap();
    let relu = ann.push("relu", Op::Relu, &[sum]).unwrap();
    ann.push("twice", Op::Affine(Affine { scale: [2.0].into(), shift: [-0.5].into() }), &[relu]).unwrap();
    ann
}

#[test]
fn four_levels_of_a_quarter_are_told_in_one_step_of_four_or_four_steps_of_one() {
    let ann = by_hand();
    let x: Vec<f32> = [-1.0, -0.25, 0.0, 0.25, 0.5, 0.75].into();
    let wanted = logits(&ann, &x).unwrap();
    assert_eq!(wanted, [-0.5, -0.5, 0.0, 0.5, 1.0, 1.5]);
    for options in [settle(4, None), settle(4, Some(1)), counting(NeuronKind::Signed, 2, 2)] {
        let conversion = convert(&ann, Some(&of(&x)), &options).unwrap();
        let outcomes = run(&conversion, &x, Mode::Dense);
        assert_eq!(counts(&conversion, &outcomes, "relu"), [0, 0, 1, 2, 3, 4], "{options:?}");
        for (found, wanted) in outputs(&conversion, &x).iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-5, "{found} instead of {wanted}");
        }
        // A count is a quarter; a spike in every step is worth that times the steps.
        let unit = conversion.description.unit(1).unwrap();
        let steps = if options.neuron == Some(NeuronKind::Settle) { 1.0 } else { 2.0 };
        assert!((unit.scale.get(0) - 0.25 * steps).abs() < 1e-6);
        let [layer] = &conversion.report.layers[1..2] else { panic!("one population fires") };
        assert!((layer.scale.unwrap().median - 1.0).abs() < 1e-6, "four counts are 1");
    }
}

#[test]
fn trained_levels_are_kept_and_come_to_rest_at_the_trained_net_itself() {
    let mut ann = Ann::new("x", Shape::new([3]).unwrap()).unwrap();
    let weights = |n: usize| (0..n).map(|at| ((at * 7 + 3) % 11) as f32 * 0.125 - 0.5).collect();
    let linear = |inputs: usize, outputs: usize| {
        let bias = Some((0..outputs).map(|at| at as f32 * 0.0625 - 0.125).collect());
        Op::Linear(Linear { weights: weights(inputs * outputs), bias, inputs, outputs })
    };
    let first = ann.push("first", linear(3, 6), &[ann.input()]).unwrap();
    let qcfs = ann.push("qcfs", Op::Qcfs { levels: 4, theta: 1.0 }, &[first]).unwrap();
    let second = ann.push("second", linear(6, 6), &[qcfs]).unwrap();
    let qcfs = ann.push("qcfs2", Op::Qcfs { levels: 8, theta: 2.0 }, &[second]).unwrap();
    ann.push("out", linear(6, 2), &[qcfs]).unwrap();
    // Everything is a multiple of 2^-10, so that sums are exact in any order.
    let x: Vec<f32> = inputs(1, 3 * 40).iter().map(|x| (x * 16.0).floor() / 16.0).collect();
    for most in [None, Some(1), Some(3)] {
        let conversion = convert(&ann, Some(&of(&x)), &settle(16, most)).unwrap();
        assert_eq!(outputs(&conversion, &x), logits(&ann, &x).unwrap(), "{most:?}");
    }
}

#[test]
fn the_parts_of_the_loss_add_up_and_nothing_is_uneven_at_rest() {
    let ann = small_net(1);
    let x = inputs(3, 72 * 30);
    for options in [settle(8, Some(2)), settle(8, None), counting(NeuronKind::Multi, 2, 4)] {
        let compared = Options { compare: true, ..options.clone() };
        let report = convert(&ann, Some(&of(&x)), &compared).unwrap().report;
        assert_eq!((report.levels, report.neuron), (Some(8), options.neuron.unwrap()));
        let losses: Vec<_> = report.layers.iter().filter_map(|layer| layer.loss).collect();
        assert_eq!(losses.len(), 2);
        for loss in &losses {
            let parts = loss.clipping + loss.quantisation + loss.before.unwrap() + loss.rest;
            assert!((parts - loss.error).abs() < 1e-9, "{loss:?}");
        }
        let settles = options.neuron == Some(NeuronKind::Settle);
        assert_eq!(losses.iter().all(|loss| loss.differing == Some(0) && loss.rest == 0.0), settles);
    }
}

#[test]
fn options_that_do_not_go_together_are_told() {
    let ann = small_net(0);
    let x = inputs(0, 72 * 4);
    let signed = |steps, most| counting(NeuronKind::Signed, steps, most);
    let settling = || settle(8, None);
    for (options, part) in [
        (Options { levels: Some(4), ..Options::default() }, "a number of levels goes with"),
        (Options { max_spikes: Some(2), ..Options::default() }, "a largest spike goes with"),
        (Options { reconstruct: Some(0.5), ..Options::default() }, "a reconstruction of weights goes with"),
        (Options { steps: Some(4), ..settling() }, "a number of steps does not go with settle"),
        (Options { fit: Some(true), ..settling() }, "a fit to the spikes"),
        (Options { start: Some(Start::Half), ..settling() }, "a start does not"),
        (Options { readout: Readout::Spikes, ..settling() }, "a read-out by spikes"),
        (Options { normalise: Some(Normalise::Max), ..settling() }, "least squared error"),
        (Options { reconstruct: Some(-1.0), ..settling() }, "a change of a weight costs -1"),
        (settle(0, None), "levels is 0; allowed is 1 to 65536"),
        (settle(8, Some(0)), "largest spike is 0; allowed is 1 to 4096"),
        (settle(8, Some(4097)), "largest spike is 4097"),
        (Options { levels: Some(9), ..signed(2, 4) }, "tell 8 levels, and 9 are asked for"),
        (signed(0, 4), "steps is 0"),
        (signed(60_000, 4), "levels is 240000"),
    ] {
        let error = convert(&ann, Some(&of(&x)), &options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = convert(&ann, None, &settling()).unwrap_err().to_string();
    assert!(error.contains("settle neurons") && error.contains("calibration samples"), "{error}");
}

/// Runs every sample until it is at rest, lets `fault` change what was emitted, and judges it.
fn judged(conversion: &Conversion, x: &[f32], fault: impl Fn(&mut Emitted)) -> Vec<Vec<Rest>> {
    let network = Arc::new(conversion.network.clone());
    let input = Input::values(&network, x.to_vec(), Encoding::Once).unwrap();
    let quantised = Quantised::of(&network).unwrap();
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let each = |sample: usize| {
        let sample = input.sample(&network, sample, 1).unwrap();
        let mut emitted = Emitted::none(&network);
        simulator.start(&sample.drive);
        assert!(simulator.run_until_quiet(&sample, 10_000, &mut emitted).unwrap().is_some());
        fault(&mut emitted);
        quantised.judge(&sample.drive, &emitted, |population| simulator.potentials(population).to_vec())
    };
    (0..input.samples()).map(each).collect()
}

#[test]
fn every_neuron_at_rest_is_where_its_weights_say_but_for_ties_and_a_count_that_is_one_off_is_found() {
    for seed in 0..4 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 10);
        for most in [1, 3, 8] {
            let conversion = convert(&ann, Some(&of(&x)), &settle(8, Some(most))).unwrap();
            let rests = judged(&conversion, &x, |_| ());
            assert!(rests.iter().flatten().all(|rest| rest.wrong.is_none()), "{rests:?}");
            let near: usize = rests.iter().flatten().map(|rest| rest.near).sum();
            assert!(near < 20, "{near} sums near a half");
            let relu = conversion.network.find("relu2").unwrap();
            for value in [-1, 1] {
                let fault = |emitted: &mut Emitted| {
                    emitted.spikes(relu, 0, SpikeSlice::new(&[17], &[value]).unwrap())
                };
                for rest in judged(&conversion, &x, fault) {
                    let wrong = rest[relu.index()].wrong.expect("a count that is one off");
                    assert_eq!((wrong.neuron, wrong.found - wrong.wanted), (17, f64::from(value)));
                }
            }
        }
    }
}

#[test]
fn a_network_whose_numbers_are_all_multiples_of_a_power_of_two_has_no_ties() {
    let mut ann = Ann::new("x", Shape::new([4]).unwrap()).unwrap();
    let weights = |n: usize| (0..n).map(|at| ((at * 5 + 2) % 9) as f32 * 0.25 - 1.0).collect();
    let linear = |inputs: usize, outputs: usize| {
        let bias = Some((0..outputs).map(|at| at as f32 * 0.125).collect());
        Op::Linear(Linear { weights: weights(inputs * outputs), bias, inputs, outputs })
    };
    let first = ann.push("first", linear(4, 6), &[ann.input()]).unwrap();
    let qcfs = ann.push("qcfs", Op::Qcfs { levels: 8, theta: 4.0 }, &[first]).unwrap();
    let second = ann.push("second", linear(6, 6), &[qcfs]).unwrap();
    let qcfs = ann.push("qcfs2", Op::Qcfs { levels: 8, theta: 2.0 }, &[second]).unwrap();
    ann.push("out", linear(6, 2), &[qcfs]).unwrap();
    // Many sums are halves of a level.
    let x: Vec<f32> = inputs(2, 4 * 30).iter().map(|x| (x * 4.0).floor() * 0.25).collect();
    let conversion = convert(&ann, Some(&of(&x)), &settle(8, Some(2))).unwrap();
    for rest in judged(&conversion, &x, |_| ()).iter().flatten() {
        assert_eq!(rest, &Rest::default());
    }
}

#[test]
fn neurons_that_do_not_take_back_what_they_gave_have_no_quantised_network_to_be_at_rest_at() {
    let ann = small_net(0);
    let x = inputs(0, 72 * 4);
    for options in [Options::default(), counting(NeuronKind::Multi, 2, 4)] {
        let conversion = convert(&ann, Some(&of(&x)), &options).unwrap();
        let error = Quantised::of(&conversion.network).err().unwrap().to_string();
        assert!(error.contains("`relu1`") && error.contains("take back"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn outputs_do_not_depend_on_the_largest_spike_of_networks_that_settle(
        seed in 0_u32..1000,
        levels in 1_u32..20,
        most in 1_u32..20,
    ) {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 6);
        let [all, some] = [None, Some(most)].map(|most| {
            outputs(&convert(&ann, Some(&of(&x)), &settle(levels, most)).unwrap(), &x)
        });
        // Sums that are near a half can be rounded either way.
        let differing = all.iter().zip(&some).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
        prop_assert!(differing <= 4, "{} of {} outputs", differing, all.len());
    }
}
