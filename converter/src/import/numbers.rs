//! Arithmetic on constants: masks, normalised and quantised weights.

use super::attributes::Attributes;
use super::axes::{axes, axis};
use super::broadcast::{binary, product, spread, spread_pair};
use super::budget::Budget;
use super::tensor::{Numbers, Tensor};

/// The constant that an arithmetic operator makes of constants, or `None` if it is not one that is evaluated.
pub(super) fn arithmetic(
    op: &str,
    attributes: Attributes<'_>,
    inputs: &[Option<&Tensor>],
    opset: i64,
    budget: &mut Budget,
) -> Option<Result<Tensor, String>> {
    let input = |place: usize| {
        inputs.get(place).copied().flatten().ok_or_else(|| format!("its input {place} is missing"))
    };
    Some(match op {
        "Sum" | "Mean" => sum(op, inputs, budget),
        "Sign" | "Round" | "Exp" | "Log" | "Sigmoid" | "Tanh" | "Relu" | "Not" => {
            input(0).and_then(|x| map(x, budget, |v| unary(op, v)))
        }
        "Clip" => input(0).and_then(|x| {
            let bound = |name: &str, place: usize| -> Result<Option<f64>, String> {
                if opset < 11 {
                    return Ok(attributes.float(name)?.map(f64::from));
                }
                Ok(inputs.get(place).copied().flatten().and_then(Tensor::scalar))
            };
            let low = bound("min", 1)?.unwrap_or(f64::NEG_INFINITY);
            let high = bound("max", 2)?.unwrap_or(f64::INFINITY);
            map(x, budget, |v| v.max(low).min(high))
        }),
        "Pow" => input(0).and_then(|a| pair(a, input(1)?, budget, f64::powf)),
        "Mod" => input(0).and_then(|a| {
            if attributes.flag("fmod")? {
                pair(a, input(1)?, budget, |x, y| x % y)
            } else {
                pair(a, input(1)?, budget, |x, y| x - (x / y).floor() * y)
            }
        }),
        "Greater" | "Less" | "Equal" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" => input(0)
            .and_then(|a| {
                let compared = pair(a, input(1)?, budget, |x, y| f64::from(u8::from(compare(op, x, y))))?;
                whole(&compared)
            }),
        "Where" => input(0).and_then(|mask| choice(mask, input(1)?, input(2)?, budget)),
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2" | "ReduceProd"
        | "ReduceSumSquare" => input(0).and_then(|x| {
            let along = axes(attributes, inputs, "axes", 1)?.filter(|list| !list.is_empty());
            if along.is_none() && attributes.flag("noop_with_empty_axes")? {
                return Ok(x.clone());
            }
            reduce(op, x, along, attributes.int("keepdims")?.unwrap_or(1) != 0, budget)
        }),
        "MatMul" => input(0).and_then(|a| matmul(a, input(1)?, budget)),
        "DequantizeLinear" => input(0)
            .and_then(|x| dequantised(x, input(1)?, inputs.get(2).copied().flatten(), attributes, budget)),
        _ => return None,
    })
}

fn sum(op: &str, inputs: &[Option<&Tensor>], budget: &mut Budget) -> Result<Tensor, String> {
    let mut terms = inputs.iter().flatten();
    let first = *terms.next().ok_or("its input 0 is missing")?;
    let total = terms.try_fold(first.clone(), |sum, term| binary("Add", &sum, term, budget))?;
    let count = inputs.iter().flatten().count() as f64;
    if op == "Mean" { map(&total, budget, |v| v / count) } else { Ok(total) }
}

fn unary(op: &str, x: f64) -> f64 {
    match op {
        "Sign" if x == 0.0 => 0.0,
        "Sign" => x.signum(),
        "Round" => x.round_ties_even(),
        "Exp" => x.exp(),
        "Log" => x.ln(),
        "Sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "Tanh" => x.tanh(),
        "Not" => f64::from(u8::from(x == 0.0)),
        _ => x.max(0.0),
    }
}

fn compare(op: &str, x: f64, y: f64) -> bool {
    match op {
        "Greater" => x > y,
        "Less" => x < y,
        "Equal" => x == y,
        "GreaterOrEqual" => x >= y,
        "LessOrEqual" => x <= y,
        "And" => x != 0.0 && y != 0.0,
        "Or" => x != 0.0 || y != 0.0,
        _ => (x != 0.0) != (y != 0.0),
    }
}

/// Every number by itself, in double precision and rounded once.
fn map(x: &Tensor, budget: &mut Budget, f: impl Fn(f64) -> f64) -> Result<Tensor, String> {
    budget.constant(&x.extents, 2 * size_of::<i64>())?;
    let numbers = x.floats()?.iter().map(|&v| f(f64::from(v)) as f32).collect();
    let made = Tensor::new(x.extents.clone(), Numbers::Floats(numbers))?;
    if matches!(x.numbers, Numbers::Integers(_)) { whole(&made) } else { Ok(made) }
}

