//! The spiking network against the affine maps of the trained net, synapse by synapse.
//!
//! With λ = 1 a one-hot input spike goes through a ReLU population unchanged and within its step, so after one step the
//! read-out holds one column of the affine map behind that population, plus the bias. Weights are small integers, so that
//! sums are exact wherever no mean over a number of elements that is not a power of two occurs.

use snn_converter::ann::{
    Affine, Ann, AveragePool, Conv, Linear, MaxPool, NodeId, Op, Resample, Shape, Taps, Window,
};
use snn_converter::forward::logits;
use snn_converter::{Normalise, Options, Samples, convert};
use snn_engine::{
    Connectivity, DenseSimulator, Drive, EventSimulator, Layout, Network, PopulationId, Simulator, Stimulus,
};
use std::sync::Arc;

/// A stream of numbers from a seed (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// −2 … 2, more often 0.
    fn weight(&mut self) -> f32 {
        [0.0, 0.0, 1.0, -1.0, 2.0, -2.0][self.below(6)]
    }

    fn weights(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.weight()).collect()
    }
}

pub fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

fn plain(unroll: bool) -> Options {
    Options { normalise: Some(Normalise::None), unroll, ..Options::default() }
}

fn network(ann: &Ann, unroll: bool) -> Arc<Network> {
    let conversion = convert(ann, None, &plain(unroll)).unwrap_or_else(|error| panic!("{error}\n{ann}"));
    Arc::new(conversion.network)
}

/// A random affine operator that takes the given tensors' last one, or several.
fn push_random(ann: &mut Ann, draw: &mut Draw, from: NodeId, earlier: &[NodeId], name: String) -> NodeId {
    let input = ann.node(from).shape.clone();
    let choice = draw.below(16);
    let op = match choice {
        0 | 1 if input.rank() >= 2 => {
            let groups = if input.channels().is_multiple_of(2) { 1 + draw.below(2) } else { 1 };
            let out_channels = groups * (1 + draw.below(3));
            let window = random_window(draw, &input, true);
            let per_group = input.channels() / groups;
            let count = out_channels * per_group * window.kernel[0] * window.kernel[1];
            Op::Conv(Conv {
                weights: draw.weights(count).into(),
                bias: (draw.below(2) == 0).then(|| draw.weights(out_channels).into()),
                in_channels: input.channels(),
                out_channels,
                groups,
                window,
            })
        }
        2 => {
            let sizes = [1, input.channels(), input.elements()];
            let (a, b) = (sizes[draw.below(3)], sizes[draw.below(3)]);
            Op::Affine(Affine { scale: draw.weights(a).into(), shift: draw.weights(b).into() })
        }
        3 if input.rank() >= 2 => {
            let window = random_window(draw, &input, false);
            Op::AveragePool(AveragePool {
                window,
                ceil_mode: draw.below(2) == 0,
                count_include_pad: draw.below(2) == 0,
            })
        }
        4 if input.rank() >= 2 => {
            let [_, h, w] = input.planes().unwrap();
            let kernel = if h >= 2 && input.rank() == 3 { [2, 2] } else { [1, w.min(2)] };
            Op::AveragePool(AveragePool {
                window: Window { stride: kernel, ..Window::of(kernel) },
                ceil_mode: false,
                count_include_pad: false,
            })
        }
        5 if input.rank() >= 2 && draw.below(3) == 0 => Op::GlobalAverage,
        6 if input.rank() >= 2 => {
            let pads = |draw: &mut Draw| (0..input.rank()).map(|_| draw.below(2)).collect();
            Op::Pad { before: pads(draw), after: pads(draw) }
        }
        7 | 8 => {
            let same: Vec<NodeId> =
                earlier.iter().copied().filter(|id| ann.node(*id).shape == input).collect();
            if same.is_empty() {
                return from;
            }
            let other = same[draw.below(same.len())];
            return ann.push(name, Op::Add, &[from, other]).unwrap();
        }
        9 => {
            let axis = draw.below(input.rank().max(1));
            let other = earlier[draw.below(earlier.len())];
            return ann.push(name, Op::Concat { axis }, &[from, other]).unwrap_or(from);
        }
        10 if input.rank() == 3 && draw.below(2) == 0 => {
            let perms = [[0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0]];
            Op::Transpose { perm: perms[draw.below(4)].to_vec() }
        }
        11 => {
            let n = input.elements();
            let views = [
                vec![n],
                vec![1, n],
                vec![1, 1, n],
                if n.is_multiple_of(4) { vec![n / 4, 2, 2] } else { vec![n, 1] },
            ];
            Op::View(shape(&views[draw.below(4)]))
        }
        12 if input.rank() == 1 => {
            let outputs = 1 + draw.below(6);
            Op::Linear(Linear {
                weights: draw.weights(outputs * input.elements()).into(),
                bias: (draw.below(2) == 0).then(|| draw.weights(outputs).into()),
                inputs: input.elements(),
                outputs,
            })
        }
        13..=15 if input.rank() >= 1 => {
            let axis = draw.below(input.rank());
            let extent = input.extents()[axis];
            Op::Resample(Resample::along(input.rank(), axis, random_taps(draw, extent)))
        }
        _ => return from,
    };
    ann.push(name, op, &[from]).unwrap_or(from)
}

