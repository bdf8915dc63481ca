//! No file is lost: an output never is an input or another output, and whatever ends a command leaves nothing half-done.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{file, snn_event};

/// Every file of a folder with its bytes; links are followed.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    files
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// The files that the commands below need, each under several names.
fn make_files(folder: &Path) {
    for (name, path) in [
        ("n.bin", "examples/mnist/net.bin"),
        ("m.onnx", "examples/mnist/mlp300-p90.onnx"),
        ("c.npy", "examples/mnist/x_calib.npy"),
    ] {
        std::fs::copy(file(path), folder.join(name)).unwrap();
    }
    snn_formats::write_npy(folder.join("x.npy"), &[2, 784], &[0.5_f32; 2 * 784]).unwrap();
    snn_formats::write_npy(folder.join("y.npy"), &[2], &[1_i64, 2]).unwrap();
    for name in ["n.bin", "m.onnx", "x.npy", "c.npy", "y.npy"] {
        std::fs::hard_link(folder.join(name), folder.join(format!("hard-{name}"))).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(name, folder.join(format!("soft-{name}"))).unwrap();
    }
}

#[test]
fn an_output_that_is_an_input_is_refused_before_any_work_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let before = contents(folder.path());
    let run = "run --net %n.bin --input %x.npy --labels %y.npy --T 4";
    let convert = "convert --model %m.onnx --calib %c.npy --labels %y.npy";
    // The command, the outputs that it has, and the inputs that each must not be.
    let table: &[(&str, &[&str], &[&str])] = &[
        (run, &["--counts", "--potentials", "--spikes", "--json"], &["n.bin", "x.npy", "y.npy"]),
        (convert, &["--out"], &["m.onnx", "c.npy", "y.npy"]),
        (&format!("{convert} --out %o.bin"), &["--report"], &["m.onnx", "c.npy", "y.npy", "o.bin"]),
        ("check --net %n.bin --input %x.npy --T 4", &["--json"], &["n.bin", "x.npy"]),
        ("inspect --net %n.bin", &["--json"], &["n.bin"]),
        ("prune --model %m.onnx --sparsity 0.95", &["--out"], &["m.onnx"]),
        ("prune --model %m.onnx --sparsity 0.95 --out %o.onnx", &["--json"], &["m.onnx", "o.onnx"]),
        ("generate --sizes 9,9 --density 1 --rate 0.1 --out %o.bin", &["--json"], &["o.bin"]),
    ];
    for (line, outputs, inputs) in table {
        for output in *outputs {
            for input in *inputs {
                let links = ["", "hard-", "soft-", "./"];
                for link in &links[if input.starts_with("o.") { 3 } else { 0 }..] {
                    if *link == "soft-" && cfg!(not(unix)) {
                        continue;
                    }
                    let line = format!("{line} {output} %{link}{input}");
                    let ended = snn_event(folder.path(), &line).output().unwrap();
                    let error = String::from_utf8_lossy(&ended.stderr);
                    assert_eq!(ended.status.code(), Some(2), "{line}\n{error}");
                    for part in [output, "this is the file that", "destroyed", "name of its own"] {
                        assert!(error.contains(part), "no {part:?} in the error of\n{line}\n{error}");
                    }
                    assert!(contents(folder.path()) == before, "{line} changed a file");
                }
            }
        }
    }
}

#[test]
fn two_outputs_of_a_run_with_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let before = contents(folder.path());
    let outputs = ["--counts", "--potentials", "--spikes", "--json"];
    for (place, one) in outputs.iter().enumerate() {
        for other in &outputs[place + 1..] {
            let line = format!("run --net %n.bin --input %x.npy --T 4 {one} %a {other} %./a");
            let ended = snn_event(folder.path(), &line).output().unwrap();
            let error = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(2), "{line}\n{error}");
            assert!(error.contains(&format!("{one} writes, too")), "{line}\n{error}");
            assert!(contents(folder.path()) == before, "{line} changed a file");
        }
    }
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_refused_as_networks_and_samples_and_do_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for line in [
        "run --net %pipe --input %x.npy",
        "run --net %n.bin --input %pipe",
        "run --net %n.bin --input /dev/zero",
        "run --net %n.bin --input %x.npy --labels %pipe",
        "inspect --net /dev/zero",
        "convert --model %m.onnx --calib %pipe --out %o.bin",
    ] {
        let ended = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{line}\n{error}");
        assert!(error.contains("it is a "), "{line}\n{error}");
    }
}

/// A field of a Protocol Buffers message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

#[test]
fn the_files_that_hold_a_models_numbers_are_its_inputs_too() {
    let folder = tempfile::tempdir().unwrap();
    // A graph with one constant, whose numbers are in weights.bin: location, offset.
    let entry =
        |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let tensor = [entry("location", "weights.bin"), entry("offset", "0"), vec![0x70, 1]].concat();
    std::fs::write(folder.path().join("m.onnx"), field(7, &field(5, &tensor))).unwrap();
    std::fs::write(folder.path().join("weights.bin"), [0; 64]).unwrap();
    let before = contents(folder.path());
    for line in [
        "convert --model %m.onnx --out %weights.bin",
        "prune --model %m.onnx --sparsity 0.5 --out %weights.bin",
    ] {
        let ended = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{line}\n{error}");
        assert!(error.contains("--model reads"), "{line}\n{error}");
        assert!(contents(folder.path()) == before, "{line} changed a file");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let before = contents(folder.path());
    // Hours of work, if it began.
    let run = "run --net %n.bin --input %x.npy --T 4000000000 --mode dense";
    for (line, part) in [
        (format!("{run} --json %none/report.json"), "does not exist"),
        (format!("{run} --json %folder"), "it is a directory"),
        (format!("{run} --counts %folder"), "it is a directory"),
        (format!("{run} --counts %a.npy --spikes %none/s.npz"), "does not exist"),
    ] {
        let ended = snn_event(folder.path(), &line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{line}\n{error}");
        assert!(error.contains(part), "{line}\n{error}");
    }
    if cfg!(unix) {
        for device in ["/dev/null", "/dev/stdout"] {
            let ended = snn_event(folder.path(), &format!("{run} --json {device}")).output().unwrap();
            let error = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(1), "{error}");
            assert!(error.contains(device) && error.contains("or - for standard output"), "{error}");
        }
    }
    assert!(contents(folder.path()) == before);
}

#[test]
fn a_dash_is_standard_output_for_reports_and_refused_for_everything_else() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let run = "run --net %n.bin --input %x.npy --T 4";
    for line in [
        "run --net - --input %x.npy".to_owned(),
        "run --net %n.bin --input -".to_owned(),
        format!("{run} --labels -"),
        format!("{run} --counts -"),
        format!("{run} --potentials -"),
        format!("{run} --spikes -"),
        "convert --model - --out %o.bin".to_owned(),
        "convert --model %m.onnx --calib - --out %o.bin".to_owned(),
        "convert --model %m.onnx --calib %c.npy --out -".to_owned(),
        "prune --model %m.onnx --sparsity 0.5 --out -".to_owned(),
        "generate --sizes 9,9 --density 1 --rate 0.1 --out -".to_owned(),
        "inspect --net -".to_owned(),
    ] {
        let ended = snn_event(folder.path(), &line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{line}\n{error}");
        assert!(error.contains("standard input and output are not used here"), "{line}\n{error}");
    }
    assert_eq!(crate::json(folder.path(), &format!("{run} --json -"))["samples"], 2);
}
