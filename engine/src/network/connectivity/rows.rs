use std::ops::Range;

use super::weights::Weights;
use crate::buffer::Buffer;
use crate::error::NetworkError;

/// A table of weight rows: row `r`, column `c`, in one of two formats.
///
/// A fully connected projection has one row per source neuron and one column per target neuron; a
/// convolution one row per kernel tap and input channel and one column per output channel.
#[derive(Clone, Debug)]
pub enum Rows {
    /// Only the non-zero weights.
    Sparse(SparseRows),
    /// All weights, absent ones included.
    Dense(DenseRows),
}

/// Column ids of sparse rows, as narrow as the width allows.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Width of at most 65,536.
    U16(Buffer<u16>),
    /// Any width.
    U32(Buffer<u32>),
}

impl Targets {
    /// The number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U16(ids) => ids.len(),
            Self::U32(ids) => ids.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> usize {
        match self {
            Self::U16(ids) => usize::from(ids[at]),
            Self::U32(ids) => ids[at] as usize,
        }
    }
}

/// Rows in compressed form (CSR): columns strictly ascending in each row, no zero weights.
#[derive(Clone, Debug)]
pub struct SparseRows {
    pub(super) width: usize,
    row_starts: Buffer<u64>,
    targets: Targets,
    weights: Weights,
}

impl SparseRows {
    /// Rows from their three arrays: `row_starts` `[rows + 1]`, `targets` and `weights` `[synapses]`.
    ///
    /// Cost: one pass over all three; nothing is copied.
    ///
    /// # Errors
    /// If the arrays do not form rows of this width with strictly ascending columns and finite, non-zero
    /// weights. The place of the first fault is named.
    pub fn new(
        width: usize,
        row_starts: Buffer<u64>,
        targets: Targets,
        weights: Weights,
    ) -> Result<Self, NetworkError> {
        if targets.len() != weights.len() {
            return Err(NetworkError::new(
                "sparse rows",
                format!(
                    "have {} column ids but {} weights; allowed are equal numbers",
                    targets.len(),
                    weights.len()
                ),
            ));
        }
        let starts: &[u64] = &row_starts;
        if starts.first() != Some(&0) || starts.last() != Some(&(weights.len() as u64)) {
            return Err(NetworkError::new(
                "sparse rows: row starts",
                format!(
                    "go from {:?} to {:?}; allowed is 0 to {}",
                    starts.first(),
                    starts.last(),
                    weights.len()
                ),
            ));
        }
        if let Some(row) = starts.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(NetworkError::new(
                format!("sparse rows: row {row}"),
                format!("starts at {} and ends before, at {}", starts[row], starts[row + 1]),
            ));
        }
        match &targets {
            Targets::U16(ids) => check_columns(width, starts, ids, |&id| usize::from(id))?,
            Targets::U32(ids) => check_columns(width, starts, ids, |&id| id as usize)?,
        }
        weights.check_synapses()?;
        Ok(Self { width, row_starts, targets, weights })
    }

    /// Rows from a dense table `[rows][width]`. Zero weights are dropped.
    ///
    /// # Errors
    /// If the table is not a whole number of rows, or a weight is not finite.
    pub fn from_dense(width: usize, table: &[f32]) -> Result<Self, NetworkError> {
        check_table(width, table.len())?;
        let synapses = table.iter().filter(|&&w| w != 0.0).count();
        let mut starts = vec![0];
        let mut columns = Vec::with_capacity(synapses);
        let mut weights = Vec::with_capacity(synapses);
        for row in table.chunks_exact(width.max(1)) {
            for (column, &weight) in row.iter().enumerate() {
                if weight != 0.0 {
                    columns.push(narrow_column(column)?);
                    weights.push(weight);
                }
            }
            starts.push(weights.len() as u64);
        }
        Self::from_columns(width, starts, columns, weights)
    }

    /// Rows from owned arrays with 32-bit columns, stored with 16-bit columns where they fit.
    ///
    /// # Errors
    /// As [`SparseRows::new`].
    pub fn from_columns(
        width: usize,
        row_starts: Vec<u64>,
        columns: Vec<u32>,
        weights: impl Into<Weights>,
    ) -> Result<Self, NetworkError> {
        let narrow: Option<Vec<u16>> = if width <= 1 << 16 {
            // A column that does not fit is out of range and must be named by the check below.
            columns.iter().map(|&column| u16::try_from(column).ok()).collect()
        } else {
            None
        };
        let targets = match narrow {
            Some(ids) => Targets::U16(ids.into()),
            None => Targets::U32(columns.into()),
        };
        Self::new(width, row_starts.into(), targets, weights.into())
    }

    /// Where each row starts in the other arrays, `[rows + 1]`.
    #[must_use]
    pub fn row_starts(&self) -> &Buffer<u64> {
        &self.row_starts
    }

    /// The column of each weight.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The weights.
    #[inline]
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The places of row `row` in `targets` and `weights`.
    #[inline]
    #[must_use]
    pub fn range(&self, row: usize) -> Range<usize> {
        self.row_starts[row] as usize..self.row_starts[row + 1] as usize
    }
}

