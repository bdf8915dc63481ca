//! The delivery of spikes step by step: weight rows added to the currents of their targets.

use std::ops::Range;

use crate::kernel::Kernels;
use crate::lanes::{Line, flat_mut};
use crate::network::connectivity::{Connectivity, Conv2d, Rows, SparseRows, Targets};
use crate::spikes::SpikeSlice;

/// Where a compact row may write, counted from its first current.
const COMPACT: usize = 1 << 16;

/// Larger tables, in bytes, no second-level cache holds.
pub(super) const NEAR: u64 = 1 << 20;

/// Whether a table of so many synapses is too large for a second-level cache.
pub(super) fn is_far(synapses: u64) -> bool {
    // Six bytes each: a target and a weight.
    synapses.saturating_mul(6) > NEAR
}

/// Neurons in a word.
const NEURONS_PER_WORD: usize = 64;

/// The grains that the targets of a population are divided into.
const GRAINS: usize = 16;

/// The words of 64 targets that a grain has: ranges of targets begin and end with one.
fn grain(words: usize) -> usize {
    words.div_ceil(GRAINS).max(1)
}

/// The words of the ranges in which threads go through `words` words of targets, one range for each.
///
/// One thread takes all targets at once. In ranges whose currents stay in the first-level cache it is slower, however
/// many targets there are: rows that come from memory are better fetched whole.
pub(super) fn words_of_range(words: usize, threads: usize) -> usize {
    let grain = grain(words);
    words.div_ceil(grain).div_ceil(threads).max(1) * grain
}

/// Where the weight rows of a sparse table are cut at the grains of its targets.
///
/// 8 bytes per row and cut, of which there are fewer than grains.
#[derive(Debug)]
pub(super) struct Cuts {
    /// Targets of a grain.
    grain: usize,
    /// `[cuts][rows]`, places in the table.
    places: Vec<u64>,
}

impl Cuts {
    /// The cuts of a table; `None` if its rows are so short that they are sooner searched.
    pub(super) fn of(connectivity: &Connectivity) -> Option<Self> {
        let Connectivity::Rows(table @ Rows::Sparse(rows)) = connectivity else {
            return None;
        };
        let grain = grain(table.width().div_ceil(NEURONS_PER_WORD)) * NEURONS_PER_WORD;
        let cuts = table.width().div_ceil(grain).saturating_sub(1);
        if table.synapses() < 2 * (cuts as u64 + 1) * table.len() as u64 {
            return None;
        }
        let mut places = vec![0; cuts * table.len()];
        // Row by row, so that each is fetched once.
        for row in 0..table.len() {
            for cut in 1..=cuts {
                places[(cut - 1) * table.len() + row] = place(rows, row, cut * grain);
            }
        }
        Some(Self { grain, places })
    }

    /// Of every row of the table, the place of the targets from `target` on: a whole number of grains, or none.
    fn at<'a>(&'a self, rows: &'a SparseRows, target: usize) -> &'a [u64] {
        let starts: &[u64] = rows.row_starts();
        let count = starts.len() - 1;
        match (target / self.grain, target % self.grain) {
            (0, 0) => starts,
            (cut, 0) if cut * count <= self.places.len() => &self.places[(cut - 1) * count..cut * count],
            _ => &starts[1..],
        }
    }
}

/// Where the targets from `target` on start in a row.
fn place(rows: &SparseRows, row: usize, target: usize) -> u64 {
    let range = rows.range(row);
    let before = match rows.targets() {
        Targets::U16(ids) => ids[range.clone()].partition_point(|&id| usize::from(id) < target),
        Targets::U32(ids) => ids[range.clone()].partition_point(|&id| (id as usize) < target),
    };
    (range.start + before) as u64
}

/// Makes room for the currents of `lines` lines of neurons, at −0.0 where they are new.
pub(super) fn make_room(currents: &mut Vec<Line>, lines: usize) {
    let enough = lines + COMPACT * size_of::<f32>() / size_of::<Line>();
    currents.resize(currents.len().max(enough), Line::of(-0.0));
}

