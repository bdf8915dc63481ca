use super::Rows;
use crate::error::NetworkError;

/// Where the taps of a convolution lie. All images are channels-last: neuron `(y·width + x)·channels + c`.
///
/// Target `(oy, ox)` sees, at tap `(ky, kx)`, the source position `(oy·stride + ky·dilation − padding)`.
/// With `pool = [py, px]` the source is read as if it had been divided into blocks of `py × px` positions,
/// each block one position: together with weights divided by `py·px` this is average pooling followed by a
/// convolution, in one projection. Positions that do not fill a block are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dGeometry {
    /// Height, width and channels of the source image.
    pub source: [u32; 3],
    /// Height, width and channels of the target image.
    pub target: [u32; 3],
    /// Source positions that count as one; `[1, 1]` without pooling.
    pub pool: [u32; 2],
    /// Taps down and across.
    pub kernel: [u32; 2],
    /// Steps of the target position over the source.
    pub stride: [u32; 2],
    /// Distance of neighbouring taps.
    pub dilation: [u32; 2],
    /// Empty positions above and to the left of the source.
    pub padding: [u32; 2],
    /// Groups of channels that are not connected with each other; only the dense count depends on it.
    pub groups: u32,
}

impl Conv2dGeometry {
    /// The number of source neurons.
    #[must_use]
    pub fn sources(&self) -> usize {
        volume(self.source)
    }

    /// The number of target neurons.
    #[must_use]
    pub fn targets(&self) -> usize {
        volume(self.target)
    }

    /// The number of weight rows, one per tap and source channel.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.kernel[0] as usize * self.kernel[1] as usize * self.source[2] as usize
    }

    /// The multiply-adds of a dense convolution. What lies in the padding is not counted: it carries no spike either.
    #[must_use]
    pub fn dense_operations(&self) -> u64 {
        let channels = u64::from(self.source[2]) / u64::from(self.groups) * u64::from(self.target[2]);
        channels.saturating_mul(self.seen_positions(0)).saturating_mul(self.seen_positions(1))
    }

    /// Pairs of a target position and a tap along one axis that see a position of the source.
    fn seen_positions(&self, axis: usize) -> u64 {
        let length = |size: u32| i64::from(size);
        let (stride, padding) = (length(self.stride[axis]), length(self.padding[axis]));
        let positions = length(self.source[axis] / self.pool[axis]);
        let seen = (0..self.kernel[axis]).map(|tap| {
            // Target o sees the source from o·stride − shift = 0 to positions − 1.
            let shift = padding - length(tap) * length(self.dilation[axis]);
            let first = shift.max(0).unsigned_abs().div_ceil(stride.unsigned_abs());
            let end = (positions + shift).max(0).unsigned_abs().div_ceil(stride.unsigned_abs());
            end.min(u64::from(self.target[axis])).saturating_sub(first)
        });
        seen.sum()
    }

    fn check(&self) -> Result<(), NetworkError> {
        let at = "convolution";
        let positive = [
            ("pool", self.pool.as_slice()),
            ("kernel", &self.kernel),
            ("stride", &self.stride),
            ("dilation", &self.dilation),
            ("groups", &[self.groups]),
        ];
        for (name, sizes) in positive {
            if sizes.contains(&0) {
                return Err(NetworkError::new(
                    at,
                    format!("has {name} {sizes:?}; allowed are sizes of at least 1"),
                ));
            }
        }
        let limits = [
            ("source", self.source.as_slice()),
            ("target", &self.target),
            ("pool", &self.pool),
            ("kernel", &self.kernel),
            ("stride", &self.stride),
            ("dilation", &self.dilation),
            ("padding", &self.padding),
        ];
        // So that no product of position arithmetic leaves i64.
        for (name, sizes) in limits {
            if sizes.iter().any(|&size| size > 1 << 24) {
                return Err(NetworkError::new(
                    at,
                    format!("has {name} {sizes:?}; allowed are sizes of at most 2^24"),
                ));
            }
        }
        for (name, shape) in [("source", self.source), ("target", self.target)] {
            let neurons = shape.iter().try_fold(1_u32, |n, &size| n.checked_mul(size));
            if neurons.is_none() {
                return Err(NetworkError::new(
                    at,
                    format!("has {name} {shape:?}; allowed are fewer than 2^32 neurons"),
                ));
            }
        }
        let rows = u64::from(self.kernel[0]) * u64::from(self.kernel[1]) * u64::from(self.source[2]);
        if rows > u64::from(u32::MAX) {
            return Err(NetworkError::new(
                at,
                format!("has {rows} taps times channels; allowed are fewer than 2^32"),
            ));
        }
        Ok(())
    }

    /// The target position along one axis that sees the pooled source position `at` through `tap`.
    #[inline]
    #[must_use]
    pub fn target_position(&self, axis: usize, at: u32, tap: u32) -> Option<u32> {
        let shifted =
            i64::from(at) + i64::from(self.padding[axis]) - i64::from(tap) * i64::from(self.dilation[axis]);
        if shifted < 0 {
            return None;
        }
        // Divisions are slow, and most strides are 1.
        if self.stride[axis] == 1 {
            return (shifted < i64::from(self.target[axis])).then_some(shifted as u32);
        }
        let stride = i64::from(self.stride[axis]);
        if shifted % stride != 0 {
            return None;
        }
        u32::try_from(shifted / stride).ok().filter(|&position| position < self.target[axis])
    }

    /// The number of source positions along one axis that some target position sees through `tap`. O(1).
    fn positions_seen(&self, axis: usize, tap: u32) -> u64 {
        // Target o sees the pooled position o·stride + offset.
        let offset = i64::from(tap) * i64::from(self.dilation[axis]) - i64::from(self.padding[axis]);
        let stride = i64::from(self.stride[axis]);
        let pooled = i64::from(self.source[axis] / self.pool[axis]);
        let first = (-offset).max(0).div_euclid(stride) + i64::from((-offset).max(0).rem_euclid(stride) > 0);
        let end = ((pooled - 1 - offset).div_euclid(stride) + 1).min(i64::from(self.target[axis]));
        u64::try_from(end - first).unwrap_or(0) * u64::from(self.pool[axis])
    }

    /// The pooled position along one axis to which a source position belongs.
    #[inline]
    #[must_use]
    pub fn pooled_position(&self, axis: usize, at: u32) -> Option<u32> {
        let pooled = at / self.pool[axis];
        (pooled < self.source[axis] / self.pool[axis]).then_some(pooled)
    }

    /// Row, column and channel of a neuron of an image `shape`.
    #[inline]
    #[must_use]
    pub fn position(shape: [u32; 3], neuron: usize) -> [u32; 3] {
        let neuron = neuron as u32;
        let pixel = neuron / shape[2];
        [pixel / shape[1], pixel % shape[1], neuron % shape[2]]
    }
}

