//! Linear maps, convolutions and normalisations.

use super::arithmetic::Coefficient;
use super::{Call, Objection, Translated, Value};
use crate::ann::{Affine, Conv, Linear, Op, Shape, Window};
use crate::import::draft::Part;
use std::sync::Arc;

impl Call<'_> {
    pub(super) fn gemm(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let &[inputs] = shape.extents() else {
            return Err(format!("it needs a vector of features, found {shape}").into());
        };
        if self.attributes.flag("transA")? {
            return Err("it transposes the batch (transA)".into());
        }
        let transposed = self.attributes.flag("transB")?;
        let alpha = self.attributes.float("alpha")?.unwrap_or(1.0);
        let beta = self.attributes.float("beta")?.unwrap_or(1.0);
        let tensor = self.needed(1)?;
        let &[rows, columns] = &tensor.extents[..] else {
            return Err(format!("its weights have the shape {:?}", tensor.extents).into());
        };
        let (outputs, ins) = if transposed { (rows, columns) } else { (columns, rows) };
        if ins != inputs {
            return Err(format!("its weights take {ins} inputs, found {inputs}").into());
        }
        let mut weights = tensor.floats()?;
        if !transposed {
            weights = turned(&weights, rows, columns);
        }
        if alpha != 1.0 {
            weights = weights.iter().map(|w| w * alpha).collect();
        }
        let bias = match self.constant(2)? {
            None => None,
            Some(tensor) => {
                let out = Shape::new([outputs])?;
                let bias = match Coefficient::of(tensor, &out)? {
                    Coefficient::One(x) => vec![x as f32; outputs].into(),
                    coefficient => coefficient.numbers(),
                };
                Some(if beta == 1.0 { bias } else { bias.iter().map(|b| b * beta).collect() })
            }
        };
        let linear = Op::Linear(Linear { weights, bias, inputs, outputs });
        Ok(Value::Step(self.push("", Part::Op(linear), &[input])?))
    }

    /// A product with constant weights on the right, along the last axis; over further axes it is a convolution of
    /// width 1 with the last axis as the channels.
    pub(super) fn matmul(&mut self) -> Translated {
        let input = self.step(0).map_err(|e| {
            Objection::new(e.reason, "weights must stand on the right, as PyTorch writes x @ W.t()")
        })?;
        let extents = self.shape(0)?.extents().to_vec();
        let tensor = self.needed(1)?;
        let &[inputs, outputs] = &tensor.extents[..] else {
            return Err(format!("its weights have the shape {:?}, not [in, out]", tensor.extents).into());
        };
        if extents.last() != Some(&inputs) {
            return Err(format!("its weights take {inputs} inputs, found {extents:?}").into());
        }
        let weights = turned(&tensor.floats()?, inputs, outputs);
        if extents.len() == 1 {
            let linear = Op::Linear(Linear { weights, bias: None, inputs, outputs });
            return Ok(Value::Step(self.push("", Part::Op(linear), &[input])?));
        }
        let positions: usize = extents[..extents.len() - 1].iter().product();
        let mut out = extents.clone();
        *out.last_mut().expect("rank is above 1") = outputs;
        let swap = || Part::Op(Op::Transpose { perm: vec![1, 0] });
        let flat = self.push("positions", Part::Op(Op::View(Shape::new([positions, inputs])?)), &[input])?;
        let first = self.push("channels_first", swap(), &[flat])?;
        let window = Window::of([1, 1]);
        let conv =
            Conv { weights, bias: None, in_channels: inputs, out_channels: outputs, groups: 1, window };
        let product = self.push("", Part::Op(Op::Conv(conv)), &[first])?;
        let last = self.push("channels_last", swap(), &[product])?;
        Ok(Value::Step(self.push("view", Part::Op(Op::View(Shape::new(out)?)), &[last])?))
    }

    pub(super) fn conv(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let tensor = self.needed(1)?;
        if tensor.extents.len() != shape.rank() + 1 || !(2..=3).contains(&shape.rank()) {
            return Err(Objection::new(
                format!("weights of shape {:?} over an input of {shape}", tensor.extents),
                "one- and two-dimensional convolutions are supported",
            ));
        }
        let (out_channels, kernel) = (tensor.extents[0], &tensor.extents[2..]);
        let stated = self.attributes.ints("kernel_shape")?;
        if stated.is_some_and(|s| !s.iter().copied().eq(kernel.iter().map(|&k| k as i64))) {
            return Err(format!("its kernel_shape {stated:?} is not that of its weights {kernel:?}").into());
        }
        let groups = usize::try_from(self.attributes.int("group")?.unwrap_or(1))
            .map_err(|_| "it has a negative number of groups")?;
        let in_channels = shape.channels();
        if tensor.extents[1].checked_mul(groups) != Some(in_channels) {
            return Err(format!(
                "weights for {} channels in each of {groups} groups, found {in_channels} channels",
                tensor.extents[1]
            )
            .into());
        }
        let window = self.window(kernel, &shape.extents()[1..])?;
        let weights = tensor.floats()?;
        let bias = match self.constant(2)? {
            Some(bias) => Some(bias.floats()?),
            None => None,
        };
        let conv = Conv { weights, bias, in_channels, out_channels, groups, window };
        Ok(Value::Step(self.push("", Part::Op(Op::Conv(conv)), &[input])?))
    }

    pub(super) fn batch_norm(&mut self) -> Translated {
        let input = self.step(0)?;
        if self.attributes.flag("training_mode")? {
            return Err(Objection::new("it is in training mode", "export the net with model.eval()"));
        }
        if self.attributes.int("spatial")?.is_some_and(|spatial| spatial != 1) {
            return Err("its statistics are not per channel (spatial = 0)".into());
        }
        let channels = self.shape(0)?.channels();
        let epsilon = f64::from(self.attributes.float("epsilon")?.unwrap_or(1e-5));
        let mut lists = vec![];
        for index in 1..=4 {
            let list = self.needed(index)?.floats()?;
            if list.len() != channels {
                return Err(
                    format!("its input {index} has {} numbers for {channels} channels", list.len()).into()
                );
            }
            lists.push(list);
        }
        let [gamma, beta, mean, variance] = &lists[..] else { unreachable!("four lists were read") };
        let affine = batch_normalisation([gamma, beta, mean, variance], epsilon);
        Ok(Value::Step(self.push("", Part::Op(Op::Affine(affine)), &[input])?))
    }
}

/// Batch normalisation with fixed statistics, `γ·(x − mean) / √(variance + ε) + β` (Ioffe and Szegedy 2015), as one factor
/// and one summand per channel; computed in `f64` and rounded once. All lists have one number per channel.
pub(in crate::import) fn batch_normalisation(lists: [&[f32]; 4], epsilon: f64) -> Affine {
    let [gamma, beta, mean, variance] = lists;
    let channels = gamma.len();
    let wide = |list: &[f32], c: usize| f64::from(list[c]);
    let scale: Vec<f64> =
        (0..channels).map(|c| wide(gamma, c) / (wide(variance, c) + epsilon).sqrt()).collect();
    let shift = (0..channels).map(|c| (wide(beta, c) - wide(mean, c) * scale[c]) as f32).collect();
    Affine { scale: scale.iter().map(|&s| s as f32).collect(), shift }
}

/// `[columns][rows]` from `[rows][columns]`.
fn turned(x: &[f32], rows: usize, columns: usize) -> Arc<[f32]> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| x[r * columns + c])).collect()
}
