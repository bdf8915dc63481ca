//! A population that is put somewhere into a tensor.

use super::runs::Runs;
use crate::ann::Taps;
use std::sync::Arc;

/// The population itself, or some of its channels and positions, scaled, averaged over blocks if asked for, and put
/// somewhere into an image of zeros.
///
/// Covers identities, batch normalisation, views, slices, pooling over blocks, padding and concatenation.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// `[channels, height, width]` as which the population is read.
    pub source: [usize; 3],
    /// How far apart neighbours along each of these axes are among the elements of the population, which need not stand in
    /// this order (channels last).
    pub strides: [usize; 3],
    /// Which channels of the population are read, in this order; all, if nothing is said.
    pub channels: Option<Arc<[u32]>>,
    /// The first row and column that are read.
    pub first: [usize; 2],
    /// The distance between rows and columns that are read; 1 where blocks are averaged.
    pub step: [usize; 2],
    /// How many rows and columns, or blocks, are read.
    pub size: [usize; 2],
    /// Block of positions that is averaged to one.
    pub pool: [usize; 2],
    /// Where the first element lies in the tensor.
    pub at: [usize; 3],
    /// How many channels of the tensor lie between the first and each of the region's, strictly ascending; if nothing is
    /// said, they follow one another.
    pub spread: Option<Arc<[u32]>>,
    /// `[channels, height, width]` of the tensor.
    pub tensor: [usize; 3],
    /// Factors of the elements of the region ([`Placed::region`]); the mean's divisor is in them.
    pub scale: Runs,
}

impl Placed {
    /// The population itself as a tensor.
    pub fn whole(planes: [usize; 3], scale: Runs) -> Self {
        Self {
            source: planes,
            strides: row_major(planes),
            channels: None,
            first: [0, 0],
            step: [1, 1],
            size: [planes[1], planes[2]],
            pool: [1, 1],
            at: [0; 3],
            spread: None,
            tensor: planes,
            scale,
        }
    }

    /// `[channels, height, width]` of the part of the tensor that the population fills.
    pub fn region(&self) -> [usize; 3] {
        let channels = self.channels.as_ref().map_or(self.source[0], |list| list.len());
        [channels, self.size[0], self.size[1]]
    }

    /// Whether element `e` of the tensor is, but for a factor, element `e` of the population.
    pub fn is_whole(&self) -> bool {
        self.is_all() && self.strides == row_major(self.source)
    }

    /// Whether the tensor is all of the population, perhaps with its axes permuted.
    pub fn is_all(&self) -> bool {
        let unchanged = !self.picks_channels() && self.first == [0, 0] && self.step == [1, 1];
        unchanged && self.pool == [1, 1] && self.source == self.tensor && self.region() == self.source
    }

    /// The tensor with its axes permuted, output axis `i` being axis `axes[i]`, if that is a form of this kind.
    pub fn turned(&self, axes: [usize; 3]) -> Option<Self> {
        if !self.is_all() {
            return None;
        }
        let source = axes.map(|axis| self.source[axis]);
        let strides = axes.map(|axis| self.strides[axis]);
        let scale = if let [factor] = self.scale.values() {
            Runs::same(self.scale.elements(), *factor)
        } else {
            let old = row_major(self.source);
            let mut values = Vec::with_capacity(self.scale.elements());
            for a in 0..source[0] {
                for b in 0..source[1] {
                    let first = a * old[axes[0]] + b * old[axes[1]];
                    values.extend((0..source[2]).map(|c| self.scale.get(first + c * old[axes[2]])));
                }
            }
            Runs::new(self.scale.elements(), values).compressed(source[0])
        };
        Some(Self { strides, ..Self::whole(source, scale) })
    }

    /// Whether it has some of the population's channels only, has them in another order, or puts them apart.
    pub fn picks_channels(&self) -> bool {
        self.channels.is_some() || self.spread.is_some()
    }

    /// Whether the region fills all positions of the channels that it lies in.
    pub fn covers(&self) -> bool {
        self.at[1..] == [0, 0] && self.size[..] == self.tensor[1..]
    }

    /// Whether the elements of both come from the same places and go to the same places.
    pub fn lies_as(&self, other: &Self) -> bool {
        let frame = |placed: &Self| {
            (
                placed.source,
                placed.strides,
                placed.first,
                placed.step,
                placed.size,
                placed.pool,
                placed.at,
                placed.tensor,
            )
        };
        frame(self) == frame(other) && self.channels == other.channels && self.spread == other.spread
    }

    /// The same map with the tensor read as an image of other planes, if that is a form of this kind.
    pub fn viewed(&self, planes: [usize; 3]) -> Option<Self> {
        if self.tensor == planes {
            return Some(self.clone());
        }
        self.is_whole().then(|| Self::whole(planes, self.scale.clone()))
    }

    /// One factor per channel of the region, if it does not depend on the position.
    pub fn channel_scale(&self) -> Option<Vec<f64>> {
        self.scale.per(self.region()[0])
    }

    /// The channels of the region that each channel of the population goes to.
    pub fn uses(&self) -> Vec<Vec<usize>> {
        let mut uses = vec![Vec::new(); self.source[0]];
        for channel in 0..self.region()[0] {
            uses[self.channel(channel)].push(channel);
        }
        uses
    }

    fn channel(&self, of_region: usize) -> usize {
        self.channels.as_ref().map_or(of_region, |list| list[of_region] as usize)
    }

