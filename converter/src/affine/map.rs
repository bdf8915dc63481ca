//! One linear term of a tensor: how the elements of one population go into it.

use super::placed::Placed;
use super::runs::Runs;
use crate::ann::{Row, Taps, Weights};
use std::ops::Range;
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
    /// Outputs of the convolution as it was trained.
    pub trained: usize,
    /// Which of them there are, in this order; all, if nothing is said.
    pub picked: Option<Arc<[u32]>>,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros above and to the left of the input; negative where rows or columns are left out.
    pub padding: [isize; 2],
    /// The channel of the tensor that is the first output.
    pub at: usize,
    /// `[channels, height, width]` of the tensor.
    pub tensor: [usize; 3],
    /// Factors of the outputs.
    pub scale: Vec<f64>,
}

impl Shared {
    /// How many channels of the tensor are outputs.
    pub fn outputs(&self) -> usize {
        self.scale.len()
    }

    fn trained_output(&self, o: usize) -> usize {
        self.picked.as_ref().map_or(o, |list| list[o] as usize)
    }

    /// The weight from channel `c` of what the convolution sees to output `o`, factors not included.
    pub fn weight(&self, o: usize, c: usize, ky: usize, kx: usize) -> f64 {
        let o = self.trained_output(o);
        let per_group = self.input.tensor[0] / self.groups;
        if c / per_group != o / (self.trained / self.groups) {
            return 0.0;
        }
        let [kh, kw] = self.kernel;
        self.weights.get(((o * per_group + c % per_group) * kh + ky) * kw + kx)
    }

    /// The channels of what the convolution sees that output `o` is connected with.
    pub fn channels_of(&self, o: usize) -> Range<usize> {
        let per_group = self.input.tensor[0] / self.groups;
        let first = self.trained_output(o) / (self.trained / self.groups) * per_group;
        first..first + per_group
    }

    /// Outputs that may be connected with channel `c` of what the convolution sees, ascending.
    pub fn outputs_of(&self, c: usize) -> Range<usize> {
        if self.picked.is_some() {
            return 0..self.outputs();
        }
        let outputs = self.trained / self.groups;
        let group = c / (self.input.tensor[0] / self.groups);
        group * outputs..(group + 1) * outputs
    }

    /// The tensor resampled along one of its axes, if that is a form of this kind: channels that are picked, positions at
    /// equal distances.
    pub fn resampled(&self, axis: usize, taps: &Taps) -> Option<Self> {
        debug_assert_eq!(taps.inputs(), self.tensor[axis]);
        let mut shared = self.clone();
        shared.tensor[axis] = taps.outputs();
        if axis == 0 {
            let (before, chosen) = taken(taps, self.at, self.outputs())?;
            shared.at = before;
            shared.scale = chosen.iter().map(|&o| self.scale[o]).collect();
            shared.picked = Some(chosen.iter().map(|&o| self.trained_output(o) as u32).collect());
            return Some(shared);
        }
        let found = taps.progression().filter(|found| found.count == taps.outputs())?;
        let place = axis - 1;
        // Shapes hold at most 2^26 positions, windows at most 2^24 along an axis.
        let stride = self.stride[place] as isize;
        shared.padding[place] =
            self.padding[place].checked_sub((found.first as isize).checked_mul(stride)?)?;
        shared.stride[place] = self.stride[place].checked_mul(found.step)?;
        Some(shared)
    }

    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let [_, oh, ow] = self.tensor;
        let Some(o) = (target / (oh * ow)).checked_sub(self.at).filter(|&o| o < self.outputs()) else {
            return;
        };
        let at = [target / ow % oh, target % ow];
        let [_, h, w] = self.input.tensor;
        let position = |axis: usize, tap: usize, extent: usize| {
            // All of them are below 2^50.
            ((at[axis] * self.stride[axis] + tap * self.dilation[axis]) as isize)
                .checked_sub(self.padding[axis])
                .and_then(|position| usize::try_from(position).ok())
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
    /// `[outputs as trained][elements of the input's tensor]`.
    pub weights: Weights,
    /// Which rows are outputs, in this order; all, if nothing is said.
    pub picked: Option<Arc<[u32]>>,
    /// The element of the tensor that is the first output.
    pub at: usize,
    /// Elements of the tensor.
    pub elements: usize,
    /// Factors of the outputs.
    pub scale: Runs,
}

impl Matrix {
    /// How many elements of the tensor are outputs.
    pub fn outputs(&self) -> usize {
        self.scale.elements()
    }

    fn trained_output(&self, o: usize) -> usize {
        self.picked.as_ref().map_or(o, |list| list[o] as usize)
    }

    /// The weights of an output by the elements of the input's tensor, factors not included.
    pub fn weights_of(&self, o: usize) -> Row<'_> {
        self.weights.row(self.trained_output(o), self.input.tensor.iter().product())
    }

    /// The weight from an element of the input's tensor to an output, factors not included.
    pub fn weight(&self, o: usize, element: usize) -> f64 {
        let inputs = self.input.tensor.iter().product();
        f64::from(self.weights.get(self.trained_output(o), element, inputs))
    }

    /// Some elements of the tensor, in another order, if that is a form of this kind.
    pub fn resampled(&self, taps: &Taps) -> Option<Self> {
        debug_assert_eq!(taps.inputs(), self.elements);
        let (at, chosen) = taken(taps, self.at, self.outputs())?;
        let scale = Runs::new(chosen.len(), chosen.iter().map(|&o| self.scale.get(o)).collect());
        let picked = chosen.iter().map(|&o| self.trained_output(o) as u32).collect();
        Some(Self { picked: Some(picked), at, elements: taps.outputs(), scale, ..self.clone() })
    }

    fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let Some(output) = target.checked_sub(self.at).filter(|&o| o < self.outputs()) else {
            return;
        };
        let scale = self.scale.get(output);
        self.weights_of(output).for_each(|element, weight| {
            let weight = f64::from(weight) * scale;
            self.input.row(element, &mut |source, factor| each(source, weight * factor));
        });
    }
}

/// Of outputs that begin at place `at` of an axis: which of them a pick along the axis takes, in its order, and at which
/// place the first of them lies then. Nothing, if it takes none, or zeros between them.
fn taken(taps: &Taps, at: usize, outputs: usize) -> Option<(usize, Vec<usize>)> {
    let picks: Vec<Option<usize>> = taps
        .picks()?
        .into_iter()
        .map(|pick| pick?.checked_sub(at).filter(|&place| place < outputs))
        .collect();
    let before = picks.iter().take_while(|pick| pick.is_none()).count();
    let chosen: Vec<usize> = picks[before..].iter().map_while(|&pick| pick).collect();
    let ends = picks[before + chosen.len()..].iter().all(Option::is_none);
    (ends && !chosen.is_empty()).then_some((before, chosen))
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
