//! One node's values from its inputs' values.

use super::product::{PANEL, Panels, product};
use crate::ann::{Affine, AveragePool, Conv, Linear, MaxPool, Op, Shape, Weights};

/// Numbers of an unfolded strip of the input of a convolution that are held at once (1 MiB).
const STRIP: usize = 1 << 18;

/// The output `[samples][elements of output]` of an operator for inputs `[samples][elements of the input's shape]`.
///
/// What a sample yields does not depend on the other samples.
pub(crate) fn apply(
    op: &Op,
    shapes: &[&Shape],
    inputs: &[&[f32]],
    samples: usize,
    output: &Shape,
) -> Vec<f32> {
    for (input, shape) in inputs.iter().zip(shapes) {
        assert_eq!(input.len(), samples * shape.elements(), "{samples} samples of shape {shape}");
    }
    let map = |f: &dyn Fn(f32) -> f32| inputs[0].iter().map(|&x| f(x)).collect::<Vec<_>>();
    let each = |f: &mut dyn FnMut(&[f32], &mut [f32])| {
        let mut y = vec![0.0; samples * output.elements()];
        let pairs = inputs[0].chunks_exact(shapes[0].elements()).zip(y.chunks_exact_mut(output.elements()));
        pairs.for_each(|(x, y)| f(x, y));
        y
    };
    match op {
        Op::Input(_) => panic!("the input of a net is given, not computed"),
        Op::Linear(linear) => apply_linear(linear, inputs[0], samples),
        Op::Conv(conv) => {
            let mut panels = Panels::zeros(0, 0);
            each(&mut |x, y| apply_conv(conv, shapes[0], output, x, y, &mut panels))
        }
        Op::Affine(affine) => each(&mut |x, y| apply_affine(affine, x, y)),
        Op::Relu => map(&|x| if x > 0.0 { x } else { 0.0 }),
        Op::Clip { max } => map(&|x| x.clamp(0.0, *max)),
        Op::Qcfs { levels, theta } => {
            let levels = *levels as f32;
            map(&|x| (x * levels / theta + 0.5).floor().clamp(0.0, levels) * theta / levels)
        }
        Op::AveragePool(pool) => each(&mut |x, y| average_pool(pool, shapes[0], x, y)),
        Op::MaxPool(pool) => each(&mut |x, y| max_pool(pool, shapes[0], x, y)),
        Op::GlobalAverage => per_channel(shapes[0], inputs[0], |x| x.iter().sum::<f32>() / x.len() as f32),
        Op::GlobalMax => {
            per_channel(shapes[0], inputs[0], |x| x.iter().copied().fold(f32::NEG_INFINITY, larger))
        }
        Op::Add => {
            let mut sum = inputs[0].to_vec();
            for input in &inputs[1..] {
                sum.iter_mut().zip(*input).for_each(|(s, x)| *s += x);
            }
            sum
        }
        Op::Concat { axis } => {
            let outer: usize = output.extents()[..*axis].iter().product();
            let mut joined = Vec::with_capacity(samples * output.elements());
            for part in 0..samples * outer {
                for (input, shape) in inputs.iter().zip(shapes) {
                    let length = shape.elements() / outer;
                    joined.extend_from_slice(&input[part * length..(part + 1) * length]);
                }
            }
            joined
        }
        Op::Pad { before, .. } => each(&mut |x, y| pad(before, shapes[0], output, x, y)),
        Op::Resample(resample) => each(&mut |x, y| y.copy_from_slice(&resample.apply(shapes[0], x))),
        Op::View(_) => inputs[0].to_vec(),
        Op::Transpose { perm } => {
            let order = transposed(perm, shapes[0]);
            each(&mut |x, y| order.iter().zip(y).for_each(|(&from, y)| *y = x[from]))
        }
    }
}

/// For each element of the output of a transposition, the element of the input that it is.
///
/// # Panics
/// If `perm` does not permute the axes of `input`.
pub fn transposed(perm: &[usize], input: &Shape) -> Vec<usize> {
    let strides = input.strides();
    let mut order = vec![0usize];
    for &axis in perm {
        let (extent, stride) = (input.extents()[axis], strides[axis]);
        order = order.iter().flat_map(|&base| (0..extent).map(move |i| base + i * stride)).collect();
    }
    assert_eq!(order.len(), input.elements(), "{perm:?} does not permute {input}");
    order
}

/// The larger number, the first of equal ones (`f32::max` leaves the sign of a zero open).
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

fn per_channel(shape: &Shape, x: &[f32], f: impl Fn(&[f32]) -> f32) -> Vec<f32> {
    x.chunks_exact(shape.positions()).map(f).collect()
}

fn apply_linear(linear: &Linear, x: &[f32], samples: usize) -> Vec<f32> {
    let weights = match &linear.weights {
        Weights::Dense(weights) => weights,
        Weights::Sparse(_) => return apply_sparse(linear, x),
    };
    let mut panels = Panels::zeros(linear.inputs, samples);
    for (sample, x) in x.chunks_exact(linear.inputs).enumerate() {
        for (i, &x) in x.iter().enumerate() {
            panels.row_mut(i, sample / PANEL)[sample % PANEL] = x;
        }
    }
    let mut y = vec![0.0; samples * linear.outputs];
    product(weights, linear.bias.as_deref(), &panels, |row, first, values| {
        for (i, value) in values.iter().enumerate() {
            y[(first + i) * linear.outputs + row] = *value;
        }
    });
    y
}