    /// The channel of the tensor that a channel of the region is.
    pub fn tensor_channel(&self, of_region: usize) -> usize {
        self.at[0] + self.spread.as_ref().map_or(of_region, |list| list[of_region] as usize)
    }

    /// The channel of the region that a channel of the tensor is, if it is one.
    fn region_channel(&self, of_tensor: usize) -> Option<usize> {
        let place = of_tensor.checked_sub(self.at[0])?;
        match &self.spread {
            None => (place < self.region()[0]).then_some(place),
            // Below 2^26, as all channels.
            Some(list) => list.binary_search(&(place as u32)).ok(),
        }
    }

    /// The element of the tensor at which an element of the region lies.
    pub fn tensor_element(&self, [c, y, x]: [usize; 3]) -> usize {
        let [_, h, w] = self.tensor;
        (self.tensor_channel(c) * h + y + self.at[1]) * w + x + self.at[2]
    }

    /// The tensor resampled along one of its axes, if that is a form of this kind: channels that are picked once each, rows
    /// or columns at equal distances, at least one.
    pub fn resampled(&self, axis: usize, taps: &Taps) -> Option<Self> {
        debug_assert_eq!(taps.inputs(), self.tensor[axis]);
        let extent = self.region()[axis];
        let mut placed = self.clone();
        placed.tensor[axis] = taps.outputs();
        let chosen: Vec<usize> = if axis == 0 {
            // Channels of the tensor, and which of the region each of them is; ascending.
            let picks = taps.picks()?.into_iter().enumerate();
            let (columns, chosen): (Vec<usize>, Vec<usize>) =
                picks.filter_map(|(column, pick)| Some((column, self.region_channel(pick?)?))).unzip();
            // What is behind must see every channel once.
            let mut seen = vec![false; extent];
            if chosen.iter().any(|&c| std::mem::replace(&mut seen[c], true)) {
                return None;
            }
            placed.at[0] = columns.first().copied()?;
            let apart = columns.iter().map(|column| (column - placed.at[0]) as u32);
            let together = columns.last().is_some_and(|last| last - placed.at[0] < columns.len());
            placed.spread = if together { None } else { Some(apart.collect()) };
            let all = chosen.len() == self.source[0] && self.channels.is_none() && chosen.is_sorted();
            let channels = chosen.iter().map(|&c| self.channel(c) as u32);
            placed.channels = if all { None } else { Some(channels.collect()) };
            chosen
        } else {
            // The place in the region that every output takes.
            let kept = taps.picks()?.into_iter();
            let kept = kept.map(|pick| pick?.checked_sub(self.at[axis]).filter(|&place| place < extent));
            let found = Taps::picked(extent, kept).ok()?.progression()?;
            let place = axis - 1;
            let pool = self.pool[place];
            if pool > 1 && found.step > 1 && found.count > 1 {
                return None;
            }
            placed.at[axis] = found.before;
            placed.first[place] = self.first[place] + found.first * self.step[place] * pool;
            placed.step[place] = if pool > 1 { 1 } else { self.step[place] * found.step };
            placed.size[place] = found.count;
            (0..found.count).map(|i| found.first + i * found.step).collect()
        };
        if chosen.is_empty() {
            return None;
        }
        placed.scale = self.scale_of(axis, &chosen);
        Some(placed)
    }

    /// The factors of some places of the region along an axis.
    fn scale_of(&self, axis: usize, chosen: &[usize]) -> Runs {
        let region = self.region();
        let mut kept = region;
        kept[axis] = chosen.len();
        let elements = kept.iter().product();
        if let [factor] = self.scale.values() {
            return Runs::same(elements, *factor);
        }
        if let Some(channels) = self.channel_scale() {
            let channel = |c: usize| channels[if axis == 0 { chosen[c] } else { c }];
            return Runs::new(elements, (0..kept[0]).map(channel).collect());
        }
        let mut values = Vec::with_capacity(elements);
        for c in 0..kept[0] {
            for y in 0..kept[1] {
                for x in 0..kept[2] {
                    let mut place = [c, y, x];
                    place[axis] = chosen[place[axis]];
                    let [c, y, x] = place;
                    values.push(self.scale.get((c * region[1] + y) * region[2] + x));
                }
            }
        }
        Runs::new(elements, values)
    }

    pub fn row(&self, target: usize, each: &mut dyn FnMut(usize, f64)) {
        let [_, h, w] = self.tensor;
        let position = [target / (h * w), target / w % h, target % w];
        let region = self.region();
        let inside =
            |axis: usize| position[axis].checked_sub(self.at[axis]).filter(|&place| place < region[axis]);
        let (Some(c), Some(y), Some(x)) = (self.region_channel(position[0]), inside(1), inside(2)) else {
            return;
        };
        let factor = self.scale.get((c * region[1] + y) * region[2] + x);
        if factor == 0.0 {
            return;
        }
        let [channels, rows, columns] = self.strides;
        let c = self.channel(c);
        let y = self.first[0] + y * self.step[0] * self.pool[0];
        let x = self.first[1] + x * self.step[1] * self.pool[1];
        for py in 0..self.pool[0] {
            for px in 0..self.pool[1] {
                each(c * channels + (y + py) * rows + (x + px) * columns, factor);
            }
        }
    }
}

/// The distances between neighbours of an image in row-major order.
pub(crate) fn row_major([_, h, w]: [usize; 3]) -> [usize; 3] {
    [h * w, w, 1]
}
