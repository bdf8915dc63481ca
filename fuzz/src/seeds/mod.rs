//! The seeds of every target: small files of every kind, made by the project itself or from its tests.

mod events;
mod models;
pub mod nets;

use std::path::{Path, PathBuf};

use snn_exchange::nir::file::{bytes, parse};

pub use models::{RESIDUAL, RESIDUAL_TENSORS};

/// The longest seed: small files are read often, and what is in longer ones is in these.
const LONGEST: usize = 12 << 10;

/// Writes the seeds of a target into the folder that `SNN_SEEDS` names, before libFuzzer reads it.
pub fn sow(target: &str) {
    let Some(folder) = std::env::var_os("SNN_SEEDS").map(PathBuf::from) else { return };
    let seeds = match target {
        "npy" => files("formats/tests/numpy", "npy"),
        "npz" => [files("formats/tests/numpy", "npz"), files("tests/data/golden", "npz"), models::archives()]
            .concat(),
        "net_bin" | "simulators" => nets::files(),
        "state" => nets::states(),
        "samples" => models::samples(),
        "onnx" => models::onnx(),
        "torch" => {
            [files("converter/tests/data/state_dict", "pt"), files("converter/tests/data/state_dict", "pth")]
                .concat()
        }
        "safetensors" => files("converter/tests/data/state_dict", "safetensors"),
        "layer_list" => models::layer_lists(),
        "event_columns" => events::columns(),
        "event_rows" => events::rows(),
        "recording" => events::recordings(),
        "spikes" => events::spikes(),
        "nir" => nir(),
        "numpy_net" => [files("tests/data/golden", "npz"), models::archives()].concat(),
        unknown => panic!("there are no seeds for `{unknown}`"),
    };
    let short: Vec<&Vec<u8>> = seeds.iter().filter(|bytes| bytes.len() <= LONGEST).collect();
    assert!(!short.is_empty(), "no seeds for {target}");
    for (number, bytes) in short.into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:03}")), bytes).expect("a folder to write into");
    }
}

/// Files of other tools, and what is written of them, which is shorter.
fn nir() -> Vec<Vec<u8>> {
    let theirs = files("exchange/tests/data", "nir");
    let ours: Vec<_> = theirs.iter().filter_map(|file| bytes(&parse(file.clone()).ok()?).ok()).collect();
    [theirs, ours].concat()
}

/// Where the project lies.
fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files of a folder with this ending, in the order of their names.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(project().join(folder)).expect("a folder of the project");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the project")).collect()
}
