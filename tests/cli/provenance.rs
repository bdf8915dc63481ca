//! What every JSON says of how it came about, and what a network says of its making.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use snn_formats::{Digest, FileDigest};

use crate::{file, json, printed};

const MODEL: &str = "examples/mnist/mlp300-p90.onnx";
const CALIBRATION: &str = "examples/mnist/x_calib.npy";
const NET: &str = "examples/mnist/net.bin";
const INPUT: &str = "examples/mnist/x.npy";
const LABELS: &str = "examples/mnist/y.npy";

/// What is to be said of a file.
fn digest(path: &Path) -> Value {
    json!(FileDigest::new(path, Digest::of(&std::fs::read(path).unwrap())))
}

/// A report of a command, the files that it must know, and options that it must tell.
type Told = (&'static str, Value, Vec<(&'static str, Value)>, &'static [&'static str]);

/// One report of every command.
fn reports(folder: &Path) -> Vec<Told> {
    let of = |path: &str| digest(&file(path));
    let made = |name: &str| digest(&folder.join(name));
    let input: &[&str] =
        &["T", "until_quiet", "encoding", "seed", "batch_range", "threads", "mmap", "memory_limit"];
    let run = json(
        folder,
        &format!("run --net @{NET} --input @{INPUT} --labels @{LABELS} --batch-range 0:3 --T 8 --json -"),
    );
    let check =
        json(folder, &format!("check --net @{NET} --input @{INPUT} --batch-range 0:1 --T 4 --json -"));
    let inspect = json(folder, &format!("inspect --net @{NET} --json -"));
    let prune = json(folder, &format!("prune --model @{MODEL} --sparsity 0.95 --out %pruned.onnx --json -"));
    let generate = json(folder, "generate --sizes 20,10 --density 0.5 --rate 0.1 --out %made.bin --json -");
    let convert = json(
        folder,
        &format!("convert --model @{MODEL} --calib @{CALIBRATION} --out %converted.bin --json -"),
    );
    let eval = json(
        folder,
        &format!(
            "eval --net @{NET} --input @{INPUT} --labels @{LABELS} --model @{MODEL} --batch-range 0:3 --T 8 --json -"
        ),
    );
    let eval_files =
        vec![("net", of(NET)), ("input", of(INPUT)), ("labels", of(LABELS)), ("model", of(MODEL))];
    vec![
        ("eval", eval, eval_files, &["T", "points", "stop", "energy", "memory_limit", "threads"]),
        ("run", run, vec![("net", of(NET)), ("input", of(INPUT)), ("labels", of(LABELS))], input),
        ("check", check, vec![("net", of(NET)), ("input", of(INPUT))], input),
        ("inspect", inspect, vec![("net", of(NET))], &["mmap", "memory_limit"]),
        ("prune", prune, vec![("model", of(MODEL)), ("out", made("pruned.onnx"))], &["sparsity", "scope"]),
        (
            "generate",
            generate,
            vec![("out", made("made.bin"))],
            &["sizes", "density", "bias", "firing_output"],
        ),
        (
            "convert",
            convert,
            vec![("model", of(MODEL)), ("calibration", of(CALIBRATION)), ("out", made("converted.bin"))],
            &["T", "scale_steps", "normalise", "fit", "scale_per", "v0", "readout", "zeros", "output"],
        ),
    ]
}

#[test]
fn every_json_tells_the_tool_the_kernels_the_digest_of_every_file_and_all_options_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    for (command, report, files, options) in reports(folder.path()) {
        let provenance = &report["provenance"];
        assert_eq!(provenance["tool"], concat!("snn-event ", env!("CARGO_PKG_VERSION")));
        assert_eq!(provenance["command"], command);
        let kernels = provenance["kernels"].as_str().unwrap();
        assert!(snn_engine::instruction_sets().contains(&kernels), "{command}: {kernels}");
        for (name, expected) in &files {
            assert_eq!(provenance[name], *expected, "{command}: {name}");
        }
        // No other file is spoken of, and no folder.
        let machine = &provenance["machine"];
        assert_eq!(machine["architecture"], std::env::consts::ARCH, "{command}");
        assert!(machine["cores"].as_u64().unwrap() > 0, "{command}");
        let known = ["tool", "command", "kernels", "machine", "options"]
            .into_iter()
            .chain(files.iter().map(|file| file.0));
        let said: BTreeSet<&str> = provenance.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(said, known.collect(), "{command}");
        for option in options {
            assert!(provenance["options"].get(option).is_some(), "{command}: no option {option}");
        }
    }
}

