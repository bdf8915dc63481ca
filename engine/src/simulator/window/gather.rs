//! Delivery by target positions: what one position receives in a step is summed before the next one's turn.

use std::ops::Range;

use super::tiles::table;
use crate::kernel::Kernels;
use crate::lanes::{BLOCK, Line, flat_mut};
use crate::network::connectivity::{Connectivity, Conv2dGeometry};
use crate::simulator::rows::NEAR;
use crate::spikes::SpikeSlice;

/// Of larger tables, in bytes, the lines of a step's spikes mostly come from memory.
const REMOTE: u64 = 8 << 20;

/// The weights of a projection as positions of targets take them.
#[derive(Clone, Debug)]
pub(super) enum Gathered {
    /// Weight rows in whole lines, `[rows][lines]`, absent weights and what fills up the last line −0.0.
    Rows {
        lines: Vec<Line>,
        /// Whether weights are absent.
        absent: bool,
    },
    /// A convolution of each channel with itself: `[taps][channels]`, absent weights −0.0.
    Channels(Vec<f32>),
}

/// Memory for the spikes of a step.
#[derive(Clone, Default)]
pub(super) struct GatherRoom {
    /// `[source positions + 1]`: where the spikes of each start.
    starts: Vec<u32>,
    /// `[sources]`: the values of the spikes, 0 for none.
    values: Vec<f32>,
    /// The currents of a position that is not wholly among the targets.
    part: Vec<f32>,
}

/// What a projection costs by target positions, for so many spikes in some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GatherWork {
    /// Lines of 16 weights added.
    pub(super) lines: f64,
    /// Those of them that come from beyond a second-level cache.
    pub(super) far_lines: f64,
    /// Those of them whose table is so large that a third-level cache has little of it.
    pub(super) remote_lines: f64,
    /// Rows begun, once for every eight lines of one.
    pub(super) rows: f64,
    /// Runs of spikes looked at by a position.
    pub(super) runs: f64,
    /// Source positions and spikes put in order.
    pub(super) arranged: f64,
    /// Lines of channels that are convolved with themselves.
    pub(super) channel_lines: f64,
    /// Sources whose values are written out.
    pub(super) sources: f64,
}

/// A fully connected projection seen as a convolution of one position.
fn geometry(connectivity: &Connectivity) -> Option<Conv2dGeometry> {
    match connectivity {
        Connectivity::Conv2d(conv) => Some(*conv.geometry()),
        Connectivity::Rows(rows) => {
            let size = |n: usize| u32::try_from(n).ok();
            Some(Conv2dGeometry {
                source: [1, 1, size(rows.len())?],
                target: [1, 1, size(rows.width())?],
                pool: [1, 1],
                kernel: [1, 1],
                stride: [1, 1],
                dilation: [1, 1],
                padding: [0, 0],
                groups: 1,
            })
        }
        Connectivity::OneToOne(_) => None,
    }
}

/// Whether every channel is convolved with itself only.
pub(super) fn is_by_channels(connectivity: &Connectivity) -> bool {
    let Connectivity::Conv2d(conv) = connectivity else { return false };
    let (g, rows) = (conv.geometry(), conv.rows());
    let channels = g.source[2] as usize;
    g.source[2] == g.target[2]
        && rows.synapses() <= rows.len() as u64
        && (0..rows.len()).all(|row| {
            let mut own = true;
            rows.fan_out(row, |column, _| own &= column == row % channels);
            own
        })
}

impl Gathered {
    /// The bytes of a projection's weights; `None` if positions cannot take them.
    pub(super) fn bytes(connectivity: &Connectivity, by_channels: bool) -> Option<u64> {
        let rows = table(connectivity)?;
        geometry(connectivity)?;
        if by_channels {
            return Some(rows.len() as u64 * size_of::<f32>() as u64);
        }
        let lines = rows.width().div_ceil(BLOCK) as u64;
        lines.checked_mul(rows.len() as u64)?.checked_mul(size_of::<Line>() as u64)
    }

