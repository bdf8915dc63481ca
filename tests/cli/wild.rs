//! Nets with the graph patterns of published models, each of which was once refused or swelled: made by
//! `converter/tests/operators/make_wild.py`, with what ONNX Runtime yields for them.

use std::collections::BTreeSet;
use std::path::Path;

use snn_converter::ann::{Ann, Op};
use snn_converter::import::onnx;
use snn_formats::{NpzReader, Values, write_npy};

use crate::{file, json, printed, snn_event};

/// What is right about a net.
#[derive(Clone, Copy)]
enum Right {
    /// As many weights are stored as were trained, or few more: relays, pools.
    AsTrained,
    /// Converts; its weights are written out, since they are not shared in a form that a projection has.
    WrittenOut,
    /// As `AsTrained`, with a note that says so.
    Noted(&'static str),
    /// Refused, with these words.
    Refused(&'static [&'static str]),
}

use Right::{AsTrained, Noted, Refused, WrittenOut};

const NETS: &[(&str, Right)] = &[
    ("abs", AsTrained),
    ("avg7_s1_fc", AsTrained),
    ("avg7_s7_fc", AsTrained),
    ("avgpool_conv1x1", AsTrained),
    ("clip01", AsTrained),
    ("conv1x1_only", AsTrained),
    ("convT", WrittenOut),
    ("dead", AsTrained),
    ("dead_softmax", AsTrained),
    ("dw_pw", AsTrained),
    ("fixedbatch", AsTrained),
    ("hardsigmoid", AsTrained),
    ("hswish", Refused(&["`HardSwish_1` (HardSwish)", "parabola"])),
    ("leaky", AsTrained),
    ("matmul_left", AsTrained),
    ("maxtwo", AsTrained),
    ("nchw_flatten", AsTrained),
    ("nhwc", AsTrained),
    ("nhwc32", AsTrained),
    ("nhwc_flatten", AsTrained),
    ("opset22", AsTrained),
    ("pad_edge", WrittenOut),
    ("pool_input", AsTrained),
    ("pw_3x3", AsTrained),
    ("rank1", AsTrained),
    ("rank2_view", AsTrained),
    ("rank3_same", AsTrained),
    ("reducesum", AsTrained),
    ("resize", WrittenOut),
    ("sigmoid_last", Noted("(Sigmoid) was dropped")),
    ("slice", AsTrained),
    ("slice_input", AsTrained),
    ("unsorted", AsTrained),
];

/// Weights of the operators that the output needs.
fn trained(ann: &Ann) -> u64 {
    let weights = |op: &Op| match op {
        Op::Linear(linear) => linear.weights.values().len(),
        Op::Conv(conv) => conv.weights.len(),
        _ => 0,
    };
    ann.nodes().iter().map(|node| weights(&node.op) as u64).sum()
}

fn converts(folder: &Path, name: &str, right: Right) {
    let convert =
        "convert --model %net.onnx --calib %x.npy --expect %y.npy --normalise max --out %net.bin --json -";
    let report = json(folder, convert);
    let difference = report["agreement"]["largest_relative_difference"].as_f64().unwrap();
    assert!(difference <= 1e-4, "{name}: {difference}");
    // The largest, 3.7 million neurons, takes most of a gigabyte; a few steps show whether they fire.
    let text =
        printed(folder, "check --net %net.bin --T 3 --input %x.npy --batch-range 0:1 --memory-limit 2G");
    assert!(text.starts_with("equal: 1 sample"), "{name}: {text}");

    let net = json(folder, "inspect --net %net.bin --json -");
    let stored = net["stored_weights"].as_u64().unwrap();
    let ann = onnx::read(&folder.join("net.onnx")).unwrap().ann;
    // A projection of one weight per channel beside those that were trained: scales and pools.
    let few = 64 + 2 * ann.nodes().iter().map(|node| node.shape.channels() as u64).max().unwrap();
    println!("{name}: {stored} weights of {} trained, {difference:.1e}", trained(&ann));
    match right {
        WrittenOut => {
            assert!(stored > trained(&ann), "{name} is shared now: {stored}");
            let text = printed(folder, &convert.replace("--json -", ""));
            assert!(
                text.contains("weights and indices take") && text.contains("written out"),
                "{name}: {text}"
            );
        }
        _ => assert!(10 * stored <= 13 * trained(&ann) + 10 * few, "{name}: {stored} of {}", trained(&ann)),
    }
    // A net that is larger than 1.3 times the trained one says why, layer by layer.
    let layers = report["layers"].as_array().unwrap();
    let bytes: u64 = layers.iter().map(|layer| layer["size"]["bytes"].as_u64().unwrap()).sum();
    assert!(bytes >= 4 * stored, "{name}: {bytes} bytes of {stored} weights");
    let grown = layers.iter().any(|layer| layer["size"]["grown"].is_string());
    assert!(grown || 10 * stored <= 13 * trained(&ann), "{name}: {layers:?}");
    let notes = report["notes"].to_string();
    match right {
        Noted(note) => assert!(notes.contains(note), "{name}: {notes}"),
        // What no output needs is nothing to tell about.
        _ => assert!(!notes.contains("was dropped"), "{name}: {notes}"),
    }
}

#[test]
fn nets_with_the_patterns_of_published_models_convert_as_they_were_trained_and_pass_check() {
    let folder = tempfile::tempdir().unwrap();
    let mut npz = NpzReader::open(file("converter/tests/operators/wild.npz")).unwrap();
    let made: BTreeSet<String> =
        npz.names().filter_map(|name| name.strip_suffix(".onnx")).map(str::to_owned).collect();
    assert_eq!(made, NETS.iter().map(|(name, _)| (*name).to_owned()).collect(), "a net without a rule");
    for &(name, right) in NETS {
        let Values::U8(bytes) = npz.read(&format!("{name}.onnx")).unwrap().values else { panic!("bytes") };
        std::fs::write(folder.path().join("net.onnx"), bytes).unwrap();
        for part in ["x", "y"] {
            let array = npz.read(&format!("{name}.{part}")).unwrap();
            let shape = array.shape.clone();
            write_npy(folder.path().join(format!("{part}.npy")), &shape, &array.into_f32().unwrap()).unwrap();
        }
        let Refused(words) = right else {
            converts(folder.path(), name, right);
            continue;
        };
        let command = "convert --model %net.onnx --calib %x.npy --out %refused.bin";
        let output = snn_event(folder.path(), command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let error = String::from_utf8(output.stderr).unwrap();
        for word in words {
            assert!(error.contains(word), "{name}: {word:?} is not in {error}");
        }
        assert!(!folder.path().join("refused.bin").exists(), "{name}");
    }
}

#[test]
fn no_pattern_of_the_script_beside_the_project_is_left_out() {
    let script = file("../shared/cases/wild/make.py");
    let Ok(script) = std::fs::read_to_string(&script) else {
        println!("skipped: {} is not there", script.display());
        return;
    };
    let named = script.split("save('").skip(1).filter_map(|rest| rest.split('\'').next());
    for name in named {
        assert!(NETS.iter().any(|(known, _)| *known == name), "{name} is not among the nets");
    }
}
