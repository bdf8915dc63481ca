use crate::network::connectivity::Rows;
use crate::spikes::SpikeSlice;

use super::octets::MOST_STEPS;
use crate::lanes::Line;

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

/// In which steps of a window each source fires: a bit per step, sixteen steps a word; and with which values.
#[derive(Clone, Debug, Default)]
pub struct SpikeMasks {
    pub(super) masks: Vec<[u16; MOST_STEPS / 16]>,
    /// Of every source, its value in each step; none if all values are 1.
    pub(super) values: Vec<[Line; MOST_STEPS / 16]>,
}

impl SpikeMasks {
    /// Takes the spikes of a window of `steps` steps of `sources` neurons. Cost: O(spikes + sources), and a kilobyte of
    /// memory for each source if spikes have values.
    ///
    /// # Panics
    /// If a spike is not of the sources, or the window is too long.
    pub(crate) fn take<'a>(&mut self, sources: usize, steps: usize, list: impl Fn(usize) -> SpikeSlice<'a>) {
        self.masks.clear();
        self.masks.resize(sources, [0; MOST_STEPS / 16]);
        self.values.clear();
        for step in 0..steps {
            let list = list(step);
            for &source in list.neurons() {
                self.masks[source as usize][step / 16] |= 1 << (step % 16);
            }
            if !list.values().is_empty() {
                // Steps in which all values are 1 need not say so.
                self.values.resize(sources, [Line::of(1.0); MOST_STEPS / 16]);
                for (source, value) in list.iter() {
                    self.values[source as usize][step / 16].0[step % 16] = value as f32;
                }
            }
        }
    }
}
