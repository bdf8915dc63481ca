#[inline(always)]
pub(super) fn scatter(targets: &[u16], weights: &[f32], currents: &mut [f32]) {
    for (&target, weight) in targets.iter().zip(weights) {
        currents[usize::from(target)] += weight;
    }
}

#[inline(always)]
pub(super) fn add_row(row: &[f32], currents: &mut [f32]) {
    for (current, weight) in currents.iter_mut().zip(row) {
        *current += weight;
    }
}

#[inline(always)]
pub(super) fn scatter_scaled(targets: &[u32], weights: &[f32], scale: f32, currents: &mut [f32]) {
    for (&target, weight) in targets.iter().zip(weights) {
        currents[target as usize] += weight * scale;
    }
}

#[inline(always)]
pub(super) fn add_scaled_row(row: &[f32], scale: f32, currents: &mut [f32]) {
    for (current, &weight) in currents.iter_mut().zip(row) {
        // An absent synapse is −0.0 and brings nothing, whatever the value.
        *current += if weight == 0.0 { -0.0 } else { weight * scale };
    }
}
