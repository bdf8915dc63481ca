use crate::kernel::{Kernels, MOST_ROWS, Packed, lines_of};
use crate::lanes::{BLOCK, Line, flat_mut};
use crate::network::connectivity::{Connectivity, Rows};

/// The weight rows that stay in the first-level cache while a window is run over them: 26 KB of one tile.
const CACHED_ROWS: usize = 407;

/// Up to this many rows one block is as fast as several: it fills a small part of the second-level cache.
const ONE_BLOCK: usize = 1400;

/// Dense tiles up to this size stay in a third-level cache, which is faster than unpacking.
const NEAR: u64 = 12 << 20;

/// The density up to which larger tiles are packed.
const SPARSE: f64 = 0.35;

/// The values that a block may be unpacked to.
const UNPACKED: usize = 1 << 16;

/// A table of weight rows layouts out for tiles of 16 targets: `[tile][block][1 + rows][16]`.
///
/// Row 0 of each block, and every absent synapse, is −0.0, which changes no sum.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    weights: Weights,
    blocks: usize,
    /// Weight rows of a block.
    block: usize,
}

#[derive(Clone, Debug)]
enum Weights {
    /// 64 bytes per row and tile.
    Dense(Vec<Line>),
    /// The weights that are there, block by block, to be unpacked when their turn comes: six bytes per synapse,
    /// and four per block.
    Packed { weights: Vec<Packed>, starts: Vec<u32> },
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

/// Whether the tiles of a projection are packed.
pub(super) fn packed(connectivity: &Connectivity) -> bool {
    match connectivity {
        // Each block has its turn once in a window.
        Connectivity::Rows(rows @ Rows::Sparse(_)) => {
            let all = rows.len() as f64 * rows.width() as f64;
            dense_bytes(connectivity).is_none_or(|bytes| bytes > NEAR)
                && rows.synapses() as f64 <= SPARSE * all
        }
        // Every block has its turn for every position.
        Connectivity::Rows(Rows::Dense(_)) | Connectivity::Conv2d(_) | Connectivity::OneToOne(_) => false,
    }
}

fn dense_bytes(connectivity: &Connectivity) -> Option<u64> {
    let (blocks, block) = blocks(connectivity)?;
    let tiles = table(connectivity)?.width().div_ceil(BLOCK) as u64;
    tiles.checked_mul(blocks as u64 * (block as u64 + 1) * size_of::<Line>() as u64)
}

impl Tiles {
    /// The bytes of the tiles of a projection; `None` if tiles cannot represent it.
    pub(super) fn bytes(connectivity: &Connectivity) -> Option<u64> {
        if !packed(connectivity) {
            return dense_bytes(connectivity);
        }
        let (blocks, _) = blocks(connectivity)?;
        let table = table(connectivity)?;
        // Every block fills up its last piece.
        let blocks = (blocks * table.width().div_ceil(BLOCK)) as u64;
        let pieces = table.synapses() / Packed::WEIGHTS as u64 + blocks;
        (pieces < 1 << 32).then_some(pieces * size_of::<Packed>() as u64 + blocks * 4)
    }

    /// Lays out the weights of a projection that [`bytes`](Self::bytes) has a number for.
    pub(super) fn of(connectivity: &Connectivity) -> Self {
        let layout = blocks(connectivity).zip(table(connectivity));
        let Some(((blocks, block), rows)) = layout else {
            panic!("{} sources by {} targets have no tiles", connectivity.sources(), connectivity.targets());
        };
        let weights =
            if packed(connectivity) { pack(rows, blocks, block) } else { spread_out(rows, blocks, block) };
        Self { weights, blocks, block }
    }

    /// Weight rows of a block, without the resting row.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// A block of a tile, `[1 + rows][16]`, and what is needed after it; packed weights are unpacked to `room`.
    #[inline]
    pub(super) fn rows<'a>(
        &'a self,
        kernels: &Kernels,
        tile: usize,
        block: usize,
        room: &'a mut Vec<Line>,
    ) -> (&'a [Line], &'a [Line]) {
        let (rows, at) = (self.block + 1, tile * self.blocks + block);
        match &self.weights {
            Weights::Dense(lines) => {
                let (these, behind) = lines[at * rows..].split_at(rows);
                (these, &behind[..rows.min(behind.len())])
            }
            Weights::Packed { weights, starts } => {
                room.resize(UNPACKED / BLOCK, Line::of(-0.0));
                let (start, end) = (starts[at] as usize, starts[at + 1] as usize);
                match flat_mut(room).first_chunk_mut() {
                    Some(room) => (kernels.unpack)(&weights[start..end], rows, room),
                    None => panic!("{} lines of room; a block may have {UNPACKED} values", room.len()),
                }
                let behind = starts.get(at + 2).map_or(end, |&end| end as usize);
                (&room[..rows], lines_of(&weights[end..behind]))
            }
        }
    }
}

