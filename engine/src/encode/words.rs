use crate::kernel;
use crate::record::Raster;

/// Steps that are encoded at once, a bit each.
pub(super) const STEPS_PER_WORD: usize = 64;

/// A raster of `steps` steps of `neurons` neurons from spike trains: `next(train)` are the spikes of the next 64
/// steps, a bit each, the earliest in the lowest. Trains come with their neurons; those without never fire.
///
/// Cost: O(trains · steps / 64 + spikes), O(neurons + spikes) of memory.
pub(super) fn raster<T>(
    neurons: usize,
    steps: u32,
    trains: &mut [(u32, T)],
    next: impl Fn(&mut T) -> u64,
) -> Raster {
    let list = kernel::best().list;
    let blocks = neurons.div_ceil(STEPS_PER_WORD);
    // Of each neuron its next steps, and of each of these steps its neurons.
    let (mut by_neuron, mut by_step) =
        (vec![[0_u64; STEPS_PER_WORD]; blocks], vec![0_u64; STEPS_PER_WORD * blocks]);
    let (mut starts, mut ids) = (vec![0], vec![]);
    for first in (0..steps as usize).step_by(STEPS_PER_WORD) {
        for (neuron, train) in &mut *trains {
            let (block, place) = (*neuron as usize / STEPS_PER_WORD, *neuron as usize % STEPS_PER_WORD);
            by_neuron[block][place] = next(train);
        }
        for (block, words) in by_neuron.iter().enumerate() {
            let mut square = *words;
            // Most of an image is often black.
            if words.iter().any(|&word| word != 0) {
                transpose(&mut square);
            }
            for (row, word) in by_step.chunks_exact_mut(blocks).zip(square) {
                row[block] = word;
            }
        }
        for row in by_step.chunks_exact(blocks).take(steps as usize - first) {
            list(row, &mut ids);
            starts.push(ids.len());
        }
    }
    Raster::from_parts(starts, ids)
}

/// Makes bit `j` of word `i` bit `i` of word `j`: squares of half the size are swapped, then within these squares of a
/// quarter, down to single bits (Warren, Hacker's Delight, 7-3).
fn transpose(words: &mut [u64; STEPS_PER_WORD]) {
    let mut half = STEPS_PER_WORD / 2;
    let mut low = u64::MAX >> half;
    while half > 0 {
        for pair in words.chunks_exact_mut(2 * half) {
            let (upper, lower) = pair.split_at_mut(half);
            for (a, b) in upper.iter_mut().zip(lower) {
                let swap = (*a >> half ^ *b) & low;
                *a ^= swap << half;
                *b ^= swap;
            }
        }
        half /= 2;
        low ^= low << half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_change_places() {
        let mut state = 1;
        let words: [u64; STEPS_PER_WORD] = std::array::from_fn(|_| {
            state = crate::encode::split_mix(state);
            state
        });
        let mut turned = words;
        transpose(&mut turned);
        for (i, word) in words.iter().enumerate() {
            for (j, other) in turned.iter().enumerate() {
                assert_eq!(word >> j & 1, other >> i & 1, "bit {j} of word {i}");
            }
        }
    }

    #[test]
    fn every_bit_is_a_spike_and_steps_behind_the_last_are_left_out() {
        for steps in [0, 1, 63, 64, 65, 200] {
            let mut trains = [(3, 0_u64), (70, 5), (129, 9)];
            let raster = raster(130, steps, &mut trains, |train| {
                *train = train.wrapping_add(0x9E37_79B9_7F4A_7C15);
                *train
            });
            assert_eq!(raster.steps(), steps as usize);
            for step in 0..steps as usize {
                let fires = |start: u64| {
                    let word =
                        start.wrapping_add(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(1 + step as u64 / 64));
                    word >> (step % 64) & 1 == 1
                };
                let expected: Vec<u32> = [(3, 0), (70, 5), (129, 9)]
                    .iter()
                    .filter(|(_, start)| fires(*start))
                    .map(|one| one.0)
                    .collect();
                assert_eq!(raster.step(step), expected);
            }
        }
    }
}
