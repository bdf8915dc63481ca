//! The quantised network: hand-worked, its laws, and a real net.

use crate::conversion::{inputs, numbers, real_net, right, small_net};
use snn_converter::ann::{Ann, Linear, Op, Shape};
use snn_converter::forward::{forward, logits};
use snn_converter::quantise::{MOST_LEVELS, Options, QuantiseError, Quantised, quantise};

fn levels(levels: u32) -> Options {
    Options { levels, ..Options::default() }
}

fn linear(weights: &[f32], bias: &[f32]) -> Op {
    let (inputs, outputs) = (weights.len() / bias.len(), bias.len());
    Op::Linear(Linear { weights: weights.into(), bias: Some(bias.into()), inputs, outputs })
}

/// `input → linear → ReLU → linear`.
fn two_layers(first: &[f32], first_bias: &[f32], second: &[f32], second_bias: &[f32]) -> Ann {
    let inputs = first.len() / first_bias.len();
    let mut ann = Ann::new("x", Shape::new([inputs]).unwrap()).unwrap();
    let sum = ann.push("hidden", linear(first, first_bias), &[ann.input()]).unwrap();
    let relu = ann.push("relu", Op::Relu, &[sum]).unwrap();
    ann.push("out", linear(second, second_bias), &[relu]).unwrap();
    ann
}

/// Every number of a net, by bits.
fn bits(quantised: &Quantised) -> Vec<u32> {
    let mut bits = Vec::new();
    for node in quantised.ann.nodes() {
        let lists: Vec<&[f32]> = match &node.op {
            Op::Linear(linear) => vec![linear.weights.values(), linear.bias.as_deref().unwrap_or(&[])],
            Op::Conv(conv) => vec![&conv.weights, conv.bias.as_deref().unwrap_or(&[])],
            Op::Affine(affine) => vec![&affine.scale, &affine.shift],
            _ => vec![],
        };
        bits.extend(lists.concat().iter().map(|number| number.to_bits()));
    }
    bits
}

#[test]
fn quarters_up_to_one_need_four_levels_and_what_is_larger_is_clipped() {
    let ann = two_layers(&[1.0], &[-0.25], &[2.0], &[0.5]);
    let samples: Vec<f32> = (0..=5).map(|x| x as f32 * 0.25).collect();
    let quantised = quantise(&ann, &samples, &levels(4)).unwrap();
    assert_eq!(quantised.samples, 6);
    let [layer] = &quantised.layers[..] else { panic!("one activation") };
    assert_eq!((layer.levels, layer.dead), (4, 0));
    assert!(layer.error.unwrap() < 1e-12, "{layer:?}");
    let mut counts = Vec::new();
    let outputs = forward(&quantised.ann, &[0.0, 0.25, 0.5, 1.25, 2.0], &[layer.counts], |activation| {
        counts.extend_from_slice(activation.values);
    })
    .unwrap();
    assert_eq!(counts, [0.0, 0.0, 1.0, 4.0, 4.0]);
    for (found, wanted) in outputs.iter().zip([0.5, 0.5, 1.0, 2.5, 2.5]) {
        assert!((found - wanted).abs() < 1e-5, "{found} instead of {wanted}");
    }
}

#[test]
fn with_very_many_levels_it_is_the_trained_net() {
    for seed in 0..4 {
        let ann = small_net(seed);
        let x = inputs(seed, 72 * 20);
        let quantised = quantise(&ann, &x, &levels(MOST_LEVELS)).unwrap();
        let wanted = logits(&ann, &x).unwrap();
        for (found, wanted) in logits(&quantised.ann, &x).unwrap().iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-3, "seed {seed}: {found} instead of {wanted}");
        }
    }
}