    /// Lays out the weights of a projection that [`bytes`](Self::bytes) has a number for.
    pub(super) fn of(connectivity: &Connectivity, by_channels: bool) -> Self {
        let Some(rows) = table(connectivity) else {
            panic!("{} sources by {} targets have no rows", connectivity.sources(), connectivity.targets());
        };
        if by_channels {
            let mut weights = vec![-0.0; rows.len()];
            for (row, of_row) in weights.iter_mut().enumerate() {
                rows.fan_out(row, |_, weight| *of_row = weight);
            }
            return Self::Channels(weights);
        }
        let each = rows.width().div_ceil(BLOCK);
        let mut lines = vec![Line::of(-0.0); rows.len() * each];
        let flat = flat_mut(&mut lines);
        for row in 0..rows.len() {
            rows.fan_out(row, |column, weight| flat[row * each * BLOCK + column] = weight);
        }
        let absent = rows.synapses() < rows.len() as u64 * rows.width() as u64;
        Self::Rows { lines, absent }
    }

    /// Adds the weights of a step's spikes, ascending, to the currents of the targets `range`, position by position.
    pub(super) fn deliver(
        &self,
        kernels: &Kernels,
        connectivity: &Connectivity,
        spikes: SpikeSlice<'_>,
        range: &Range<usize>,
        room: &mut GatherRoom,
        currents: &mut [Line],
    ) {
        let Some(g) = geometry(connectivity) else { return };
        let currents = flat_mut(currents);
        let channels = g.target[2] as usize;
        let end = range.end.min(connectivity.targets());
        if spikes.is_empty() || range.start >= end {
            return;
        }
        let GatherRoom { starts, values, part } = room;
        match self {
            Self::Rows { .. } => arrange(&g, spikes.neurons(), starts),
            Self::Channels(_) => {
                values.clear();
                values.resize(connectivity.sources(), 0.0);
                spikes.iter().for_each(|(source, value)| values[source as usize] = value as f32);
            }
        }
        let masked = |absent: bool| absent && spikes.values().iter().any(|&value| value < 0);
        let masked = matches!(self, Self::Rows { absent, .. } if masked(*absent));
        let add = |position: usize, currents: &mut [f32]| match self {
            Self::Rows { lines, .. } => each_run(&g, position, |sources, first| {
                let ends = starts[sources.start] as usize..starts[sources.end] as usize;
                if ends.is_empty() {
                    return;
                }
                let ids = &spikes.neurons()[ends.clone()];
                let values = spikes.values().get(ends).unwrap_or_default();
                (kernels.add_run)(lines, first, (ids, values), masked, currents);
            }),
            Self::Channels(weights) => each_tap(&g, position, |source, tap| {
                let (from, weights) = (source * channels, &weights[tap * channels..][..channels]);
                (kernels.add_channels)(weights, &values[from..from + channels], currents);
            }),
        };
        for position in range.start / channels..end.div_ceil(channels) {
            let first = position * channels;
            let (from, to) = (first.max(range.start), (first + channels).min(end));
            if to - from == channels {
                add(position, &mut currents[from..to]);
                continue;
            }
            part.clear();
            part.resize(channels, -0.0);
            part[from - first..to - first].copy_from_slice(&currents[from..to]);
            add(position, part);
            currents[from..to].copy_from_slice(&part[from - first..to - first]);
        }
    }

    /// What it costs to bring so many spikes, in some steps, to all positions.
    pub(super) fn work(
        connectivity: &Connectivity,
        by_channels: bool,
        spikes: f64,
        steps: f64,
    ) -> Option<GatherWork> {
        let g = geometry(connectivity)?;
        let sources = connectivity.sources() as f64;
        let lines = f64::from(g.target[2]) / BLOCK as f64;
        let positions = f64::from(g.target[0]) * f64::from(g.target[1]) * steps;
        let kernel = [0, 1].map(|axis| f64::from(g.kernel[axis]));
        if by_channels {
            return Some(GatherWork {
                channel_lines: positions * kernel[0] * kernel[1] * lines.ceil(),
                runs: positions * kernel[0] * kernel[1],
                sources: sources * steps,
                ..GatherWork::default()
            });
        }
        let taps = [0, 1].map(|axis| kernel[axis] / f64::from(g.stride[axis])).iter().product::<f64>();
        let rows = spikes * taps;
        let added = rows * lines.ceil();
        let bytes = Self::bytes(connectivity, false)?;
        Some(GatherWork {
            lines: added,
            far_lines: if bytes > NEAR { added } else { 0.0 },
            remote_lines: if bytes > REMOTE { added } else { 0.0 },
            rows: rows * (lines / 8.0).ceil(),
            runs: positions * kernel[0] * f64::from(g.pool[0]) * (lines / 8.0).ceil(),
            arranged: sources / f64::from(g.source[2].max(1)) * steps + spikes,
            ..GatherWork::default()
        })
    }
}

