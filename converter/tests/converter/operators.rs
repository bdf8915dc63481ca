//! Every operator that is understood, against what onnxruntime yields, and every kind of net that is refused.
//!
//! The files, inputs and expected outputs are in `operators/cases.npz`; `operators/make_cases.py` makes them.

use rten_onnx::onnx::ModelProto;
use snn_converter::ann::{Ann, Op};
use snn_converter::forward::logits;
use snn_converter::import::{ImportError, onnx};
use snn_converter::simplify::simplify;
use snn_formats::array::Values;
use snn_formats::npz::NpzReader;
use std::collections::BTreeSet;
use std::path::Path;

fn cases() -> (NpzReader, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/cases.npz");
    let file = NpzReader::open(path).unwrap();
    let names = file.names().filter_map(|name| name.strip_suffix(".onnx")).map(str::to_owned).collect();
    (file, names)
}

fn bytes(file: &mut NpzReader, name: &str) -> Vec<u8> {
    let Values::U8(bytes) = file.read(&format!("{name}.onnx")).unwrap().values else {
        panic!("{name} is no file")
    };
    bytes
}

fn net(name: &str) -> Ann {
    let bytes = bytes(&mut cases().0, name);
    onnx::import(bytes, None).unwrap_or_else(|e| panic!("{name}: {e}")).ann
}

fn kinds(ann: &Ann) -> Vec<&'static str> {
    ann.nodes().iter().map(|node| node.op.kind()).collect()
}

#[test]
fn every_operator_yields_what_onnxruntime_yields_before_and_after_simplifying() {
    let (mut file, names) = cases();
    let mut compared = 0;
    for name in &names {
        if !file.contains(&format!("{name}.y")) {
            continue;
        }
        let raw = onnx::import(bytes(&mut file, name), None).unwrap_or_else(|e| panic!("{name}: {e}")).ann;
        let simple = simplify(&raw).unwrap();
        let x = file.read(&format!("{name}.x")).unwrap().into_f32().unwrap();
        let y = file.read(&format!("{name}.y")).unwrap().into_f32().unwrap();
        for (form, ann) in [("as read", &raw), ("simplified", &simple)] {
            let found = logits(ann, &x).unwrap();
            assert_eq!(found.len(), y.len(), "{name} {form}");
            let largest = y.iter().fold(1e-30f32, |m, y| m.max(y.abs()));
            for (i, (found, expected)) in found.iter().zip(&y).enumerate() {
                let difference = (found - expected).abs() / largest;
                assert!(difference < 1e-5, "{name} {form}, number {i}: {found}, expected {expected}\n{ann}");
            }
        }
        compared += 1;
    }
    assert!(compared > 75, "only {compared} cases");
}

#[test]
fn every_reason_for_a_refusal_is_named_at_once_and_in_order() {
    let (mut file, names) = cases();
    let mut refused = 0;
    for name in &names {
        if !file.contains(&format!("{name}.refused")) {
            continue;
        }
        let Values::Text(expected) = file.read(&format!("{name}.refused")).unwrap().values else {
            panic!("{name} has no list of names")
        };
        let error =
            onnx::import(bytes(&mut file, name), None).err().unwrap_or_else(|| panic!("{name} was read"));
        let ImportError::Refused(refusals) = &error else { panic!("{name}: {error}") };
        let found: Vec<_> = refusals.iter().map(|r| r.node.clone()).collect();
        assert_eq!(found, expected, "{name}: {error}");
        assert!(refusals.iter().all(|r| !r.reason.is_empty() && !r.op.is_empty()), "{name}: {error}");
        for line in found {
            assert!(error.to_string().contains(&format!("`{line}`")), "{name}: {error}");
        }
        refused += 1;
    }
    assert!(refused >= 18, "only {refused} cases");
}

#[test]
fn a_qcfs_is_recognised_however_it_is_written() {
    for name in ["as_exported", "clipped_first", "with_relu_and_min", "clipped_last", "behind_relu"] {
        let ann = net(&format!("qcfs_{name}"));
        assert_eq!(kinds(&ann), ["Input", "Qcfs"], "{name}");
        let Op::Qcfs { levels, theta } = ann.node(ann.output()).op else { unreachable!() };
        assert_eq!((levels, theta), (8, 1.637_692), "{name}");
    }
    assert_eq!(kinds(&net("qcfs_per_channel")), ["Input", "Affine", "Qcfs", "Affine"]);
    let shifted = net("qcfs_shifted_staircase");
    assert_eq!(kinds(&shifted), ["Input", "Affine", "Qcfs"]);
    let Op::Qcfs { levels, theta } = shifted.node(shifted.output()).op else { unreachable!() };
    assert_eq!((levels, theta), (4, 4.0));
}

