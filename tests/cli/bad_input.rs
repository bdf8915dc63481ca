//! Bad input gets an error that names where, what was found, what is allowed, and the promised exit status:
//! 2 for wrong usage, 1 for the rest. Nothing half-written stays behind.

use std::path::Path;

use snn_formats::write_npy;

use crate::{file, snn_event};

/// Files that are wrong in one way each.
fn make_files(folder: &Path) {
    let x: Vec<f32> = vec![0.5; 2 * 784];
    let write =
        |name: &str, shape: &[usize], values: &[f32]| write_npy(folder.join(name), shape, values).unwrap();
    write("x.npy", &[2, 784], &x);
    write("narrow.npy", &[2, 783], &x[..2 * 783]);
    let with = |place: usize, value: f32| {
        let mut x = x.clone();
        x[place] = value;
        x
    };
    write("nan.npy", &[2, 784], &with(784 + 5, f32::NAN));
    write("large.npy", &[2, 784], &with(784 + 17, 1.5));
    write_npy(folder.join("y3.npy"), &[3], &[1_i64, 2, 3]).unwrap();
    write_npy(folder.join("raster.npy"), &[4, 784], &[0_u8; 4 * 784]).unwrap();
    // Values of spikes are whole numbers up to 4096.
    write_npy(folder.join("large-values.npy"), &[4, 784], &[5000_i32; 4 * 784]).unwrap();
    std::fs::write(folder.join("text.npy"), "these are no numbers").unwrap();
    let x = std::fs::read(folder.join("x.npy")).unwrap();
    std::fs::write(folder.join("cut.npy"), &x[..x.len() - 1]).unwrap();
    let net = std::fs::read(file("examples/mnist/net.bin")).unwrap();
    std::fs::write(folder.join("cut.bin"), &net[..net.len() / 2]).unwrap();
    let mut flipped = net.clone();
    flipped[net.len() / 2] ^= 4;
    std::fs::write(folder.join("flipped.bin"), flipped).unwrap();
    let mut long = net;
    long.extend([0; 64]);
    std::fs::write(folder.join("long.bin"), long).unwrap();
    std::fs::write(folder.join("empty.bin"), "").unwrap();
    std::fs::write(folder.join("net.txt"), "a net").unwrap();
    std::fs::write(folder.join("noise.onnx"), [0xff; 100]).unwrap();
}

