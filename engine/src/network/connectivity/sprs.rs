//! Sparse rows from and to matrices of sprs.

use sprs::CsMatI;

use super::rows::SparseRows;
use crate::error::NetworkError;

impl SparseRows {
    /// Rows from a [sprs] matrix in CSR order, sources by targets. Zero weights are dropped.
    ///
    /// # Errors
    /// If the matrix is in CSC order, wider than 2³² columns, or holds a weight that is not finite.
    pub fn from_csr(matrix: &CsMatI<f32, u32, u64>) -> Result<Self, NetworkError> {
        if !matrix.is_csr() {
            return Err(NetworkError::new(
                "sparse matrix",
                "is stored by columns (CSC); allowed is CSR, see `to_csr`",
            ));
        }
        let mut starts = vec![0];
        let mut columns = Vec::with_capacity(matrix.nnz());
        let mut weights = Vec::with_capacity(matrix.nnz());
        for row in matrix.outer_iterator() {
            for (column, &weight) in row.iter() {
                if weight != 0.0 {
                    columns.push(column as u32);
                    weights.push(weight);
                }
            }
            starts.push(weights.len() as u64);
        }
        Self::from_columns(matrix.cols(), starts, columns, weights)
    }

    /// The rows as a [sprs] matrix, for interchange.
    ///
    /// # Panics
    /// Never: the rows satisfy the invariants of CSR.
    #[must_use]
    pub fn to_csr(&self) -> CsMatI<f32, u32, u64> {
        let columns = (0..self.targets().len()).map(|at| self.targets().get(at) as u32).collect();
        let shape = (self.row_starts().len() - 1, self.width);
        CsMatI::try_new(shape, self.row_starts().to_vec(), columns, self.weights().to_f32().to_vec())
            .unwrap_or_else(|(.., error)| panic!("sparse rows of shape {shape:?} are not CSR: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_to_sprs_and_back_and_lose_their_zeros_on_the_way_in() {
        let table = [0.0, 1.5, 0.0, -2.0, 0.0, 0.25, -0.0, 0.0, 0.0];
        let rows = SparseRows::from_dense(3, &table).unwrap();
        assert_eq!(&rows.weights().to_f32()[..], [1.5, -2.0, 0.25]);
        let matrix = rows.to_csr();
        assert_eq!((matrix.rows(), matrix.cols(), matrix.nnz()), (3, 3, 3));
        let back = SparseRows::from_csr(&matrix).unwrap();
        assert_eq!(back.to_csr(), matrix);
        let with_zero = CsMatI::new((1, 3), vec![0, 2], vec![0, 2], vec![0.0, 4.0]);
        assert_eq!(&SparseRows::from_csr(&with_zero).unwrap().weights().to_f32()[..], [4.0]);
        let by_columns = matrix.to_csc();
        assert!(SparseRows::from_csr(&by_columns).unwrap_err().to_string().contains("CSC"));
    }
}
