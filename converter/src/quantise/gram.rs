//! Sums of products of rows, for least squares.

use rayon::prelude::*;

/// Rows of equally many numbers, one feature or one residual each.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub columns: usize,
    numbers: Vec<f32>,
}

/// Numbers whose products are added up in single precision before they go into a double.
const CHUNK: usize = 512;

const LANES: usize = 8;

impl Rows {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, numbers: vec![0.0; rows * columns] }
    }

    pub fn len(&self) -> usize {
        self.numbers.len() / self.columns.max(1)
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.columns..(row + 1) * self.columns]
    }

    /// Calls `fill(row, numbers)` for every row, in several threads.
    pub fn fill(&mut self, fill: impl Fn(usize, &mut [f32]) + Sync) {
        self.numbers.par_chunks_mut(self.columns).enumerate().for_each(|(row, numbers)| fill(row, numbers));
    }

    /// Takes the mean of every row away; the means.
    pub fn centre(&mut self) -> Vec<f64> {
        let columns = self.columns;
        self.numbers
            .par_chunks_mut(columns)
            .map(|row| {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / columns as f64;
                row.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
                mean
            })
            .collect()
    }

    /// `[rows][rows of other]` sums of products; with itself only the lower triangle is made, the rest is 0.
    ///
    /// Every sum is made in one order, whatever the number of threads.
    pub fn products(&self, other: &Self, triangle: bool) -> Vec<f64> {
        let width = other.len();
        let mut sums = vec![0.0_f64; self.len() * width];
        sums.par_chunks_mut(4 * width.max(1)).enumerate().for_each(|(block, sums)| {
            let first = block * 4;
            let count = sums.len() / width;
            let rows: Vec<&[f32]> = (first..first + count).map(|row| self.row(row)).collect();
            for (start, end) in (0..self.columns).step_by(CHUNK).map(|s| (s, (s + CHUNK).min(self.columns))) {
                let last = if triangle { first + count } else { width };
                for column in 0..last {
                    let x = &other.row(column)[start..end];
                    if let [a, b, c, d] = rows[..] {
                        let four = dots([&a[start..end], &b[start..end], &c[start..end], &d[start..end]], x);
                        for (row, dot) in four.into_iter().enumerate() {
                            sums[row * width + column] += dot;
                        }
                    } else {
                        for (row, values) in rows.iter().enumerate() {
                            let row_dot = dots([&values[start..end]], x);
                            sums[row * width + column] += row_dot[0];
                        }
                    }
                }
            }
        });
        sums
    }
}

fn dots<const N: usize>(rows: [&[f32]; N], x: &[f32]) -> [f64; N] {
    let mut lanes = [[0.0_f32; LANES]; N];
    let (full, rest) = x.as_chunks::<LANES>();
    let chunks = rows.map(|row| row.as_chunks::<LANES>());
    for (place, x) in full.iter().enumerate() {
        for (lanes, (row, _)) in lanes.iter_mut().zip(&chunks) {
            let row = &row[place];
            for lane in 0..LANES {
                lanes[lane] += row[lane] * x[lane];
            }
        }
    }
    for (lanes, (_, row)) in lanes.iter_mut().zip(&chunks) {
        for ((lane, row), x) in lanes.iter_mut().zip(*row).zip(rest) {
            *lane += row * x;
        }
    }
    lanes.map(|lanes| lanes.iter().map(|&lane| f64::from(lane)).sum())
}

/// The Cholesky factor `L` of a positive definite matrix given by its lower triangle `[n][n]`, in its place. Cost: n³/6.
///
/// False if the matrix is not positive definite.
pub(super) fn cholesky(matrix: &mut [f64], n: usize) -> bool {
    for row in 0..n {
        let (above, rest) = matrix.split_at_mut(row * n);
        let own = &mut rest[..n];
        for column in 0..row {
            let other = &above[column * n..column * n + column + 1];
            let dot: f64 = dot(&own[..column], &other[..column]);
            own[column] = (own[column] - dot) / other[column];
        }
        let square = own[row] - dot(&own[..row], &own[..row]);
        if square.is_nan() || square <= 0.0 {
            return false;
        }
        own[row] = square.sqrt();
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0_f64; 4];
    let (full_a, rest_a) = a.as_chunks::<4>();
    let (full_b, rest_b) = b.as_chunks::<4>();
    for (a, b) in full_a.iter().zip(full_b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    lanes[0] + lanes[1] + (lanes[2] + lanes[3]) + rest
}

/// Solves `L·Lᵀ·x = b` in the place of `b`.
pub(super) fn solve(factor: &[f64], n: usize, b: &mut [f64]) {
    for row in 0..n {
        b[row] = (b[row] - dot(&factor[row * n..row * n + row], &b[..row])) / factor[row * n + row];
    }
    for row in (0..n).rev() {
        b[row] /= factor[row * n + row];
        let x = b[row];
        for (b, l) in b[..row].iter_mut().zip(&factor[row * n..row * n + row]) {
            *b -= l * x;
        }
    }
}