#[test]
fn more_levels_lose_less_and_counts_are_whole_numbers_up_to_them() {
    let ann = small_net(1);
    let x = inputs(1, 72 * 50);
    let errors = [2, 8, 32, 128].map(|most| {
        let quantised = quantise(&ann, &x, &levels(most)).unwrap();
        assert_eq!(quantised.layers.len(), 2);
        for layer in &quantised.layers {
            forward(&quantised.ann, &x, &[layer.counts], |activation| {
                let whole = |count: &f32| count.fract() == 0.0 && (0.0..=most as f32).contains(count);
                assert!(activation.values.iter().all(whole));
            })
            .unwrap();
        }
        quantised.layers[1].error.unwrap()
    });
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0] * 0.5), "{errors:?}");
    assert!(errors[0] < 0.2, "{errors:?}");
}

#[test]
fn it_does_not_depend_on_threads_or_on_the_order_of_samples() {
    let ann = small_net(3);
    let x = inputs(3, 72 * 40);
    let options = Options { reconstruct: Some(0.5), ..levels(5) };
    let in_threads = |threads: usize, x: &[f32]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| quantise(&ann, x, &options)).unwrap())
    };
    let wanted = in_threads(1, &x);
    assert!(wanted == in_threads(3, &x), "other threads");
    let turned: Vec<f32> = x.chunks_exact(72).rev().flatten().copied().collect();
    assert!(wanted == in_threads(2, &turned), "another order");
}

#[test]
fn biases_take_up_the_mean_error_of_every_output() {
    let ann = small_net(2);
    let x = inputs(2, 72 * 60);
    let quantised = quantise(&ann, &x, &levels(2)).unwrap();
    let (wanted, found) = (logits(&ann, &x).unwrap(), logits(&quantised.ann, &x).unwrap());
    let mut largest = 0.0_f64;
    for class in 0..4 {
        let off: Vec<f64> =
            (class..wanted.len()).step_by(4).map(|at| f64::from(found[at]) - f64::from(wanted[at])).collect();
        largest = off.iter().fold(largest, |largest, off| largest.max(off.abs()));
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean.abs() < 1e-5, "class {class}: {mean}");
    }
    assert!(largest > 0.05, "two levels lose something: {largest}");
}

#[test]
fn reconstructed_weights_lose_less_and_zeros_stay_zero() {
    let dense = small_net(4);
    let mut ann = Ann::new("x", dense.input_shape().clone()).unwrap();
    // Every second weight is pruned.
    for node in &dense.nodes()[1..] {
        let mut op = node.op.clone();
        if let Op::Conv(conv) = &mut op {
            conv.weights =
                conv.weights.iter().enumerate().map(|(i, w)| if i % 2 == 0 { *w } else { 0.0 }).collect();
        }
        ann.push(node.name.clone(), op, &node.inputs).unwrap();
    }
    let x = inputs(4, 72 * 100);
    let [plain, reconstructed] = [None, Some(0.01)]
        .map(|reconstruct| quantise(&ann, &x, &Options { reconstruct, ..levels(4) }).unwrap());
    let wanted = logits(&ann, &x).unwrap();
    let error = |quantised: &Quantised| -> f32 {
        logits(&quantised.ann, &x).unwrap().iter().zip(&wanted).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let errors = [error(&plain), error(&reconstructed)];
    assert!(errors[1] < 0.9 * errors[0], "{errors:?}");
    let weights = |net: &Ann| -> Vec<f32> {
        let Op::Conv(conv) = &net.node(net.find("conv2").unwrap()).op else { panic!("a convolution") };
        conv.weights.to_vec()
    };
    let (before, behind) = (weights(&ann), weights(&reconstructed.ann));
    assert!(before != behind && before == weights(&plain.ann));
    assert!(before.iter().zip(&behind).all(|(before, behind)| (*before == 0.0) == (*behind == 0.0)));
}

#[test]
fn a_net_that_was_trained_with_levels_is_kept_by_bits() {
    let mut ann = Ann::new("x", Shape::new([2]).unwrap()).unwrap();
    let sum = ann.push("hidden", linear(&[1.0, -0.5, 0.25, 2.0], &[0.1, -0.2]), &[ann.input()]).unwrap();
    let rounded = ann.push("qcfs", Op::Qcfs { levels: 4, theta: 1.5 }, &[sum]).unwrap();
    ann.push("out", linear(&[0.5, -1.0], &[0.25]), &[rounded]).unwrap();
    let x = inputs(5, 40);
    let quantised = quantise(&ann, &x, &levels(32)).unwrap();
    let [layer] = &quantised.layers[..] else { panic!("one activation") };
    assert_eq!((layer.levels, layer.error), (4, Some(0.0)));
    assert_eq!((&layer.thresholds[..], &layer.values[..]), (&[0.375][..], &[0.375][..]));
    let bits = |ann: &Ann| logits(ann, &x).unwrap().iter().map(|y| y.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&quantised.ann), bits(&ann));
}

