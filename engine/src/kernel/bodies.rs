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

#[inline(always)]
pub(super) fn scatter_scaled<T>(
    targets: &[T],
    weights: &[f32],
    scale: f32,
    currents: &mut [f32],
    place: impl Fn(&T) -> usize,
) {
    for (target, weight) in targets.iter().zip(weights) {
        currents[place(target)] += weight * scale;
    }
}

#[inline(always)]
pub(super) fn add_scaled_row(row: &[f32], scale: f32, currents: &mut [f32]) {
    for (current, &weight) in currents.iter_mut().zip(row) {
        // An absent synapse is −0.0 and brings nothing, whatever the value.
        *current += if weight == 0.0 { -0.0 } else { weight * scale };
    }
}