/// The bits of a matrix written out: each sum begins with the bias and goes on in the order of the inputs, and what is left
/// out is zeros, which change nothing.
fn apply_sparse(linear: &Linear, x: &[f32]) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len() / linear.inputs * linear.outputs);
    for x in x.chunks_exact(linear.inputs) {
        y.extend((0..linear.outputs).map(|output| {
            let mut sum = linear.bias.as_ref().map_or(0.0, |bias| bias[output]);
            linear.weights.row(output, linear.inputs).for_each(|input, weight| sum += weight * x[input]);
            sum
        }));
    }
    y
}

fn apply_conv(conv: &Conv, input: &Shape, output: &Shape, x: &[f32], y: &mut [f32], panels: &mut Panels) {
    let [_, h, w] = input.planes().expect("shapes were checked when the node was added");
    let [_, out_h, out_w] = output.planes().expect("shapes were checked when the node was added");
    let (fan_in, positions) = (conv.fan_in(), out_h * out_w);
    let (ins, outs) = (conv.in_channels / conv.groups, conv.out_channels / conv.groups);
    let strip = (STRIP / fan_in).next_multiple_of(PANEL).min(positions.next_multiple_of(PANEL));
    for group in 0..conv.groups {
        let x = &x[group * ins * h * w..(group + 1) * ins * h * w];
        let weights = &conv.weights[group * outs * fan_in..(group + 1) * outs * fan_in];
        let bias = conv.bias.as_ref().map(|b| &b[group * outs..(group + 1) * outs]);
        for first in (0..positions).step_by(strip) {
            let count = strip.min(positions - first);
            panels.reset(fan_in, count);
            unfold(conv, [h, w], out_w, x, first, count, panels);
            product(weights, bias, panels, |row, at, values| {
                let start = (group * outs + row) * positions + first + at;
                y[start..start + values.len()].copy_from_slice(values);
            });
        }
    }
}

/// Lays the input under each of `count` output positions from `first` on as a column; padding stays 0.
fn unfold(
    conv: &Conv,
    [h, w]: [usize; 2],
    out_w: usize,
    x: &[f32],
    first: usize,
    count: usize,
    panels: &mut Panels,
) {
    let window = &conv.window;
    let [taps_y, taps_x] = window.kernel;
    for position in first..first + count {
        let (out_y, out_x) = (position / out_w, position % out_w);
        let (rows, columns) = (window.inside(0, out_y, h), window.inside(1, out_x, w));
        let (panel, lane) = ((position - first) / PANEL, (position - first) % PANEL);
        for (channel, x) in x.chunks_exact(h * w).enumerate() {
            for tap_y in rows.clone() {
                let line = (out_y * window.stride[0] + tap_y * window.dilation[0] - window.before[0]) * w;
                for tap_x in columns.clone() {
                    let at = out_x * window.stride[1] + tap_x * window.dilation[1] - window.before[1];
                    let row = (channel * taps_y + tap_y) * taps_x + tap_x;
                    panels.row_mut(row, panel)[lane] = x[line + at];
                }
            }
        }
    }
}

fn apply_affine(affine: &Affine, x: &[f32], y: &mut [f32]) {
    let (per_scale, per_shift) = (x.len() / affine.scale.len(), x.len() / affine.shift.len());
    for (e, (x, y)) in x.iter().zip(y).enumerate() {
        *y = x * affine.scale[e / per_scale] + affine.shift[e / per_shift];
    }
}

/// Calls `f(channel, output element, elements of the input in the window)` for every output of a pooling.
fn each_window(
    window: &crate::ann::Window,
    ceil_mode: bool,
    input: &Shape,
    mut f: impl FnMut(usize, usize, &mut dyn Iterator<Item = usize>),
) {
    let [channels, h, w] = input.planes().expect("shapes were checked when the node was added");
    let [out_h, out_w] =
        window.output([h, w], ceil_mode).expect("shapes were checked when the node was added");
    for channel in 0..channels {
        for out_y in 0..out_h {
            for out_x in 0..out_w {
                let rows = window.inside(0, out_y, h);
                let columns = window.inside(1, out_x, w);
                let mut elements = rows.flat_map(|tap_y| {
                    let y = out_y * window.stride[0] + tap_y * window.dilation[0] - window.before[0];
                    columns.clone().map(move |tap_x| {
                        let x = out_x * window.stride[1] + tap_x * window.dilation[1] - window.before[1];
                        (channel * h + y) * w + x
                    })
                });
                f((channel * out_h + out_y) * out_w + out_x, out_y * out_w + out_x, &mut elements);
            }
        }
    }
}

fn average_pool(pool: &AveragePool, input: &Shape, x: &[f32], y: &mut [f32]) {
    let [_, h, w] = input.planes().expect("shapes were checked when the node was added");
    let divisors = pool.divisors([h, w]).expect("shapes were checked when the node was added");
    each_window(&pool.window, pool.ceil_mode, input, |out, position, elements| {
        y[out] = elements.map(|e| x[e]).sum::<f32>() / divisors[position];
    });
}

fn max_pool(pool: &MaxPool, input: &Shape, x: &[f32], y: &mut [f32]) {
    each_window(&pool.window, pool.ceil_mode, input, |out, _, elements| {
        y[out] = elements.map(|e| x[e]).fold(f32::NEG_INFINITY, larger);
    });
}

fn pad(before: &[usize], input: &Shape, output: &Shape, x: &[f32], y: &mut [f32]) {
    let strides = output.strides();
    let width = input.extents().last().copied().unwrap_or(1);
    for (line, x) in x.chunks_exact(width).enumerate() {
        let mut rest = line;
        let mut start = before.last().copied().unwrap_or(0);
        for axis in (0..input.rank().saturating_sub(1)).rev() {
            let extent = input.extents()[axis];
            start += (rest % extent + before[axis]) * strides[axis];
            rest /= extent;
        }
        y[start..start + width].copy_from_slice(x);
    }
}