#[test]
fn neurons_of_a_vector_get_thresholds_of_their_own_where_that_loses_less() {
    let x = inputs(6, 400);
    let unlike = two_layers(&[1.0, 100.0, 0.01], &[0.0; 3], &[1.0, 0.01, 100.0], &[0.0]);
    let like = two_layers(&[1.0, 1.0, 1.0], &[0.0; 3], &[1.0, 1.0, 1.0], &[0.0]);
    for (ann, groups) in [(unlike, 3), (like, 1)] {
        assert_eq!(quantise(&ann, &x, &levels(8)).unwrap().layers[0].thresholds.len(), groups);
    }
}

#[test]
fn neurons_that_no_sample_activates_get_the_median_threshold_and_are_counted() {
    let ann = two_layers(&[1.0, -1.0], &[0.0, -1.0], &[1.0, 1.0], &[0.0]);
    let options = Options { scale_per: Some(snn_converter::ScalePer::Channel), ..levels(8) };
    let layers = quantise(&ann, &inputs(7, 50), &options).unwrap().layers;
    assert_eq!(layers[0].dead, 1);
    assert_eq!(layers[0].thresholds[0], layers[0].thresholds[1]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let ann = small_net(0);
    let x = inputs(0, 72 * 2);
    for (samples, options, wanted) in [
        (&x[..], levels(0), "the number of levels is 0; allowed is 1 to 65536"),
        (&x[..], levels(MOST_LEVELS + 1), "the number of levels is 65537"),
        (&x[..], Options { reconstruct: Some(0.0), ..levels(4) }, "a change of a weight costs 0"),
        (&x[..], Options { reconstruct: Some(f64::NAN), ..levels(4) }, "a change of a weight costs NaN"),
        (&x[..71], levels(4), "there are 71 calibration numbers"),
        (&x[..0], levels(4), "there are 0 calibration numbers"),
    ] {
        let error = quantise(&ann, samples, &options).unwrap_err();
        assert!(matches!(error, QuantiseError::Unfit(_)), "{error:?}");
        assert!(error.to_string().starts_with(wanted), "{error}");
    }
    let infinite = vec![f32::INFINITY; 72];
    assert!(matches!(quantise(&ann, &infinite, &levels(4)), Err(QuantiseError::Forward(_))));
}

#[test]
fn sixteen_levels_keep_the_accuracy_of_a_pruned_residual_net() {
    let (Some(ann), Some(calibration), Some(x), Some(labels)) = (
        real_net("cifar-resnet-p90.onnx"),
        numbers("cifar10_x_calib.npy", usize::MAX),
        numbers("cifar10_x_test.npy", usize::MAX),
        numbers("cifar10_y_test.npy", usize::MAX),
    ) else {
        return;
    };
    let classes = ann.output_shape().elements();
    let accuracy = |ann: &Ann| right(logits(ann, &x).unwrap().chunks(classes).map(<[f32]>::to_vec), &labels);
    let trained = accuracy(&ann);
    let found = accuracy(&quantise(&ann, &calibration, &levels(16)).unwrap().ann);
    assert!(found >= trained - 0.02, "{found}, trained {trained}");
}