/// A slice with any step, positions in any order with zeros between them, or sums of positions.
fn random_taps(draw: &mut Draw, extent: usize) -> Taps {
    let first = draw.below(extent);
    match draw.below(5) {
        0 | 1 => {
            let (step, count) = (1 + draw.below(2), 1 + draw.below(extent));
            let places = (first..extent).step_by(step).take(count).map(Some);
            let zeros = std::iter::repeat_n(None, draw.below(2));
            Taps::picked(extent, zeros.clone().chain(places).chain(zeros))
        }
        2 => Taps::picked(extent, (0..=first).rev().map(Some)),
        3 => {
            let places: Vec<_> = (0..1 + draw.below(4))
                .map(|_| Some(draw.below(extent + 1)).filter(|&p| p < extent))
                .collect();
            Taps::picked(extent, places)
        }
        _ => {
            let row = |draw: &mut Draw| vec![(draw.below(extent), draw.weight()), (first, 2.0)];
            let rows: Vec<_> = (0..1 + draw.below(4)).map(|_| row(draw)).collect();
            Taps::new(extent, rows)
        }
    }
    .unwrap()
}

fn random_window(draw: &mut Draw, input: &Shape, dilated: bool) -> Window {
    let mut window = Window::of([1 + draw.below(3), 1 + draw.below(3)]);
    for axis in 0..2 {
        window.stride[axis] = 1 + draw.below(2);
        window.dilation[axis] = if dilated { 1 + draw.below(2) } else { 1 };
        window.before[axis] = draw.below(2);
        window.after[axis] = draw.below(2);
    }
    if input.rank() == 2 {
        window.kernel[0] = 1;
        window.before[0] = 0;
        window.after[0] = 0;
        window.stride[0] = 1;
    }
    window
}

/// A net of two ReLU populations and random affine operators behind them.
pub fn random_net(seed: u64) -> Ann {
    let mut draw = Draw(seed);
    let shapes = [vec![2, 4, 4], vec![3, 5, 4], vec![1, 6, 6], vec![4, 6], vec![12], vec![4, 1, 1]];
    let input = shape(&shapes[draw.below(shapes.len())]);
    let mut ann = Ann::new("x", input).unwrap();
    let first = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let second = ann.push("relu again", Op::Relu, &[first]).unwrap();
    let mut earlier = vec![first, second];
    let mut last = second;
    for place in 0..2 + draw.below(5) {
        last = push_random(&mut ann, &mut draw, last, &earlier, format!("op{place}"));
        if ann.node(last).shape.elements() > 400 {
            break;
        }
        earlier.push(last);
    }
    ann.set_output(last);
    ann
}

fn one_hot(layout: Layout, neuron: usize, n: usize) -> Vec<f32> {
    let mut x = vec![0.0; n];
    x[layout.user_index(neuron)] = 1.0;
    x
}

/// Potentials of the read-out after one step in which some input neurons fire, in the user's order.
fn after_one_step(network: &Arc<Network>, neurons: &[u32]) -> Vec<f32> {
    mean_of_steps(network, neurons, 1)
}

