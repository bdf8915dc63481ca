//! Pruning, and the report of a conversion.

use crate::{file, json, printed, snn_event};

#[test]
fn pruning_sets_exactly_the_asked_share_of_weights_to_zero_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let model = "--model @examples/mnist/mlp300-p90.onnx";
    for (scope, sparsity) in [("global", 0.95), ("layer", 0.97)] {
        let line = format!("prune {model} --sparsity {sparsity} --scope {scope} --out %pruned.onnx --json -");
        let report = json(folder.path(), &line);
        let weights = 784 * 300 + 300 * 100 + 100 * 10;
        assert_eq!(report["weights"], weights);
        for tensor in report["tensors"].as_array().unwrap() {
            let number = |key: &str| tensor[key].as_u64().unwrap();
            let exact = (number("weights") as f64 * sparsity).round() as u64;
            assert!(scope == "global" || number("zeros_after") == exact, "{tensor}");
            assert!(number("zeros_after") >= number("zeros_before"), "{tensor}");
        }
        let zeros = report["zeros"].as_u64().unwrap();
        assert!(scope == "layer" || zeros == (weights as f64 * sparsity).round() as u64, "{zeros} zeros");
        let before = std::fs::read(file("examples/mnist/mlp300-p90.onnx")).unwrap();
        let after = std::fs::read(folder.path().join("pruned.onnx")).unwrap();
        assert_eq!(before.len(), after.len());
        printed(
            folder.path(),
            "convert --model %pruned.onnx --calib @examples/mnist/x_calib.npy --out %net.bin",
        );
        let net = json(folder.path(), "inspect --net %net.bin --json -");
        assert_eq!(net["stored_weights"].as_u64(), Some(weights - zeros));
    }
}

#[test]
fn the_report_splits_what_each_layer_loses() {
    let folder = tempfile::tempdir().unwrap();
    let convert = |more: &str| {
        let line = format!(
            "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x.npy --labels \
             @examples/mnist/y.npy --out %net.bin --report - {more}"
        );
        json(folder.path(), &line)
    };
    let report = convert("--T 32 --fit off");
    assert_eq!(report["compared"], 200);
    assert_eq!(report["accuracy"]["trained"], 0.98);
    let layers: Vec<&serde_json::Value> =
        report["layers"].as_array().unwrap().iter().filter(|layer| !layer["loss"].is_null()).collect();
    assert_eq!(layers.len(), 2);
    for layer in &layers {
        let loss = |key: &str| layer["loss"][key].as_f64().unwrap();
        assert!(loss("correlation") > 0.9, "{layer}");
        // What the parts explain is not less than the whole.
        assert!(loss("error") <= loss("clipping") + loss("quantisation") + loss("rest") + 1e-9, "{layer}");
    }
    // Unit spikes are fitted to a given run length by default, and the rates come closer to the activations.
    let fitted = convert("--T 8 --neuron unit");
    assert_eq!((&report["fitted"], &fitted["fitted"]), (&false.into(), &true.into()));
    let loss = |report: &serde_json::Value, key: &str| -> f64 {
        let layers = report["layers"].as_array().unwrap();
        layers.iter().filter_map(|layer| layer["loss"][key].as_f64()).sum()
    };
    assert!(loss(&fitted, "error") < loss(&convert("--T 8 --fit off"), "error"));
    // The scale at the largest activation clips nothing; with it a longer run rounds less.
    let (short, long) = (convert("--normalise max --T 8"), convert("--normalise max --T 64"));
    assert_eq!(loss(&short, "clipping"), 0.0);
    assert!(loss(&long, "quantisation") < loss(&short, "quantisation") / 4.0);
}

#[test]
fn a_net_that_is_refused_is_refused_with_all_its_nodes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let wild = file("../shared/data/wild/basic_pitch-nmp.onnx");
    if !wild.is_file() {
        println!("skipped: {} is not there", wild.display());
        return;
    }
    let line = "convert --model @../shared/data/wild/basic_pitch-nmp.onnx --out %net.bin";
    let output = snn_event(folder.path(), line).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    // Of several outputs each is named; chosen, one is refused with all that it needs.
    assert!(error.contains("3 nodes cannot be converted") && error.contains("--output NAME"), "{error}");
    let output =
        snn_event(folder.path(), &format!("{line} --output StatefulPartitionedCall:1")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("nodes cannot be converted"), "{error}");
    assert!(error.matches("\n  node `").count() > 5, "{error}");
    assert!(!folder.path().join("net.bin").exists());
}