fn check_columns<T>(
    width: usize,
    starts: &[u64],
    ids: &[T],
    column: impl Fn(&T) -> usize,
) -> Result<(), NetworkError> {
    for (row, pair) in starts.windows(2).enumerate() {
        // The starts ascend from 0 to the number of ids, which was checked before.
        let row_ids = &ids[pair[0] as usize..pair[1] as usize];
        if let Some(at) = row_ids.windows(2).position(|two| column(&two[0]) >= column(&two[1])) {
            return Err(NetworkError::new(
                format!("sparse rows: row {row}"),
                format!(
                    "has column {} before {}; allowed are strictly ascending columns",
                    column(&row_ids[at]),
                    column(&row_ids[at + 1])
                ),
            ));
        }
        if let Some(last) = row_ids.last().filter(|id| column(id) >= width) {
            return Err(NetworkError::new(
                format!("sparse rows: row {row}"),
                format!("has column {}; allowed are columns below {width}", column(last)),
            ));
        }
    }
    Ok(())
}

fn check_table(width: usize, len: usize) -> Result<usize, NetworkError> {
    if width == 0 && len == 0 {
        return Ok(0);
    }
    if width == 0 || !len.is_multiple_of(width) {
        return Err(NetworkError::new(
            "dense rows",
            format!("have {len} weights, which is not a whole number of rows of {width}"),
        ));
    }
    Ok(len / width)
}

fn narrow_column(column: usize) -> Result<u32, NetworkError> {
    u32::try_from(column).map_err(|_| NetworkError::new("dense rows", "are wider than 2^32 columns"))
}

/// Rows in full, `[rows][width]`, for weights that are mostly present.
///
/// An absent synapse is stored as −0.0, which no weight can be: adding it to a sum changes no bit of the
/// sum, whatever the sum is, not even of one that is −0.0 because nothing arrived. (As a whole number it is 0, which is −0.0
/// when it is widened.)
#[derive(Clone, Debug)]
pub struct DenseRows {
    width: usize,
    weights: Weights,
    synapses: Buffer<u32>,
}

impl DenseRows {
    /// Rows from a table `[rows][width]`; zeros of either sign are absent synapses.
    ///
    /// Cost: one pass; the table is copied only if it holds a +0.0.
    ///
    /// # Errors
    /// If the table is not a whole number of rows, or a weight is not finite.
    pub fn new(width: usize, mut weights: Weights) -> Result<Self, NetworkError> {
        let rows = check_table(width, weights.len())?;
        narrow_column(width)?;
        let positive_zeros = weights.check()?;
        if let Some(table) = weights.as_f32().filter(|_| positive_zeros) {
            let absent = |&weight: &f32| if weight == 0.0 { -0.0 } else { weight };
            weights = table.iter().map(absent).collect::<Vec<_>>().into();
        }
        let of_row = |row: usize| {
            let mut synapses = 0;
            weights.pieces(row * width..(row + 1) * width, |_, piece| {
                synapses += piece.iter().filter(|&&weight| weight != 0.0).count() as u32;
            });
            synapses
        };
        let synapses: Vec<u32> = (0..rows).map(of_row).collect();
        Ok(Self { width, weights, synapses: synapses.into() })
    }