/// Potentials of the read-out after some steps in each of which some input neurons fire, over their number.
fn mean_of_steps(network: &Arc<Network>, neurons: &[u32], steps: u32) -> Vec<f32> {
    let mut simulator = EventSimulator::new(Arc::clone(network));
    let input = network.find("input").unwrap();
    for _ in 0..steps {
        simulator.step(&Stimulus::new(network, &[(input, neurons)]).unwrap());
    }
    let potentials = simulator.potentials(network.output());
    in_user_order(network, network.output(), potentials).into_iter().map(|v| v / steps as f32).collect()
}

/// What the read-out estimates after some steps of constant input.
fn estimates(network: &Arc<Network>, x: &[f32], steps: u32) -> Vec<f32> {
    let input = network.find("input").unwrap();
    let layout = network.population(input).layout();
    let x: Vec<f32> = (0..x.len()).map(|neuron| x[layout.user_index(neuron)]).collect();
    let mut simulator = EventSimulator::new(Arc::clone(network));
    simulator.start(&Drive::constant(network, input, &x).unwrap());
    for _ in 0..steps {
        simulator.step(&Stimulus::none());
    }
    let potentials = simulator.potentials(network.output());
    in_user_order(network, network.output(), potentials).into_iter().map(|v| v / steps as f32).collect()
}

fn in_user_order(network: &Network, population: PopulationId, values: &[f32]) -> Vec<f32> {
    let layout = network.population(population).layout();
    (0..values.len()).map(|index| values[layout.neuron_at(index)]).collect()
}

#[test]
fn every_column_of_a_random_affine_net_is_that_of_the_trained_net() {
    let (mut exact, mut shared, mut relayed) = (0, 0, 0);
    for seed in 0..1500 {
        let ann = random_net(seed);
        let network = network(&ann, false);
        let input = network.find("input").unwrap();
        let (n, layout) = (network.population(input).size(), network.population(input).layout());
        let inexact =
            ann.nodes().iter().any(|node| matches!(node.op, Op::AveragePool(_) | Op::GlobalAverage));
        // What relays round is off by half a unit after any number of steps, and whole numbers are not rounded.
        let relays = network.populations().iter().any(|p| p.neuron().kind() == "bipolar");
        let steps = if relays && inexact { 32 } else { 1 };
        relayed += usize::from(relays);
        for neuron in 0..n.min(40) {
            let found = mean_of_steps(&network, &[neuron as u32], steps);
            let expected = logits(&ann, &one_hot(layout, neuron, n)).unwrap();
            let largest = expected.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
            for (place, (a, b)) in found.iter().zip(&expected).enumerate() {
                let limit = if inexact { 1e-4 * largest } else { 0.0 };
                assert!(
                    (a - b).abs() <= limit,
                    "seed {seed}, neuron {neuron}, output {place}: {a} instead of {b}\n{ann}"
                );
            }
        }
        exact += usize::from(!inexact);
        shared += network
            .projections()
            .iter()
            .filter(|p| matches!(p.connectivity(), Connectivity::Conv2d(_)))
            .count();
    }
    assert!(exact > 300, "{exact} nets compared exactly");
    assert!(shared > 300, "{shared} convolutions kept shared");
    assert!(relayed > 100, "{relayed} nets with relays");
}

#[test]
fn an_unrolled_network_has_the_same_states_by_bits() {
    for seed in 0..300 {
        let ann = random_net(seed);
        let (shared, unrolled) = (network(&ann, false), network(&ann, true));
        for projection in unrolled.projections() {
            assert!(matches!(projection.connectivity(), Connectivity::Rows(_)), "seed {seed}");
        }
        let mut draw = Draw(seed);
        let n = shared.population(shared.find("input").unwrap()).size();
        let mut event = EventSimulator::new(Arc::clone(&shared));
        let mut event_unrolled = EventSimulator::new(Arc::clone(&unrolled));
        let mut dense = DenseSimulator::new(Arc::clone(&unrolled));
        for step in 0..8 {
            let neurons: Vec<u32> = (0..n as u32).filter(|_| draw.below(3) == 0).collect();
            let lists = [(shared.find("input").unwrap(), neurons.as_slice())];
            let stimulus = Stimulus::new(&shared, &lists).unwrap();
            event.step(&stimulus);
            event_unrolled.step(&stimulus);
            dense.step(&stimulus);
            assert_eq!(event.state(), event_unrolled.state(), "seed {seed}, step {step}\n{ann}");
            assert_eq!(event.state(), dense.state(), "seed {seed}, step {step}\n{ann}");
        }
        assert_eq!(event.statistics(), event_unrolled.statistics(), "seed {seed}");
    }
}

