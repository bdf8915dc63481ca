//! A net of the size of VGG-16 (Simonyan and Zisserman 2015) for images of 32 × 32: 14.7 million weights.

use snn_converter::ann::{Ann, Conv, Linear, MaxPool, Op, Shape, Window};
use snn_converter::{Normalise, Options, convert};
use snn_engine::{Connectivity, Rows, Targets};

/// Weights of which one in `every` is not zero.
fn weights(n: usize, every: usize, state: &mut u32) -> Vec<f32> {
    let mut one = || {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if ((*state >> 8) as usize).is_multiple_of(every) { (*state >> 4) as f32 / 1e9 + 0.01 } else { 0.0 }
    };
    (0..n).map(|_| one()).collect()
}

fn vgg(every: usize) -> Ann {
    let mut state = 1;
    let mut ann = Ann::new("x", Shape::new([3, 32, 32]).unwrap()).unwrap();
    let mut last = ann.input();
    let mut channels = 3;
    for (stage, outputs) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)].into_iter().enumerate() {
        for place in 0..outputs.0 {
            let conv = Conv {
                weights: weights(channels * outputs.1 * 9, every, &mut state).into(),
                bias: Some(vec![0.1; outputs.1].into()),
                in_channels: channels,
                out_channels: outputs.1,
                groups: 1,
                window: Window { before: [1, 1], after: [1, 1], ..Window::of([3, 3]) },
            };
            channels = outputs.1;
            last = ann.push(format!("conv{stage}.{place}"), Op::Conv(conv), &[last]).unwrap();
            last = ann.push(format!("relu{stage}.{place}"), Op::Relu, &[last]).unwrap();
        }
        let window = Window { stride: [2, 2], ..Window::of([2, 2]) };
        let pool = Op::MaxPool(MaxPool { window, ceil_mode: false });
        last = ann.push(format!("pool{stage}"), pool, &[last]).unwrap();
    }
    last = ann.push("flat", Op::View(Shape::new([512]).unwrap()), &[last]).unwrap();
    let linear =
        Linear { weights: weights(5120, every, &mut state).into(), bias: None, inputs: 512, outputs: 10 };
    ann.push("fc", Op::Linear(linear), &[last]).unwrap();
    ann
}

#[test]
fn a_net_of_the_size_of_vgg_16_takes_hardly_more_room_than_its_non_zero_weights() {
    for every in [1, 10] {
        let ann = vgg(every);
        let trained: usize = ann
            .nodes()
            .iter()
            .map(|node| match &node.op {
                Op::Conv(conv) => conv.weights.iter().filter(|w| **w != 0.0).count(),
                Op::Linear(linear) => linear.weights.nonzeros(),
                _ => 0,
            })
            .sum();
        let options = Options { normalise: Some(Normalise::None), ..Options::default() };
        let network = convert(&ann, None, &options).unwrap().network;
        let mut bytes = 0;
        for projection in network.projections() {
            let rows = match projection.connectivity() {
                Connectivity::Conv2d(conv) => conv.rows(),
                Connectivity::Rows(rows) => rows,
                Connectivity::OneToOne(_) => panic!("no residual branch here"),
            };
            bytes += match rows {
                Rows::Dense(rows) => rows.weights().len() * 4,
                Rows::Sparse(rows) => {
                    let id = if matches!(rows.targets(), Targets::U16(_)) { 2 } else { 4 };
                    rows.weights().len() * (4 + id) + rows.row_starts().len() * 8
                }
            };
        }
        let room = if every == 1 { trained * 4 } else { trained * (4 + 2) };
        assert!(bytes as f64 <= 1.1 * room as f64, "{bytes} bytes for {trained} weights, one in {every}");
    }
}
