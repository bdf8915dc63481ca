use std::ops::Range;

use crate::kernel::Kernels;
use crate::spikes::{SpikeList, SpikeSlice};

/// The spikes of one population in the present window and in the steps before it that are still under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Train {
    /// Steps before the window: the longest delay of a projection out of the population.
    past: usize,
    /// Where each step starts among `ids`, and the end, `[past + steps + 1]`.
    starts: Vec<u32>,
    ids: Vec<u32>,
    /// The values of all spikes; none if all are 1.
    values: Vec<i32>,
}

/// The spikes of a window that arrive through one projection.
#[derive(Clone, Copy)]
pub(super) struct Arriving<'a> {
    starts: &'a [u32],
    ids: &'a [u32],
    values: &'a [i32],
}

/// The values of the spikes of a window, as ranges of words of 64 neurons leave them.
#[derive(Clone, Debug, Default)]
pub(super) struct WordValues {
    /// Piece after piece; in each in order of steps, and of neurons in a step.
    pub(super) values: Vec<i32>,
    /// Of each piece, its words, and where it ends among the values. Pieces come in order of their words.
    pub(super) pieces: Vec<(usize, usize)>,
}

impl WordValues {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.pieces.clear();
    }

    /// Ends a piece of so many words.
    pub(super) fn end_piece(&mut self, words: usize) {
        self.pieces.push((words, self.values.len()));
    }

    /// Appends the pieces of the words that follow.
    pub(super) fn append(&mut self, other: &Self) {
        let start = self.values.len();
        self.values.extend_from_slice(&other.values);
        self.pieces.extend(other.pieces.iter().map(|(words, end)| (*words, start + end)));
    }

    /// The values in order of steps, and of neurons in a step; `fired` `[steps][words]` has a bit per spike.
    fn in_order(&self, fired: &[u64], words: usize, into: &mut Vec<i32>) {
        let mut next: Vec<usize> = std::iter::once(0)
            .chain(self.pieces.iter().map(|(_, end)| *end))
            .take(self.pieces.len())
            .collect();
        for row in fired.chunks_exact(words) {
            let mut first = 0;
            for ((words, _), next) in self.pieces.iter().zip(&mut next) {
                let spikes: usize =
                    row[first..first + words].iter().map(|word| word.count_ones() as usize).sum();
                into.extend_from_slice(&self.values[*next..*next + spikes]);
                *next += spikes;
                first += words;
            }
        }
    }
}

impl<'a> Arriving<'a> {
    /// The spikes that arrive in a step of the window, sources ascending.
    #[inline(always)]
    pub(super) fn of(&self, step: usize) -> SpikeSlice<'a> {
        let (start, end) = (self.starts[step] as usize, self.starts[step + 1] as usize);
        let values = if self.values.is_empty() { &[] } else { &self.values[start..end] };
        SpikeSlice::raw(&self.ids[start..end], values)
    }

    /// The sources of the spikes that arrive in a step of the window, ascending.
    #[inline(always)]
    pub(super) fn ids_of(&self, step: usize) -> &'a [u32] {
        &self.ids[self.starts[step] as usize..self.starts[step + 1] as usize]
    }

    /// The values of the spikes that arrive in a step of the window, if [some](Self::has_values) are not 1.
    pub(super) fn values_of(&self, step: usize) -> &'a [i32] {
        &self.values[self.starts[step] as usize..self.starts[step + 1] as usize]
    }

    /// Whether some spikes of the window have other values than 1.
    pub(super) fn has_values(&self) -> bool {
        !self.values.is_empty()
    }

    /// The number of steps.
    pub(super) fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// The sources of all spikes.
    pub(super) fn all(&self) -> &'a [u32] {
        self.of_steps(0..self.steps()).neurons()
    }

    /// The spikes of some steps, one after the other.
    pub(super) fn of_steps(&self, steps: Range<usize>) -> SpikeSlice<'a> {
        let (start, end) = (self.starts[steps.start] as usize, self.starts[steps.end] as usize);
        let values = if self.values.is_empty() { &[] } else { &self.values[start..end] };
        SpikeSlice::raw(&self.ids[start..end], values)
    }
}

impl Train {
    pub(super) fn new(past: usize) -> Self {
        Self { past, starts: vec![0; past + 1], ids: vec![], values: vec![] }
    }

    /// Has the given spikes under way, `[past]`, and an empty window.
    pub(super) fn take(&mut self, under_way: &[SpikeList]) {
        assert_eq!(under_way.len(), self.past, "steps of spikes under way");
        self.ids.clear();
        self.values.clear();
        self.starts.clear();
        self.starts.push(0);
        for spikes in under_way {
            self.push(spikes.as_slice());
        }
    }

    /// Lets the steps of the window become past ones, as far as they are still under way.
    pub(super) fn advance(&mut self) {
        let old = self.starts.len() - 1 - self.past;
        let gone = self.starts[old];
        self.ids.drain(..gone as usize);
        self.values.drain(..self.values.len().min(gone as usize));
        self.starts.drain(..old);
        for start in &mut self.starts {
            *start -= gone;
        }
        if self.values.iter().all(|&value| value == 1) {
            self.values.clear();
        }
    }

    /// Adds a step with the given spikes.
    pub(super) fn push(&mut self, spikes: SpikeSlice<'_>) {
        if !spikes.values().is_empty() {
            self.values.resize(self.ids.len(), 1);
            self.values.extend_from_slice(spikes.values());
        } else if !self.values.is_empty() {
            self.values.resize(self.ids.len() + spikes.len(), 1);
        }
        self.ids.extend_from_slice(spikes.neurons());
        self.starts.push(self.end());
    }