#[test]
fn pooling_before_a_linear_map_is_one_shared_projection() {
    let mut ann = Ann::new("x", shape(&[2, 4, 4])).unwrap();
    let relu = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let pool = AveragePool {
        window: Window { stride: [2, 2], ..Window::of([2, 2]) },
        ceil_mode: false,
        count_include_pad: true,
    };
    let pool = ann.push("pool", Op::AveragePool(pool), &[relu]).unwrap();
    let flat = ann.push("flat", Op::View(shape(&[8])), &[pool]).unwrap();
    let linear = Linear { weights: (1..=24).map(|w| w as f32).collect(), bias: None, inputs: 8, outputs: 3 };
    ann.push("fc", Op::Linear(linear), &[flat]).unwrap();
    let network = network(&ann, false);
    assert_eq!(network.populations().len(), 3);
    let Connectivity::Conv2d(conv) = network.projections()[1].connectivity() else {
        panic!("{:?}", network.projections()[1].connectivity());
    };
    assert_eq!((conv.geometry().pool, conv.geometry().kernel), ([2, 2], [2, 2]));
    assert_eq!(conv.rows().synapses(), 24);
    // Channel 1, row 3, column 0 lies in element 6 of the pooled vector.
    let neuron = (3 * 4) * 2 + 1;
    let expected = [7.0 / 4.0, 15.0 / 4.0, 23.0 / 4.0];
    assert_eq!(after_one_step(&network, &[neuron]), expected);
}

#[test]
fn a_shift_before_a_padded_convolution_becomes_a_bias_per_position() {
    // One channel of 3 × 3, all ones as kernel, shifted by 1: corners see 4 shifted positions, edges 6, the middle 9.
    let mut ann = Ann::new("x", shape(&[1, 3, 3])).unwrap();
    let relu = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let affine = Affine { scale: [2.0].into(), shift: [1.0].into() };
    let shifted = ann.push("bn", Op::Affine(affine), &[relu]).unwrap();
    let window = Window { before: [1, 1], after: [1, 1], ..Window::of([3, 3]) };
    let conv = Conv {
        weights: [1.0; 9].into(),
        bias: Some([10.0].into()),
        in_channels: 1,
        out_channels: 1,
        groups: 1,
        window,
    };
    ann.push("conv", Op::Conv(conv), &[shifted]).unwrap();
    let network = network(&ann, false);
    let bias = network.population(network.output()).neuron().bias().unwrap();
    assert_eq!(bias.values(), [14.0, 16.0, 14.0, 16.0, 19.0, 16.0, 14.0, 16.0, 14.0]);
    assert!(matches!(network.projections()[1].connectivity(), Connectivity::Conv2d(_)));
}

#[test]
fn branches_of_a_residual_sum_become_projections_into_one_population() {
    let mut ann = Ann::new("x", shape(&[2, 3, 3])).unwrap();
    let relu = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let conv = Conv {
        weights: vec![1.0; 36].into(),
        bias: None,
        in_channels: 2,
        out_channels: 2,
        groups: 1,
        window: Window { before: [1, 1], after: [1, 1], ..Window::of([3, 3]) },
    };
    let branch = ann.push("conv", Op::Conv(conv), &[relu]).unwrap();
    let sum = ann.push("add", Op::Add, &[branch, relu]).unwrap();
    ann.push("out", Op::Relu, &[sum]).unwrap();
    let network = network(&ann, false);
    let out = network.find("out").unwrap();
    let kinds: Vec<_> = network.incoming(out).map(|p| p.connectivity()).collect();
    assert!(matches!(kinds[..], [Connectivity::Conv2d(_), Connectivity::OneToOne(_)]), "{kinds:?}");
    assert_eq!(network.population(network.output()).name(), "out.readout");
}

/// The largest numbers under windows of what is behind `before`, of values between −1 and 1.
fn pooled_net(window: Window, before: impl Fn(&mut Ann, NodeId) -> NodeId) -> Ann {
    let mut ann = Ann::new("x", shape(&[2, 5, 6])).unwrap();
    let input = ann.input();
    let seen = before(&mut ann, input);
    ann.push("pool", Op::MaxPool(MaxPool { window, ceil_mode: true }), &[seen]).unwrap();
    ann
}

