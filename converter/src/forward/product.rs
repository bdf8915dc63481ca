//! Matrix products whose every element is one sum in ascending order.

/// Columns of a panel.
pub(super) const PANEL: usize = 8;

/// Columns of a matrix `[depth][columns]`, packed panel by panel of [`PANEL`] columns: `[panel][depth][PANEL]`,
/// the last panel filled up with zeros.
pub(super) struct Panels {
    numbers: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Panels {
    /// A matrix of zeros.
    pub(super) fn zeros(depth: usize, columns: usize) -> Self {
        Panels { numbers: vec![0.0; columns.div_ceil(PANEL) * depth * PANEL], depth, columns }
    }

    /// Makes it a matrix of zeros of another size, keeping the allocation.
    pub(super) fn reset(&mut self, depth: usize, columns: usize) {
        self.numbers.clear();
        self.numbers.resize(columns.div_ceil(PANEL) * depth * PANEL, 0.0);
        (self.depth, self.columns) = (depth, columns);
    }

    /// The place of row `row` of the panel that `column` lies in; `column % PANEL` is added to it.
    pub(super) fn row_mut(&mut self, row: usize, panel: usize) -> &mut [f32] {
        let start = (panel * self.depth + row) * PANEL;
        &mut self.numbers[start..start + PANEL]
    }
}

/// `emit(row, first_column, values)` for `bias + weights · columns`, with weights row-major `[rows][depth]`.
///
/// Every element is `((bias + w₀·x₀) + w₁·x₁) + …` in ascending order with separate multiplication and addition, so its
/// bits depend neither on the machine's vector width nor on which other rows and columns are computed with it; a
/// zero weight changes nothing.
pub(super) fn product(
    weights: &[f32],
    bias: Option<&[f32]>,
    columns: &Panels,
    mut emit: impl FnMut(usize, usize, &[f32]),
) {
    let depth = columns.depth;
    if depth == 0 {
        return;
    }
    let rows = weights.len() / depth;
    let start = |row: usize| [bias.map_or(0.0, |b| b[row]); PANEL];
    let mut row = 0;
    while row < rows {
        let count = if rows - row >= 4 { 4 } else { 1 };
        for (index, panel) in columns.numbers.chunks_exact(depth * PANEL).enumerate() {
            let first = index * PANEL;
            let width = PANEL.min(columns.columns - first);
            let of = |r: usize| &weights[(row + r) * depth..(row + r + 1) * depth];
            if count == 4 {
                let mut sums = [start(row), start(row + 1), start(row + 2), start(row + 3)];
                four_rows([of(0), of(1), of(2), of(3)], panel, &mut sums);
                for (r, sums) in sums.iter().enumerate() {
                    emit(row + r, first, &sums[..width]);
                }
            } else {
                let mut sums = start(row);
                one_row(of(0), panel, &mut sums);
                emit(row, first, &sums[..width]);
            }
        }
        row += count;
    }
}

fn four_rows(weights: [&[f32]; 4], panel: &[f32], sums: &mut [[f32; PANEL]; 4]) {
    let [a, b, c, d] = weights;
    let [mut sum_a, mut sum_b, mut sum_c, mut sum_d] = *sums;
    let (columns, _) = panel.as_chunks::<PANEL>();
    for ((((x, a), b), c), d) in columns.iter().zip(a).zip(b).zip(c).zip(d) {
        for lane in 0..PANEL {
            sum_a[lane] += a * x[lane];
            sum_b[lane] += b * x[lane];
            sum_c[lane] += c * x[lane];
            sum_d[lane] += d * x[lane];
        }
    }
    *sums = [sum_a, sum_b, sum_c, sum_d];
}

fn one_row(weights: &[f32], panel: &[f32], sums: &mut [f32; PANEL]) {
    let (columns, _) = panel.as_chunks::<PANEL>();
    for (x, w) in columns.iter().zip(weights) {
        for lane in 0..PANEL {
            sums[lane] += w * x[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_the_bits_of_the_plain_sum_whatever_stands_beside_it() {
        let number = |i: usize| ((i * 7919 + 13) % 1000) as f32 / 333.0 - 1.5;
        for rows in [1, 3, 4, 7, 9] {
            for depth in [1, 5, 33] {
                for columns in [1, 7, 8, 9, 20] {
                    let weights: Vec<f32> = (0..rows * depth).map(number).collect();
                    let bias: Vec<f32> = (0..rows).map(|i| number(i + 5)).collect();
                    let x = |k: usize, n: usize| number(k * 31 + n * 17);
                    let mut panels = Panels::zeros(depth, columns);
                    for k in 0..depth {
                        for n in 0..columns {
                            panels.row_mut(k, n / PANEL)[n % PANEL] = x(k, n);
                        }
                    }
                    let mut seen = 0;
                    product(&weights, Some(&bias), &panels, |row, first, values| {
                        for (i, value) in values.iter().enumerate() {
                            let sum = (0..depth)
                                .fold(bias[row], |s, k| s + weights[row * depth + k] * x(k, first + i));
                            assert_eq!(value.to_bits(), sum.to_bits());
                            seen += 1;
                        }
                    });
                    assert_eq!(seen, rows * columns);
                }
            }
        }
    }
}
