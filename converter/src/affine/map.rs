//! One linear term of a tensor: how the elements of one population go into it.

use super::runs::Runs;
use std::sync::Arc;

/// A linear map from the elements of a population to those of a tensor, both in row-major order, channels first.
///
/// The first three forms keep shared weights shared. [`Sparse`] is what everything else becomes: the same numbers,
/// written out. [`row`](LinearMap::row) is the definition of all four.
#[derive(Clone, Debug)]
pub(crate) enum LinearMap {
    Placed(Placed),
    Shared(Shared),
    Matrix(Matrix),
    Sparse(Sparse),
}

/// The population itself, scaled, averaged over blocks if asked for, and put somewhere into an image of zeros.
///
/// Covers identities, batch normalisation, views, pooling over blocks, padding and concatenation.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// `[channels, height, width]` as which the population is read.
    pub source: [usize; 3],
    /// Block of positions that is averaged to one; what does not fill a block is not read.
    pub pool: [usize; 2],
    /// Where the first element lies in the tensor.
    pub at: [usize; 3],
    /// `[channels, height, width]` of the tensor.
    pub tensor: [usize; 3],
    /// Factors of the elements of the region ([`Placed::region`]); the mean's divisor is in them.
    pub scale: Runs,
}

impl Placed {
    /// The population itself as a tensor.
    pub fn whole(planes: [usize; 3], scale: Runs) -> Self {
        Self { source: planes, pool: [1, 1], at: [0; 3], tensor: planes, scale }
    }

    /// `[channels, height, width]` of the part of the tensor that the population fills.
    pub fn region(&self) -> [usize; 3] {
        let [c, h, w] = self.source;
        [c, h / self.pool[0], w / self.pool[1]]
    }

    /// Whether element `e` of the tensor is, but for a factor, element `e` of the population.
    pub fn is_whole(&self) -> bool {
        self.pool == [1, 1] && self.source == self.tensor
    }

    /// The same map with the tensor read as an image of other planes, if that is a form of this kind.
    pub fn viewed(&self, planes: [usize; 3]) -> Option<Self> {
        if self.tensor == planes {
            return Some(self.clone());
        }
        self.is_whole().then(|| Self::whole(planes, self.scale.clone()))
    }

    /// One factor per channel of the population, if it does not depend on the position.
    pub fn channel_scale(&self) -> Option<Vec<f64>> {
        self.scale.per(self.source[0])
    }

    /// The element of the tensor at which an element of the region lies.
    pub fn tensor_element(&self, [c, y, x]: [usize; 3]) -> usize {
        let [_, h, w] = self.tensor;
        ((c + self.at[0]) * h + y + self.at[1]) * w + x + self.at[2]
    }

    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let [_, h, w] = self.tensor;
        let position = [target / (h * w), target / w % h, target % w];
        let region = self.region();
        let mut inside = [0; 3];
        for axis in 0..3 {
            match position[axis].checked_sub(self.at[axis]) {
                Some(place) if place < region[axis] => inside[axis] = place,
                _ => return,
            }
        }
        let [c, y, x] = inside;
        let factor = self.scale.get((c * region[1] + y) * region[2] + x);
        if factor == 0.0 {
            return;
        }
        let [_, h, w] = self.source;
        for py in 0..self.pool[0] {
            for px in 0..self.pool[1] {
                each((c * h + y * self.pool[0] + py) * w + x * self.pool[1] + px, factor);
            }
        }
    }
}

/// Weights as they came, or as products of such.
#[derive(Clone, Debug)]
pub(crate) enum Coefficients {
    Trained(Arc<[f32]>),
    Composed(Arc<[f64]>),
    /// As many ones.
    Ones,
}

impl Coefficients {
    pub fn get(&self, at: usize) -> f64 {
        match self {
            Self::Trained(values) => f64::from(values[at]),
            Self::Composed(values) => values[at],
            Self::Ones => 1.0,
        }
    }
}

