//! Networks of few steps: they run as they are made to, without flags.

use crate::{json, printed, snn_event};

const CONVERT: &str = "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --out %net.bin --report -";
const RUN: &str = "--net %net.bin --input @examples/mnist/x.npy";

#[test]
fn a_network_that_settles_runs_once_in_one_step_or_until_it_is_quiet_without_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let mut classes = vec![];
    for (more, quiet) in [("", false), ("--max-spikes 3", true)] {
        let report = json(folder.path(), &format!("{CONVERT} --neuron settle --levels 16 {more}"));
        assert_eq!((&report["neuron"], &report["levels"]), (&"settle".into(), &16.into()));
        let differing = |layer: &serde_json::Value| layer["loss"]["differing"].as_u64();
        let differing: u64 = report["layers"].as_array().unwrap().iter().filter_map(differing).sum();
        assert_eq!(differing, 0, "counts at rest that are not the quantised network's");
        let run = json(folder.path(), &format!("run {RUN} --labels @examples/mnist/y.npy --json -"));
        assert_eq!(run["encoding"], "once");
        assert_eq!(run["quiet"].is_object(), quiet);
        assert_eq!(run["T"], if quiet { 10_000 } else { 1 });
        assert!(run["notes"].as_array().unwrap().is_empty(), "{}", run["notes"]);
        // The trained net has 98 %.
        assert!(run["accuracy"].as_f64().unwrap() >= 0.975, "{}", run["accuracy"]);
        classes.push(run["predictions"].clone());
        let text = printed(folder.path(), &format!("check {RUN} --batch-range 0:8"));
        assert!(text.starts_with("equal") && text.contains("until quiet") == quiet, "{text}");
        let line = format!("check {RUN} --against quantised");
        let report = json(folder.path(), &format!("{line} --json -"));
        assert_eq!((&report["equal"], &report["samples"]), (&true.into(), &200.into()));
        assert_eq!(report["counts"], 400 * 200);
        assert!(printed(folder.path(), &line).starts_with("equal: 200 samples, at rest after"));
        let text = printed(folder.path(), "inspect --net %net.bin");
        assert!(text.contains("with input that arrives once") && text.contains("at rest"), "{text}");
        // Other input is possible, and it is said that it is not what the network is made for.
        let other = json(folder.path(), &format!("run {RUN} --encoding constant --T 2 --json -"));
        assert!(other["notes"].to_string().contains("arrives once"), "{}", other["notes"]);
    }
    assert_eq!(classes[0], classes[1]);
}

#[test]
fn signed_spikes_of_four_units_have_the_trained_accuracy_in_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    for neuron in ["signed", "multi"] {
        let report = json(folder.path(), &format!("{CONVERT} --neuron {neuron} --T 2 --max-spikes 4"));
        assert_eq!((&report["levels"], &report["max_spikes"]), (&8.into(), &4.into()));
        let run = json(folder.path(), &format!("run {RUN} --labels @examples/mnist/y.npy --json -"));
        assert_eq!((&run["encoding"], &run["T"]), (&"constant".into(), &2.into()));
        assert!(run["accuracy"].as_f64().unwrap() >= 0.975, "{neuron}: {}", run["accuracy"]);
        printed(folder.path(), &format!("check {RUN} --batch-range 0:8"));
        // It goes on as long as its input does, so it is not at rest at anything.
        let output = snn_event(folder.path(), &format!("check {RUN} --against quantised")).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("arrives once"), "{error}");
    }
}

#[test]
fn options_of_neurons_that_do_not_go_together_are_refused_before_a_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (options, part, status) in [
        ("--neuron settle --levels 0", "--levels", 2),
        ("--neuron unit --levels 4", "multi, signed and settle", 1),
        ("--neuron signed --T 2 --max-spikes 2 --levels 8", "tell 4 levels", 1),
        ("--neuron settle --normalise max", "least squared error", 1),
        ("--neuron settle --T 4", "number of steps", 1),
        ("--neuron spiky", "possible values: unit, multi, signed, settle", 2),
    ] {
        let output = snn_event(folder.path(), &format!("{CONVERT} {options}")).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(status) && error.contains(part), "{options}: {error}");
        assert!(!folder.path().join("net.bin").exists());
    }
}
