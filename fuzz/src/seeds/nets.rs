//! Networks of every kind: all models of neurons, all kinds of connectivity, delays, recurrence.

use std::sync::Arc;

use snn_engine::{
    Accumulator, AnySimulator, BuiltIn, Connectivity, Conv2d, Conv2dGeometry, DenseRows, IntegrateFire,
    Layout, MaxPool, Mode, Network, NetworkBuilder, Neuron, OneToOne, PerNeuron, PopulationId, Reset, Rows,
    SparseRows, Stimulus,
};
use snn_formats::{Basis, Description, InputRange, RunLength, write_net};

use super::files as files_of;

/// Weights of both signs, a third of them zero.
fn table(count: usize) -> Vec<f32> {
    (0..count).map(|place| [0.5, -0.25, 0.0, 0.75, 0.1, 0.0][(place * 7 + place / 5) % 6]).collect()
}

fn same(value: f32) -> PerNeuron {
    PerNeuron::same(value).expect("an allowed number")
}

fn sparse(sources: usize, targets: usize) -> Connectivity {
    Connectivity::Rows(Rows::Sparse(
        SparseRows::from_dense(targets, &table(sources * targets)).expect("rows"),
    ))
}

fn dense(sources: usize, targets: usize) -> Connectivity {
    Connectivity::Rows(Rows::Dense(DenseRows::new(targets, table(sources * targets).into()).expect("rows")))
}

fn firing(threshold: f32, bias: f32) -> Neuron {
    let (threshold, bias, start) = (same(threshold), same(bias), same(0.25));
    Neuron::of(IntegrateFire { threshold, bias, start, reset: Reset::Subtract })
}

fn read_out(builder: &mut NetworkBuilder, before: PopulationId, size: usize) {
    let output = builder.population("output", Layout::Flat(3), Neuron::of(Accumulator { bias: same(0.5) }));
    builder.projection(before, output, 0, dense(size, 3));
}

/// A layer and a read-out behind an input of twelve neurons.
pub fn small(input: Layout) -> Network {
    let mut builder = NetworkBuilder::new();
    let source = builder.population("input", input, Neuron::Source);
    let layer = builder.population("layer", Layout::Flat(8), firing(1.0, 0.125));
    builder.projection(source, layer, 0, sparse(12, 8));
    read_out(&mut builder, layer, 8);
    builder.build().expect("a network")
}

/// A population of a model, all parameters as they are by default or else 0.75.
fn of_model(model: &BuiltIn, option: usize) -> Network {
    let described = model.description;
    let value = |parameter: &snn_engine::Parameter| {
        let wanted = parameter.default.unwrap_or(0.75);
        same(if parameter.allowed.holds(wanted) { wanted } else { 1.0 })
    };
    let options: Vec<usize> =
        described.choices.iter().map(|choice| option.min(choice.options.len() - 1)).collect();
    let neuron = model.neuron(described.parameters.iter().map(value).collect(), &options).expect("a model");
    let mut builder = NetworkBuilder::new();
    let source = builder.population("input", Layout::Flat(6), Neuron::Source);
    let layer = builder.population("layer", Layout::Flat(20), neuron.clone());
    builder.projection(source, layer, 0, sparse(6, 20));
    if neuron.model().is_some_and(|model| model.emission().fires()) {
        builder.projection(layer, layer, 2, sparse(20, 20));
        read_out(&mut builder, layer, 20);
    }
    builder.build().expect("a network")
}

