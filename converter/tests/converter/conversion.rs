//! Laws of the conversion, options, and the real nets beside the repository.

use crate::shared;
use proptest::prelude::*;
use snn_converter::ann::{Affine, Ann, Conv, Linear, MaxPool, Op, Shape, Window};
use snn_converter::calibrate::{Calibration, Watched, Zeros};
use snn_converter::forward::logits;
use snn_converter::import::onnx;
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_converter::simplify::simplify;
use snn_converter::{
    ConvertError, Normalise, Options, Readout, Samples, ScalePer, Start, Wanted, convert, convert_while,
};
use snn_engine::{Drive, EventSimulator, IntegrateFire, Network, Simulator, Stimulus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

/// A convolution, a max pooling, a residual sum and a linear map, with weights from a seed.
pub(crate) fn small_net(seed: u32) -> Ann {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut draw = |n: usize, scale: f32| -> Vec<f32> {
        let mut one = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * scale
        };
        (0..n).map(|_| one()).collect()
    };
    let mut ann = Ann::new("x", shape(&[2, 6, 6])).unwrap();
    let mut conv = |inputs: usize, outputs: usize| {
        Op::Conv(Conv {
            weights: draw(inputs * outputs * 9, 1.0).into(),
            bias: Some(draw(outputs, 0.4).into()),
            in_channels: inputs,
            out_channels: outputs,
            groups: 1,
            window: Window { before: [1, 1], after: [1, 1], ..Window::of([3, 3]) },
        })
    };
    let first = conv(2, 3);
    let second = conv(3, 3);
    let sum = ann.push("conv1", first, &[ann.input()]).unwrap();
    let one = ann.push("relu1", Op::Relu, &[sum]).unwrap();
    let sum = ann.push("conv2", second, &[one]).unwrap();
    let sum = ann.push("add", Op::Add, &[sum, one]).unwrap();
    let two = ann.push("relu2", Op::Relu, &[sum]).unwrap();
    let window = Window { stride: [2, 2], ..Window::of([2, 2]) };
    let pool = ann.push("pool", Op::MaxPool(MaxPool { window, ceil_mode: false }), &[two]).unwrap();
    let flat = ann.push("flat", Op::View(shape(&[27])), &[pool]).unwrap();
    let linear = Linear { weights: draw(27 * 4, 0.7).into(), bias: None, inputs: 27, outputs: 4 };
    ann.push("fc", Op::Linear(linear), &[flat]).unwrap();
    ann
}

pub(crate) fn inputs(seed: u32, n: usize) -> Vec<f32> {
    (0..n as u32)
        .map(|at| (at.wrapping_mul(2_246_822_519).wrapping_add(seed * 77) >> 16) as f32 / 65_536.0)
        .collect()
}

/// Potentials of the read-out, or spike counts of the last population, per step, in the user's order.
fn outputs(network: &Network, x: &[f32], steps: u32) -> Vec<f32> {
    let network = Arc::new(network.clone());
    let mut simulator = EventSimulator::new(Arc::clone(&network));
    let input = network.find("input").unwrap();
    let layout = network.population(input).layout();
    let seen: Vec<f32> = (0..x.len()).map(|neuron| x[layout.user_index(neuron)]).collect();
    simulator.start(&Drive::constant(&network, input, &seen).unwrap());
    let last = network.output();
    let mut counts = vec![0_u32; network.population(last).size()];
    for _ in 0..steps {
        let spikes = simulator.step(&Stimulus::none());
        spikes.of(last).iter().for_each(|&neuron| counts[neuron as usize] += 1);
    }
    let values: Vec<f32> = if network.population(last).neuron().is_read_out() {
        simulator.potentials(last).to_vec()
    } else {
        counts.iter().map(|&count| count as f32).collect()
    };
    let layout = network.population(last).layout();
    (0..values.len()).map(|index| values[layout.neuron_at(index)] / steps as f32).collect()
}

fn with(normalise: Normalise) -> Options {
    Options { normalise: Some(normalise), ..Options::default() }
}

fn of(values: &[f32]) -> Samples<'_> {
    Samples { values, labels: None, expected: None }
}

