//! Files made to harm: pipes, devices and links where files are expected, small files that ask for much.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::snn_event;

/// Runs a command that must end by itself, and gives its exit status and what it says of errors.
fn refused(folder: &Path, line: &str) -> (Option<i32>, String) {
    // Far more than it takes: what waits for a pipe or reads a device waits for ever.
    let output = snn_event(folder, line).timeout(Duration::from_secs(120)).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{line}\n{error}");
    (output.status.code(), error)
}

#[test]
fn a_pipe_or_device_in_place_of_any_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for ending in ["bin", "npy", "npz", "onnx", "pt", "safetensors", "toml"] {
        let pipe = folder.join(format!("pipe.{ending}"));
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        symlink("/dev/zero", folder.join(format!("zero.{ending}"))).unwrap();
    }
    let (net, x) = ("--net @examples/mnist/net.bin", "--input @examples/mnist/x.npy");
    let (onnx, out) = ("--model @examples/mnist/mlp300-p90.onnx", "--out %out.bin");
    let lines = [
        format!("run --net %FILE.bin {x}"),
        format!("check --net %FILE.bin {x}"),
        "inspect --net %FILE.bin".into(),
        format!("run {net} --input %FILE.npy"),
        format!("check {net} --input %FILE.npy"),
        format!("run {net} {x} --labels %FILE.npy"),
        format!("convert --model %FILE.onnx {out}"),
        format!("convert --model %FILE.npz {out}"),
        format!("convert --model %FILE.pt --layers %FILE.toml {out}"),
        format!("convert --model %FILE.safetensors --layers %FILE.toml {out}"),
        format!("convert {onnx} --calib %FILE.npy {out}"),
        "prune --model %FILE.onnx --sparsity 0.5 --out %out.onnx".into(),
    ];
    for line in lines {
        for (file, kind) in [("pipe", "it is a pipe"), ("zero", "it is a device")] {
            let line = line.replace("FILE", file);
            let (status, error) = refused(folder, &line);
            assert_eq!(status, Some(1), "{line}\n{error}");
            assert!(error.contains(kind) && error.contains(file), "{line}\n{error}");
        }
    }
    assert!(!folder.join("out.bin").exists());
}
