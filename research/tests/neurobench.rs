//! NeuroBench's metrics as its own package gives them: neurobench.json is made by make_neurobench.py.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use snn_engine::*;
use snn_formats::Description;
use snn_research::{NeuroBench, Plan, evaluate};

#[derive(Deserialize)]
struct Made {
    steps: usize,
    samples: usize,
    spikes: Case,
    currents: Case,
    convolution: Case,
}

#[derive(Deserialize)]
struct Case {
    weights: Vec<Weights>,
    input: Vec<f32>,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Weights {
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    activation_sparsity: f64,
    activation_sparsity_by_layer: BTreeMap<String, f64>,
    membrane_updates: f64,
    connection_sparsity: f64,
    synaptic_operations: BTreeMap<String, f64>,
}

fn made() -> Made {
    serde_json::from_str(include_str!("neurobench.json")).unwrap()
}

fn neuron() -> Neuron {
    Neuron::of(IntegrateFire {
        threshold: PerNeuron::same(1.0).unwrap(),
        bias: PerNeuron::same(0.0).unwrap(),
        start: PerNeuron::same(0.0).unwrap(),
        reset: Reset::Subtract,
    })
}

/// `[outputs][inputs]` as torch has them.
fn linear(weights: &Weights) -> Connectivity {
    let &[outputs, inputs] = &weights.shape[..] else { panic!("{:?}", weights.shape) };
    let table: Vec<f32> = (0..inputs)
        .flat_map(|input| (0..outputs).map(move |output| weights.values[output * inputs + input]))
        .collect();
    Connectivity::Rows(Rows::Sparse(SparseRows::from_dense(outputs, &table).unwrap()))
}

/// A 3 × 3 kernel `[outputs][inputs][3][3]`.
fn convolution(weights: &Weights, from: [u32; 3], to: [u32; 3], stride: u32) -> Connectivity {
    let geometry = Conv2dGeometry {
        source: from,
        target: to,
        pool: [1, 1],
        kernel: [3, 3],
        stride: [stride; 2],
        padding: [1, 1],
        dilation: [1, 1],
        groups: 1,
    };
    let (inputs, outputs) = (from[2] as usize, to[2] as usize);
    let mut table = vec![0.0; 9 * inputs * outputs];
    let rows = Rows::Sparse(SparseRows::from_dense(outputs, &table).unwrap());
    let places = Conv2d::new(geometry, rows).unwrap();
    for (place, &value) in weights.values.iter().enumerate() {
        let (output, input, ky, kx) = (place / 9 / inputs, place / 9 % inputs, place / 3 % 3, place % 3);
        let row = places.row_of(ky as u32, kx as u32, input as u32);
        table[row * outputs + output] = value;
    }
    let rows = Rows::Sparse(SparseRows::from_dense(outputs, &table).unwrap());
    Connectivity::Conv2d(Conv2d::new(geometry, rows).unwrap())
}

fn chain(layouts: [Layout; 3], connectivities: [Connectivity; 2]) -> Arc<Network> {
    let mut builder = NetworkBuilder::new();
    let [input, hidden, output] = layouts;
    let input = builder.population("input", input, Neuron::Source);
    let hidden = builder.population("hidden", hidden, neuron());
    let output = builder.population("output", output, neuron());
    let [first, second] = connectivities;
    builder.projection(input, hidden, 0, first);
    builder.projection(hidden, output, 0, second);
    Arc::new(builder.build().unwrap())
}

fn agrees(network: Arc<Network>, input: &Input, made: &Made, metrics: &Metrics) {
    let steps = made.steps as u32;
    let plan = Plan {
        points: vec![steps],
        read_out_from: 0,
        stops: vec![],
        membrane_updates: true,
        neuron_spikes: false,
    };
    for mode in [Mode::Auto, Mode::Event, Mode::Dense] {
        let simulator = AnySimulator::new(mode, network.clone());
        let done = || Ok::<_, NetworkError>(());
        let evaluation =
            evaluate(0..made.samples, 1, &simulator, &Description::default(), input, &plan, done).unwrap();
        let found = NeuroBench::of(&network, &evaluation, false, true);
        let near = |found: f64, wanted: f64| {
            assert!((found - wanted).abs() < 1e-9, "{found} for {wanted}, {mode:?}")
        };
        near(found.activation_sparsity, metrics.activation_sparsity);
        for (layer, wanted) in
            found.activation_sparsity_by_layer.iter().zip(metrics.activation_sparsity_by_layer.values())
        {
            near(layer.sparsity, *wanted);
        }
        assert_eq!(found.activation_sparsity_by_layer.len(), 2);
        near(found.membrane_updates.unwrap(), metrics.membrane_updates);
        near(found.connection_sparsity, metrics.connection_sparsity);
        near(found.synaptic_operations.Effective_MACs, metrics.synaptic_operations["Effective_MACs"]);
        near(found.synaptic_operations.Effective_ACs, metrics.synaptic_operations["Effective_ACs"]);
        near(found.synaptic_operations.Dense, metrics.synaptic_operations["Dense"]);
    }
}

fn flags(case: &Case) -> Vec<bool> {
    case.input.iter().map(|&value| value == 1.0).collect()
}

#[test]
fn a_perceptron_of_spikes_has_the_metrics_of_neurobench() {
    let made = made();
    let [first, second] = &made.spikes.weights[..] else { panic!() };
    let network = chain([12, 9, 4].map(Layout::Flat), [linear(first), linear(second)]);
    let input = Input::spikes(&network, flags(&made.spikes), made.steps).unwrap();
    agrees(network, &input, &made, &made.spikes.metrics);
}

#[test]
fn constant_currents_are_multiply_adds_in_every_step_there() {
    let made = made();
    let [first, second] = &made.currents.weights[..] else { panic!() };
    let network = chain([12, 9, 4].map(Layout::Flat), [linear(first), linear(second)]);
    let input = Input::values(&network, made.currents.input.clone(), Encoding::Constant).unwrap();
    agrees(network, &input, &made, &made.currents.metrics);
}

#[test]
fn a_convolution_has_the_metrics_of_neurobench_without_its_padding() {
    let made = made();
    let [first, second] = &made.convolution.weights[..] else { panic!() };
    let image = |channels, side| Layout::Image { channels, height: side, width: side };
    let network = chain(
        [image(2, 5), image(3, 5), image(2, 3)],
        [convolution(first, [5, 5, 2], [5, 5, 3], 1), convolution(second, [5, 5, 3], [3, 3, 2], 2)],
    );
    let input = Input::spikes(&network, flags(&made.convolution), made.steps).unwrap();
    agrees(network, &input, &made, &made.convolution.metrics);
}
