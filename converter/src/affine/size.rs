//! How much a linear term takes to store, and how far it reaches.

use super::map::{Coefficients, LinearMap, Matrix, Shared, Sparse};
use super::placed::Placed;
use std::ops::Range;

/// Is told what some elements of a tensor may grow to.
type Widen<'a> = dyn FnMut(Range<usize>, f64) + 'a;

impl LinearMap {
    /// The numbers that it takes where its weights can be shared; zeros are none. O(weights).
    pub fn numbers(&self) -> usize {
        match self {
            Self::Placed(placed) => placed.numbers(),
            Self::Shared(shared) => shared.numbers(),
            Self::Matrix(matrix) => matrix.numbers(),
            Self::Sparse(sparse) => sparse.values.len(),
        }
    }

    /// Whether it is known to carry nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Sparse(sparse) if sparse.values.is_empty())
    }

    /// Whether it is no more than the population itself, scaled and put somewhere.
    pub fn is_placed(&self) -> bool {
        matches!(self, Self::Placed(_))
    }

    /// For every channel of a tensor of so many channels the largest magnitude that one of its elements can have while no
    /// source is larger than 1 in magnitude. O(weights).
    pub fn reach(&self, channels: usize, elements: usize) -> Vec<f64> {
        let mut reach = vec![0.0_f64; channels];
        let length = elements / channels;
        let mut widen = |of: Range<usize>, to: f64| {
            for reach in &mut reach[of.start / length..of.end.div_ceil(length)] {
                *reach = reach.max(to);
            }
        };
        match self {
            Self::Placed(placed) => placed.reach(&mut widen),
            Self::Shared(shared) => shared.reach(&mut widen),
            Self::Matrix(matrix) => matrix.reach(&mut widen),
            Self::Sparse(sparse) => sparse.reach(&mut widen),
        }
        reach
    }
}

impl Placed {
    fn numbers(&self) -> usize {
        let [channels, height, width] = self.region();
        if self.channel_scale().is_some() { channels } else { channels * height * width }
    }

    fn reach(&self, widen: &mut Widen<'_>) {
        let sources = (self.pool[0] * self.pool[1]) as f64;
        let [channels, height, width] = self.region();
        let row = |channel: usize, y: usize| {
            let first = self.tensor_element([channel, y, 0]);
            first..first + width
        };
        if let Some(factors) = self.channel_scale() {
            for (channel, factor) in factors.into_iter().enumerate() {
                (0..height).for_each(|y| widen(row(channel, y), factor.abs() * sources));
            }
            return;
        }
        for channel in 0..channels {
            for y in 0..height {
                for (x, element) in row(channel, y).enumerate() {
                    let factor = self.scale.get((channel * height + y) * width + x);
                    widen(element..element + 1, factor.abs() * sources);
                }
            }
        }
    }
}

impl Shared {
    /// What the channels of the input's tensor are multiplied by; 0 where the population is not.
    fn factors(&self) -> Vec<f64> {
        let mut factors = vec![0.0; self.input.tensor[0]];
        let own = self.input.channel_scale().unwrap_or_default();
        for (channel, factor) in own.into_iter().enumerate() {
            factors[self.input.tensor_channel(channel)] = factor;
        }
        factors
    }

    fn each_weight(&self, mut each: impl FnMut(usize, f64)) {
        let factors = self.factors();
        for output in 0..self.outputs() {
            for channel in self.channels_of(output).filter(|&channel| factors[channel] != 0.0) {
                for ky in 0..self.kernel[0] {
                    for kx in 0..self.kernel[1] {
                        each(output, self.weight(output, channel, ky, kx) * factors[channel]);
                    }
                }
            }
        }
    }

    fn numbers(&self) -> usize {
        let mut numbers = 0;
        self.each_weight(|_, weight| numbers += usize::from(weight != 0.0));
        numbers
    }

    fn reach(&self, widen: &mut Widen<'_>) {
        let sources = (self.input.pool[0] * self.input.pool[1]) as f64;
        let mut sums = vec![0.0; self.outputs()];
        self.each_weight(|output, weight| sums[output] += weight.abs());
        let [_, height, width] = self.tensor;
        for (output, sum) in sums.into_iter().enumerate() {
            let first = (self.at + output) * height * width;
            widen(first..first + height * width, sum * self.scale[output].abs() * sources);
        }
    }
}

impl Matrix {
    /// What the elements of the input's tensor are multiplied by, averaged elements counted each.
    fn factors(&self) -> Vec<f64> {
        let elements = self.input.tensor.iter().product();
        let factor = |element: usize| {
            let mut sum = 0.0;
            self.input.row(element, &mut |_, factor| sum += factor.abs());
            sum
        };
        (0..elements).map(factor).collect()
    }

    fn numbers(&self) -> usize {
        let factors = self.factors();
        let mut numbers = 0;
        for output in 0..self.outputs() {
            self.weights_of(output).for_each(|element, _| numbers += usize::from(factors[element] != 0.0));
        }
        numbers
    }

    fn reach(&self, widen: &mut Widen<'_>) {
        let factors = self.factors();
        for output in 0..self.outputs() {
            let mut sum = 0.0;
            self.weights_of(output)
                .for_each(|element, weight| sum += f64::from(weight).abs() * factors[element]);
            let element = self.at + output;
            widen(element..element + 1, sum * self.scale.get(output).abs());
        }
    }
}

impl Sparse {
    fn reach(&self, widen: &mut Widen<'_>) {
        for (target, ends) in self.starts.windows(2).enumerate() {
            let sum = self.values[ends[0]..ends[1]].iter().map(|value| value.abs()).sum();
            widen(target..target + 1, sum);
        }
    }
}

impl Coefficients {
    /// How many of them are not zero.
    pub fn nonzeros(&self, count: usize) -> usize {
        match self {
            Self::Trained(values) => values.iter().filter(|value| **value != 0.0).count(),
            Self::Composed(values) => values.iter().filter(|value| **value != 0.0).count(),
            Self::Ones => count,
        }
    }
}
