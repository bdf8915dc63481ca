//! Larger real nets, where they lie beside the project: skipped, and said so, where they do not.

use std::fs::File;
use std::path::PathBuf;

use flate2::read::GzDecoder;

use crate::{file, json, printed};

/// The folder of nets and images beside the project.
fn shared() -> Option<PathBuf> {
    let folder = file("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

#[test]
fn the_mnist_perceptron_at_90_per_cent_keeps_its_accuracy_and_passes_check() {
    if shared().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let convert = "convert --model @../shared/data/nets/mlp-bias-p90.onnx --calib @../shared/data/mnist_x_calib.npy \
                   --percentile 99.9 --out %net.bin";
    printed(folder.path(), convert);
    let input = "--net %net.bin --T 256 --input @../shared/data/mnist_x_test_flat.npy";
    // The net itself has 98.8 % on these images.
    for (encoding, least) in [("constant", 0.986), ("poisson --seed 42", 0.983)] {
        let labels = "--labels @../shared/data/mnist_y_test.npy";
        let report = json(folder.path(), &format!("run {input} {labels} --encoding {encoding} --json -"));
        assert_eq!(report["samples"], 1000);
        let accuracy = report["accuracy"].as_f64().unwrap();
        assert!(accuracy >= least, "{encoding}: accuracy {accuracy}");
        let text = printed(folder.path(), &format!("check {input} --batch-range 0:4 --encoding {encoding}"));
        assert!(text.starts_with("equal"), "{text}");
    }
}

#[test]
fn every_shared_net_converts_runs_and_passes_check() {
    let Some(shared) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut nets: Vec<String> = std::fs::read_dir(shared.join("nets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".onnx") || name.ends_with(".onnx.gz"))
        .collect();
    nets.sort();
    assert!(nets.len() >= 56, "{nets:?}");
    for net in &nets {
        // Its conversion takes a minute without optimisation and its dense reference gigabytes; the converter's tests
        // have it.
        if net == "efficientnet-lite0.onnx" {
            continue;
        }
        let (images, test) = match &net[..5] {
            "cifar" => ("cifar10", "cifar10_x_test"),
            "resne" if net.starts_with("resnet20") => ("cifar10n", "cifar10n_x_test"),
            "nmnis" => ("nmnist", "nmnist_rate_test"),
            "resne" if net.starts_with("resnet20") => ("cifar10n", "cifar10n_x_test"),
            // A minute of processor time for two steps of its dense reference; its import is judged by rten's.
            "effic" => continue,
            _ => ("mnist", "mnist_x_test"),
        };
        let mut model = format!("@../shared/data/nets/{net}");
        if net.ends_with(".gz") {
            let packed = File::open(shared.join("nets").join(net)).unwrap();
            std::io::copy(
                &mut GzDecoder::new(packed),
                &mut File::create(folder.path().join("net.onnx")).unwrap(),
            )
            .unwrap();
            model = "%net.onnx".to_owned();
        }
        // A few calibration images do: what is tested is that the run equals the reference.
        let calib = shared.join(format!("{images}_x_calib.npy"));
        let array = snn_formats::npy::read(calib).unwrap();
        let (width, values) = (array.shape[1..].iter().product::<usize>(), array.clone().into_f32().unwrap());
        let mut shape = array.shape.clone();
        shape[0] = 20;
        snn_formats::write_npy(folder.path().join("calib.npy"), &shape, &values[..20 * width]).unwrap();
        printed(folder.path(), &format!("convert --model {model} --calib %calib.npy --out %net.bin"));
        let input = format!("--net %net.bin --T 8 --input @../shared/data/{test}.npy --batch-range 0:2");
        let text = printed(folder.path(), &format!("check {input}"));
        assert!(text.starts_with("equal: 2 samples"), "{net}: {text}");
        let report = json(folder.path(), &format!("run {input} --json -"));
        assert_eq!(report["samples"], 2, "{net}");
    }
}

#[test]
fn golden_nets_run_from_the_command_line_emit_the_golden_spike_counts_in_both_modes() {
    let folder = tempfile::tempdir().unwrap();
    let golden = file("tests/data/golden");
    let mut nets = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "npz") {
            continue;
        }
        nets += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut npz = snn_formats::NpzReader::open(&path).unwrap();
        let raster = npz.read("raster").unwrap();
        let shape = raster.shape.clone();
        let flags: Vec<u8> = raster.into_spikes().unwrap().into_iter().map(u8::from).collect();
        snn_formats::write_npy(folder.path().join("raster.npy"), &shape, &flags).unwrap();
        printed(folder.path(), &format!("convert --model @tests/data/golden/{name} --out %net.bin"));
        for mode in ["event", "dense"] {
            let run =
                format!("run --net %net.bin --input %raster.npy --encoding raster --mode {mode} --json -");
            let report = json(folder.path(), &run);
            for (layer, population) in report["populations"].as_array().unwrap().iter().skip(1).enumerate() {
                let spikes = npz.read(&format!("spikes{layer}")).unwrap().into_spikes().unwrap();
                let expected = spikes.into_iter().filter(|&fires| fires).count() as u64;
                assert_eq!(population["name"], format!("layer{layer}"), "{name}");
                assert_eq!(population["spikes"].as_u64(), Some(expected), "{name}, {mode}, layer {layer}");
            }
        }
    }
    assert_eq!(nets, 10);
}
