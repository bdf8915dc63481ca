//! The bodies of the window kernels.

use std::ops::Range;

use super::columns::{Columns, SpikeMasks};
use super::octets::{MOST_ROWS, MOST_STEPS, Octets};
use super::packed::Packed;
use crate::lanes::{BLOCK, Lanes, Line, flat};

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
    /// While so many weights of a row are added, as many of a coming row are fetched.
    const PIECE: usize = 32;
    assert_eq!(targets.len(), weights.len(), "targets and weights");
    let ahead = rows_ahead(ends.len(), weights.len());
    let range = |row: u32| starts[row as usize] as usize..ends[row as usize] as usize;
    for coming in rows.iter().take(ahead).map(|&row| range(row)) {
        fetch_all(targets, weights, coming);
    }
    for (at, &row) in rows.iter().enumerate() {
        let range_now = range(row);
        let mut coming = rows.get(at + ahead).map_or(0..0, |&coming| range(coming));
        let (fours, last) = targets[range_now.clone()].as_chunks::<4>();
        let (four_weights, _) = weights[range_now.clone()].as_chunks::<4>();
        for (fours, four_weights) in fours.chunks(PIECE / 4).zip(four_weights.chunks(PIECE / 4)) {
            if coming.start < coming.end {
                fetch(targets, weights, coming.start);
                coming.start += PIECE;
            }
            add_fours(fours, four_weights, currents);
        }
        fetch_all(targets, weights, coming);
        add_rest(range_now.end - last.len()..range_now.end, targets, weights, currents);
    }
}

/// See [`Kernels::add_wide_rows`](super::Kernels::add_wide_rows).
#[inline(always)]
pub(super) fn add_wide_rows(
    rows: &[u32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u32],
    weights: &[f32],
    currents: &mut [f32],
) {
    let ahead = rows_ahead(ends.len(), weights.len());
    let range = |row: u32| starts[row as usize] as usize..ends[row as usize] as usize;
    for coming in rows.iter().take(ahead) {
        fetch_all(targets, weights, range(*coming));
    }
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&coming) = rows.get(at + ahead) {
            fetch_all(targets, weights, range(coming));
        }
        let range = range(row);
        for (&target, weight) in targets[range.clone()].iter().zip(&weights[range]) {
            currents[target as usize] += weight;
        }
    }
}

/// How many rows ahead of its turn a row of a table that no near cache holds is fetched: about 512 weights, so of short rows
/// several are under way at once.
#[inline(always)]
fn rows_ahead(rows: usize, weights: usize) -> usize {
    (512 * rows / weights.max(1)).clamp(1, 16)
}