#[test]
fn the_rates_of_long_runs_approach_the_trained_net_with_any_scales() {
    for seed in 0..6 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 8);
        let expected = logits(&ann, &x).unwrap();
        for (per, unroll) in [(ScalePer::Layer, false), (ScalePer::Channel, true)] {
            let options = Options { scale_per: Some(per), unroll, ..with(Normalise::Max) };
            let network = convert(&ann, Some(&of(&x)), &options).unwrap().network;
            for (sample, x) in x.chunks(72).enumerate() {
                let found = outputs(&network, x, 4000);
                for (a, b) in found.iter().zip(&expected[sample * 4..]) {
                    assert!((a - b).abs() < 0.02, "seed {seed}, {per:?}: {a} instead of {b}");
                }
            }
        }
    }
}

#[test]
fn scaling_the_units_of_a_hidden_layer_changes_no_spike() {
    // With λ a power of two times larger and the weights behind it as much smaller, all products are exact.
    let (a, b) = (small_net(3), small_net(3));
    let x = inputs(9, 72 * 4);
    let scaled = {
        let mut net = Ann::new("x", shape(&[2, 6, 6])).unwrap();
        let mut ids = vec![net.input()];
        for node in &b.nodes()[1..] {
            let mut op = node.op.clone();
            let factor = match node.name.as_str() {
                "conv1" => 4.0,
                "conv2" => 1.0,
                "fc" => 0.25,
                _ => 1.0,
            };
            match &mut op {
                Op::Conv(conv) => {
                    conv.weights = conv.weights.iter().map(|w| w * factor).collect();
                    let bias = if node.name == "conv1" { 4.0 } else { 4.0 * factor };
                    conv.bias = conv.bias.as_ref().map(|b| b.iter().map(|v| v * bias).collect());
                }
                Op::Linear(linear) => {
                    linear.weights = linear.weights.values().iter().map(|w| w * factor).collect();
                }
                _ => {}
            }
            let inputs: Vec<_> = node.inputs.iter().map(|id| ids[id.index()]).collect();
            ids.push(net.push(node.name.clone(), op, &inputs).unwrap());
        }
        net
    };
    for method in [Normalise::Max, Normalise::Percentile(99.0), Normalise::LeastError] {
        let [first, second] =
            [&a, &scaled].map(|ann| convert(ann, Some(&of(&x)), &with(method)).unwrap().network);
        for x in x.chunks(72) {
            assert_eq!(outputs(&first, x, 50), outputs(&second, x, 50), "{method:?}");
        }
    }
}

#[test]
fn scales_do_not_depend_on_the_order_of_samples_or_on_threads() {
    let ann = small_net(5);
    let x = inputs(2, 72 * 40);
    let backwards: Vec<f32> = x.chunks(72).rev().flatten().copied().collect();
    for options in [
        with(Normalise::Max),
        with(Normalise::Percentile(97.3)),
        Options { zeros: Zeros::Excluded, ..with(Normalise::Percentile(80.0)) },
        with(Normalise::LeastError),
        Options { steps: Some(12), ..Options::default() },
    ] {
        let weights = |x: &[f32]| {
            let network = convert(&ann, Some(&of(x)), &options).unwrap().network;
            let biases: Vec<Vec<f32>> = network
                .populations()
                .iter()
                .filter_map(|p| p.neuron().bias().map(|bias| bias.values().to_vec()))
                .collect();
            (biases, outputs(&network, &x[..72], 1).len())
        };
        let given = weights(&x);
        assert_eq!(given, weights(&backwards), "{options:?}");
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(given, alone.install(|| weights(&x)), "{options:?}");
    }
}

fn relu_of_input(n: usize) -> Ann {
    let mut ann = Ann::new("x", shape(&[n])).unwrap();
    ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    ann
}

/// As `numpy.percentile` defines it, on sorted numbers.
fn numpy_percentile(mut values: Vec<f32>, percent: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f32::total_cmp);
    let place = percent / 100.0 * (values.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let (a, b) = (f64::from(values[low]), f64::from(values[high]));
    a + (b - a) * (place - place.floor())
}