#[test]
fn every_bad_input_gets_its_error_and_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    make_files(folder.path());
    let net = "--net @examples/mnist/net.bin";
    let onnx = "--model @examples/mnist/mlp300-p90.onnx";
    let table: &[(&str, i32, &[&str])] = &[
        // Files that are not there, or not what they should be.
        (&format!("run {net} --input %none.npy"), 1, &["none.npy"]),
        (&format!("run {net} --input %text.npy"), 1, &["text.npy"]),
        (&format!("run {net} --input %cut.npy"), 1, &["cut.npy"]),
        ("run --net %none.bin --input %x.npy", 1, &["none.bin"]),
        ("run --net %cut.bin --input %x.npy", 1, &["cut.bin"]),
        ("run --net %flipped.bin --input %x.npy", 1, &["flipped.bin"]),
        ("run --net %long.bin --input %x.npy", 1, &["long.bin"]),
        ("run --net %empty.bin --input %x.npy", 1, &["empty.bin"]),
        ("inspect --net %x.npy", 1, &["x.npy"]),
        ("convert --model %none.onnx --out %out.bin", 1, &["none.onnx: cannot be read: "]),
        ("convert --model %none.pt --layers %none.toml --out %out.bin", 1, &["none.pt: cannot be read: "]),
        ("convert --model %noise.onnx --out %out.bin", 1, &["noise.onnx"]),
        ("convert --model %net.txt --out %out.bin", 1, &["net.txt", ".onnx"]),
        // Numbers that do not fit.
        (&format!("run {net} --input %narrow.npy"), 1, &["narrow.npy", "(2, 783)", "(N, 784)"]),
        (&format!("run {net} --input %nan.npy"), 1, &["nan.npy", "sample 1, value [5]", "NaN", "finite"]),
        (
            &format!("run {net} --input %large.npy --encoding poisson"),
            1,
            &["sample 1, value [17]", "1.5", "[0, 1]"],
        ),
        (
            &format!("run {net} --input %large.npy --encoding regular"),
            1,
            &["sample 1, value [17]", "1.5", "[0, 1]"],
        ),
        (&format!("run {net} --input %x.npy --labels %y3.npy"), 1, &["y3.npy", "[3]", "2 samples"]),
        (&format!("run {net} --input %x.npy --encoding raster"), 1, &["x.npy"]),
        (
            &format!("run {net} --input %large-values.npy --encoding raster"),
            1,
            &["large-values.npy", "5000", "4096"],
        ),
        (&format!("check {net} --input %nan.npy"), 1, &["sample 1, value [5]"]),
        // Flags.
        (&format!("run {net} --input %x.npy --T 0"), 2, &["--T"]),
        (&format!("run {net} --input %x.npy --threads 4000"), 2, &["--threads", "256"]),
        (&format!("check {net} --input %x.npy --threads 0"), 2, &["--threads", "256"]),
        (&format!("run {net} --input %x.npy --T many"), 2, &["--T"]),
        (&format!("run {net} --input %x.npy --threads 0"), 2, &["--threads"]),
        (&format!("run {net} --input %x.npy --mode clocked"), 2, &["clocked", "event", "dense"]),
        (&format!("run {net} --input %x.npy --batch-range 0-1"), 2, &["a:b"]),
        (&format!("run {net} --input %x.npy --batch-range 1:3"), 2, &["1:3", "2 samples"]),
        (&format!("run {net} --input %x.npy --batch-range 1:1"), 2, &["a < b"]),
        (&format!("run {net} --input %raster.npy --encoding raster --T 5"), 2, &["--T 5", "4 steps"]),
        ("run --input %x.npy", 2, &["--net"]),
        (&format!("run {net}"), 2, &["--input"]),
        ("generate --sizes -9,9 --density 0.5 --rate 0.1 --out %out.bin", 2, &["--sizes", "-9"]),
        ("walk", 2, &["walk"]),
        // Conversion.
        (&format!("convert {onnx} --out %out.bin"), 1, &["calibration", "--calib"]),
        (&format!("convert {onnx} --calib %narrow.npy --out %out.bin"), 1, &["narrow.npy", "784"]),
        (&format!("convert {onnx} --calib %nan.npy --out %out.bin"), 1, &["NaN"]),
        (&format!("convert {onnx} --normalise qcfs --out %out.bin"), 1, &["Relu", "no trained threshold"]),
        (&format!("convert {onnx} --calib %x.npy --percentile 101 --out %out.bin"), 1, &["101", "100"]),
        (
            &format!("convert {onnx} --calib %x.npy --normalise max --percentile 99 --out %out.bin"),
            2,
            &["percentile"],
        ),
        (&format!("convert {onnx} --calib %x.npy --normalise least --out %out.bin"), 2, &["least", "mse"]),
        // Places where nothing can be written.
        (&format!("run {net} --input %x.npy --counts %none/counts.npy"), 1, &["none", "counts.npy"]),
        (&format!("run {net} --input %x.npy --spikes %none/spikes.npz"), 1, &["none", "spikes.npz"]),
        (&format!("run {net} --input %x.npy --json %none/report.json"), 1, &["none", "report.json"]),
        (&format!("convert {onnx} --normalise none --out %none/net.bin"), 1, &["none", "net.bin"]),
    ];
    let before = listing(folder.path());
    for (line, status, parts) in table {
        let output = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{line}\n{error}");
        for part in *parts {
            assert!(error.contains(part), "no {part:?} in the error of\n{line}\n{error}");
        }
        assert!(!error.contains("panicked"), "{line}\n{error}");
        assert!(error.matches("os error").count() < 2, "the system's reason is told twice:\n{line}\n{error}");
        assert_eq!(listing(folder.path()), before, "{line} left something behind");
    }
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}
