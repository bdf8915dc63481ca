//! Axes as ONNX states them.

use super::attributes::Attributes;
use super::tensor::{MOST_AXES, Tensor};

/// An axis as ONNX states it, from `−rank` to `rank − 1`, as a place.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let rank_i = i64::try_from(rank).map_err(|_| "too many axes")?;
    let place = if axis < 0 { axis.checked_add(rank_i) } else { Some(axis) };
    place
        .filter(|&a| (0..rank_i).contains(&a))
        .and_then(|a| usize::try_from(a).ok())
        .ok_or_else(|| format!("axis {axis} of {rank} axes"))
}

/// The axes that stand in an attribute in older operator sets and in an input in newer ones.
pub(super) fn axes(
    attributes: Attributes<'_>,
    inputs: &[Option<&Tensor>],
    name: &str,
    place: usize,
) -> Result<Option<Vec<i64>>, String> {
    match inputs.get(place).copied().flatten() {
        Some(axes) => Ok(Some(axes.list()?.to_vec())),
        None => match attributes.ints(name)? {
            Some(axes) if axes.len() > MOST_AXES => {
                Err(format!("its attribute `{name}` lists {} axes; allowed are {MOST_AXES}", axes.len()))
            }
            axes => Ok(axes.map(<[i64]>::to_vec)),
        },
    }
}