proptest! {
    #[test]
    fn percentiles_are_those_of_the_sorted_activations(
        values in prop::collection::vec(prop_oneof![
            Just(0.0_f32), Just(-1.0), Just(1.0), Just(1.000_000_1), Just(f32::MIN_POSITIVE / 8.0), 0.0_f32..3.0, -1.0_f32..1e6
        ], 1..60),
        percent in prop_oneof![Just(0.0), Just(50.0), Just(99.9), Just(100.0), 0.0..100.0_f64],
        groups in 1_usize..4,
    ) {
        let values: Vec<f32> = values.iter().copied().cycle().take(values.len() * groups).collect();
        let n = values.len();
        let ann = relu_of_input(n);
        let calibration = Calibration { ann: &ann, samples: &values, wanted: Wanted::always() };
        let watched = [Watched { node: ann.output(), groups }];
        let extents = calibration.extents(&watched).unwrap();
        for zeros in [Zeros::Included, Zeros::Excluded] {
            let found = calibration.percentiles(&watched, &extents, percent, zeros).unwrap();
            for (group, values) in values.chunks(n / groups).enumerate() {
                let counted = values.iter().map(|v| v.max(0.0)).filter(|v| zeros == Zeros::Included || *v > 0.0);
                let expected = numpy_percentile(counted.collect(), percent);
                prop_assert!((found[0][group] - expected).abs() <= 1e-12 * expected.abs(), "{} {expected}", found[0][group]);
            }
        }
    }

    #[test]
    fn the_least_error_scale_is_not_worse_than_the_maximum(values in prop::collection::vec(0.0_f32..1.0, 20..200), steps in 2_u32..20) {
        let ann = relu_of_input(values.len());
        let calibration = Calibration { ann: &ann, samples: &values, wanted: Wanted::always() };
        let watched = [Watched { node: ann.output(), groups: 1 }];
        let extents = calibration.extents(&watched).unwrap();
        let scale = calibration.least_error_scales(&watched, &extents, steps, &[0.5]).unwrap()[0][0];
        let error = |scale: f64| -> f64 {
            let t = f64::from(steps);
            values.iter().map(|&v| {
                let level = (f64::from(v) * t / scale + 0.5).floor().clamp(0.0, t);
                (f64::from(v) - level * scale / t).powi(2)
            }).sum::<f64>() / values.len() as f64
        };
        // The bins are 4,096 parts of the range, and a value on the wrong side of a step costs a level at most.
        prop_assert!(error(scale) <= error(f64::from(extents[0].largest[0])) * 1.05 + 1e-6);
    }
}

#[test]
fn dead_units_get_the_scale_of_their_neighbours_and_are_told() {
    let mut ann = Ann::new("x", shape(&[3, 1, 2])).unwrap();
    ann.push("relu", Op::Relu, &[ann.input()]).unwrap();
    let x = [1.0, 2.0, -1.0, 0.0, 8.0, 4.0];
    let conversion = convert(&ann, Some(&of(&x)), &with(Normalise::Max)).unwrap();
    let layer = &conversion.report.layers[1];
    assert_eq!((layer.dead, layer.saturated), (Some(1), Some(0)));
    let scale = layer.scale.unwrap();
    assert_eq!((scale.min, scale.max), (2.0, 8.0));
    assert!(conversion.notes.iter().any(|note| note.contains("1 of 3 channels")), "{:?}", conversion.notes);
}

#[test]
fn a_clipped_activation_has_a_scale_of_at_most_its_bound_and_qcfs_its_threshold() {
    let x = [9.0, 3.0, 1.0, 0.5];
    for (op, expected) in [(Op::Clip { max: 6.0 }, 6.0), (Op::Qcfs { levels: 8, theta: 1.75 }, 1.75)] {
        let mut ann = Ann::new("x", shape(&[4])).unwrap();
        ann.push("act", op, &[ann.input()]).unwrap();
        for method in [Normalise::Max, Normalise::Trained] {
            let conversion = convert(&ann, Some(&of(&x)), &with(method)).unwrap();
            assert_eq!(conversion.report.layers[1].scale.unwrap().max, expected);
        }
    }
}

#[test]
fn a_qcfs_layer_equals_the_trained_one_exactly_for_constant_input() {
    // Bu et al. 2022: start θ/2 and T = L steps. Input on the lattice of eighths, so that no sum is rounded.
    let mut ann = Ann::new("x", shape(&[33])).unwrap();
    ann.push("act", Op::Qcfs { levels: 8, theta: 2.0 }, &[ann.input()]).unwrap();
    let x: Vec<f32> = (0..33).map(|at| at as f32 / 8.0 - 1.0).collect();
    let network = convert(&ann, None, &with(Normalise::Trained)).unwrap().network;
    assert_eq!(outputs(&network, &x, 8), logits(&ann, &x).unwrap());
}

