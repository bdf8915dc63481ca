//! Operators on constants, evaluated while the graph is read: shape arithmetic and prepared weights.

use super::operator::Attributes;
use super::span::spans;
use super::tensor::{BATCH, Numbers, Tensor, count};
use crate::ann::Shape;
use crate::forward::transposed;

/// The most numbers that an operator may make out of fewer.
const GROWTH: usize = 1 << 22;

/// The constant that an operator makes of constants, or `None` if it is not one that is evaluated.
pub(super) fn fold(
    op: &str,
    attributes: Attributes<'_>,
    inputs: &[Option<&Tensor>],
    opset: i64,
) -> Option<Result<Tensor, String>> {
    Some(match op {
        "Constant" => attributes.constant(),
        "Identity" | "Dropout" => input(inputs, 0).cloned(),
        "Cast" => input(inputs, 0).and_then(|x| cast(x, attributes.int("to")?.unwrap_or(0))),
        "Reshape" => input(inputs, 0).and_then(|x| {
            let target = input(inputs, 1)?.as_integers()?;
            reshape(x, target, attributes.int("allowzero")?.unwrap_or(0) != 0)
        }),
        "Flatten" => input(inputs, 0).and_then(|x| {
            let axis = axis(attributes.int("axis")?.unwrap_or(1), x.extents.len() + 1)?;
            let outer = count(&x.extents[..axis])?;
            Tensor::new(vec![outer, count(&x.extents[axis..])?], x.numbers.clone())
        }),
        "Squeeze" => input(inputs, 0).and_then(|x| squeeze(x, axes(attributes, inputs, "axes", 1)?)),
        "Unsqueeze" => input(inputs, 0).and_then(|x| unsqueeze(x, axes(attributes, inputs, "axes", 1)?)),
        "Transpose" => input(inputs, 0).and_then(|x| transpose(x, attributes.ints("perm")?)),
        "Concat" => concat(inputs, attributes),
        "Gather" => input(inputs, 0).and_then(|x| gather(x, input(inputs, 1)?, attributes)),
        "Slice" => input(inputs, 0).and_then(|x| slice(x, inputs, attributes, opset)),
        "Shape" => input(inputs, 0).and_then(|x| {
            let extents = x.extents.iter().map(|&e| e as i64).collect::<Vec<_>>();
            shape_of(&extents, attributes)
        }),
        "ConstantOfShape" => input(inputs, 0).and_then(|x| constant_of_shape(x, attributes)),
        "Expand" => input(inputs, 0).and_then(|x| {
            let target = extents(input(inputs, 1)?.as_integers()?)?;
            let shape = broadcast(&x.extents, &target)?;
            spread(x, &shape)
        }),
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" => {
            input(inputs, 0).and_then(|a| binary(op, a, input(inputs, 1)?))
        }
        "Neg" | "Sqrt" | "Floor" | "Ceil" | "Reciprocal" | "Abs" => {
            input(inputs, 0).and_then(|x| unary(op, x))
        }
        _ => return None,
    })
}

fn input<'a>(inputs: &[Option<&'a Tensor>], index: usize) -> Result<&'a Tensor, String> {
    inputs.get(index).copied().flatten().ok_or_else(|| format!("its input {index} is missing"))
}

/// An axis as ONNX states it, from `−rank` to `rank − 1`, as a place.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let rank_i = i64::try_from(rank).map_err(|_| "too many axes")?;
    let place = if axis < 0 { axis.checked_add(rank_i) } else { Some(axis) };
    place
        .filter(|&a| (0..rank_i).contains(&a))
        .and_then(|a| usize::try_from(a).ok())
        .ok_or_else(|| format!("axis {axis} of {rank} axes"))
}

