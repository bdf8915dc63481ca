//! Constants taken along axes, repeated along them, and combined with one another.

use super::budget::Budget;
use super::span::Span;
use super::tensor::{BATCH, Numbers, Tensor};

/// Which places along one axis of a constant are taken, and how far apart these lie among its numbers.
pub(super) enum Axis<'a> {
    /// Those of a span; a `step` of 0 repeats the first.
    Span { span: Span, step: usize },
    /// The given places.
    Some { places: &'a [usize], step: usize },
}

impl Axis<'_> {
    pub(super) fn extent(&self) -> usize {
        match self {
            Axis::Span { span, .. } => span.count,
            Axis::Some { places, .. } => places.len(),
        }
    }

    fn offset(&self, place: usize) -> usize {
        match self {
            Axis::Span { span, step } => span.place(place) * step,
            Axis::Some { places, step } => places[place] * step,
        }
    }
}

/// How far apart neighbours along each axis lie; of an empty tensor any numbers.
pub(super) fn strides(extents: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; extents.len()];
    for i in (1..extents.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(extents[i]);
    }
    strides
}

/// The numbers at the places of all axes, the last running fastest. O(result), which must have been counted.
pub(super) fn gathered(numbers: &Numbers, axes: &[Axis<'_>]) -> Numbers {
    let (last, outer) = match axes.split_last() {
        Some((last, outer)) => (last, outer),
        None => return numbers.pick(1, std::iter::once(0)),
    };
    if axes.iter().any(|axis| axis.extent() == 0) {
        return numbers.pick(0, std::iter::empty());
    }
    let count = axes.iter().map(Axis::extent).product();
    let mut index = vec![0usize; outer.len()];
    let mut base = Some(outer.iter().map(|axis| axis.offset(0)).sum::<usize>());
    let rows = std::iter::from_fn(move || {
        let row = base?;
        base = None;
        for (axis, place) in outer.iter().zip(&mut index).rev() {
            *place = (*place + 1) % axis.extent();
            if *place > 0 {
                base = Some(0);
                break;
            }
        }
        base = base.map(|_| outer.iter().zip(&index).map(|(axis, &place)| axis.offset(place)).sum());
        Some(row)
    });
    let places = rows.flat_map(|row| (0..last.extent()).map(move |place| row + last.offset(place)));
    numbers.pick(count, places)
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| {
        if i + s.len() < rank { 1 } else { s[i + s.len() - rank] }
    };
    let shape = (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("constants of shapes {a:?} and {b:?} do not match")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(shape)
}

/// A tensor repeated along its axes of 1 (and new leading axes) up to `shape`, to which it broadcasts. O(shape), which must
/// have been counted.
pub(super) fn spread(x: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    if x.extents == shape {
        return Ok(x.clone());
    }
    let missing = shape.len() - x.extents.len();
    let strides = strides(&x.extents);
    let axis = |(i, &extent): (usize, &usize)| {
        let repeated = i < missing || x.extents[i - missing] != extent;
        Axis::Span { span: Span::all(extent), step: if repeated { 0 } else { strides[i - missing] } }
    };
    let axes: Vec<_> = shape.iter().enumerate().map(axis).collect();
    Tensor::new(shape.to_vec(), gathered(&x.numbers, &axes))
}

/// The product of two constants that broadcast.
pub(super) fn product(a: &Tensor, b: &Tensor, budget: &mut Budget) -> Result<Tensor, String> {
    binary("Mul", a, b, budget)
}

/// Both repeated up to the shape that they broadcast to.
pub(super) fn spread_pair(a: &Tensor, b: &Tensor, budget: &mut Budget) -> Result<(Tensor, Tensor), String> {
    let shape = broadcast(&a.extents, &b.extents)?;
    // Both may be spread before, and integers made floats.
    budget.constant(&shape, a.numbers.width() + b.numbers.width())?;
    Ok((spread(a, &shape)?, spread(b, &shape)?))
}

pub(super) fn binary(op: &str, a: &Tensor, b: &Tensor, budget: &mut Budget) -> Result<Tensor, String> {
    let (a, b) = spread_pair(a, b, budget)?;
    let shape = a.extents.clone();
    if let (Numbers::Integers(x), Numbers::Integers(y)) = (&a.numbers, &b.numbers) {
        let numbers = x
            .iter()
            .zip(y.iter())
            .map(|(&x, &y)| {
                if x == BATCH || y == BATCH {
                    return Err("it computes with the size of the batch".to_owned());
                }
                let result = match op {
                    "Add" => x.checked_add(y),
                    "Sub" => x.checked_sub(y),
                    "Mul" => x.checked_mul(y),
                    "Div" => x.checked_div(y),
                    "Min" => Some(x.min(y)),
                    "Max" => Some(x.max(y)),
                    _ => None,
                };
                result.ok_or_else(|| format!("{op} of {x} and {y} is not an integer"))
            })
            .collect::<Result<_, _>>()?;
        return Tensor::new(shape, Numbers::Integers(numbers));
    }
    let (x, y) = (a.floats()?, b.floats()?);
    let f = |x: f32, y: f32| match op {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" => x / y,
        "Min" => x.min(y),
        "Max" => x.max(y),
        _ => unreachable!("{op} is not listed"),
    };
    Tensor::new(shape, Numbers::Floats(x.iter().zip(&y[..]).map(|(&x, &y)| f(x, y)).collect()))
}