#[test]
fn the_largest_of_constant_currents_of_negative_multiples_and_of_sums_is_that_of_the_trained_net() {
    let windows = [
        Window { stride: [2, 2], ..Window::of([2, 2]) },
        Window { before: [1, 1], after: [1, 1], stride: [2, 1], ..Window::of([3, 3]) },
        Window { dilation: [2, 2], ..Window::of([2, 2]) },
        Window { dilation: [2, 1], before: [1, 0], after: [0, 1], ..Window::of([2, 3]) },
    ];
    let affine =
        |scale: [f32; 2], shift: [f32; 2]| Op::Affine(Affine { scale: scale.into(), shift: shift.into() });
    let mut draw = Draw(5);
    for window in windows {
        let of_input = pooled_net(window.clone(), |_, x| x);
        let negative = pooled_net(window.clone(), |ann, x| {
            let relu = ann.push("relu", Op::Relu, &[x]).unwrap();
            ann.push("bn", affine([1.0, -0.5], [0.25, 0.125]), &[relu]).unwrap()
        });
        let sum = pooled_net(window.clone(), |ann, x| {
            let relu = ann.push("relu", Op::Relu, &[x]).unwrap();
            let conv = ann.push("conv", full_conv(2, 2, 1, padded_3x3()), &[relu]).unwrap();
            ann.push("bn", affine([-0.125, 0.0625], [1.0, -2.0]), &[conv]).unwrap()
        });
        let padded = pooled_net(window, |ann, x| {
            let shifted = ann.push("bn", affine([1.0, -1.0], [-2.0, -3.0]), &[x]).unwrap();
            ann.push("zeros", Op::Pad { before: vec![0, 1, 0], after: vec![0, 0, 2] }, &[shifted]).unwrap()
        });
        for ann in [of_input, negative, sum, padded] {
            let network = network(&ann, false);
            for _ in 0..4 {
                let x: Vec<f32> = (0..60).map(|_| draw.below(2001) as f32 / 1000.0 - 1.0).collect();
                let expected = logits(&ann, &x).unwrap();
                let found = estimates(&network, &x, 512);
                for (found, expected) in found.iter().zip(&expected) {
                    // Rates of the ReLU populations have steps of 1/512, and up to 18 of weights up to 7 are summed.
                    assert!((found - expected).abs() < 0.03, "{found} instead of {expected}\n{ann}");
                }
            }
        }
    }
}

/// Weights that a network stores.
fn stored(network: &Network) -> u64 {
    network.projections().iter().map(|p| p.connectivity().stored_weights()).sum()
}

pub fn full_conv(in_channels: usize, out_channels: usize, groups: usize, window: Window) -> Op {
    let count = in_channels / groups * out_channels * window.kernel[0] * window.kernel[1];
    let weights = (1..=count).map(|w| (w % 7 + 1) as f32).collect();
    Op::Conv(Conv { weights, bias: None, in_channels, out_channels, groups, window })
}

pub fn padded_3x3() -> Window {
    Window { before: [1, 1], after: [1, 1], ..Window::of([3, 3]) }
}

/// The read-out after one step is the trained net's value for one-hot inputs, exactly.
fn assert_columns(ann: &Ann, network: &Arc<Network>) {
    let input = network.population(network.find("input").unwrap());
    for neuron in (0..input.size()).step_by(7) {
        let expected = logits(ann, &one_hot(input.layout(), neuron, input.size())).unwrap();
        assert_eq!(after_one_step(network, &[neuron as u32]), expected, "neuron {neuron}\n{ann}");
    }
}

