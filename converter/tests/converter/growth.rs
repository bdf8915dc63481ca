//! The report says of every layer what it stores beside what was trained, and why where it is more: a network whose layers give
//! no reason is no larger than 1.3 times the trained net.

use crate::lowering::{full_conv, padded_3x3, random_net, shape};
use snn_converter::ann::{Ann, Linear, Op, Resample, Taps};
use snn_converter::report::Report;
use snn_converter::{NeuronKind, Normalise, Options, Samples, convert};
use snn_engine::{Connectivity, Network};

fn converted(ann: &Ann, unroll: bool) -> (Network, Report) {
    let options = Options { normalise: Some(Normalise::None), unroll, ..Options::default() };
    let conversion = convert(ann, None, &options).unwrap_or_else(|error| panic!("{error}\n{ann}"));
    (conversion.network, conversion.report)
}

/// An image made larger by repeating its pixels, and a convolution of it, behind another one.
fn enlarged() -> Ann {
    let mut ann = Ann::new("x", shape(&[2, 6, 5])).unwrap();
    let first = ann.push("first", full_conv(2, 3, 1, padded_3x3()), &[ann.input()]).unwrap();
    let relu = ann.push("relu", Op::Relu, &[first]).unwrap();
    let twice = |extent: usize| Taps::picked(extent, (0..2 * extent).map(|place| Some(place / 2))).unwrap();
    let axes = vec![None, Some(twice(6).into()), Some(twice(5).into())];
    let up = ann.push("up", Op::Resample(Resample { axes }), &[relu]).unwrap();
    ann.push("second", full_conv(3, 4, 1, padded_3x3()), &[up]).unwrap();
    ann
}

#[test]
fn a_layer_that_is_written_out_says_which_operators_it_is_and_what_they_took() {
    let (network, report) = converted(&enlarged(), false);
    let layers: Vec<_> = report.layers.iter().map(|layer| (&layer.name[..], layer)).collect();
    let [("input", input), ("relu", first), ("up", up), ("second", second)] = layers[..] else {
        panic!("{layers:?}")
    };
    assert_eq!((input.size.bytes, &input.size.trained[..], &input.size.grown), (0, &[][..], &None));
    // 9 taps of 2 channels to 3, and of 3 to 4: weights of 4 bytes in full.
    for (layer, name, weights) in [(first, "first", 54), (second, "second", 108)] {
        let [trained] = &layer.size.trained[..] else { panic!("{layer:?}") };
        assert_eq!((&trained.name[..], &trained.kind[..], trained.layers), (name, "Conv", 1));
        assert_eq!((trained.nonzeros, trained.bytes, layer.size.bytes), (weights, 4 * weights, 4 * weights));
        assert_eq!(layer.size.grown, None);
    }
    // Each synapse is a weight and a 16-bit index, each of the 90 neurons before it has the place of its row.
    let Connectivity::Rows(rows) = network.projections()[1].connectivity() else { panic!("shared") };
    assert_eq!((up.size.bytes, &up.size.trained[..]), (rows.synapses() * 6 + 90 * 8, &[][..]));
    let grown = up.size.grown.as_deref().unwrap();
    assert!(grown.contains("`up` (Resample)") && grown.contains("written out"), "{grown}");
    assert_eq!(report.bytes(), [216 + up.size.bytes + 432, 216 + 432]);
}

/// A convolution and a pruned layer.
fn plain() -> Ann {
    let mut ann = Ann::new("x", shape(&[2, 6, 5])).unwrap();
    let conv = ann.push("conv", full_conv(2, 3, 1, padded_3x3()), &[ann.input()]).unwrap();
    let relu = ann.push("relu", Op::Relu, &[conv]).unwrap();
    let flat = ann.push("flat", Op::View(shape(&[90])), &[relu]).unwrap();
    let weights: Vec<f32> = (0..90 * 10).map(|i| if i % 9 == 0 { 1.0 } else { 0.0 }).collect();
    let linear = Linear { weights: weights.into(), bias: None, inputs: 90, outputs: 10 };
    ann.push("fc", Op::Linear(linear), &[flat]).unwrap();
    ann
}

