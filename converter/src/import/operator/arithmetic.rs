//! Element-wise arithmetic, clips, and sums of branches.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Affine, Op, Shape};
use crate::import::draft::Part;
use crate::import::fold::spread;
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
        if let Part::Clip { low: l, high: h } = self.draft.steps[input].part
            && l <= h
        {
            let inner = self.draft.steps[input].inputs[0];
            let part = Part::Clip { low: l.clamp(low, high), high: h.clamp(low, high) };
            return Ok(Value::Step(self.push("", part, &[inner])?));
        }
        self.one(Part::Clip { low, high })
    }

    /// Max or Min of one activation and numbers.
    pub(super) fn bound(&mut self) -> Translated {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut steps = vec![];
        for value in self.inputs.iter().flatten() {
            match value {
                Value::Step(step) => steps.push(*step),
                Value::Constant(tensor) => {
                    let x = tensor.scalar().ok_or("its bound must be a single number")?;
                    if self.op == "Max" { low = low.max(x) } else { high = high.min(x) }
                }
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let [step] = steps[..] else {
            let reason = format!("{} of two activations cannot be converted", self.op);
            return Err(Objection::new(reason, "only a maximum over a window or over space can"));
        };
        let inputs = [Some(Value::Step(step))];
        let (opset, batch, last) = (self.opset, self.batch, self.last);
        let (name, order, attributes) = (self.name, self.order, self.attributes);
        let (op, draft, notes) = (self.op, &mut *self.draft, &mut *self.notes);
        Call { draft, op, name, order, attributes, inputs: &inputs, opset, batch, last, notes }
            .clip_to(low, high)
    }

    /// `scale · x + shift` with constants that broadcast over the activation `input`.
    pub(super) fn affine(&mut self, input: usize, scale: Coefficient, shift: Coefficient) -> Translated {
        if let (&Coefficient::One(scale), &Coefficient::One(shift)) = (&scale, &shift) {
            return Ok(Value::Step(self.push("", Part::Scalar { scale, shift }, &[input])?));
        }
        let op = Op::Affine(Affine { scale: scale.numbers(), shift: shift.numbers() });
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
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
                Value::Constant(tensor) => constants.push(tensor),
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let mut step = match steps[..] {
            [step] => step,
            _ => {
                self.same_shapes(&steps)?;
                self.push(if constants.is_empty() { "" } else { "sum" }, Part::Op(Op::Add), &steps)?
            }
        };
        for constant in constants {
            let shift = self.coefficient(constant, step)?;
            let Value::Step(sum) = self.affine(step, Coefficient::One(1.0), shift)? else {
                unreachable!("an affine map is a step")
            };
            step = sum;
        }
        Ok(Value::Step(step))
    }

    pub(super) fn same_shapes(&self, steps: &[usize]) -> Result<(), Objection> {
        let shape = |step: usize| &self.draft.steps[step].shape;
        match steps.iter().find(|&&s| shape(s) != shape(steps[0])) {
            Some(&other) => Err(Objection::new(
                format!("it adds activations of shapes {} and {}", shape(steps[0]), shape(other)),
                "branches must have one shape; broadcasting between activations is not supported",
            )),
            None => Ok(()),
        }
    }

    pub(super) fn difference(&mut self) -> Translated {
        match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => {
                let shift = self.coefficient(b, a)?.map(|x| -x);
                self.affine(a, Coefficient::One(1.0), shift)
            }
            (Some(Value::Constant(a)), Some(&Value::Step(b))) => {
                let shift = self.coefficient(a, b)?;
                self.affine(b, Coefficient::One(-1.0), shift)
            }
            (Some(&Value::Step(a)), Some(&Value::Step(b))) => {
                self.same_shapes(&[a, b])?;
                let minus = self.push("minus", Part::Scalar { scale: -1.0, shift: 0.0 }, &[b])?;
                Ok(Value::Step(self.push("", Part::Op(Op::Add), &[a, minus])?))
            }
            _ => Err("an input is missing".into()),
        }
    }

    pub(super) fn times(&mut self) -> Translated {
        let (input, constant) = match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => (a, b),
            (Some(Value::Constant(a)), Some(&Value::Step(b))) => (b, a),
            (Some(Value::Step(_)), Some(Value::Step(_))) => return Err(Self::product_of_activations()),
            _ => return Err("an input is missing".into()),
        };
        let scale = self.coefficient(constant, input)?;
        self.affine(input, scale, Coefficient::One(0.0))
    }

    pub(in crate::import) fn product_of_activations() -> Objection {
        Objection::new(
            "it multiplies two activations",
            "gates, squeeze-and-excitation and attention have no rate code; use a net without them",
        )
    }

    pub(super) fn quotient(&mut self) -> Translated {
        match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => {
                let scale = self.coefficient(b, a)?.map(|x| 1.0 / x);
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
        if extents[1..].iter().all(|&e| e == 1) {
            return Ok(Coefficient::Many(floats));
        }
        let own = Tensor::new(extents, Numbers::Floats(floats))?;
        Ok(Coefficient::Many(spread(&own, shape.extents())?.floats()?))
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
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
