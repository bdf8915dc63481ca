use super::{check_rates, raster};
use crate::{NetworkError, Raster};

/// Evenly spaced spikes: neuron `j` has fired `⌊t·x[j]⌋` times after `t` steps, as an integrate-and-fire
/// neuron of threshold 1 would under the constant current `x[j]`, in exact arithmetic.
///
/// Cost: O(neurons + spikes).
///
/// # Errors
/// If a value lies outside [0, 1]; the first one is named.
pub fn regular(x: &[f32], steps: u32) -> Result<Raster, NetworkError> {
    check_rates(x)?;
    let mut spikes = vec![];
    for (neuron, &rate) in (0_u32..).zip(x).filter(|(_, rate)| **rate > 0.0) {
        let rate = f64::from(rate);
        // 24 significant bits times 32 fit the 53 of a double up to 2^29 steps; beyond, the floor may err by
        // one step in time but never in the order of spikes.
        let total = (f64::from(steps) * rate).floor() as u32;
        for spike in 1..=total {
            let spike = f64::from(spike);
            let mut after = (spike / rate).ceil();
            // The quotient is rounded; the product is what defines the step.
            while (after - 1.0) * rate >= spike {
                after -= 1.0;
            }
            while after * rate < spike {
                after += 1.0;
            }
            spikes.push((after as u32 - 1, neuron));
        }
    }
    Ok(raster(steps as usize, &spikes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_after_every_step_is_the_floor_of_steps_times_rate() {
        let x = [0.0, 0.1, 0.25, 1.0 / 3.0, 0.5, 0.99999994, 1.0, 1e-3];
        let raster = regular(&x, 1000).unwrap();
        let mut counts = [0_u32; 8];
        for step in 0..1000 {
            for &neuron in raster.step(step) {
                counts[neuron as usize] += 1;
            }
            for (count, rate) in counts.iter().zip(x) {
                assert_eq!(f64::from(*count), ((step + 1) as f64 * f64::from(rate)).floor());
            }
        }
    }
}
