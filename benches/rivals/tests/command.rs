//! The command line of the rivals as a user meets it.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use snn_engine::random::{Plan, RandomNetwork};
use snn_formats::{Description, write_net};

/// A file of the project.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A command line: words split at spaces, `@path` is a file of the project and `%name` one of the given folder.
fn rivals(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("snn-rivals"));
    for word in line.split_whitespace() {
        match word.split_at(1) {
            ("@", path) => command.arg(file(path)),
            ("%", name) => command.arg(folder.join(name)),
            _ => command.arg(word),
        };
    }
    command
}

/// What a command prints, which must succeed.
fn printed(folder: &Path, line: &str) -> String {
    let output = rivals(folder, line).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

fn json(folder: &Path, line: &str) -> Value {
    serde_json::from_str(&printed(folder, line)).unwrap()
}

/// Writes a random network.
fn generate(path: &Path, plan: Plan, density: f64, rate: f64) {
    let recipe = RandomNetwork { plan, density, rate, bias: 0.0, firing_output: false, seed: 3 };
    write_net(path, &recipe.make().unwrap().0, &Description::default()).unwrap();
}

#[test]
fn a_net_is_timed_beside_its_rivals_and_the_numbers_fit_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let image = Plan::Convolution { source: [4, 8, 8], channels: 6, kernel: 3 };
    generate(&folder.path().join("conv.bin"), image, 0.5, 0.1);
    let net = "--net @examples/mnist/net.bin";
    for line in [
        format!("{net} --T 32 --input @examples/mnist/x.npy"),
        format!("{net} --T 300 --input @examples/mnist/x.npy --encoding poisson --seed 5"),
        format!("{net} --T 32 --rate 0.05"),
        "--net %conv.bin --T 32 --rate 0.1".to_owned(),
    ] {
        let report = json(folder.path(), &format!("{line} --samples 2 --time 1 --json -"));
        let provenance = &report["provenance"];
        assert_eq!(provenance["net"]["crc32"].as_str().unwrap().len(), 8);
        assert_eq!(provenance["input"].is_null(), line.contains("--rate"), "{line}");
        assert_eq!(provenance["options"]["samples"], 2);
        assert!(
            provenance["kernels"].is_string()
                && provenance["tool"].as_str().unwrap().starts_with("snn-rivals ")
        );
        let number = |name: &str| {
            let number = report[name].as_f64().unwrap_or_else(|| panic!("no {name} in {report}"));
            assert!(number.is_finite() && number > 0.0, "{name} is {number}\n{report}");
            number
        };
        let seconds = number("processor_seconds_per_sample");
        assert!(number("median_processor_seconds_per_sample") >= seconds);
        assert!(number("whole_processor_seconds_per_sample") > 0.0);
        for rival in ["dense", "scatter"] {
            let theirs = report[rival]["processor_seconds_per_sample"].as_f64().unwrap();
            let ratio = number(&format!("ratio_{rival}"));
            assert!((theirs / seconds / ratio - 1.0).abs() < 1e-9, "{report}");
        }
        let speed = number("synaptic_operations") / seconds;
        let fraction = speed / number("limit_operations_per_second");
        assert!((number("fraction_of_limit") / fraction - 1.0).abs() < 1e-9, "{report}");
        let populations = report["populations"].as_array().unwrap();
        let shares: f64 = populations.iter().map(|one| one["share"].as_f64().unwrap()).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{report}");
        assert!(populations.iter().all(|one| one["kernel"].as_str().is_some_and(|name| !name.is_empty())));
        assert!(report["machine"]["instruction_sets"][0] == "portable", "{report}");
    }
}

