//! Statically quantised nets: pairs of `QuantizeLinear` and `DequantizeLinear`, and operators on the integers between them.
//!
//! An integer tensor is read as the numbers that it stands for, `scale·(q − zero)`, and its rounding as quantised activations: one
//! QCFS of `most − zero` levels where `zero` is the least integer, which is how a rectified tensor is stored, else one for
//! either sign. What only passes integers on passes those numbers on; every other operator on integers is refused.
//!
//! ```text
//! scale·clip(round(x/scale), least − zero, most − zero) = Q₊(x) − Q₋(−x),   Q(x) = scale·clip(⌊x/scale + ½⌋, 0, L)
//! ```
//!
//! is exact but where `x` lies midway between two levels, which ONNX rounds to the even one.

use super::{Call, Objection, Translated, Value};
use crate::ann::Op;
use crate::import::draft::{Draft, Part};
use crate::import::quantiser::Quantiser;
use crate::import::tensor::{Numbers, Tensor};
use rten_onnx::onnx::DataType;
use std::collections::HashMap;

/// The operators that round activations, or read them rounded; at the end of a net they are left out.
pub(in crate::import) const ROUNDS: &[&str] = &["DequantizeLinear", "QuantizeLinear"];

/// The operators of ONNX Runtime's own domain that are understood.
pub(in crate::import) const MICROSOFT: &[&str] = &[
    "DequantizeLinear",
    "QGemm",
    "QLinearAdd",
    "QLinearAveragePool",
    "QLinearConcat",
    "QLinearGlobalAveragePool",
    "QuantizeLinear",
];