fn convolution() -> Network {
    let mut builder = NetworkBuilder::new();
    let image = |channels, height, width| Layout::Image { channels, height, width };
    let source = builder.population("input", image(2, 5, 4), Neuron::Source);
    let maps = builder.population("maps", image(3, 5, 4), firing(0.5, 0.0));
    let geometry = Conv2dGeometry {
        source: [5, 4, 2],
        target: [5, 4, 3],
        pool: [1, 1],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        groups: 1,
    };
    let rows = SparseRows::from_dense(3, &table(geometry.rows() * 3)).expect("rows");
    let convolution = Conv2d::new(geometry, Rows::Sparse(rows)).expect("a convolution");
    builder.projection(source, maps, 0, Connectivity::Conv2d(convolution));
    let pool = builder.population("pool", image(3, 5, 4), Neuron::MaxPool(MaxPool));
    let one_to_one = OneToOne::new(60, same(1.0)).expect("one to one");
    builder.projection(maps, pool, 0, Connectivity::OneToOne(one_to_one));
    let pooled = builder.population("pooled", image(2, 2, 2), firing(1.0, 0.0));
    let geometry = Conv2dGeometry {
        source: [5, 4, 3],
        target: [2, 2, 2],
        pool: [2, 2],
        kernel: [1, 1],
        padding: [0, 0],
        ..geometry
    };
    let rows = DenseRows::new(2, table(geometry.rows() * 2).into()).expect("rows");
    let convolution = Conv2d::new(geometry, Rows::Dense(rows)).expect("a convolution");
    builder.projection(pool, pooled, 1, Connectivity::Conv2d(convolution));
    read_out(&mut builder, pooled, 8);
    builder.build().expect("a network")
}

/// Two sources, a residual, a delayed circle.
fn several() -> Network {
    let mut builder = NetworkBuilder::new();
    let one = builder.population("one", Layout::Flat(5), Neuron::Source);
    let other = builder.population("other", Layout::Flat(4), Neuron::Source);
    let first = builder.population("first", Layout::Flat(17), firing(1.0, 0.0));
    let second = builder.population("second", Layout::Flat(17), firing(0.5, -0.125));
    builder.projection(one, first, 3, dense(5, 17));
    builder.projection(other, first, 0, sparse(4, 17));
    builder.projection(first, second, 0, dense(17, 17));
    let alternating: Vec<f32> = (0..17).map(|place| if place % 2 == 0 { 0.5 } else { -1.0 }).collect();
    let weights = PerNeuron::repeating(alternating.into()).expect("weights");
    builder.projection(
        first,
        second,
        1,
        Connectivity::OneToOne(OneToOne::new(17, weights).expect("one to one")),
    );
    builder.projection(second, first, 1, sparse(17, 17));
    read_out(&mut builder, second, 17);
    builder.build().expect("a network")
}

/// All networks, by a word for each.
pub fn networks() -> Vec<(String, Network)> {
    let mut all = vec![
        ("small".to_owned(), small(Layout::Flat(12))),
        ("convolution".to_owned(), convolution()),
        ("several".to_owned(), several()),
    ];
    for model in BuiltIn::all() {
        let options = model.description.choices.iter().map(|choice| choice.options.len()).max().unwrap_or(1);
        for option in 0..options {
            all.push((format!("{}-{option}", model.description.name), of_model(&model, option)));
        }
    }
    all
}

/// They as `net.bin`, and those of older versions that the tests keep.
pub fn files() -> Vec<Vec<u8>> {
    let mut files = files_of("tests/data", "bin");
    let run = Some(RunLength::new(16, Basis::Fitted));
    let input = Some(InputRange { smallest: 0.0, largest: 1.0 });
    let description = Description { run, input, ..Description::default() };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("net.bin");
    for (_, network) in networks() {
        write_net(&path, &network, &description).expect("written");
        files.push(std::fs::read(&path).expect("read"));
    }
    files
}

/// States of all networks: before the first step and after some.
pub fn states() -> Vec<Vec<u8>> {
    let mut states = vec![];
    for (_, network) in networks() {
        let network = Arc::new(network);
        let mut simulator = AnySimulator::new(Mode::Event, Arc::clone(&network));
        let simulator = simulator.get();
        for steps in [0, 3] {
            for _ in 0..steps {
                let fired: Vec<(PopulationId, &[u32])> =
                    network.sources().map(|source| (source, &[0, 1, 3][..])).collect();
                simulator.step(&Stimulus::new(&network, &fired).expect("a stimulus"));
            }
            states.push(simulator.state().to_bytes());
        }
    }
    states
}
