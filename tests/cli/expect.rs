//! `convert --expect`: the net in the file against outputs of the net that was trained.

use snn_formats::write_npy;

use crate::{file, json, printed, snn_event};

/// A net with weights from PyTorch, its layers, samples, and what PyTorch gives for them.
const NET: &str = "converter/tests/data/state_dict";

fn line(expect: &str) -> String {
    format!(
        "convert --model @{NET}/residual.pt --layers @{NET}/residual.toml --calib @{NET}/x.npy --expect {expect} --out %net.bin"
    )
}

#[test]
fn a_file_that_states_another_net_than_the_trained_one_is_refused_with_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(folder.path(), &line(&format!("@{NET}/logits.npy")));
    assert!(text.contains("logits.npy on 4 samples (largest relative difference"), "{text}");
    let report = json(folder.path(), &format!("{} --json -", line(&format!("@{NET}/logits.npy"))));
    assert_eq!(report["agreement"]["samples"], 4);
    assert!(report["agreement"]["largest_relative_difference"].as_f64().unwrap() < 1e-5, "{report}");
    std::fs::remove_file(folder.path().join("net.bin")).unwrap();

    let logits = snn_formats::npy::read(file(NET).join("logits.npy")).unwrap();
    let shape = logits.shape.clone();
    let logits = logits.into_f32().unwrap();
    let classes = shape[1];
    let largest = logits[2 * classes..3 * classes].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // What is compared is a part of the sample's largest output: half a thousandth is rounding, two are not.
    for (part, differs) in [(0.0005, false), (0.002, true)] {
        let mut other = logits.clone();
        other[2 * classes + 1] += part * largest;
        write_npy(folder.path().join("y.npy"), &shape, &other).unwrap();
        let output = snn_event(folder.path(), &line("%y.npy")).output().unwrap();
        assert_eq!(output.status.success(), !differs);
        if differs {
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            for part in [
                "residual.pt: the net that was read is not the one that was trained",
                "output 1 of sample 2",
                "1 of 4",
            ] {
                assert!(error.contains(part), "{part:?} is not in {error}");
            }
        }
        assert_eq!(folder.path().join("net.bin").exists(), !differs, "{part}");
        std::fs::remove_file(folder.path().join("net.bin")).ok();
    }
}

#[test]
fn expected_outputs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(folder.path().join("few.npy"), &[3, 2], &[0.0_f32; 6]).unwrap();
    let output = snn_event(folder.path(), &line("%few.npy")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("6 expected outputs were given for 4 samples"), "{error}");
    // Without the samples that they belong to there is nothing to compare: wrong usage.
    let alone = "convert --model @examples/mnist/mlp300-p90.onnx --expect %few.npy --out %net.bin";
    assert_eq!(snn_event(folder.path(), alone).output().unwrap().status.code(), Some(2));
}
