use rand::Rng;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::{check_rates, raster};
use crate::{NetworkError, Raster};

/// Random spikes: neuron `j` fires in every step with probability `x[j]`, independently (a Bernoulli
/// process, the discrete form of Poisson input).
///
/// The gap between two spikes is geometrically distributed, so one random number is drawn per spike and
/// not per step: with `U` uniform in (0, 1], the gap is `1 + ⌊ln U / ln(1 − x)⌋` (Devroye 1986, chapter X.2).
/// Each neuron has its own stream, seeded by (`seed`, `sample`, neuron). The logarithm is computed in
/// software, so the spikes do not depend on the platform.
///
/// Cost: O(neurons + spikes).
///
/// # Errors
/// If a value lies outside [0, 1]; the first one is named.
pub fn bernoulli(x: &[f32], steps: u32, seed: u64, sample: u64) -> Result<Raster, NetworkError> {
    check_rates(x)?;
    let mut spikes = vec![];
    for (neuron, &rate) in (0_u32..).zip(x).filter(|(_, rate)| **rate > 0.0) {
        let mut stream = stream(seed, sample, neuron);
        let scale = 1.0 / libm::log1p(-f64::from(rate));
        let mut step = 0_u64;
        loop {
            // 53 random bits, shifted by one so that the logarithm is finite.
            let uniform = ((stream.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            // At rate 1 the scale is −0.0 and the gap always 1; an overlong gap saturates.
            let gap = (libm::log(uniform) * scale) as u64;
            step = step.saturating_add(gap);
            if step >= u64::from(steps) {
                break;
            }
            spikes.push((step as u32, neuron));
            step += 1;
        }
    }
    Ok(raster(steps as usize, &spikes))
}

/// The stream of random numbers of (`seed`, `sample`, `neuron`).
pub(crate) fn stream(seed: u64, sample: u64, neuron: u32) -> Xoshiro256PlusPlus {
    let mut state = split_mix(split_mix(split_mix(seed) ^ sample) ^ u64::from(neuron));
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        state = split_mix(state);
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    Xoshiro256PlusPlus::from_seed(bytes)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection whose outputs look random.
pub(crate) fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_run_begins_with_the_shorter_one_and_no_neuron_disturbs_another() {
        let x = [0.0, 0.1, 1.0, 1e-6, 0.5];
        let long = bernoulli(&x, 512, 7, 3).unwrap();
        let short = bernoulli(&x, 100, 7, 3).unwrap();
        for step in 0..100 {
            assert_eq!(long.step(step), short.step(step));
        }
        let other = bernoulli(&[0.9, 0.1, 0.3, 1e-6, 0.5], 512, 7, 3).unwrap();
        let of = |raster: &Raster, neuron: u32| -> Vec<usize> {
            (0..512).filter(|&step| raster.step(step).contains(&neuron)).collect()
        };
        for neuron in [1, 3, 4] {
            assert_eq!(of(&long, neuron), of(&other, neuron));
        }
        assert_eq!(of(&long, 2).len(), 512, "a neuron of rate 1 fires in every step");
        assert!(of(&long, 0).is_empty(), "a neuron of rate 0 never fires");
    }

    #[test]
    fn the_rate_is_the_value_within_five_standard_errors() {
        let steps = 200_000_u32;
        for rate in [0.003_f32, 0.1, 0.5, 0.97] {
            let raster = bernoulli(&[rate], steps, 1, 0).unwrap();
            let (n, p) = (f64::from(steps), f64::from(rate));
            let deviation = (raster.neurons().len() as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
            assert!(deviation.abs() < 5.0, "rate {rate}: {deviation} standard errors off");
        }
    }

    #[test]
    fn the_spikes_of_a_seed_never_change() {
        let raster = bernoulli(&[0.3, 0.05, 0.8], 12, 42, 5).unwrap();
        let steps: Vec<&[u32]> = (0..12).map(|step| raster.step(step)).collect();
        // Runs are cited with their seed, so these may never change.
        let pinned: [&[u32]; 12] =
            [&[], &[2], &[0], &[2], &[2], &[0, 2], &[0, 1, 2], &[], &[2], &[2], &[], &[0, 2]];
        assert_eq!(steps, pinned);
    }

    #[test]
    fn a_value_that_is_no_rate_is_named() {
        for bad in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
            let error = bernoulli(&[0.5, bad], 10, 0, 0).unwrap_err().to_string();
            assert!(error.contains("[1]") && error.contains(&bad.to_string()), "{error}");
        }
    }
}
