//! The bodies of the window kernels.

use std::ops::Range;

use super::columns::{Columns, SpikeMasks};
use super::lanes::Lanes;
use super::{BLOCK, Line, Octets, Packed, Windowed, flat};
use crate::neuron::Reset;

/// 64 neurons: a word of spike bits.
pub(super) const LINES_PER_WORD: usize = 4;

/// See [`Kernels::add_rows`](super::Kernels::add_rows).
#[inline(always)]
pub(super) fn add_rows(
    rows: &[u32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
) {
    /// So many rows before its turn, the beginning of a row is fetched.
    const AHEAD: usize = 3;
    assert_eq!(targets.len(), weights.len(), "targets and weights");
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&coming) = rows.get(at + AHEAD) {
            fetch(targets, weights, starts[coming as usize] as usize);
        }
        let range = starts[row as usize] as usize..ends[row as usize] as usize;
        let (fours, last) = targets[range.clone()].as_chunks::<4>();
        let (four_weights, _) = weights[range.clone()].as_chunks::<4>();
        add_fours(fours, four_weights, currents);
        add_rest(range.end - last.len()..range.end, targets, weights, currents);
    }
}

/// See [`Kernels::add_far_rows`](super::Kernels::add_far_rows).
#[inline(always)]
pub(super) fn add_far_rows(
    rows: &[u32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
) {
    /// While so many weights of a row are added, as many of the next row are fetched.
    const PIECE: usize = 32;
    assert_eq!(targets.len(), weights.len(), "targets and weights");
    for (at, &row) in rows.iter().enumerate() {
        let range = starts[row as usize] as usize..ends[row as usize] as usize;
        let next = rows.get(at + 1).map_or(range.end, |&next| starts[next as usize] as usize);
        let (fours, last) = targets[range.clone()].as_chunks::<4>();
        let (four_weights, _) = weights[range.clone()].as_chunks::<4>();
        let pieces = fours.chunks(PIECE / 4).zip(four_weights.chunks(PIECE / 4));
        for (coming, (fours, four_weights)) in (next..).step_by(PIECE).zip(pieces) {
            fetch(targets, weights, coming);
            add_fours(fours, four_weights, currents);
        }
        add_rest(range.end - last.len()..range.end, targets, weights, currents);
    }
}

/// Brings 32 targets and weights from a place on into the cache.
#[inline(always)]
fn fetch(targets: &[u16], weights: &[f32], at: usize) {
    prefetch(targets.as_ptr().wrapping_add(at));
    prefetch(weights.as_ptr().wrapping_add(at));
    prefetch(weights.as_ptr().wrapping_add(at + 16));
}

#[inline(always)]
fn add_fours(targets: &[[u16; 4]], weights: &[[f32; 4]], currents: &mut [f32; 1 << 16]) {
    for (four, weights) in targets.iter().zip(weights) {
        let at = unpack(*four);
        // All four currents may be read before one is written, because the targets of a row are distinct.
        let sums = [0, 1, 2, 3].map(|i| currents[at[i]] + weights[i]);
        for (at, sum) in at.into_iter().zip(sums) {
            currents[at] = sum;
        }
    }
}

/// Adds the fewer than four weights `range` at the end of a row.
///
/// They are done as four, too, without a branch on how many there are: what is behind the row gets −0.0, which
/// changes nothing, one after the other because they need not be distinct.
#[inline(always)]
fn add_rest(range: Range<usize>, targets: &[u16], weights: &[f32], currents: &mut [f32; 1 << 16]) {
    match (targets[range.start..].first_chunk::<4>(), weights[range.start..].first_chunk::<4>()) {
        (Some(four), Some(weights)) => {
            for (i, at) in unpack(*four).into_iter().enumerate() {
                currents[at] += if i < range.len() { weights[i] } else { -0.0 };
            }
        }
        _ => {
            for (&target, weight) in targets[range.clone()].iter().zip(&weights[range]) {
                currents[usize::from(target)] += weight;
            }
        }
    }
}

/// Four targets, fetched with one load: loads, not additions, are what there are too many of.
#[inline(always)]
fn unpack(four: [u16; 4]) -> [usize; 4] {
    // SAFETY: four u16 are as large as a u64, and any bits are a u64.
    let four = u64::from_le(unsafe { std::mem::transmute::<[u16; 4], u64>(four) });
    [0, 16, 32, 48].map(|shift| usize::from((four >> shift) as u16))
}

/// See [`Kernels::list`](super::Kernels::list).
#[inline(always)]
pub(super) fn list(bits: &[u64], ids: &mut Vec<u32>) {
    let count: usize = bits.iter().map(|word| word.count_ones() as usize).sum();
    let mut end = ids.len();
    // Four at a time, without asking how many a word has: most have fewer.
    ids.resize(end + count + 4, 0);
    for (first, &word) in (0_u32..).step_by(64).zip(bits).filter(|(_, word)| **word != 0) {
        let (mut bits, mut at) = (word, end);
        while bits != 0 {
            for id in &mut ids[at..at + 4] {
                *id = first + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            at += 4;
        }
        end += word.count_ones() as usize;
    }
    ids.truncate(end);
}

/// Potentials after a step, who fires, and who was written.
#[inline(always)]
pub(super) unsafe fn step<L: Lanes>(u: L, current: L, ramp: L, threshold: L, reset: Reset) -> (L, u16, u16) {
    // SAFETY: the caller's promise, that of `Lanes`.
    unsafe {
        let arrived = L::bits(current.arrived());
        // Adding −0.0 where nothing arrived changes no bit.
        let u = u.add(current);
        let fires = u.add(ramp).at_least(threshold);
        let after = match reset {
            Reset::Subtract => u.sub(threshold),
            Reset::Zero => L::splat(0.0).sub(ramp),
        };
        let bits = L::bits(fires);
        (u.replace(fires, after), bits, arrived | bits)
    }
}

/// See [`Kernels::integrate_step`](super::Kernels::integrate_step).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn integrate_step<L: Lanes>(
    m: &mut Windowed<'_>,
    currents: &mut [Line],
    fired: &mut [u64],
) -> u64 {
    let words = fired.len();
    m.check(words);
    assert!(currents.len() >= words * LINES_PER_WORD, "{} currents for {words} words", currents.len());
    let (currents, _) = currents.as_chunks_mut::<LINES_PER_WORD>();
    let (potentials, _) = m.potentials.as_chunks_mut::<LINES_PER_WORD>();
    let (biases, _) = m.biases.as_chunks::<LINES_PER_WORD>();
    let (thresholds, _) = m.thresholds.as_chunks::<LINES_PER_WORD>();
    let neurons = potentials.iter_mut().zip(biases).zip(thresholds);
    let mut updates = 0;
    // SAFETY: the caller's promise.
    unsafe {
        let k = L::splat(m.k as f32);
        for ((fired, currents), ((potentials, biases), thresholds)) in
            fired.iter_mut().zip(currents).zip(neurons)
        {
            let (mut fires, mut written) = (0, 0);
            for q in 0..LINES_PER_WORD {
                let ramp = L::load(&biases[q].0).mul(k);
                let current = L::load(&currents[q].0);
                L::splat(-0.0).store(&mut currents[q].0);
                let u = L::load(&potentials[q].0);
                let (u, f, w) = step(u, current, ramp, L::load(&thresholds[q].0), m.reset);
                u.store(&mut potentials[q].0);
                fires |= u64::from(f) << (BLOCK * q);
                written |= u64::from(w) << (BLOCK * q);
            }
            *fired = fires;
            updates += u64::from(written.count_ones());
        }
    }
    updates
}

/// See [`Kernels::integrate_window`](super::Kernels::integrate_window).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn integrate_window<L: Lanes>(
    m: &mut Windowed<'_>,
    currents: &[Line],
    first: usize,
    steps: usize,
    fired: &mut [u64],
    stride: usize,
) -> u64 {
    m.check(1);
    let padded = currents.len() / LINES_PER_WORD;
    assert!(first + steps <= padded, "{steps} steps from {first} on of {padded} currents");
    let currents: [&[Line]; LINES_PER_WORD] =
        std::array::from_fn(|q| &currents[q * padded + first..][..steps]);
    let mut updates = 0;
    // SAFETY: the caller's promise.
    unsafe {
        let mut u: [L; LINES_PER_WORD] = std::array::from_fn(|q| L::load(&m.potentials[q].0));
        let biases: [L; LINES_PER_WORD] = std::array::from_fn(|q| L::load(&m.biases[q].0));
        let thresholds: [L; LINES_PER_WORD] = std::array::from_fn(|q| L::load(&m.thresholds[q].0));
        for (t, fired) in fired.iter_mut().step_by(stride).take(steps).enumerate() {
            let k = L::splat((m.k + t as u32) as f32);
            let (mut fires, mut written) = (0, 0);
            for q in 0..LINES_PER_WORD {
                let current = L::load(&currents[q][t].0);
                let (after, f, w) = step(u[q], current, biases[q].mul(k), thresholds[q], m.reset);
                u[q] = after;
                fires |= u64::from(f) << (BLOCK * q);
                written |= u64::from(w) << (BLOCK * q);
            }
            *fired = fires;
            updates += u64::from(written.count_ones());
        }
        for (u, line) in u.into_iter().zip(&mut *m.potentials) {
            u.store(&mut line.0);
        }
    }
    updates
}