#[test]
fn images_with_channels_last_and_vectors_viewed_as_images_share_the_weights_of_their_convolution() {
    for (extents, view) in [
        (vec![6, 5, 3], Op::Transpose { perm: vec![2, 0, 1] }),
        (vec![6, 5], Op::View(shape(&[1, 6, 5]))),
        (vec![3, 6, 5], Op::View(shape(&[3, 6, 5]))),
        (vec![7, 3], Op::Transpose { perm: vec![1, 0] }),
    ] {
        let mut ann = Ann::new("x", shape(&extents)).unwrap();
        let seen = ann.push("seen", view, &[ann.input()]).unwrap();
        let channels = ann.node(seen).shape.channels();
        let (window, taps) = match ann.node(seen).shape.rank() {
            3 => (padded_3x3(), 9),
            _ => (Window { before: [0, 1], after: [0, 1], ..Window::of([1, 3]) }, 3),
        };
        ann.push("conv", full_conv(channels, 4, 1, window), &[seen]).unwrap();
        let network = network(&ann, false);
        assert_eq!(stored(&network), (4 * channels * taps) as u64, "{ann}");
        assert_columns(&ann, &network);
    }
}

#[test]
fn a_padded_convolution_behind_one_of_a_single_tap_is_one_shared_projection() {
    let mut ann = Ann::new("x", shape(&[3, 6, 5])).unwrap();
    let strided = Window { stride: [2, 1], ..Window::of([1, 1]) };
    let point = ann.push("point", full_conv(3, 6, 1, strided), &[ann.input()]).unwrap();
    ann.push("padded", full_conv(6, 4, 1, padded_3x3()), &[point]).unwrap();
    let network = network(&ann, false);
    assert_eq!((stored(&network), network.projections().len()), (4 * 3 * 9, 1));
    assert_columns(&ann, &network);
}

#[test]
fn groups_that_follow_one_another_stay_groups() {
    let mut ann = Ann::new("x", shape(&[6, 5, 5])).unwrap();
    let first = ann.push("first", full_conv(6, 6, 3, padded_3x3()), &[ann.input()]).unwrap();
    ann.push("second", full_conv(6, 6, 3, Window::of([1, 1])), &[first]).unwrap();
    let network = network(&ann, false);
    assert_eq!(stored(&network), 6 * 2 * 9);
    assert_columns(&ann, &network);
}

#[test]
fn slices_of_rows_columns_and_channels_stay_shared() {
    let mut ann = Ann::new("x", shape(&[4, 7, 6])).unwrap();
    let cut = |extent: usize, first: usize, step: usize| {
        Some(Arc::new(Taps::picked(extent, (first..extent).step_by(step).map(Some)).unwrap()))
    };
    let axes = vec![cut(4, 1, 2), cut(7, 1, 2), cut(6, 0, 2)];
    let cut = ann.push("cut", Op::Resample(Resample { axes }), &[ann.input()]).unwrap();
    ann.push("conv", full_conv(2, 3, 1, Window::of([2, 2])), &[cut]).unwrap();
    let network = network(&ann, false);
    assert_eq!(stored(&network), 3 * 2 * 4);
    assert_columns(&ann, &network);
}

/// Two branches, joined; their channels taken from the groups in turns, as ShuffleNet does it; and of them the second half.
fn shuffled(groups: usize) -> Ann {
    let mut ann = Ann::new("x", shape(&[2, 5, 4])).unwrap();
    let branch = |ann: &mut Ann, name: &str, window: Window| {
        let conv = ann.push(name, full_conv(2, 6, 1, window), &[ann.input()]).unwrap();
        ann.push(format!("{name}.relu"), Op::Relu, &[conv]).unwrap()
    };
    let a = branch(&mut ann, "a", padded_3x3());
    let b = branch(&mut ann, "b", Window::of([1, 1]));
    let both = ann.push("both", Op::Concat { axis: 0 }, &[a, b]).unwrap();
    let grouped = Op::View(shape(&[groups, 12 / groups, 5, 4]));
    let grouped = ann.push("groups", grouped, &[both]).unwrap();
    let turned = ann.push("turned", Op::Transpose { perm: vec![1, 0, 2, 3] }, &[grouped]).unwrap();
    let back = ann.push("back", Op::View(shape(&[12, 5, 4])), &[turned]).unwrap();
    let half = Taps::picked(12, (6..12).map(Some)).unwrap();
    let half = ann.push("half", Op::Resample(Resample::along(3, 0, half)), &[back]).unwrap();
    ann.push("conv", full_conv(6, 3, 1, padded_3x3()), &[half]).unwrap();
    ann
}

