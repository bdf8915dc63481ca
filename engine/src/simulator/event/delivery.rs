use crate::bits::{set, words};
use crate::kernel::Kernels;
use crate::lanes::BLOCK;
use crate::network::connectivity::{Connectivity, Conv2d, Rows, Targets};
use crate::spikes::SpikeSlice;

/// Which blocks each weight row of a projection reaches, a bit each.
pub(super) struct BlockMasks {
    words: usize,
    masks: Vec<u64>,
}

impl BlockMasks {
    fn of_row(&self, row: usize) -> &[u64] {
        &self.masks[row * self.words..(row + 1) * self.words]
    }
}

/// The masks of a projection; none if its blocks are found spike by spike.
pub(super) fn block_masks(connectivity: &Connectivity) -> BlockMasks {
    let Connectivity::Rows(rows) = connectivity else {
        return BlockMasks { words: 0, masks: vec![] };
    };
    let words = words(rows.width().div_ceil(BLOCK));
    let mut masks = vec![0; words * rows.len()];
    for row in 0..rows.len() {
        let mask = &mut masks[row * words..(row + 1) * words];
        rows.fan_out(row, |target, _| set(mask, target / BLOCK));
    }
    BlockMasks { words, masks }
}

/// Adds the weights of spikes to the currents of their targets, and marks the blocks that they reach. Returns the
/// number of synapses.
#[inline]
pub(super) fn deliver(
    kernels: &Kernels,
    connectivity: &Connectivity,
    masks: &BlockMasks,
    spikes: SpikeSlice<'_>,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    let mut operations = 0;
    if spikes.values().is_empty() {
        for &source in spikes.neurons() {
            operations += deliver_one(kernels, connectivity, masks, source as usize, Unit, currents, due);
        }
        return operations;
    }
    for (source, value) in spikes.iter() {
        operations += match value {
            1 => deliver_one(kernels, connectivity, masks, source as usize, Unit, currents, due),
            value => deliver_one(kernels, connectivity, masks, source as usize, Scaled(value), currents, due),
        };
    }
    operations
}

/// How weights become contributions.
trait Contribution: Copy {
    fn of(self, weight: f32) -> f32;
    fn add_row(self, kernels: &Kernels, rows: &Rows, row: usize, currents: &mut [f32]);
}

/// Of a spike of value 1: as they are.
#[derive(Clone, Copy)]
struct Unit;

/// Of a spike of another value: times that value, rounded once.
#[derive(Clone, Copy)]
struct Scaled(i32);

impl Contribution for Unit {
    #[inline(always)]
    fn of(self, weight: f32) -> f32 {
        weight
    }

    #[inline(always)]
    fn add_row(self, kernels: &Kernels, rows: &Rows, row: usize, currents: &mut [f32]) {
        match rows {
            Rows::Sparse(sparse) => {
                let range = sparse.range(row);
                sparse.weights().pieces(range.clone(), |from, weights| {
                    let places = range.start + from..range.start + from + weights.len();
                    match sparse.targets() {
                        Targets::U16(ids) => (kernels.scatter_u16)(&ids[places], weights, currents),
                        Targets::U32(ids) => (kernels.scatter_u32)(&ids[places], weights, currents),
                    }
                });
            }
            Rows::Dense(dense) => {
                dense.weights().pieces(dense.range(row, 0..rows.width()), |from, weights| {
                    (kernels.add_row)(weights, &mut currents[from..]);
                });
            }
        }
    }
}

impl Contribution for Scaled {
    #[inline(always)]
    fn of(self, weight: f32) -> f32 {
        weight * self.0 as f32
    }

    #[inline(always)]
    fn add_row(self, kernels: &Kernels, rows: &Rows, row: usize, currents: &mut [f32]) {
        let value = self.0 as f32;
        match rows {
            Rows::Sparse(sparse) => {
                let range = sparse.range(row);
                sparse.weights().pieces(range.clone(), |from, weights| {
                    let places = range.start + from..range.start + from + weights.len();
                    match sparse.targets() {
                        Targets::U16(ids) => {
                            (kernels.scatter_scaled_u16)(&ids[places], weights, value, currents)
                        }
                        Targets::U32(ids) => {
                            (kernels.scatter_scaled_u32)(&ids[places], weights, value, currents)
                        }
                    }
                });
            }
            Rows::Dense(dense) => {
                dense.weights().pieces(dense.range(row, 0..rows.width()), |from, weights| {
                    (kernels.add_scaled_row)(weights, value, &mut currents[from..]);
                });
            }
        }
    }
}

#[inline(always)]
fn deliver_one<C: Contribution>(
    kernels: &Kernels,
    connectivity: &Connectivity,
    masks: &BlockMasks,
    source: usize,
    contribution: C,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => {
            for (due, mask) in due.iter_mut().zip(masks.of_row(source)) {
                *due |= mask;
            }
            contribution.add_row(kernels, rows, source, currents);
            rows.synapses_of(source)
        }
        Connectivity::Conv2d(conv) => deliver_conv2d(kernels, conv, source, contribution, currents, due),
        Connectivity::OneToOne(one) => match one.weight(source, source) {
            Some(weight) => {
                currents[source] += contribution.of(weight);
                set(due, source / BLOCK);
                1
            }
            None => 0,
        },
    }
}

fn deliver_conv2d<C: Contribution>(
    kernels: &Kernels,
    conv: &Conv2d,
    source: usize,
    contribution: C,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    let channels = conv.rows().width();
    let mut synapses = 0;
    conv.taps_of(source, |position, row| {
        if conv.rows().synapses_of(row) == 0 {
            return;
        }
        let first = position * channels;
        contribution.add_row(kernels, conv.rows(), row, &mut currents[first..first + channels]);
        synapses += conv.rows().synapses_of(row);
        for block in first / BLOCK..=(first + channels - 1) / BLOCK {
            set(due, block);
        }
    });
    synapses
}
