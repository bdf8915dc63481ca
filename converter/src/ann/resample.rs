//! Maps along single axes: slices, picks, borders, repetition, interpolation.

use super::{MAX_ELEMENTS, Shape};
use std::sync::Arc;

/// For every position of the output along one axis, the positions of the input that go into it, each with its factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    inputs: usize,
    starts: Vec<u32>,
    places: Vec<u32>,
    factors: Vec<f32>,
}

/// Positions of the input at equal distances, in ascending order, with zeros before and after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progression {
    /// Outputs that are 0 before the first that is not.
    pub before: usize,
    /// The input that the first other output takes.
    pub first: usize,
    /// The distance to the next; 1 if there is one only.
    pub step: usize,
    /// How many outputs take an input.
    pub count: usize,
}

impl Taps {
    /// Sums of `(position of the input, factor)`, one list per position of the output.
    ///
    /// # Errors
    /// A sentence: a position that is not below `inputs`, a factor that is not finite, too many positions or taps.
    pub fn new<Row>(inputs: usize, rows: impl IntoIterator<Item = Row>) -> Result<Self, String>
    where
        Row: IntoIterator<Item = (usize, f32)>,
    {
        if inputs > MAX_ELEMENTS {
            return Err(format!("{inputs} positions along an axis; allowed are {MAX_ELEMENTS}"));
        }
        let rows = rows.into_iter();
        // Most rows have one tap, and to grow by doubling takes twice the memory.
        let expected = rows.size_hint().0;
        let mut starts = Vec::with_capacity(expected.saturating_add(1));
        starts.push(0);
        let (places, factors) = (Vec::with_capacity(expected), Vec::with_capacity(expected));
        let mut taps = Taps { inputs, starts, places, factors };
        for row in rows {
            for (place, factor) in row {
                if place >= inputs {
                    return Err(format!("position {place} of {inputs} along an axis"));
                }
                if !factor.is_finite() {
                    return Err(format!("a factor of {factor} along an axis"));
                }
                // Below 2^26.
                taps.places.push(place as u32);
                taps.factors.push(factor);
            }
            if taps.starts.len() > MAX_ELEMENTS || taps.places.len() > 4 * MAX_ELEMENTS {
                return Err(format!("more than {MAX_ELEMENTS} positions along an axis"));
            }
            // At most 2^28.
            taps.starts.push(taps.places.len() as u32);
        }
        Ok(taps)
    }

    /// One position of the input, or zero, for each position of the output.
    ///
    /// # Errors
    /// As [`Taps::new`].
    pub fn picked(inputs: usize, places: impl IntoIterator<Item = Option<usize>>) -> Result<Self, String> {
        Self::new(inputs, places.into_iter().map(|place| place.map(|place| (place, 1.0))))
    }

    /// Positions of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The numbers that it holds: where each position starts, and a place and a factor for each tap.
    pub fn numbers(&self) -> usize {
        self.starts.len() + self.places.len() + self.factors.len()
    }

    /// Positions of the output.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// What goes into a position of the output.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn row(&self, output: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let taps = self.starts[output] as usize..self.starts[output + 1] as usize;
        self.places[taps.clone()].iter().map(|&place| place as usize).zip(self.factors[taps].iter().copied())
    }

    /// The one input that each output is, or nothing where it is 0; `None` if an output is something else.
    pub fn picks(&self) -> Option<Vec<Option<usize>>> {
        (0..self.outputs())
            .map(|output| {
                let mut row = self.row(output);
                match (row.next(), row.next()) {
                    (None, _) => Some(None),
                    (Some((place, 1.0)), None) => Some(Some(place)),
                    _ => None,
                }
            })
            .collect()
    }

    /// The picks as a progression, if they are one.
    pub fn progression(&self) -> Option<Progression> {
        let picks = self.picks()?;
        let before = picks.iter().take_while(|pick| pick.is_none()).count();
        let taken: Vec<usize> = picks[before..].iter().map_while(|&pick| pick).collect();
        if picks[before + taken.len()..].iter().any(Option::is_some) {
            return None;
        }
        let first = taken.first().copied().unwrap_or(0);
        let step = match taken[..] {
            [a, b, ..] => b.checked_sub(a).filter(|&step| step > 0)?,
            _ => 1,
        };
        let even = taken.iter().enumerate().all(|(i, &place)| place == first + i * step);
        even.then_some(Progression { before, first, step, count: taken.len() })
    }
}

/// A map along the axes of a tensor, one axis after the other; `None` leaves an axis as it is.
///
/// Slice, Split, Gather with constant indices, Pad in any mode, Expand, Tile, interpolation to another size.
#[derive(Clone, Debug, PartialEq)]
pub struct Resample {
    /// One entry per axis of the sample.
    pub axes: Vec<Option<Arc<Taps>>>,
}

impl Resample {
    /// A map along one axis of `rank`.
    ///
    /// # Panics
    /// If there is no such axis.
    pub fn along(rank: usize, axis: usize, taps: Taps) -> Self {
        let mut axes = vec![None; rank];
        axes[axis] = Some(Arc::new(taps));
        Resample { axes }
    }

