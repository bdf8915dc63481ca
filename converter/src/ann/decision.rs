//! What a trained net does with its scores at last, and a spiking network leaves to its reader.

use super::Shape;
use std::ops::Range;

/// An operator behind the last layer of a file that is left out of the net: it makes probabilities or a class of the
/// scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// `exp(x) / Σ exp(x)`, the sum over the given axes of a sample, taken as one.
    Softmax(Range<usize>),
    /// The logarithm of that.
    LogSoftmax(Range<usize>),
    /// The place of the largest score along one axis of a sample, the first of equal ones.
    ArgMax(usize),
    /// `1 / (1 + exp(−x))` of every score.
    Sigmoid,
    /// `tanh(x)` of every score.
    Tanh,
    /// `ln(x)` of every score.
    Log,
    /// `exp(x)` of every score.
    Exp,
}

impl Decision {
    /// How many numbers it makes of one sample's scores of a shape.
    pub fn elements(&self, shape: &Shape) -> usize {
        match self {
            Self::Softmax(_) | Self::LogSoftmax(_) | Self::Sigmoid | Self::Tanh | Self::Log | Self::Exp => {
                shape.elements()
            }
            Self::ArgMax(axis) => shape.elements() / shape.extents()[*axis],
        }
    }

    /// The scores of one sample after the decision; of an [`ArgMax`](Self::ArgMax) the places.
    ///
    /// # Panics
    /// If there are not as many scores as the shape has elements, or an axis is none of the shape.
    pub fn apply(&self, scores: &[f64], shape: &Shape) -> Vec<f64> {
        assert_eq!(scores.len(), shape.elements(), "scores of shape {shape}");
        let each = |of: fn(f64) -> f64| scores.iter().map(|&score| of(score)).collect();
        match self {
            Self::Sigmoid => each(|score| 1.0 / (1.0 + (-score).exp())),
            Self::Tanh => each(f64::tanh),
            Self::Log => each(f64::ln),
            Self::Exp => each(f64::exp),
            Self::Softmax(axes) => along(scores, shape, axes, |line| {
                let logarithms = log_softmax(line);
                logarithms.into_iter().map(f64::exp).collect()
            }),
            Self::LogSoftmax(axes) => along(scores, shape, axes, log_softmax),
            Self::ArgMax(axis) => along(scores, shape, &(*axis..*axis + 1), |line| {
                let mut best = 0;
                for (place, score) in line.iter().enumerate() {
                    if *score > line[best] {
                        best = place;
                    }
                }
                vec![best as f64]
            }),
        }
    }
}

/// `of` every line along some neighbouring axes, taken as one; the results stand where the lines stood.
fn along(values: &[f64], shape: &Shape, axes: &Range<usize>, of: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let extents = shape.extents();
    let length: usize = extents[axes.clone()].iter().product();
    let inner: usize = extents[axes.end..].iter().product();
    let mut result = vec![];
    for block in values.chunks_exact(length * inner) {
        let lines: Vec<Vec<f64>> = (0..inner)
            .map(|offset| of(&block[offset..].iter().step_by(inner).copied().collect::<Vec<_>>()))
            .collect();
        let results = lines.first().map_or(0, Vec::len);
        result.extend((0..results).flat_map(|place| lines.iter().map(move |line| line[place])));
    }
    result
}

fn log_softmax(line: &[f64]) -> Vec<f64> {
    let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = line.iter().map(|score| (score - largest).exp()).sum();
    line.iter().map(|score| score - largest - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_taken_along_its_axes_and_leaves_the_others_where_they_are() {
        let shape = Shape::new([2, 3]).unwrap();
        let scores = [0.0, 5.0, 1.0, 0.5, 5.0, 2.0];
        assert_eq!(Decision::ArgMax(0).apply(&scores, &shape), [1.0, 0.0, 1.0]);
        assert_eq!(Decision::ArgMax(1).apply(&scores, &shape), [1.0, 1.0]);
        assert_eq!((Decision::ArgMax(0).elements(&shape), Decision::ArgMax(1).elements(&shape)), (3, 2));
        let shares = Decision::Softmax(0..1).apply(&scores, &shape);
        for column in 0..3 {
            assert!((shares[column] + shares[3 + column] - 1.0).abs() < 1e-12, "{shares:?}");
            let ratio = (scores[column] - scores[3 + column]).exp();
            assert!((shares[column] / shares[3 + column] - ratio).abs() < 1e-9, "{shares:?}");
        }
        let logarithms = Decision::LogSoftmax(0..2).apply(&scores, &shape);
        let shares = Decision::Softmax(0..2).apply(&scores, &shape);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(logarithms.iter().zip(&shares).all(|(log, share)| (log.exp() - share).abs() < 1e-12));
        // Large scores do not overflow.
        assert_eq!(Decision::Softmax(0..1).apply(&[1e6, 1e6], &Shape::new([2]).unwrap()), [0.5, 0.5]);
    }
}
