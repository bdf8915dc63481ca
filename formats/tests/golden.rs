//! The golden cases stand twice: as archives, which the program converts and runs, and as the JSON that the engine's
//! tests read without this crate. Both must say the same.

use std::path::Path;

use serde_json::{Value, json};
use snn_formats::NpzReader;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// (T, n) flags as the ids of every step.
fn steps(npz: &mut NpzReader, name: &str) -> Value {
    let array = npz.read(name).unwrap();
    let neurons = array.shape[1];
    let flags = array.into_spikes().unwrap();
    let ids = |step: &[bool]| (0..neurons).filter(|&neuron| step[neuron]).collect::<Vec<_>>();
    flags.chunks_exact(neurons).map(ids).collect::<Vec<_>>().into()
}

fn numbers(npz: &mut NpzReader, name: &str) -> Vec<f64> {
    npz.read(name).unwrap().into_f32().unwrap().into_iter().map(f64::from).collect()
}

/// (out, in) weights as the [target, weight] pairs of every source.
fn rows(npz: &mut NpzReader, name: &str) -> Value {
    let [outputs, inputs] = npz.read(name).unwrap().shape[..] else { panic!("{name} is no matrix") };
    let weights = numbers(npz, name);
    let row = |source: usize| {
        let pairs = (0..outputs).map(|target| (target, weights[target * inputs + source]));
        pairs.filter(|(_, weight)| *weight != 0.0).map(|(target, weight)| json!([target, weight])).collect()
    };
    (0..inputs).map(row).collect::<Vec<Vec<Value>>>().into()
}

fn case(path: &Path) -> Value {
    let mut npz = NpzReader::open(path).unwrap();
    let mut layers = vec![];
    while npz.contains(&format!("W{}", layers.len())) {
        let at = layers.len();
        layers.push(json!({
            "rows": rows(&mut npz, &format!("W{at}")),
            "bias": numbers(&mut npz, &format!("b{at}")),
            "spikes": steps(&mut npz, &format!("spikes{at}")),
            "potentials": numbers(&mut npz, &format!("v_end{at}")),
        }));
    }
    json!({
        "threshold": numbers(&mut npz, "theta")[0],
        "start": numbers(&mut npz, "v_start")[0],
        "reset": npz.read("reset").unwrap().into_text().unwrap(),
        "inputs": npz.read("raster").unwrap().shape[1],
        "raster": steps(&mut npz, "raster"),
        "layers": layers,
    })
}

#[test]
fn the_golden_archives_and_the_text_that_the_engine_is_tested_with_say_the_same() {
    let names = |folder: &str, ending: &str| {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let of_kind = entries.filter(|path| path.extension().is_some_and(|found| found == ending));
        let mut names: Vec<_> = of_kind.map(|path| path.file_stem().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let archives = names("tests/data/golden", "npz");
    assert_eq!(archives.len(), 10);
    assert_eq!(archives, names("engine/tests/golden", "json"));
    for name in archives {
        let text = root().join("engine/tests/golden").join(&name).with_extension("json");
        let text: Value = serde_json::from_str(&std::fs::read_to_string(text).unwrap()).unwrap();
        let archive = case(&root().join("tests/data/golden").join(&name).with_extension("npz"));
        // Member by member, so that a failure prints one.
        for (member, value) in archive.as_object().unwrap() {
            assert!(text[member] == *value, "{name:?}: `{member}` is not what the archive says");
        }
        assert_eq!(text.as_object().unwrap().len(), archive.as_object().unwrap().len(), "{name:?}");
    }
}
