use super::lanes::Lanes;
use super::windowed::step;
use super::{BLOCK, Membrane, Updated};
use crate::neuron::REBASE;

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

/// See [`Kernels::integrate`](super::Kernels::integrate).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn integrate<L: Lanes>(
    m: &mut Membrane<'_>,
    blocks: &[u64],
    crossings: &mut [u16],
    fired: &mut Vec<u32>,
) -> Updated {
    let mut updated = Updated::default();
    for (word, &bits) in blocks.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            let block = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            // SAFETY: the caller's promise.
            unsafe {
                let (bias, threshold) = (L::load(&m.biases[block]), L::load(&m.thresholds[block]));
                let (u, current) = (L::load(&m.potentials[block]), L::load(&m.currents[block]));
                let ramp = bias.mul(L::splat(m.k as f32));
                let (u, mut fires, written) = step(u, current, ramp, threshold, m.reset);
                u.store(&mut m.potentials[block]);
                L::splat(-0.0).store(&mut m.currents[block]);
                while fires != 0 {
                    fired.push((block * BLOCK) as u32 + fires.trailing_zeros());
                    fires &= fires - 1;
                }
                updated.touched += u64::from(written.count_ones());
                crossings[block] = crossing_of_block(u, bias, threshold, m.k);
            }
        }
    }
    updated
}

/// The first `k` after `after` at which some neuron of the block crosses its threshold if nothing arrives;
/// 0 if none does before the next re-base. The `first_crossing` of sixteen neurons at once.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
unsafe fn crossing_of_block<L: Lanes>(u: L, bias: L, threshold: L, after: u32) -> u16 {
    // SAFETY: the caller's promise.
    unsafe {
        let crosses = |k: L| L::bits(u.add(bias.mul(k)).at_least(threshold));
        let end = L::splat(REBASE as f32);
        let at_end = crosses(end);
        if after == REBASE {
            // The next step begins with a re-base, which looks at every neuron with a bias. Without a bias only
            // what is above the threshold now fires then.
            return if at_end == 0 { 0 } else { REBASE as u16 + 1 };
        }
        let mut below = L::splat((after + 1) as f32);
        if crosses(below) != 0 {
            return (after + 1) as u16;
        }
        // A neuron that is below the threshold at the end of the ramp never crosses on it: none is above it now,
        // so one that falls stays below.
        if at_end == 0 {
            return 0;
        }
        // The last step at which each neuron is below its threshold, by halving; its end if it never crosses.
        let mut distance = 1 << (REBASE - after - 1).ilog2();
        while distance > 0 {
            let further = below.add(L::splat(distance as f32));
            let moves = L::bits(end.at_least(further)) & !crosses(further);
            below = below.replace(L::mask(moves), further);
            distance >>= 1;
        }
        let mut steps = [0.0; BLOCK];
        below.store(&mut steps);
        // Some neuron crosses, so the smallest is below the end. Whole numbers up to 256 are exact.
        steps.iter().fold(REBASE as f32, |first: f32, &step| first.min(step)) as u16 + 1
    }
}
