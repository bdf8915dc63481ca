//! Element-wise arithmetic, clips, and sums of branches.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Affine, Op, Shape};
use crate::import::broadcast::spread;
use crate::import::draft::Part;
use crate::import::tensor::{Numbers, Tensor};
use std::sync::Arc;

impl Call<'_> {
    pub(super) fn clip(&mut self) -> Translated {
        let (low, high) = if self.opset < 11 {
            (self.attributes.float("min")?.map(f64::from), self.attributes.float("max")?.map(f64::from))
        } else {
            let bound = |index| -> Result<Option<f64>, Objection> {
                match self.constant(index)? {
                    None => Ok(None),
                    Some(t) => Ok(Some(t.scalar().ok_or("its bounds must be single numbers")?)),
                }
            };
            (bound(1)?, bound(2)?)
        };
        // Older operator sets write the largest numbers where no bound is meant.
        let largest = f64::from(f32::MAX);
        let low = low.filter(|&x| x > -largest).unwrap_or(f64::NEG_INFINITY);
        let high = high.filter(|&x| x < largest).unwrap_or(f64::INFINITY);
        self.clip_to(low, high)
    }

    /// Clips the first input, together with a clip that it is already.
    pub(super) fn clip_to(&mut self, low: f64, high: f64) -> Translated {
        if low.is_nan() || high.is_nan() || low > high {
            return Err(format!("it clips to [{low}, {high}]").into());
        }
        let input = self.step(0)?;
        self.clip_step(input, low, high)
    }

    fn clip_step(&mut self, input: usize, low: f64, high: f64) -> Translated {
        if low == f64::NEG_INFINITY && high == f64::INFINITY {
            return Ok(Value::Step(input));
        }
        if let Part::Clip { low: l, high: h } = self.draft.steps[input].part
            && l <= h
        {
            let inner = self.draft.steps[input].inputs[0];
            let part = Part::Clip { low: l.clamp(low, high), high: h.clamp(low, high) };
            return Ok(Value::Step(self.push("", part, &[inner])?));
        }
        Ok(Value::Step(self.push("", Part::Clip { low, high }, &[input])?))
    }

    /// Max or Min of activations and numbers.
    pub(super) fn bound(&mut self) -> Translated {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let (mut steps, mut lists) = (vec![], vec![]);
        let inputs = self.inputs;
        for value in inputs.iter().flatten() {
            match value {
                Value::Step(step) => steps.push(*step),
                Value::Constant(tensor) => match tensor.scalar() {
                    Some(x) if self.op == "Max" => low = low.max(x),
                    Some(x) => high = high.min(x),
                    None => lists.push(tensor),
                },
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let (&first, others) = steps.split_first().ok_or("an input is missing")?;
        let mut step = first;
        for &other in others {
            step = self.larger_or_smaller(step, other)?;
        }
        for list in lists {
            step = self.bounded_by(step, list)?;
        }
        self.clip_step(step, low, high)
    }

    /// `scale · x + shift` with constants that broadcast over the activation `input`.
    pub(super) fn affine(&mut self, input: usize, scale: Coefficient, shift: Coefficient) -> Translated {
        self.affine_named("", input, scale, shift)
    }

    pub(super) fn affine_named(
        &mut self,
        suffix: &str,
        input: usize,
        scale: Coefficient,
        shift: Coefficient,
    ) -> Translated {
        if let (&Coefficient::One(scale), &Coefficient::One(shift)) = (&scale, &shift) {
            return Ok(Value::Step(self.push(suffix, Part::Scalar { scale, shift }, &[input])?));
        }
        let op = Op::Affine(Affine { scale: scale.numbers(), shift: shift.numbers() });
        Ok(Value::Step(self.push(suffix, Part::Op(op), &[input])?))
    }

    /// A step repeated along its axes of 1 where a constant beside it is longer.
    pub(super) fn as_wide_as(&mut self, step: usize, constant: &Tensor) -> Result<usize, Objection> {
        let mut extents = self.draft.steps[step].shape.extents().to_vec();
        let Some(offset) = (extents.len() + 1).checked_sub(constant.extents.len()) else { return Ok(step) };
        for (place, &extent) in constant.extents.iter().enumerate() {
            if let Some(own) = (offset + place).checked_sub(1).map(|axis| &mut extents[axis])
                && *own == 1
            {
                *own = extent.max(1);
            }
        }
        self.widened("wide", step, &extents)
    }

    /// Steps of one number of axes, repeated along their axes of 1 until all have one shape.
    fn equally_wide(&mut self, steps: &[usize]) -> Result<Vec<usize>, Objection> {
        let &first = steps.first().ok_or("none of its inputs depends on the net's input")?;
        let mut widest = self.draft.steps[first].shape.extents().to_vec();
        for &step in steps {
            let own = self.draft.steps[step].shape.extents();
            let fits = own.len() == widest.len()
                && own.iter().zip(&widest).all(|(&a, &b)| a == b || a == 1 || b == 1);
            if !fits {
                self.same_shapes(steps)?;
            }
            widest.iter_mut().zip(own).for_each(|(widest, &own)| *widest = (*widest).max(own));
        }
        steps.iter().map(|&step| self.widened("wide", step, &widest)).collect()
    }

    /// A constant as coefficients of the activation `input`.
    pub(super) fn coefficient(&self, tensor: &Tensor, input: usize) -> Result<Coefficient, Objection> {
        Coefficient::of(tensor, &self.draft.steps[input].shape)
    }

    pub(super) fn sum(&mut self) -> Translated {
        let (mut steps, mut constants) = (vec![], vec![]);
        for value in self.inputs.iter().flatten() {
            match value {
                Value::Step(step) => steps.push(*step),
                Value::Constant(tensor) => constants.push(tensor.clone()),
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let mut step = match steps[..] {
            [step] => step,
            _ => {
                let steps = self.equally_wide(&steps)?;
                self.push(if constants.is_empty() { "" } else { "sum" }, Part::Op(Op::Add), &steps)?
            }
        };
        for constant in &constants {
            step = self.as_wide_as(step, constant)?;
            let shift = self.coefficient(constant, step)?;
            let Value::Step(sum) = self.affine(step, Coefficient::One(1.0), shift)? else {
                unreachable!("an affine map is a step")
            };
            step = sum;
        }
        if self.op == "Mean" {
            let scale = 1.0 / self.inputs.iter().flatten().count() as f64;
            step = self.push("mean", Part::Scalar { scale, shift: 0.0 }, &[step])?;
        }
        Ok(Value::Step(step))
    }

    pub(super) fn same_shapes(&self, steps: &[usize]) -> Result<(), Objection> {
        let mut shapes = steps.iter().map(|&step| &self.draft.steps[step].shape);
        let Some(first) = shapes.next() else { return Ok(()) };
        match shapes.find(|&shape| shape != first) {
            Some(other) => Err(Objection::new(
                format!("it combines activations of shapes {first} and {other}"),
                "branches must have one number of axes, and where they differ one of them must be 1 long",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn difference(&mut self) -> Translated {
        let inputs = self.inputs;
        match (inputs.first(), inputs.get(1)) {
            (Some(Some(Value::Step(a))), Some(Some(Value::Constant(b)))) => {
                let a = self.as_wide_as(*a, b)?;
                let shift = self.coefficient(b, a)?.map(|x| -x);
                self.affine(a, Coefficient::One(1.0), shift)
            }
            (Some(Some(Value::Constant(a))), Some(Some(Value::Step(b)))) => {
                let b = self.as_wide_as(*b, a)?;
                let shift = self.coefficient(a, b)?;
                self.affine(b, Coefficient::One(-1.0), shift)
            }
            (Some(Some(Value::Step(a))), Some(Some(Value::Step(b)))) => {
                let wide = self.equally_wide(&[*a, *b])?;
                let minus = self.push("minus", Part::Scalar { scale: -1.0, shift: 0.0 }, &[wide[1]])?;
                Ok(Value::Step(self.push("", Part::Op(Op::Add), &[wide[0], minus])?))
            }
            _ => Err("an input is missing".into()),
        }
    }

    pub(super) fn times(&mut self) -> Translated {
        let inputs = self.inputs;
        let (input, constant) = match (inputs.first(), inputs.get(1)) {
            (Some(Some(Value::Step(a))), Some(Some(Value::Constant(b)))) => (*a, b),
            (Some(Some(Value::Constant(a))), Some(Some(Value::Step(b)))) => (*b, a),
            (Some(Some(Value::Step(_))), Some(Some(Value::Step(_)))) => {
                return Err(Self::product_of_activations());
            }
            _ => return Err("an input is missing".into()),
        };
        let input = self.as_wide_as(input, constant)?;
        let scale = self.coefficient(constant, input)?;
        self.affine(input, scale, Coefficient::One(0.0))
    }

    /// Where a constant mask is set one input, elsewhere the other; activations or constants.
    pub(super) fn choice(&mut self) -> Translated {
        let inputs = self.inputs;
        let [mask, when_set, otherwise] = [0, 1, 2].map(|place| inputs.get(place).and_then(Option::as_ref));
        let Some(Value::Constant(mask)) = mask else {
            return Err(Objection::new(
                "which of two values it takes depends on an activation",
                "write max(x, threshold) or ReLU, which do not jump; comparisons have no rate code",
            ));
        };
        let mask = Tensor::new(
            mask.extents.clone(),
            Numbers::Floats(mask.floats()?.iter().map(|&m| if m == 0.0 { 0.0 } else { 1.0 }).collect()),
        )?;
        let rest = Tensor::new(
            mask.extents.clone(),
            Numbers::Floats(mask.floats()?.iter().map(|m| 1.0 - m).collect()),
        )?;
        let mut terms = vec![];
        let mut constants = vec![];
        for (value, mask) in [(when_set, &mask), (otherwise, &rest)] {
            match value {
                Some(Value::Step(step)) => {
                    let step = self.as_wide_as(*step, mask)?;
                    let scale = self.coefficient(mask, step)?;
                    let name = format!("choice{}", terms.len() + 1);
                    let Value::Step(term) = self.affine_named(&name, step, scale, Coefficient::One(0.0))?
                    else {
                        unreachable!("an affine map is a step")
                    };
                    terms.push(term);
                }
                Some(Value::Constant(tensor)) => constants.push((tensor, mask)),
                Some(Value::Refused { .. }) => return Ok(Value::Refused { activation: true }),
                None => return Err("an input is missing".into()),
            }
        }
        let mut step = match terms[..] {
            [term] => term,
            _ => {
                let terms = self.equally_wide(&terms)?;
                return Ok(Value::Step(self.push("", Part::Op(Op::Add), &terms)?));
            }
        };
        for (constant, mask) in constants {
            let masked = crate::import::broadcast::product(constant, mask, &mut self.draft.budget)?;
            step = self.as_wide_as(step, &masked)?;
            let shift = self.coefficient(&masked, step)?;
            let Value::Step(sum) = self.affine(step, Coefficient::One(1.0), shift)? else {
                unreachable!("an affine map is a step")
            };
            step = sum;
        }
        Ok(Value::Step(step))
    }

    pub(in crate::import) fn product_of_activations() -> Objection {
        Objection::new(
            "it multiplies two activations, as SiLU (swish), HardSwish, gates, squeeze-and-excitation and attention do",
            "spikes are added up, never multiplied by one another; use a net without such products",
        )
    }

    pub(super) fn quotient(&mut self) -> Translated {
        match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => {
                let b = b.clone();
                let a = self.as_wide_as(a, &b)?;
                let scale = self.coefficient(&b, a)?.map(|x| 1.0 / x);
                self.affine(a, scale, Coefficient::One(0.0))
            }
            _ => {
                Err(Objection::new("it divides by an activation", "only constant divisors can be converted"))
            }
        }
    }
}

/// Constants that multiply or shift an activation.
pub(super) enum Coefficient {
    /// One number for all elements, in double precision.
    One(f64),
    /// One per channel or per element.
    Many(Arc<[f32]>),
}

impl Coefficient {
    /// A constant broadcast over activations of `shape` (whose batch axis is left out).
    pub(super) fn of(tensor: &Tensor, shape: &Shape) -> Result<Self, Objection> {
        let rank = shape.rank() + 1;
        let mismatch = || {
            Objection::new(
                format!(
                    "a constant of shape {:?} does not broadcast over {shape} of each sample",
                    tensor.extents
                ),
                "only constants per channel, per element or for all are supported",
            )
        };
        if tensor.extents.len() > rank {
            return Err(mismatch());
        }
        if let Some(one) = tensor.scalar() {
            return Ok(Coefficient::One(one));
        }
        let mut extents = vec![1; rank - tensor.extents.len()];
        extents.extend(&tensor.extents);
        if extents.remove(0) != 1 {
            return Err(mismatch());
        }
        if extents.iter().zip(shape.extents()).any(|(&own, &extent)| own != extent && own != 1) {
            return Err(mismatch());
        }
        // Only now, as integers are converted: a constant that does not fit may be of any size.
        let floats = tensor.floats()?;
        if extents.iter().skip(1).all(|&e| e == 1) {
            return Ok(Coefficient::Many(floats));
        }
        let own = Tensor::new(extents, Numbers::Floats(floats))?;
        Ok(Coefficient::Many(spread(&own, shape.extents())?.floats()?))
    }

    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Coefficient::One(x) => Coefficient::One(f(x)),
            Coefficient::Many(x) => Coefficient::Many(x.iter().map(|&x| f(f64::from(x)) as f32).collect()),
        }
    }

    pub(super) fn numbers(self) -> Arc<[f32]> {
        match self {
            Coefficient::One(x) => [x as f32].into(),
            Coefficient::Many(x) => x,
        }
    }
}
