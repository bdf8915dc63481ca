//! Runs until the network is quiet, input that arrives once, and rasters of whole numbers.

use std::path::Path;

use serde_json::{Value, json};
use snn_formats::{NpzReader, npy, write_npy};

use crate::{json, printed, snn_event};

const NET: &str = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy --batch-range :3";

#[test]
fn samples_that_came_to_rest_are_told_with_their_steps_and_none_is_no_zero() {
    let folder = tempfile::tempdir().unwrap();
    // Currents that never end keep neurons firing.
    let line = format!("run {NET} --until-quiet --T 4");
    let report = json(folder.path(), &format!("{line} --json -"));
    let never = json!({"samples": 0, "after": [null, null, null], "mean_steps": null, "most_steps": null});
    assert_eq!(report["quiet"], never);
    let text = printed(folder.path(), &line);
    assert!(
        text.contains("quiet: none of 3 samples within 4 steps") && !text.contains("0.0 steps"),
        "{text}"
    );
    assert!(text.starts_with("3 samples, until quiet, 4 steps at most, constant input"), "{text}");

    let line = format!("run {NET} --until-quiet --encoding once");
    let report = json(folder.path(), &format!("{line} --json -"));
    let after: Vec<u64> =
        report["quiet"]["after"].as_array().unwrap().iter().map(|steps| steps.as_u64().unwrap()).collect();
    assert_eq!((after.len(), &report["quiet"]["samples"]), (3, &json!(3)));
    let most = *after.iter().max().unwrap();
    assert_eq!(report["quiet"]["most_steps"], most);
    let mean = report["quiet"]["mean_steps"].as_f64().unwrap();
    assert!((mean - after.iter().sum::<u64>() as f64 / 3.0).abs() < 1e-12);
    let text = printed(folder.path(), &line);
    assert!(text.contains("quiet: 3 of 3 samples, after ") && text.contains(" steps on average"), "{text}");
    // It is what a run of so many steps gives: nothing happens behind.
    let run = |flags: &str| json(folder.path(), &format!("run {NET} --encoding once {flags} --json -"));
    assert_eq!(run("--T 200")["predictions"], report["predictions"]);
    let spikes = |report: &Value| -> Vec<u64> {
        let populations = report["populations"].as_array().unwrap();
        populations.iter().map(|population| population["spikes"].as_u64().unwrap()).collect()
    };
    assert_eq!(spikes(&run("--T 200")), spikes(&report));
    assert_eq!(
        json(folder.path(), &format!("check {NET} --until-quiet --encoding once --json -"))["equal"],
        true
    );
}

#[test]
fn the_note_on_a_run_until_quiet_names_its_limit_as_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let model =
        "--model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --T 8 --out %net.bin";
    printed(folder.path(), &format!("convert {model}"));
    let line = "--net %net.bin --input @examples/mnist/x.npy --batch-range :1 --until-quiet --T 8 --json -";
    for command in ["run", "check"] {
        let note = json(folder.path(), &format!("{command} {line}"))["notes"][0].as_str().unwrap().to_owned();
        assert!(note.contains("T = 8") && note.contains("until it is quiet, for at most 8 steps"), "{note}");
    }
}

#[test]
fn input_that_arrives_once_is_a_current_of_the_first_step_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = |encoding: &str, steps: u32| {
        let line = format!("run {NET} --encoding {encoding} --T {steps} --potentials %v.npy");
        printed(folder.path(), &line);
        npy::read(folder.path().join("v.npy")).unwrap().into_f32().unwrap()
    };
    // Of one step both are the same but for the order of the sum; of more they are not.
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart(&first("once", 1), &first("constant", 1)) < 1e-5);
    assert!(apart(&first("once", 9), &first("constant", 9)) > 0.1);
    assert_eq!(first("once", 60), first("once", 200), "all has arrived");
}

/// A raster of 2 samples and 6 steps in which a few neurons fire spikes of some values.
fn raster(folder: &Path, name: &str, values: [i32; 3]) -> Vec<i32> {
    let mut raster = vec![0; 2 * 6 * 784];
    for (place, value) in raster.iter_mut().enumerate() {
        if place % 7 == 3 {
            *value = values[place % 3];
        }
    }
    write_npy(folder.join(name), &[2, 6, 784], &raster).unwrap();
    raster
}

#[test]
fn whole_numbers_of_a_raster_are_the_values_of_its_spikes() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        |name: &str| format!("--net @examples/mnist/net.bin --input %{name} --encoding raster --json -");
    // Ones are flags.
    raster(folder.path(), "ones.npy", [1, 1, 1]);
    let flags: Vec<u8> = raster(folder.path(), "ones.npy", [1; 3]).iter().map(|&one| one as u8).collect();
    write_npy(folder.path().join("flags.npy"), &[2, 6, 784], &flags).unwrap();
    let [ones, plain] =
        ["ones.npy", "flags.npy"].map(|name| json(folder.path(), &format!("run {}", line(name))));
    assert_eq!(ones["populations"], plain["populations"]);
    // Others come back as they were given, and every simulator agrees about them.
    let given = raster(folder.path(), "valued.npy", [2, -3, 40]);
    let report = json(folder.path(), &format!("run {} --spikes %spikes.npz", line("valued.npy")));
    let mut spikes = NpzReader::open(folder.path().join("spikes.npz")).unwrap();
    let values = spikes.read("input.values").unwrap().into_labels().unwrap();
    let fired: Vec<i64> = given.iter().filter(|&&value| value != 0).map(|&value| i64::from(value)).collect();
    assert_eq!(values, fired);
    let input = &report["populations"][0];
    assert_eq!(input["spikes"], fired.len());
    assert_eq!(input["magnitude"], fired.iter().map(|value| value.unsigned_abs()).sum::<u64>());
    assert_eq!(json(folder.path(), &format!("check {}", line("valued.npy")))["equal"], true);
    // Steps beyond those of the raster are refused, with the numbers.
    let longer = line("valued.npy").replace("--json -", "--T 7");
    let error = snn_event(folder.path(), &format!("run {longer}")).output().unwrap();
    assert_eq!(error.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&error.stderr).contains("has 6 steps"));
}
