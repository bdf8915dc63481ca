//! What inputs mean and what results say they are: shapes, labels, units, run lengths, and costs counted alike.

use std::path::Path;

use snn_formats::write_npy;

use crate::{json, printed, snn_event};

/// What a command that must fail with a status of 1 says.
fn refused(folder: &Path, line: &str) -> String {
    let output = snn_event(folder, line).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{line}\n{error}");
    error
}

/// A fully connected net with an image as its input, as an ONNX file cannot be without a tool: by `generate`.
fn image_net(folder: &Path) {
    use snn_engine::{Accumulator, Connectivity, DenseRows, Layout, NetworkBuilder, Neuron, PerNeuron, Rows};
    let mut builder = NetworkBuilder::new();
    let image = Layout::Image { channels: 3, height: 6, width: 5 };
    let input = builder.population("input", image, Neuron::Source);
    let bias = PerNeuron::same(0.0).unwrap();
    let output = builder.population("output", Layout::Flat(2), Neuron::of(Accumulator { bias }));
    let weights: Vec<f32> = (0..180).map(|place| (place % 7) as f32 - 3.0).collect();
    let rows = Rows::Dense(DenseRows::new(2, weights.into()).unwrap());
    builder.projection(input, output, 0, Connectivity::Rows(rows));
    let described = snn_formats::Description::default();
    snn_formats::write_net(folder.join("image.bin"), &builder.build().unwrap(), &described).unwrap();
}

#[test]
fn permuted_images_are_refused_with_the_transpose_that_helps_and_flat_ones_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    image_net(folder.path());
    let images: Vec<f32> = (0..4 * 90).map(|place| (place % 11) as f32 / 11.0).collect();
    let write = |name: &str, shape: &[usize]| write_npy(folder.path().join(name), shape, &images).unwrap();
    write("first.npy", &[4, 3, 6, 5]);
    write("last.npy", &[4, 6, 5, 3]);
    write("turned.npy", &[4, 3, 5, 6]);
    write("flat.npy", &[4, 90]);
    write("mixed.npy", &[4, 9, 10]);
    for command in ["run", "check"] {
        let line = |name: &str| format!("{command} --net %image.bin --T 4 --input %{name}");
        let error = refused(folder.path(), &line("last.npy"));
        assert!(error.contains("x.transpose(0, 3, 1, 2)") && error.contains("(4, 6, 5, 3)"), "{error}");
        let error = refused(folder.path(), &line("turned.npy"));
        assert!(error.contains("x.transpose(0, 1, 3, 2)"), "{error}");
        let error = refused(folder.path(), &line("mixed.npy"));
        assert!(error.contains("(N, 3, 6, 5)") && !error.contains("transpose"), "{error}");
    }
    let run = |name: &str| {
        let line = format!("run --net %image.bin --T 4 --input %{name} --potentials %v.npy --json -");
        let report = json(folder.path(), &line);
        (std::fs::read(folder.path().join("v.npy")).unwrap(), report["notes"].clone())
    };
    let (first, flat) = (run("first.npy"), run("flat.npy"));
    assert_eq!(first.0, flat.0);
    assert_eq!(first.1, serde_json::json!([]));
    assert_eq!(flat.1, serde_json::json!(["samples of shape (90) are read as the input, (3, 6, 5)"]));
    // Rasters too.
    let spikes: Vec<u8> = (0..2 * 4 * 90).map(|place| u8::from(place % 3 == 0)).collect();
    write_npy(folder.path().join("spikes.npy"), &[2, 4, 6, 5, 3], &spikes).unwrap();
    let error = refused(folder.path(), "run --net %image.bin --encoding raster --input %spikes.npy");
    assert!(error.contains("x.transpose(0, 1, 4, 2, 3)"), "{error}");
    write_npy(folder.path().join("spikes.npy"), &[2, 4, 90], &spikes).unwrap();
    let report = json(folder.path(), "run --net %image.bin --encoding raster --input %spikes.npy --json -");
    assert_eq!((&report["samples"], &report["T"]), (&2.into(), &4.into()));
}

#[test]
fn permuted_calibration_samples_are_refused_with_the_transpose_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let images = vec![0.5_f32; 784 * 3];
    write_npy(folder.path().join("turned.npy"), &[784, 3], &images).unwrap();
    let line = "convert --model @examples/mnist/mlp300-p90.onnx --calib %turned.npy --out %net.bin";
    let error = refused(folder.path(), line);
    assert!(error.contains("turned.npy") && error.contains("x.transpose(1, 0)"), "{error}");
    assert!(!folder.path().join("net.bin").exists());
}