/// The sources that may reach some of the targets `range`.
fn sources_of(connectivity: &Connectivity, range: &Range<usize>) -> Range<usize> {
    match connectivity {
        Connectivity::Rows(rows) => 0..rows.len(),
        Connectivity::OneToOne(_) => range.clone(),
        Connectivity::Conv2d(conv) => {
            let g = conv.geometry();
            let row_of = |image: [u32; 3]| i64::from(image[1]) * i64::from(image[2]);
            let across = row_of(g.target).max(1);
            // Ids are below 2³², and the sizes of a geometry at most 2²⁴.
            let (first, last) = (range.start as i64 / across, (range.end as i64 - 1).max(0) / across);
            let (stride, padding) = (i64::from(g.stride[0]), i64::from(g.padding[0]));
            let reach = i64::from(g.kernel[0] - 1) * i64::from(g.dilation[0]);
            let neuron = |row: i64| {
                (row * i64::from(g.pool[0])).clamp(0, i64::from(g.source[0])) as usize
                    * row_of(g.source) as usize
            };
            neuron(first * stride - padding)..neuron(last * stride + reach - padding + 1)
        }
    }
}

/// Adds the weights of the given spikes, ascending, to the currents of the targets `range`, grains of the
/// `currents` of all; these go on for [`COMPACT`] values behind the last target.
pub(super) fn deliver(
    kernels: &Kernels,
    connectivity: &Connectivity,
    cuts: Option<&Cuts>,
    spikes: SpikeSlice<'_>,
    range: &Range<usize>,
    currents: &mut [Line],
) {
    let currents = flat_mut(currents);
    let whole = range.len() >= connectivity.targets();
    let spikes = if whole {
        spikes
    } else {
        let sources = sources_of(connectivity, range);
        spikes.between(sources.start, sources.end)
    };
    match connectivity {
        Connectivity::Rows(Rows::Sparse(rows)) => {
            let starts: &[u64] = rows.row_starts();
            match (whole, cuts) {
                (true, _) => add(kernels, rows, spikes, starts, &starts[1..], currents),
                (false, Some(cuts)) => {
                    let (starts, ends) = (cuts.at(rows, range.start), cuts.at(rows, range.end));
                    add(kernels, rows, spikes, starts, ends, currents);
                }
                (false, None) => {
                    for (source, value) in spikes.iter() {
                        let ends =
                            [range.start, range.end].map(|target| place(rows, source as usize, target));
                        add_piece(kernels, rows, value, ends, currents);
                    }
                }
            }
        }
        Connectivity::Rows(Rows::Dense(rows)) => {
            for (source, value) in spikes.iter() {
                let row = rows.row(source as usize);
                let end = range.end.min(row.len());
                add_dense(kernels, &row[range.start..end], value, &mut currents[range.start..end]);
            }
        }
        Connectivity::Conv2d(conv) => {
            for (source, value) in spikes.iter() {
                deliver_taps(kernels, conv, source, value, range, currents);
            }
        }
        Connectivity::OneToOne(one) => {
            for (source, value) in spikes.iter() {
                if let Some(weight) = one.weight(source as usize, source as usize) {
                    // A product with 1 is exact.
                    currents[source as usize] += weight * value as f32;
                }
            }
        }
    }
}

/// What a spike brings through the taps of a convolution.
fn deliver_taps(
    kernels: &Kernels,
    conv: &Conv2d,
    source: u32,
    value: i32,
    range: &Range<usize>,
    currents: &mut [f32],
) {
    let channels = conv.rows().width();
    conv.taps_of(source as usize, |position, row| {
        let first = position * channels;
        let (from, to) = (range.start.max(first), range.end.min(first + channels));
        if from >= to {
            return;
        }
        match conv.rows() {
            Rows::Sparse(rows) => {
                let starts: &[u64] = rows.row_starts();
                let ends = if to - from == channels {
                    [starts[row], starts[row + 1]]
                } else {
                    [from, to].map(|target| place(rows, row, target - first))
                };
                add_piece(kernels, rows, value, ends, &mut currents[first..]);
            }
            Rows::Dense(rows) => {
                let piece = &rows.row(row)[from - first..to - first];
                add_dense(kernels, piece, value, &mut currents[from..to]);
            }
        }
    });
}

