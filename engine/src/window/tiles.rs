use crate::kernel::{BLOCK, Line, MOST_ROWS, flat_mut};
use crate::{Connectivity, Rows};

/// The weight rows that stay in the first-level cache while a window is run over them: 26 KB of one tile.
const CACHED_ROWS: usize = 407;

/// Up to this many rows one block is as fast as several: it fills a small part of the second-level cache.
const ONE_BLOCK: usize = 1400;

/// A table of weight rows laid out for tiles of 16 targets: `[tile][block][1 + rows][16]`.
///
/// Row 0 of each block, and every absent synapse, is −0.0, which changes no sum. 64 bytes per row and tile.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    lines: Vec<Line>,
    blocks: usize,
    /// Weight rows of a block.
    block: usize,
}

/// How the rows of a projection fall into blocks: their number and the rows of each, the last one perhaps
/// fewer; `None` if tiles cannot represent the projection.
pub(super) fn blocks(connectivity: &Connectivity) -> Option<(usize, usize)> {
    match connectivity {
        Connectivity::Rows(rows) if rows.len() <= ONE_BLOCK => Some((1, rows.len())),
        Connectivity::Rows(rows) => {
            let blocks = rows.len().div_ceil(CACHED_ROWS);
            Some((blocks, rows.len().div_ceil(blocks)))
        }
        // A block is a row of taps: what a target sees of it is a contiguous run of sources.
        Connectivity::Conv2d(conv) => {
            let g = conv.geometry();
            let block = g.kernel[1] as usize * g.source[2] as usize;
            let contiguous = g.pool == [1, 1] && (g.dilation[1] == 1 || g.kernel[1] == 1);
            let fits = contiguous && (g.target[2] as usize).is_multiple_of(BLOCK) && block + 1 < MOST_ROWS;
            fits.then_some((g.kernel[0] as usize, block))
        }
        Connectivity::OneToOne(_) => None,
    }
}

/// The weight rows of a projection.
pub(super) fn table(connectivity: &Connectivity) -> Option<&Rows> {
    match connectivity {
        Connectivity::Rows(rows) => Some(rows),
        Connectivity::Conv2d(conv) => Some(conv.rows()),
        Connectivity::OneToOne(_) => None,
    }
}

impl Tiles {
    /// The bytes of the tiles of a projection; `None` if tiles cannot represent it.
    pub(super) fn bytes(connectivity: &Connectivity) -> Option<u64> {
        let (blocks, block) = blocks(connectivity)?;
        let tiles = table(connectivity)?.width().div_ceil(BLOCK) as u64;
        tiles.checked_mul(blocks as u64 * (block as u64 + 1) * size_of::<Line>() as u64)
    }

    /// Lays out the weights of a projection that [`bytes`](Self::bytes) has a number for.
    pub(super) fn of(connectivity: &Connectivity) -> Self {
        let layout = blocks(connectivity).zip(table(connectivity));
        let Some(((blocks, block), rows)) = layout else {
            panic!("{} sources by {} targets have no tiles", connectivity.sources(), connectivity.targets());
        };
        let tiles = rows.width().div_ceil(BLOCK);
        let mut lines = vec![Line::of(-0.0); tiles * blocks * (block + 1)];
        let flat = flat_mut(&mut lines);
        for row in 0..rows.len() {
            let (at, row_of_block) = (row / block, 1 + row % block);
            rows.fan_out(row, |column, weight| {
                let line = (column / BLOCK * blocks + at) * (block + 1) + row_of_block;
                flat[line * BLOCK + column % BLOCK] = weight;
            });
        }
        Self { lines, blocks, block }
    }

    /// Weight rows of a block, without the resting row.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// A block of a tile, `[1 + rows][16]`, and the lines behind it.
    #[inline]
    pub(super) fn rows(&self, tile: usize, block: usize) -> (&[Line], &[Line]) {
        let rows = self.block + 1;
        let (these, behind) = self.lines[(tile * self.blocks + block) * rows..].split_at(rows);
        (these, &behind[..rows.min(behind.len())])
    }
}
