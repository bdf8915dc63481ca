//! What a node of an [`Ann`](super::Ann) computes.

use super::{Resample, Shape, Weights, Window};
use std::sync::Arc;

/// What a node computes from its inputs: the complete list, so that a `match` shows what is not covered.
///
/// [`Relu`](Op::Relu), [`Clip`](Op::Clip), [`Qcfs`](Op::Qcfs) ([`is_activation`](Op::is_activation)) and the maxima
/// ([`is_maximum`](Op::is_maximum)) are monotone and element-wise or windowed; everything else is an affine map.
#[derive(Clone, Debug)]
pub enum Op {
    /// The input of the net; the only node without inputs. Its shape is given.
    Input(Shape),
    /// A fully connected map `[inputs] → [outputs]`.
    Linear(Linear),
    /// A convolution `[c, h, w] → [c', h', w']`, or `[c, l] → [c', l']` with a window of height 1.
    Conv(Conv),
    /// `scale · x + shift`, per channel or per element (batch normalisation, arithmetic with constants).
    Affine(Affine),
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), max)`; ReLU6 has `max` = 6.
    Clip {
        /// The upper bound, finite and positive.
        max: f32,
    },
    /// The quantised activation `clip(floor(x·L/θ + 1/2), 0, L) · θ/L` of Bu et al. 2022.
    Qcfs {
        /// The number of levels L, at least 1.
        levels: u32,
        /// The trained threshold θ, finite and positive.
        theta: f32,
    },
    /// Mean over a window.
    AveragePool(AveragePool),
    /// Mean over all positions of a channel: `[c, h, w] → [c, 1, 1]`, `[c, l] → [c, 1]`.
    GlobalAverage,
    /// Maximum over a window; padding counts as −∞.
    MaxPool(MaxPool),
    /// Maximum over all positions of a channel: `[c, h, w] → [c, 1, 1]`, `[c, l] → [c, 1]`.
    GlobalMax,
    /// Sum of two or more inputs of one shape, in their order; the same node may occur twice.
    Add,
    /// Concatenation of one or more inputs, in their order.
    Concat {
        /// The axis of the sample (0 is the channel).
        axis: usize,
    },
    /// Zeros around the input.
    Pad {
        /// Zeros before the first element, per axis.
        before: Vec<usize>,
        /// Zeros after the last element, per axis.
        after: Vec<usize>,
    },
    /// Sums of picked positions along single axes (Slice, Split, Gather, borders, repetition, interpolation).
    Resample(Resample),
    /// The same elements in the same row-major order under another shape (Flatten, Reshape, Squeeze, Unsqueeze).
    View(Shape),
    /// Output axis `i` is input axis `perm[i]`.
    Transpose {
        /// A permutation of the axes of the sample.
        perm: Vec<usize>,
    },
}

/// A fully connected map `y = W·x + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[outputs][inputs]`.
    pub weights: Weights,
    /// `[outputs]`, if there is one.
    pub bias: Option<Arc<[f32]>>,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
}

/// A convolution in ONNX's sense (a cross-correlation); what lies outside of the input is 0.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Row-major `[out_channels][in_channels / groups][kernel height][kernel width]`.
    pub weights: Arc<[f32]>,
    /// `[out_channels]`, if there is one.
    pub bias: Option<Arc<[f32]>>,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Groups: output channel `o` sees the inputs of group `o / (out_channels / groups)` only.
    pub groups: usize,
    /// Kernel, stride, dilation, padding.
    pub window: Window,
}

impl Conv {
    /// Weights of one output channel: `in_channels / groups · kernel height · kernel width`.
    pub fn fan_in(&self) -> usize {
        self.in_channels / self.groups * self.window.kernel[0] * self.window.kernel[1]
    }
}

/// `y = scale · x + shift`.
///
/// Each of the two has 1 number, one per channel (axis 0) or one per element. In row-major order all three cases
/// are "element `e` takes number `e / (elements / length)`", which [`coefficient`] computes.
#[derive(Clone, Debug)]
pub struct Affine {
    /// Factors: 1, `[channels]` or `[elements]`.
    pub scale: Arc<[f32]>,
    /// Summands: 1, `[channels]` or `[elements]`.
    pub shift: Arc<[f32]>,
}

/// The number of `coefficients` (one, one per channel, or one per element) that belongs to `element` of `elements`.
///
/// # Panics
/// If there are no coefficients, or `element` is not below `elements`.
pub fn coefficient(coefficients: &[f32], element: usize, elements: usize) -> f32 {
    coefficients[element / (elements / coefficients.len())]
}

/// The mean over a window. The divisor of an output depends on its position ([`AveragePool::divisors`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AveragePool {
    /// Kernel, stride, dilation, padding.
    pub window: Window,
    /// Whether the number of outputs is rounded up.
    pub ceil_mode: bool,
    /// Whether declared padding counts in the divisor.
    pub count_include_pad: bool,
}

impl AveragePool {
    /// The number of elements that each output divides by, row-major `[out height][out width]`, for an input of
    /// `[height, width]`: taps inside the input, or inside input and declared padding with `count_include_pad`;
    /// what `ceil_mode` adds beyond counts in neither case.
    ///
    /// # Errors
    /// As [`Window::output`].
    pub fn divisors(&self, input: [usize; 2]) -> Result<Vec<f32>, String> {
        let output = self.window.output(input, self.ceil_mode)?;
        let count = |axis: usize, out: usize| {
            if self.count_include_pad {
                self.window.inside_padded(axis, out, input[axis])
            } else {
                self.window.inside(axis, out, input[axis]).len()
            }
        };
        let mut divisors = Vec::with_capacity(output[0] * output[1]);
        for y in 0..output[0] {
            let rows = count(0, y);
            divisors.extend((0..output[1]).map(|x| (rows * count(1, x)) as f32));
        }
        Ok(divisors)
    }
}

/// The maximum over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Kernel, stride, dilation, padding (which counts as −∞).
    pub window: Window,
    /// Whether the number of outputs is rounded up.
    pub ceil_mode: bool,
}

impl Op {
    /// The name of the kind, for messages and tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Input(_) => "Input",
            Op::Linear(_) => "Linear",
            Op::Conv(_) => "Conv",
            Op::Affine(_) => "Affine",
            Op::Relu => "Relu",
            Op::Clip { .. } => "Clip",
            Op::Qcfs { .. } => "Qcfs",
            Op::AveragePool(_) => "AveragePool",
            Op::GlobalAverage => "GlobalAverage",
            Op::MaxPool(_) => "MaxPool",
            Op::GlobalMax => "GlobalMax",
            Op::Add => "Add",
            Op::Concat { .. } => "Concat",
            Op::Pad { .. } => "Pad",
            Op::Resample(_) => "Resample",
            Op::View(_) => "View",
            Op::Transpose { .. } => "Transpose",
        }
    }

    /// Whether this is an element-wise activation (Relu, Clip, Qcfs): it ends an affine map and opens a population of
    /// integrate-and-fire neurons. All are monotone and at least 0.
    pub fn is_activation(&self) -> bool {
        matches!(self, Op::Relu | Op::Clip { .. } | Op::Qcfs { .. })
    }

    /// Whether this is a maximum over positions (MaxPool, GlobalMax): it opens a population of max-pool units.
    pub fn is_maximum(&self) -> bool {
        matches!(self, Op::MaxPool(_) | Op::GlobalMax)
    }

    /// The shape of the output for inputs of the given shapes.
    ///
    /// # Errors
    /// A sentence saying what does not fit: the number of inputs, their shapes, the lengths of weights, a number that is
    /// not finite.
    pub fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let arity_ok = match self {
            Op::Input(_) => inputs.is_empty(),
            Op::Add => inputs.len() >= 2,
            Op::Concat { .. } => !inputs.is_empty(),
            _ => inputs.len() == 1,
        };
        if !arity_ok {
            return Err(format!("{} does not take {} inputs", self.kind(), inputs.len()));
        }
        match self {
            Op::Input(shape) => Ok(shape.clone()),
            Op::Linear(linear) => linear.output_shape(inputs[0]),
            Op::Conv(conv) => conv.output_shape(inputs[0]),
            Op::Affine(affine) => affine.output_shape(inputs[0]),
            Op::Relu => Ok(inputs[0].clone()),
            Op::Clip { max } if max.is_finite() && *max > 0.0 => Ok(inputs[0].clone()),
            Op::Clip { max } => Err(format!("the upper bound {max} must be finite and positive")),
            Op::Qcfs { levels, theta } => {
                if *levels == 0 || !theta.is_finite() || *theta <= 0.0 {
                    return Err(format!("L = {levels} and θ = {theta} must be positive and finite"));
                }
                Ok(inputs[0].clone())
            }
            Op::AveragePool(pool) => {
                let shape = windowed(&pool.window, pool.ceil_mode, inputs[0], inputs[0].channels())?;
                let [_, h, w] = inputs[0].planes().expect("windowed has checked the rank");
                let out = pool.window.output([h, w], pool.ceil_mode)?;
                if pool.window.lies_in_padding(out, [h, w]) {
                    return Err("a window lies wholly in the padding".into());
                }
                Ok(shape)
            }
            Op::MaxPool(pool) => {
                let shape = windowed(&pool.window, pool.ceil_mode, inputs[0], inputs[0].channels())?;
                let [_, h, w] = inputs[0].planes().expect("windowed has checked the rank");
                let out = pool.window.output([h, w], pool.ceil_mode)?;
                if pool.window.lies_in_padding(out, [h, w]) {
                    return Err("a window lies wholly in the padding, so its maximum is −∞".into());
                }
                Ok(shape)
            }
            Op::GlobalAverage | Op::GlobalMax => {
                if !(2..=3).contains(&inputs[0].rank()) {
                    return Err(format!("needs [c, l] or [c, h, w], found {}", inputs[0]));
                }
                let mut extents = vec![1; inputs[0].rank()];
                extents[0] = inputs[0].channels();
                Shape::new(extents)
            }
            Op::Add => {
                if let Some(other) = inputs.iter().find(|s| **s != inputs[0]) {
                    return Err(format!("cannot add shapes {} and {other}", inputs[0]));
                }
                Ok(inputs[0].clone())
            }
            Op::Concat { axis } => concat_shape(*axis, inputs),
            Op::Pad { before, after } => {
                let rank = inputs[0].rank();
                if before.len() != rank || after.len() != rank {
                    return Err(format!("pads {before:?} and {after:?} do not match shape {}", inputs[0]));
                }
                let mut extents = inputs[0].extents().to_vec();
                for axis in 0..rank {
                    extents[axis] = extents[axis]
                        .checked_add(before[axis])
                        .and_then(|n| n.checked_add(after[axis]))
                        .ok_or_else(|| format!("pads {before:?} and {after:?} are too large"))?;
                }
                Shape::new(extents)
            }
            Op::Resample(resample) => resample.output_shape(inputs[0]),
            Op::View(shape) if shape.elements() == inputs[0].elements() => Ok(shape.clone()),
            Op::View(shape) => Err(format!("cannot view shape {} as {shape}", inputs[0])),
            Op::Transpose { perm } => {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..inputs[0].rank()) {
                    return Err(format!("{perm:?} does not permute the axes of {}", inputs[0]));
                }
                Shape::new(perm.iter().map(|&axis| inputs[0].extents()[axis]).collect::<Vec<_>>())
            }
        }
    }
}

fn windowed(window: &Window, ceil_mode: bool, input: &Shape, channels: usize) -> Result<Shape, String> {
    let [_, h, w] = input
        .planes()
        .filter(|_| input.rank() > 1)
        .ok_or_else(|| format!("needs [c, l] or [c, h, w], found {input}"))?;
    let [out_h, out_w] = window.output([h, w], ceil_mode)?;
    if input.rank() == 3 {
        return Shape::new([channels, out_h, out_w]);
    }
    if out_h != 1 {
        return Err(format!("a window of {:?} is two-dimensional, the input {input} is not", window.kernel));
    }
    Shape::new([channels, out_w])
}

fn concat_shape(axis: usize, inputs: &[&Shape]) -> Result<Shape, String> {
    let mut extents = inputs[0].extents().to_vec();
    if axis >= extents.len() {
        return Err(format!("no axis {axis} in shape {}", inputs[0]));
    }
    for input in &inputs[1..] {
        let fits = input.rank() == extents.len()
            && (0..extents.len()).all(|i| i == axis || input.extents()[i] == extents[i]);
        if !fits {
            return Err(format!("cannot concatenate shapes {} and {input} along axis {axis}", inputs[0]));
        }
        extents[axis] = extents[axis]
            .checked_add(input.extents()[axis])
            .ok_or_else(|| format!("axis {axis} becomes too large"))?;
    }
    Shape::new(extents)
}

fn check_numbers(what: &str, numbers: &[f32]) -> Result<(), String> {
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(format!("{what} {at} is {}; only finite numbers are allowed", numbers[at])),
        None => Ok(()),
    }
}

fn check_bias(bias: Option<&Arc<[f32]>>, outputs: usize) -> Result<(), String> {
    let Some(bias) = bias else { return Ok(()) };
    if bias.len() != outputs {
        return Err(format!("{} biases for {outputs} outputs", bias.len()));
    }
    check_numbers("bias", bias)
}

impl Linear {
    fn output_shape(&self, input: &Shape) -> Result<Shape, String> {
        if input.extents() != [self.inputs] {
            return Err(format!("the weights take [{}] inputs, found {input}", self.inputs));
        }
        self.weights.check(self.outputs, self.inputs)?;
        check_numbers("weight", self.weights.values())?;
        check_bias(self.bias.as_ref(), self.outputs)?;
        Shape::new([self.outputs])
    }
}

impl Conv {
    fn output_shape(&self, input: &Shape) -> Result<Shape, String> {
        if input.channels() != self.in_channels {
            return Err(format!("the weights take {} channels, found {input}", self.in_channels));
        }
        if self.groups == 0
            || !self.in_channels.is_multiple_of(self.groups)
            || !self.out_channels.is_multiple_of(self.groups)
        {
            return Err(format!(
                "{} groups do not divide {} input and {} output channels",
                self.groups, self.in_channels, self.out_channels
            ));
        }
        let shape = windowed(&self.window, false, input, self.out_channels)?;
        let weights = [self.in_channels / self.groups, self.window.kernel[0], self.window.kernel[1]]
            .iter()
            .try_fold(self.out_channels, |n, &k| n.checked_mul(k));
        if weights != Some(self.weights.len()) {
            return Err(format!("{} weights do not fill the kernel", self.weights.len()));
        }
        check_numbers("weight", &self.weights)?;
        check_bias(self.bias.as_ref(), self.out_channels)?;
        Ok(shape)
    }
}

impl Affine {
    fn output_shape(&self, input: &Shape) -> Result<Shape, String> {
        for (what, numbers) in [("factor", &self.scale), ("summand", &self.shift)] {
            if ![1, input.channels(), input.elements()].contains(&numbers.len()) {
                return Err(format!(
                    "{} numbers as {what} of shape {input}; 1, {} or {} are allowed",
                    numbers.len(),
                    input.channels(),
                    input.elements()
                ));
            }
            check_numbers(what, numbers)?;
        }
        Ok(input.clone())
    }
}
