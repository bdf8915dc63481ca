//! Resize and Upsample: every output is a weighted sum of inputs along each axis.

use super::{Call, Objection, Translated};
use crate::ann::{Shape, Taps};
use crate::import::tensor::Tensor;
use std::sync::Arc;

/// How positions of the output are found in the input, as ONNX names it.
struct Rule {
    linear: bool,
    coordinates: Coordinates,
    rounding: Rounding,
}

/// Where a position of the output lies in the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coordinates {
    Asymmetric,
    HalfPixel,
    PytorchHalfPixel,
    AlignCorners,
    TfHalfPixelForNn,
    HalfPixelSymmetric,
}

impl Coordinates {
    fn of(name: &str) -> Result<Self, String> {
        Ok(match name {
            "asymmetric" => Self::Asymmetric,
            "half_pixel" => Self::HalfPixel,
            "pytorch_half_pixel" => Self::PytorchHalfPixel,
            "align_corners" => Self::AlignCorners,
            "tf_half_pixel_for_nn" => Self::TfHalfPixelForNn,
            "half_pixel_symmetric" => Self::HalfPixelSymmetric,
            other => return Err(format!("its coordinate_transformation_mode is `{other}`")),
        })
    }
}

/// Which of two inputs is the nearest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Floor,
    Ceil,
    PreferCeil,
    PreferFloor,
}

impl Rounding {
    fn of(name: &str) -> Result<Self, String> {
        Ok(match name {
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            "round_prefer_ceil" => Self::PreferCeil,
            "round_prefer_floor" => Self::PreferFloor,
            other => return Err(format!("its nearest_mode is `{other}`")),
        })
    }
}

impl Call<'_> {
    pub(super) fn resize(&mut self) -> Translated {
        let old = self.op == "Upsample" || self.opset < 11;
        let mode = self.attributes.text("mode").unwrap_or("nearest");
        let linear = match mode {
            "nearest" => false,
            "linear" | "bilinear" => true,
            other => {
                let reason = format!("it interpolates in the mode `{other}`");
                return Err(Objection::new(reason, "the modes nearest and linear are supported"));
            }
        };
        if self.attributes.flag("antialias")? {
            return Err(Objection::new("it smooths while it shrinks (antialias)", "resize without it"));
        }
        let usual = if old { "asymmetric" } else { "half_pixel" };
        let nearest = self.attributes.text("nearest_mode").unwrap_or("round_prefer_floor");
        let rule = Rule {
            linear,
            coordinates: Coordinates::of(
                self.attributes.text("coordinate_transformation_mode").unwrap_or(usual),
            )?,
            rounding: if old || linear { Rounding::Floor } else { Rounding::of(nearest)? },
        };
        let extents = self.shape(0)?.extents().to_vec();
        let (scales, sizes) = self.scales_and_sizes(old, extents.len() + 1)?;
        let mut result = Vec::with_capacity(extents.len());
        let mut factors = Vec::with_capacity(extents.len());
        for (place, &extent) in extents.iter().enumerate() {
            let (size, scale) = match (&scales, &sizes) {
                (Some(scales), _) => {
                    let scale = scales[place + 1];
                    if !(scale.is_finite() && scale > 0.0 && scale <= (1 << 24) as f32) {
                        return Err(format!("it scales by {scale}").into());
                    }
                    // At most 2^26 · 2^24; the shape is checked below.
                    ((extent as f32 * scale).floor() as usize, scale)
                }
                (None, Some(sizes)) => {
                    let size = usize::try_from(sizes[place + 1]).map_err(|_| "a negative size")?;
                    (size, size as f32 / extent as f32)
                }
                (None, None) => return Err("neither its scales nor its sizes are known".into()),
            };
            result.push(size);
            factors.push(scale);
        }
        // Counted before it is filled.
        self.draft.budget.room(Shape::new(result.clone())?.elements())?;
        let mut axes = Vec::with_capacity(extents.len());
        for ((&extent, &size), &scale) in extents.iter().zip(&result).zip(&factors) {
            let stays = extent == size && scale == 1.0;
            if !stays {
                self.draft.budget.positions(size, if linear { 2 } else { 1 })?;
            }
            axes.push(if stays { None } else { Some(Arc::new(rule.taps(extent, size, scale)?)) });
        }
        self.resample(axes)
    }

    /// One scale or one size per axis of the file's tensor.
    #[expect(clippy::type_complexity, reason = "two lists of which one is there")]
    fn scales_and_sizes(
        &self,
        old: bool,
        rank: usize,
    ) -> Result<(Option<Vec<f32>>, Option<Vec<i64>>), Objection> {
        let along: Vec<usize> = match self.attributes.ints("axes")? {
            Some(axes) => {
                axes.iter().map(|&a| crate::import::axes::axis(a, rank)).collect::<Result<_, _>>()?
            }
            None => (0..rank).collect(),
        };
        let stated = self.attributes.text("keep_aspect_ratio_policy").unwrap_or("stretch");
        if stated != "stretch" {
            return Err(format!("its keep_aspect_ratio_policy is `{stated}`").into());
        }
        let full = |list: &[f32], usual: f32| -> Result<Vec<f32>, Objection> {
            if list.len() != along.len() {
                return Err(format!("{} scales or sizes for {} axes", list.len(), along.len()).into());
            }
            let mut all = vec![usual; rank];
            along.iter().zip(list).for_each(|(&axis, &number)| all[axis] = number);
            Ok(all)
        };
        let present = |tensor: Option<&Tensor>| tensor.is_some_and(|t| t.numbers.len() > 0);
        let scales = match self.attributes.floats("scales")? {
            Some(list) => Some(list.to_vec()),
            None => {
                let tensor = self.constant(if old { 1 } else { 2 })?;
                tensor.filter(|&t| present(Some(t))).map(|t| t.floats()).transpose()?.map(|f| f.to_vec())
            }
        };
        if let Some(scales) = scales {
            let scales = full(&scales, 1.0)?;
            if scales[0] != 1.0 {
                return Err("it resizes the batch".into());
            }
            return Ok((Some(scales), None));
        }
        let Some(sizes) = self.constant(3)?.filter(|&t| present(Some(t))) else { return Ok((None, None)) };
        let sizes = sizes.as_integers()?;
        if sizes.len() != along.len() {
            return Err(format!("{} sizes for {} axes", sizes.len(), along.len()).into());
        }
        let mut all = vec![1];
        all.extend(self.shape(0)?.extents().iter().map(|&e| e as i64));
        // The batch stays, however the file writes it.
        along.iter().zip(sizes).filter(|(axis, _)| **axis > 0).for_each(|(&axis, &size)| all[axis] = size);
        Ok((None, Some(all)))
    }
}

