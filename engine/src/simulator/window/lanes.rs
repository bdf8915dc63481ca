//! Time lanes: the synapses of targets by column, and where the masks of their sources stand.

use crate::kernel::{Columns, SpikeMasks};
use crate::lanes::BLOCK;
use crate::network::connectivity::{Connectivity, Conv2d};

/// The most places of masks, 32 bytes each.
const MOST_PLACES: u64 = 1 << 17;

/// The synapses of a projection by target; of a convolution those of one target position, which all positions share.
#[derive(Clone, Debug)]
pub(super) struct LaneColumns {
    columns: Columns,
    image: Option<Image>,
}

/// Where the masks of the neurons of an image stand: a border is around it, so that no tap of any target lies outside.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Image {
    /// Neurons of a row of the image, and of one with its borders.
    row: usize,
    padded_row: usize,
    /// The place of the first neuron.
    first: usize,
    places: usize,
    /// Places between what targets see that stand one below and one beside the other.
    strides: [usize; 2],
    /// Positions of targets, of a row of them, and channels of a position.
    positions: usize,
    width: usize,
    channels: usize,
}

impl Image {
    /// The image that a convolution sees; `None` if sources are pooled, a tile of 16 targets is not of one position, or it
    /// is too large.
    fn of(conv: &Conv2d) -> Option<Self> {
        let g = conv.geometry();
        if g.pool != [1, 1] || !(g.target[2] as usize).is_multiple_of(BLOCK) {
            return None;
        }
        let extent = |axis: usize| {
            let [source, target, kernel] = [g.source[axis], g.target[axis], g.kernel[axis]].map(u64::from);
            let [stride, dilation, padding] =
                [g.stride[axis], g.dilation[axis], g.padding[axis]].map(u64::from);
            let seen = target.saturating_sub(1) * stride + kernel.saturating_sub(1) * dilation + 1;
            seen.max(padding + source)
        };
        let (height, width, channels) = (extent(0), extent(1), u64::from(g.source[2]));
        let padded_row = width.checked_mul(channels)?;
        let places = height.checked_mul(padded_row).filter(|&places| places <= MOST_PLACES)?;
        // The last tap of the first target; places of taps are numbers of 16 bits.
        let last = (u64::from(g.kernel[0]) - 1) * u64::from(g.dilation[0]) * padded_row
            + ((u64::from(g.kernel[1]) - 1) * u64::from(g.dilation[1]) + 1) * channels;
        if last > 1 << 16 {
            return None;
        }
        // All are at most as many as the places.
        let [padded_row, places, channels] = [padded_row, places, channels].map(|number| number as usize);
        Some(Self {
            row: g.source[1] as usize * channels,
            padded_row,
            first: g.padding[0] as usize * padded_row + g.padding[1] as usize * channels,
            places,
            strides: [g.stride[0] as usize * padded_row, g.stride[1] as usize * channels],
            positions: g.target[0] as usize * g.target[1] as usize,
            width: g.target[1] as usize,
            channels: g.target[2] as usize,
        })
    }
}

/// The number of masks that time lanes need for a projection; `None` if it cannot be delivered so.
pub(super) fn places(connectivity: &Connectivity) -> Option<usize> {
    match connectivity {
        Connectivity::Rows(rows) => (rows.len() <= 1 << 16).then_some(rows.len()),
        Connectivity::Conv2d(conv) => Image::of(conv).map(|image| image.places),
        Connectivity::OneToOne(_) => None,
    }
}

impl LaneColumns {
    /// The columns of a projection that has [`places`].
    pub(super) fn of(connectivity: &Connectivity) -> Option<Self> {
        match connectivity {
            Connectivity::Rows(rows) => Some(Self { columns: Columns::of(rows), image: None }),
            Connectivity::Conv2d(conv) => {
                let (image, g) = (Image::of(conv)?, conv.geometry());
                let (width, channels) = (g.kernel[1] as usize, g.source[2] as usize);
                let columns = Columns::placed(conv.rows(), |row| {
                    let (tap, channel) = (row / channels, row % channels);
                    let (y, x) = (tap / width * g.dilation[0] as usize, tap % width * g.dilation[1] as usize);
                    y * image.padded_row + x * channels + channel
                });
                Some(Self { columns, image: Some(image) })
            }
            Connectivity::OneToOne(_) => None,
        }
    }

    /// The columns.
    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The place of a source's mask.
    #[inline(always)]
    fn place(&self, source: usize) -> usize {
        self.image
            .map_or(source, |image| image.first + source / image.row * image.padded_row + source % image.row)
    }

    /// Takes the spikes of a window of `sources` neurons.
    pub(super) fn take<'a>(
        &self,
        masks: &mut SpikeMasks,
        sources: usize,
        steps: usize,
        list: impl Fn(usize) -> crate::spikes::SpikeSlice<'a>,
    ) {
        match self.image {
            None => masks.take(sources, steps, list, |source| source),
            Some(image) => masks.take(image.places, steps, list, |source| self.place(source)),
        }
    }

    /// Of a tile of 16 targets: the first column, and the place from which on the places of its sources are counted.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize) -> (usize, usize) {
        let Some(image) = self.image else { return (tile * BLOCK, 0) };
        let (position, channel) = (tile * BLOCK / image.channels, tile * BLOCK % image.channels);
        if position >= image.positions {
            // What fills up the last word of neurons has no columns.
            return (image.channels, 0);
        }
        let (y, x) = (position / image.width, position % image.width);
        (channel, y * image.strides[0] + x * image.strides[1])
    }
}