fn spread_out(rows: &Rows, blocks: usize, block: usize) -> Weights {
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
    Weights::Dense(lines)
}

fn pack(rows: &Rows, blocks: usize, block: usize) -> Weights {
    let tiles = rows.width().div_ceil(BLOCK);
    let at = |row: usize, column: usize| column / BLOCK * blocks + row / block;
    let mut counts = vec![0_u32; tiles * blocks];
    for row in 0..rows.len() {
        rows.fan_out(row, |column, _| counts[at(row, column)] += 1);
    }
    let mut starts = vec![0];
    let mut pieces = 0;
    for count in &mut counts {
        pieces += count.div_ceil(Packed::WEIGHTS as u32);
        starts.push(pieces);
        *count = 0;
    }
    let mut weights = vec![Packed::NONE; pieces as usize];
    for row in 0..rows.len() {
        rows.fan_out(row, |column, weight| {
            let at = at(row, column);
            let count = &mut counts[at];
            // A block has fewer values than a place can name.
            let place = ((1 + row % block) * BLOCK + column % BLOCK) as u16;
            let piece = &mut weights[starts[at] as usize + *count as usize / Packed::WEIGHTS];
            piece.set(*count as usize % Packed::WEIGHTS, weight, place);
            *count += 1;
        });
    }
    Weights::Packed { weights, starts }
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::kernel::best;
    use crate::lanes::flat;
    use crate::network::connectivity::SparseRows;

    fn table(rows: usize, width: usize, density: f64) -> Rows {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(rows as u64);
        let weights: Vec<f32> = (0..rows * width)
            .map(|_| if rng.random_bool(density) { rng.random_range(-1.0..1.0) } else { 0.0 })
            .collect();
        Rows::Sparse(SparseRows::from_dense(width, &weights).unwrap())
    }

    #[test]
    fn packed_tiles_hold_what_dense_ones_do() {
        for (rows, width, density) in [(1, 1, 1.0), (50, 33, 0.2), (1000, 40, 0.01), (1500, 70, 0.3)] {
            let table = table(rows, width, density);
            let (count, block) = (rows.div_ceil(CACHED_ROWS), rows.div_ceil(rows.div_ceil(CACHED_ROWS)));
            let of = |weights| Tiles { weights, blocks: count, block };
            let (packed, dense) = (of(pack(&table, count, block)), of(spread_out(&table, count, block)));
            let mut room = [vec![], vec![]];
            for at in 0..width.div_ceil(BLOCK) * count {
                let (tile, block) = (at / count, at % count);
                let [one, other] = &mut room;
                let (these, behind) = packed.rows(best(), tile, block, one);
                let (those, _) = dense.rows(best(), tile, block, other);
                assert!(flat(these).iter().zip(flat(those)).all(|(a, b)| a.to_bits() == b.to_bits()));
                assert_eq!(these.len(), those.len());
                // Behind the last block there is nothing.
                assert!(at + 1 < width.div_ceil(BLOCK) * count || behind.is_empty());
            }
        }
    }

    #[test]
    fn large_thin_tables_are_packed_and_their_bytes_foretold() {
        let thin = Connectivity::Rows(table(2100, 1600, 0.03));
        assert!(packed(&thin));
        assert!(
            !packed(&Connectivity::Rows(table(1200, 1200, 0.1))),
            "dense tiles of 5.8 MB stay in a cache"
        );
        let Weights::Packed { weights, starts } = Tiles::of(&thin).weights else { panic!("packed") };
        let bytes = (size_of_val(&weights[..]) + size_of_val(&starts[..])) as u64;
        let foretold = Tiles::bytes(&thin).unwrap();
        assert!(bytes <= foretold + 4 && foretold < 2 * bytes, "{bytes}, foretold {foretold}");
    }
}