fn volume(shape: [u32; 3]) -> usize {
    shape.iter().map(|&size| size as usize).product()
}

/// A convolution with shared weights, also a pooling: one row of output-channel weights per tap and
/// input channel, at row `(ky·kernel_width + kx)·channels_in + c`.
///
/// A source and a target position determine the tap, so there is at most one synapse between two neurons.
#[derive(Clone, Debug)]
pub struct Conv2d {
    geometry: Conv2dGeometry,
    rows: Rows,
}

impl Conv2d {
    /// A convolution from its geometry and its weights `[taps·channels_in][channels_out]`.
    ///
    /// # Errors
    /// If a size is zero or too large, or the weights do not fit the geometry.
    pub fn new(geometry: Conv2dGeometry, rows: Rows) -> Result<Self, NetworkError> {
        geometry.check()?;
        if rows.len() != geometry.rows() || rows.width() != geometry.target[2] as usize {
            return Err(NetworkError::new(
                "convolution weights",
                format!(
                    "have {} rows of {}; allowed is {} (kernel {:?} times {} channels) of {}",
                    rows.len(),
                    rows.width(),
                    geometry.rows(),
                    geometry.kernel,
                    geometry.source[2],
                    geometry.target[2]
                ),
            ));
        }
        Ok(Self { geometry, rows })
    }

    /// Where the taps lie.
    #[must_use]
    pub fn geometry(&self) -> &Conv2dGeometry {
        &self.geometry
    }

    /// The shared weights.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The weight row of a tap and a source channel.
    #[inline]
    #[must_use]
    pub fn row_of(&self, ky: u32, kx: u32, channel: u32) -> usize {
        (ky as usize * self.geometry.kernel[1] as usize + kx as usize) * self.geometry.source[2] as usize
            + channel as usize
    }

