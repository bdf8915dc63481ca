use crate::bits::{set, words};
use crate::kernel::{BLOCK, Kernels};
use crate::network::connectivity::{Connectivity, Conv2d, Rows, Targets};

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

/// Adds the weights of one spike to the currents of its targets, and marks the blocks that it reaches.
/// Returns the number of synapses.
#[inline]
pub(super) fn deliver(
    kernels: &Kernels,
    connectivity: &Connectivity,
    masks: &BlockMasks,
    source: usize,
    currents: &mut [f32],
    due: &mut [u64],
) -> u64 {
    match connectivity {
        Connectivity::Rows(rows) => {
            for (due, mask) in due.iter_mut().zip(masks.of_row(source)) {
                *due |= mask;
            }
            add_weights(kernels, rows, source, currents)
        }
        Connectivity::Conv2d(conv) => deliver_conv2d(kernels, conv, source, currents, due),
        Connectivity::OneToOne(one) => match one.weight(source, source) {
            Some(weight) => {
                currents[source] += weight;
                set(due, source / BLOCK);
                1
            }
            None => 0,
        },
    }
}

#[inline]
fn add_weights(kernels: &Kernels, rows: &Rows, row: usize, currents: &mut [f32]) -> u64 {
    match rows {
        Rows::Sparse(sparse) => {
            let range = sparse.range(row);
            let weights = &sparse.weights()[range.clone()];
            match sparse.targets() {
                Targets::U16(ids) => (kernels.scatter_u16)(&ids[range], weights, currents),
                Targets::U32(ids) => (kernels.scatter_u32)(&ids[range], weights, currents),
            }
        }
        Rows::Dense(dense) => (kernels.add_row)(dense.row(row), currents),
    }
    rows.synapses_of(row)
}

fn deliver_conv2d(
    kernels: &Kernels,
    conv: &Conv2d,
    source: usize,
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
        synapses += add_weights(kernels, conv.rows(), row, &mut currents[first..first + channels]);
        for block in first / BLOCK..=(first + channels - 1) / BLOCK {
            set(due, block);
        }
    });
    synapses
}