/// A convolution behind a placed population; its outputs are some channels of the tensor.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// What the convolution sees. Its factors do not depend on the position.
    pub input: Placed,
    /// `[out_channels][in_channels / groups][kernel height][kernel width]`.
    pub weights: Coefficients,
    pub groups: usize,
    pub out_channels: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros above and to the left of the input.
    pub padding: [usize; 2],
    /// The channel of the tensor that is the first output.
    pub at: usize,
    /// `[channels, height, width]` of the tensor.
    pub tensor: [usize; 3],
    /// Factors of the outputs, `[out_channels]`.
    pub scale: Vec<f64>,
}

impl Shared {
    /// The weight from channel `c` of what the convolution sees to its output `o`, factors not included.
    pub fn weight(&self, o: usize, c: usize, ky: usize, kx: usize) -> f64 {
        let per_group = self.input.tensor[0] / self.groups;
        if c / per_group != o / (self.out_channels / self.groups) {
            return 0.0;
        }
        let [kh, kw] = self.kernel;
        self.weights.get(((o * per_group + c % per_group) * kh + ky) * kw + kx)
    }

    /// The channels of what the convolution sees that output `o` is connected with.
    fn channels_of(&self, o: usize) -> std::ops::Range<usize> {
        let per_group = self.input.tensor[0] / self.groups;
        let first = o / (self.out_channels / self.groups) * per_group;
        first..first + per_group
    }

    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let [_, oh, ow] = self.tensor;
        let Some(o) = (target / (oh * ow)).checked_sub(self.at).filter(|&o| o < self.out_channels) else {
            return;
        };
        let at = [target / ow % oh, target % ow];
        let [_, h, w] = self.input.tensor;
        let position = |axis: usize, tap: usize, extent: usize| {
            (at[axis] * self.stride[axis] + tap * self.dilation[axis])
                .checked_sub(self.padding[axis])
                .filter(|&position| position < extent)
        };
        for c in self.channels_of(o) {
            for ky in 0..self.kernel[0] {
                let Some(y) = position(0, ky, h) else { continue };
                for kx in 0..self.kernel[1] {
                    let Some(x) = position(1, kx, w) else { continue };
                    let weight = self.weight(o, c, ky, kx) * self.scale[o];
                    if weight != 0.0 {
                        self.input.row((c * h + y) * w + x, &mut |source, factor| {
                            each(source, weight * factor);
                        });
                    }
                }
            }
        }
    }
}

/// A fully connected map behind a placed population; its outputs are some elements of the tensor.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    /// What the map sees.
    pub input: Placed,
    /// `[outputs][elements of the input's tensor]`.
    pub weights: Arc<[f32]>,
    pub outputs: usize,
    /// The element of the tensor that is the first output.
    pub at: usize,
    /// Elements of the tensor.
    pub elements: usize,
    /// Factors of the outputs.
    pub scale: Runs,
}

impl Matrix {
    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let Some(output) = target.checked_sub(self.at).filter(|&o| o < self.outputs) else {
            return;
        };
        let inputs = self.weights.len() / self.outputs;
        let scale = self.scale.get(output);
        let row = &self.weights[output * inputs..(output + 1) * inputs];
        for (element, &weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let weight = f64::from(weight) * scale;
            self.input.row(element, &mut |source, factor| each(source, weight * factor));
        }
    }
}

/// The map written out: for each element of the tensor the elements of the population, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Sparse {
    pub starts: Vec<usize>,
    pub sources: Vec<u32>,
    pub values: Vec<f64>,
}

impl Sparse {
    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        for at in self.starts[target]..self.starts[target + 1] {
            each(self.sources[at] as usize, self.values[at]);
        }
    }
}

impl LinearMap {
    /// Calls `each(element of the population, factor)` for what goes into element `target` of the tensor, every element
    /// of the population at most once.
    pub fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        match self {
            Self::Placed(map) => map.row(target, each),
            Self::Shared(map) => map.row(target, each),
            Self::Matrix(map) => map.row(target, each),
            Self::Sparse(map) => map.row(target, each),
        }
    }
}
