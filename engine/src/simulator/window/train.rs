use crate::kernel::Kernels;

/// The spikes of one population in the present window and in the steps before it that are still under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Train {
    /// Steps before the window: the longest delay of a projection out of the population.
    past: usize,
    /// Where each step starts among `ids`, and the end, `[past + steps + 1]`.
    starts: Vec<u32>,
    ids: Vec<u32>,
}

/// The spikes of a window that arrive through one projection.
#[derive(Clone, Copy)]
pub(super) struct Arriving<'a> {
    starts: &'a [u32],
    ids: &'a [u32],
}

impl<'a> Arriving<'a> {
    /// The sources of the spikes that arrive in a step of the window, ascending.
    #[inline(always)]
    pub(super) fn of(&self, step: usize) -> &'a [u32] {
        &self.ids[self.starts[step] as usize..self.starts[step + 1] as usize]
    }

    /// The number of steps.
    pub(super) fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// The sources of all spikes.
    pub(super) fn all(&self) -> &'a [u32] {
        self.of_steps(0..self.steps())
    }

    /// The sources of the spikes of some steps.
    pub(super) fn of_steps(&self, steps: std::ops::Range<usize>) -> &'a [u32] {
        &self.ids[self.starts[steps.start] as usize..self.starts[steps.end] as usize]
    }
}

impl Train {
    pub(super) fn new(past: usize) -> Self {
        Self { past, starts: vec![0; past + 1], ids: vec![] }
    }

    /// Has the given spikes under way, `[past]`, and an empty window.
    pub(super) fn take(&mut self, under_way: &[Vec<u32>]) {
        assert_eq!(under_way.len(), self.past, "steps of spikes under way");
        self.ids.clear();
        self.starts.clear();
        self.starts.push(0);
        for spikes in under_way {
            self.push(spikes);
        }
    }

    /// Lets the steps of the window become past ones, as far as they are still under way.
    pub(super) fn advance(&mut self) {
        let old = self.starts.len() - 1 - self.past;
        let gone = self.starts[old];
        self.ids.drain(..gone as usize);
        self.starts.drain(..old);
        for start in &mut self.starts {
            *start -= gone;
        }
    }

    /// Adds a step with the given spikes.
    pub(super) fn push(&mut self, spikes: &[u32]) {
        self.ids.extend_from_slice(spikes);
        self.starts.push(self.end());
    }

    /// Adds a step for every row of `fired` `[steps][words]`, a bit per neuron.
    pub(super) fn push_bits(&mut self, kernels: &Kernels, fired: &[u64], words: usize) {
        for row in fired.chunks_exact(words) {
            (kernels.list)(row, &mut self.ids);
            self.starts.push(self.end());
        }
    }

    fn end(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or_else(|_| too_many(self.ids.len()))
    }

    /// The spikes of the window as they arrive `delay` steps after they were emitted.
    pub(super) fn arriving(&self, delay: u32, steps: usize) -> Arriving<'_> {
        let first = self.past - delay as usize;
        Arriving { starts: &self.starts[first..=first + steps], ids: &self.ids }
    }

    /// The spikes of the step that lies `age ≥ 1` steps before the end.
    pub(super) fn last(&self, age: usize) -> &[u32] {
        let at = self.starts.len() - 1 - age;
        &self.ids[self.starts[at] as usize..self.starts[at + 1] as usize]
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
            train.push_bits(kernels, rows.as_flattened(), 2);
            for (step, row) in rows.iter().enumerate() {
                let set = |id: &u32| row[*id as usize / 64] >> (id % 64) & 1 == 1;
                assert_eq!(train.arriving(0, 4).of(step), (0..128).filter(set).collect::<Vec<u32>>());
            }
        }
    }

    #[test]
    fn a_delayed_spike_arrives_in_the_window_in_which_it_is_due() {
        let mut train = Train::new(3);
        train.push(&[7]);
        train.push(&[8, 9]);
        assert_eq!(train.arriving(1, 2).of(1), [7]);
        assert_eq!((train.last(1), train.last(2)), (&[8, 9][..], &[7][..]));
        train.advance();
        train.push(&[1]);
        assert_eq!(train.arriving(3, 1).of(0), [0_u32; 0]);
        assert_eq!(train.arriving(2, 1).of(0), [7]);
        assert_eq!(train.arriving(1, 1).of(0), [8, 9]);
        assert_eq!(train.arriving(0, 1).all(), [1]);
    }
}
