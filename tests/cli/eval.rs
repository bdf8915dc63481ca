//! `eval`: accuracy and costs after every number of steps, from one run.

use serde_json::Value;

use crate::{json, printed, snn_event};

const EVAL: &str = "eval --net @examples/mnist/net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy \
                    --batch-range 0:40";
const RUN: &str = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy \
                   --batch-range 0:40 --json -";

#[test]
fn every_line_is_what_a_run_of_that_length_tells() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in ["constant", "poisson --seed 7"] {
        let evaluation = json(folder.path(), &format!("{EVAL} --encoding {encoding} --T 12 --json -"));
        let points = evaluation["points"].as_array().unwrap();
        assert_eq!(points.len(), 12);
        for steps in [1, 5, 12] {
            let run = json(folder.path(), &format!("{RUN} --encoding {encoding} --T {steps}"));
            let point = &points[steps - 1];
            assert_eq!(point["T"], steps);
            assert_eq!(point["accuracy"]["share"], run["accuracy"], "{encoding}, T = {steps}");
            for (here, there) in [
                ("spikes", "spikes"),
                ("synaptic_operations", "synaptic_operations"),
                ("touched_potentials", "updates"),
            ] {
                let populations = run["populations"].as_array().unwrap();
                let sum: u64 = populations.iter().map(|population| population[there].as_u64().unwrap()).sum();
                assert_eq!(
                    point[here].as_f64().unwrap(),
                    sum as f64 / 40.0,
                    "{encoding}, T = {steps}, {here}"
                );
            }
        }
        let run = json(folder.path(), &format!("{RUN} --encoding {encoding} --T 12"));
        assert_eq!(evaluation["predictions"], run["predictions"]);
    }
}

#[test]
fn modes_threads_and_parts_of_the_batch_give_the_same_digests() {
    let folder = tempfile::tempdir().unwrap();
    let digests = |more: &str| -> Value {
        json(folder.path(), &format!("{EVAL} --points 10 --json - {more}"))["spike_digests"].clone()
    };
    let event = digests("--mode event --threads 1");
    assert_eq!(event, digests("--mode dense --threads 2"));
    assert_eq!(event, digests("--mode auto --threads 3"));
    assert_eq!(event.as_array().unwrap().len(), 4);
    assert_eq!(event[1]["digest"].as_str().unwrap().len(), 64);
    assert_ne!(event, digests("--encoding regular"));
    // `run` tells the same, of whole batches and of images in the order of its neurons.
    let of_run = |more: &str| -> Value {
        json(folder.path(), &format!("{RUN} --T 10 {more}"))["spike_digests"].clone()
    };
    for more in
        ["--mode event --threads 1", "--mode dense --threads 2", "--mode auto --threads 1", "--threads 3"]
    {
        assert_eq!(of_run(more), event, "{more}");
    }
    assert_eq!(of_run("--spikes %spikes.npz"), event);
    assert_ne!(of_run("--encoding regular"), event);
    // A place for every step would take more than half of the limit.
    let long = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --batch-range 0:1 --memory-limit 20M --threads 1 \
                --T 400000 --json -";
    assert!(json(folder.path(), long)["spike_digests"].is_null());
}

#[test]
fn digests_of_images_are_those_of_their_neurons_in_the_users_order() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "generate --conv 2,6,6,4,3 --density 0.6 --rate 0.3 --out %net.bin");
    let values: Vec<f32> = (0..5 * 72_u16).map(|at| f32::from(at % 11) / 10.0).collect();
    snn_formats::write_npy(folder.path().join("x.npy"), &[5, 72], &values).unwrap();
    let line = "--net %net.bin --input %x.npy --encoding poisson --T 12 --json -";
    let digests = |command: &str| -> Value { json(folder.path(), command)["spike_digests"].clone() };
    let event = digests(&format!("eval {line} --mode event"));
    for command in
        ["run --mode dense", "run --mode event", "run --threads 1", "run --threads 2", "eval --mode auto"]
    {
        let (command, more) = command.split_once(' ').unwrap();
        assert_eq!(digests(&format!("{command} {line} {more}")), event, "{command} {more}");
    }
}

#[test]
fn the_trained_net_is_compared_on_the_same_images() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{EVAL} --T 32 --model @examples/mnist/mlp300-p90.onnx --json -");
    let report = json(folder.path(), &line);
    let trained = &report["trained"];
    assert!(trained["accuracy"]["share"].as_f64().unwrap() > 0.9, "{trained}");
    assert!(trained["agreement"]["share"].as_f64().unwrap() > 0.9, "{trained}");
    let p = trained["mcnemar"]["p"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&p));
    let (low, high) = (&report["points"][31]["accuracy"]["low"], &report["points"][31]["accuracy"]["high"]);
    assert!(low.as_f64() < high.as_f64());
}