#[test]
fn mean_and_deviation_of_the_input_are_folded_into_weights_and_biases() {
    let ann = small_net(1);
    let x = inputs(4, 72 * 3);
    let (mean, std) = ([0.25, -0.5], [0.5, 2.0]);
    let mut explicit = Ann::new("raw", shape(&[2, 6, 6])).unwrap();
    let affine = Affine { scale: [2.0, 0.5].into(), shift: [-0.5, 0.25].into() };
    let mut ids = vec![explicit.push("x", Op::Affine(affine), &[explicit.input()]).unwrap()];
    for node in &ann.nodes()[1..] {
        let inputs: Vec<_> = node.inputs.iter().map(|id| ids[id.index()]).collect();
        ids.push(explicit.push(node.name.clone(), node.op.clone(), &inputs).unwrap());
    }
    let options = Options { input_mean: mean.into(), input_std: std.into(), ..with(Normalise::Max) };
    let by_option = convert(&ann, Some(&of(&x)), &options).unwrap().network;
    let in_graph = convert(&explicit, Some(&of(&x)), &with(Normalise::Max)).unwrap().network;
    for x in x.chunks(72) {
        assert_eq!(outputs(&by_option, x, 64), outputs(&in_graph, x, 64));
    }
}

#[test]
fn spikes_as_read_out_make_the_last_population_fire_with_one_scale() {
    let ann = small_net(2);
    let x = inputs(6, 72 * 8);
    let options =
        Options { readout: Readout::Spikes, scale_per: Some(ScalePer::Channel), ..with(Normalise::Max) };
    let network = convert(&ann, Some(&of(&x)), &options).unwrap().network;
    let last = network.population(network.output());
    assert!(last.neuron().as_model::<IntegrateFire>().is_some() && last.name() == "fc");
    let expected = logits(&ann, &x).unwrap();
    let scale = expected.iter().copied().fold(0.0, f32::max);
    for (sample, x) in x.chunks(72).enumerate() {
        for (a, b) in outputs(&network, x, 4000).iter().zip(&expected[sample * 4..]) {
            assert!((a * scale - b.max(0.0)).abs() < 0.02, "{a} times {scale} instead of {b}");
        }
    }
}

/// Numbers of a `.npy` file beside the real nets, the first `count` of them.
pub(crate) fn numbers(name: &str, count: usize) -> Option<Vec<f32>> {
    let folder = shared::folder("")?;
    let mut values = snn_formats::npy::read(folder.join(name)).unwrap().into_f32().unwrap();
    values.truncate(count);
    Some(values)
}

pub(crate) fn real_net(name: &str) -> Option<Ann> {
    let bytes = std::fs::read(shared::folder("nets")?.join(name)).unwrap();
    Some(simplify(&onnx::import(bytes, None).unwrap().ann).unwrap())
}

/// The share of samples of which the largest output is that of the class.
pub(crate) fn right(outputs: impl Iterator<Item = Vec<f32>>, labels: &[f32]) -> f64 {
    let found = outputs.zip(labels).filter(|(outputs, label)| {
        let best = (1..outputs.len()).fold(0, |best, at| if outputs[at] > outputs[best] { at } else { best });
        best as f32 == **label
    });
    found.count() as f64 / labels.len() as f64
}

#[test]
fn fitted_to_eight_steps_a_pruned_net_with_max_pooling_is_nearly_as_accurate_as_trained() {
    let (Some(ann), Some(calibration), Some(x), Some(labels)) = (
        real_net("cnn-max-p90.onnx"),
        numbers("mnist_x_calib.npy", 784 * 100),
        numbers("mnist_x_test.npy", 784 * 200),
        numbers("mnist_y_test.npy", 200),
    ) else {
        return;
    };
    let trained = right(logits(&ann, &x).unwrap().chunks(10).map(<[f32]>::to_vec), &labels);
    let [plain, fitted] = [false, true].map(|fit| {
        let options = Options { fit: Some(fit), compare: fit, steps: Some(8), ..Options::default() };
        let conversion = convert(&ann, Some(&of(&calibration)), &options).unwrap();
        let losses = conversion.report.layers.iter().filter(|layer| layer.loss.is_some()).count();
        assert_eq!(losses, if fit { 4 } else { 0 });
        right(x.chunks(784).map(|x| outputs(&conversion.network, x, 8)), &labels)
    });
    assert!(fitted >= trained - 0.02 && fitted > plain, "{trained} trained, {plain} plain, {fitted} fitted");
}

