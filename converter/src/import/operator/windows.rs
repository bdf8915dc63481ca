//! Windows, poolings and reductions over space.

use super::{Call, Objection, Translated, Value};
use crate::ann::{AveragePool, MaxPool, Op, Shape, Window};
use crate::import::axes::{axes, axis};
use crate::import::draft::Part;

impl Call<'_> {
    /// Kernel, stride, dilation and padding from the attributes, for spatial extents `input`.
    pub(super) fn window(&self, kernel: &[usize], input: &[usize]) -> Result<Window, Objection> {
        let rank = kernel.len();
        if !(1..=2).contains(&rank) || input.len() != rank {
            return Err(Objection::new(
                format!("a kernel of {kernel:?} over positions {input:?}"),
                "one- and two-dimensional windows are supported",
            ));
        }
        let list = |name: &str, length: usize, usual: usize| self.sizes(name, length, usual);
        let stride = list("strides", rank, 1)?;
        let dilation = list("dilations", rank, 1)?;
        let mut pads = list("pads", 2 * rank, 0)?;
        match self.attributes.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => {}
            "VALID" => pads.fill(0),
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                for axis in 0..rank {
                    let outputs = input[axis].div_ceil(stride[axis].max(1));
                    let span = kernel[axis]
                        .saturating_sub(1)
                        .checked_mul(dilation[axis])
                        .and_then(|s| s.checked_add(1))
                        .ok_or("its kernel is too large")?;
                    let reach = (outputs - 1).saturating_mul(stride[axis]).saturating_add(span);
                    let total = reach.saturating_sub(input[axis]);
                    let less = total / 2;
                    (pads[axis], pads[rank + axis]) =
                        if same == "SAME_UPPER" { (less, total - less) } else { (total - less, less) };
                }
            }
            other => return Err(format!("its attribute auto_pad is `{other}`").into()),
        }
        let pair = |list: &[usize], fill: usize| {
            if rank == 1 { [fill, list[0]] } else { [list[0], list[1]] }
        };
        Ok(Window {
            kernel: pair(kernel, 1),
            stride: pair(&stride, 1),
            dilation: pair(&dilation, 1),
            before: pair(&pads[..rank], 0),
            after: pair(&pads[rank..], 0),
        })
    }

    /// An attribute of `length` numbers of at least 0; `usual` ones if it is missing.
    pub(super) fn sizes(&self, name: &str, length: usize, usual: usize) -> Result<Vec<usize>, Objection> {
        let Some(given) = self.attributes.ints(name)?.filter(|g| !g.is_empty()) else {
            return Ok(vec![usual; length]);
        };
        if given.len() != length {
            return Err(format!("its attribute `{name}` is {given:?}; {length} numbers are needed").into());
        }
        let number = |&x: &i64| {
            usize::try_from(x).map_err(|_| {
                Objection::new(
                    format!("its attribute `{name}` is {given:?}"),
                    "only numbers of at least 0 are supported",
                )
            })
        };
        given.iter().map(number).collect()
    }

    pub(super) fn pool(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let given = self.attributes.ints("kernel_shape")?.ok_or("its kernel_shape is missing")?;
        let kernel = given
            .iter()
            .map(|&k| usize::try_from(k).map_err(|_| format!("its kernel_shape is {given:?}")))
            .collect::<Result<Vec<_>, _>>()?;
        let window = self.window(&kernel, shape.extents().get(1..).unwrap_or(&[]))?;
        let ceil_mode = self.attributes.flag("ceil_mode")?;
        let op = if self.op == "MaxPool" {
            Op::MaxPool(MaxPool { window, ceil_mode })
        } else {
            let count_include_pad = self.attributes.flag("count_include_pad")?;
            Op::AveragePool(AveragePool { window, ceil_mode, count_include_pad })
        };
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
    }

    pub(super) fn reduction(&mut self) -> Translated {
        let rank = self.shape(0)?.rank() + 1;
        let list = axes(self.attributes, &self.constants(), "axes", 1)?.unwrap_or_default();
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        if list.is_empty() {
            if self.attributes.flag("noop_with_empty_axes")? {
                return self.pass();
            }
            return Err("it reduces over everything, the batch included".into());
        }
        let mut reduced = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
        reduced.sort_unstable();
        reduced.dedup();
        if reduced[0] == 0 {
            return Err("it reduces over the batch".into());
        }
        let keep = self.attributes.int("keepdims")?.unwrap_or(1) != 0;
        let op = if self.op == "ReduceMax" { Op::GlobalMax } else { Op::GlobalAverage };
        let count: usize = reduced.iter().map(|&a| self.shape(0).map_or(1, |s| s.extents()[a - 1])).product();
        let value = self.reduce(reduced.iter().map(|a| a - 1).collect(), keep, op)?;
        match value {
            // A sum is as many means.
            Value::Step(mean) if self.op == "ReduceSum" => {
                let times = Part::Scalar { scale: count as f64, shift: 0.0 };
                Ok(Value::Step(self.push("times", times, &[mean])?))
            }
            value => Ok(value),
        }
    }

    /// Reduces over axes of the sample (ascending): as it stands if these are the positions, else with the kept axes
    /// brought to the front as channels.
    pub(super) fn reduce(&mut self, reduced: Vec<usize>, keep: bool, op: Op) -> Translated {
        let mut input = self.step(0)?;
        let extents = self.shape(0)?.extents().to_vec();
        let rank = extents.len();
        let kept: Vec<usize> = (0..rank).filter(|a| !reduced.contains(a)).collect();
        let out: Vec<usize> = if keep {
            (0..rank).map(|a| if reduced.contains(&a) { 1 } else { extents[a] }).collect()
        } else {
            kept.iter().map(|&a| extents[a]).collect()
        };
        let direct = kept == [0] && (2..=3).contains(&rank);
        if !direct {
            let perm: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
            if !perm.iter().copied().eq(0..rank) {
                input = self.push("channels_first", Part::Op(Op::Transpose { perm }), &[input])?;
            }
            let channels = kept.iter().map(|&a| extents[a]).product::<usize>();
            let positions = reduced.iter().map(|&a| extents[a]).product::<usize>();
            let planes = Shape::new([channels, positions])?;
            input = self.push("positions", Part::Op(Op::View(planes)), &[input])?;
        }
        let step = self.push("", Part::Op(op), &[input])?;
        if self.draft.steps[step].shape.extents() == out {
            return Ok(Value::Step(step));
        }
        Ok(Value::Step(self.push("view", Part::Op(Op::View(Shape::new(out)?)), &[step])?))
    }
}
