//! Weights that make up for rounded inputs: layer-wise reconstruction by least squares.

use super::gram::{Rows, cholesky, solve};
use super::tensor::{Tensor, spread};
use crate::ann::{Conv, Linear, Op, Shape, Weights};
use rayon::prelude::*;

/// Columns that are looked at, at least, if there are as many.
const COLUMNS: usize = 8192;

/// A linear map or convolution with a bias that takes up the mean error of what it yields, per output channel. With a `ridge`
/// its weights change, too, so that `Σ (w′·x̂ + b′ − y)²` becomes least, where x̂ is what arrives and y what the trained net
/// has; each change of a weight costs `ridge` times the variance of its input, and weights that are zero stay zero.
///
/// `yields` is what the operator makes of `arrives` so far. None for other operators.
pub(super) fn corrected(
    op: &Op,
    [input, output]: [&Shape; 2],
    arrives: &Tensor,
    [yields, wanted]: [&Tensor; 2],
    ridge: Option<f64>,
) -> Option<Op> {
    let view = View::of(op, input, output)?;
    let (arrives, yields, wanted) = (arrives.samples(), yields.samples(), wanted.samples());
    let columns = view.columns(arrives.len());
    let outs = view.outputs / view.groups;
    // Sparse weights, of which there may be any number if they were written out, stay as they are.
    let sparse = matches!(op, Op::Linear(Linear { weights: Weights::Sparse(_), .. }));
    let ridge = ridge.filter(|_| !sparse);
    let mut weights = view.weights.to_vec();
    let mut bias = view.bias.map_or_else(|| vec![0.0; view.outputs], <[f32]>::to_vec);
    let correct = |(group, (weights, bias)): (usize, (&mut [f32], &mut [f32]))| {
        let mut residuals = Rows::zeros(outs, columns.len());
        residuals.fill(|row, numbers| {
            for (number, &(sample, position)) in numbers.iter_mut().zip(&columns) {
                let at = (group * outs + row) * view.positions + position;
                *number = wanted[sample][at] - yields[sample][at];
            }
        });
        let mut shifts = residuals.centre();
        if let Some(ridge) = ridge {
            let mut features = view.features(group, &arrives, &columns);
            let means = features.centre();
            let changes = changes(&features, &residuals, weights, ridge);
            let rows = weights.chunks_exact_mut(view.fan_in).zip(changes.chunks_exact(view.fan_in));
            for ((weights, changes), shift) in rows.zip(&mut shifts) {
                for ((weight, change), mean) in weights.iter_mut().zip(changes).zip(&means) {
                    let new = (f64::from(*weight) + change) as f32;
                    *shift -= (f64::from(new) - f64::from(*weight)) * mean;
                    *weight = new;
                }
            }
        }
        for (bias, shift) in bias.iter_mut().zip(shifts) {
            *bias = (f64::from(*bias) + shift) as f32;
        }
    };
    if sparse {
        correct((0, (&mut [], &mut bias)));
    } else {
        let groups = weights.par_chunks_mut(outs * view.fan_in).zip(bias.par_chunks_mut(outs));
        groups.enumerate().for_each(correct);
    }
    let bias = Some(bias.into());
    Some(match op {
        Op::Linear(linear) if sparse => Op::Linear(Linear { bias, ..linear.clone() }),
        Op::Linear(linear) => Op::Linear(Linear { weights: weights.into(), bias, ..linear.clone() }),
        Op::Conv(conv) => Op::Conv(Conv { weights: weights.into(), bias, ..conv.clone() }),
        _ => return None,
    })
}