    /// All weights, `[rows][width]`.
    #[inline]
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The places of the columns `columns` of row `row` in `weights`.
    #[inline]
    #[must_use]
    pub fn range(&self, row: usize, columns: Range<usize>) -> Range<usize> {
        row * self.width + columns.start..row * self.width + columns.end
    }
}

impl Rows {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sparse(rows) => rows.row_starts.len() - 1,
            Self::Dense(rows) => rows.synapses.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Sparse(rows) => rows.width,
            Self::Dense(rows) => rows.width,
        }
    }

    /// The number of non-zero weights in row `row`.
    #[inline]
    #[must_use]
    pub fn synapses_of(&self, row: usize) -> u64 {
        match self {
            Self::Sparse(rows) => rows.range(row).len() as u64,
            Self::Dense(rows) => u64::from(rows.synapses[row]),
        }
    }

    /// The number of non-zero weights.
    #[must_use]
    pub fn synapses(&self) -> u64 {
        match self {
            Self::Sparse(rows) => rows.weights.len() as u64,
            Self::Dense(rows) => rows.synapses.iter().map(|&n| u64::from(n)).sum(),
        }
    }

    /// The weight at row `row` and column `column`; `None` if there is none.
    ///
    /// # Panics
    /// If `row` or `column` is out of range.
    #[must_use]
    pub fn weight(&self, row: usize, column: usize) -> Option<f32> {
        assert!(column < self.width(), "column {column} of {}", self.width());
        match self {
            Self::Sparse(rows) => {
                let range = rows.range(row);
                let place = match &rows.targets {
                    Targets::U16(ids) => ids[range.clone()].binary_search(&u16::try_from(column).ok()?),
                    Targets::U32(ids) => ids[range.clone()].binary_search(&u32::try_from(column).ok()?),
                };
                place.ok().map(|at| rows.weights.get(range.start + at))
            }
            Self::Dense(rows) => {
                let at = rows.range(row, column..column + 1).start;
                Some(rows.weights.get(at)).filter(|&weight| weight != 0.0)
            }
        }
    }

    /// Calls `each(column, weight)` for every non-zero weight of a row, columns ascending.
    pub fn fan_out(&self, row: usize, mut each: impl FnMut(usize, f32)) {
        match self {
            Self::Sparse(rows) => {
                // What a buffer gives is asked for once a row: it may lie in a file.
                let range = rows.range(row);
                let places =
                    |from: usize, piece: &[f32]| range.start + from..range.start + from + piece.len();
                match &rows.targets {
                    Targets::U16(ids) => rows.weights.pieces(range.clone(), |from, piece| {
                        let ids = &ids[places(from, piece)];
                        ids.iter().zip(piece).for_each(|(&id, &weight)| each(usize::from(id), weight));
                    }),
                    Targets::U32(ids) => rows.weights.pieces(range.clone(), |from, piece| {
                        let ids = &ids[places(from, piece)];
                        ids.iter().zip(piece).for_each(|(&id, &weight)| each(id as usize, weight));
                    }),
                }
            }
            Self::Dense(rows) => rows.weights.pieces(rows.range(row, 0..rows.width), |from, piece| {
                for (column, &weight) in (from..).zip(piece) {
                    if weight != 0.0 {
                        each(column, weight);
                    }
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_rows_keep_absent_synapses_as_negative_zero() {
        let rows = DenseRows::new(2, vec![0.0, 1.0, -0.0, 2.0].into()).unwrap();
        let bits: Vec<u32> = rows.weights().to_f32().iter().map(|weight| weight.to_bits()).collect();
        assert_eq!(bits, [(-0.0_f32).to_bits(), 1.0_f32.to_bits(), (-0.0_f32).to_bits(), 2.0_f32.to_bits()]);
        let rows = Rows::Dense(rows);
        assert_eq!((rows.weight(0, 0), rows.weight(1, 1)), (None, Some(2.0)));
        assert_eq!((rows.synapses(), rows.synapses_of(0)), (2, 1));
    }
}
