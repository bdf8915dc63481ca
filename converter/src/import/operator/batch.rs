//! Tensors whose batch axis is not the first, or that have none: one sample alone.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Conv, Linear, Op, Shape, Weights, Window};
use crate::import::axes::{axes, axis};
use crate::import::draft::Part;
use crate::import::fold::shape_of;
use crate::import::tensor::{BATCH, Tensor};

impl Call<'_> {
    /// Where the batch stands among the axes of the file's tensor; nowhere, if the tensor is one sample without such an axis.
    pub(super) fn batch_axis(&self, step: usize) -> Option<usize> {
        self.batches.get(&step).copied().unwrap_or(Some(0))
    }

    /// What the node becomes whose input has its batch axis elsewhere.
    pub(super) fn elsewhere(mut self, place: Option<usize>) -> Result<Vec<Value>, Objection> {
        let value = match self.op {
            "Identity" | "Cast" | "Dropout" | "Relu" | "LeakyRelu" | "Abs" | "Neg" | "Clip"
            | "HardSigmoid" | "Floor" => self.first()?,
            "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum" | "Mean"
                if self.constants_stand_behind(place) =>
            {
                self.first()?
            }
            "Shape" => {
                let mut extents: Vec<i64> = self.shape(0)?.extents().iter().map(|&e| e as i64).collect();
                if let Some(place) = place {
                    extents.insert(place, BATCH);
                }
                return Ok(vec![Value::Constant(shape_of(&extents, self.attributes)?)]);
            }
            "GatherND" if place.is_some_and(|place| place > 0) => {
                let (step, moved) = self.gather_nd(place.unwrap_or(0))?;
                if moved > 0 {
                    self.batches.insert(step, Some(moved));
                }
                return Ok(vec![Value::Step(step)]);
            }
            "MatMul" => self.matmul()?,
            "Transpose" => return Ok(vec![self.transpose_from(place)?]),
            "Unsqueeze" if place.is_none() => {
                let added = axes(self.attributes, &self.constants(), "axes", 1)?.unwrap_or_default();
                let extents = self.shape(0)?.extents().to_vec();
                if added != [0] && added != [-(extents.len() as i64) - 1] {
                    return Err("it puts axes into a tensor without a batch axis".into());
                }
                return Ok(vec![self.view(extents)?]);
            }
            "Reshape" if place.is_none() => return Ok(vec![self.reshape()?]),
            _ => {
                let where_it_is = match place {
                    Some(place) => format!("the batch is axis {place} of its input"),
                    None => "its input has no batch axis".to_owned(),
                };
                return Err(Objection::new(where_it_is, "put the batch first before this operator"));
            }
        };
        if let Value::Step(step) = value {
            self.batches.insert(step, place);
        }
        Ok(vec![value])
    }

    /// Whether every constant among the inputs is one number, or one for the places behind the batch.
    fn constants_stand_behind(&self, place: Option<usize>) -> bool {
        let steps = self.inputs.iter().flatten().filter_map(|value| match value {
            Value::Step(step) => Some(self.draft.steps[*step].shape.rank()),
            _ => None,
        });
        let behind = steps.map(|rank| place.map_or(rank, |place| rank.saturating_sub(place))).min();
        let stands = |tensor: &Tensor| tensor.scalar().is_some() || Some(tensor.extents.len()) <= behind;
        self.constants().into_iter().flatten().all(stands)
    }

    pub(super) fn transpose(&mut self) -> Translated {
        let place = self.batch_axis(self.step(0)?);
        self.transpose_from(place)
    }

    fn transpose_from(&mut self, place: Option<usize>) -> Translated {
        let rank = self.shape(0)?.rank() + usize::from(place.is_some());
        let perm: Vec<usize> = match self.attributes.ints("perm")? {
            Some(perm) => perm.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).rev().collect(),
        };
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(format!("{perm:?} does not permute {rank} axes").into());
        }
        // Axes of the sample count without the batch.
        let own: Vec<usize> = perm
            .iter()
            .filter(|&&axis| Some(axis) != place)
            .map(|&axis| if place.is_some_and(|place| axis > place) { axis - 1 } else { axis })
            .collect();
        let moved = place.and_then(|place| perm.iter().position(|&axis| axis == place));
        let value = self.one(Part::Op(Op::Transpose { perm: own }))?;
        if let Value::Step(step) = value
            && moved != Some(0)
        {
            self.batches.insert(step, moved);
        }
        Ok(value)
    }

    /// A product with constant weights along the last axis (weights on the right) or the last but one (on the left): a linear
    /// map, or a convolution of width 1 with that axis as its channels.
    pub(super) fn matmul(&mut self) -> Translated {
        let (index, left) = match (self.value(0), self.value(1)) {
            (Some(Value::Step(_)), Some(Value::Constant(_))) => (0, false),
            (Some(Value::Constant(_)), Some(Value::Step(_))) => (1, true),
            (Some(Value::Step(_)), Some(Value::Step(_))) => return Err(Self::product_of_activations()),
            _ => return Err("an input is missing".into()),
        };
        let input = self.step(index)?;
        let tensor = self.needed(1 - index)?.clone();
        let place = self.batch_axis(input);
        let extents = self.shape(index)?.extents().to_vec();
        let rank = extents.len() + usize::from(place.is_some());
        let lead = tensor.extents.len().saturating_sub(2);
        let stacked = tensor.extents[..lead].iter().any(|&extent| extent != 1);
        let &[rows, columns] = &tensor.extents[lead..] else {
            return Err(format!("its weights have the shape {:?}, not [in, out]", tensor.extents).into());
        };
        if stacked || lead > 0 && tensor.extents.len() > rank {
            let reason =
                format!("its weights have the shape {:?}, one matrix for each place", tensor.extents);
            return Err(Objection::new(reason, "only one matrix for all is supported"));
        }
        let contracted = rank
            .checked_sub(if left && rank > 1 { 2 } else { 1 })
            .ok_or("its input is a single number, which has no axis to multiply along")?;
        if Some(contracted) == place {
            return Err(Objection::new(
                "it multiplies along the batch",
                "weights stand on the right of [batch, features], as PyTorch writes x @ W.t()",
            ));
        }
        let along = contracted - usize::from(place.is_some_and(|place| place < contracted));
        let (inputs, outputs) = if left { (columns, rows) } else { (rows, columns) };
        if extents[along] != inputs {
            return Err(format!("its weights take {inputs} inputs, found {extents:?}").into());
        }
        let flat = Tensor::new(vec![rows, columns], tensor.numbers.clone())?;
        let weights = self.matrix(&flat, !left)?;
        Ok(Value::Step(self.linear_along(input, along, weights, outputs)?))
    }

    /// A linear map along one axis of the sample, `weights` row-major `[outputs][inputs]`.
    fn linear_along(
        &mut self,
        input: usize,
        along: usize,
        weights: Weights,
        outputs: usize,
    ) -> Result<usize, Objection> {
        let extents = self.draft.steps[input].shape.extents().to_vec();
        let inputs = extents[along];
        if extents.len() == 1 {
            let linear = Op::Linear(Linear { weights, bias: None, inputs, outputs });
            return self.push("", Part::Op(linear), &[input]);
        }
        let Weights::Dense(weights) = weights else {
            return Err(Objection::new(
                format!("its weights are sparse and act along one axis of {extents:?}"),
                "sparse weights are for vectors of features; write the matrix with all its zeros",
            ));
        };
        let others: Vec<usize> = (0..extents.len()).filter(|&axis| axis != along).collect();
        let positions: usize = others.iter().map(|&axis| extents[axis]).product();
        let mut step = input;
        let mut front = vec![along];
        front.extend(&others);
        if along > 0 {
            step = self.push("channels_first", Part::Op(Op::Transpose { perm: front.clone() }), &[step])?;
        }
        if extents.len() > 2 {
            step = self.push("positions", Part::Op(Op::View(Shape::new([inputs, positions])?)), &[step])?;
        }
        let conv = Conv {
            weights,
            bias: None,
            in_channels: inputs,
            out_channels: outputs,
            groups: 1,
            window: Window::of([1, 1]),
        };
        step = self.push("", Part::Op(Op::Conv(conv)), &[step])?;
        if extents.len() > 2 {
            let mut back = vec![outputs];
            back.extend(others.iter().map(|&axis| extents[axis]));
            step = self.push("axes", Part::Op(Op::View(Shape::new(back)?)), &[step])?;
        }
        if along > 0 {
            let mut perm = vec![0; front.len()];
            front.iter().enumerate().for_each(|(place, &axis)| perm[axis] = place);
            step = self.push("channels_back", Part::Op(Op::Transpose { perm }), &[step])?;
        }
        Ok(step)
    }
}
