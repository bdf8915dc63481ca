//! The affine operators of a net, number by number: the definition that every shared form must agree with.

use super::runs::wide_coefficient;
use crate::ann::{Op, Shape};
use crate::forward::transposed;

/// One affine operator with the shapes around it.
///
/// [`row`](Operator::row) is its linear part and [`bias`](Operator::bias) the rest, in double precision.
pub(crate) struct Operator<'a> {
    op: &'a Op,
    inputs: Vec<&'a Shape>,
    output: &'a Shape,
    /// What the operator would otherwise work out again for every element.
    prepared: Prepared,
}

enum Prepared {
    Nothing,
    /// The element that each output element takes.
    Order(Vec<usize>),
    /// What each output position of an average divides by.
    Divisors(Vec<f32>),
}

impl<'a> Operator<'a> {
    pub fn new(op: &'a Op, inputs: Vec<&'a Shape>, output: &'a Shape) -> Self {
        let prepared = match op {
            Op::Transpose { perm } => Prepared::Order(transposed(perm, inputs[0])),
            Op::AveragePool(pool) => {
                let [_, h, w] = planes_of(inputs[0]);
                Prepared::Divisors(pool.divisors([h, w]).expect("the node was checked when it was added"))
            }
            _ => Prepared::Nothing,
        };
        Self { op, inputs, output, prepared }
    }

    /// Calls `each(element of the input, factor)` for the elements of input number `input` that go into element
    /// `target` of the output, each once.
    ///
    /// # Panics
    /// If the operator is not affine.
    pub fn row(&self, input: usize, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let shape = self.inputs[input];
        match self.op {
            Op::Linear(linear) => {
                let row = linear.weights.row(target, linear.inputs);
                row.for_each(|place, weight| each(place, f64::from(weight)));
            }
            Op::Conv(conv) => {
                let [_, h, w] = planes_of(shape);
                let [_, oh, ow] = planes_of(self.output);
                let (out, y, x) = (target / (oh * ow), target / ow % oh, target % ow);
                let per_group = conv.in_channels / conv.groups;
                let first = out / (conv.out_channels / conv.groups) * per_group;
                let [kh, kw] = conv.window.kernel;
                let window = &conv.window;
                for c in 0..per_group {
                    for ky in window.inside(0, y, h) {
                        let at_y = y * window.stride[0] + ky * window.dilation[0] - window.before[0];
                        for kx in window.inside(1, x, w) {
                            let at_x = x * window.stride[1] + kx * window.dilation[1] - window.before[1];
                            let weight = conv.weights[((out * per_group + c) * kh + ky) * kw + kx];
                            if weight != 0.0 {
                                each(((first + c) * h + at_y) * w + at_x, f64::from(weight));
                            }
                        }
                    }
                }
            }
            Op::Affine(affine) => {
                each(target, wide_coefficient(&affine.scale, target, shape.elements()));
            }
            Op::AveragePool(pool) => {
                let Prepared::Divisors(divisors) = &self.prepared else {
                    unreachable!("an average pool prepares its divisors");
                };
                let [_, h, w] = planes_of(shape);
                let [_, oh, ow] = planes_of(self.output);
                let (c, y, x) = (target / (oh * ow), target / ow % oh, target % ow);
                let window = &pool.window;
                let factor = 1.0 / f64::from(divisors[y * ow + x]);
                for ky in window.inside(0, y, h) {
                    let at_y = y * window.stride[0] + ky * window.dilation[0] - window.before[0];
                    for kx in window.inside(1, x, w) {
                        let at_x = x * window.stride[1] + kx * window.dilation[1] - window.before[1];
                        each((c * h + at_y) * w + at_x, factor);
                    }
                }
            }
            Op::GlobalAverage => {
                let positions = shape.positions();
                (target * positions..(target + 1) * positions).for_each(|e| each(e, 1.0 / positions as f64));
            }
            Op::Add => each(target, 1.0),
            Op::Concat { axis } => {
                let inner: usize = self.output.extents()[axis + 1..].iter().product();
                let row = self.output.extents()[*axis] * inner;
                let before: usize =
                    self.inputs[..input].iter().map(|shape| shape.extents()[*axis] * inner).sum();
                let own = shape.extents()[*axis] * inner;
                let (outer, within) = (target / row, target % row);
                if (before..before + own).contains(&within) {
                    each(outer * own + within - before, 1.0);
                }
            }
            Op::Pad { before, .. } => {
                let mut source = 0;
                let mut rest = target;
                for (axis, stride) in self.output.strides().into_iter().enumerate() {
                    let at = rest / stride;
                    rest %= stride;
                    let extent = shape.extents()[axis];
                    if at < before[axis] || at >= before[axis] + extent {
                        return;
                    }
                    source = source * extent + at - before[axis];
                }
                each(source, 1.0);
            }
            Op::Resample(resample) => resample.row(shape, self.output, target, each),
            Op::View(_) => each(target, 1.0),
            Op::Transpose { .. } => {
                let Prepared::Order(order) = &self.prepared else {
                    unreachable!("a transposition prepares its order");
                };
                each(order[target], 1.0);
            }
            Op::Input(_) | Op::Relu | Op::Clip { .. } | Op::Qcfs { .. } | Op::MaxPool(_) | Op::GlobalMax => {
                panic!("{} is not an affine operator", self.op.kind())
            }
        }
    }

    /// What the operator adds to element `target` whatever its inputs.
    pub fn bias(&self, target: usize) -> f64 {
        match self.op {
            Op::Linear(linear) => linear.bias.as_ref().map_or(0.0, |bias| f64::from(bias[target])),
            Op::Conv(conv) => {
                let positions = self.output.elements() / conv.out_channels;
                conv.bias.as_ref().map_or(0.0, |bias| f64::from(bias[target / positions]))
            }
            Op::Affine(affine) => wide_coefficient(&affine.shift, target, self.output.elements()),
            _ => 0.0,
        }
    }

    /// The number of equal runs in [`bias`](Operator::bias).
    pub fn bias_runs(&self) -> usize {
        match self.op {
            Op::Linear(linear) => linear.bias.as_ref().map_or(1, |bias| bias.len()),
            Op::Conv(conv) => conv.bias.as_ref().map_or(1, |bias| bias.len()),
            Op::Affine(affine) => affine.shift.len(),
            _ => 1,
        }
    }
}

/// `[channels, height, width]` of a tensor; one of more axes counts as a vector.
pub(crate) fn planes_of(shape: &Shape) -> [usize; 3] {
    shape.planes().unwrap_or([shape.elements(), 1, 1])
}
