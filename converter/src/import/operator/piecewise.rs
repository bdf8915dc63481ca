//! Piecewise linear activations as sums of rectified units, `f(x) = a + b·x + Σ cᵢ·max(sᵢ·(x − tᵢ), 0)`: exact, each unit a
//! population of its own.

use super::arithmetic::Coefficient;
use super::{Call, Objection, Translated, Value};
use crate::ann::Op;
use crate::import::draft::Part;
use crate::import::tensor::Tensor;

/// `max(x, 0)`.
const RELU: Part = Part::Clip { low: 0.0, high: f64::INFINITY };

impl Call<'_> {
    /// The rectified parts of a step, `max(x, 0)` and `max(−x, 0)`.
    fn halves(&mut self, step: usize) -> Result<[usize; 2], Objection> {
        let positive = self.push("positive", RELU, &[step])?;
        let turned = self.push("turned", Part::Scalar { scale: -1.0, shift: 0.0 }, &[step])?;
        Ok([positive, self.push("negative", RELU, &[turned])?])
    }

    /// `max(x, 0) − slope·max(−x, 0)` with a slope for all, or one per channel or element.
    fn leaky_with(&mut self, input: usize, slope: Coefficient) -> Translated {
        if matches!(slope, Coefficient::One(0.0)) {
            return Ok(Value::Step(self.push("", RELU, &[input])?));
        }
        let [positive, negative] = self.halves(input)?;
        let Value::Step(scaled) =
            self.affine_named("slope", negative, slope.map(|s| -s), Coefficient::One(0.0))?
        else {
            unreachable!("an affine map is a step")
        };
        Ok(Value::Step(self.push("", Part::Op(Op::Add), &[positive, scaled])?))
    }

    pub(super) fn leaky(&mut self) -> Translated {
        let slope = f64::from(self.attributes.float("alpha")?.unwrap_or(0.01));
        let input = self.step(0)?;
        self.leaky_with(input, Coefficient::One(slope))
    }

    pub(super) fn prelu(&mut self) -> Translated {
        let input = self.step(0)?;
        let slope = self.needed(1)?.clone();
        // Older operator sets give one slope per channel.
        let channels = self.shape(0)?.channels();
        let per_channel = slope.extents == [channels] && self.shape(0)?.rank() > 1;
        let slope = if per_channel && self.opset < 9 {
            Coefficient::Many(slope.floats()?)
        } else {
            self.coefficient(&slope, input)?
        };
        self.leaky_with(input, slope)
    }

    pub(super) fn magnitude(&mut self) -> Translated {
        let input = self.step(0)?;
        self.leaky_with(input, Coefficient::One(-1.0))
    }

    /// `clip(αx + β, 0, 1)`.
    pub(super) fn hard_sigmoid(&mut self) -> Translated {
        let scale = f64::from(self.attributes.float("alpha")?.unwrap_or(0.2));
        let shift = f64::from(self.attributes.float("beta")?.unwrap_or(0.5));
        let input = self.step(0)?;
        let line = self.push("line", Part::Scalar { scale, shift }, &[input])?;
        Ok(Value::Step(self.push("", Part::Clip { low: 0.0, high: 1.0 }, &[line])?))
    }

    /// `x` above the threshold, else 0: a rectified unit only if the threshold is 0.
    pub(super) fn thresholded(&mut self) -> Translated {
        let threshold = self.attributes.float("alpha")?.unwrap_or(1.0);
        if threshold != 0.0 {
            return Err(Objection::new(
                format!("it jumps at {threshold}, and no sum of rectified units does"),
                "train with ReLU, or with max(x, threshold)",
            ));
        }
        self.one(RELU)
    }

    /// `max(x, c) = c + max(x − c, 0)` and `min(x, c) = c − max(c − x, 0)` with a constant per channel or element.
    pub(super) fn bounded_by(&mut self, step: usize, bounds: &Tensor) -> Result<usize, Objection> {
        let step = self.as_wide_as(step, bounds)?;
        let sign = if self.op == "Max" { 1.0 } else { -1.0 };
        let bound = self.coefficient(bounds, step)?;
        let turned = self.coefficient(bounds, step)?.map(|c| -sign * c);
        let inner = self.affine_named("difference", step, Coefficient::One(sign), turned)?;
        let Value::Step(inner) = inner else { unreachable!("an affine map is a step") };
        let over = self.push("over", RELU, &[inner])?;
        match self.affine_named("", over, Coefficient::One(sign), bound)? {
            Value::Step(step) => Ok(step),
            _ => unreachable!("an affine map is a step"),
        }
    }

    /// `max(a, b) = b + max(a − b, 0)` and `min(a, b) = a − max(a − b, 0)` of two activations.
    pub(super) fn larger_or_smaller(&mut self, a: usize, b: usize) -> Result<usize, Objection> {
        self.same_shapes(&[a, b])?;
        let turned = self.push("turned", Part::Scalar { scale: -1.0, shift: 0.0 }, &[b])?;
        let difference = self.push("difference", Part::Op(Op::Add), &[a, turned])?;
        let over = self.push("over", RELU, &[difference])?;
        if self.op == "Max" {
            return self.push("", Part::Op(Op::Add), &[b, over]);
        }
        let less = self.push("less", Part::Scalar { scale: -1.0, shift: 0.0 }, &[over])?;
        self.push("", Part::Op(Op::Add), &[a, less])
    }
}