#[test]
fn a_fitted_read_out_has_no_mean_error_over_the_samples_that_it_was_fitted_on() {
    // The bias of the read-out is chosen for the spikes that were seen while fitting: they are those of the network.
    for seed in 0..3 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 24);
        let options = Options { fit: Some(true), steps: Some(6), ..with(Normalise::LeastError) };
        let network = convert(&ann, Some(&of(&x)), &options).unwrap().network;
        let mut off = [0.0_f64; 4];
        for (x, wanted) in x.chunks(72).zip(logits(&ann, &x).unwrap().chunks(4)) {
            for ((off, found), wanted) in off.iter_mut().zip(outputs(&network, x, 6)).zip(wanted) {
                *off += f64::from(found) - f64::from(*wanted);
            }
        }
        assert!(off.iter().all(|off| off.abs() < 24.0 * 1e-5), "seed {seed}: {off:?}");
    }
}

#[test]
fn the_pruned_perceptron_is_as_accurate_as_trained_at_256_steps_with_percentiles() {
    let (Some(ann), Some(calibration), Some(x), Some(labels)) = (
        real_net("mlp-bias-p90.onnx"),
        numbers("mnist_x_calib.npy", 784 * 1000),
        numbers("mnist_x_test.npy", 784 * 250),
        numbers("mnist_y_test.npy", 250),
    ) else {
        return;
    };
    let trained = right(logits(&ann, &x).unwrap().chunks(10).map(<[f32]>::to_vec), &labels);
    let network = convert(&ann, Some(&of(&calibration)), &with(Normalise::Percentile(99.9))).unwrap().network;
    let spiking = right(x.chunks(784).map(|x| outputs(&network, x, 256)), &labels);
    // One sample of these 250 is 0.4 points; over all 1,000 the figure is in benches/record.
    assert!(spiking >= trained - 0.004, "{spiking}, {trained} trained");
}

