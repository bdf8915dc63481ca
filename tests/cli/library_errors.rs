//! The libraries do not know the command line: their errors name no flags, which the command line adds.

use std::path::{Path, PathBuf};

use crate::{file, snn_event};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn no_error_of_a_library_names_a_flag() {
    let mut files = vec![];
    for folder in [
        "engine/src",
        "formats/src",
        "converter/src",
        "research/src",
        "exchange/src",
        "bindings/python/src",
        "bindings/c/src",
    ] {
        sources(&file(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    let mut found = vec![];
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may use any name for a part.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let flag = code.match_indices("--").any(|(at, _)| {
                let before = code[..at].chars().next_back();
                before != Some('-') && code[at + 2..].starts_with(|c: char| c.is_ascii_alphabetic())
            });
            if flag && !code.starts_with("//") {
                found.push(format!("{}:{}: {code}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_command_line_adds_its_flags_to_errors_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    for (line, flag) in [
        ("convert --model @examples/mnist/mlp300-p90.onnx --out %net.bin", "--calib FILE.npy"),
        (
            "convert --model @examples/mnist/mlp300-p90.onnx --normalise qcfs --out %net.bin",
            "--normalise mse",
        ),
        (
            "convert --model @converter/tests/data/state_dict/residual.pt --out %net.bin",
            "--layers LAYERS.TOML",
        ),
    ] {
        let output = snn_event(folder.path(), line).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(flag), "{line}: {error}");
    }
}