    /// Adds a step for every row of `fired` `[steps][words]`, a bit per neuron; with the values of the spikes, if they
    /// are not all 1.
    pub(super) fn push_bits(
        &mut self,
        kernels: &Kernels,
        fired: &[u64],
        words: usize,
        values: Option<&WordValues>,
    ) {
        let before = self.ids.len();
        for row in fired.chunks_exact(words) {
            (kernels.list)(row, &mut self.ids);
            self.starts.push(self.end());
        }
        let values = values.filter(|values| values.values.iter().any(|&value| value != 1));
        if let Some(values) = values {
            self.values.resize(before, 1);
            values.in_order(fired, words, &mut self.values);
        } else if !self.values.is_empty() {
            self.values.resize(self.ids.len(), 1);
        }
        assert!(
            self.values.is_empty() || self.values.len() == self.ids.len(),
            "{} values of {} spikes",
            self.values.len(),
            self.ids.len()
        );
    }

    /// Whether spikes of the last steps are still under way.
    pub(super) fn has_under_way(&self) -> bool {
        let end = self.starts.len() - 1;
        self.past > 0 && self.starts[end - self.past] < self.starts[end]
    }

    /// The steps of the window after which no spike is under way any more, of those that are kept.
    pub(super) fn arrived_after(&self) -> usize {
        // The first step that is kept lies `past` steps before the window, and a spike is under way for `past` steps
        // after its own: it has arrived after as many steps of the window as its step is far from the first one kept,
        // itself included.
        self.starts.partition_point(|&start| start < self.end())
    }

    /// Forgets the last steps of the window, which have no spikes.
    pub(super) fn drop_silent_steps(&mut self, steps: usize) {
        let kept = self.starts.len() - steps;
        assert_eq!(self.starts[kept - 1], self.end(), "spikes in the last {steps} steps");
        self.starts.truncate(kept);
    }

    fn end(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or_else(|_| too_many(self.ids.len()))
    }

    /// The spikes that arrive in some steps of the window, `delay` steps after they were emitted; all of these steps must
    /// be there.
    pub(super) fn arriving(&self, delay: u32, steps: Range<usize>) -> Arriving<'_> {
        let first = self.past - delay as usize;
        let starts = &self.starts[first + steps.start..=first + steps.end];
        Arriving { starts, ids: &self.ids, values: &self.values }
    }

    /// The spikes of the step that lies `age ≥ 1` steps before the end.
    pub(super) fn last(&self, age: usize) -> SpikeSlice<'_> {
        let at = self.starts.len() - 1 - age;
        let (start, end) = (self.starts[at] as usize, self.starts[at + 1] as usize);
        let values = if self.values.is_empty() { &[] } else { &self.values[start..end] };
        SpikeSlice::of(&self.ids[start..end], values)
    }
}

fn too_many(spikes: usize) -> ! {
    panic!("{spikes} spikes in a window; a window holds fewer than 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_become_ascending_ids_step_by_step() {
        let rows = [[0, u64::MAX], [1 | 1 << 63, 0], [0, 0], [0b1_1111, 1 << 7]];
        for kernels in crate::kernel::available() {
            let mut train = Train::new(0);
            train.push_bits(kernels, rows.as_flattened(), 2, None);
            for (step, row) in rows.iter().enumerate() {
                let set = |id: &u32| row[*id as usize / 64] >> (id % 64) & 1 == 1;
                assert_eq!(
                    train.arriving(0, 0..4).of(step).neurons(),
                    (0..128).filter(set).collect::<Vec<u32>>()
                );
            }
        }
    }

    #[test]
    fn what_arrives_in_the_first_steps_of_a_window_is_there_before_the_later_ones_are() {
        let mut train = Train::new(2);
        train.push(SpikeSlice::unit(&[4]));
        train.push(SpikeSlice::unit(&[]));
        train.advance();
        // Two steps of a loop of delay 2 need nothing of the window itself.
        let first = train.arriving(2, 0..2);
        assert_eq!((first.of(0).neurons(), first.of(1).neurons()), (&[4][..], &[][..]));
        train.push(SpikeSlice::unit(&[5]));
        train.push(SpikeSlice::unit(&[6, 7]));
        let second = train.arriving(2, 2..4);
        assert_eq!((second.of(0).neurons(), second.of(1).neurons()), (&[5][..], &[6, 7][..]));
    }

    #[test]
    fn a_delayed_spike_arrives_in_the_window_in_which_it_is_due() {
        let mut train = Train::new(3);
        train.push(SpikeSlice::unit(&[7]));
        train.push(SpikeSlice::unit(&[8, 9]));
        assert_eq!(train.arriving(1, 0..2).of(1).neurons(), [7]);
        assert_eq!((train.last(1).neurons(), train.last(2).neurons()), (&[8, 9][..], &[7][..]));
        train.advance();
        train.push(SpikeSlice::unit(&[1]));
        assert_eq!(train.arriving(3, 0..1).of(0).neurons(), [0_u32; 0]);
        assert_eq!(train.arriving(2, 0..1).of(0).neurons(), [7]);
        assert_eq!(train.arriving(1, 0..1).of(0).neurons(), [8, 9]);
        assert_eq!(train.arriving(0, 0..1).all(), [1]);
    }
}