/// `[rows of residuals][features]` changes of the weights; 0 where a weight is 0.
fn changes(features: &Rows, residuals: &Rows, weights: &[f32], ridge: f64) -> Vec<f64> {
    let n = features.len();
    let mut square = features.products(features, true);
    let largest = (0..n).map(|i| square[i * n + i]).fold(0.0, f64::max);
    let mut changes = residuals.products(features, false);
    if largest == 0.0 {
        changes.fill(0.0);
        return changes;
    }
    for i in 0..n {
        square[i * n + i] += ridge * square[i * n + i] + 1e-7 * largest;
    }
    let mut whole = None;
    if weights.chunks_exact(n).any(|row| row.iter().all(|&w| w != 0.0)) {
        let mut factor = square.clone();
        whole = cholesky(&mut factor, n).then_some(factor);
    }
    changes.par_chunks_mut(n).zip(weights.par_chunks(n)).for_each(|(changes, weights)| {
        let support: Vec<usize> = (0..n).filter(|&i| weights[i] != 0.0).collect();
        let m = support.len();
        let mut own: Vec<f64> = support.iter().map(|&i| changes[i]).collect();
        if let (Some(factor), true) = (&whole, m == n) {
            solve(factor, n, &mut own);
        } else {
            let mut factor = vec![0.0; m * m];
            for (row, &i) in support.iter().enumerate() {
                for (column, &j) in support[..=row].iter().enumerate() {
                    factor[row * m + column] = square[i * n + j];
                }
            }
            if cholesky(&mut factor, m) {
                solve(&factor, m, &mut own);
            } else {
                own.fill(0.0);
            }
        }
        changes.fill(0.0);
        support.iter().zip(own).for_each(|(&i, change)| changes[i] = change);
    });
    changes
}

/// A linear map seen as a convolution of one position, or a convolution.
struct View<'a> {
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    outputs: usize,
    groups: usize,
    fan_in: usize,
    positions: usize,
    conv: Option<(&'a Conv, [usize; 3], usize)>,
}

impl<'a> View<'a> {
    fn of(op: &'a Op, input: &Shape, output: &Shape) -> Option<Self> {
        match op {
            Op::Linear(linear) => Some(Self {
                weights: linear.weights.values(),
                bias: linear.bias.as_deref(),
                outputs: linear.outputs,
                groups: 1,
                fan_in: linear.inputs,
                positions: 1,
                conv: None,
            }),
            Op::Conv(conv) => {
                let [_, height, width] = output.planes()?;
                Some(Self {
                    weights: &conv.weights,
                    bias: conv.bias.as_deref(),
                    outputs: conv.out_channels,
                    groups: conv.groups,
                    fan_in: conv.fan_in(),
                    positions: height * width,
                    conv: Some((conv, input.planes()?, width)),
                })
            }
            _ => None,
        }
    }

    /// Samples and positions to look at: in every sample equally many, at other positions from sample to sample.
    fn columns(&self, samples: usize) -> Vec<(usize, usize)> {
        let most = COLUMNS.max(6 * self.fan_in);
        let each = most.div_ceil(samples).min(self.positions);
        let places = |sample| spread(sample, each, self.positions).map(move |position| (sample, position));
        (0..samples).flat_map(places).collect()
    }

    /// `[fan_in][columns]`: what the weights of a group are multiplied with.
    fn features(&self, group: usize, arrives: &[&[f32]], columns: &[(usize, usize)]) -> Rows {
        let mut rows = Rows::zeros(self.fan_in, columns.len());
        let fill = |place: usize, numbers: &mut [f32]| {
            let Some((conv, [_, height, width], out_width)) = self.conv else {
                for (number, &(sample, _)) in numbers.iter_mut().zip(columns) {
                    *number = arrives[sample][place];
                }
                return;
            };
            let window = &conv.window;
            let taps = window.kernel[0] * window.kernel[1];
            let channel = group * (conv.in_channels / conv.groups) + place / taps;
            let tap = [place % taps / window.kernel[1], place % window.kernel[1]];
            let inside = |axis: usize, out: usize, extent: usize| {
                (out * window.stride[axis] + tap[axis] * window.dilation[axis])
                    .checked_sub(window.before[axis])
                    .filter(|&at| at < extent)
            };
            for (number, &(sample, position)) in numbers.iter_mut().zip(columns) {
                let (y, x) = (position / out_width, position % out_width);
                if let (Some(y), Some(x)) = (inside(0, y, height), inside(1, x, width)) {
                    *number = arrives[sample][(channel * height + y) * width + x];
                }
            }
        };
        rows.fill(fill);
        rows
    }
}