#[test]
fn labels_that_are_no_classes_are_named_and_one_hot_and_column_labels_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let labels = snn_formats::npy::read(crate::file("examples/mnist/y.npy")).unwrap().into_labels().unwrap();
    let write = |name: &str, shape: &[usize], labels: &[i64]| {
        write_npy(folder.path().join(name), shape, labels).unwrap();
    };
    let run = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --T 32 --json -";
    let right = json(folder.path(), &format!("{run} --labels @examples/mnist/y.npy"))["accuracy"].clone();
    assert!(right.as_f64().unwrap() > 0.9);
    write("column.npy", &[200, 1], &labels);
    let one_hot: Vec<i64> =
        labels.iter().flat_map(|&label| (0..10).map(move |class| i64::from(class == label))).collect();
    write("onehot.npy", &[200, 10], &one_hot);
    for name in ["column.npy", "onehot.npy"] {
        assert_eq!(json(folder.path(), &format!("{run} --labels %{name}"))["accuracy"], right, "{name}");
    }
    for (place, label, says) in [(7, 99, "label 99 of sample 7"), (0, -1, "label -1 of sample 0")] {
        let mut wrong = labels.clone();
        wrong[place] = label;
        write("wrong.npy", &[200], &wrong);
        for command in [
            run.to_owned(),
            "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x.npy --out %net.bin"
                .into(),
        ] {
            let error = refused(folder.path(), &format!("{command} --labels %wrong.npy"));
            assert!(error.contains(says) && error.contains("0 to 9"), "{error}");
        }
    }
    write_npy(folder.path().join("half.npy"), &[200], &[0.5_f32; 200]).unwrap();
    let error = refused(folder.path(), &format!("{run} --labels %half.npy"));
    assert!(error.contains("0.5") && error.contains("whole number"), "{error}");
}

#[test]
fn constant_currents_are_counted_once_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let line = format!(
            "run --net @examples/mnist/net.bin --T 16 --input @examples/mnist/x.npy --batch-range 0:5 --json - {more}"
        );
        json(folder.path(), &line)["populations"].as_array().unwrap().clone()
    };
    let number = |population: &serde_json::Value, key: &str| population[key].as_u64().unwrap();
    for populations in [run(""), run("--mode dense")] {
        let [input, first, second, last] = &populations[..] else { panic!("{populations:?}") };
        // Pixels that are zero take no multiplication, pruned weights neither; a dense product does all.
        let images = snn_formats::npy::read(crate::file("examples/mnist/x.npy")).unwrap().into_f32().unwrap();
        let pixels = images[..5 * 784].iter().filter(|pixel| **pixel != 0.0).count() as u64;
        let real = number(first, "drive_operations");
        assert!(real > 0 && real < pixels * 300 / 2, "{real}");
        assert_eq!(number(first, "dense_drive_operations"), 5 * 784 * 300);
        // No spike arrives there, so a dense simulator has nothing to do in a step either.
        assert_eq!((number(first, "synaptic_operations"), number(first, "dense_operations")), (0, 0));
        assert_eq!(number(second, "dense_operations"), 5 * 16 * 300 * 100);
        assert_eq!(number(last, "dense_operations"), 5 * 16 * 100 * 10);
        for population in [input, second, last] {
            assert_eq!(number(population, "drive_operations"), 0);
            assert_eq!(number(population, "dense_drive_operations"), 0);
        }
    }
    // Spikes of the input are delivered in every step, on both sides.
    let populations = run("--encoding poisson");
    assert_eq!(number(&populations[1], "dense_operations"), 5 * 16 * 784 * 300);
    assert_eq!(number(&populations[1], "dense_drive_operations"), 0);
    assert!(number(&populations[1], "synaptic_operations") > 0);
    let line = "run --net @examples/mnist/net.bin --T 16 --input @examples/mnist/x.npy --batch-range 0:5";
    let table = printed(folder.path(), line);
    assert!(table.contains("currents") && table.contains("235,200"), "{table}");
    let table = printed(folder.path(), &format!("{line} --encoding poisson"));
    assert!(!table.contains("currents"), "{table}");
}

const MODEL: &str = "--model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy";

/// The JSON of a command, and what it says on standard error.
fn json_and_notes(folder: &Path, line: &str) -> (serde_json::Value, String) {
    let output = snn_event(folder, line).output().unwrap();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_network_fitted_to_a_run_length_is_run_for_it_and_others_get_a_note() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), &format!("convert {MODEL} --T 8 --out %net.bin"));
    for command in ["run", "check"] {
        let line =
            format!("{command} --net %net.bin --input @examples/mnist/x.npy --batch-range 0:3 --json -");
        let (report, notes) = json_and_notes(folder.path(), &line);
        assert_eq!((&report["T"], &report["notes"]), (&8.into(), &serde_json::json!([])), "{command}");
        assert_eq!(notes, "");
        let (report, notes) = json_and_notes(folder.path(), &format!("{line} --T 64"));
        assert_eq!(report["T"], 64);
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.contains("T = 8") && note.contains("T = 64"), "{note}");
        assert_eq!(notes, format!("note: {note}\n"));
        let (report, _) = json_and_notes(folder.path(), &format!("{line} --encoding poisson"));
        assert!(report["notes"][0].as_str().unwrap().contains("constant input"), "{report}");
    }
    let inspected = json(folder.path(), "inspect --net %net.bin --json -");
    assert_eq!(inspected["description"]["run"], serde_json::json!({"steps": 8, "basis": "fitted"}));
    // Made for no length in particular: 256 steps, and no note at any.
    let line = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --batch-range 0:3 --json -";
    for (more, steps) in [("", 256), ("--T 9", 9)] {
        let (report, notes) = json_and_notes(folder.path(), &format!("{line} {more}"));
        assert_eq!((&report["T"], notes.as_str()), (&steps.into(), ""));
    }
}

