//! Operators on constants, evaluated while the graph is read: shape arithmetic and prepared weights.

use super::attributes::Attributes;
use super::axes::{axes, axis};
use super::broadcast::{Axis, binary, broadcast, gathered, spread, strides};
use super::budget::Budget;
use super::numbers::arithmetic;
use super::span::{Span, spans};
use super::tensor::{BATCH, Numbers, Tensor, count};
use crate::ann::Csr;

/// The constant that an operator makes of constants, or `None` if it is not one that is evaluated.
///
/// What only views its input otherwise shares the input's numbers; everything else is counted in the budget before it is
/// made, and costs no more time than what is counted.
pub(super) fn fold(
    op: &str,
    attributes: Attributes<'_>,
    inputs: &[Option<&Tensor>],
    opset: i64,
    budget: &mut Budget,
) -> Option<Result<Tensor, String>> {
    Some(match op {
        "Constant" => attributes.constant(),
        "Identity" | "Dropout" => input(inputs, 0).cloned(),
        "Cast" => input(inputs, 0).and_then(|x| cast(x, attributes.int("to")?.unwrap_or(0), budget)),
        "Reshape" => input(inputs, 0).and_then(|x| {
            let target = input(inputs, 1)?.list()?;
            reshape(x, target, attributes.int("allowzero")?.unwrap_or(0) != 0)
        }),
        "Flatten" => input(inputs, 0).and_then(|x| {
            let axis = axis(attributes.int("axis")?.unwrap_or(1), x.extents.len() + 1)?;
            let outer = count(&x.extents[..axis])?;
            Tensor::new(vec![outer, count(&x.extents[axis..])?], x.numbers.clone())
        }),
        "Squeeze" => input(inputs, 0).and_then(|x| squeeze(x, axes(attributes, inputs, "axes", 1)?)),
        "Unsqueeze" => input(inputs, 0).and_then(|x| unsqueeze(x, axes(attributes, inputs, "axes", 1)?)),
        "Transpose" => input(inputs, 0).and_then(|x| transpose(x, attributes.ints("perm")?, budget)),
        "Concat" => concat(inputs, attributes, budget),
        "Gather" => input(inputs, 0).and_then(|x| gather(x, input(inputs, 1)?, attributes, budget)),
        "Slice" => input(inputs, 0).and_then(|x| slice(x, inputs, attributes, opset, budget)),
        "Shape" => input(inputs, 0).and_then(|x| {
            let extents = x.extents.iter().map(|&e| e as i64).collect::<Vec<_>>();
            shape_of(&extents, attributes)
        }),
        "ConstantOfShape" => input(inputs, 0).and_then(|x| constant_of_shape(x, attributes, budget)),
        "Expand" => input(inputs, 0).and_then(|x| {
            let target = extents(input(inputs, 1)?.list()?)?;
            let shape = broadcast(&x.extents, &target)?;
            budget.constant(&shape, x.numbers.width())?;
            spread(x, &shape)
        }),
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" => {
            input(inputs, 0).and_then(|a| binary(op, a, input(inputs, 1)?, budget))
        }
        "Neg" | "Sqrt" | "Floor" | "Ceil" | "Reciprocal" | "Abs" => {
            input(inputs, 0).and_then(|x| unary(op, x, budget))
        }
        _ => return arithmetic(op, attributes, inputs, opset, budget),
    })
}

fn input<'a>(inputs: &[Option<&'a Tensor>], index: usize) -> Result<&'a Tensor, String> {
    inputs.get(index).copied().flatten().ok_or_else(|| format!("its input {index} is missing"))
}

fn extents(integers: &[i64]) -> Result<Vec<usize>, String> {
    integers
        .iter()
        .map(|&i| match i {
            BATCH => Err("a constant depends on the size of the batch".to_owned()),
            _ => usize::try_from(i).map_err(|_| format!("{i} as an extent")),
        })
        .collect()
}

fn cast(x: &Tensor, to: i64, budget: &mut Budget) -> Result<Tensor, String> {
    if !matches!(x.numbers, Numbers::Listed(_)) {
        budget.constant(&x.extents, size_of::<i64>())?;
    }
    let numbers = match (to, &x.numbers) {
        (1 | 10 | 11 | 16, Numbers::Listed(csr)) => Numbers::Listed(csr.clone()),
        (1 | 10 | 11 | 16, _) => Numbers::Floats(x.floats()?),
        (9, Numbers::Integers(i)) => Numbers::Integers(i.iter().map(|&i| i64::from(i != 0)).collect()),
        (2..=7 | 12 | 13, Numbers::Integers(i)) => Numbers::Integers(i.clone()),
        (2..=7 | 12 | 13, Numbers::Floats(f)) => {
            if let Some(bad) = f.iter().find(|x| x.is_nan() || x.abs() >= 9.2e18) {
                return Err(format!("{bad} cannot become an integer"));
            }
            Numbers::Integers(f.iter().map(|&x| x as i64).collect())
        }
        _ => return Err(format!("a cast of constants to type {to} is not supported")),
    };
    Tensor::new(x.extents.clone(), numbers)
}

