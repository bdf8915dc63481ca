use std::sync::OnceLock;

use crate::bits::{set, words};
use crate::lanes::BLOCK;
use crate::network::connectivity::{Connectivity, Rows};
use crate::simulator::rows::Carried;

/// What is known of the synapses of a projection before spikes arrive through it.
pub(super) struct FanOut {
    pub(super) carried: Carried,
    /// Which blocks each weight row reaches, a bit each `[rows][words]`, made when first needed; none where blocks are
    /// found spike by spike.
    masks: OnceLock<Vec<u64>>,
}

impl FanOut {
    pub(super) fn of(connectivity: &Connectivity) -> Self {
        Self { carried: Carried::by(connectivity), masks: OnceLock::new() }
    }

    /// Marks the blocks that spikes of some sources reach.
    pub(super) fn mark(&self, connectivity: &Connectivity, sources: &[u32], due: &mut [u64]) {
        match connectivity {
            Connectivity::Rows(rows) if !sources.is_empty() => {
                let masks = self.masks.get_or_init(|| masks(rows));
                let words = words(rows.width().div_ceil(BLOCK));
                for &source in sources {
                    let mask = &masks[source as usize * words..][..words];
                    due.iter_mut().zip(mask).for_each(|(due, mask)| *due |= mask);
                }
            }
            Connectivity::Rows(_) => {}
            Connectivity::Conv2d(conv) => {
                let channels = conv.rows().width();
                for &source in sources {
                    conv.taps_of(source as usize, |position, row| {
                        if conv.rows().synapses_of(row) > 0 {
                            let first = position * channels;
                            (first / BLOCK..=(first + channels - 1) / BLOCK)
                                .for_each(|block| set(due, block));
                        }
                    });
                }
            }
            Connectivity::OneToOne(one) => {
                for &source in sources {
                    if one.weight(source as usize, source as usize).is_some() {
                        set(due, source as usize / BLOCK);
                    }
                }
            }
        }
    }
}

fn masks(rows: &Rows) -> Vec<u64> {
    let words = words(rows.width().div_ceil(BLOCK));
    let mut masks = vec![0; words * rows.len()];
    for row in 0..rows.len() {
        let mask = &mut masks[row * words..(row + 1) * words];
        rows.fan_out(row, |target, _| set(mask, target / BLOCK));
    }
    masks
}
