//! What people see: tables of 80 columns, numbers and words, flags, completions and manual pages.

use snn_engine::{
    Accumulator, Connectivity, DenseRows, IntegrateFire, Layout, NetworkBuilder, Neuron, PerNeuron, Reset,
    Rows,
};
use snn_formats::{Description, write_net};

use crate::{json, printed, snn_event};

/// The columns of a line; the names in these tests have no wide characters.
fn columns(line: &str) -> usize {
    line.chars().count()
}

#[test]
fn tables_fit_80_columns_however_long_the_names_of_populations_and_however_large_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let name = |end: &str| format!("/backbone/stage{}/block/{end}", "4/very_long_names_of_modules".repeat(4));
    let all = |value: f32| PerNeuron::same(value).unwrap();
    let mut builder = NetworkBuilder::new();
    let input = builder.population(name("input"), Layout::Flat(3000), Neuron::Source);
    let hidden = Neuron::of(IntegrateFire {
        threshold: all(1.25),
        bias: all(0.0),
        start: PerNeuron::repeating((0..1000).map(|n| n as f32 / -3000.0).collect::<Vec<_>>().into())
            .unwrap(),
        reset: Reset::Subtract,
    });
    let hidden = builder.population(name("Relu"), Layout::Flat(1000), hidden);
    let output =
        builder.population(name("Gemm"), Layout::Flat(10), Neuron::of(Accumulator { bias: all(0.0) }));
    let dense = |rows: usize, width: usize| {
        let weights = (0..rows * width).map(|at| (at % 7) as f32 * 0.01 + 0.001).collect::<Vec<_>>();
        Connectivity::Rows(Rows::Dense(DenseRows::new(width, weights.into()).unwrap()))
    };
    builder.projection(input, hidden, 0, dense(3000, 1000));
    builder.projection(hidden, output, 0, dense(1000, 10));
    write_net(folder.path().join("n.bin"), &builder.build().unwrap(), &Description::default()).unwrap();
    snn_formats::write_npy(folder.path().join("x.npy"), &[1, 3000], &[0.9_f32; 3000]).unwrap();
    let onnx = "--model @examples/mnist/mlp300-p90.onnx";
    for line in [
        "run --net %n.bin --input %x.npy --T 400",
        "run --net %n.bin --input %x.npy --T 400 --encoding regular",
        "inspect --net %n.bin",
        "check --net %n.bin --input %x.npy --T 2",
        &format!("convert {onnx} --calib @examples/mnist/x_calib.npy --T 8 --compare --out %o.bin"),
        &format!("prune {onnx} --sparsity 0.95 --out %o.onnx"),
        "generate --sizes 2000,1000,10 --density 0.5 --rate 0.1 --out %g.bin",
    ] {
        // Folders of files may be longer than any terminal.
        let text = printed(folder.path(), line).replace(&folder.path().display().to_string(), "");
        for shown in text.lines() {
            let is_sentence = shown.contains(": ") || shown.starts_with('(') || shown.contains(" input, ");
            assert!(is_sentence || columns(shown) <= 80, "{} columns in {line}\n{text}", columns(shown));
        }
        if line.starts_with("run") {
            assert!(
                text.contains("…") && text.contains("block/Relu"),
                "names lose their middle only:\n{text}"
            );
            // 3,000 × 1,000, of constant currents once and of spikes in each of 400 steps.
            let dense = if line.contains("regular") { "1,200,000,000" } else { "3,000,000" };
            assert!(text.contains(dense), "thousands are separated, no digit is lost:\n{text}");
        }
    }
}

#[test]
fn one_is_no_plural_and_the_accuracy_stands_before_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    let net = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy";
    let run = format!("run {net} --T 8 --labels @examples/mnist/y.npy --threads");
    let text = printed(folder.path(), &format!("{run} 1 --batch-range 0:1"));
    assert!(text.starts_with("1 sample, T = 8, constant input, auto mode, 1 thread\n"), "{text}");
    let text = printed(folder.path(), &format!("{run} 2"));
    assert!(text.starts_with("200 samples, T = 8, constant input, auto mode, 2 threads\n"), "{text}");
    assert!(text.find("accuracy: ").unwrap() < text.find("predicted classes:").unwrap(), "{text}");
    let text = printed(folder.path(), &format!("check {net} --T 1 --batch-range 0:1"));
    assert!(text.starts_with("equal: 1 sample, 1 step each; all 1 states"), "{text}");
}

