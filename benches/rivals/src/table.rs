use snn_engine::{Connectivity, Rows};

/// Compressed rows.
pub(crate) struct Table {
    starts: Vec<usize>,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

impl Table {
    pub(crate) fn of(connectivity: &Connectivity) -> Self {
        let mut table = Self { starts: vec![0], targets: vec![], weights: vec![] };
        match connectivity {
            Connectivity::Rows(rows) => table.push_all(rows),
            Connectivity::Conv2d(conv) => table.push_all(conv.rows()),
            Connectivity::OneToOne(one) => {
                for row in 0..one.size() {
                    one.weight(row, row).into_iter().for_each(|weight| table.push(row, weight));
                    table.starts.push(table.weights.len());
                }
            }
        }
        table
    }

    fn push_all(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            rows.fan_out(row, |column, weight| self.push(column, weight));
            self.starts.push(self.weights.len());
        }
    }

    fn push(&mut self, column: usize, weight: f32) {
        // A population has fewer than 2³² neurons.
        self.targets.push(column as u32);
        self.weights.push(weight);
    }

    #[inline]
    fn add(&self, row: usize, currents: &mut [f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        for (&target, &weight) in self.targets[range.clone()].iter().zip(&self.weights[range]) {
            debug_assert!((target as usize) < currents.len(), "target {target} of {}", currents.len());
            // SAFETY: the engine checked that every column is below the width of the rows, and the currents
            // are at least that many: those of the whole population, or the channels of one position.
            unsafe { *currents.get_unchecked_mut(target as usize) += weight };
        }
    }

    /// Adds what one spike brings.
    #[inline]
    pub(crate) fn deliver(&self, connectivity: &Connectivity, source: u32, currents: &mut [f32]) {
        match connectivity {
            Connectivity::Rows(_) | Connectivity::OneToOne(_) => self.add(source as usize, currents),
            Connectivity::Conv2d(conv) => {
                let channels = conv.rows().width();
                conv.taps_of(source as usize, |position, row| {
                    let first = position * channels;
                    self.add(row, &mut currents[first..first + channels]);
                });
            }
        }
    }
}

/// Lists the neurons whose flag is above 0, ascending.
pub(crate) fn list(flags: &[f32], spikes: &mut Vec<u32>) {
    spikes.clear();
    for (chunk, flags) in flags.chunks(16).enumerate() {
        if flags.iter().fold(0, |any, flag| any | flag.to_bits()) != 0 {
            let fired = (0_u32..).zip(flags).filter(|(_, flag)| **flag > 0.0);
            spikes.extend(fired.map(|(at, _)| chunk as u32 * 16 + at));
        }
    }
}