#[test]
fn options_and_samples_that_do_not_fit_are_refused() {
    let ann = small_net(1);
    let x = inputs(1, 72);
    let refused = |samples: Option<&[f32]>, options: Options| {
        let samples = samples.map(of);
        convert(&ann, samples.as_ref(), &options).unwrap_err()
    };
    let error = refused(None, Options::default());
    assert!(matches!(&error, ConvertError::NoSamples { node } if node == "relu1"), "{error}");
    assert!(error.to_string().contains("calibration samples"), "{error}");
    for (samples, options, part) in [
        (&x[..71], Options::default(), "71 calibration numbers"),
        (&x[..0], Options::default(), "0 calibration numbers"),
        (&x[..], with(Normalise::Percentile(0.0)), "percentile is 0"),
        (&x[..], with(Normalise::Percentile(f64::NAN)), "percentile is NaN"),
        (&x[..], Options { steps: Some(0), ..Options::default() }, "steps is 0"),
        (&x[..], Options { input_mean: vec![0.0; 3], ..Options::default() }, "1 or 2"),
        (&x[..], Options { input_std: vec![0.0], ..Options::default() }, "positive"),
        (&x[..], Options { input_mean: vec![f32::NAN], ..Options::default() }, "finite"),
    ] {
        let error = refused(Some(samples), options).to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let samples = Samples { values: &x, labels: Some(&[1, 2]), expected: None };
    assert!(convert(&ann, Some(&samples), &Options::default()).unwrap_err().to_string().contains("2 labels"));
    let error = refused(None, with(Normalise::Trained)).to_string();
    assert!(error.contains("2 nodes") && error.contains("`relu2`"), "{error}");
    let mut broken = x.clone();
    broken[5] = f32::INFINITY;
    assert!(refused(Some(&broken), Options::default()).to_string().contains("node `x` yields inf"));
}

fn array(name: &str, shape: &[usize], values: Vec<f32>) -> NamedArray {
    NamedArray { name: name.into(), shape: shape.into(), values: ArrayValues::Numbers(values) }
}

fn whole(name: &str, values: &[i64]) -> NamedArray {
    NamedArray { name: name.into(), shape: vec![values.len()], values: ArrayValues::Whole(values.into()) }
}

#[test]
fn arrays_become_a_spiking_network_or_a_net_to_convert() {
    let dense = vec![
        array("W0", &[2, 3], vec![0.5, 0.0, -1.0, 0.0, 0.25, 0.0]),
        array("b0", &[2], vec![0.0, 0.5]),
        array("W1", &[1, 2], vec![1.0, 1.0]),
    ];
    let sparse = vec![
        array("W0.data", &[3], vec![-1.0, 0.5, 0.25]),
        whole("W0.indices", &[2, 0, 1]),
        whole("W0.indptr", &[0, 2, 3]),
        whole("W0.shape", &[2, 3]),
        dense[1].clone(),
        dense[2].clone(),
    ];
    for arrays in [dense, sparse] {
        let (NumpyNet::Trained(ann), notes) = numpy_net(arrays.clone()).unwrap() else {
            panic!("without theta it is to be converted");
        };
        assert!(notes.is_empty());
        assert_eq!(logits(&ann, &[4.0, 2.0, 1.0]).unwrap(), [2.0]);
        let spiking = [
            arrays,
            vec![
                array("theta", &[], vec![2.0]),
                array("v_start", &[2], vec![0.5, 0.0]),
                whole("extra", &[1]),
            ],
        ]
        .concat();
        let (NumpyNet::Spiking(network), notes) = numpy_net(spiking).unwrap() else {
            panic!("with theta it is spiking");
        };
        assert!(notes[0].contains("`extra`"));
        let names: Vec<_> = network.populations().iter().map(|p| p.name()).collect();
        assert_eq!(names, ["input", "layer0", "layer1"]);
        assert_eq!(network.projections()[0].connectivity().synapses(), 3);
        assert_eq!(network.projections()[0].connectivity().weight(2, 0), Some(-1.0));
    }
}

#[test]
fn arrays_that_make_no_net_are_refused_by_name() {
    let w0 = || array("W0", &[2, 2], vec![1.0; 4]);
    for (arrays, name) in [
        (vec![], "W0"),
        (vec![array("W0", &[4], vec![1.0; 4])], "W0"),
        (vec![w0(), array("W1", &[1, 3], vec![1.0; 3])], "W1"),
        (vec![w0(), array("W2", &[1, 2], vec![1.0; 2])], "W2"),
        (vec![w0(), array("b0", &[3], vec![1.0; 3])], "b0"),
        (vec![w0(), array("theta", &[2], vec![1.0; 2])], "theta"),
        (vec![w0(), array("theta", &[], vec![-1.0])], "theta"),
        (vec![w0(), array("v_start", &[], vec![1.0])], "v_start"),
        (vec![array("W0", &[1, 1], vec![f32::NAN])], "W0"),
        (vec![array("W0", &[2, 2], vec![1.0; 3])], "W0"),
        (vec![w0(), w0()], "W0"),
        (vec![array("W0.data", &[1], vec![1.0])], "W0.indices"),
        (
            vec![
                array("W0.data", &[1], vec![1.0]),
                whole("W0.indices", &[3]),
                whole("W0.indptr", &[0, 1]),
                whole("W0.shape", &[1, 3]),
            ],
            "W0.indices",
        ),
        (
            vec![
                array("W0.data", &[1], vec![1.0]),
                whole("W0.indices", &[0]),
                whole("W0.indptr", &[0, 1]),
                whole("W0.shape", &[i64::MAX, 1]),
            ],
            "W0.indptr",
        ),
    ] {
        let error = numpy_net(arrays).unwrap_err();
        assert_eq!(error.array, name, "{error}");
    }
}

/// One sparse layer of this shape that lists one weight.
fn nearly_empty(outputs: i64, inputs: i64) -> Vec<NamedArray> {
    let mut starts = vec![0; usize::try_from(outputs).unwrap()];
    starts.push(1);
    vec![
        array("W0.data", &[1], vec![1.0]),
        whole("W0.indices", &[0]),
        whole("W0.indptr", &starts),
        whole("W0.shape", &[outputs, inputs]),
    ]
}

#[test]
fn a_sparse_array_takes_memory_by_what_it_lists_not_by_the_shape_that_it_states() {
    // Of a kilobyte each; with a start for every source they would take gigabytes.
    for (outputs, inputs) in [(1, 1 << 26), (1, i64::MAX), (64, 1 << 21)] {
        for theta in [vec![], vec![array("theta", &[], vec![1.0])]] {
            let error = numpy_net([nearly_empty(outputs, inputs), theta].concat()).unwrap_err();
            assert_eq!(error.array, "W0.shape", "{error}");
        }
    }
    // To be converted or spiking already, it stays sparse.
    let Ok((NumpyNet::Trained(ann), _)) = numpy_net(nearly_empty(64, 1 << 20)) else { panic!("a net") };
    let Op::Linear(linear) = &ann.node(ann.output()).op else { panic!("{ann}") };
    assert_eq!(linear.weights.values(), [1.0]);
    let spiking = [nearly_empty(64, 1 << 20), vec![array("theta", &[], vec![1.0])]].concat();
    assert!(matches!(numpy_net(spiking), Ok((NumpyNet::Spiking(_), _))));
}

#[test]
fn every_real_net_converts_and_keeps_its_convolutions_shared() {
    let Some(folder) = shared::folder("nets") else { return };
    for (name, bytes) in shared::nets(&folder) {
        let ann = simplify(&onnx::import(bytes, None).unwrap().ann).unwrap();
        let n = ann.input_shape().elements();
        let x: Vec<f32> = inputs(1, n * 2);
        let options = Options { start: Some(Start::Half), ..Options::default() };
        let conversion =
            convert(&ann, Some(&of(&x)), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let stored: u64 =
            conversion.network.projections().iter().map(|p| p.connectivity().stored_weights()).sum();
        let trained: usize = ann
            .nodes()
            .iter()
            .map(|node| match &node.op {
                Op::Conv(conv) => conv.weights.iter().filter(|w| **w != 0.0).count(),
                Op::Linear(linear) => linear.weights.nonzeros(),
                _ => 0,
            })
            .sum();
        // Pooling units and residual branches have a few of their own; what is merged may cost an eighth more.
        let most = if conversion.network.populations().iter().any(|p| p.neuron().kind() == "bipolar") {
            trained + trained * 3 / 10
        } else {
            trained + 1500
        };
        assert!(stored <= most as u64, "{name}: {stored} weights stored for {trained}");
    }
}

#[test]
fn a_conversion_that_is_not_wanted_any_more_ends_wherever_it_is_and_otherwise_changes_nothing() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mnist/mlp300-p90.onnx");
    let ann = simplify(&onnx::import(std::fs::read(path).unwrap(), None).unwrap().ann).unwrap();
    let values: Vec<f32> = (0..784 * 20).map(|at| (at * 37 % 101) as f32 / 100.0).collect();
    for normalise in [Normalise::LeastError, Normalise::Percentile(99.0)] {
        let options = Options {
            normalise: Some(normalise),
            fit: Some(true),
            compare: true,
            steps: Some(4),
            ..Options::default()
        };
        let asked = AtomicUsize::new(0);
        let converted = |most: usize| {
            asked.store(0, Ordering::Relaxed);
            let so = || asked.fetch_add(1, Ordering::Relaxed) < most;
            convert_while(Wanted::as_long_as(&so), &ann, Some(&of(&values)), &options)
        };
        let whole = converted(usize::MAX).unwrap();
        let looks = asked.load(Ordering::Relaxed);
        let plain = convert(&ann, Some(&of(&values)), &options).unwrap();
        let seen = |network: &Network| outputs(network, &values[..784], 4);
        assert_eq!(seen(&whole.network), seen(&plain.network));
        assert_eq!(format!("{:?}", whole.report), format!("{:?}", plain.report));
        // Calibration, traces of each layer, the search, and the comparison all look.
        assert!(looks > 300, "{looks}");
        for most in (0..looks).step_by(looks / 12) {
            let error = converted(most).unwrap_err();
            assert!(matches!(error, ConvertError::Stopped(_)), "after {most} of {looks}: {error}");
        }
    }
}