/// Notes where the spikes of every source position start.
fn arrange(g: &Conv2dGeometry, ids: &[u32], starts: &mut Vec<u32>) {
    let positions = g.source[0] as usize * g.source[1] as usize;
    let channels = u64::from(g.source[2]);
    starts.clear();
    let mut at = 0;
    for position in 0..positions as u64 {
        starts.push(at as u32);
        let end = (position + 1) * channels;
        while ids.get(at).is_some_and(|&id| u64::from(id) < end) {
            at += 1;
        }
    }
    // Spikes of a step are fewer than 2³², as neurons are.
    starts.push(at as u32);
}

/// The source positions of one row or column of the image that a target sees through a tap, pooled: those of a block.
fn seen(g: &Conv2dGeometry, axis: usize, target: usize, tap: u32) -> Option<Range<usize>> {
    // Sizes of a geometry are at most 2²⁴.
    let pooled = target as i64 * i64::from(g.stride[axis]) + i64::from(tap) * i64::from(g.dilation[axis])
        - i64::from(g.padding[axis]);
    let blocks = i64::from(g.source[axis] / g.pool[axis]);
    let pool = g.pool[axis] as usize;
    (0..blocks).contains(&pooled).then(|| pooled as usize * pool..(pooled as usize + 1) * pool)
}

/// Calls `each(source positions, first)` for what a target position sees, sources ascending; the row of a spike is its
/// distance from `first`, modulo 2³².
#[inline(always)]
fn each_run(g: &Conv2dGeometry, position: usize, mut each: impl FnMut(Range<usize>, u32)) {
    let [width, channels] = [g.source[1] as usize, g.source[2] as usize];
    let (oy, ox) = (position / g.target[1] as usize, position % g.target[1] as usize);
    // A row of taps sees neighbouring positions, whose weight rows are neighbours, too.
    let contiguous = g.pool[1] == 1 && (g.dilation[1] == 1 || g.kernel[1] == 1);
    let row_of = |ky: u32, kx: u32| (ky as usize * g.kernel[1] as usize + kx as usize) * channels;
    for ky in 0..g.kernel[0] {
        for y in seen(g, 0, oy, ky).into_iter().flatten() {
            if contiguous {
                let x = ox as i64 * i64::from(g.stride[1]) - i64::from(g.padding[1]);
                let inside = |x: i64| x.clamp(0, width as i64) as usize;
                let columns = inside(x)..inside(x + i64::from(g.kernel[1]));
                if !columns.is_empty() {
                    let first = (y * width) as i64 * channels as i64 + x * channels as i64;
                    let first = first.wrapping_sub(row_of(ky, 0) as i64) as u32;
                    each(y * width + columns.start..y * width + columns.end, first);
                }
                continue;
            }
            for kx in 0..g.kernel[1] {
                for x in seen(g, 1, ox, kx).into_iter().flatten() {
                    let source = y * width + x;
                    let first = (source * channels).wrapping_sub(row_of(ky, kx)) as u32;
                    each(source..source + 1, first);
                }
            }
        }
    }
}

/// Calls `each(source position, tap)` for what a target position sees, sources ascending.
#[inline(always)]
fn each_tap(g: &Conv2dGeometry, position: usize, mut each: impl FnMut(usize, usize)) {
    let (oy, ox) = (position / g.target[1] as usize, position % g.target[1] as usize);
    for ky in 0..g.kernel[0] {
        for y in seen(g, 0, oy, ky).into_iter().flatten() {
            for kx in 0..g.kernel[1] {
                for x in seen(g, 1, ox, kx).into_iter().flatten() {
                    let tap = ky as usize * g.kernel[1] as usize + kx as usize;
                    each(y * g.source[1] as usize + x, tap);
                }
            }
        }
    }
}
