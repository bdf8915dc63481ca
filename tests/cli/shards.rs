//! `--shard`, `--part` and `--join`: parts of the samples, joined, are the run of all.

use std::path::Path;

use serde_json::Value;

use crate::{json, printed, snn_event};

const INPUT: &str =
    "--net @examples/mnist/net.bin --input @examples/mnist/x.npy --labels @examples/mnist/y.npy";

/// A report without what made it and how long it took.
fn told(mut report: Value) -> Value {
    let object = report.as_object_mut().unwrap();
    for name in ["provenance", "threads", "wall_seconds", "wall_seconds_per_sample"] {
        object.remove(name);
    }
    report
}

/// Runs all parts and names their files, the last first.
fn parts(folder: &Path, command: &str, of: usize) -> String {
    let part = |number: usize| {
        let name = format!("%part-{number}-{of}.json");
        printed(
            folder,
            &format!("{command} --shard {number}/{of} --part {name} --threads {}", number % 2 + 1),
        );
        name
    };
    (1..=of).rev().map(part).collect::<Vec<_>>().join(" ")
}

#[test]
fn parts_of_a_run_are_the_run_with_its_arrays_and_digests() {
    let folder = tempfile::tempdir().unwrap();
    let arrays = |name: &str| {
        format!("--counts %{name}.counts.npy --potentials %{name}.v.npy --outputs %{name}.o.npy --json -")
    };
    for (more, of) in [
        ("--T 8 --batch-range 3:20", 1),
        ("--T 8 --batch-range 3:20", 4),
        ("--T 16 --batch-range :9 --encoding poisson --seed 7", 9),
        ("--until-quiet --T 300 --encoding once --batch-range :5", 2),
    ] {
        let command = format!("run {INPUT} {more}");
        let whole = json(folder.path(), &format!("{command} {}", arrays("whole")));
        assert!(whole["spike_digests"].as_array().unwrap().len() > 2);
        let parts = parts(folder.path(), &command, of);
        let joined = json(folder.path(), &format!("{command} {} --join {parts}", arrays("joined")));
        assert_eq!(joined["provenance"]["options"]["join"].as_array().unwrap().len(), of);
        assert_eq!(told(joined), told(whole), "{more}, {of} parts");
        for array in ["counts", "v", "o"] {
            let bytes =
                |name: &str| std::fs::read(folder.path().join(format!("{name}.{array}.npy"))).unwrap();
            assert!(bytes("joined") == bytes("whole"), "{more}: {array}");
        }
    }
}

#[test]
fn parts_of_an_evaluation_are_the_evaluation_and_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let more = "--T 6 --batch-range :21 --stop margin=1 --stop quiet --membrane-updates";
    let model = "--model @examples/mnist/mlp300-p90.onnx --energy loihi";
    let whole = json(folder.path(), &format!("eval {INPUT} {more} {model} --json -"));
    // Labels, the trained net and energies are of the whole.
    let bare = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy";
    let parts = parts(folder.path(), &format!("eval {bare} {more}"), 4);
    let joined = json(folder.path(), &format!("eval {INPUT} {more} {model} --json - --join {parts}"));
    assert_eq!(told(joined), told(whole));
    printed(folder.path(), &format!("report {INPUT} {more} {model} --out %whole.html --figures %whole"));
    printed(
        folder.path(),
        &format!("report {INPUT} {more} {model} --out %joined.html --figures %joined --join {parts}"),
    );
    let mut figures = 0;
    for entry in std::fs::read_dir(folder.path().join("whole")).unwrap() {
        let entry = entry.unwrap();
        let other = folder.path().join("joined").join(entry.file_name());
        assert!(std::fs::read(entry.path()).unwrap() == std::fs::read(other).unwrap(), "{entry:?}");
        figures += 1;
    }
    assert!(figures > 20, "{figures}");
}

#[test]
fn what_are_not_all_parts_of_this_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |line: &str, status: i32, part: &str| {
        let output = snn_event(folder.path(), line).assert().code(status);
        let error = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(error.contains(part), "{line}: {error}");
    };
    let command = format!("run {INPUT} --T 4 --batch-range :6");
    parts(folder.path(), &command, 3);
    let join = |parts: &str| format!("{command} --join {parts}");
    refused(&join("%part-1-3.json %part-3-3.json"), 1, "part 2 of 3 is missing");
    refused(&join("%part-1-3.json %part-2-3.json"), 1, "part 3 of 3 is missing");
    refused(&join("%part-1-3.json %part-2-3.json %part-2-3.json %part-3-3.json"), 1, "give each part once");
    let other =
        format!("run {INPUT} --T 5 --batch-range :6 --join %part-1-3.json %part-2-3.json %part-3-3.json");
    refused(&other, 1, "options.T is 4 there and 5 here");
    refused(&format!("eval {INPUT} --T 4 --batch-range :6 --join %part-1-3.json"), 1, "part-1-3.json");
    refused(&format!("{} --spikes %s.npz", join("%part-1-3.json")), 2, "--spikes");
    refused(&format!("{command} --shard 7/7"), 2, "there are 6 samples");
    refused(&format!("{command} --shard 3/2"), 2, "3/2");
    refused(&format!("{command} --part %p.json"), 2, "--shard");
    refused(&format!("{command} --shard 1/2 --join %part-1-3.json"), 2, "cannot be used with");
    refused(&format!("{} --counts %part-1-3.json", join("%part-1-3.json")), 2, "part-1-3.json");
    refused(&format!("{command} --shard 1/2 --part %a.json --json %a.json"), 2, "a.json");
    // Damaged: a class that there is not, a population less, numbers that are none.
    let path = folder.path().join("part-2-3.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let all = "%part-1-3.json %part-2-3.json %part-3-3.json";
    let mut bent = vec![];
    for (place, value) in [
        ("/gave/outcomes/0/class", 10.into()),
        ("/gave/outcomes/1/counts", Value::Array(vec![])),
        ("/gave/outcomes/1/drive_operations", Value::Array(vec![])),
        ("/gave/outcomes", Value::Array(vec![])),
        ("/gave/digests", Value::Array(vec!["00".into()])),
        ("/samples/1", 100.into()),
        ("/samples/0", u64::MAX.into()),
        ("/number", 0.into()),
        ("/of", 2.into()),
    ] {
        let mut other = whole.clone();
        *other.pointer_mut(place).unwrap() = value;
        bent.push(other.to_string());
    }
    bent.extend(["{}".into(), String::new(), whole.to_string()[..200].to_owned()]);
    for text in bent {
        std::fs::write(&path, text).unwrap();
        refused(&join(all), 1, "part-2-3.json");
    }
}
