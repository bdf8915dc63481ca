//! Weights of fully connected maps: all of them, or those that are listed.

use std::sync::Arc;

/// The weights of a fully connected map, `[outputs][inputs]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// All of them, row-major.
    Dense(Arc<[f32]>),
    /// Those that are not zero, or some zeros among them: nothing is ever made of the others.
    Sparse(Arc<Csr>),
}

/// A matrix in compressed sparse rows, one for each output.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    inputs: usize,
    starts: Vec<u64>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

/// The weights of one output that are not zero.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    Dense(&'a [f32]),
    Sparse(&'a [u32], &'a [f32]),
}

impl Row<'_> {
    /// Calls `each(input, weight)` for the weights that are not zero, inputs ascending.
    pub fn for_each(self, mut each: impl FnMut(usize, f32)) {
        match self {
            Row::Dense(weights) => {
                for (input, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                    each(input, weight);
                }
            }
            Row::Sparse(columns, values) => {
                for (&input, &weight) in columns.iter().zip(values).filter(|(_, weight)| **weight != 0.0) {
                    each(input as usize, weight);
                }
            }
        }
    }
}

impl Csr {
    /// A matrix of `starts.len() − 1` rows, row `r` having the columns and values from `starts[r]` to `starts[r + 1]`, in any
    /// order. Memory is that of the lists, and of the longest row that is not sorted.
    ///
    /// # Errors
    /// A sentence: starts that do not ascend from 0 to the number of values, a column that is not below `inputs` or is
    /// there twice in a row.
    pub fn new(
        inputs: usize,
        starts: Vec<u64>,
        mut columns: Vec<u32>,
        mut values: Vec<f32>,
    ) -> Result<Self, String> {
        if columns.len() != values.len() {
            return Err(format!("{} columns for {} weights", columns.len(), values.len()));
        }
        let ends = [starts.first().copied(), starts.last().copied()];
        if ends != [Some(0), Some(values.len() as u64)] || !starts.is_sorted() {
            return Err(format!("the starts of rows do not ascend from 0 to {}", values.len()));
        }
        for (row, pair) in starts.windows(2).enumerate() {
            // Checked to be at most the number of values.
            let places = pair[0] as usize..pair[1] as usize;
            let (columns, values) = (&mut columns[places.clone()], &mut values[places]);
            if !columns.is_sorted() {
                let mut pairs: Vec<(u32, f32)> =
                    columns.iter().copied().zip(values.iter().copied()).collect();
                pairs.sort_by_key(|(column, _)| *column);
                for ((column, value), pair) in columns.iter_mut().zip(values).zip(pairs) {
                    (*column, *value) = pair;
                }
            }
            if let Some(column) = columns.last().filter(|&&column| column as usize >= inputs) {
                return Err(format!("column {column} in row {row}; allowed are columns below {inputs}"));
            }
            if let Some(two) = columns.windows(2).find(|two| two[0] == two[1]) {
                return Err(format!("column {} twice in row {row}", two[0]));
            }
        }
        Ok(Self { inputs, starts, columns, values })
    }

    /// Columns, one for each input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Rows, one for each output.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// The numbers that are listed.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn row(&self, output: usize) -> (&[u32], &[f32]) {
        // At most the number of values.
        let places = self.starts[output] as usize..self.starts[output + 1] as usize;
        (&self.columns[places.clone()], &self.values[places])
    }

    /// The matrix with rows and columns exchanged. O(numbers listed + rows + columns).
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0_u64; self.inputs + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for column in 0..self.inputs {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0; self.columns.len()], vec![0.0; self.values.len()]);
        for output in 0..self.outputs() {
            let (inputs, weights) = self.row(output);
            for (&input, &weight) in inputs.iter().zip(weights) {
                let at = &mut next[input as usize];
                // Rows are as many as starts, which were made of 32-bit indices.
                (columns[*at as usize], values[*at as usize]) = (output as u32, weight);
                *at += 1;
            }
        }
        Self { inputs: self.outputs(), starts, columns, values }
    }

    /// All numbers, row-major.
    #[cfg(test)]
    fn written_out(&self) -> Arc<[f32]> {
        let mut all: Arc<[f32]> = std::iter::repeat_n(0.0, self.outputs() * self.inputs).collect();
        let numbers = Arc::make_mut(&mut all);
        for (output, numbers) in numbers.chunks_exact_mut(self.inputs.max(1)).enumerate() {
            let (columns, values) = self.row(output);
            columns.iter().zip(values).for_each(|(&column, &value)| numbers[column as usize] = value);
        }
        all
    }
}