#[test]
fn times_are_called_by_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let net = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy --T 8";
    let text = printed(folder.path(), &format!("run {net} --threads 2"));
    assert!(text.contains("wall time per sample: ") && text.contains("all of 2 threads together"), "{text}");
    let report = json(folder.path(), &format!("run {net} --json -"));
    let number = |name: &str| report[name].as_f64().unwrap();
    assert!(
        (number("wall_seconds_per_sample") * 200.0 / number("wall_seconds") - 1.0).abs() < 1e-9,
        "{report}"
    );
    // `seconds` alone means nothing: the rivals' program tells processor time under names of its own.
    for name in report.as_object().unwrap().keys().filter(|name| name.contains("seconds")) {
        assert!(name.starts_with("wall_"), "{name}");
    }
}

#[test]
fn negative_numbers_are_refused_as_numbers_not_taken_for_flags() {
    let folder = tempfile::tempdir().unwrap();
    let run = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy";
    let generate = "generate --sizes 9,9 --density 1 --rate 0.1 --out %n.bin";
    let convert = "convert --model @examples/mnist/mlp300-p90.onnx --out %n.bin";
    for (line, flag) in [
        (format!("{run} --T -3"), "--T"),
        (format!("{run} --threads -1"), "--threads"),
        (format!("{run} --seed -1"), "--seed"),
        (format!("check{} --T -3", &run[3..]), "--T"),
        (format!("{generate} --seed -1"), "--seed"),
        ("generate --sizes -9 --density 1 --rate 0.1 --out %n.bin".to_owned(), "--sizes"),
        ("generate --sizes 9,9 --density -1 --rate 0.1 --out %n.bin".to_owned(), "--density"),
        (format!("{convert} --T -3"), "--T"),
        (
            "prune --model @examples/mnist/mlp300-p90.onnx --sparsity -0.5 --out %p.onnx".to_owned(),
            "--sparsity",
        ),
    ] {
        let ended = snn_event(folder.path(), &line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{line}\n{error}");
        assert!(
            error.contains(flag) && error.contains("-") && !error.contains("unexpected"),
            "{line}\n{error}"
        );
    }
}

#[test]
fn input_without_samples_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    snn_formats::write_npy(folder.path().join("x.npy"), &[0, 784], &[0.0_f32; 0]).unwrap();
    snn_formats::write_npy(folder.path().join("r.npy"), &[0, 5, 784], &[0_u8; 0]).unwrap();
    let net = "--net @examples/mnist/net.bin --input";
    for line in [
        format!("run {net} %x.npy"),
        format!("run {net} %x.npy --encoding poisson"),
        format!("run {net} %x.npy --batch-range 0:0"),
        format!("run {net} %r.npy --encoding raster"),
        format!("check {net} %x.npy"),
        "convert --model @examples/mnist/mlp300-p90.onnx --calib %x.npy --out %n.bin".to_owned(),
    ] {
        let ended = snn_event(folder.path(), &line).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{line}\n{error}");
        assert!(error.contains(".npy: it has no samples; at least one is needed"), "{line}\n{error}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command_and_flag() {
    let folder = tempfile::tempdir().unwrap();
    let commands = ["convert", "run", "check", "inspect", "generate", "prune", "completions", "man"];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(folder.path(), &format!("completions {shell}"));
        for word in commands.iter().chain(&["calib", "batch-range", "sparsity"]) {
            assert!(script.contains(word), "no {word} for {shell}");
        }
    }
    let page = printed(folder.path(), "man");
    assert!(page.contains(".TH snn-event 1") && commands.iter().all(|name| page.contains(name)), "{page}");
    for command in commands {
        let page = printed(folder.path(), &format!("man {command}"));
        assert!(page.contains(&format!(".TH snn-event-{command} 1")), "{page}");
        assert!(page.contains("Example"), "{page}");
    }
    let ended = snn_event(folder.path(), "man walk").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("convert, run, check"));
}

#[test]
fn every_help_has_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["convert", "run", "check", "inspect", "generate", "prune", "completions", "man"] {
        let help = printed(folder.path(), &format!("{command} --help"));
        assert!(help.contains("Example") && help.contains(&format!("snn-event {command} ")), "{help}");
    }
}

#[test]
fn every_package_carries_its_licences() {
    for package in ["snn-engine", "snn-formats", "snn-converter", "snn-rivals", "snn-event"] {
        let listed = std::process::Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "-p", package])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let files = String::from_utf8_lossy(&listed.stdout);
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(
                files.lines().any(|file| file == licence),
                "no {licence} in {package}\n{files}{}",
                String::from_utf8_lossy(&listed.stderr)
            );
        }
    }
}
