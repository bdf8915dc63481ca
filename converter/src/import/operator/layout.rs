//! Operators that move elements: views, transpositions, concatenations, zeros around.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Affine, Op, Resample, Shape, Taps};
use crate::import::axes::{axes, axis};
use crate::import::draft::Part;
use crate::import::fold::unsqueezed;
use crate::import::span::{Span, border, spans};
use crate::import::tensor::BATCH;
use std::sync::Arc;

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
        if !["constant", "reflect", "edge", "wrap"].contains(&mode) {
            let modes = "the modes constant, reflect, edge and wrap are supported";
            return Err(Objection::new(format!("it pads in the mode `{mode}`"), modes));
        }
        let extents = self.shape(0)?.extents().to_vec();
        let rank = extents.len() + 1;
        let (pads, value) = if self.opset < 11 {
            let pads = self.attributes.ints("pads")?.or(self.attributes.ints("paddings")?);
            (pads.ok_or("its pads are missing")?.to_vec(), self.attributes.float("value")?.map(f64::from))
        } else {
            let value = match self.constant(2)? {
                Some(tensor) => Some(tensor.scalar().ok_or("its value must be a single number")?),
                None => None,
            };
            (self.needed(1)?.list()?.to_vec(), value)
        };
        let value = value.filter(|_| mode == "constant").unwrap_or(0.0) as f32;
        if !value.is_finite() {
            let reason = format!("it pads with {value}");
            return Err(Objection::new(
                reason,
                "let a max pooling pad by itself; other padding must be finite",
            ));
        }
        let along: Vec<usize> = match self.constant(3)? {
            Some(tensor) => tensor.list()?.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * along.len() {
            return Err(format!("{} pads for {} axes", pads.len(), along.len()).into());
        }
        let mut amounts = vec![(0, 0); rank];
        for (i, &axis) in along.iter().enumerate() {
            amounts[axis] = (pads[i], pads[along.len() + i]);
        }
        if amounts[0] != (0, 0) {
            return Err("it pads the batch".into());
        }
        let amounts = &amounts[1..];
        let sizes = |pick: fn(&(i64, i64)) -> i64| -> Option<Vec<usize>> {
            amounts.iter().map(|pair| usize::try_from(pick(pair)).ok()).collect()
        };
        if let (Some(before), Some(after)) = (sizes(|pair| pair.0), sizes(|pair| pair.1))
            && mode == "constant"
            && value == 0.0
        {
            return Ok(Value::Step(self.push("", Part::Op(Op::Pad { before, after }), &[input])?));
        }
        // As many elements as there will be, which are listed below, must be allowed.
        let padded = extents.iter().zip(amounts).map(|(&extent, &(before, after))| {
            extent.saturating_add_signed(isize::try_from(before.saturating_add(after)).unwrap_or(isize::MAX))
        });
        let padded: Vec<usize> = padded.collect();
        let elements = Shape::new(padded.clone())?.elements();
        self.draft.budget.room(elements)?;
        if value != 0.0 {
            self.draft.budget.clone().step(0, elements)?;
        }
        let mut axes = Vec::with_capacity(extents.len());
        let mut inside = vec![true];
        for ((&extent, &(before, after)), &size) in extents.iter().zip(amounts).zip(&padded) {
            self.draft.budget.positions(size, 1)?;
            let places = border(mode, extent, before, after)?;
            if value != 0.0 {
                // As long as it is to be: a list that grows is held twice.
                let mut more = Vec::with_capacity(inside.len() * places.len());
                for own in inside {
                    more.extend(places.iter().map(|place| own && place.is_some()));
                }
                inside = more;
            }
            let changes = (before, after) != (0, 0);
            axes.push(if changes { Some(Arc::new(Taps::picked(extent, places)?)) } else { None });
        }
        let name = if value == 0.0 { "" } else { "pad" };
        let padded = self.push(name, Part::Op(Op::Resample(Resample { axes })), &[input])?;
        if value == 0.0 {
            return Ok(Value::Step(padded));
        }
        let shift = inside.into_iter().map(|inside| if inside { 0.0 } else { value }).collect();
        let border = Op::Affine(Affine { scale: [1.0].into(), shift });
        Ok(Value::Step(self.push("", Part::Op(border), &[padded])?))
    }

    pub(super) fn slice(&mut self) -> Translated {
        // No batch is that large; what takes all of it takes any.
        const BATCH_EXTENT: usize = 1 << 40;
        let mut extents = vec![BATCH_EXTENT];
        extents.extend(self.shape(0)?.extents());
        for place in 1..self.inputs.len() {
            self.constant(place)?;
        }
        let spans = spans(&extents, &self.constants(), self.attributes, self.opset)?;
        if spans[0] != Span::all(BATCH_EXTENT) {
            return Err(Objection::new("it takes some of the samples of a batch", "slice other axes only"));
        }
        let mut axes = vec![];
        for (span, &extent) in spans.iter().zip(&extents).skip(1) {
            if span.count == 0 {
                return Err(format!("it takes nothing of an axis of {extent}").into());
            }
            let changes = *span != Span::all(extent);
            let places = span.places().map(Some);
            let taps = changes.then(|| self.picked(extent, span.count, places)).transpose()?;
            axes.push(taps.map(Arc::new));
        }
        self.resample(axes)
    }

    /// A map along the axes of the first input; nothing, if no axis changes.
    pub(super) fn resample(&mut self, axes: Vec<Option<Arc<Taps>>>) -> Translated {
        if axes.iter().all(Option::is_none) {
            return self.pass();
        }
        self.one(Part::Op(Op::Resample(Resample { axes })))
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
        let is_batch = self.batch_axis(self.step(0)?).is_none() && matches!(first, 1 | -1)
            || first == BATCH
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
}
