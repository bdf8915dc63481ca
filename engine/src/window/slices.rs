use super::layer::compact;
use crate::kernel::Kernels;
use crate::{SparseRows, Targets};

/// Weights that do not fit the caches of one core are read slice by slice.
const CACHED_BYTES: u64 = 2 << 20;

/// What a slice should have at most.
const SLICE_BYTES: u64 = 1 << 20;

/// Shorter pieces of rows cost more than what they save.
const SHORTEST_PIECE: u64 = 64;

/// Into how many slices of targets the delivery of a window is best divided, so that weights that several
/// spikes of the window carry are fetched from memory once.
pub(super) fn worth(rows: &SparseRows, spikes: usize) -> usize {
    let synapses = rows.weights().len() as u64;
    let bytes = synapses * 6;
    let sources = rows.row_starts().len() as u64 - 1;
    if bytes <= CACHED_BYTES || (spikes as u64) < 2 * sources {
        return 1;
    }
    // At most the number of bytes over a constant, so it fits.
    (bytes / SLICE_BYTES).min(synapses / sources / SHORTEST_PIECE).max(1) as usize
}

/// Which part of every row lies in the present slice of targets. 16 bytes per source.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl Slices {
    /// Before the first slice.
    pub(super) fn begin(&mut self, rows: &SparseRows) {
        let starts: &[u64] = rows.row_starts();
        self.ends.clear();
        self.ends.extend_from_slice(&starts[..starts.len() - 1]);
        self.starts.clear();
        self.starts.resize(self.ends.len(), 0);
    }

    /// Goes to the next slice, of the targets below `limit`, one of `left` slices of equal width.
    pub(super) fn next(&mut self, rows: &SparseRows, limit: usize, left: usize) {
        let bounds = self.starts.iter_mut().zip(&mut self.ends);
        for ((start, end), &row_end) in bounds.zip(&rows.row_starts()[1..]) {
            *start = *end;
            let (from, len) = (*start as usize, (row_end - *start) as usize);
            *end += match rows.targets() {
                Targets::U16(ids) => split(&ids[from..from + len], len / left, |&id| usize::from(id) < limit),
                Targets::U32(ids) => split(&ids[from..from + len], len / left, |&id| (id as usize) < limit),
            } as u64;
        }
    }

    /// Adds the parts of the rows of the given spikes to their currents.
    pub(super) fn deliver(&self, kernels: &Kernels, rows: &SparseRows, spikes: &[u32], currents: &mut [f32]) {
        match rows.targets() {
            Targets::U16(ids) => {
                let bounds = [self.starts.as_slice(), &self.ends];
                (kernels.add_rows)(spikes, bounds, ids, rows.weights(), compact(currents, 0));
            }
            Targets::U32(ids) => {
                for &source in spikes {
                    let range = self.starts[source as usize] as usize..self.ends[source as usize] as usize;
                    (kernels.scatter_u32)(&ids[range.clone()], &rows.weights()[range], currents);
                }
            }
        }
    }
}

/// The number of leading ids that are below a limit, searched from a guess: what lies far from it is not read.
fn split<T>(ids: &[T], guess: usize, below: impl Fn(&T) -> bool) -> usize {
    let is_below = |at: usize| ids.get(at).is_some_and(&below);
    let mut step = 16;
    let (mut low, mut high);
    if is_below(guess) {
        low = guess + 1;
        while is_below(low + step) {
            low += step + 1;
            step *= 2;
        }
        high = ids.len().min(low + step);
    } else {
        high = guess.min(ids.len());
        while high > step && !is_below(high - step) {
            high -= step;
            step *= 2;
        }
        low = high.saturating_sub(step);
    }
    low + ids[low..high].partition_point(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_found_from_any_guess() {
        for len in [0_usize, 1, 2, 15, 16, 17, 100, 333] {
            let ids: Vec<u32> = (0..len as u32).map(|at| 3 * at).collect();
            for limit in (0..3 * len as u32 + 3).step_by(if len > 50 { 7 } else { 1 }) {
                for guess in 0..len + 2 {
                    let wanted = ids.iter().filter(|&&id| id < limit).count();
                    assert_eq!(
                        split(&ids, guess, |&id| id < limit),
                        wanted,
                        "{len} ids, {limit}, from {guess}"
                    );
                }
            }
        }
    }
}