impl Rule {
    /// In single precision, as the definition is usually computed: which of two inputs is nearer may depend on it.
    fn taps(&self, extent: usize, size: usize, scale: f32) -> Result<Taps, String> {
        let last = extent as f32 - 1.0;
        if self.coordinates == Coordinates::AlignCorners && extent as f32 * scale != size as f32 {
            // The definition takes the product, others what remains of it rounded down.
            return Err(format!(
                "it aligns corners and scales an axis of {extent} by {scale}, which is no whole number; programs disagree about it"
            ));
        }
        let (from, to) = (extent as f32, size as f32);
        let source = |out: usize| {
            let x = out as f32;
            match self.coordinates {
                Coordinates::Asymmetric => x / scale,
                Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if size == 1 => 0.0,
                Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (x + 0.5) / scale - 0.5,
                Coordinates::AlignCorners => x * (from - 1.0) / (to - 1.0),
                Coordinates::TfHalfPixelForNn => (x + 0.5) / scale,
                Coordinates::HalfPixelSymmetric => {
                    let adjusted = to / (from * scale);
                    let centre = from / 2.0;
                    let offset = centre * (1.0 - adjusted);
                    offset + (x + 0.5) / scale - 0.5
                }
            }
        };
        // One or two taps, clamped into the axis, so the casts are exact.
        let row = |out: usize| {
            let at = source(out);
            let (one, other) = if self.linear {
                let at = at.clamp(0.0, last);
                let low = at.floor();
                let above = at - low;
                let low = low as usize;
                ((low, 1.0 - above), (above > 0.0).then_some((low + 1, above)))
            } else {
                let nearest = match self.rounding {
                    Rounding::Floor => at.floor(),
                    Rounding::Ceil => at.ceil(),
                    Rounding::PreferCeil => (at + 0.5).floor(),
                    Rounding::PreferFloor => (at - 0.5).ceil(),
                };
                ((nearest.clamp(0.0, last) as usize, 1.0), None)
            };
            std::iter::once(one).chain(other)
        };
        Taps::new(extent, (0..size).map(row))
    }
}
