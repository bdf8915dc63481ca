//! Simplifying random nets changes nothing that can be seen.

use crate::shared::difference;
use proptest::prelude::*;
use snn_converter::ann::{
    Affine, Ann, AveragePool, Conv, Linear, MaxPool, NodeId, Op, Resample, Shape, Taps, Window,
};
use snn_converter::forward::logits;
use snn_converter::simplify::{Pass, simplify};
use std::sync::Arc;

/// Choices drawn one by one.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// Small multiples of ¼, so that ties and zeros occur.
    fn numbers(&mut self, count: usize) -> Arc<[f32]> {
        (0..count).map(|_| (self.below(17) as f32 - 8.0) / 4.0).collect()
    }

    fn window(&mut self) -> Window {
        if self.below(2) == 0 {
            return Window::of([1 + self.below(3), 1 + self.below(3)]);
        }
        Window {
            kernel: [1 + self.below(3), 1 + self.below(3)],
            stride: [1 + self.below(2), 1 + self.below(2)],
            dilation: [1 + self.below(2), 1],
            before: [self.below(2), self.below(2)],
            after: [self.below(2), self.below(2)],
        }
    }

    fn op(&mut self, shape: &Shape) -> Op {
        let channels = shape.channels();
        let elements = shape.elements();
        match self.below(16) {
            0 | 1 => {
                let groups = if channels.is_multiple_of(2) { 1 + self.below(2) } else { 1 };
                let out_channels = groups * (1 + self.below(3));
                let window = self.window();
                let weights = out_channels * (channels / groups) * window.kernel[0] * window.kernel[1];
                let bias = (self.below(2) == 0).then(|| self.numbers(out_channels));
                let weights = self.numbers(weights);
                Op::Conv(Conv { weights, bias, in_channels: channels, out_channels, groups, window })
            }
            2..=4 => {
                let counts = [1, channels, elements];
                let (scale, shift) = (counts[self.below(3)], counts[self.below(3)]);
                let mut scale = self.numbers(scale).to_vec();
                if self.below(2) == 0 {
                    scale.iter_mut().for_each(|s| *s = s.abs() + 0.25);
                }
                let shift = if self.below(4) == 0 { [0.0].into() } else { self.numbers(shift) };
                Op::Affine(Affine { scale: scale.into(), shift })
            }
            5 => Op::Relu,
            6 => Op::Clip { max: 1.0 + self.below(3) as f32 },
            7 | 8 => Op::MaxPool(MaxPool { window: self.window(), ceil_mode: self.below(2) == 0 }),
            9 => {
                let (ceil_mode, count_include_pad) = (self.below(2) == 0, self.below(2) == 0);
                Op::AveragePool(AveragePool { window: self.window(), ceil_mode, count_include_pad })
            }
            10 | 12 => {
                let rank = shape.rank();
                let mut pads = || (0..rank).map(|axis| if axis == 0 { 0 } else { self.below(3) }).collect();
                Op::Pad { before: pads(), after: pads() }
            }
            11 => {
                let mut perm: Vec<usize> = (0..shape.rank()).collect();
                let (a, b) = (self.below(perm.len()), self.below(perm.len()));
                perm.swap(a, b);
                Op::Transpose { perm }
            }
            14 | 15 => {
                let axis = self.below(shape.rank());
                let extent = shape.extents()[axis];
                let count = 1 + self.below(extent + 1);
                let places = (0..count).map(|_| Some(self.below(extent + 1)).filter(|&p| p < extent));
                let taps = Taps::picked(extent, places.collect::<Vec<_>>()).unwrap();
                Op::Resample(Resample::along(shape.rank(), axis, taps))
            }
            _ => {
                let mut extents = shape.extents().to_vec();
                let at = self.below(extents.len());
                extents.rotate_left(at);
                Op::View(Shape::new(extents).unwrap())
            }
        }
    }
}

fn net(choices: &mut Choices) -> Ann {
    let input = [1 + choices.below(4), 3 + choices.below(4), 3 + choices.below(4)];
    let mut ann = Ann::new("x", Shape::new(input).unwrap()).unwrap();
    let mut ids: Vec<NodeId> = vec![ann.input()];
    for index in 0..4 + choices.below(9) {
        // Mostly the last node goes on, sometimes an earlier one branches off.
        let from = if choices.below(5) == 0 { ids[choices.below(ids.len())] } else { ids[ids.len() - 1] };
        let shape = ann.node(from).shape.clone();
        let same: Vec<NodeId> = ids.iter().copied().filter(|&id| ann.node(id).shape == shape).collect();
        let other = same[choices.below(same.len())];
        let (op, inputs) = match choices.below(8) {
            0 => (Op::Add, vec![from, other]),
            1 if shape.elements() < 400 => {
                (Op::Concat { axis: choices.below(shape.rank()) }, vec![from, other])
            }
            _ => (choices.op(&shape), vec![from]),
        };
        // What does not fit is left out.
        if let Ok(id) = ann.push(format!("n{index}"), op, &inputs) {
            ids.push(id);
        }
    }
    let last = *ids.last().unwrap();
    let inputs = ann.node(last).shape.elements();
    let flat = ann.push("flat", Op::View(Shape::new([inputs]).unwrap()), &[last]).unwrap();
    let weights = choices.numbers(3 * inputs);
    ann.push("out", Op::Linear(Linear { weights: weights.into(), bias: None, inputs, outputs: 3 }), &[flat])
        .unwrap();
    ann
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_simplified_net_yields_what_the_net_yields_after_every_pass(seed: u64) {
        let mut choices = Choices(seed);
        let ann = net(&mut choices);
        let x = choices.numbers(2 * ann.input_shape().elements());
        let expected = logits(&ann, &x).unwrap();
        let mut passed = ann.clone();
        for pass in Pass::ALL {
            passed = pass.apply(&passed).unwrap();
            let found = logits(&passed, &x).unwrap();
            prop_assert!(difference(&found, &expected) < 1e-4, "{pass:?}: {found:?} for {expected:?}\n{ann}\n{passed}");
        }
        let simple = simplify(&ann).unwrap();
        prop_assert_eq!(logits(&simple, &x).unwrap(), logits(&passed, &x).unwrap());
        prop_assert!(simple.nodes().len() <= ann.nodes().len() + 16);
        // A second run finds nothing that the first has left undone among views and neighbouring maps.
        let kinds = |ann: &Ann| ann.nodes().iter().map(|node| node.op.kind()).collect::<Vec<_>>();
        let neighbours = simple.iter().any(|(_, node)| {
            matches!(node.op, Op::View(_)) && matches!(simple.node(node.inputs[0]).op, Op::View(_))
        });
        prop_assert!(!neighbours, "{:?}", kinds(&simple));
    }
}
