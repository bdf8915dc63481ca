//! One number per element of a tensor, stored as runs of equal numbers.

use crate::ann::coefficient;

/// Numbers for the elements of a tensor in row-major order: element `e` of `n` has `values[e / (n / len)]`, so one number
/// stands for all, `[channels]` for one per channel, `[n]` for one per element. A view keeps them as they are, because it
/// keeps the order of elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Runs {
    elements: usize,
    values: Vec<f64>,
}

impl Runs {
    pub fn same(elements: usize, value: f64) -> Self {
        Self { elements, values: vec![value] }
    }

    /// # Panics
    /// If the number of values does not divide the number of elements.
    pub fn new(elements: usize, values: Vec<f64>) -> Self {
        assert!(
            !values.is_empty() && elements.is_multiple_of(values.len()),
            "{} runs for {elements} elements",
            values.len()
        );
        Self { elements, values }
    }

    /// One of an affine node's two lists of numbers.
    pub fn of_node(elements: usize, values: &[f32]) -> Self {
        Self::new(elements, values.iter().map(|&v| f64::from(v)).collect())
    }

    pub fn elements(&self) -> usize {
        self.elements
    }

    pub fn get(&self, element: usize) -> f64 {
        self.values[element / (self.elements / self.values.len())]
    }

    pub fn is_zero(&self) -> bool {
        self.values.iter().all(|&value| value == 0.0)
    }

    /// The distinct runs in order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One number for each of `runs` equal parts, if the numbers are equal within each.
    pub fn per(&self, runs: usize) -> Option<Vec<f64>> {
        if !self.elements.is_multiple_of(runs) {
            return None;
        }
        let length = self.elements / runs;
        if runs.is_multiple_of(self.values.len()) {
            return Some((0..runs).map(|run| self.get(run * length)).collect());
        }
        (0..runs)
            .map(|run| {
                let first = self.get(run * length);
                let same = (run * length..(run + 1) * length).all(|e| self.get(e) == first);
                same.then_some(first)
            })
            .collect()
    }

    /// The same numbers in as few runs as `channels` or one allow.
    pub fn compressed(self, channels: usize) -> Self {
        for runs in [1, channels] {
            if runs < self.values.len()
                && let Some(values) = self.per(runs)
            {
                return Self::new(self.elements, values);
            }
        }
        self
    }

    /// Both combined element by element.
    ///
    /// # Panics
    /// If the tensors differ in size.
    pub fn zip(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!(self.elements, other.elements, "elements of two tensors");
        let (a, b) = (self.values.len(), other.values.len());
        let runs = if a.is_multiple_of(b) {
            a
        } else if b.is_multiple_of(a) {
            b
        } else {
            self.elements
        };
        let length = self.elements / runs;
        let values = (0..runs).map(|run| combine(self.get(run * length), other.get(run * length))).collect();
        Self::new(self.elements, values)
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(self.elements, self.values.iter().map(|&value| f(value)).collect())
    }
}

/// The number of an affine node's list that belongs to an element, in double precision.
pub(crate) fn wide_coefficient(coefficients: &[f32], element: usize, elements: usize) -> f64 {
    f64::from(coefficient(coefficients, element, elements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_different_lengths_combine_element_by_element() {
        let channels = Runs::new(6, vec![1.0, 2.0, 3.0]);
        let halves = Runs::new(6, vec![10.0, 20.0]);
        let product = channels.zip(&halves, |a, b| a * b);
        assert_eq!(product.values(), [10.0, 10.0, 20.0, 40.0, 60.0, 60.0]);
        assert_eq!(product.per(3), None);
        assert_eq!(product.clone().compressed(3), product);
        let elements = Runs::new(6, vec![4.0, 4.0, 5.0, 5.0, 4.0, 4.0]);
        assert_eq!(elements.compressed(3).values(), [4.0, 5.0, 4.0]);
    }
}
