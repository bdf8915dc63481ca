use super::tiles::Tiles;
use super::train::Arriving;
use super::weights::WeightLayouts;
use crate::kernel::{Kernels, Octets};
use crate::lanes::{BLOCK, Line};
use crate::network::connectivity::{Connectivity, Conv2d};

/// Of a convolution, the spikes of a window as one thread arranges them while it goes through the targets.
#[derive(Clone, Default)]
pub(super) struct ImageRows {
    /// The image_rows of source positions that the present row of targets sees, a ring.
    image_rows: Vec<ImageRow>,
    /// `[steps][source width + 1]`: where the spikes of each source position start in the list of a step.
    starts: Vec<u32>,
    /// The row of source positions that was arranged last.
    last_row: i64,
    /// `[steps]`: where the spikes of the row behind it start in the list of a step.
    behind: Vec<u32>,
}

/// One row of source positions, arranged for the targets of a row: each sees a run of positions.
#[derive(Clone, Default)]
struct ImageRow {
    row: Option<i64>,
    runs: Vec<Octets>,
}

/// A projection during a window in which it is delivered by tiles.
pub(super) struct Tiled<'a> {
    connectivity: &'a Connectivity,
    arriving: Arriving<'a>,
    tiles: &'a Tiles,
    /// The arriving spikes, one for each block of weight rows; of a convolution none, see [`ImageRows`].
    blocks: &'a [Octets],
}

impl<'a> Tiled<'a> {
    /// Begins a window. `None` if the projection has no tiles.
    pub(super) fn begin(
        connectivity: &'a Connectivity,
        layouts: &'a WeightLayouts,
        arriving: Arriving<'a>,
        blocks: &'a mut Vec<Octets>,
    ) -> Option<Self> {
        let tiles = layouts.tiles(connectivity)?;
        let steps = arriving.steps();
        let count = if matches!(connectivity, Connectivity::Conv2d(_)) { 0 } else { tiles.blocks() };
        blocks.resize_with(count, Octets::default);
        let size = tiles.block();
        for (block, octets) in blocks.iter_mut().enumerate() {
            let (first, end) = (block * size, (block + 1) * size);
            let ends = |step: usize| {
                let all = arriving.ids_of(step);
                let from = all.partition_point(|&id| (id as usize) < first);
                let to = all.partition_point(|&id| (id as usize) < end);
                from..to
            };
            octets.arrange(size, first as i64, steps, |step| &arriving.ids_of(step)[ends(step)]);
            if arriving.has_values() {
                octets.set_values(|step| &arriving.values_of(step)[ends(step)]);
            }
        }
        Some(Self { connectivity, arriving, tiles, blocks })
    }

    /// Adds what arrives at the 16 targets from `tile · 16` on to their currents, `[padded steps][16]`,
    /// which start at −0.0 if `fresh`. Returns whether they are still fresh. ImageRows are arranged anew less often
    /// if the tiles of a thread come in ascending order.
    pub(super) fn deliver(
        &self,
        kernels: &Kernels,
        tile: usize,
        image_rows: &mut ImageRows,
        room: &mut Vec<Line>,
        currents: &mut [Line],
        mut fresh: bool,
    ) -> bool {
        let Connectivity::Conv2d(conv) = self.connectivity else {
            for (block, octets) in self.blocks.iter().enumerate() {
                let (rows, next) = self.tiles.rows(kernels, tile, block, room);
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
            let place = (row % image_rows.image_rows.len() as i64) as usize;
            if image_rows.image_rows[place].row != Some(row) {
                image_rows.arrange(self, conv, place, row);
            }
            let octets = &image_rows.image_rows[place].runs[ox];
            if octets.is_empty() {
                continue;
            }
            let (rows, next) = self.tiles.rows(kernels, channel / BLOCK, ky as usize, room);
            (kernels.deliver_tile)(rows, next, octets, currents, fresh);
            fresh = false;
        }
        fresh
    }
}

impl ImageRows {
    /// Begins a window.
    pub(super) fn begin(&mut self, projection: &Tiled<'_>) {
        self.behind.clear();
        if let Connectivity::Conv2d(conv) = projection.connectivity {
            let g = conv.geometry();
            let span = (g.kernel[0] as usize - 1) * g.dilation[0] as usize + 1;
            self.image_rows.resize_with(span.min(g.source[0] as usize), ImageRow::default);
            for image_row in &mut self.image_rows {
                image_row.row = None;
            }
        }
    }

    /// Arranges the spikes of one row of source positions for every target that sees some of it.
    fn arrange(&mut self, projection: &Tiled<'_>, conv: &Conv2d, place: usize, row: i64) {
        let g = conv.geometry();
        let (width, channels) = (i64::from(g.source[1]), i64::from(g.source[2]));
        let first = row * width * channels;
        let (arriving, steps) = (projection.arriving, projection.arriving.steps());
        let Self { image_rows, starts, last_row, behind } = self;
        if behind.len() != steps || row != *last_row + 1 {
            let start = |step| arriving.ids_of(step).partition_point(|&id| i64::from(id) < first) as u32;
            behind.clear();
            behind.extend((0..steps).map(start));
        }
        *last_row = row;
        starts.clear();
        for (step, behind) in behind.iter_mut().enumerate() {
            let all = arriving.ids_of(step);
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
        let image_row = &mut image_rows[place];
        image_row.row = Some(row);
        image_row.runs.resize_with(g.target[1] as usize, Octets::default);
        for (ox, octets) in (0..).zip(&mut image_row.runs) {
            let x = ox * i64::from(g.stride[1]) - i64::from(g.padding[1]);
            let from = x.clamp(0, width) as usize;
            let to = (x + i64::from(g.kernel[1])).clamp(0, width) as usize;
            let ends = |step: usize| {
                let starts = &starts[step * (width as usize + 1)..];
                starts[from] as usize..starts[to] as usize
            };
            let list = |step: usize| &arriving.ids_of(step)[ends(step)];
            octets.arrange(projection.tiles.block(), first + x * channels, steps, list);
            if arriving.has_values() {
                octets.set_values(|step| &arriving.values_of(step)[ends(step)]);
            }
        }
    }
}
