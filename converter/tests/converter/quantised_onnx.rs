//! Nets that onnxruntime quantised statically, in both of its formats, against what onnxruntime yields for them.
//!
//! Nets, inputs and outputs are in `operators/quantised.npz`; `operators/make_quantised.py` makes them.

use snn_converter::ann::{Ann, Op};
use snn_converter::forward::logits;
use snn_converter::import::{Import, onnx};
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, convert};
use snn_engine::WeightType;
use snn_formats::array::Values;
use snn_formats::npz::NpzReader;
use std::path::Path;

/// A net with inputs on the levels of its input, what is expected for them, and the levels of its output.
struct Case {
    name: String,
    import: Import,
    x: Vec<f32>,
    y: Vec<f32>,
    level: f32,
    ends: [f32; 2],
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/quantised.npz");
    let mut file = NpzReader::open(path).unwrap();
    let names: Vec<String> =
        file.names().filter_map(|name| name.strip_suffix(".onnx")).map(str::to_owned).collect();
    let read = |name: String| {
        let Values::U8(bytes) = file.read(&format!("{name}.onnx")).unwrap().values else {
            panic!("{name} is no file")
        };
        let import = onnx::import(bytes, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut numbers = |part: &str| file.read(&format!("{name}.{part}")).unwrap().into_f32().unwrap();
        let (x, y, levels) = (numbers("x"), numbers("y"), numbers("levels"));
        let (level, ends) = (levels[0], [levels[1], levels[2]]);
        Case { name, import, x, y, level, ends }
    };
    names.into_iter().map(read).collect()
}

/// How far outputs are from the expected ones, in levels, once they are rounded as the file has it.
fn distances(case: &Case, ann: &Ann) -> Vec<f32> {
    let found = logits(ann, &case.x).unwrap();
    assert_eq!(found.len(), case.y.len(), "{}", case.name);
    let rounded = |value: f32| {
        let clipped = value.clamp(case.ends[0], case.ends[1]);
        (clipped / case.level).round() * case.level
    };
    found.iter().zip(&case.y).map(|(&found, y)| ((rounded(found) - y) / case.level).abs().round()).collect()
}

#[test]
fn statically_quantised_nets_of_both_formats_yield_what_onnxruntime_yields() {
    let cases = cases();
    assert_eq!(cases.len(), 32);
    let (mut all, mut off) = (0, 0);
    for case in &cases {
        for (form, ann) in
            [("as read", case.import.ann.clone()), ("simplified", simplify(&case.import.ann).unwrap())]
        {
            let distances = distances(case, &ann);
            // A number midway between two levels may be rounded to the other one.
            assert!(distances.iter().all(|levels| *levels <= 1.0), "{} {form}: {distances:?}", case.name);
            all += distances.len();
            off += distances.iter().filter(|levels| **levels > 0.0).count();
        }
    }
    assert!(off * 50 <= all, "{off} of {all} numbers are on another level");
}

#[test]
fn rounded_activations_become_qcfs_of_their_levels_and_nothing_is_rounded_twice() {
    let count = |name: &str| {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        let ann = simplify(&case.import.ann).unwrap();
        let levels = ann.nodes().iter().filter_map(|node| match node.op {
            Op::Qcfs { levels, .. } => Some(levels),
            _ => None,
        });
        let others = ann.nodes().iter().filter(|node| matches!(node.op, Op::Relu | Op::Clip { .. })).count();
        (levels.collect::<Vec<_>>(), others)
    };
    // The rectified layers alone; the rounding of input and output is left out.
    assert_eq!(count("perceptron.QDQ.u8s8"), (vec![255, 255], 0));
    assert_eq!(count("perceptron.QOperator.s8s8.channel"), (vec![255, 255], 0));
    assert_eq!(count("products.QOperator.u8s8"), (vec![255], 0));
    // Two signed tensors are summed: each has a part of either sign. The maximum is not rounded again, the mean is.
    for name in ["residual.QDQ.u8s8", "residual.QOperator.s8s8"] {
        let (levels, others) = count(name);
        assert_eq!((levels.len(), others), (7, 0), "{name}: {levels:?}");
        assert_eq!(levels.iter().filter(|levels| **levels == 255).count(), 3, "{name}: {levels:?}");
    }
}

#[test]
fn what_is_left_out_of_a_quantised_net_is_noted() {
    for case in cases() {
        let notes = case.import.notes.join("\n");
        assert!(notes.contains("rounds the net's input to multiples of"), "{}: {notes}", case.name);
        assert!(notes.contains("yields the numbers before they are rounded"), "{}: {notes}", case.name);
    }
}

#[test]
fn integer_weights_of_the_file_are_the_weights_of_the_spiking_network() {
    for case in cases()
        .into_iter()
        .filter(|case| !case.name.starts_with("residual") && !case.name.starts_with("pooled"))
    {
        let ann = simplify(&case.import.ann).unwrap();
        let options = Options {
            normalise: Some(Normalise::Trained),
            weights: Some(WeightType::Int8),
            ..Options::default()
        };
        let conversion = convert(&ann, None, &options).unwrap();
        for layer in &conversion.report.layers[1..] {
            let rounding = layer.weight_rounding.unwrap();
            // The read-out has one scale for all; with scales per channel it is rounded.
            let exact = layer.name != conversion.report.layers.last().unwrap().name
                || !case.name.ends_with("channel");
            assert!(
                rounding.error < if exact { 1e-8 } else { 1e-3 },
                "{} {}: {rounding:?}",
                case.name,
                layer.name
            );
        }
    }
}
