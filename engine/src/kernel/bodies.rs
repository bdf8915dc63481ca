use super::{BLOCK, Block, Membrane, Updated};
use crate::neuron::first_crossing;
use crate::{REBASE, Reset};

#[inline(always)]
pub(super) fn scatter<T>(targets: &[T], weights: &[f32], currents: &mut [f32], place: impl Fn(&T) -> usize) {
    for (target, weight) in targets.iter().zip(weights) {
        currents[place(target)] += weight;
    }
}

#[inline(always)]
pub(super) fn add_row(row: &[f32], currents: &mut [f32]) {
    for (current, weight) in currents.iter_mut().zip(row) {
        *current += weight;
    }
}

/// One bit for each neuron of which the comparison holds.
#[inline(always)]
fn mask(holds: impl Fn(usize) -> bool) -> u16 {
    let mut mask = 0;
    for i in 0..BLOCK {
        mask |= u16::from(holds(i)) << i;
    }
    mask
}

#[inline(always)]
pub(super) fn integrate(
    m: &mut Membrane<'_>,
    blocks: &[u64],
    crossings: &mut [u16],
    fired: &mut Vec<u32>,
) -> Updated {
    let mut updated = Updated::default();
    let k = m.k as f32;
    for (word, &bits) in blocks.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            let block = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let (u, current) = (&mut m.potentials[block], &mut m.currents[block]);
            let (bias, threshold) = (&m.biases[block], &m.thresholds[block]);
            let arrived = mask(|i| current[i].to_bits() != (-0.0_f32).to_bits());
            let mut v = [0.0; BLOCK];
            for i in 0..BLOCK {
                // Adding −0.0 where nothing arrived changes no bit.
                u[i] += current[i];
                v[i] = u[i] + bias[i] * k;
            }
            *current = [-0.0; BLOCK];
            let fires = mask(|i| v[i] >= threshold[i]);
            if fires != 0 {
                for i in 0..BLOCK {
                    let after = match m.reset {
                        Reset::Subtract => u[i] - threshold[i],
                        Reset::Zero => 0.0 - bias[i] * k,
                    };
                    u[i] = if fires >> i & 1 == 1 { after } else { u[i] };
                }
                let mut rest = fires;
                while rest != 0 {
                    fired.push((block * BLOCK) as u32 + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
            updated.touched += u64::from((arrived | fires).count_ones());
            crossings[block] = crossing_of_block(u, bias, threshold, m.k);
        }
    }
    updated
}

/// The first `k` after `after` at which some neuron of the block crosses its threshold if nothing arrives;
/// 0 if none does before the next re-base.
#[inline(always)]
fn crossing_of_block(u: &Block, bias: &Block, threshold: &Block, after: u32) -> u16 {
    if after == REBASE {
        // The next step begins with a re-base, which looks at every neuron with a bias. Without a bias only
        // what is above the threshold now fires then.
        let stays = mask(|i| u[i] + bias[i] * REBASE as f32 >= threshold[i]);
        return if stays == 0 { 0 } else { REBASE as u16 + 1 };
    }
    let soon = (after + 1) as f32;
    if mask(|i| u[i] + bias[i] * soon >= threshold[i]) != 0 {
        return (after + 1) as u16;
    }
    // A neuron that is below the threshold at the end of the ramp never crosses on it: none is above it now, so
    // one that falls stays below.
    if mask(|i| u[i] + bias[i] * REBASE as f32 >= threshold[i]) == 0 {
        return 0;
    }
    // The binary search of `first_crossing`, of all neurons at once: each is below the threshold at `low`, and at
    // `high` either above it or, if it never crosses, at the step behind the ramp.
    let mut low = [after as i32 + 1; BLOCK];
    let mut high = [REBASE as i32 + 1; BLOCK];
    let mut width = REBASE as i32 - after as i32;
    while width > 1 {
        for i in 0..BLOCK {
            let middle = (low[i] + high[i]) >> 1;
            let crosses = u[i] + bias[i] * middle as f32 >= threshold[i];
            high[i] = if crosses { middle } else { high[i] };
            low[i] = if crosses { low[i] } else { middle };
        }
        width = (width + 1) >> 1;
    }
    let first = high.iter().copied().fold(REBASE as i32 + 1, i32::min);
    debug_assert_eq!(
        u32::try_from(first).ok(),
        (0..BLOCK).filter_map(|i| first_crossing(u[i], bias[i], threshold[i], after)).min(),
    );
    first as u16
}
