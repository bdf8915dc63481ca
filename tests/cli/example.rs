//! The shipped example: the README's commands and what they must give.

use crate::{file, json, printed, snn_event};

const CONVERT: &str =
    "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --out %net.bin";
const RUN: &str =
    "run --net @examples/mnist/net.bin --T 256 --input @examples/mnist/x.npy --labels @examples/mnist/y.npy";

#[test]
fn the_shipped_net_is_what_the_shipped_command_makes_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(folder.path(), CONVERT);
    assert!(text.contains("non-zero") && text.contains("20,373"), "{text}");
    let made = std::fs::read(folder.path().join("net.bin")).unwrap();
    assert!(
        made == std::fs::read(file("examples/mnist/net.bin")).unwrap(),
        "examples/mnist/net.bin is not up to date"
    );
}

#[test]
fn the_main_job_tells_classes_accuracy_and_costs_per_population() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(folder.path(), RUN);
    for part in
        ["predicted classes:\n  6 0 7 0", "accuracy: 98", "synaptic", "touched", "wall time per sample"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn event_driven_and_dense_runs_report_the_same_in_every_encoding_and_for_every_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in ["constant", "poisson --seed 42", "regular"] {
        let run = |more: &str| {
            let mut report = json(
                folder.path(),
                &format!(
                    "run --net @examples/mnist/net.bin --T 48 --input @examples/mnist/x.npy --batch-range 3:11 \
                     --encoding {encoding} --json - {more}"
                ),
            );
            for varying in ["mode", "threads", "wall_seconds", "wall_seconds_per_sample"] {
                report.as_object_mut().unwrap().remove(varying);
            }
            for varying in ["mode", "threads", "mmap"] {
                report["provenance"]["options"].as_object_mut().unwrap().remove(varying);
            }
            report
        };
        let event = run("--mode event --threads 1");
        assert_eq!(event, run("--mode dense"), "{encoding}");
        assert_eq!(event, run(""), "{encoding}");
        assert_eq!(event, run("--threads 3"), "{encoding}");
        // More threads than samples.
        assert_eq!(event, run("--threads 9"), "{encoding}");
        assert_eq!(event, run("--mode event --threads 2 --no-mmap"), "{encoding}");
        assert_eq!(event["samples"], 8);
    }
}

#[test]
fn check_finds_the_simulators_equal_on_the_example() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in ["constant", "poisson", "regular"] {
        let line = format!(
            "check --net @examples/mnist/net.bin --T 300 --input @examples/mnist/x.npy --batch-range 0:4 --encoding {encoding}"
        );
        let text = printed(folder.path(), &line);
        assert!(text.starts_with("equal: 4 samples, 300 steps each"), "{text}");
    }
}

#[test]
fn a_sample_has_the_same_results_in_whatever_batch_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let counts = |range: &str| -> Vec<u8> {
        let line = format!(
            "run --net @examples/mnist/net.bin --T 20 --input @examples/mnist/x.npy --encoding poisson --seed 7 \
             --batch-range {range} --potentials %v.npy --json -"
        );
        json(folder.path(), &line);
        let bytes = std::fs::read(folder.path().join("v.npy")).unwrap();
        bytes[bytes.len() - 40..].to_vec()
    };
    assert_eq!(counts("0:20"), counts("19:20"));
    assert_eq!(counts(":20"), counts("15:20"));
}

#[test]
fn inspect_tells_what_is_in_the_net_and_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(folder.path(), "inspect --net @examples/mnist/net.bin --json -");
    assert_eq!(report["populations"][0]["name"], "input");
    assert_eq!(report["stored_weights"], 26_620);
    assert_eq!(report["description"]["provenance"]["model"]["file"], "mlp300-p90.onnx");
    let text = printed(folder.path(), "inspect --net @examples/mnist/net.bin");
    assert!(text.contains("integrate-and-fire") && text.contains("mlp300-p90.onnx"), "{text}");
}

#[test]
fn help_has_examples_and_spells_the_number_of_steps_with_a_capital_t() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["convert", "run", "check", "inspect"] {
        let help = printed(folder.path(), &format!("{command} --help"));
        assert!(help.contains("Example") && help.contains("snn-event"), "{help}");
        assert!(command == "inspect" || help.contains("--T <STEPS>"), "{help}");
    }
}

#[test]
fn nothing_but_the_result_is_printed_when_the_output_is_piped() {
    let folder = tempfile::tempdir().unwrap();
    let output = snn_event(folder.path(), RUN).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(!String::from_utf8_lossy(&output.stdout).contains('\u{1b}'), "escape codes in a pipe");
}