#[test]
fn layers_that_store_what_was_trained_give_no_reason_whatever_their_neurons() {
    let ann = plain();
    let x: Vec<f32> = (0..8 * 60).map(|i| (i * 7 % 13) as f32 / 13.0).collect();
    for neuron in [NeuronKind::Unit, NeuronKind::Settle, NeuronKind::Signed] {
        let steps = (neuron != NeuronKind::Settle).then_some(4);
        let options = Options { neuron: Some(neuron), steps, ..Options::default() };
        let samples = Samples { values: &x, labels: None, expected: None };
        let report = convert(&ann, Some(&samples), &options).unwrap().report;
        let names: Vec<_> = report
            .layers
            .iter()
            .map(|layer| layer.size.trained.iter().map(|operator| &operator.name[..]).collect::<Vec<_>>())
            .collect();
        assert_eq!(names, [vec![], vec!["conv"], vec!["fc"]], "{neuron:?}");
        assert!(
            report.layers.iter().all(|layer| layer.size.grown.is_none()),
            "{neuron:?} {:?}",
            report.layers
        );
    }
    let (_, report) = converted(&ann, false);
    assert!(report.layers.iter().all(|layer| layer.size.grown.is_none()), "{:?}", report.layers);
    let [stored, trained] = report.bytes();
    assert_eq!(stored, trained);
    // Asked to write them out, it does.
    let (_, report) = converted(&ann, true);
    let grown = report.layers[1].size.grown.as_deref().unwrap();
    assert!(grown.contains("as was asked"), "{grown}");
    assert_eq!(report.layers[2].size.grown, None);
}

#[test]
fn an_operator_that_several_layers_use_is_told_as_stored_again() {
    let mut ann = Ann::new("x", shape(&[16])).unwrap();
    let weights: Vec<f32> = (1..=16 * 16).map(|i| i as f32).collect();
    let linear = Linear { weights: weights.into(), bias: None, inputs: 16, outputs: 16 };
    let shared = ann.push("shared", Op::Linear(linear), &[ann.input()]).unwrap();
    let relu = ann.push("relu", Op::Relu, &[shared]).unwrap();
    let clip = ann.push("clip", Op::Clip { max: 4.0 }, &[shared]).unwrap();
    let sum = ann.push("sum", Op::Add, &[relu, clip]).unwrap();
    let large: Vec<f32> = (1..=16 * 512).map(|i| i as f32).collect();
    let large = Linear { weights: large.into(), bias: None, inputs: 16, outputs: 512 };
    ann.push("large", Op::Linear(large), &[sum]).unwrap();
    let (_, report) = converted(&ann, false);
    for name in ["relu", "clip"] {
        let layer = report.layers.iter().find(|layer| layer.name == name).unwrap();
        assert_eq!((layer.size.bytes, layer.size.trained[0].layers), (1024, 2), "{name}");
        let grown = layer.size.grown.as_deref().unwrap();
        assert!(grown.contains("`shared` (Linear): stored in each of up to 2 layers"), "{grown}");
    }
}

#[test]
fn random_nets_are_no_larger_than_trained_or_say_why_layer_by_layer() {
    let mut larger = 0;
    for seed in 0..150 {
        let ann = random_net(seed);
        let (network, report) = converted(&ann, seed % 7 == 0);
        let [stored, trained] = report.bytes();
        // What is counted is at least the weights themselves.
        let weights: u64 = network.projections().iter().map(|p| p.connectivity().stored_weights()).sum();
        assert!(stored >= 4 * weights, "seed {seed}: {stored} bytes of {weights} weights");
        let reasons: Vec<_> = report.layers.iter().filter_map(|layer| layer.size.grown.as_deref()).collect();
        assert!(reasons.iter().all(|reason| !reason.is_empty()));
        if 10 * stored > 13 * trained {
            larger += 1;
            assert!(!reasons.is_empty(), "seed {seed}: {stored} of {trained}\n{ann}");
        }
    }
    assert!(larger > 100, "{larger} larger");
}
