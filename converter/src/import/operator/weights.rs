//! Linear maps, convolutions and normalisations.

use super::arithmetic::Coefficient;
use super::{Call, Objection, Translated, Value};
use crate::ann::{Affine, Conv, Linear, Op, Resample, Shape, Window};
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

    /// A transposed convolution: a convolution of stride 1 with the taps in reverse, over the input with zeros between its
    /// positions and around it.
    pub(super) fn conv_transposed(&mut self) -> Translated {
        let input = self.step(0)?;
        let extents = self.shape(0)?.extents().to_vec();
        let tensor = self.needed(1)?.clone();
        if tensor.extents.len() != extents.len() + 1 || !(2..=3).contains(&extents.len()) {
            return Err(Objection::new(
                format!("weights of shape {:?} over an input of {extents:?}", tensor.extents),
                "one- and two-dimensional convolutions are supported",
            ));
        }
        let kernel = tensor.extents[2..].to_vec();
        let spatial = &extents[1..];
        let groups = usize::try_from(self.attributes.int("group")?.unwrap_or(1))
            .ok()
            .filter(|&groups| groups > 0 && extents[0].is_multiple_of(groups))
            .ok_or("its groups do not divide its channels")?;
        if tensor.extents[0] != extents[0] {
            return Err(format!("weights for {} channels, found {}", tensor.extents[0], extents[0]).into());
        }
        let list = |name: &str, length: usize, usual: usize| self.sizes(name, length, usual);
        let strides = list("strides", kernel.len(), 1)?;
        let dilations = list("dilations", kernel.len(), 1)?;
        let more = list("output_padding", kernel.len(), 0)?;
        let mut pads = list("pads", 2 * kernel.len(), 0)?;
        let stated = self.attributes.ints("output_shape")?.filter(|shape| !shape.is_empty());
        // One size for each position; some exporters put batch and channels before them.
        if let Some(shape) = stated.filter(|shape| shape.len() < kernel.len()) {
            return Err(format!("its output_shape is {shape:?} for {} axes", kernel.len()).into());
        }
        let automatic = self.attributes.text("auto_pad").unwrap_or("NOTSET");
        let mut axes = vec![None];
        for axis in 0..kernel.len() {
            let limit = |n: usize| n <= 1 << 20;
            let sizes = [kernel[axis], strides[axis], dilations[axis], more[axis], pads[axis]];
            if kernel[axis] == 0
                || strides[axis] == 0
                || dilations[axis] == 0
                || !sizes.into_iter().all(limit)
            {
                return Err("its kernel, strides, dilations or pads are 0 or too large".into());
            }
            let reach = dilations[axis] * (kernel[axis] - 1);
            let mut full = (spatial[axis] - 1) * strides[axis] + reach + 1 + more[axis];
            let wanted = match (stated, automatic) {
                (Some(shape), _) => shape[shape.len() - kernel.len() + axis].try_into().ok(),
                (None, "SAME_UPPER" | "SAME_LOWER") => Some(spatial[axis] * strides[axis]),
                _ => None,
            };
            if let Some(wanted) = wanted {
                // Nothing reaches what is wanted beyond.
                full = full.max(wanted);
                let total: usize = full - wanted;
                let less = total / 2;
                (pads[axis], pads[kernel.len() + axis]) =
                    if automatic == "SAME_UPPER" { (less, total - less) } else { (total - less, less) };
            }
            let size = full
                .checked_sub(pads[axis] + pads[kernel.len() + axis])
                .filter(|&size| size > 0)
                .ok_or("its pads leave nothing")?;
            let positions = size.saturating_add(reach);
            self.draft.budget.room(positions)?;
            // Position p of what the convolution sees is position (p − reach + pad) / stride of the input.
            let places = (0..size + reach).map(|p| {
                let at = (p + pads[axis]).checked_sub(reach)?;
                Some(at / strides[axis]).filter(|&i| at.is_multiple_of(strides[axis]) && i < spatial[axis])
            });
            axes.push(Some(Arc::new(self.picked(spatial[axis], positions, places)?)));
        }
        let spread = self.push("spread", Part::Op(Op::Resample(Resample { axes })), &[input])?;
        let taps: usize = kernel.iter().product();
        let (ins, outs) = (extents[0] / groups, tensor.extents[1]);
        let given = tensor.floats()?;
        let mut weights = Vec::with_capacity(given.len());
        for group in 0..groups {
            for o in 0..outs {
                for i in 0..ins {
                    let first = ((group * ins + i) * outs + o) * taps;
                    weights.extend(given[first..first + taps].iter().rev());
                }
            }
        }
        let pair = |list: &[usize]| if list.len() == 1 { [1, list[0]] } else { [list[0], list[1]] };
        let window = Window { dilation: pair(&dilations), ..Window::of(pair(&kernel)) };
        let bias = self.constant(2)?.map(crate::import::tensor::Tensor::floats).transpose()?;
        let conv = Conv {
            weights: weights.into(),
            bias,
            in_channels: extents[0],
            out_channels: outs * groups,
            groups,
            window,
        };
        Ok(Value::Step(self.push("", Part::Op(Op::Conv(conv)), &[spread])?))
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
pub(super) fn turned(x: &[f32], rows: usize, columns: usize) -> Arc<[f32]> {
    // An iterator of known length, so that the numbers are written where they stay.
    (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
}
