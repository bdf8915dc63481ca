//! A network of many kinds, and what it does, by bits.

use std::collections::BTreeMap;
use std::sync::Arc;

use snn_engine::{
    AnySimulator, BuiltIn, Connectivity, Layout, Mode, Network, NetworkBuilder, Neuron, OneToOne, PerNeuron,
    Simulator, SpikeSlice, Stimulus,
};

/// A network of many kinds, with numbers that no f64 arithmetic keeps by accident.
pub fn various(reset: &str, refractory: f32) -> Network {
    let mut builder = NetworkBuilder::new();
    let same = |value| PerNeuron::same(value).unwrap();
    let each = |n: u16, of: &dyn Fn(f32) -> f32| {
        PerNeuron::repeating((0..n).map(|i| of(f32::from(i))).collect::<Vec<_>>().into()).unwrap()
    };
    let image = Layout::Image { channels: 2, height: 4, width: 4 };
    let find = |name| BuiltIn::find(name).unwrap();
    let input = builder.population("input", image, Neuron::Source);
    let leaky = find("leaky").named(
        [
            ("leak", same(0.9)),
            ("threshold", same(0.7)),
            ("bias", each(2, &|i| 0.1 * i)),
            ("refractory", same(refractory)),
        ],
        [("reset", reset)],
    );
    let a = builder.population("a", image, leaky.unwrap());
    let cuba = find("current-leaky").named(
        [
            ("leak", each(6, &|i| 0.5 + 0.07 * i)),
            ("decay", same(0.3)),
            ("threshold", each(6, &|i| 1.0 + 0.3 * i)),
            ("bias", each(6, &|i| 0.01 * i)),
            ("after", same(-0.1)),
        ],
        [("reset", "to")],
    );
    let b = builder.population("b", Layout::Flat(6), cuba.unwrap());
    let zero = find("integrate-and-fire")
        .named([("threshold", same(1.1)), ("bias", each(6, &|i| 0.03 * i))], [("reset", "zero")]);
    let c = builder.population("c", Layout::Flat(6), zero.unwrap());
    let out = find("leaky-accumulator").named([("leak", same(0.95)), ("bias", same(0.125))], []);
    let d = builder.population("d", Layout::Flat(3), out.unwrap());
    let shape = snn_engine::ConvolutionShape {
        kernels: [2, 1, 3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        groups: 2,
    };
    let kernels: Vec<f32> = (0..18_u8).map(|i| 0.1 * f32::from(i % 7) - 0.2).collect();
    builder.projection(
        input,
        a,
        0,
        Connectivity::Conv2d(snn_engine::Conv2d::from_kernels(image, image, shape, &kernels).unwrap()),
    );
    let dense = |from: Layout, to: Layout| {
        let count = from.neurons().unwrap() * to.neurons().unwrap();
        let weights: Vec<f32> =
            (0..count).map(|i| if i % 3 == 0 { 0.0 } else { (i % 11) as f32 * 0.07 - 0.2 }).collect();
        Connectivity::from_matrix(from, to, &weights).unwrap()
    };
    let six = Layout::Flat(6);
    builder.projection(a, b, 0, dense(image, six));
    builder.projection(b, b, 1, dense(six, six));
    builder.projection(b, c, 0, dense(six, six));
    builder.projection(c, b, 3, Connectivity::OneToOne(OneToOne::new(6, same(-0.3)).unwrap()));
    builder.projection(c, d, 0, dense(six, Layout::Flat(3)));
    builder.build().unwrap()
}

/// Spikes of all populations by step and name, and the last potentials, as bits.
pub type Bits = (Vec<(u64, String, u32)>, BTreeMap<String, Vec<u32>>);

pub fn bits(network: Network) -> Bits {
    let network = Arc::new(network);
    let source = network.sources().next().unwrap();
    let mut simulator = AnySimulator::new(Mode::Event, Arc::clone(&network));
    let mut spikes = vec![];
    for step in 0..200_u32 {
        let fired: Vec<u32> = (0..32).filter(|neuron| (neuron * 5 + step * 7) % 9 == 0).collect();
        let mut stimulus = Stimulus::none();
        stimulus.set_spikes(&network, source, SpikeSlice::unit(&fired)).unwrap();
        let given = simulator.step(&stimulus);
        for id in network.ids() {
            let name = network.population(id).name();
            spikes.extend(given.of(id).iter().map(|&neuron| (u64::from(step), name.to_owned(), neuron)));
        }
    }
    spikes.sort();
    let potentials = network.ids().map(|id| {
        let v = simulator.potentials(id).iter().map(|v| v.to_bits()).collect();
        (network.population(id).name().to_owned(), v)
    });
    let potentials = potentials.collect();
    (spikes, potentials)
}
