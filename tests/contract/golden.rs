//! The golden cases of `tests/data/golden`, spike for spike and with their final potentials.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use snn_engine::*;
use snn_formats::{Array, NpzReader};

use crate::laws::simulators;

struct Golden {
    name: String,
    network: Arc<Network>,
    raster: Raster,
    /// For each population behind the input its spikes in every step and its last potentials.
    expected: Vec<(PopulationId, Raster, Vec<f32>)>,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "npz")).collect();
    files.sort();
    files
}

fn raster(array: Array) -> Raster {
    let neurons = array.shape[1];
    encode::given(neurons, &array.into_spikes().unwrap()).unwrap()
}

fn golden(path: &Path) -> Golden {
    let mut npz = NpzReader::open(path).unwrap();
    let mut number = |name: &str| npz.read(name).unwrap().into_f32().unwrap()[0];
    let (theta, start) = (number("theta"), number("v_start"));
    let reset = match npz.read("reset").unwrap().into_text().unwrap().as_str() {
        "subtract" => Reset::Subtract,
        "zero" => Reset::Zero,
        other => panic!("{}: reset is `{other}`", path.display()),
    };
    let given = npz.read("raster").unwrap();
    let mut builder = NetworkBuilder::new();
    let mut source = builder.population("input", Layout::Flat(given.shape[1] as u32), Neuron::Source);
    let mut expected = vec![];
    for layer in 0.. {
        if !npz.contains(&format!("W{layer}")) {
            break;
        }
        let weights = npz.read(&format!("W{layer}")).unwrap();
        let (outputs, inputs) = (weights.shape[0], weights.shape[1]);
        let by_target = weights.into_f32().unwrap();
        let by_source: Vec<f32> =
            (0..inputs * outputs).map(|i| by_target[i % outputs * inputs + i / outputs]).collect();
        let neuron = Neuron::IntegrateFire(IntegrateFire {
            threshold: PerNeuron::same(theta).unwrap(),
            bias: PerNeuron::repeating(npz.read(&format!("b{layer}")).unwrap().into_f32().unwrap().into())
                .unwrap(),
            start: PerNeuron::same(start).unwrap(),
            reset,
        });
        let target = builder.population(format!("layer{layer}"), Layout::Flat(outputs as u32), neuron);
        let rows = Rows::Sparse(SparseRows::from_dense(outputs, &by_source).unwrap());
        builder.projection(source, target, 0, Connectivity::Rows(rows));
        let spikes = raster(npz.read(&format!("spikes{layer}")).unwrap());
        expected.push((target, spikes, npz.read(&format!("v_end{layer}")).unwrap().into_f32().unwrap()));
        source = target;
    }
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Golden { name, network: Arc::new(builder.build().unwrap()), raster: raster(given), expected }
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

    fn end(&self, simulator: &dyn Simulator, what: &str) {
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
            golden.end(simulator.as_ref(), &name);
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
                golden.end(after.as_ref(), &what);
            }
        }
    }
}