/// Adds a dense row of the spike of a value.
fn add_dense(kernels: &Kernels, row: &[f32], value: i32, currents: &mut [f32]) {
    match value {
        1 => (kernels.add_row)(row, currents),
        value => (kernels.add_scaled_row)(row, value as f32, currents),
    }
}

/// Adds a piece of a row, the places `ends` of the table, of the spike of a value.
fn add_piece(kernels: &Kernels, table: &SparseRows, value: i32, ends: [u64; 2], currents: &mut [f32]) {
    let (values, one) = ([value], SpikeSlice::raw(&[0], &[]));
    let spikes = if value == 1 { one } else { SpikeSlice::raw(&[0], &values) };
    add(kernels, table, spikes, &ends[..1], &ends[1..], currents);
}

/// Adds pieces of rows: of row `r` the places `starts[r]..ends[r]`.
fn add(
    kernels: &Kernels,
    table: &SparseRows,
    spikes: SpikeSlice<'_>,
    starts: &[u64],
    ends: &[u64],
    currents: &mut [f32],
) {
    let weights: &[f32] = table.weights();
    let (rows, values) = (spikes.neurons(), spikes.values());
    match table.targets() {
        Targets::U16(ids) if values.is_empty() => {
            let add = if is_far(weights.len() as u64) { kernels.add_far_rows } else { kernels.add_rows };
            add(rows, starts, ends, ids, weights, compact(currents));
        }
        Targets::U16(ids) => {
            (kernels.add_scaled_rows)(rows, values, starts, ends, ids, weights, compact(currents));
        }
        Targets::U32(ids) if values.is_empty() => {
            (kernels.add_wide_rows)(rows, starts, ends, ids, weights, currents);
        }
        Targets::U32(ids) => {
            let ids: &[u32] = ids;
            for (row, value) in spikes.iter() {
                let piece = starts[row as usize] as usize..ends[row as usize] as usize;
                let (ids, weights) = (&ids[piece.clone()], &weights[piece]);
                (kernels.scatter_scaled_u32)(ids, weights, value as f32, currents);
            }
        }
    }
}

/// The currents that a compact row may name.
fn compact(currents: &mut [f32]) -> &mut [f32; COMPACT] {
    let behind = currents.len();
    match currents.first_chunk_mut() {
        Some(chunk) => chunk,
        None => panic!("{behind} currents; a compact row may name {COMPACT}"),
    }
}

/// The weights that spikes carry through a projection, counted without delivering them.
pub(super) struct Carried {
    /// Of a convolution, the synapses of every source.
    of_source: Vec<u32>,
}

impl Carried {
    /// Memory: 4 bytes for every source of a convolution.
    pub(super) fn by(connectivity: &Connectivity) -> Self {
        let of_source = match connectivity {
            // A source has at most one synapse per target neuron, of which there are fewer than 2³².
            Connectivity::Conv2d(conv) => {
                (0..connectivity.sources()).map(|source| conv.synapses_of(source) as u32).collect()
            }
            Connectivity::Rows(_) | Connectivity::OneToOne(_) => vec![],
        };
        Self { of_source }
    }

    /// The weights that the given spikes carry.
    pub(super) fn count(&self, connectivity: &Connectivity, spikes: &[u32]) -> u64 {
        match connectivity {
            Connectivity::Rows(Rows::Sparse(rows)) => {
                let starts: &[u64] = rows.row_starts();
                spikes.iter().map(|&j| starts[j as usize + 1] - starts[j as usize]).sum()
            }
            Connectivity::Rows(rows @ Rows::Dense(_)) => {
                spikes.iter().map(|&j| rows.synapses_of(j as usize)).sum()
            }
            Connectivity::Conv2d(_) => spikes.iter().map(|&j| u64::from(self.of_source[j as usize])).sum(),
            Connectivity::OneToOne(_) => spikes.iter().map(|&j| connectivity.synapses_of(j as usize)).sum(),
        }
    }
}
