use super::check_rates;
use super::words::{self, STEPS_PER_WORD};
use crate::error::NetworkError;
use crate::record::Raster;

/// Evenly spaced spikes: neuron `j` has fired `⌊t·x[j]⌋` times after `t` steps, as an integrate-and-fire
/// neuron of threshold 1 would under the constant current `x[j]`, in exact arithmetic.
///
/// Cost: O(neurons · steps + spikes), 64 steps of a neuron in about as many cycles, or in one if it does not fire in them.
///
/// # Errors
/// If a value lies outside [0, 1]; the first one is named.
pub fn regular(x: &[f32], steps: u32) -> Result<Raster, NetworkError> {
    check_rates(x)?;
    let firing = (0_u32..).zip(x).filter(|(_, rate)| **rate > 0.0);
    let mut trains: Vec<(u32, Phase)> =
        firing.map(|(neuron, &rate)| (neuron, Phase { phase: 0, rate: fraction(rate) })).collect();
    Ok(words::raster(x.len(), steps, &mut trains, Phase::next))
}

/// `t·x` without its whole part, as a fraction of 2⁶⁴.
struct Phase {
    phase: u64,
    /// `None`: in every step.
    rate: Option<u64>,
}

/// A rate as a fraction of 2⁶⁴; `None` for 1. What is cut off is below 2⁻⁶⁴, and only of rates below 2⁻⁴⁰, of which
/// no run is long enough for a spike.
fn fraction(rate: f32) -> Option<u64> {
    (rate < 1.0).then(|| (f64::from(rate) * 2.0_f64.powi(64)) as u64)
}

impl Phase {
    fn next(&mut self) -> u64 {
        let Some(rate) = self.rate else {
            return u64::MAX;
        };
        // Nothing in all these steps, as is usual at low rates.
        if let Some(after) =
            rate.checked_mul(STEPS_PER_WORD as u64).and_then(|way| self.phase.checked_add(way))
        {
            self.phase = after;
            return 0;
        }
        let mut fires = 0;
        for step in 0..STEPS_PER_WORD {
            let (phase, whole) = self.phase.overflowing_add(rate);
            self.phase = phase;
            fires |= u64::from(whole) << step;
        }
        fires
    }
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
