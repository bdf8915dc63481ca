//! The command line as a user meets it: the README's commands, their outputs, and bad input of every kind.

mod bad_input;
mod conversion;
mod diff;
mod eval;
mod events;
mod example;
mod expect;
mod few;
mod files;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod kills;
mod library_errors;
mod meaning;
mod nir;
mod outputs;
mod provenance;
mod quiet;
mod report;
mod shards;
mod shared;
mod state_dict;
mod studies;
mod study_models;
mod sweep;
mod terminal;
mod whole;
mod wild;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// A file of the project.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A command line of `snn-event`: words split at spaces, `@path` is a file of the project and `%name` one of
/// the given folder.
fn snn_event(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("snn-event"));
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
    let output = snn_event(folder, line).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// The JSON that a command prints.
fn json(folder: &Path, line: &str) -> Value {
    serde_json::from_str(&printed(folder, line)).unwrap()
}