#[test]
fn shuffled_channels_cost_nothing_whatever_the_groups() {
    for groups in [2, 3, 6] {
        let ann = shuffled(groups);
        let simple = snn_converter::simplify::simplify(&ann).unwrap();
        assert!(simple.nodes().iter().all(|node| !matches!(node.op, Op::Transpose { .. })), "{simple}");
        let network = network(&simple, false);
        assert_eq!(stored(&network), (2 * 6 * 9 + 2 * 6 + 6 * 3 * 9) as u64, "{groups}");
        assert!(network.populations().iter().all(|p| p.neuron().kind() != "bipolar"), "{groups}");
        // Spikes of the branches in two steps say what the net makes of them, as long as none saturates.
        let x: Vec<f32> = (0..40).map(|i| (i * 7 % 5) as f32 / 4096.0).collect();
        let found = estimates(&network, &x, 4096);
        let expected = logits(&ann, &x).unwrap();
        assert_eq!(logits(&simple, &x).unwrap(), expected);
        let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 0.01 * largest, "{found} {expected}");
        }
    }
}

#[test]
fn a_pool_of_one_place_before_a_linear_map_is_shared_whatever_its_stride() {
    for stride in [[1, 1], [3, 2]] {
        let mut ann = Ann::new("x", shape(&[2, 4, 2])).unwrap();
        let window = Window { stride, ..Window::of([4, 2]) };
        let pool = AveragePool { window, ceil_mode: false, count_include_pad: false };
        let pool = ann.push("pool", Op::AveragePool(pool), &[ann.input()]).unwrap();
        let flat = ann.push("flat", Op::View(shape(&[2])), &[pool]).unwrap();
        let linear =
            Linear { weights: [8.0, 16.0, -8.0, 4.0, 2.0, 1.0].into(), bias: None, inputs: 2, outputs: 3 };
        ann.push("fc", Op::Linear(linear), &[flat]).unwrap();
        let network = network(&ann, false);
        assert_eq!(stored(&network), 6);
        assert_columns(&ann, &network);
    }
}

#[test]
fn what_would_grow_if_it_were_merged_is_relayed_and_takes_the_weights_of_the_trained_net() {
    let start = |channels: usize| {
        let mut ann = Ann::new("x", shape(&[channels, 6, 5])).unwrap();
        let relu = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
        (ann, relu)
    };
    // A narrow layer between wide ones.
    let (mut bottleneck, relu) = start(12);
    let narrow = bottleneck.push("narrow", full_conv(12, 2, 1, Window::of([1, 1])), &[relu]).unwrap();
    bottleneck.push("wide", full_conv(2, 12, 1, Window::of([1, 1])), &[narrow]).unwrap();
    // A depthwise window before a pointwise one.
    let (mut depthwise, relu) = start(12);
    let window = depthwise.push("depthwise", full_conv(12, 12, 12, padded_3x3()), &[relu]).unwrap();
    depthwise.push("pointwise", full_conv(12, 6, 1, Window::of([1, 1])), &[window]).unwrap();
    // A sum that is used again and again.
    let (mut again, relu) = start(4);
    let sum = again.push("sum", full_conv(4, 4, 1, padded_3x3()), &[relu]).unwrap();
    let mut user = |name: &str| again.push(name, full_conv(4, 4, 1, Window::of([1, 1])), &[sum]).unwrap();
    let users = [user("a"), user("b"), user("c"), user("d")];
    again.push("all", Op::Concat { axis: 0 }, &users).unwrap();
    for (ann, trained) in [(bottleneck, 24 + 24), (depthwise, 108 + 72), (again, 144 + 4 * 16)] {
        let network = network(&ann, false);
        let relays: Vec<&str> = network
            .populations()
            .iter()
            .filter(|population| population.neuron().kind() == "bipolar")
            .map(|population| population.name())
            .collect();
        assert_eq!(relays.len(), 1, "{relays:?}\n{ann}");
        // One to one there are as many as channels.
        assert!(
            (trained..trained + 40).contains(&stored(&network)),
            "{} for {trained}\n{ann}",
            stored(&network)
        );
        let report = convert(&ann, None, &plain(false)).unwrap().report;
        assert!(
            report
                .notes
                .iter()
                .any(|note| note
                    .contains(&format!("relays, neurons whose spikes have values: `{}`", relays[0]))),
            "{:?}",
            report.notes
        );
        assert_columns(&ann, &network);
    }
}