#[test]
fn energies_come_with_the_operations_that_they_are_made_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("own.toml"),
        "[chip]\nsource = \"measured\"\naddition = 2.0\nmultiply-add = 3.0\n",
    )
    .unwrap();
    let report = json(folder.path(), &format!("{EVAL} --points 16 --energy-file %own.toml --json -"));
    let [energy] = &report["energy"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((energy["preset"].as_str(), energy["source"].as_str()), (Some("chip"), Some("measured")));
    let populations = report["populations"].as_array().unwrap();
    let sum =
        |key: &str| -> f64 { populations.iter().map(|population| population[key].as_f64().unwrap()).sum() };
    let wanted = (2.0 * sum("additions") + 3.0 * sum("multiply_adds")) / 1e3;
    assert!((energy["nanojoules"].as_f64().unwrap() - wanted).abs() < 1e-9);
    assert!(sum("additions") > 0.0 && sum("multiply_adds") > 0.0);
    let text = printed(folder.path(), &format!("{EVAL} --points 4 --energy loihi --energy lemaire-2022"));
    for part in ["loihi", "message", "lemaire-2022", "potential access", "Effective_ACs", "crossover"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn early_ends_tell_their_accuracy_and_the_distribution_of_steps() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{EVAL} --T 24 --stop margin=0 --stop confidence=0.9 --stop margin=1000000 --json -");
    let report = json(folder.path(), &line);
    let [first, confident, never] = &report["stops"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(first["mean_steps"], 1.0);
    assert_eq!(first["accuracy"], report["points"][0]["accuracy"]);
    assert_eq!((never["unended"].as_u64(), never["mean_steps"].as_f64()), (Some(40), Some(24.0)));
    assert_eq!(never["accuracy"], report["points"][23]["accuracy"]);
    let ended: u64 =
        confident["ended"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(ended, 40);
    assert!(confident["synaptic_operations"].as_f64() < never["synaptic_operations"].as_f64());
}

#[test]
fn wrong_plans_are_refused_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.toml"), "[chip]\nsource = \"x\"\naddition = -1\n").unwrap();
    for (more, status, part) in [
        ("--points 4,2", 2, "ascend"),
        ("--points 0,2", 2, "1.."),
        ("--points 4 --T 8", 2, "cannot be used"),
        ("--T 8 --readout-from 8", 2, "nothing is left"),
        ("--T 8 --stop soon", 2, "margin=M"),
        ("--T 8 --energy sun", 2, "horowitz-fp32"),
        ("--T 8 --energy-file %own.toml", 1, "addition is -1"),
        ("--T 8 --input-mean 0.5", 2, "--model"),
        ("--T 8 --json @examples/mnist/x.npy", 2, "--input"),
        ("--T 8 --model @examples/mnist/net.bin", 1, "unknown kind of model"),
    ] {
        let output = snn_event(folder.path(), &format!("{EVAL} {more}")).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{more}: {error}");
    }
}

#[test]
fn a_network_that_runs_until_it_is_quiet_is_told_at_few_points_and_when_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let convert = "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --neuron settle \
                   --levels 8 --max-spikes 1 --out %net.bin";
    printed(folder.path(), convert);
    let line = "--net %net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy --batch-range 0:20 --json -";
    let report = json(folder.path(), &format!("eval {line}"));
    let run = json(folder.path(), &format!("run {line}"));
    assert_eq!(report["predictions"], run["predictions"]);
    let steps: Vec<u64> =
        report["points"].as_array().unwrap().iter().map(|point| point["T"].as_u64().unwrap()).collect();
    assert_eq!((&steps[..4], *steps.last().unwrap()), (&[1, 2, 4, 8][..], 10_000));
    let quiet = &report["stops"][0];
    assert_eq!((quiet["rule"].as_str(), quiet["unended"].as_u64()), (Some("quiet"), Some(0)));
    // The first power of two that is no less.
    let after = run["quiet"]["after"].as_array().unwrap().iter().map(|steps| steps.as_u64().unwrap());
    let sum: u64 = after.map(u64::next_power_of_two).sum();
    assert_eq!(quiet["mean_steps"].as_f64().unwrap(), sum as f64 / 20.0);
}