#[test]
fn a_random_net_fires_at_about_its_rate_with_spikes_that_it_was_not_fitted_to() {
    let folder = tempfile::tempdir().unwrap();
    generate(&folder.path().join("net.bin"), Plan::Layers(vec![300, 200, 100, 10]), 0.2, 0.05);
    let text = printed(
        folder.path(),
        "--net %net.bin --rate 0.05 --seed 9 --samples 2 --time 1 --json %report.json",
    );
    assert!(text.contains("rival: scatter loop"), "no table beside a report that goes to a file: {text}");
    let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let spikes = report["spikes"].as_f64().unwrap();
    assert!((spikes / (0.05 * 256.0 * 600.0) - 1.0).abs() < 0.2, "{report}");
}

#[test]
fn the_report_tells_machine_times_kernels_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let line = "--net @examples/mnist/net.bin --T 16 --input @examples/mnist/x.npy --samples 1 --time 1";
    let text = printed(folder.path(), line);
    for part in [
        "portable",
        "is used",
        "processor time a sample",
        "with encoder and read-out",
        "rival: scatter loop",
        "rival: dense product",
        "kernel",
        "share",
        "/net/net.1/Relu",
        "of the scatter limit",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_raster_gives_the_steps_and_the_report_the_spikes_that_are_in_it() {
    let folder = tempfile::tempdir().unwrap();
    generate(&folder.path().join("net.bin"), Plan::Layers(vec![5, 4]), 1.0, 0.2);
    let raster: Vec<u8> = (0..2 * 12 * 5).map(|at| u8::from(at % 3 == 0)).collect();
    snn_formats::write_npy(folder.path().join("x.npy"), &[2, 12, 5], &raster).unwrap();
    let line = "--net %net.bin --input %x.npy --encoding raster --time 1 --json -";
    let report = json(folder.path(), line);
    assert_eq!((&report["T"], &report["samples"]), (&Value::from(12), &Value::from(2)));
    // The last population only integrates, so these are the spikes of the raster.
    assert_eq!(report["spikes"].as_f64(), Some(20.0), "{report}");
}

#[test]
fn flags_and_files_that_make_no_sense_are_refused_with_the_status_that_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let raster = [1_u8; 784 * 3];
    snn_formats::write_npy(folder.path().join("raster.npy"), &[3, 784], &raster).unwrap();
    snn_formats::write_npy(folder.path().join("narrow.npy"), &[3, 783], &raster[..3 * 783]).unwrap();
    let net = "--net @examples/mnist/net.bin";
    let table: &[(String, i32, &[&str])] = &[
        (net.to_owned(), 2, &["--input", "--rate"]),
        (format!("{net} --rate 0.1 --input @examples/mnist/x.npy"), 2, &["cannot be used"]),
        (format!("{net} --rate 0.1 --encoding poisson"), 2, &["cannot be used"]),
        (format!("{net} --rate 2"), 2, &["--rate", "between 0 and 1"]),
        (format!("{net} --rate 0.1 --samples 0"), 2, &["--samples"]),
        (format!("{net} --rate 0.1 --T 0"), 2, &["--T"]),
        (format!("{net} --rate 0.1 --time 0"), 2, &["--time"]),
        (format!("{net} --input %raster.npy --encoding raster --T 4"), 2, &["--T 4", "3 steps", "1 to 3"]),
        (format!("{net} --input %narrow.npy --encoding raster"), 1, &["[3, 783]", "(T, 784)", "narrow.npy"]),
        (format!("{net} --input %narrow.npy"), 1, &["[3, 783]", "784 values", "narrow.npy"]),
        ("--net %raster.npy --rate 0.1 --json %raster.npy".to_owned(), 2, &["--json", "--net"]),
        (format!("{net} --rate 0.1 --json %none/report.json"), 1, &["report.json"]),
        (format!("{net} --input %none.npy"), 1, &["none.npy"]),
        ("--net %none.bin --rate 0.1".to_owned(), 1, &["none.bin"]),
    ];
    for (line, status, parts) in table {
        let output = rivals(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{line}\n{error}");
        for part in *parts {
            assert!(error.contains(part), "no {part:?} in the error of\n{line}\n{error}");
        }
    }
}