/// See [`Kernels::add_scaled_rows`](super::Kernels::add_scaled_rows).
#[inline(always)]
pub(super) fn add_scaled_rows(
    rows: &[u32],
    scales: &[i32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
) {
    assert_eq!(
        (targets.len(), rows.len()),
        (weights.len(), scales.len()),
        "targets and weights, rows and scales"
    );
    for (&row, &scale) in rows.iter().zip(scales) {
        let range = starts[row as usize] as usize..ends[row as usize] as usize;
        for (&target, weight) in targets[range.clone()].iter().zip(&weights[range]) {
            currents[usize::from(target)] += weight * scale as f32;
        }
    }
}

/// Brings the rest of a row into the cache, its last line included.
#[inline(always)]
fn fetch_all<T>(targets: &[T], weights: &[f32], row: Range<usize>) {
    fetch_values(targets, row.clone());
    fetch_values(weights, row);
}

#[inline(always)]
fn fetch_values<T>(values: &[T], row: Range<usize>) {
    for at in row.clone().step_by(size_of::<Line>() / size_of::<T>()) {
        prefetch(values.as_ptr().wrapping_add(at));
    }
    prefetch(values.as_ptr().wrapping_add(row.end.wrapping_sub(1)));
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
        enough && rows.len() <= MOST_ROWS,
        "{} rows for {}, {} currents for {}",
        rows.len(),
        octets.rows(),
        currents.len(),
        octets.padded()
    );
    let each = octets.iter();
    let scales = octets.scales();
    // The next block is fetched while this one is worked on, a share with each octet.
    let mut ahead = next.chunks(next.len().div_ceil(each.len().max(1)).max(1));
    for (steps, places) in each {
        for line in ahead.next().unwrap_or_default() {
            prefetch(line);
        }
        if let Some(scales) = scales {
            // SAFETY: the caller's promise; rows and steps are in bounds as asserted.
            unsafe {
                sum_scaled::<L>(
                    rows,
                    &octets.places()[places.clone()],
                    &scales[places],
                    steps,
                    currents,
                    fresh,
                )
            };
            continue;
        }
        let places = &octets.places()[places];
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

/// The sums of eight steps, with values of the spikes.
///
/// # Safety
/// That of [`Lanes`]; and the places name only `rows`, the steps only `currents`.
#[inline(always)]
unsafe fn sum_scaled<L: Lanes>(
    rows: &[Line],
    places: &[[u16; 8]],
    scales: &[[f32; 8]],
    steps: &[u16; 8],
    currents: &mut [Line],
    fresh: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let first = rows.as_ptr().cast::<u64>();
        for (i, &step) in steps.iter().enumerate() {
            let current = &mut currents.get_unchecked_mut(usize::from(step)).0;
            let mut sum = if fresh { L::splat(-0.0) } else { L::load(current) };
            for (places, scales) in places.iter().zip(scales) {
                let row = L::load(&(*first.add(usize::from(places[i])).cast::<Line>()).0);
                // Where there is no synapse, −0.0, the sum stays as it is; −0.0 times a negative value would not do that.
                sum = sum.replace(row.arrived(), sum.add(row.mul(L::splat(scales[i]))));
            }
            sum.store(current);
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
    from: usize,
    steps: usize,
    currents: &mut [Line],
) {
    let groups = steps.div_ceil(BLOCK);
    let valued = !masks.values.is_empty();
    assert!(!valued || masks.values.len() == masks.masks.len(), "values of {} sources", masks.values.len());
    let values = if valued { &masks.values[from..] } else { &[] };
    let masks = &masks.masks[from..];
    assert!(
        masks.len() >= columns.sources() && currents.len() >= groups * BLOCK,
        "{} masks for {} sources, {} currents for {steps} steps",
        masks.len(),
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
                _ if valued => scaled_column::<L>(ids, weights, masks, values, groups, sums),
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

/// The currents of one target in `groups` times sixteen steps, with values of the spikes.
///
/// # Safety
/// That of [`Lanes`]; and there are a mask and values for every id.
#[inline(always)]
unsafe fn scaled_column<L: Lanes>(
    ids: &[u16],
    weights: &[f32],
    masks: &[[u16; MOST_STEPS / 16]],
    values: &[[Line; MOST_STEPS / 16]],
    groups: usize,
    sums: &mut [L; BLOCK],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for (&id, &weight) in ids.iter().zip(weights) {
            let weight = L::splat(weight);
            let mask = masks.get_unchecked(usize::from(id));
            let values = values.get_unchecked(usize::from(id));
            for (g, sum) in sums[..groups].iter_mut().enumerate() {
                let values = L::load(&values[g].0);
                *sum = sum.replace(L::mask(mask[g]), sum.add(weight.mul(values)));
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
    masks: &[[u16; MOST_STEPS / 16]],
    sums: &mut [L; BLOCK],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut steps = [L::splat(-0.0); G];
        for (&id, &weight) in ids.iter().zip(weights) {
            let weight = L::splat(weight);
            let mask = masks.get_unchecked(usize::from(id));
            for (g, sum) in steps.iter_mut().enumerate() {
                *sum = sum.replace(L::mask(mask[g]), sum.add(weight));
            }
        }
        sums[..G].copy_from_slice(&steps);
    }
}