/// Numbers that are whole as integers; others stay as they are.
fn whole(x: &Tensor) -> Result<Tensor, String> {
    let floats = x.floats()?;
    // Exact below 2^24.
    if floats.iter().all(|v| v.fract() == 0.0 && v.abs() < (1 << 24) as f32) {
        let integers = floats.iter().map(|&v| v as i64).collect();
        return Tensor::new(x.extents.clone(), Numbers::Integers(integers));
    }
    Ok(x.clone())
}

fn pair(a: &Tensor, b: &Tensor, budget: &mut Budget, f: impl Fn(f64, f64) -> f64) -> Result<Tensor, String> {
    let (a, b) = spread_pair(a, b, budget)?;
    budget.constant(&a.extents, 2 * size_of::<i64>())?;
    let (x, y) = (a.floats()?, b.floats()?);
    let numbers = x.iter().zip(&y[..]).map(|(&x, &y)| f(f64::from(x), f64::from(y)) as f32).collect();
    Tensor::new(a.extents.clone(), Numbers::Floats(numbers))
}

fn choice(mask: &Tensor, a: &Tensor, b: &Tensor, budget: &mut Budget) -> Result<Tensor, String> {
    let (wide, a) = spread_pair(mask, a, budget)?;
    let (wide, b) = spread_pair(&wide, b, budget)?;
    let (_, a) = spread_pair(&wide, &a, budget)?;
    let set: Vec<bool> = wide.floats()?.iter().map(|&m| m != 0.0).collect();
    if let (Numbers::Integers(x), Numbers::Integers(y)) = (&a.numbers, &b.numbers) {
        let numbers =
            set.iter().zip(x.iter().zip(y.iter())).map(|(&set, (&x, &y))| if set { x } else { y }).collect();
        return Tensor::new(wide.extents.clone(), Numbers::Integers(numbers));
    }
    let (x, y) = (a.floats()?, b.floats()?);
    let numbers =
        set.iter().zip(x.iter().zip(&y[..])).map(|(&set, (&x, &y))| if set { x } else { y }).collect();
    Tensor::new(wide.extents.clone(), Numbers::Floats(numbers))
}

fn reduce(
    op: &str,
    x: &Tensor,
    along: Option<Vec<i64>>,
    keep: bool,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    budget.constant(&x.extents, 4 * size_of::<i64>())?;
    let rank = x.extents.len();
    let mut reduced = vec![along.is_none(); rank];
    for stated in along.unwrap_or_default() {
        reduced[axis(stated, rank)?] = true;
    }
    let kept: Vec<usize> =
        x.extents.iter().zip(&reduced).map(|(&extent, &gone)| if gone { 1 } else { extent }).collect();
    let count = kept.iter().product::<usize>();
    let members = x.numbers.len() / count.max(1);
    let start = match op {
        "ReduceProd" => 1.0,
        "ReduceMax" => f64::NEG_INFINITY,
        "ReduceMin" => f64::INFINITY,
        _ => 0.0,
    };
    // The element of the result that each number goes to.
    let places = Tensor::new(kept.clone(), Numbers::Integers((0..count as i64).collect()))?;
    let places = spread(&places, &x.extents)?;
    let mut results = vec![start; count];
    for (&value, &place) in x.floats()?.iter().zip(places.as_integers()?) {
        let (result, v) = (&mut results[place as usize], f64::from(value));
        *result = match op {
            "ReduceProd" => *result * v,
            "ReduceMax" => result.max(v),
            "ReduceMin" => result.min(v),
            "ReduceL1" => *result + v.abs(),
            "ReduceL2" | "ReduceSumSquare" => *result + v * v,
            _ => *result + v,
        };
    }
    let finished = results.into_iter().map(|result| match op {
        "ReduceMean" => (result / members as f64) as f32,
        "ReduceL2" => result.sqrt() as f32,
        _ => result as f32,
    });
    let extents = if keep {
        kept
    } else {
        x.extents.iter().zip(&reduced).filter(|(_, gone)| !**gone).map(|(&extent, _)| extent).collect()
    };
    let made = Tensor::new(extents, Numbers::Floats(finished.collect()))?;
    if matches!(x.numbers, Numbers::Integers(_)) { whole(&made) } else { Ok(made) }
}

