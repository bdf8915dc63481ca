use crate::network::connectivity::Rows;
use crate::spikes::SpikeSlice;

use super::octets::MOST_STEPS;
use crate::lanes::Line;

/// The synapses of a table of weight rows by column: of each target its sources, ascending.
///
/// Six bytes per synapse and four per column.
#[derive(Clone, Debug)]
pub struct Columns {
    /// All ids are below.
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
        Self::placed(rows, |row| row)
    }

    /// The same with other ids for the rows, which ascend with them.
    ///
    /// # Panics
    /// If an id is above 65,535, or the table has more than 65,536 rows or 2³² synapses.
    pub(crate) fn placed(rows: &Rows, id: impl Fn(usize) -> usize) -> Self {
        assert!(rows.len() <= 1 << 16 && rows.synapses() < 1 << 32, "{} rows", rows.len());
        let sources = rows.len().checked_sub(1).map_or(0, |last| id(last) + 1);
        assert!(sources <= 1 << 16, "ids up to {sources}");
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
                ids[*at as usize] = id(row) as u16;
                weights[*at as usize] = weight;
                *at += 1;
            });
        }
        Self { sources, starts, ids, weights }
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

    /// All ids are below.
    pub(crate) fn sources(&self) -> usize {
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
    /// Takes the spikes of a window of `steps` steps; the mask of a source stands at `place(source)` of so many places. Cost:
    /// O(spikes + places), and a kilobyte of memory for each place if spikes have values.
    ///
    /// # Panics
    /// If a place is not below `places`, or the window is too long.
    pub(crate) fn take<'a>(
        &mut self,
        places: usize,
        steps: usize,
        list: impl Fn(usize) -> SpikeSlice<'a>,
        place: impl Fn(usize) -> usize,
    ) {
        self.masks.clear();
        self.masks.resize(places, [0; MOST_STEPS / 16]);
        self.values.clear();
        for step in 0..steps {
            let list = list(step);
            for &source in list.neurons() {
                self.masks[place(source as usize)][step / 16] |= 1 << (step % 16);
            }
            if !list.values().is_empty() {
                // Steps in which all values are 1 need not say so.
                self.values.resize(places, [Line::of(1.0); MOST_STEPS / 16]);
                for (source, value) in list.iter() {
                    self.values[place(source as usize)][step / 16].0[step % 16] = value as f32;
                }
            }
        }
    }
}