#[test]
fn a_shift_in_front_of_borders_is_the_relays_own_bias_and_any_other_costs_no_spike() {
    for (window, own) in [(padded_3x3(), true), (Window::of([1, 1]), false)] {
        let mut ann = Ann::new("x", shape(&[3, 6, 5])).unwrap();
        let relu = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
        let Op::Conv(narrow) = full_conv(3, 1, 1, Window::of([1, 1])) else { unreachable!() };
        let narrow = Op::Conv(Conv { bias: Some([3.0].into()), ..narrow });
        let narrow = ann.push("narrow", narrow, &[relu]).unwrap();
        ann.push("wide", full_conv(1, 12, 1, window), &[narrow]).unwrap();
        let network = network(&ann, false);
        let bias = |name: &str| network.population(network.find(name).unwrap()).neuron().bias().unwrap();
        assert_eq!(bias("narrow").values().iter().any(|&bias| bias != 0.0), own);
        assert!(bias("wide").period() <= 12, "{}", bias("wide").period());
        let x = vec![0.0; 90];
        assert_eq!(after_one_step(&network, &[]), logits(&ann, &x).unwrap());
    }
}

/// A linear map along an axis of `[tokens, features]`, as the importer writes it.
fn along(ann: &mut Ann, name: &str, axis: usize, outputs: usize, from: NodeId) -> NodeId {
    let inputs = ann.node(from).shape.extents()[axis];
    let swap = || Op::Transpose { perm: vec![1, 0] };
    let mut last = from;
    if axis == 1 {
        last = ann.push(format!("{name}/first"), swap(), &[last]).unwrap();
    }
    last = ann.push(name, full_conv(inputs, outputs, 1, Window::of([1, 1])), &[last]).unwrap();
    if axis == 1 {
        last = ann.push(format!("{name}/back"), swap(), &[last]).unwrap();
    }
    let elements = ann.node(last).shape.elements();
    let shift: Vec<f32> = (0..elements)
        .map(|e| if axis == 1 { e % outputs } else { e / (elements / outputs) } as f32)
        .collect();
    let bias = Affine { scale: [0.125].into(), shift: shift.into() };
    ann.push(format!("{name}/bias"), Op::Affine(bias), &[last]).unwrap()
}

#[test]
fn maps_along_tokens_and_along_features_share_their_weights() {
    let (tokens, features) = (16, 32);
    let mut ann = Ann::new("x", shape(&[tokens, features])).unwrap();
    let mut x = ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let mut trained = 0;
    for block in 0..3 {
        for (axis, size, hidden) in [(0, tokens, 64), (1, features, 64)] {
            let wide = along(&mut ann, &format!("{block}.{axis}.wide"), axis, hidden, x);
            let relu = ann.push(format!("{block}.{axis}.relu"), Op::Relu, &[wide]).unwrap();
            let narrow = along(&mut ann, &format!("{block}.{axis}.narrow"), axis, size, relu);
            x = ann.push(format!("{block}.{axis}.add"), Op::Add, &[x, narrow]).unwrap();
            trained += 2 * size * hidden;
        }
    }
    let ann = snn_converter::simplify::simplify(&ann).unwrap();
    let network = network(&ann, false);
    for projection in network.projections() {
        // One to one, a permutation, or shared.
        let stored = projection.connectivity().stored_weights();
        assert!(stored <= 64 * 32, "{projection:?}\n{ann}");
    }
    let permuted = network.populations().len() * tokens * features;
    assert!(stored(&network) < (trained * 13 / 10 + permuted) as u64, "{} for {trained}", stored(&network));
    let x: Vec<f32> = (0..tokens * features).map(|e| (e * 7 % 11) as f32 / 11.0).collect();
    // With scales that nothing exceeds.
    let samples = Samples { values: &x, labels: None, expected: None };
    let options = Options { normalise: Some(Normalise::Max), ..Options::default() };
    let network = Arc::new(convert(&ann, Some(&samples), &options).unwrap().network);
    let (found, expected) = (estimates(&network, &x, 512), logits(&ann, &x).unwrap());
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        // Six layers of rates in steps of 1/512, each behind the first spikes of the one before.
        assert!((found - expected).abs() < 0.05 * largest, "{found} instead of {expected}");
    }
}