impl Weights {
    /// The numbers that are held, zeros among them.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Dense(weights) => weights,
            Self::Sparse(csr) => &csr.values,
        }
    }

    /// How many weights are not zero. O(numbers held).
    pub fn nonzeros(&self) -> usize {
        self.values().iter().filter(|weight| **weight != 0.0).count()
    }

    /// The weights of an output among `inputs` each.
    pub(crate) fn row(&self, output: usize, inputs: usize) -> Row<'_> {
        match self {
            Self::Dense(weights) => Row::Dense(&weights[output * inputs..(output + 1) * inputs]),
            Self::Sparse(csr) => {
                let (columns, values) = csr.row(output);
                Row::Sparse(columns, values)
            }
        }
    }

    /// One weight. O(1), or O(log numbers of the row).
    pub(crate) fn get(&self, output: usize, input: usize, inputs: usize) -> f32 {
        match self.row(output, inputs) {
            Row::Dense(weights) => weights[input],
            Row::Sparse(columns, values) => {
                // Columns are 32-bit indices.
                columns.binary_search(&(input as u32)).map_or(0.0, |at| values[at])
            }
        }
    }

    /// Every weight made another, by its output, its input and itself; a zero stays one.
    #[must_use]
    pub(crate) fn map(&self, inputs: usize, f: impl Fn(usize, usize, f32) -> f32) -> Self {
        match self {
            Self::Dense(weights) => {
                (0..weights.len()).map(|at| f(at / inputs, at % inputs, weights[at])).collect()
            }
            Self::Sparse(csr) => {
                let mut made = Csr::clone(csr);
                for output in 0..csr.outputs() {
                    for at in csr.starts[output] as usize..csr.starts[output + 1] as usize {
                        made.values[at] = f(output, csr.columns[at] as usize, csr.values[at]);
                    }
                }
                Self::Sparse(made.into())
            }
        }
    }

    /// The inputs in another order: the weight of input `i` becomes that of input `places[i]`.
    #[must_use]
    pub(crate) fn moved(&self, places: &[usize]) -> Self {
        match self {
            Self::Dense(weights) => {
                let mut made = vec![0.0; weights.len()];
                let rows = weights.chunks_exact(places.len()).zip(made.chunks_exact_mut(places.len()));
                for (row, new) in rows {
                    row.iter().zip(places).for_each(|(&weight, &place)| new[place] = weight);
                }
                made.into()
            }
            Self::Sparse(csr) => {
                // Below 2^26, as all elements of a tensor.
                let columns = csr.columns.iter().map(|&column| places[column as usize] as u32).collect();
                let made = Csr::new(csr.inputs, csr.starts.clone(), columns, csr.values.clone());
                Self::Sparse(made.expect("a permutation of columns keeps them apart").into())
            }
        }
    }

    /// What does not fit between the weights and `[outputs][inputs]`.
    pub(super) fn check(&self, outputs: usize, inputs: usize) -> Result<(), String> {
        let fits = match self {
            Self::Dense(weights) => outputs.checked_mul(inputs) == Some(weights.len()),
            Self::Sparse(csr) => [csr.outputs(), csr.inputs] == [outputs, inputs],
        };
        if fits {
            return Ok(());
        }
        Err(format!("{} weights for [{outputs}][{inputs}]", self.values().len()))
    }
}

impl From<Arc<[f32]>> for Weights {
    fn from(weights: Arc<[f32]>) -> Self {
        Self::Dense(weights)
    }
}

impl From<Vec<f32>> for Weights {
    fn from(weights: Vec<f32>) -> Self {
        Self::Dense(weights.into())
    }
}

impl From<&[f32]> for Weights {
    fn from(weights: &[f32]) -> Self {
        Self::Dense(weights.into())
    }
}

impl<const N: usize> From<[f32; N]> for Weights {
    fn from(weights: [f32; N]) -> Self {
        Self::Dense(weights.into())
    }
}

impl From<Csr> for Weights {
    fn from(csr: Csr) -> Self {
        Self::Sparse(csr.into())
    }
}

impl FromIterator<f32> for Weights {
    fn from_iter<I: IntoIterator<Item = f32>>(weights: I) -> Self {
        Self::Dense(weights.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Csr {
        Csr::new(4, vec![0, 2, 2, 5], vec![3, 0, 2, 1, 0], vec![1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
    }

    #[test]
    fn sparse_weights_are_those_of_the_matrix_written_out() {
        let sparse = Weights::from(matrix());
        let dense = Weights::Dense(matrix().written_out());
        assert_eq!(dense.values(), [2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 4.0, 3.0, 0.0]);
        let places = [2, 0, 3, 1];
        let changed = |weights: &Weights| weights.map(4, |row, column, w| w * (row * 10 + column) as f32);
        let cases = [
            (sparse.clone(), dense.clone()),
            (sparse.moved(&places), dense.moved(&places)),
            (changed(&sparse), changed(&dense)),
        ];
        for (sparse, dense) in cases {
            assert_eq!(sparse.nonzeros(), dense.nonzeros());
            for output in 0..3 {
                let listed = |weights: &Weights| {
                    let mut found = vec![];
                    weights.row(output, 4).for_each(|input, weight| found.push((input, weight)));
                    found
                };
                assert_eq!(listed(&sparse), listed(&dense));
                (0..4)
                    .for_each(|input| assert_eq!(sparse.get(output, input, 4), dense.get(output, input, 4)));
            }
        }
    }

    #[test]
    fn transposed_twice_is_the_same_matrix() {
        let turned = matrix().transposed();
        assert_eq!([turned.outputs(), turned.inputs()], [4, 3]);
        assert_eq!(turned.written_out()[..], [2.0, 0.0, 5.0, 0.0, 0.0, 4.0, 0.0, 0.0, 3.0, 1.0, 0.0, 0.0]);
        assert_eq!(turned.transposed(), matrix());
    }

    #[test]
    fn damaged_matrices_are_refused() {
        let of = |starts: &[u64], columns: &[u32]| {
            Csr::new(4, starts.to_vec(), columns.to_vec(), vec![1.0; columns.len()]).unwrap_err()
        };
        assert!(of(&[0, 1], &[4]).contains("columns below 4"));
        assert!(of(&[0, 2], &[1, 1]).contains("twice in row 0"));
        assert!(of(&[0, 2, 1], &[1]).contains("ascend"));
        assert!(of(&[1, 1], &[1]).contains("ascend"));
        assert!(of(&[0, 9], &[1]).contains("ascend"));
        assert!(of(&[], &[]).contains("ascend"));
    }
}
