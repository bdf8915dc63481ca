//! Connectivity from weights as users and other tools hold them: targets by sources, images channels-first.

use super::connectivity::{Connectivity, Conv2d, Conv2dGeometry, DenseRows, Rows, SparseRows};
use super::layout::Layout;
use crate::error::NetworkError;

/// How a convolution runs over an image, as trained nets say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Channels of the target, and of the source that each of them sees (those of its group), then taps down and across.
    pub kernels: [u32; 4],
    /// Steps down and across.
    pub stride: [u32; 2],
    /// Distance of neighbouring taps.
    pub dilation: [u32; 2],
    /// Empty positions above and to the left of the source; what is below and to the right follows from the target.
    pub padding: [u32; 2],
    /// Groups of channels that are not connected with each other.
    pub groups: u32,
}

fn size_of(layout: Layout) -> usize {
    layout.neurons().unwrap_or(u32::MAX) as usize
}

/// Height, width and channels of an image; a vector is one of a single position.
fn image(layout: Layout) -> [u32; 3] {
    match layout {
        Layout::Flat(n) => [1, 1, n],
        Layout::Image { channels, height, width } => [height, width, channels],
    }
}

impl Rows {
    /// Rows in whichever format takes less memory. Zero weights are dropped.
    ///
    /// # Errors
    /// As [`SparseRows::new`].
    fn smaller(
        width: usize,
        starts: Vec<u64>,
        columns: Vec<u32>,
        weights: Vec<f32>,
    ) -> Result<Self, NetworkError> {
        let rows = starts.len() - 1;
        let id = if width <= 1 << 16 { 2 } else { 4 };
        let sparse = weights.len().saturating_mul(4 + id).saturating_add(rows * 8);
        let table = rows.checked_mul(width).filter(|table| table.saturating_mul(4) <= sparse);
        let sparse = SparseRows::from_columns(width, starts, columns, weights)?;
        let Some(table) = table else { return Ok(Self::Sparse(sparse)) };
        let mut dense = vec![-0.0_f32; table];
        let sparse = Self::Sparse(sparse);
        for row in 0..rows {
            sparse.fan_out(row, |column, weight| dense[row * width + column] = weight);
        }
        Ok(Self::Dense(DenseRows::new(width, dense.into())?))
    }
}

impl Connectivity {
    /// Synapses `(source, target, weight)` in any order, neurons in the user's order. Those of weight 0 are none.
    ///
    /// Cost: O(synapses · log(synapses of a source)).
    ///
    /// # Errors
    /// If a neuron is out of range, two neurons have two synapses, or a weight is not finite.
    pub fn from_synapses(
        source: Layout,
        target: Layout,
        synapses: impl IntoIterator<Item = (usize, usize, f32)>,
    ) -> Result<Self, NetworkError> {
        let (sources, targets) = (size_of(source), size_of(target));
        let mut found: Vec<(u32, u32, f32)> = vec![];
        for (pre, post, weight) in synapses {
            if pre >= sources || post >= targets {
                return Err(NetworkError::new(
                    format!("synapse from {pre} to {post}"),
                    format!(
                        "is out of range; allowed are sources below {sources} and targets below {targets}"
                    ),
                ));
            }
            if weight != 0.0 {
                // Neurons are fewer than 2^32.
                found.push((source.neuron_at(pre) as u32, target.neuron_at(post) as u32, weight));
            }
        }
        found.sort_unstable_by_key(|&(pre, post, _)| (pre, post));
        if let Some(pair) = found.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            let (pre, post) = (source.user_index(pair[0].0 as usize), target.user_index(pair[0].1 as usize));
            return Err(NetworkError::new(
                format!("synapse from {pre} to {post}"),
                "is given twice; give one, with the sum of the weights, or two projections",
            ));
        }
        let mut starts = vec![0; sources + 1];
        for &(pre, _, _) in &found {
            starts[pre as usize + 1] += 1;
        }
        for row in 0..sources {
            starts[row + 1] += starts[row];
        }
        let (columns, weights) = found.into_iter().map(|(_, post, weight)| (post, weight)).unzip();
        Ok(Self::Rows(Rows::smaller(targets, starts, columns, weights)?))
    }

    /// A weight for every pair of neurons: `[targets][sources]`, both in the user's order. Zeros are no synapses.
    ///
    /// # Errors
    /// If there are more or fewer weights than pairs, or one is not finite.
    pub fn from_matrix(source: Layout, target: Layout, weights: &[f32]) -> Result<Self, NetworkError> {
        let (sources, targets) = (size_of(source), size_of(target));
        if sources.checked_mul(targets) != Some(weights.len()) {
            return Err(NetworkError::new(
                "matrix of weights",
                format!(
                    "has {} weights; allowed are {targets} × {sources}, targets by sources",
                    weights.len()
                ),
            ));
        }
        let places = (0..targets).flat_map(|post| (0..sources).map(move |pre| (pre, post)));
        Self::from_synapses(
            source,
            target,
            places.zip(weights).map(|((pre, post), &weight)| (pre, post, weight)),
        )
    }
}