/// The axes that stand in an attribute in older operator sets and in an input in newer ones.
pub(super) fn axes(
    attributes: Attributes<'_>,
    inputs: &[Option<&Tensor>],
    name: &str,
    place: usize,
) -> Result<Option<Vec<i64>>, String> {
    match inputs.get(place).copied().flatten() {
        Some(axes) => Ok(Some(axes.as_integers()?.to_vec())),
        None => Ok(attributes.ints(name)?.map(<[i64]>::to_vec)),
    }
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

fn cast(x: &Tensor, to: i64) -> Result<Tensor, String> {
    let numbers = match (to, &x.numbers) {
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

fn transpose(x: &Tensor, perm: Option<&[i64]>) -> Result<Tensor, String> {
    let rank = x.extents.len();
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
    if x.numbers.len() == 0 {
        return Tensor::new(extents, x.numbers.clone());
    }
    let order = transposed(&perm, &Shape::new(x.extents.clone())?);
    Tensor::new(extents, x.numbers.pick(order.into_iter()))
}

fn concat(inputs: &[Option<&Tensor>], attributes: Attributes<'_>) -> Result<Tensor, String> {
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
        extents[axis] += part.extents[axis];
    }
    let outer = count(&extents[..axis])?;
    let inner = |t: &Tensor| t.numbers.len() / outer.max(1);
    fn join<T: Copy>(outer: usize, parts: &[(&[T], usize)]) -> Vec<T> {
        let mut joined = Vec::new();
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
        Numbers::Integers(join(outer, &parts))
    } else {
        let floats = parts.iter().map(|p| p.floats()).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<_> = floats.iter().zip(&parts).map(|(f, p)| (&f[..], inner(p))).collect();
        Numbers::Floats(join(outer, &parts).into())
    };
    Tensor::new(extents, numbers)
}

/// The elements at the given places along each axis.
fn pick(x: &Tensor, places: &[Vec<usize>]) -> Result<Tensor, String> {
    let extents: Vec<_> = places.iter().map(Vec::len).collect();
    if count(&extents)? > GROWTH.max(x.numbers.len()) {
        return Err(format!("a constant of shape {extents:?} is too large"));
    }
    let mut strides = vec![1; x.extents.len()];
    for i in (1..x.extents.len()).rev() {
        strides[i - 1] = strides[i] * x.extents[i];
    }
    let mut order = vec![0usize];
    for (places, stride) in places.iter().zip(strides) {
        order = order.iter().flat_map(|&base| places.iter().map(move |p| base + p * stride)).collect();
    }
    Tensor::new(extents, x.numbers.pick(order.into_iter()))
}

fn gather(x: &Tensor, indices: &Tensor, attributes: Attributes<'_>) -> Result<Tensor, String> {
    let axis = axis(attributes.int("axis")?.unwrap_or(0), x.extents.len())?;
    let chosen = indices
        .as_integers()?
        .iter()
        .map(|&i| self::axis(i, x.extents[axis]).map_err(|_| format!("index {i} of {}", x.extents[axis])))
        .collect::<Result<Vec<_>, _>>()?;
    let mut places: Vec<Vec<usize>> = x.extents.iter().map(|&e| (0..e).collect()).collect();
    places[axis] = chosen;
    let picked = pick(x, &places)?;
    let mut extents = picked.extents;
    extents.splice(axis..=axis, indices.extents.iter().copied());
    Tensor::new(extents, picked.numbers)
}

fn slice(
    x: &Tensor,
    inputs: &[Option<&Tensor>],
    attributes: Attributes<'_>,
    opset: i64,
) -> Result<Tensor, String> {
    let places: Vec<Vec<usize>> = spans(&x.extents, inputs, attributes, opset)?
        .into_iter()
        .map(|span| span.places().collect())
        .collect();
    pick(x, &places)
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

fn constant_of_shape(x: &Tensor, attributes: Attributes<'_>) -> Result<Tensor, String> {
    let extents = extents(x.as_integers()?)?;
    let elements = count(&extents)?;
    if elements > GROWTH {
        return Err(format!("a constant of shape {extents:?} is too large"));
    }
    let value = attributes.tensor("value")?.map_or(Numbers::Floats([0.0].into()), |t| t.numbers);
    if value.len() != 1 {
        return Err("its value is not one number".into());
    }
    Tensor::new(extents, value.pick(std::iter::repeat_n(0, elements)))
}

/// The shape that two shapes broadcast to.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
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
    if count(&shape)? > GROWTH.max(a.iter().product()).max(b.iter().product()) {
        return Err(format!("a constant of shape {shape:?} is too large"));
    }
    Ok(shape)
}

/// A tensor repeated along its axes of 1 (and new leading axes) up to `shape`.
pub(super) fn spread(x: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    let missing = shape.len() - x.extents.len();
    let mut order = vec![0usize];
    let mut stride = x.numbers.len();
    for (i, &extent) in shape.iter().enumerate() {
        let own = if i < missing { 1 } else { x.extents[i - missing] };
        stride /= own.max(1);
        let step = if own == extent { stride } else { 0 };
        order = order.iter().flat_map(|&base| (0..extent).map(move |p| base + p * step)).collect();
    }
    Tensor::new(shape.to_vec(), x.numbers.pick(order.into_iter()))
}

fn binary(op: &str, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    let shape = broadcast(&a.extents, &b.extents)?;
    let (a, b) = (spread(a, &shape)?, spread(b, &shape)?);
    if let (Numbers::Integers(x), Numbers::Integers(y)) = (&a.numbers, &b.numbers) {
        let numbers = x
            .iter()
            .zip(y)
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

fn unary(op: &str, x: &Tensor) -> Result<Tensor, String> {
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
        return Tensor::new(x.extents.clone(), Numbers::Integers(numbers));
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