/// See [`Kernels::deliver_tile`](super::Kernels::deliver_tile).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn deliver_tile<L: Lanes>(
    rows: &[Line],
    next: &[Line],
    octets: &Octets,
    currents: &mut [Line],
    fresh: bool,
) {
    let enough = rows.len() >= octets.rows() && currents.len() >= octets.padded();
    assert!(
        enough && rows.len() <= super::octets::MOST_ROWS,
        "{} rows for {}, {} currents for {}",
        rows.len(),
        octets.rows(),
        currents.len(),
        octets.padded()
    );
    let each = octets.iter();
    // The next block is fetched while this one is worked on, a share with each octet.
    let mut ahead = next.chunks(next.len().div_ceil(each.len().max(1)).max(1));
    for (steps, places) in each {
        for line in ahead.next().unwrap_or_default() {
            prefetch(line);
        }
        // SAFETY: the caller's promise; rows and steps are in bounds as asserted.
        unsafe {
            if L::SUMS == 8 {
                sum::<L, 8>(rows, places, steps, 0, currents, fresh);
            } else {
                sum::<L, 4>(rows, places, steps, 0, currents, fresh);
                sum::<L, 4>(rows, places, steps, 4, currents, fresh);
            }
        }
    }
}

/// The sums of `N` of eight steps, from the `from`th on.
///
/// # Safety
/// That of [`Lanes`]; and the places name only `rows`, the steps only `currents`.
#[inline(always)]
unsafe fn sum<L: Lanes, const N: usize>(
    rows: &[Line],
    places: &[[u16; 8]],
    steps: &[u16; 8],
    from: usize,
    currents: &mut [Line],
    fresh: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [L::splat(-0.0); N];
        if !fresh {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = L::load(&currents.get_unchecked(usize::from(steps[from + i])).0);
            }
        }
        let first = rows.as_ptr().cast::<u64>();
        for eight in places {
            // Two loads fetch eight rows.
            let halves = std::mem::transmute::<[u16; 8], [u64; 2]>(*eight).map(u64::from_le);
            for (i, sum) in sums.iter_mut().enumerate() {
                let place = (halves[(from + i) / 4] >> (16 * ((from + i) % 4))) as u16;
                let row = first.add(usize::from(place)).cast::<Line>();
                *sum = sum.add(L::load(&(*row).0));
            }
        }
        for (i, sum) in sums.into_iter().enumerate() {
            sum.store(&mut currents.get_unchecked_mut(usize::from(steps[from + i])).0);
        }
    }
}

