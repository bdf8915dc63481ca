use crate::network::connectivity::Rows;

use super::octets::MOST_STEPS;

/// The synapses of a table of weight rows by column: of each target its sources, ascending.
///
/// Six bytes per synapse and four per column.
#[derive(Clone, Debug)]
pub struct Columns {
    /// All sources are below.
    sources: usize,
    /// `[targets + 1]`
    starts: Vec<u32>,
    /// `[synapses]`
    ids: Vec<u16>,
    /// `[synapses]`
    weights: Vec<f32>,
}

impl Columns {
    /// The columns of a table.
    ///
    /// # Panics
    /// If the table has more than 65,536 rows or 2³² synapses.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        assert!(rows.len() <= 1 << 16 && rows.synapses() < 1 << 32, "{} rows", rows.len());
        let mut starts = vec![0_u32; rows.width() + 1];
        for row in 0..rows.len() {
            rows.fan_out(row, |target, _| starts[target + 1] += 1);
        }
        for target in 0..rows.width() {
            starts[target + 1] += starts[target];
        }
        let mut next = starts.clone();
        let mut ids = vec![0; rows.synapses() as usize];
        let mut weights = vec![0.0; ids.len()];
        for row in 0..rows.len() {
            rows.fan_out(row, |target, weight| {
                let at = &mut next[target];
                ids[*at as usize] = row as u16;
                weights[*at as usize] = weight;
                *at += 1;
            });
        }
        Self { sources: rows.len(), starts, ids, weights }
    }

    /// The sources of one target and their weights; none beyond the last target.
    #[inline(always)]
    pub(super) fn of_target(&self, target: usize) -> (&[u16], &[f32]) {
        match self.starts.get(target..target + 2) {
            Some(ends) => {
                let range = ends[0] as usize..ends[1] as usize;
                (&self.ids[range.clone()], &self.weights[range])
            }
            None => (&[], &[]),
        }
    }

    /// All sources are below.
    pub(super) fn sources(&self) -> usize {
        self.sources
    }
}

/// In which steps of a window each source fires: a bit per step, sixteen steps a word.
#[derive(Clone, Debug, Default)]
pub struct SpikeMasks(pub(super) Vec<[u16; MOST_STEPS / 16]>);

impl SpikeMasks {
    /// Takes the spikes of a window of `steps` steps of `sources` neurons. Cost: O(spikes + sources).
    ///
    /// # Panics
    /// If a spike is not of the sources, or the window is too long.
    pub fn take<'a>(&mut self, sources: usize, steps: usize, list: impl Fn(usize) -> &'a [u32]) {
        self.0.clear();
        self.0.resize(sources, [0; MOST_STEPS / 16]);
        for step in 0..steps {
            for &source in list(step) {
                self.0[source as usize][step / 16] |= 1 << (step % 16);
            }
        }
    }
}