impl Conv2d {
    /// A convolution of kernels `[channels out][channels in of a group][down][across]`. The sizes of source and target are
    /// those of their layouts.
    ///
    /// # Errors
    /// If the shape does not fit the layouts or the number of weights, a size is 0 or too large, or a weight is not
    /// finite.
    pub fn from_kernels(
        source: Layout,
        target: Layout,
        shape: ConvolutionShape,
        weights: &[f32],
    ) -> Result<Self, NetworkError> {
        let at = "convolution";
        let [out, seen, down, across] = shape.kernels;
        let (source, target) = (image(source), image(target));
        let fits = shape.groups > 0
            && out == target[2]
            && seen.checked_mul(shape.groups) == Some(source[2])
            && out.is_multiple_of(shape.groups);
        if !fits {
            return Err(NetworkError::new(
                at,
                format!(
                    "has kernels {:?} in {} groups from {} to {} channels; allowed are [channels out, channels in / groups, \
                     down, across]",
                    shape.kernels, shape.groups, source[2], target[2]
                ),
            ));
        }
        let count = shape.kernels.iter().try_fold(1_usize, |n, &size| n.checked_mul(size as usize));
        if count != Some(weights.len()) {
            return Err(NetworkError::new(
                at,
                format!("has {} weights; allowed are those of kernels {:?}", weights.len(), shape.kernels),
            ));
        }
        for axis in [0, 1] {
            let [size, kernel, stride] =
                [source[axis], shape.kernels[axis + 2], shape.stride[axis]].map(i64::from);
            let (dilation, padding) = (i64::from(shape.dilation[axis]), i64::from(shape.padding[axis]));
            let wanted = i64::from(target[axis]);
            // The most that any padding below and to the right, no larger than that above and to the left, gives.
            let most =
                (size + 2 * padding - dilation.saturating_mul(kernel - 1) - 1).div_euclid(stride.max(1)) + 1;
            if stride == 0 || wanted > most.max(0) {
                return Err(NetworkError::new(
                    at,
                    format!(
                        "of {size} positions by a kernel of {kernel} with stride {stride}, dilation {dilation} and padding \
                         {padding} gives at most {}; the target has {wanted}",
                        most.max(0)
                    ),
                ));
            }
        }
        let geometry = Conv2dGeometry {
            source,
            target,
            pool: [1, 1],
            kernel: [down, across],
            stride: shape.stride,
            dilation: shape.dilation,
            padding: shape.padding,
            groups: shape.groups,
        };
        let [out, seen, taps] = [out, seen, down * across].map(|size| size as usize);
        let in_group = out / shape.groups as usize;
        let (mut starts, mut columns, mut held) = (vec![0], vec![], vec![]);
        for tap in 0..taps {
            for channel in 0..source[2] as usize {
                let (group, place) = (channel / seen.max(1), channel % seen.max(1));
                for to in group * in_group..(group + 1) * in_group {
                    let weight = weights[(to * seen + place) * taps + tap];
                    if weight != 0.0 {
                        // A channel is below 2^32.
                        columns.push(to as u32);
                        held.push(weight);
                    }
                }
                starts.push(held.len() as u64);
            }
        }
        Self::new(geometry, Rows::smaller(out, starts, columns, held)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Layout = Layout::Image { channels: 2, height: 3, width: 4 };

    #[test]
    fn a_matrix_in_the_users_order_has_its_weights_between_the_neurons_that_stand_there() {
        let matrix: Vec<f32> =
            (0..3 * 24_i16).map(|at| if at % 5 == 0 { 0.0 } else { f32::from(at) }).collect();
        let connectivity = Connectivity::from_matrix(IMAGE, Layout::Flat(3), &matrix).unwrap();
        for post in 0..3 {
            for pre in 0..24 {
                let weight = matrix[post * 24 + pre];
                let found = connectivity.weight(IMAGE.neuron_at(pre), post);
                assert_eq!(found, Some(weight).filter(|weight| *weight != 0.0), "{pre} to {post}");
            }
        }
        assert!(Connectivity::from_matrix(IMAGE, Layout::Flat(3), &matrix[1..]).is_err());
    }

    #[test]
    fn synapses_come_in_any_order_but_once() {
        let (four, six) = (Layout::Flat(4), Layout::Flat(6));
        let sparse = [(3, 5, 1.0), (0, 2, -2.0), (3, 0, 0.5), (1, 1, 0.0)];
        let connectivity = Connectivity::from_synapses(four, six, sparse).unwrap();
        assert_eq!(connectivity.synapses(), 3);
        assert_eq!(connectivity.weight(3, 0), Some(0.5));
        let twice = Connectivity::from_synapses(four, six, [(3, 5, 1.0), (3, 5, 1.0)]);
        assert!(twice.unwrap_err().to_string().contains("from 3 to 5 is given twice"));
        let beyond = Connectivity::from_synapses(four, six, [(4, 0, 1.0)]);
        assert!(beyond.unwrap_err().to_string().contains("sources below 4"));
        assert!(Connectivity::from_synapses(four, six, [(0, 0, f32::NAN)]).is_err());
    }

    #[test]
    fn a_convolution_of_kernels_is_the_sum_that_its_definition_says() {
        for groups in [1, 2] {
            let seen = 2 / groups;
            let target = Layout::Image { channels: 4, height: 2, width: 2 };
            let kernels = [4, seen, 2, 3];
            let shape =
                ConvolutionShape { kernels, stride: [1, 2], dilation: [1, 1], padding: [0, 1], groups };
            let count = u16::try_from(kernels.iter().product::<u32>()).unwrap();
            let weights: Vec<f32> = (0..count).map(|at| f32::from(at) - 7.0).collect();
            let conv = Conv2d::from_kernels(IMAGE, target, shape, &weights).unwrap();
            let connectivity = Connectivity::Conv2d(conv);
            for post in 0..16_usize {
                let (to, oy, ox) = (post / 4, post / 2 % 2, post % 2);
                for pre in 0..24_usize {
                    let (from, y, x) = (pre / 12, pre / 4 % 3, pre % 4);
                    let group = to / (4 / groups as usize);
                    let place = from.checked_sub(group * seen as usize).filter(|&c| c < seen as usize);
                    let tap = (
                        y.checked_sub(oy).filter(|&ky| ky < 2),
                        (x + 1).checked_sub(ox * 2).filter(|&kx| kx < 3),
                    );
                    let expected = match (place, tap) {
                        (Some(c), (Some(ky), Some(kx))) => {
                            Some(weights[((to * seen as usize + c) * 2 + ky) * 3 + kx]).filter(|w| *w != 0.0)
                        }
                        _ => None,
                    };
                    let found = connectivity.weight(IMAGE.neuron_at(pre), target.neuron_at(post));
                    assert_eq!(found, expected, "{groups} groups, {pre} to {post}");
                }
            }
            let larger = Layout::Image { channels: 4, height: 3, width: 2 };
            assert!(Conv2d::from_kernels(IMAGE, larger, shape, &weights).is_err());
        }
    }
}