/// The operators that take integer tensors.
const TAKES_INTEGERS: &[&str] = &[
    "DequantizeLinear",
    "Flatten",
    "Identity",
    "MaxPool",
    "QGemm",
    "QLinearAdd",
    "QLinearAveragePool",
    "QLinearConcat",
    "QLinearConv",
    "QLinearGlobalAveragePool",
    "QLinearMatMul",
    "Reshape",
    "Shape",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// What a step is rounded to: `scale·(q − zero)` with whole `q` from `least` to `most`.
#[derive(Clone, Copy, Debug)]
pub(in crate::import) struct Grid {
    scale: f64,
    zero: i64,
    least: i64,
    most: i64,
    /// The step before it was rounded.
    before: usize,
    /// Whether the step stands for the integers in the file.
    integers: bool,
}

impl Grid {
    fn same(&self, other: &Self) -> bool {
        let numbers = |grid: &Self| (grid.scale.to_bits(), grid.zero, grid.least, grid.most);
        numbers(self) == numbers(other)
    }
}

/// The grids of steps.
pub(in crate::import) type Grids = HashMap<usize, Grid>;

impl Call<'_> {
    /// Refuses an operator that would compute with integers, which are not there.
    pub(super) fn check_integers(&self) -> Result<(), Objection> {
        let integers = self.inputs.iter().flatten().any(|value| match value {
            Value::Step(step) => self.grids.get(step).is_some_and(|grid| grid.integers),
            _ => false,
        });
        if !integers || TAKES_INTEGERS.contains(&self.op) {
            return Ok(());
        }
        Err(Objection::new(
            "it computes with the integers of a quantised tensor",
            "quantise the net in the format QDQ, or leave this operator in floating point",
        ))
    }

    /// What passes integers on yields integers of the same grid.
    pub(super) fn pass_grid_on(&mut self, made: &Value) {
        let passes = matches!(
            self.op,
            "Flatten" | "Identity" | "MaxPool" | "Reshape" | "Squeeze" | "Transpose" | "Unsqueeze"
        );
        if let (true, Some(Value::Step(from)), Value::Step(to)) = (passes, self.value(0), made)
            && let Some(&grid) = self.grids.get(from)
            && from != to
        {
            // What stands before the rounding has not been passed on.
            self.grids.insert(*to, Grid { before: *to, ..grid });
        }
    }

    /// The grid that a scale and a zero point among the inputs say; the default is that of bytes without a sign.
    fn grid(&self, scale: usize, zero: usize) -> Result<Grid, Objection> {
        let several =
            "it has a scale per channel for activations, which have one for all in what is converted";
        let number = |index: usize| -> Result<Option<f64>, Objection> {
            match self.constant(index)? {
                None => Ok(None),
                Some(tensor) => tensor.scalar().map(Some).ok_or_else(|| several.into()),
            }
        };
        let scale = number(scale)?.ok_or("its scale is missing")?;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(format!("its scale is {scale}; allowed are numbers above 0").into());
        }
        let kind = match self.types.get(zero).copied().flatten() {
            Some(kind) => kind,
            None if self.value(zero).is_some() => {
                return Err("the type of its zero point is computed, and so not known".into());
            }
            None => DataType::UINT8,
        };
        let (least, most) = match kind {
            DataType::UINT8 => (0, 255),
            DataType::INT8 => (-128, 127),
            DataType::UINT16 => (0, 65_535),
            DataType::INT16 => (-32_768, 32_767),
            kind => {
                return Err(Objection::new(
                    format!("it rounds activations to the type {kind}"),
                    "integers of 8 and 16 bits are supported",
                ));
            }
        };
        // A whole number of the type, as the file's decoder has it.
        let zero = number(zero)?.unwrap_or(0.0) as i64;
        Ok(Grid { scale, zero: zero.clamp(least, most), least, most, before: 0, integers: true })
    }

    pub(super) fn quantise_linear(&mut self) -> Translated {
        let input = self.step(0)?;
        let grid = self.grid(1, 2)?;
        if self.last {
            let what = "the net yields the numbers before they are rounded";
            self.notes.push(format!("node `{}` ({}) was dropped: {what}", self.name, self.op));
            return self.noted(input, grid);
        }
        self.rounded(input, grid)
    }

    /// A step for integers whose numbers are not rounded any further.
    fn noted(&mut self, input: usize, grid: Grid) -> Translated {
        let same = self.push("rounded", Part::Scalar { scale: 1.0, shift: 0.0 }, &[input])?;
        self.grids.insert(same, Grid { before: input, integers: true, ..grid });
        Ok(Value::Step(same))
    }

    /// A step rounded to a grid.
    fn rounded(&mut self, input: usize, grid: Grid) -> Translated {
        if self.stands_on(input, &grid) {
            return self.noted(input, grid);
        }
        if is_input(self.draft, input) {
            let (low, high) = (grid.least - grid.zero, grid.most - grid.zero);
            self.notes.push(format!(
                "node `{}` ({}) rounds the net's input to multiples of {}, and clips it to {} … {}: this is left out, inputs are \
                 taken as they are",
                self.name,
                self.op,
                grid.scale,
                low as f64 * grid.scale,
                high as f64 * grid.scale
            ));
            return self.noted(input, grid);
        }
        let (above, mut below) = (grid.most - grid.zero, grid.zero - grid.least);
        let mut from = input;
        if let Part::Clip { low, high } = self.draft.steps[input].part
            && low >= 0.0
        {
            // Nothing is below 0; and rounding clips as well, if the bound is not below the last level.
            below = 0;
            if low == 0.0 && high >= grid.scale * (above as f64 - 0.5) {
                from = self.draft.steps[input].inputs[0];
            }
        }
        let part = |levels: i64| -> Part {
            let theta = (grid.scale * levels as f64) as f32;
            // At most 65,535.
            Part::Quantiser(Quantiser { gain: 1.0, lead: 0.0, levels: levels as u32, theta })
        };
        let turned = Part::Scalar { scale: -1.0, shift: 0.0 };
        let rounded = match (above, below) {
            (0, 0) => return Err("it leaves one number".into()),
            (_, 0) => self.push("rounded", part(above), &[from])?,
            (above, below) => {
                let other = self.push("turned", turned.clone(), &[from])?;
                let negative = self.push("negative", part(below), &[other])?;
                let back = self.push("back", turned, &[negative])?;
                if above == 0 {
                    back
                } else {
                    let positive = self.push("positive", part(above), &[from])?;
                    self.push("rounded", Part::Op(Op::Add), &[positive, back])?
                }
            }
        };
        self.grids.insert(rounded, Grid { before: input, integers: true, ..grid });
        Ok(Value::Step(rounded))
    }

    /// Whether all numbers of a step stand on a grid already: what was rounded to it has only been passed on.
    fn stands_on(&self, step: usize, grid: &Grid) -> bool {
        let mut step = step;
        loop {
            if let Some(found) = self.grids.get(&step) {
                return found.same(grid);
            }
            let passes = match &self.draft.steps[step].part {
                Part::Op(op) => {
                    matches!(
                        op,
                        Op::MaxPool(_) | Op::GlobalMax | Op::View(_) | Op::Transpose { .. } | Op::Pad { .. }
                    )
                }
                Part::Scalar { scale, shift } => *scale == 1.0 && *shift == 0.0,
                // Rectified numbers of a grid are numbers of it, as 0 is.
                Part::Clip { low, high } => *low == 0.0 && *high == f64::INFINITY,
                Part::Floor | Part::Quantiser(_) => false,
            };
            if !passes {
                return false;
            }
            step = self.draft.steps[step].inputs[0];
        }
    }

    pub(super) fn dequantise_linear(&mut self) -> Translated {
        let input = self.step(0)?;
        if let Some(grid) = self.grids.get(&input).copied().filter(|grid| grid.integers && self.last) {
            let what = "the net yields the numbers before they are rounded";
            if grid.before != input {
                self.notes.push(format!("node `{}` ({}) was dropped: {what}", self.name, self.op));
            }
            return Ok(Value::Step(grid.before));
        }
        Ok(Value::Step(self.numbers(0, 1, 2)?))
    }

    /// The numbers that a tensor of integers stands for, by the scale and the zero point among the inputs.
    fn numbers(&mut self, index: usize, scale: usize, zero: usize) -> Result<usize, Objection> {
        let input = self.step(index)?;
        let grid = self.grid(scale, zero)?;
        let part = match self.grids.get(&input).filter(|grid| grid.integers) {
            Some(own) if own.same(&grid) => Part::Scalar { scale: 1.0, shift: 0.0 },
            // The step has own.scale·(q − own.zero).
            Some(own) => Part::Scalar {
                scale: grid.scale / own.scale,
                shift: grid.scale * (own.zero - grid.zero) as f64,
            },
            // It has the integers themselves.
            None => Part::Scalar { scale: grid.scale, shift: -grid.scale * grid.zero as f64 },
        };
        self.push("numbers", part, &[input])
    }

    /// Another operator in this one's place.
    fn nested(&mut self, op: &str, inputs: &[Option<Value>]) -> Translated {
        let mut call = Call {
            draft: &mut *self.draft,
            op,
            name: self.name,
            order: self.order,
            attributes: self.attributes,
            inputs,
            opset: self.opset,
            batch: self.batch,
            batches: &mut *self.batches,
            grids: &mut *self.grids,
            types: &[],
            notes: &mut *self.notes,
            outputs: 1,
            last: false,
        };
        call.first()
    }

    /// Constant integers as numbers: `scale·(q − zero)`, one scale for all or one along an axis.
    fn constant_numbers(
        &mut self,
        index: usize,
        scale: usize,
        zero: usize,
        axis: usize,
    ) -> Result<Tensor, Objection> {
        let tensor = self.needed(index)?;
        let extents = tensor.extents.clone();
        let along = extents.get(axis).copied().unwrap_or(1);
        let inner: usize = extents.iter().skip(axis + 1).product();
        let scales = self.needed(scale)?.floats()?;
        let zeros = match self.constant(zero)? {
            None => vec![0],
            Some(tensor) => tensor.as_integers()?.to_vec(),
        };
        for (what, count) in [("scales", scales.len()), ("zero points", zeros.len())] {
            if count != 1 && count != along {
                return Err(format!("it has {count} {what} for weights of shape {extents:?}").into());
            }
        }
        let integers = tensor.as_integers()?;
        let number = |(place, &q): (usize, &i64)| {
            let at = place / inner.max(1) % along.max(1);
            let of = |count: usize| if count == 1 { 0 } else { at };
            // Exact for integers of up to 32 bits; longer ones may be any.
            (f64::from(scales[of(scales.len())]) * (q as f64 - zeros[of(zeros.len())] as f64)) as f32
        };
        let numbers: Vec<f32> = integers.iter().enumerate().map(number).collect();
        self.draft.budget.constant(&extents, size_of::<f32>())?;
        Ok(Tensor::new(extents, Numbers::Floats(numbers.into()))?)
    }

    /// A bias of integers, in units of the product of the scales of input and weights.
    fn bias(&self, index: usize, input: usize, weights: usize) -> Result<Option<Value>, Objection> {
        let Some(bias) = self.constant(index)? else { return Ok(None) };
        let input = self.needed(input)?.scalar().ok_or("its input has more than one scale")?;
        let scales = self.needed(weights)?.floats()?;
        let integers = bias.as_integers()?;
        if scales.len() != 1 && scales.len() != integers.len() {
            return Err(format!("it has {} biases for {} scales", integers.len(), scales.len()).into());
        }
        let number = |(place, &q): (usize, &i64)| {
            let scale = f64::from(scales[if scales.len() == 1 { 0 } else { place }]);
            (q as f64 * input * scale) as f32
        };
        let numbers: Vec<f32> = integers.iter().enumerate().map(number).collect();
        let tensor = Tensor::new(bias.extents.clone(), Numbers::Floats(numbers.into()))?;
        Ok(Some(Value::Constant(tensor)))
    }

    /// The inputs `x, scale, zero, w, scale, zero, y scale, y zero` and, of convolutions, a bias.
    pub(super) fn quantised_product(&mut self) -> Translated {
        let x = self.numbers(0, 1, 2)?;
        let (op, axis) = if self.op == "QLinearConv" { ("Conv", 0) } else { ("MatMul", 1) };
        let weights = self.constant_numbers(3, 4, 5, axis)?;
        let mut inputs = vec![Some(Value::Step(x)), Some(Value::Constant(weights))];
        if op == "Conv" {
            inputs.push(self.bias(8, 1, 4)?);
        }
        let grid = self.grid(6, 7)?;
        self.then_rounded(op, &inputs, grid)
    }

    /// ONNX Runtime's `QGemm`: A, B, C with their scales and zero points, and those of the output, if it is rounded.
    pub(super) fn quantised_gemm(&mut self) -> Translated {
        if self.attributes.float("alpha")?.unwrap_or(1.0) != 1.0 {
            return Err("it has a factor alpha beside its scales".into());
        }
        let x = self.numbers(0, 1, 2)?;
        let axis = usize::from(!self.attributes.flag("transB")?);
        let weights = self.constant_numbers(3, 4, 5, axis)?;
        let inputs = [Some(Value::Step(x)), Some(Value::Constant(weights)), self.bias(6, 1, 4)?];
        if self.value(7).is_none() {
            return self.nested("Gemm", &inputs);
        }
        let grid = self.grid(7, 8)?;
        self.then_rounded("Gemm", &inputs, grid)
    }

    /// ONNX Runtime's `QLinearAdd`: A, B, with their scales and zero points, and those of the output.
    pub(super) fn quantised_sum(&mut self) -> Translated {
        let mut inputs = vec![];
        for index in [0, 3] {
            inputs.push(Some(match self.value(index) {
                Some(Value::Constant(_)) => {
                    Value::Constant(self.constant_numbers(index, index + 1, index + 2, 0)?)
                }
                _ => Value::Step(self.numbers(index, index + 1, index + 2)?),
            }));
        }
        let grid = self.grid(6, 7)?;
        self.then_rounded("Add", &inputs, grid)
    }

    /// ONNX Runtime's pooling of integers: x with its scale and zero point, and those of the output.
    pub(super) fn quantised_pool(&mut self) -> Translated {
        if self.attributes.flag("channels_last")? {
            return Err("its channels are last".into());
        }
        let x = self.numbers(0, 1, 2)?;
        let grid = self.grid(3, 4)?;
        let op = if self.op == "QLinearAveragePool" { "AveragePool" } else { "GlobalAveragePool" };
        self.then_rounded(op, &[Some(Value::Step(x))], grid)
    }

    /// ONNX Runtime's `QLinearConcat`: scale and zero point of the output, then each input with its own.
    pub(super) fn quantised_concat(&mut self) -> Translated {
        let mut inputs = vec![];
        for index in (2..self.inputs.len()).step_by(3) {
            inputs.push(Some(Value::Step(self.numbers(index, index + 1, index + 2)?)));
        }
        let grid = self.grid(0, 1)?;
        self.then_rounded("Concat", &inputs, grid)
    }

    fn then_rounded(&mut self, op: &str, inputs: &[Option<Value>], grid: Grid) -> Translated {
        match self.nested(op, inputs)? {
            Value::Step(step) => self.rounded(step, grid),
            other => Ok(other),
        }
    }
}

/// Whether a step is the net's input, perhaps in another shape.
fn is_input(draft: &Draft, step: usize) -> bool {
    match &draft.steps[step].part {
        Part::Op(Op::Input(_)) => true,
        Part::Op(Op::View(_) | Op::Transpose { .. }) => is_input(draft, draft.steps[step].inputs[0]),
        _ => false,
    }
}
