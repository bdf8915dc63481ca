use crate::kernel::{BLOCK, Kernels, Line};
use crate::{Connectivity, Rows, Targets};

/// Where a compact row may write, counted from its first current.
const COMPACT: usize = 1 << 16;

/// The bytes of the currents of a run of steps: a small part of a second-level cache.
const CURRENTS: usize = 1 << 16;

/// Runs of steps for each thread, so that one with fewer spikes takes another.
const RUNS: usize = 2;

/// How steps are shared out when rows are delivered: so many runs of so many steps, each run with currents of
/// its own; then the membranes take all these steps one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    /// Runs that are delivered at the same time.
    pub(super) runs: usize,
    /// Steps of a run.
    pub(super) steps: usize,
}

impl Runs {
    /// For a window of `steps` steps of `lines` lines of 16 neurons.
    pub(super) fn of(lines: usize, steps: usize, threads: usize) -> Self {
        if threads == 1 {
            return Self { runs: 1, steps: 1 };
        }
        let runs = RUNS * threads;
        let fit = CURRENTS / (lines * size_of::<Line>()).max(1);
        Self { runs, steps: fit.clamp(1, steps.div_ceil(runs).max(1)) }
    }

    /// The steps that are delivered before the membranes are updated.
    pub(super) fn at_once(self) -> usize {
        self.runs * self.steps
    }

    /// Gives every run its currents, at −0.0 where they are new.
    pub(super) fn make_room(self, currents: &mut Vec<Vec<Line>>, lines: usize) {
        currents.resize_with(currents.len().max(self.runs), Vec::new);
        for currents in &mut currents[..self.runs] {
            let enough = lines * self.steps + COMPACT / BLOCK;
            currents.resize(currents.len().max(enough), Line::of(-0.0));
        }
    }
}

/// Adds the weights of the given spikes to the currents of `n` targets; the currents go on for
/// [`COMPACT`] values behind them.
pub(super) fn deliver(
    kernels: &Kernels,
    connectivity: &Connectivity,
    spikes: &[u32],
    n: usize,
    currents: &mut [f32],
) {
    match connectivity {
        Connectivity::Rows(Rows::Sparse(rows)) => {
            let weights: &[f32] = rows.weights();
            let starts: &[u64] = rows.row_starts();
            match rows.targets() {
                Targets::U16(ids) => (kernels.add_rows)(spikes, starts, ids, weights, compact(currents, 0)),
                Targets::U32(ids) => {
                    let ids: &[u32] = ids;
                    for &source in spikes {
                        let range = rows.range(source as usize);
                        (kernels.scatter_u32)(&ids[range.clone()], &weights[range], &mut currents[..n]);
                    }
                }
            }
        }
        Connectivity::Rows(Rows::Dense(rows)) => {
            for &source in spikes {
                (kernels.add_row)(rows.row(source as usize), &mut currents[..n]);
            }
        }
        Connectivity::Conv2d(conv) => {
            let channels = conv.rows().width();
            for &source in spikes {
                conv.taps_of(source as usize, |position, row| {
                    let first = position * channels;
                    match conv.rows() {
                        Rows::Sparse(rows) => match rows.targets() {
                            Targets::U16(ids) => {
                                // A table has fewer than 2³² rows.
                                let (taps, currents) = (&[row as u32], compact(currents, first));
                                (kernels.add_rows)(taps, rows.row_starts(), ids, rows.weights(), currents);
                            }
                            Targets::U32(ids) => {
                                let range = rows.range(row);
                                let currents = &mut currents[first..first + channels];
                                (kernels.scatter_u32)(&ids[range.clone()], &rows.weights()[range], currents);
                            }
                        },
                        Rows::Dense(rows) => {
                            (kernels.add_row)(rows.row(row), &mut currents[first..first + channels]);
                        }
                    }
                });
            }
        }
        Connectivity::OneToOne(one) => {
            for &source in spikes {
                if let Some(weight) = one.weight(source as usize, source as usize) {
                    currents[source as usize] += weight;
                }
            }
        }
    }
}

/// The currents from `first` on that a compact row may name.
fn compact(currents: &mut [f32], first: usize) -> &mut [f32; COMPACT] {
    let behind = currents.len() - first;
    match currents[first..].first_chunk_mut() {
        Some(chunk) => chunk,
        None => panic!("{behind} currents behind {first}; a compact row may name {COMPACT}"),
    }
}