#[test]
fn activations_stand_before_maxima_after_simplifying() {
    let simple = |name| simplify(&net(name)).unwrap();
    let plain = simple("maximum_before_relu");
    assert_eq!(kinds(&plain), ["Input", "Conv", "Relu", "MaxPool"]);
    let names: Vec<_> = plain.nodes().iter().map(|n| &n.name[..]).collect();
    assert_eq!(names, ["x", "Conv0", "Relu3", "MaxPool1"]);
    assert_eq!(plain.node(plain.output()).tensor.as_deref(), Some("t3a"));
    assert_eq!(
        kinds(&simple("maximum_before_increasing_norm_and_relu")),
        ["Input", "Conv", "Relu", "MaxPool"]
    );
    let decreasing = simple("maximum_before_decreasing_norm_and_relu");
    assert_eq!(kinds(&decreasing), ["Input", "Conv", "MaxPool", "Affine", "Relu"]);
    let both = simple("maximum_before_two_activations");
    assert_eq!(kinds(&both), ["Input", "Conv", "Relu", "MaxPool", "Clip", "MaxPool", "Add"]);
    assert_eq!(kinds(&simple("global_max_channels_last")), ["Input", "View", "Relu", "GlobalMax", "View"]);
}

#[test]
fn affine_maps_are_folded_only_where_that_is_exact() {
    let simple = |name| kinds(&simplify(&net(name)).unwrap());
    assert_eq!(simple("norm_behind_convolution"), ["Input", "Conv", "Relu"]);
    assert_eq!(simple("norm_before_padded_convolution"), ["Input", "Affine", "Conv"]);
    assert_eq!(simple("norm_before_unpadded_grouped_convolution"), ["Input", "Conv"]);
    assert_eq!(simple("norms_around_gemm"), ["Input", "Linear"]);
    assert_eq!(
        simple("convolution_shared_by_two_norms"),
        ["Input", "Conv", "Affine", "Affine", "Relu", "Relu", "Add"]
    );
    assert_eq!(simple("pad_before_convolution"), ["Input", "Conv"]);
    assert_eq!(simple("pad_before_maximum"), ["Input", "Relu", "MaxPool"]);
    assert_eq!(simple("pad_before_maximum_of_signed_values"), ["Input", "Pad", "MaxPool"]);
}

#[test]
fn a_final_decision_is_dropped_with_a_note() {
    let (mut file, _) = cases();
    for name in ["softmax", "logsoftmax", "argmax"] {
        let import = onnx::import(bytes(&mut file, &format!("last_{name}_dropped")), None).unwrap();
        assert_eq!(kinds(&import.ann), ["Input", "Linear"]);
        assert_eq!(import.notes.len(), 1, "{:?}", import.notes);
        assert!(import.notes[0].to_lowercase().contains(name), "{:?}", import.notes);
    }
}

/// What became of the node tests of onnx, by name.
struct NodeTests {
    held: Vec<String>,
    refused: Vec<String>,
    wrong: Vec<String>,
}

fn node_tests() -> NodeTests {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/backend.npz");
    let mut file = NpzReader::open(path).unwrap();
    let names: Vec<_> =
        file.names().filter_map(|name| name.strip_suffix(".onnx")).map(str::to_owned).collect();
    let (mut held, mut refused, mut wrong) = (vec![], vec![], vec![]);
    for name in &names {
        let ann = match onnx::import(bytes(&mut file, name), None) {
            Ok(import) => import.ann,
            Err(error) => {
                refused.push(format!("{name}: {error}"));
                continue;
            }
        };
        let x = file.read(&format!("{name}.x")).unwrap().into_f32().unwrap();
        let y = file.read(&format!("{name}.y")).unwrap().into_f32().unwrap();
        let scores = logits(&simplify(&ann).unwrap(), &x).unwrap();
        let shape = ann.output_shape();
        let decided = |scores: &[f32]| -> Vec<f32> {
            let scores: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
            let decided =
                ann.decisions().iter().fold(scores, |scores, decision| decision.apply(&scores, shape));
            decided.into_iter().map(|x| x as f32).collect()
        };
        let mut found: Vec<f32> = scores.chunks_exact(shape.elements()).flat_map(decided).collect();
        if file.contains(&format!("{name}.levels")) {
            // What stands at the end of a net is not rounded to its levels; ONNX rounds it.
            let levels = file.read(&format!("{name}.levels")).unwrap().into_f32().unwrap();
            let [level, low, high] = levels[..] else { panic!("{name}: {levels:?}") };
            found.iter_mut().for_each(|x| *x = (x.clamp(low, high) / level).round() * level);
        }
        let largest = y.iter().fold(1e-30f32, |m, y| m.max(y.abs()));
        // This one states its numbers with four digits only.
        let limit = if name == "test_averagepool_2d_ceil_last_window_starts_on_pad" { 5e-4 } else { 1e-5 };
        let same = found.len() == y.len()
            && found.iter().zip(&y).all(|(found, expected)| (found - expected).abs() / largest < limit);
        if same { held.push(name.clone()) } else { wrong.push(name.clone()) }
    }
    NodeTests { held, refused, wrong }
}