#[test]
fn options_that_nobody_gave_are_told_as_they_were_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let options = |line: &str| json(folder.path(), line)["provenance"]["options"].clone();
    let run = options(&format!("run --net @{NET} --input @{INPUT} --batch-range :2 --json -"));
    assert_eq!(
        [&run["T"], &run["encoding"], &run["mode"], &run["batch_range"], &run["seed"], &run["memory_limit"]],
        [&json!(256), &json!("constant"), &json!("auto"), &json!([0, 2]), &Value::Null, &json!(384 << 20)]
    );
    let poisson =
        format!("run --net @{NET} --input @{INPUT} --T 4 --batch-range :2 --encoding poisson --json -");
    assert_eq!(options(&poisson)["seed"], 0);

    let convert = |flags: &str| {
        options(&format!("convert --model @{MODEL} --calib @{CALIBRATION} {flags} --out %net.bin --json -"))
    };
    let told =
        |options: &Value| ["T", "scale_steps", "normalise", "fit", "v0"].map(|name| options[name].clone());
    assert_eq!(told(&convert("")), [Value::Null, json!(32), json!("mse"), json!(false), json!("half")]);
    assert_eq!(
        told(&convert("--T 8 --neuron unit")),
        [json!(8), json!(8), json!("mse"), json!(true), json!("half")]
    );
    let percentile = convert("--percentile 99");
    assert_eq!(told(&percentile), [Value::Null, json!(32), json!("percentile"), json!(false), json!("0")]);
    assert_eq!(percentile["percentile"], 99.0);
}

#[test]
fn a_network_says_what_it_was_made_of_but_nothing_of_the_machine_or_of_folders() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("elsewhere")).unwrap();
    for (from, to) in [(MODEL, "elsewhere/mlp300-p90.onnx"), (CALIBRATION, "elsewhere/x_calib.npy")] {
        std::fs::copy(file(from), at(to)).unwrap();
    }
    let here = format!("convert --model @{MODEL} --calib @{CALIBRATION} --out %here.bin --json -");
    let report = json(folder.path(), &here);
    printed(
        folder.path(),
        "convert --model %elsewhere/mlp300-p90.onnx --calib %elsewhere/x_calib.npy --out %there.bin --report %r.json",
    );
    assert!(std::fs::read(at("here.bin")).unwrap() == std::fs::read(at("there.bin")).unwrap());

    let inspected = json(folder.path(), "inspect --net %here.bin --json -");
    let description = &inspected["description"];
    let mut expected = report["provenance"].clone();
    for only_told in ["kernels", "machine", "out"] {
        expected.as_object_mut().unwrap().remove(only_told).unwrap();
    }
    assert_eq!(description["provenance"], expected);
    // The report is in the file as it was written beside it.
    let mut expected = report;
    expected.as_object_mut().unwrap().remove("provenance").unwrap();
    assert_eq!(description["report"], expected);
    assert!(expected["layers"].as_array().unwrap().len() > 2);
}

#[test]
fn docs_json_md_names_every_field_that_a_command_writes() {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.insert(name.clone());
                names(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(file("docs/json.md")).unwrap();
    let mut all: Vec<(String, Value)> = reports(folder.path())
        .into_iter()
        // The fields of an evaluation are those of snn_research::EvaluationReport, which documents them.
        .filter(|(command, ..)| *command != "eval")
        .map(|(command, report, ..)| (command.to_owned(), report))
        .collect();
    let quiet = format!("run --net @{NET} --input @{INPUT} --batch-range :1 --T 4 --until-quiet --json -");
    all.push(("run --until-quiet".into(), json(folder.path(), &quiet)));
    for (command, mut report) in all {
        // Parameters and choices are named after the neuron model.
        for population in report["populations"].as_array_mut().into_iter().flatten() {
            for free in ["parameters", "choices"] {
                if let Some(named) = population.get_mut(free) {
                    *named = Value::Null;
                }
            }
        }
        let mut found = BTreeSet::new();
        names(&report, &mut found);
        found.retain(|name| !text.contains(&format!("`{name}`")));
        assert!(found.is_empty(), "{command}: docs/json.md does not name {found:?}");
    }
}
