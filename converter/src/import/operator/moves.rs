//! Operators that pick, repeat and rearrange positions along axes.

use super::{Call, Objection, Translated, Value};
use crate::ann::{Op, Resample, Shape, Taps};
use crate::import::axes::axis;
use crate::import::draft::Part;
use crate::import::tensor::BATCH;
use std::sync::Arc;

impl Call<'_> {
    /// An axis of the file's tensor as an axis of the sample.
    fn sample_axis(&self, stated: i64) -> Result<usize, Objection> {
        let rank = self.shape(0)?.rank() + 1;
        match axis(stated, rank)? {
            0 => Err(Objection::new("it works along the batch", "samples are independent of one another")),
            axis => Ok(axis - 1),
        }
    }

    /// The map along one axis of so many positions that takes these places; counted before it is filled.
    pub(super) fn picked(
        &self,
        inputs: usize,
        positions: usize,
        places: impl IntoIterator<Item = Option<usize>>,
    ) -> Result<Taps, String> {
        self.draft.budget.positions(positions, 1)?;
        Taps::picked(inputs, places)
    }

    /// Parts of the input along an axis, one after the other.
    pub(super) fn split(&mut self) -> Result<Vec<Value>, Objection> {
        let input = self.step(0)?;
        let along = self.sample_axis(self.attributes.int("axis")?.unwrap_or(0))?;
        let extents = self.shape(0)?.extents().to_vec();
        let extent = extents[along];
        let given = match self.constant(1)? {
            Some(tensor) => Some(tensor.as_integers()?.to_vec()),
            None => self.attributes.ints("split")?.map(<[i64]>::to_vec),
        };
        let sizes = match given {
            Some(sizes) => sizes
                .iter()
                .map(|&size| usize::try_from(size).map_err(|_| format!("it splits into {sizes:?}")))
                .collect::<Result<Vec<_>, _>>()?,
            None => {
                let parts = self.outputs.max(1);
                let size = extent.div_ceil(parts);
                // The last part may be smaller.
                (0..parts).map(|part| extent.saturating_sub(part * size).min(size)).collect()
            }
        };
        let total = sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if total != Some(extent) || sizes.len() != self.outputs {
            let reason = format!("it splits an axis of {extent} into {sizes:?} for {} outputs", self.outputs);
            return Err(reason.into());
        }
        if sizes.contains(&0) {
            return Err(Objection::new(
                format!(
                    "it splits an axis of {extent} into {sizes:?}, and what has no elements has no neurons"
                ),
                "split it into parts of at least 1",
            ));
        }
        let mut first = 0;
        let mut parts = Vec::with_capacity(sizes.len());
        for size in sizes {
            let taps = self.picked(extent, size, (first..first + size).map(Some))?;
            let part = Part::Op(Op::Resample(Resample::along(extents.len(), along, taps)));
            parts.push(Value::Step(self.push("", part, &[input])?));
            first += size;
        }
        Ok(parts)
    }

    pub(super) fn gather(&mut self) -> Translated {
        let stated = self.attributes.int("axis")?.unwrap_or(0);
        let indices = self.needed(1)?;
        let (shape_of_indices, wanted) = (indices.extents.clone(), indices.as_integers()?.to_vec());
        let along = self.sample_axis(stated)?;
        let extents = self.shape(0)?.extents().to_vec();
        let extent = extents[along];
        if let Some(at) = wanted.iter().position(|&index| axis(index, extent).is_err()) {
            return Err(format!("it takes the place {} of an axis of {extent}", wanted[at]).into());
        }
        let places = wanted.iter().map(|&index| axis(index, extent).ok());
        let taps = self.picked(extent, wanted.len(), places)?;
        let mut result = extents.clone();
        result.splice(along..=along, shape_of_indices);
        let picked = self.push(
            if result.len() == extents.len() { "" } else { "picked" },
            Part::Op(Op::Resample(Resample::along(extents.len(), along, taps))),
            &[self.step(0)?],
        )?;
        if result.len() == extents.len() {
            return Ok(Value::Step(picked));
        }
        Ok(Value::Step(self.push("", Part::Op(Op::View(Shape::new(result)?)), &[picked])?))
    }

    /// GatherND whose constant indices count along the first axes, all of which stand before the batch at `place`. The step,
    /// and where its batch stands: PyTorch writes pooling to a given size so.
    pub(super) fn gather_nd(&mut self, place: usize) -> Result<(usize, usize), Objection> {
        if self.attributes.int("batch_dims")?.unwrap_or(0) != 0 {
            return Err("its batch_dims is not 0".into());
        }
        let input = self.step(0)?;
        let extents = self.shape(0)?.extents().to_vec();
        let indices = self.needed(1)?.clone();
        let Some((&depth, lists)) = indices.extents.split_last() else {
            return Err("its indices are one number".into());
        };
        if depth == 0 || depth > place || depth > extents.len() {
            return Err(format!("its indices count along {depth} axes, and the batch is axis {place}").into());
        }
        let mut places = Vec::with_capacity(indices.numbers.len() / depth);
        for index in indices.as_integers()?.chunks_exact(depth) {
            let mut at = 0;
            for (&number, &extent) in index.iter().zip(&extents) {
                at = at * extent
                    + axis(number, extent).map_err(|_| format!("place {number} of an axis of {extent}"))?;
            }
            places.push(Some(at));
        }
        let (first, rest): (usize, usize) =
            (extents[..depth].iter().product(), extents[depth..].iter().product());
        let flat = self.push("flat", Part::Op(Op::View(Shape::new([first, rest])?)), &[input])?;
        let count = places.len();
        let taps = self.picked(first, count, places)?;
        self.draft.budget.room(Shape::new([count, rest])?.elements())?;
        let picked = Part::Op(Op::Resample(Resample::along(2, 0, taps)));
        let picked = self.push("picked", picked, &[flat])?;
        let result = [lists, &extents[depth..]].concat();
        let step = self.push("", Part::Op(Op::View(Shape::new(result)?)), &[picked])?;
        Ok((step, lists.len() + place - depth))
    }

    pub(super) fn expand(&mut self) -> Translated {
        let target = self.needed(1)?.as_integers()?.to_vec();
        let extents = self.shape(0)?.extents().to_vec();
        let rank = extents.len() + 1;
        if target.len() > rank {
            return Err(Objection::new(
                format!("it expands to {target:?}, which puts axes before the batch"),
                "keep the batch as the first axis",
            ));
        }
        let mut wanted = vec![1; rank - target.len()];
        wanted.extend(target);
        let same_batch = matches!(wanted[0], 1 | BATCH) || self.batch == Some(wanted[0]);
        if !same_batch {
            return Err(format!("it expands the batch to {}", wanted[0]).into());
        }
        let mut result = Vec::with_capacity(extents.len());
        for (&extent, &wanted) in extents.iter().zip(&wanted[1..]) {
            let size = usize::try_from(wanted).map_err(|_| format!("it expands an axis to {wanted}"))?;
            if size != extent && size != 1 && extent != 1 {
                return Err(format!("it expands an axis of {extent} to {size}").into());
            }
            result.push(if extent == 1 { size } else { extent });
        }
        let step = self.step(0)?;
        Ok(Value::Step(self.widened("", step, &result)?))
    }

    /// A step with its axes of 1 repeated up to `extents`, which otherwise are its own.
    pub(super) fn widened(
        &mut self,
        suffix: &str,
        step: usize,
        extents: &[usize],
    ) -> Result<usize, Objection> {
        let own = self.draft.steps[step].shape.extents().to_vec();
        if own == extents {
            return Ok(step);
        }
        let repeated = |(&own, &extent): (&usize, &usize)| -> Result<Option<Arc<Taps>>, String> {
            let taps = (own != extent).then(|| self.picked(1, extent, std::iter::repeat_n(Some(0), extent)));
            Ok(taps.transpose()?.map(Arc::new))
        };
        // Counted before it is filled.
        self.draft.budget.room(Shape::new(extents)?.elements())?;
        let axes = own.iter().zip(extents).map(repeated).collect::<Result<Vec<_>, _>>()?;
        self.push(suffix, Part::Op(Op::Resample(Resample { axes })), &[step])
    }

    pub(super) fn tile(&mut self) -> Translated {
        let repeats = self.needed(1)?.as_integers()?.to_vec();
        let extents = self.shape(0)?.extents().to_vec();
        if repeats.len() != extents.len() + 1 {
            return Err(format!("{} repeats for {} axes", repeats.len(), extents.len() + 1).into());
        }
        if repeats[0] != 1 {
            return Err("it repeats the batch".into());
        }
        let mut result = Vec::with_capacity(extents.len());
        for (&extent, &count) in extents.iter().zip(&repeats[1..]) {
            let size = usize::try_from(count).ok().and_then(|count| extent.checked_mul(count));
            result.push(size.ok_or_else(|| format!("it repeats {repeats:?} times"))?);
        }
        // Counted before it is filled.
        self.draft.budget.room(Shape::new(result.clone())?.elements())?;
        let taps = |(&extent, &size): (&usize, &usize)| -> Result<Option<Arc<Taps>>, String> {
            let taps =
                (extent != size).then(|| self.picked(extent, size, (0..size).map(|p| Some(p % extent))));
            Ok(taps.transpose()?.map(Arc::new))
        };
        let axes = extents.iter().zip(&result).map(taps).collect::<Result<Vec<_>, _>>()?;
        self.resample(axes)
    }

    /// DepthToSpace and SpaceToDepth: a view as blocks, a transposition, a view as an image.
    pub(super) fn blocks(&mut self) -> Translated {
        let input = self.step(0)?;
        let &[c, h, w] = self.shape(0)?.extents() else {
            return Err(format!("it needs images, found {}", self.shape(0)?).into());
        };
        let stated = self.attributes.int("blocksize")?.ok_or("its blocksize is missing")?;
        let b = usize::try_from(stated)
            .ok()
            .filter(|&b| b > 0 && b <= 1 << 13)
            .ok_or_else(|| format!("its blocksize is {stated}"))?;
        let unfit = || format!("blocks of {b} do not divide an image of [{c}, {h}, {w}]");
        let (blocks, perm, image) = if self.op == "SpaceToDepth" {
            if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
                return Err(unfit().into());
            }
            let perm = match self.attributes.text("mode").unwrap_or("DCR") {
                "DCR" => vec![2, 4, 0, 1, 3],
                "CRD" => vec![0, 2, 4, 1, 3],
                other => return Err(format!("its mode is `{other}`").into()),
            };
            (vec![c, h / b, b, w / b, b], perm, vec![c * b * b, h / b, w / b])
        } else {
            if !c.is_multiple_of(b * b) {
                return Err(unfit().into());
            }
            let channels = c / (b * b);
            let image = vec![channels, h * b, w * b];
            match self.attributes.text("mode").unwrap_or("DCR") {
                "DCR" => (vec![b, b, channels, h, w], vec![2, 3, 0, 4, 1], image),
                "CRD" => (vec![channels, b, b, h, w], vec![0, 3, 1, 4, 2], image),
                other => return Err(format!("its mode is `{other}`").into()),
            }
        };
        let view = self.push("blocks", Part::Op(Op::View(Shape::new(blocks)?)), &[input])?;
        let turned = self.push("turned", Part::Op(Op::Transpose { perm }), &[view])?;
        Ok(Value::Step(self.push("", Part::Op(Op::View(Shape::new(image)?)), &[turned])?))
    }
}