    /// See [`Connectivity::weight`](crate::network::connectivity::Connectivity::weight).
    #[must_use]
    pub fn weight(&self, source: usize, target: usize) -> Option<f32> {
        let g = &self.geometry;
        assert!(source < g.sources() && target < g.targets(), "{source} -> {target} of {g:?}");
        let [y, x, channel] = Conv2dGeometry::position(g.source, source);
        let [oy, ox, out] = Conv2dGeometry::position(g.target, target);
        let tap = |axis: usize, at: u32, to: u32| -> Option<u32> {
            let at = g.pooled_position(axis, at)?;
            let distance =
                i64::from(at) + i64::from(g.padding[axis]) - i64::from(to) * i64::from(g.stride[axis]);
            let dilation = i64::from(g.dilation[axis]);
            (distance >= 0 && distance % dilation == 0)
                .then_some(distance / dilation)
                .and_then(|tap| u32::try_from(tap).ok())
                .filter(|&tap| tap < g.kernel[axis])
        };
        self.rows.weight(self.row_of(tap(0, y, oy)?, tap(1, x, ox)?, channel), out as usize)
    }

    /// Calls `each(target position, row)` for every tap through which `source` is seen, positions ascending;
    /// the weights of the row go to the neurons from `position · channels_out` on.
    #[inline]
    pub fn taps_of(&self, source: usize, mut each: impl FnMut(usize, usize)) {
        let g = &self.geometry;
        let [y, x, channel] = Conv2dGeometry::position(g.source, source);
        let (Some(y), Some(x)) = (g.pooled_position(0, y), g.pooled_position(1, x)) else {
            return;
        };
        // A later tap reaches an earlier target.
        for ky in (0..g.kernel[0]).rev() {
            let Some(oy) = g.target_position(0, y, ky) else {
                continue;
            };
            for kx in (0..g.kernel[1]).rev() {
                let Some(ox) = g.target_position(1, x, kx) else {
                    continue;
                };
                let position = oy as usize * g.target[1] as usize + ox as usize;
                each(position, self.row_of(ky, kx, channel));
            }
        }
    }

    pub(super) fn fan_out(&self, source: usize, mut each: impl FnMut(usize, f32)) {
        let channels = self.geometry.target[2] as usize;
        self.taps_of(source, |position, row| {
            self.rows.fan_out(row, |column, weight| each(position * channels + column, weight));
        });
    }

    /// The number of synapses of one source neuron.
    #[must_use]
    pub fn synapses_of(&self, source: usize) -> u64 {
        let mut synapses = 0;
        self.taps_of(source, |_, row| synapses += self.rows.synapses_of(row));
        synapses
    }

    /// The number of synapses of all source neurons: a weight row counts at every source position that is seen through
    /// its tap. O(taps and weights).
    pub(super) fn synapses(&self) -> u64 {
        let g = &self.geometry;
        let [down, across] = [0, 1]
            .map(|axis| (0..g.kernel[axis]).map(|tap| g.positions_seen(axis, tap)).collect::<Vec<u64>>());
        let channels = g.source[2] as usize;
        let taps = down.iter().flat_map(|down| across.iter().map(move |across| down * across));
        let of_tap = |(tap, positions): (usize, u64)| -> u64 {
            let rows = tap * channels..(tap + 1) * channels;
            if positions == 0 {
                0
            } else {
                positions * rows.map(|row| self.rows.synapses_of(row)).sum::<u64>()
            }
        };
        // Without channels there may be any number of taps, and no synapse.
        if channels == 0 { 0 } else { taps.enumerate().map(of_tap).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DenseRows;

    #[test]
    fn an_unpruned_convolution_delivers_what_a_dense_one_multiplies_if_every_neuron_fires() {
        let mut checked = 0;
        for case in 0..4096_u32 {
            // Sizes from the digits of the case, so that all small ones meet.
            let digit = |place: u32, base: u32| case / 4_u32.pow(place) % base;
            let geometry = Conv2dGeometry {
                source: [3 + digit(0, 4), 5, 2],
                target: [1 + digit(1, 4), 4, 3],
                pool: [1, 1],
                kernel: [1 + digit(2, 4), 3],
                stride: [1 + digit(3, 2), 2],
                dilation: [1 + digit(4, 2), 1],
                padding: [digit(5, 4), 1],
                groups: 1,
            };
            let weights = vec![1.0; geometry.rows() * 3];
            let conv =
                Conv2d::new(geometry, Rows::Dense(DenseRows::new(3, weights.into()).unwrap())).unwrap();
            let delivered: u64 = (0..geometry.sources()).map(|source| conv.synapses_of(source)).sum();
            assert_eq!(geometry.dense_operations(), delivered, "{geometry:?}");
            checked += u64::from(delivered > 0);
        }
        assert!(checked > 3000, "{checked}");
    }
}
