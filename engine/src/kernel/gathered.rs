//! Sums of all that one position of targets receives, in registers.

use crate::lanes::{BLOCK, Lanes, Line};

/// See [`Kernels::add_run`](super::Kernels::add_run).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn add_run<L: Lanes>(
    rows: &[Line],
    first: u32,
    spikes: (&[u32], &[i32]),
    masked: bool,
    currents: &mut [f32],
) {
    let lines = currents.len().div_ceil(BLOCK);
    let run = Run { rows, lines, first, ids: spikes.0, values: spikes.1 };
    assert!(
        run.values.is_empty() || run.values.len() == run.ids.len(),
        "{} values of {} spikes",
        run.values.len(),
        run.ids.len()
    );
    for (at, currents) in (0..lines).step_by(L::SUMS).zip(currents.chunks_mut(L::SUMS * BLOCK)) {
        // SAFETY: the caller's promise.
        unsafe {
            match (currents.len().div_ceil(BLOCK), masked) {
                (1, false) => run.add::<L, 1, false>(at, currents),
                (1, true) => run.add::<L, 1, true>(at, currents),
                (2, false) => run.add::<L, 2, false>(at, currents),
                (2, true) => run.add::<L, 2, true>(at, currents),
                (3, false) => run.add::<L, 3, false>(at, currents),
                (3, true) => run.add::<L, 3, true>(at, currents),
                (4, false) => run.add::<L, 4, false>(at, currents),
                (4, true) => run.add::<L, 4, true>(at, currents),
                (5, false) => run.add::<L, 5, false>(at, currents),
                (5, true) => run.add::<L, 5, true>(at, currents),
                (6, false) => run.add::<L, 6, false>(at, currents),
                (6, true) => run.add::<L, 6, true>(at, currents),
                (7, false) => run.add::<L, 7, false>(at, currents),
                (7, true) => run.add::<L, 7, true>(at, currents),
                (_, false) => run.add::<L, 8, false>(at, currents),
                (_, true) => run.add::<L, 8, true>(at, currents),
            }
        }
    }
}

/// Spikes, and the rows that they bring.
struct Run<'a> {
    rows: &'a [Line],
    /// Lines of a row.
    lines: usize,
    /// The spike whose row is the first one.
    first: u32,
    ids: &'a [u32],
    values: &'a [i32],
}

impl Run<'_> {
    /// Adds `N` lines of the rows, from the `at`th on.
    ///
    /// # Safety
    /// That of [`Lanes`].
    #[inline(always)]
    unsafe fn add<L: Lanes, const N: usize, const MASKED: bool>(&self, at: usize, currents: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut padded = [[-0.0; BLOCK]; N];
            padded.as_flattened_mut()[..currents.len()].copy_from_slice(currents);
            let mut sums: [L; N] = std::array::from_fn(|i| L::load(&padded[i]));
            for (place, id) in self.ids.iter().enumerate() {
                let row = id.wrapping_sub(self.first) as usize * self.lines + at;
                let row = &self.rows[row..row + N];
                // Values are at most 2¹² in magnitude.
                let value = L::splat(self.values.get(place).map_or(1.0, |&value| value as f32));
                for (sum, weights) in sums.iter_mut().zip(row) {
                    let weights = L::load(&weights.0);
                    let added = sum.add(weights.mul(value));
                    *sum = if MASKED { sum.replace(weights.arrived(), added) } else { added };
                }
            }
            sums.into_iter().zip(&mut padded).for_each(|(sum, block)| sum.store(block));
            currents.copy_from_slice(&padded.as_flattened()[..currents.len()]);
        }
    }
}

/// See [`Kernels::add_channels`](super::Kernels::add_channels).
#[inline(always)]
pub(super) fn add_channels(weights: &[f32], values: &[f32], currents: &mut [f32]) {
    for ((current, &weight), &value) in currents.iter_mut().zip(weights).zip(values) {
        let sum = *current + weight * value;
        *current = if weight == 0.0 || value == 0.0 { *current } else { sum };
    }
}