fn reshape(x: &Tensor, target: &[i64], allow_zero: bool) -> Result<Tensor, String> {
    let elements = x.numbers.len();
    let mut extents = Vec::with_capacity(target.len());
    let mut free = None;
    for (i, &t) in target.iter().enumerate() {
        extents.push(match t {
            BATCH => return Err("a constant is shaped by the size of the batch".into()),
            0 if !allow_zero => *x.extents.get(i).ok_or("an extent of 0 beyond the axes")?,
            -1 if free.is_none() => {
                free = Some(i);
                1
            }
            _ => usize::try_from(t).map_err(|_| format!("{target:?} as a shape"))?,
        });
    }
    if let Some(free) = free {
        let rest = count(&extents)?;
        if rest == 0 || !elements.is_multiple_of(rest) {
            return Err(format!("{elements} numbers cannot take the shape {target:?}"));
        }
        extents[free] = elements / rest;
    }
    Tensor::new(extents, x.numbers.clone())
}

fn squeeze(x: &Tensor, axes: Option<Vec<i64>>) -> Result<Tensor, String> {
    let dropped = match axes {
        Some(axes) => axes.iter().map(|&a| axis(a, x.extents.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..x.extents.len()).filter(|&i| x.extents[i] == 1).collect(),
    };
    if let Some(&bad) = dropped.iter().find(|&&i| x.extents[i] != 1) {
        return Err(format!("axis {bad} has the extent {}, not 1", x.extents[bad]));
    }
    let kept = (0..x.extents.len()).filter(|i| !dropped.contains(i)).map(|i| x.extents[i]);
    Tensor::new(kept.collect(), x.numbers.clone())
}

fn unsqueeze(x: &Tensor, axes: Option<Vec<i64>>) -> Result<Tensor, String> {
    let extents = unsqueezed(&x.extents, &axes.ok_or("its axes are missing")?)?;
    Tensor::new(extents, x.numbers.clone())
}

/// Extents with axes of 1 put in.
pub(super) fn unsqueezed(extents: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = extents.len() + axes.len();
    let new = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = extents.iter().copied();
    let result: Vec<usize> =
        (0..rank).filter_map(|i| if new.contains(&i) { Some(1) } else { rest.next() }).collect();
    if result.len() != rank || rest.next().is_some() {
        return Err(format!("the axes {axes:?} are not distinct"));
    }
    Ok(result)
}

fn transpose(x: &Tensor, perm: Option<&[i64]>, budget: &mut Budget) -> Result<Tensor, String> {
    let rank = x.extents.len();
    if perm.is_some_and(|perm| perm.len() != rank) {
        return Err(format!("a permutation of {} axes for {rank}", perm.unwrap_or_default().len()));
    }
    let perm = match perm {
        Some(perm) => perm.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!("{perm:?} does not permute {rank} axes"));
    }
    let extents: Vec<_> = perm.iter().map(|&a| x.extents[a]).collect();
    if let Numbers::Listed(csr) = &x.numbers {
        if perm == [0, 1] {
            return Ok(x.clone());
        }
        return Ok(Tensor { extents, numbers: Numbers::Listed(turned(csr, budget)?.into()) });
    }
    budget.constant(&x.extents, x.numbers.width())?;
    let strides = strides(&x.extents);
    let axes: Vec<_> =
        perm.iter().map(|&a| Axis::Span { span: Span::all(x.extents[a]), step: strides[a] }).collect();
    Ok(Tensor { extents, numbers: gathered(&x.numbers, &axes) })
}

/// A sparse matrix with its axes exchanged.
pub(super) fn turned(csr: &Csr, budget: &mut Budget) -> Result<Csr, String> {
    // A number and a column for each that is listed, two starts for each row to be.
    budget.constant(&[csr.values().len() + 2 * (csr.inputs() + 1)], size_of::<u64>())?;
    Ok(csr.transposed())
}

fn concat(
    inputs: &[Option<&Tensor>],
    attributes: Attributes<'_>,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    let parts = (0..inputs.len()).map(|i| input(inputs, i)).collect::<Result<Vec<_>, _>>()?;
    let first = *parts.first().ok_or("nothing to concatenate")?;
    let axis = axis(attributes.int("axis")?.ok_or("its axis is missing")?, first.extents.len())?;
    let mut extents = first.extents.clone();
    for part in &parts[1..] {
        let fits = part.extents.len() == extents.len()
            && (0..extents.len()).all(|i| i == axis || part.extents[i] == extents[i]);
        if !fits {
            return Err(format!("cannot join constants of shapes {extents:?} and {:?}", part.extents));
        }
        extents[axis] = extents[axis].checked_add(part.extents[axis]).ok_or("its extent is too large")?;
    }
    // Floats beside integers are made of these first.
    budget.constant(&extents, 2 * size_of::<i64>())?;
    let outer = count(&extents[..axis])?;
    let inner = |t: &Tensor| t.numbers.len() / outer.max(1);
    fn join<T: Copy>(outer: usize, parts: &[(&[T], usize)]) -> Vec<T> {
        let mut joined = Vec::with_capacity(outer * parts.iter().map(|(_, length)| length).sum::<usize>());
        for block in 0..outer {
            for (numbers, length) in parts {
                joined.extend_from_slice(&numbers[block * length..(block + 1) * length]);
            }
        }
        joined
    }
    let numbers = if parts.iter().all(|p| matches!(p.numbers, Numbers::Integers(_))) {
        let parts =
            parts.iter().map(|p| Ok((p.as_integers()?, inner(p)))).collect::<Result<Vec<_>, String>>()?;
        Numbers::Integers(join(outer, &parts).into())
    } else {
        let floats = parts.iter().map(|p| p.floats()).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<_> = floats.iter().zip(&parts).map(|(f, p)| (&f[..], inner(p))).collect();
        Numbers::Floats(join(outer, &parts).into())
    };
    Tensor::new(extents, numbers)
}

