//! What Slice takes along an axis, and where Pad takes its borders from.

use super::attributes::Attributes;
use super::axes::{axes, axis};
use super::tensor::Tensor;

/// Positions `first`, `first + step`, … along an axis, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) step: isize,
    pub(super) count: usize,
}

impl Span {
    pub(super) fn all(extent: usize) -> Self {
        Span { first: 0, step: 1, count: extent }
    }

    /// The position of a number below `count`.
    pub(super) fn place(self, number: usize) -> usize {
        // On the axis, and so is every product on the way to it.
        self.first.wrapping_add_signed(self.step.wrapping_mul(number.cast_signed()))
    }

    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..self.count).scan(self.first, move |place, _| {
            let here = *place;
            *place = place.wrapping_add_signed(self.step);
            Some(here)
        })
    }

    /// Start, end and step as ONNX states them: negative places count from the end, everything is clamped.
    fn of(start: i64, end: i64, step: i64, extent: usize) -> Result<Self, String> {
        let n = i64::try_from(extent).map_err(|_| format!("an axis of {extent}"))?;
        let from_end = |place: i64| if place < 0 { place.saturating_add(n) } else { place };
        let (start, end) = (from_end(start), from_end(end));
        let (first, room) = match step {
            0 => return Err("a step of 0".into()),
            1.. => {
                let first = start.clamp(0, n);
                (first, end.clamp(0, n) - first)
            }
            _ => {
                let first = start.clamp(-1, n - 1);
                (first, first - end.clamp(-1, n - 1))
            }
        };
        let distance = step.unsigned_abs();
        let count = if room > 0 { room.unsigned_abs().div_ceil(distance) } else { 0 };
        // A step beyond the axis takes the first place only.
        let step = step.clamp(-n.max(1), n.max(1));
        let whole = |n: i64| usize::try_from(n).map_err(|_| format!("place {n} of an axis"));
        Ok(Span {
            first: if count == 0 { 0 } else { whole(first)? },
            step: isize::try_from(step).map_err(|_| format!("a step of {step}"))?,
            count: usize::try_from(count).map_err(|_| format!("{count} places of an axis"))?,
        })
    }
}

/// What a Slice takes of each axis.
pub(super) fn spans(
    extents: &[usize],
    inputs: &[Option<&Tensor>],
    attributes: Attributes<'_>,
    opset: i64,
) -> Result<Vec<Span>, String> {
    let list = |place: usize, name: &str| -> Result<Option<Vec<i64>>, String> {
        if opset < 10 {
            Ok(attributes.ints(name)?.map(<[i64]>::to_vec))
        } else {
            axes(attributes, inputs, "", place)
        }
    };
    let starts = list(1, "starts")?.ok_or("its starts are missing")?;
    let ends = list(2, "ends")?.ok_or("its ends are missing")?;
    let along = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = if opset < 10 { None } else { list(4, "steps")? }.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), along.len(), steps.len()] != [starts.len(); 3] {
        return Err("its starts, ends, axes and steps differ in number".into());
    }
    let mut spans: Vec<Span> = extents.iter().map(|&extent| Span::all(extent)).collect();
    for i in 0..starts.len() {
        let axis = axis(along[i], extents.len())?;
        spans[axis] = Span::of(starts[i], ends[i], steps[i], extents[axis])?;
    }
    Ok(spans)
}

/// The longest axis that is padded by other than zeros: its places are listed.
const LONGEST: i64 = 1 << 22;

/// Where Pad takes the values along an axis from, in one of its modes: a place, or nothing.
pub(super) fn border(
    mode: &str,
    extent: usize,
    before: i64,
    after: i64,
) -> Result<Vec<Option<usize>>, String> {
    let n = i64::try_from(extent).map_err(|_| format!("an axis of {extent}"))?;
    let size = n.checked_add(before).and_then(|n| n.checked_add(after)).unwrap_or(-1);
    if size <= 0 || size > LONGEST {
        return Err(format!(
            "it pads an axis of {extent} by {before} and {after}; allowed are axes of 1 to {LONGEST}"
        ));
    }
    let place = |out: i64| {
        let at = out - before;
        let at = match mode {
            "constant" => at,
            "edge" => at.clamp(0, n - 1),
            "wrap" => at.rem_euclid(n),
            // A reflection does not repeat the border.
            _ if n == 1 => 0,
            _ => {
                let at = at.rem_euclid(2 * (n - 1));
                at.min(2 * (n - 1) - at)
            }
        };
        usize::try_from(at).ok().filter(|&at| at < extent)
    };
    Ok((0..size).map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_a_list_of_places() {
        // Python's own rule, by hand: list(range(n))[start:end:step].
        for (start, end, step, expected) in [
            (0, i64::MAX, 1, &[0, 1, 2, 3, 4][..]),
            (1, -1, 2, &[1, 3]),
            (-2, i64::MAX, 1, &[3, 4]),
            (i64::MIN, 2, 1, &[0, 1]),
            (-1, i64::MIN, -1, &[4, 3, 2, 1, 0]),
            (3, 0, -2, &[3, 1]),
            (9, -9, -4, &[4, 0]),
            (2, 2, 1, &[]),
            (4, 1, 1, &[]),
            (0, 5, i64::MAX, &[0]),
            (4, i64::MIN, i64::MIN, &[4]),
        ] {
            let span = Span::of(start, end, step, 5).unwrap();
            assert_eq!(span.places().collect::<Vec<_>>(), expected, "{start}:{end}:{step}");
        }
        assert!(Span::of(0, 5, 0, 5).is_err());
    }

    #[test]
    fn borders_are_those_that_numpy_makes() {
        let places = |mode, before, after| -> Vec<i64> {
            let found = border(mode, 3, before, after).unwrap();
            found.into_iter().map(|place| place.map_or(-1, |place| place as i64)).collect()
        };
        assert_eq!(places("constant", 1, 2), [-1, 0, 1, 2, -1, -1]);
        assert_eq!(places("edge", 2, 1), [0, 0, 0, 1, 2, 2]);
        assert_eq!(places("reflect", 2, 2), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(places("wrap", 1, 2), [2, 0, 1, 2, 0, 1]);
        assert_eq!(places("constant", -1, 1), [1, 2, -1]);
        assert!(border("edge", 3, -2, -1).is_err());
    }
}
