//! The golden cases of `engine/tests/golden`, spike for spike and with their final potentials.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use snn_engine::*;

use crate::simulators::simulators;

struct Golden {
    name: String,
    network: Arc<Network>,
    raster: Raster,
    /// For each population behind the input its spikes in every step and its last potentials.
    expected: Vec<(PopulationId, Raster, Vec<f32>)>,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Every number of the cases is a multiple of a power of two that f32 holds.
fn number(value: &Value) -> f32 {
    let exact = value.as_f64().unwrap();
    let number = exact as f32;
    assert_eq!(f64::from(number), exact, "{exact} is no f32");
    number
}

fn numbers(value: &Value) -> Vec<f32> {
    list(value).iter().map(number).collect()
}

fn id(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn raster(value: &Value) -> Raster {
    let mut raster = Raster::new();
    for step in list(value) {
        raster.push_step(&list(step).iter().map(id).collect::<Vec<_>>());
    }
    raster
}

fn sparse(rows: &Value, width: usize) -> Rows {
    let (mut starts, mut columns, mut weights) = (vec![0], vec![], vec![]);
    for row in list(rows) {
        for pair in list(row) {
            columns.push(id(&pair[0]));
            weights.push(number(&pair[1]));
        }
        starts.push(weights.len() as u64);
    }
    Rows::Sparse(SparseRows::from_columns(width, starts, columns, weights).unwrap())
}

fn golden(path: &Path) -> Golden {
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let reset = match case["reset"].as_str() {
        Some("subtract") => Reset::Subtract,
        Some("zero") => Reset::Zero,
        other => panic!("{}: reset is {other:?}", path.display()),
    };
    let mut builder = NetworkBuilder::new();
    let mut source = builder.population("input", Layout::Flat(id(&case["inputs"])), Neuron::Source);
    let mut expected = vec![];
    for (at, layer) in list(&case["layers"]).iter().enumerate() {
        let bias = numbers(&layer["bias"]);
        let n = bias.len();
        let neuron = Neuron::of(IntegrateFire {
            threshold: PerNeuron::same(number(&case["threshold"])).unwrap(),
            bias: PerNeuron::repeating(bias.into()).unwrap(),
            start: PerNeuron::same(number(&case["start"])).unwrap(),
            reset,
        });
        let target =
            builder.population(format!("layer{at}"), Layout::Flat(u32::try_from(n).unwrap()), neuron);
        builder.projection(source, target, 0, Connectivity::Rows(sparse(&layer["rows"], n)));
        expected.push((target, raster(&layer["spikes"]), numbers(&layer["potentials"])));
        source = target;
    }
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Golden { name, network: Arc::new(builder.build().unwrap()), raster: raster(&case["raster"]), expected }
}

impl Golden {
    fn step(&self, simulator: &mut dyn Simulator, step: usize, what: &str) {
        let source = self.network.sources().next().unwrap();
        let stimulus = Stimulus::new(&self.network, &[(source, self.raster.step(step))]).unwrap();
        let spikes = simulator.step(&stimulus);
        for (population, expected, _) in &self.expected {
            assert_eq!(spikes.of(*population), expected.step(step), "{}, {what}, step {step}", self.name);
        }
    }

    fn end(&self, simulator: &mut dyn Simulator, what: &str) {
        for (population, _, potentials) in &self.expected {
            assert_eq!(simulator.potentials(*population), *potentials, "{}, {what}", self.name);
        }
    }
}

#[test]
fn all_ten_golden_cases_match_spike_for_spike_in_every_simulator() {
    let files = files();
    assert_eq!(files.len(), 10);
    for file in files {
        let golden = golden(&file);
        for (name, mut simulator) in simulators(&golden.network) {
            for step in 0..golden.raster.steps() {
                golden.step(simulator.as_mut(), step, &name);
            }
            golden.end(simulator.as_mut(), &name);
        }
    }
}

#[test]
fn all_ten_golden_cases_match_after_saving_in_the_middle_and_going_on_in_another_simulator() {
    for file in files() {
        let golden = golden(&file);
        let middle = golden.raster.steps() / 2;
        for (first, mut before) in simulators(&golden.network) {
            for step in 0..middle {
                golden.step(before.as_mut(), step, &first);
            }
            let state = before.state();
            for (second, mut after) in simulators(&golden.network) {
                let what = format!("{first}, then {second}");
                after.restore(&state).unwrap();
                for step in middle..golden.raster.steps() {
                    golden.step(after.as_mut(), step, &what);
                }
                golden.end(after.as_mut(), &what);
            }
        }
    }
}
