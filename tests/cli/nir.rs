//! NIR files of other tools become networks that fire as the tools do, and networks become files that come back by bits; what
//! either side cannot say is refused, or listed.

use std::path::Path;

use snn_formats::npy;

use crate::{file, json, printed, snn_event};

/// Exit status and what is told of an error.
fn refused(folder: &Path, line: &str) -> (i32, String) {
    let output = snn_event(folder, line).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_spike_is_that_of_the_tool_that_wrote_the_net() {
    let folder = tempfile::tempdir().unwrap();
    // norse's step is 2^-10 s; 0.1 ms is snnTorch's, and the default.
    for (name, dt, last) in [("snntorch", "", "3"), ("norse", "--dt 0.0009765625", "cubalif")] {
        let data = format!("@exchange/tests/data/{name}");
        let report = json(folder.path(), &format!("convert --model {data}.nir {dt} --out %net.bin --json -"));
        assert_eq!(report["description"]["provenance"]["command"], "convert", "{report}");
        let run = "run --net %net.bin --encoding raster --spikes %spikes.npz";
        printed(folder.path(), &format!("{run} --input {data}.raster.npy"));
        let mut npz = snn_formats::NpzReader::open(folder.path().join("spikes.npz")).unwrap();
        let mut of = |part: &str| npz.read(&format!("{last}.{part}")).unwrap().into_labels().unwrap();
        let found: Vec<(i64, i64)> = of("timestamps").into_iter().zip(of("node_ids")).collect();
        let theirs = npy::read(file(&format!("exchange/tests/data/{name}.spikes.npy"))).unwrap();
        let neurons = theirs.shape[1];
        let flags = theirs.into_f32().unwrap();
        let expected: Vec<(i64, i64)> = (0..flags.len())
            .filter(|at| flags[*at] != 0.0)
            .map(|at| ((at / neurons) as i64, (at % neurons) as i64))
            .collect();
        assert!(expected.len() > 50, "{name}");
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_network_goes_out_as_a_file_and_comes_back_by_bits() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "convert --model @exchange/tests/data/norse.nir --dt 0.001 --out %one.bin");
    let told = printed(folder.path(), "export --net %one.bin --format nir --dt 0.001 --out %net.nir");
    assert!(told.contains("net.nir: 4 nodes, 3 edges"), "{told}");
    // The first bytes tell, whatever the name.
    std::fs::rename(folder.path().join("net.nir"), folder.path().join("net.hdf5")).unwrap();
    printed(folder.path(), "convert --model %net.hdf5 --dt 0.001 --out %other.bin");
    let diff = "diff %one.bin %other.bin --encoding raster --input @exchange/tests/data/norse.raster.npy";
    assert_eq!(printed(folder.path(), diff), "equal\n");
}

#[test]
fn what_nir_cannot_say_is_refused_or_listed_and_comes_back_from_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let convert =
        "convert --model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy --out %one.bin";
    printed(folder.path(), convert);
    let export = "export --net %one.bin --format nir --out %net.nir";
    let (status, error) = refused(folder.path(), export);
    assert_eq!(status, 1);
    assert!(error.contains("cannot be said exactly in NIR") && error.contains("firing subtracts"), "{error}");
    assert!(error.contains("--lossy") && !folder.path().join("net.nir").exists(), "{error}");
    let report = json(folder.path(), &format!("{export} --lossy --json -"));
    let losses = report["losses"].as_array().unwrap();
    assert!(
        losses.iter().any(|loss| loss.as_str().unwrap().contains("firing subtracts the threshold")),
        "{report}"
    );
    assert_eq!(report["provenance"]["options"]["lossy"], true, "{report}");
    assert_eq!(report["bytes"], std::fs::metadata(folder.path().join("net.nir")).unwrap().len());
    printed(folder.path(), "convert --model %net.nir --out %other.bin");
    let input = "--input @examples/mnist/x.npy --batch-range 0:3 --T 24 --encoding poisson";
    assert_eq!(printed(folder.path(), &format!("diff %one.bin %other.bin {input}")), "equal\n");
}

#[test]
fn delays_that_are_no_whole_number_of_steps_are_refused_or_listed() {
    let folder = tempfile::tempdir().unwrap();
    let convert = "convert --model @exchange/tests/data/by-hand.nir --dt 0.002 --out %net.bin";
    let (status, error) = refused(folder.path(), convert);
    assert_eq!(status, 1);
    assert!(error.contains("a delay of 0.003 s is 1.5 steps") && error.contains("--lossy"), "{error}");
    assert!(!folder.path().join("net.bin").exists());
    let report = json(folder.path(), &format!("{convert} --lossy --json -"));
    let notes = report["notes"].to_string();
    assert!(notes.contains("node `rnn.late`: a delay of 0.003 s is 1.5 steps; it becomes 2"), "{notes}");
    let text = printed(folder.path(), &format!("{convert} --lossy"));
    assert!(text.starts_with("note: node `rnn.late`"), "{text}");
}

#[test]
fn files_and_flags_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let nir = "--model @exchange/tests/data/sinabs.nir --out %net.bin";
    let onnx = "--model @examples/mnist/mlp300-p90.onnx --out %net.bin";
    printed(folder.path(), &format!("convert {nir}"));
    std::fs::write(
        folder.path().join("half.nir"),
        &std::fs::read(file("exchange/tests/data/sinabs.nir")).unwrap()[..9000],
    )
    .unwrap();
    for (line, status, words) in [
        (format!("convert {onnx} --normalise none --dt 0.001"), 2, "--dt and --lossy: they say how"),
        (format!("convert {onnx} --normalise none --lossy"), 2, "leave them out for"),
        (format!("convert {nir} --dt 0"), 2, "seconds above 0"),
        (format!("convert {nir} --dt nan"), 2, "seconds above 0"),
        (format!("convert {nir} --calib @examples/mnist/x_calib.npy"), 2, "is a spiking net already"),
        (format!("convert {nir} --layers @exchange/tests/data/sinabs.json"), 2, "leave the flag out"),
        (format!("convert {nir} --output 3"), 2, "--output and --input-shape"),
        ("convert --model %half.nir --out %other.bin".into(), 1, "half.nir: file"),
        ("convert --model %net.nir --out %net.nir".into(), 2, "--out"),
        ("export --net %net.bin --format nir --out %net.bin".into(), 2, "--net"),
        ("export --net %net.bin --format onnx --out %net.nir".into(), 2, "possible values: nir"),
        ("export --net %net.bin --format nir --out %net.nir --json %net.nir".into(), 2, "--json"),
        ("export --net %net.bin --format nir --dt -1 --out %net.nir".into(), 2, "seconds above 0"),
    ] {
        let (found, error) = refused(folder.path(), &line);
        assert!(found == status && error.contains(words), "{line}: {found} {error}");
    }
    assert!(!folder.path().join("other.bin").exists() && !folder.path().join("net.nir").exists());
}