fn gather(
    x: &Tensor,
    indices: &Tensor,
    attributes: Attributes<'_>,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    let axis = axis(attributes.int("axis")?.unwrap_or(0), x.extents.len())?;
    let mut extents = x.extents.clone();
    extents.splice(axis..=axis, indices.extents.iter().copied());
    // The places that are gathered are listed first.
    budget.constant(&extents, x.numbers.width() + size_of::<usize>())?;
    let places = indices
        .as_integers()?
        .iter()
        .map(|&i| self::axis(i, x.extents[axis]).map_err(|_| format!("index {i} of {}", x.extents[axis])))
        .collect::<Result<Vec<_>, _>>()?;
    let strides = strides(&x.extents);
    let mut axes = every(&x.extents, &strides);
    axes[axis] = Axis::Some { places: &places, step: strides[axis] };
    Tensor::new(extents, gathered(&x.numbers, &axes))
}

/// All places of all axes.
fn every<'a>(extents: &[usize], strides: &[usize]) -> Vec<Axis<'a>> {
    extents.iter().zip(strides).map(|(&extent, &step)| Axis::Span { span: Span::all(extent), step }).collect()
}

fn slice(
    x: &Tensor,
    inputs: &[Option<&Tensor>],
    attributes: Attributes<'_>,
    opset: i64,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    let spans = spans(&x.extents, inputs, attributes, opset)?;
    let extents: Vec<usize> = spans.iter().map(|span| span.count).collect();
    budget.constant(&extents, x.numbers.width())?;
    let axes: Vec<_> =
        spans.iter().zip(strides(&x.extents)).map(|(&span, step)| Axis::Span { span, step }).collect();
    Tensor::new(extents, gathered(&x.numbers, &axes))
}

/// The result of the operator Shape for the given extents, batch included.
pub(super) fn shape_of(extents: &[i64], attributes: Attributes<'_>) -> Result<Tensor, String> {
    let rank = extents.len() as i64;
    let bound = |name: &str, default: i64| -> Result<usize, String> {
        let place = attributes.int(name)?.unwrap_or(default);
        let place = if place < 0 { place.saturating_add(rank) } else { place };
        Ok(place.clamp(0, rank) as usize)
    };
    let (start, end) = (bound("start", 0)?, bound("end", rank)?);
    Ok(Tensor::integers(extents.get(start..end).unwrap_or(&[]).to_vec()))
}

fn constant_of_shape(x: &Tensor, attributes: Attributes<'_>, budget: &mut Budget) -> Result<Tensor, String> {
    let extents = extents(x.list()?)?;
    let value = attributes.tensor("value")?.map_or(Numbers::Floats([0.0].into()), |t| t.numbers);
    if value.len() != 1 {
        return Err("its value is not one number".into());
    }
    budget.constant(&extents, value.width())?;
    let elements = count(&extents)?;
    Tensor::new(extents, value.pick(elements, std::iter::repeat_n(0, elements)))
}

fn unary(op: &str, x: &Tensor, budget: &mut Budget) -> Result<Tensor, String> {
    budget.constant(&x.extents, x.numbers.width())?;
    if let Numbers::Integers(i) = &x.numbers {
        if i.contains(&BATCH) {
            return Err("it computes with the size of the batch".into());
        }
        let numbers = match op {
            "Neg" => i.iter().map(|i| i.checked_neg()).collect::<Option<Vec<_>>>(),
            "Abs" => i.iter().map(|i| i.checked_abs()).collect(),
            _ => None,
        };
        let numbers = numbers.ok_or_else(|| format!("{op} of integers is not supported"))?;
        return Tensor::new(x.extents.clone(), Numbers::Integers(numbers.into()));
    }
    let f: fn(f32) -> f32 = match op {
        "Neg" => |x| -x,
        "Sqrt" => f32::sqrt,
        "Floor" => f32::floor,
        "Ceil" => f32::ceil,
        "Reciprocal" => |x| 1.0 / x,
        "Abs" => f32::abs,
        _ => unreachable!("{op} is not listed"),
    };
    Tensor::new(x.extents.clone(), Numbers::Floats(x.floats()?.iter().map(|&x| f(x)).collect()))
}