#[test]
fn the_node_tests_of_onnx_hold_or_are_refused() {
    let NodeTests { held, refused, wrong } = node_tests();
    println!("{} hold, {} refused:\n{}", held.len(), refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(held.len() > 245, "{} hold", held.len());
}

/// Operators of the table in docs/operators.md that hold no node test of onnx, and why.
const WITHOUT_A_NODE_TEST: &[(&str, &str)] = &[
    (
        "ArrayFeatureExtractor",
        "takes one of the labels of scikit-learn's nets, which are no numbers; dropped",
    ),
    ("Concat", "onnx puts an activation and a constant together, and only activations can be: cases.npz"),
    ("Floor", "converts only as a part of a quantised ReLU: cases qcfs_*"),
    ("GatherND", "onnx indexes the batch: cases.npz"),
    ("Hardmax", "tells classes, not numbers; dropped"),
    ("LabelEncoder", "makes labels; dropped"),
    ("Normalizer", "makes shares of scikit-learn's scores; dropped"),
    ("QGemm", "of com.microsoft, of which onnx has no node tests: quantised.npz"),
    ("QLinearAdd", "as QGemm"),
    ("QLinearAveragePool", "as QGemm"),
    ("QLinearConcat", "as QGemm"),
    ("QLinearGlobalAveragePool", "as QGemm"),
    ("ThresholdedRelu", "onnx has it with jumps only: cases.npz"),
    ("TopK", "tells classes, not numbers; dropped"),
    ("Where", "onnx has it with masks along the batch only: cases.npz"),
    ("ZipMap", "makes a dictionary of scores; dropped"),
];

/// The operators of those files in an archive whose outputs are known, if they are wanted.
fn judged(archive: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators").join(archive);
    let mut file = NpzReader::open(path).unwrap();
    let names: Vec<String> =
        file.names().filter_map(|name| name.strip_suffix(".onnx")).map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for name in names {
        if !wanted(&name) || !file.contains(&format!("{name}.y")) {
            continue;
        }
        let model = ModelProto::parse_buf(&bytes(&mut file, &name)).unwrap();
        found.extend(model.graph.unwrap().node.into_iter().filter_map(|node| node.op_type));
    }
    found
}

#[test]
fn every_operator_of_the_table_has_a_node_test_or_a_reason_and_another_judge() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let table = docs.split("| operator |").nth(1).unwrap().split("\n\n").next().unwrap();
    // The first column, without the table's head.
    let first = table.lines().skip(2).filter_map(|line| line.split('|').nth(1));
    let is_operator = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase());
    let claimed: BTreeSet<&str> =
        first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(is_operator).collect();
    assert!(claimed.len() > 70, "{claimed:?}");
    let held = node_tests().held;
    let nodes = judged("backend.npz", |name| held.iter().any(|held| held == name));
    let others: Vec<_> = ["cases.npz", "quantised.npz", "wild.npz"]
        .into_iter()
        .map(|archive| judged(archive, |_| true))
        .collect();
    for operator in &claimed {
        let reason = WITHOUT_A_NODE_TEST.iter().find(|(without, _)| without == operator);
        assert_eq!(
            nodes.contains(*operator),
            reason.is_none(),
            "{operator} has a test that holds: {}, reason: {reason:?}",
            nodes.contains(*operator)
        );
        let Some((_, reason)) = reason else { continue };
        let elsewhere = others.iter().any(|judged| judged.contains(*operator));
        assert!(elsewhere || reason.ends_with("dropped"), "{operator}: {reason}");
    }
    for (without, _) in WITHOUT_A_NODE_TEST {
        assert!(claimed.contains(without), "{without} is not in the table");
    }
}