#[test]
fn a_percentile_given_as_a_fraction_and_layers_that_are_all_saturated_or_dead_get_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let convert = |more: &str| {
        let line =
            format!("convert --model @examples/mnist/mlp300-p90.onnx --out %net.bin --report - {more}");
        let (report, said) = json_and_notes(folder.path(), &line);
        let notes = report["notes"].as_array().unwrap().clone();
        let notes: Vec<String> = notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect();
        (notes, said)
    };
    let calib = "--calib @examples/mnist/x_calib.npy";
    let (notes, said) = convert(&format!("{calib} --percentile 0.999"));
    assert!(notes.iter().any(|note| note.contains("0.999") && note.contains("say 99.9")), "{notes:?}");
    assert!(said.starts_with("note: the percentile 0.999"), "{said}");
    for fine in ["--percentile 99.9", "--normalise max", "--T 8", ""] {
        assert_eq!(convert(&format!("{calib} {fine}")).1, "", "{fine}");
    }
    // Without zeros the first percentile is a scale that nearly everything exceeds.
    let (notes, _) = convert(&format!("{calib} --percentile 1.5 --zeros out"));
    assert_eq!(notes.iter().filter(|note| note.contains("is saturated")).count(), 2, "{notes:?}");
    // Images so dark, shifted far below, that the first layer is silent.
    let dark: Vec<f32> = vec![-1e4; 20 * 784];
    write_npy(folder.path().join("dark.npy"), &[20, 784], &dark).unwrap();
    let first =
        snn_formats::npy::read(crate::file("examples/mnist/x_calib.npy")).unwrap().into_f32().unwrap();
    let mean = first.iter().sum::<f32>() / first.len() as f32;
    assert!(mean > 0.0);
    let (_, said) = convert("--calib %dark.npy");
    assert!(said.lines().all(|line| line.starts_with("note: ")), "{said}");
}

#[test]
fn bytes_given_to_a_net_of_shares_of_one_get_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let images = snn_formats::npy::read(crate::file("examples/mnist/x.npy")).unwrap().into_f32().unwrap();
    let bytes: Vec<u8> = images[..3 * 784].iter().map(|pixel| (pixel * 255.0).round() as u8).collect();
    write_npy(folder.path().join("bytes.npy"), &[3, 784], &bytes).unwrap();
    for command in ["run", "check"] {
        let line = format!("{command} --net @examples/mnist/net.bin --T 4 --input %bytes.npy --json -");
        let (report, notes) = json_and_notes(folder.path(), &line);
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.contains("255") && note.contains("0 to 1") && notes.contains(note), "{note}");
    }
}

#[test]
fn the_outputs_of_a_run_are_those_of_the_trained_net_in_its_unit() {
    let folder = tempfile::tempdir().unwrap();
    // The trained net's own outputs, by its importer.
    let ann = snn_converter::import::onnx::read(&crate::file("examples/mnist/mlp300-p90.onnx")).unwrap().ann;
    let images = snn_formats::npy::read(crate::file("examples/mnist/x.npy")).unwrap().into_f32().unwrap();
    let trained = snn_converter::forward::logits(&ann, &images).unwrap();
    let size = (trained.iter().map(|y| f64::from(y * y)).sum::<f64>() / trained.len() as f64).sqrt();
    for (convert, run, allowed) in [
        ("--normalise max", "--T 1024", 0.01),
        ("--T 16", "", 0.15),
        ("--normalise max --readout spikes", "--T 1024", 0.01),
        ("--T 16 --readout spikes", "", 0.15),
    ] {
        printed(folder.path(), &format!("convert {MODEL} {convert} --out %net.bin"));
        let line = format!("run --net %net.bin --input @examples/mnist/x.npy {run} --outputs %y.npy");
        printed(folder.path(), &line);
        let outputs = snn_formats::npy::read(folder.path().join("y.npy")).unwrap();
        assert_eq!(outputs.shape, [200, 10]);
        let outputs = outputs.into_f32().unwrap();
        let off: f64 = outputs.iter().zip(&trained).map(|(y, t)| f64::from((y - t) * (y - t))).sum();
        let off = (off / trained.len() as f64).sqrt() / size;
        println!("{convert} {run}: {off}");
        assert!(off < allowed, "{convert} {run}: {off}");
    }
    // What a network that no trained net was converted to stands for is not known.
    printed(folder.path(), "generate --sizes 784,20,10 --density 0.5 --rate 0.05 --out %random.bin");
    let line = "run --net %random.bin --input @examples/mnist/x.npy --T 4 --outputs %none.npy";
    let error = refused(folder.path(), line);
    assert!(error.contains("random.bin") && error.contains("stand for"), "{error}");
    assert!(!folder.path().join("none.npy").exists());
}