/// See [`Kernels::unpack`](super::Kernels::unpack).
#[inline(always)]
pub(super) fn unpack_rows(packed: &[Packed], rows: usize, into: &mut [f32; 1 << 16]) {
    into[..rows * BLOCK].fill(-0.0);
    for Packed { weights, places } in packed {
        for (pair, places) in flat(weights).as_chunks::<2>().0.iter().zip(places) {
            into[usize::from(*places as u16)] = pair[0];
            into[usize::from((places >> 16) as u16)] = pair[1];
        }
    }
}

#[inline(always)]
fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, and it has no effect but on the caches.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// See [`Kernels::time_lanes`](super::Kernels::time_lanes).
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn time_lanes<L: Lanes>(
    columns: &Columns,
    first: usize,
    masks: &SpikeMasks,
    steps: usize,
    currents: &mut [Line],
) {
    let groups = steps.div_ceil(BLOCK);
    assert!(
        masks.0.len() >= columns.sources() && currents.len() >= groups * BLOCK,
        "{} masks for {} sources, {} currents for {steps} steps",
        masks.0.len(),
        columns.sources(),
        currents.len()
    );
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(-0.0); BLOCK]; 16];
        for (i, sums) in sums.iter_mut().enumerate() {
            let (ids, weights) = columns.of_target(first + i);
            // SAFETY: sources are below the number of masks, as asserted.
            match groups {
                0..=1 => column::<L, 1>(ids, weights, masks, sums),
                2..=4 => column::<L, 4>(ids, weights, masks, sums),
                5..=8 => column::<L, 8>(ids, weights, masks, sums),
                _ => column::<L, 16>(ids, weights, masks, sums),
            }
        }
        for (group, currents) in currents.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate().take(groups) {
            let mut square: [L; BLOCK] = std::array::from_fn(|i| sums[i][group]);
            L::transpose(&mut square);
            for (lanes, line) in square.into_iter().zip(currents) {
                lanes.store(&mut line.0);
            }
        }
    }
}

/// The currents of one target in `G` times sixteen steps.
///
/// # Safety
/// That of [`Lanes`]; and there is a mask for every id.
#[inline(always)]
unsafe fn column<L: Lanes, const G: usize>(
    ids: &[u16],
    weights: &[f32],
    masks: &SpikeMasks,
    sums: &mut [L; BLOCK],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut steps = [L::splat(-0.0); G];
        for (&id, &weight) in ids.iter().zip(weights) {
            let weight = L::splat(weight);
            let mask = masks.0.get_unchecked(usize::from(id));
            for (g, sum) in steps.iter_mut().enumerate() {
                *sum = sum.replace(L::mask(mask[g]), sum.add(weight));
            }
        }
        sums[..G].copy_from_slice(&steps);
    }
}
