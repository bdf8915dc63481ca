use super::laid::Laid;
use super::tiles::Tiles;
use super::train::Arriving;
use crate::kernel::{BLOCK, Kernels, Line, Octets};
use crate::{Connectivity, Conv2d};

/// The spikes of a window that arrive through one projection, arranged for its tiles.
#[derive(Clone, Default)]
pub(super) struct Arranged {
    /// One for each block of weight rows.
    blocks: Vec<Octets>,
    /// Of a convolution: the bands of source positions that the present row of targets sees, a ring.
    bands: Vec<Band>,
    /// `[steps][source width + 1]`: where the spikes of each source position start in the list of a step.
    starts: Vec<u32>,
    /// The row of source positions that was arranged last.
    last_row: i64,
    /// `[steps]`: where the spikes of the row behind it start in the list of a step.
    behind: Vec<u32>,
}

/// One row of source positions, arranged for the targets of a row: each sees a run of positions.
#[derive(Clone, Default)]
struct Band {
    row: Option<i64>,
    runs: Vec<Octets>,
}

/// A projection during a window in which it is delivered by tiles.
pub(super) struct Tiled<'a> {
    pub(super) connectivity: &'a Connectivity,
    pub(super) arriving: Arriving<'a>,
    pub(super) tiles: &'a Tiles,
    pub(super) arranged: &'a mut Arranged,
}

impl<'a> Tiled<'a> {
    /// Begins a window. `None` if the projection has no tiles.
    pub(super) fn begin(
        connectivity: &'a Connectivity,
        laid: &'a Laid,
        arriving: Arriving<'a>,
        arranged: &'a mut Arranged,
    ) -> Option<Self> {
        let tiles = laid.tiles(connectivity)?;
        let steps = arriving.steps();
        match connectivity {
            Connectivity::Conv2d(conv) => {
                let g = conv.geometry();
                let span = (g.kernel[0] as usize - 1) * g.dilation[0] as usize + 1;
                arranged.bands.resize_with(span.min(g.source[0] as usize), Band::default);
                for band in &mut arranged.bands {
                    band.row = None;
                }
                arranged.behind.clear();
            }
            Connectivity::Rows(_) | Connectivity::OneToOne(_) => {
                arranged.blocks.resize_with(tiles.blocks(), Octets::default);
                let size = tiles.block();
                for (block, octets) in arranged.blocks.iter_mut().enumerate() {
                    let (first, end) = (block * size, (block + 1) * size);
                    let list = |step: usize| {
                        let all = arriving.of(step);
                        let from = all.partition_point(|&id| (id as usize) < first);
                        let to = all.partition_point(|&id| (id as usize) < end);
                        &all[from..to]
                    };
                    octets.arrange(size, first as i64, steps, list);
                }
            }
        }
        Some(Self { connectivity, arriving, tiles, arranged })
    }

    /// Adds what arrives at the 16 targets from `tile · 16` on to their currents, `[padded steps][16]`,
    /// which start at −0.0 if `fresh`. Tiles come in ascending order. Returns whether they are still fresh.
    pub(super) fn deliver(
        &mut self,
        kernels: &Kernels,
        tile: usize,
        currents: &mut [Line],
        mut fresh: bool,
    ) -> bool {
        let Connectivity::Conv2d(conv) = self.connectivity else {
            for (block, octets) in self.arranged.blocks.iter().enumerate() {
                let (rows, next) = self.tiles.rows(tile, block);
                (kernels.deliver_tile)(rows, next, octets, currents, fresh);
                fresh = false;
            }
            return fresh;
        };
        let g = conv.geometry();
        let channels = g.target[2] as usize;
        let (position, channel) = (tile * BLOCK / channels, tile * BLOCK % channels);
        let (oy, ox) = (position / g.target[1] as usize, position % g.target[1] as usize);
        for ky in 0..g.kernel[0] {
            let row = oy as i64 * i64::from(g.stride[0]) + i64::from(ky) * i64::from(g.dilation[0])
                - i64::from(g.padding[0]);
            if row < 0 || row >= i64::from(g.source[0]) {
                continue;
            }
            let place = (row % self.arranged.bands.len() as i64) as usize;
            if self.arranged.bands[place].row != Some(row) {
                self.arrange_band(conv, place, row);
            }
            let octets = &self.arranged.bands[place].runs[ox];
            if octets.is_empty() {
                continue;
            }
            let (rows, next) = self.tiles.rows(channel / BLOCK, ky as usize);
            (kernels.deliver_tile)(rows, next, octets, currents, fresh);
            fresh = false;
        }
        fresh
    }

    /// Arranges the spikes of one row of source positions for every target that sees some of it.
    fn arrange_band(&mut self, conv: &Conv2d, place: usize, row: i64) {
        let g = conv.geometry();
        let (width, channels) = (i64::from(g.source[1]), i64::from(g.source[2]));
        let first = row * width * channels;
        let steps = self.arriving.steps();
        let Arranged { bands, starts, last_row, behind, .. } = &mut *self.arranged;
        if behind.len() != steps || row != *last_row + 1 {
            let start = |step| self.arriving.of(step).partition_point(|&id| i64::from(id) < first) as u32;
            behind.clear();
            behind.extend((0..steps).map(start));
        }
        *last_row = row;
        starts.clear();
        for (step, behind) in behind.iter_mut().enumerate() {
            let all = self.arriving.of(step);
            let mut at = *behind as usize;
            starts.push(*behind);
            for x in 1..=width {
                // Ids are below 2³², and so is what lies one behind the last.
                let position = first + x * channels;
                while all.get(at).is_some_and(|&id| i64::from(id) < position) {
                    at += 1;
                }
                starts.push(at as u32);
            }
            *behind = at as u32;
        }
        let band = &mut bands[place];
        band.row = Some(row);
        band.runs.resize_with(g.target[1] as usize, Octets::default);
        for (ox, octets) in (0..).zip(&mut band.runs) {
            let x = ox * i64::from(g.stride[1]) - i64::from(g.padding[1]);
            let from = x.clamp(0, width) as usize;
            let to = (x + i64::from(g.kernel[1])).clamp(0, width) as usize;
            let list = |step: usize| {
                let starts = &starts[step * (width as usize + 1)..];
                &self.arriving.of(step)[starts[from] as usize..starts[to] as usize]
            };
            octets.arrange(self.tiles.block(), first + x * channels, steps, list);
        }
    }
}
