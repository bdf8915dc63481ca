//! Operators that move elements: views, transpositions, concatenations, zeros around.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Op, Shape};
use crate::import::draft::Part;
use crate::import::fold::{axes, axis, unsqueezed};
use crate::import::tensor::BATCH;

impl Call<'_> {
    pub(super) fn concat(&mut self) -> Translated {
        let steps = (0..self.inputs.len())
            .map(|i| {
                self.step(i).map_err(|e| Objection::new(e.reason, "only activations can be concatenated"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rank = self.shape(0)?.rank() + 1;
        let axis = axis(self.attributes.int("axis")?.ok_or("its axis is missing")?, rank)?;
        if axis == 0 {
            return Err("it concatenates along the batch".into());
        }
        Ok(Value::Step(self.push("", Part::Op(Op::Concat { axis: axis - 1 }), &steps)?))
    }

    pub(super) fn pad(&mut self) -> Translated {
        let input = self.step(0)?;
        let mode = self.attributes.text("mode").unwrap_or("constant");
        if mode != "constant" {
            return Err(Objection::new(format!("it pads in the mode `{mode}`"), "only zeros can be padded"));
        }
        let rank = self.shape(0)?.rank() + 1;
        let (pads, value) = if self.opset < 11 {
            let pads = self.attributes.ints("pads")?.ok_or("its pads are missing")?.to_vec();
            (pads, self.attributes.float("value")?.map(f64::from))
        } else {
            let value = match self.constant(2)? {
                Some(tensor) => Some(tensor.scalar().ok_or("its value must be a single number")?),
                None => None,
            };
            (self.needed(1)?.list()?.to_vec(), value)
        };
        if value.is_some_and(|v| v != 0.0) {
            let reason = format!("it pads with {}", value.unwrap_or_default());
            return Err(Objection::new(reason, "only zeros can be padded"));
        }
        let along: Vec<usize> = match self.constant(3)? {
            Some(tensor) => tensor.list()?.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * along.len() {
            return Err(format!("{} pads for {} axes", pads.len(), along.len()).into());
        }
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        for (i, &axis) in along.iter().enumerate() {
            let amount = |pad: i64| {
                usize::try_from(pad).map_err(|_| {
                    Objection::new(
                        format!("it cuts off ({pad} along axis {axis})"),
                        "negative pads are not supported",
                    )
                })
            };
            (before[axis], after[axis]) = (amount(pads[i])?, amount(pads[along.len() + i])?);
        }
        if before[0] != 0 || after[0] != 0 {
            return Err("it pads the batch".into());
        }
        let op = Op::Pad { before: before.split_off(1), after: after.split_off(1) };
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
    }

    pub(super) fn view(&mut self, extents: Vec<usize>) -> Translated {
        let shape = Shape::new(extents)?;
        self.one(Part::Op(Op::View(shape)))
    }

    pub(super) fn flatten(&mut self) -> Translated {
        let shape = self.shape(0)?;
        let (elements, rank) = (shape.elements(), shape.rank() + 1);
        if axis(self.attributes.int("axis")?.unwrap_or(1), rank + 1)? != 1 {
            return Err(Objection::new("it merges the batch with other axes", "use Flatten with axis 1"));
        }
        self.view(vec![elements])
    }

    pub(super) fn reshape(&mut self) -> Translated {
        let shape = self.shape(0)?;
        let target = match self.value(1) {
            // Before operator set 5 the shape was an attribute; some exporters still write it so.
            None => self.attributes.ints("shape")?.ok_or("its shape is missing")?.to_vec(),
            Some(_) => self.needed(1)?.list()?.to_vec(),
        };
        let copies = !self.attributes.flag("allowzero")?;
        let merged = || {
            Objection::new(
                format!(
                    "it reshapes {shape} of each sample to {target:?}, which mixes the samples of a batch"
                ),
                "keep the batch as the first axis",
            )
        };
        let (&first, rest) = target.split_first().ok_or_else(merged)?;
        let mut free = None;
        let mut extents = vec![];
        for (i, &extent) in rest.iter().enumerate() {
            extents.push(match extent {
                -1 if free.is_none() && first != -1 => {
                    free = Some(i);
                    1
                }
                0 if copies => *shape.extents().get(i).ok_or_else(merged)?,
                _ => usize::try_from(extent).map_err(|_| merged())?,
            });
        }
        let known = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e)).ok_or_else(merged)?;
        if let Some(free) = free {
            if known == 0 || !shape.elements().is_multiple_of(known) {
                return Err(merged());
            }
            extents[free] = shape.elements() / known;
        } else if known != shape.elements() {
            return Err(merged());
        }
        let is_batch = first == BATCH
            || first == -1
            || (first == 0 && copies)
            || self.batch == Some(first)
            || (self.batch.is_none() && first == 1);
        if !is_batch {
            return Err(merged());
        }
        self.view(extents)
    }

    pub(super) fn squeeze(&mut self) -> Translated {
        let extents = self.shape(0)?.extents().to_vec();
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        let dropped: Vec<usize> = match axes(self.attributes, &self.constants(), "axes", 1)? {
            Some(list) => list.iter().map(|&a| axis(a, extents.len() + 1)).collect::<Result<_, _>>()?,
            None => (1..=extents.len()).filter(|&a| extents[a - 1] == 1).collect(),
        };
        if dropped.contains(&0) {
            return Err("it removes the batch axis".into());
        }
        if let Some(&bad) = dropped.iter().find(|&&a| extents[a - 1] != 1) {
            return Err(format!("axis {bad} has the extent {}, not 1", extents[bad - 1]).into());
        }
        let kept = (1..=extents.len()).filter(|a| !dropped.contains(a)).map(|a| extents[a - 1]);
        self.view(kept.collect())
    }

    pub(super) fn unsqueeze(&mut self) -> Translated {
        let mut extents = vec![0];
        extents.extend(self.shape(0)?.extents());
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        let list = axes(self.attributes, &self.constants(), "axes", 1)?.ok_or("its axes are missing")?;
        // The batch is marked by an extent of 0, which no sample has.
        let mut result = unsqueezed(&extents, &list)?;
        if result[0] != 0 {
            return Err("it puts an axis before the batch".into());
        }
        self.view(result.split_off(1))
    }

    pub(super) fn transpose(&mut self) -> Translated {
        let rank = self.shape(0)?.rank() + 1;
        let perm: Vec<usize> = match self.attributes.ints("perm")? {
            Some(perm) => perm.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).rev().collect(),
        };
        if perm.first() != Some(&0) || perm[1..].contains(&0) {
            return Err(Objection::new(format!("its permutation {perm:?} moves the batch"), "keep it first"));
        }
        self.one(Part::Op(Op::Transpose { perm: perm[1..].iter().map(|a| a - 1).collect() }))
    }
}