/// A product of two matrices, or of a matrix and a vector: the norms of spectral normalisation.
fn matmul(a: &Tensor, b: &Tensor, budget: &mut Budget) -> Result<Tensor, String> {
    let unfit = || format!("constants of shapes {:?} and {:?} cannot be multiplied", a.extents, b.extents);
    let (rows, inner) = match a.extents[..] {
        [inner] => (1, inner),
        [rows, inner] => (rows, inner),
        _ => return Err(unfit()),
    };
    let (depth, columns) = match b.extents[..] {
        [inner] => (inner, 1),
        [inner, columns] => (inner, columns),
        _ => return Err(unfit()),
    };
    if inner != depth {
        return Err(unfit());
    }
    // Time counts like memory.
    budget.constant(&[rows, columns, inner.div_ceil(64)], size_of::<f32>())?;
    let (x, y) = (a.floats()?, b.floats()?);
    let mut numbers = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let terms =
                (0..inner).map(|k| f64::from(x[row * inner + k]) * f64::from(y[k * columns + column]));
            numbers.push(terms.sum::<f64>() as f32);
        }
    }
    let mut extents = vec![];
    extents.extend((a.extents.len() == 2).then_some(rows));
    extents.extend((b.extents.len() == 2).then_some(columns));
    Tensor::new(extents, Numbers::Floats(numbers.into()))
}

/// `(x − zero point) · scale`, with one scale for all or one per place along an axis.
fn dequantised(
    x: &Tensor,
    scale: &Tensor,
    zero: Option<&Tensor>,
    attributes: Attributes<'_>,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    if attributes.int("block_size")?.unwrap_or(0) != 0 {
        return Err("scales per block are not supported".into());
    }
    let rank = x.extents.len();
    let along = |list: &Tensor| -> Result<Tensor, String> {
        if list.numbers.len() == 1 {
            return Tensor::new(vec![], list.numbers.clone());
        }
        let place = axis(attributes.int("axis")?.unwrap_or(1), rank)?;
        let mut extents = vec![1; rank];
        extents[place] = list.numbers.len();
        Tensor::new(extents, list.numbers.clone())
    };
    budget.constant(&x.extents, size_of::<f32>())?;
    let floats = Tensor::new(x.extents.clone(), Numbers::Floats(x.floats()?))?;
    let shifted = match zero {
        Some(zero) => binary("Sub", &floats, &along(zero)?, budget)?,
        None => floats,
    };
    product(&shifted, &along(scale)?, budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(extents: &[usize], numbers: &[f32]) -> Tensor {
        Tensor::new(extents.to_vec(), Numbers::Floats(numbers.into())).unwrap()
    }

    fn run(op: &str, inputs: &[&Tensor]) -> Vec<f32> {
        let inputs: Vec<_> = inputs.iter().map(|&t| Some(t)).collect();
        arithmetic(op, Attributes(&[]), &inputs, 17, &mut Budget::of(0))
            .unwrap()
            .unwrap()
            .floats()
            .unwrap()
            .to_vec()
    }

    #[test]
    fn masks_and_norms_are_those_of_a_count_by_hand() {
        let w = tensor(&[2, 3], &[0.5, -2.0, 0.0, 1.5, -0.1, 3.0]);
        let t = tensor(&[], &[0.4]);
        let mask = arithmetic("Greater", Attributes(&[]), &[Some(&w), Some(&t)], 17, &mut Budget::of(0))
            .unwrap()
            .unwrap();
        assert_eq!(mask.as_integers().unwrap(), [1, 0, 0, 1, 0, 1]);
        assert_eq!(run("Where", &[&mask, &w, &tensor(&[1], &[7.0])]), [0.5, 7.0, 7.0, 1.5, 7.0, 3.0]);
        assert_eq!(run("Sign", &[&w]), [1.0, -1.0, 0.0, 1.0, -1.0, 1.0]);
        assert_eq!(run("Round", &[&tensor(&[4], &[0.5, 1.5, -0.5, 2.4])]), [0.0, 2.0, 0.0, 2.0]);
        assert_eq!(run("ReduceL2", &[&tensor(&[2], &[3.0, 4.0])]), [5.0]);
        let along = Tensor::integers(vec![1]);
        assert_eq!(run("ReduceMax", &[&w, &along]), [0.5, 3.0]);
        assert_eq!(run("ReduceMean", &[&w, &Tensor::integers(vec![0])]), [1.0, -1.05, 1.5]);
        assert_eq!(run("MatMul", &[&w, &tensor(&[3], &[2.0, 1.0, 0.0])]), [-1.0, 2.9]);
    }

    #[test]
    fn quantised_weights_have_one_scale_per_row_if_it_is_a_list() {
        let x = Tensor::new(vec![2, 2], Numbers::Integers([10, 20, 30, 40].into())).unwrap();
        let found = arithmetic(
            "DequantizeLinear",
            Attributes(&[]),
            &[Some(&x), Some(&tensor(&[2], &[0.5, 2.0])), Some(&Tensor::integers(vec![10, 0]))],
            17,
            &mut Budget::of(0),
        );
        assert_eq!(found.unwrap().unwrap().floats().unwrap()[..], [0.0, 40.0, 10.0, 80.0]);
    }
}
