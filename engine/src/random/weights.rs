use rand::Rng;

use crate::encode::stream;
use crate::error::NetworkError;
use crate::network::connectivity::{DenseRows, Rows, SparseRows, Targets};

/// A random table of weights `[rows][width]`: each is there with probability `density`, and then uniform in
/// (−gain, gain), never zero.
///
/// Each row has its own stream of random numbers, seeded by (`seed`, row). The gaps between the weights of a row
/// are drawn, not the columns one by one (as in [`bernoulli`](crate::encode::bernoulli)), so the cost is
/// O(rows + weights), and the memory that of the table itself. A table of density 1 has dense rows.
///
/// # Errors
/// If the density is not in (0, 1], the gain makes a weight that is not allowed, or the width is not below 2³².
pub fn random_rows(
    rows: usize,
    width: usize,
    density: f64,
    gain: f32,
    seed: u64,
) -> Result<Rows, NetworkError> {
    if !(density > 0.0 && density <= 1.0) {
        return Err(NetworkError::new(
            "random rows: density",
            format!("is {density}; allowed are numbers above 0, up to 1"),
        ));
    }
    if u32::try_from(width).is_err() || u32::try_from(rows).is_err() {
        return Err(NetworkError::new(
            "random rows",
            format!("are {rows} of {width}; allowed are fewer than 2^32 of each"),
        ));
    }
    // Both are below 2³².
    let stream = |row: usize| stream(seed, u64::from(u32::MAX) + 1, row as u32);
    if density == 1.0 {
        let mut weights = Vec::with_capacity(rows * width);
        for row in 0..rows {
            let mut stream = stream(row);
            weights.extend((0..width).map(|_| gain * symmetric(stream.next_u64())));
        }
        return Ok(Rows::Dense(DenseRows::new(width, weights.into())?));
    }
    let expected = rows as f64 * width as f64 * density;
    // Six standard deviations of room, so that the arrays need not grow.
    let room = (expected + 6.0 * expected.sqrt()) as usize + 64;
    let scale = 1.0 / libm::log1p(-density);
    let mut starts = Vec::with_capacity(rows + 1);
    starts.push(0);
    let mut weights = Vec::with_capacity(room);
    let mut narrow: Vec<u16> = vec![];
    let mut wide: Vec<u32> = vec![];
    let is_narrow = width <= 1 << 16;
    if is_narrow {
        narrow.reserve_exact(room);
    } else {
        wide.reserve_exact(room);
    }
    for row in 0..rows {
        let mut stream = stream(row);
        let mut column = 0_u64;
        loop {
            let uniform = ((stream.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            column = column.saturating_add((libm::log(uniform) * scale) as u64);
            if column >= width as u64 {
                break;
            }
            if is_narrow {
                narrow.push(column as u16);
            } else {
                wide.push(column as u32);
            }
            weights.push(gain * symmetric(stream.next_u64()));
            column += 1;
        }
        starts.push(weights.len() as u64);
    }
    let targets = if is_narrow { Targets::U16(narrow.into()) } else { Targets::U32(wide.into()) };
    Ok(Rows::Sparse(SparseRows::new(width, starts.into(), targets, weights.into())?))
}

/// An odd multiple of 2⁻²⁴ in (−1, 1), from the upper 24 of 64 random bits: exact, and never zero.
fn symmetric(bits: u64) -> f32 {
    let odd = 2 * (bits >> 40) as i64 + 1 - (1 << 24);
    odd as f32 / (1 << 24) as f32
}