    /// Whether every channel is one of the input's, in place.
    pub(crate) fn moves_channels_only(&self) -> bool {
        let [Some(taps), others @ ..] = &self.axes[..] else { return false };
        let whole = |pick: &Option<usize>| pick.is_some();
        others.iter().all(Option::is_none) && taps.picks().is_some_and(|picks| picks.iter().all(whole))
    }

    pub(super) fn output_shape(&self, input: &Shape) -> Result<Shape, String> {
        if self.axes.len() != input.rank() {
            return Err(format!("maps along {} axes for shape {input}", self.axes.len()));
        }
        let mut extents = input.extents().to_vec();
        for (extent, taps) in extents.iter_mut().zip(&self.axes) {
            let Some(taps) = taps else { continue };
            if taps.inputs() != *extent {
                return Err(format!("a map of {} positions along an axis of {input}", taps.inputs()));
            }
            *extent = taps.outputs();
        }
        Shape::new(extents)
    }

    /// Calls `each(element of the input, factor)` for what goes into element `target` of the output.
    pub(crate) fn row(&self, input: &Shape, output: &Shape, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let (ins, outs) = (input.strides(), output.strides());
        self.walk(0, [&ins, &outs], target, 0, 1.0, each);
    }

    fn walk(
        &self,
        axis: usize,
        strides: [&[usize]; 2],
        rest: usize,
        element: usize,
        factor: f64,
        each: &mut dyn FnMut(usize, f64),
    ) {
        let Some(taps) = self.axes.get(axis) else {
            return each(element, factor);
        };
        let (at, rest) = (rest / strides[1][axis], rest % strides[1][axis]);
        let mut along = |place: usize, tap: f64| {
            self.walk(axis + 1, strides, rest, element + place * strides[0][axis], factor * tap, each);
        };
        match taps {
            None => along(at, 1.0),
            Some(taps) => taps.row(at).for_each(|(place, tap)| along(place, f64::from(tap))),
        }
    }

    /// The output for one sample: axis by axis, each sum in the order of its taps.
    pub(crate) fn apply(&self, input: &Shape, x: &[f32]) -> Vec<f32> {
        let mut extents = input.extents().to_vec();
        let mut values = x.to_vec();
        for (axis, taps) in self.axes.iter().enumerate() {
            let Some(taps) = taps else { continue };
            let inner: usize = extents[axis + 1..].iter().product();
            let mut next = vec![0.0; values.len() / extents[axis] * taps.outputs()];
            let blocks = values.chunks_exact(extents[axis] * inner);
            for (block, out) in blocks.zip(next.chunks_exact_mut(taps.outputs() * inner)) {
                for (output, line) in out.chunks_exact_mut(inner).enumerate() {
                    for (place, factor) in taps.row(output) {
                        let from = &block[place * inner..(place + 1) * inner];
                        line.iter_mut().zip(from).for_each(|(y, x)| *y += factor * x);
                    }
                }
            }
            extents[axis] = taps.outputs();
            values = next;
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progression(places: &[Option<usize>]) -> Option<Progression> {
        Taps::picked(9, places.iter().copied()).unwrap().progression()
    }

    #[test]
    fn places_at_equal_distances_between_zeros_are_a_progression() {
        let found = progression(&[None, Some(2), Some(5), Some(8), None, None]).unwrap();
        assert_eq!(found, Progression { before: 1, first: 2, step: 3, count: 3 });
        assert_eq!(progression(&[Some(4)]).unwrap().step, 1);
        assert_eq!(progression(&[None]).unwrap().count, 0);
        for other in [&[Some(3), Some(2)][..], &[Some(1), Some(1)], &[Some(0), None, Some(2)]] {
            assert_eq!(progression(other), None);
        }
        assert_eq!(Taps::new(3, [vec![(1, 0.5)]]).unwrap().picks(), None);
    }

    #[test]
    fn places_outside_and_factors_that_are_not_finite_are_refused() {
        assert!(Taps::picked(3, [Some(3)]).is_err());
        assert!(Taps::new(3, [vec![(0, f32::NAN)]]).is_err());
    }

    #[test]
    fn rows_and_values_agree() {
        let input = Shape::new([2, 3]).unwrap();
        let taps = Taps::new(3, [vec![(2, 1.0)], vec![], vec![(0, 0.25), (1, 0.5)]]).unwrap();
        let twice = Taps::picked(2, [Some(1), Some(0), Some(1)]).unwrap();
        let map = Resample { axes: vec![Some(Arc::new(twice)), Some(Arc::new(taps))] };
        let output = map.output_shape(&input).unwrap();
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let y = map.apply(&input, &x);
        assert_eq!(y, [6.0, 0.0, 3.5, 3.0, 0.0, 1.25, 6.0, 0.0, 3.5]);
        for (target, y) in y.iter().enumerate() {
            let mut sum = 0.0;
            map.row(&input, &output, target, &mut |e, factor| sum += f64::from(x[e]) * factor);
            assert_eq!(sum, f64::from(*y));
        }
    }
}
