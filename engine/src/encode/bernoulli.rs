use rand::Rng;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::check_rates;
use super::words::{self, STEPS_PER_WORD};
use crate::error::NetworkError;
use crate::record::Raster;

/// From this rate on, 64 steps are drawn at once: then a spike of a gap costs more.
const FREQUENT: f32 = 1.0 / 64.0;

/// Random spikes: neuron `j` fires in every step with probability `x[j]`, independently (a Bernoulli
/// process, the discrete form of Poisson input).
///
/// Neither way of drawing needs a random number for every step:
///
/// - Below 1/64 the gaps between spikes are drawn, which are geometrically distributed: with `U` uniform in (0, 1]
///   a gap is `⌊ln U / ln(1 − x)⌋` steps without a spike (Devroye 1986, chapter X.2). The logarithm is computed in
///   software, so the spikes do not depend on the platform.
/// - From there on, 64 uniform numbers are compared with `x` at once, bit by bit from the most significant one: a
///   step is decided by the first bit in which its number differs from `x`, and once all are decided, after 7 or 8
///   words of random bits, the rest is never drawn. The probability is exactly `x`.
///
/// Each neuron has its own stream, seeded by (`seed`, `sample`, neuron).
///
/// Cost: O(neurons · steps / 64 + spikes).
///
/// # Errors
/// If a value lies outside [0, 1]; the first one is named.
pub fn bernoulli(x: &[f32], steps: u32, seed: u64, sample: u64) -> Result<Raster, NetworkError> {
    check_rates(x)?;
    let firing = (0_u32..).zip(x).filter(|(_, rate)| **rate > 0.0);
    let mut trains: Vec<(u32, Train)> =
        firing.map(|(neuron, &rate)| (neuron, Train::new(rate, stream(seed, sample, neuron)))).collect();
    Ok(words::raster(x.len(), steps, &mut trains, Train::next))
}

/// The spikes of one neuron, 64 steps after the other.
struct Train {
    stream: Xoshiro256PlusPlus,
    kind: Kind,
}

enum Kind {
    /// By gaps: the steps until the next spike, and `1 / ln(1 − x)`.
    Rare { until: u64, scale: f64 },
    /// By words: the rate times 2³².
    Frequent { rate: u64 },
}

impl Train {
    fn new(rate: f32, mut stream: Xoshiro256PlusPlus) -> Self {
        let kind = if rate < FREQUENT {
            let scale = 1.0 / libm::log1p(-f64::from(rate));
            Kind::Rare { until: gap(&mut stream, scale), scale }
        } else {
            // Exact: the last of its 24 bits is worth 2⁻³⁰ or more.
            Kind::Frequent { rate: (f64::from(rate) * (1_u64 << 32) as f64) as u64 }
        };
        Self { stream, kind }
    }

    fn next(&mut self) -> u64 {
        match &mut self.kind {
            Kind::Rare { until, scale } => {
                let mut fires = 0;
                while *until < STEPS_PER_WORD as u64 {
                    fires |= 1 << *until;
                    *until = (*until + 1).saturating_add(gap(&mut self.stream, *scale));
                }
                *until -= STEPS_PER_WORD as u64;
                fires
            }
            Kind::Frequent { rate } => below(*rate, &mut self.stream),
        }
    }
}

/// The steps without a spike before the next one.
fn gap(stream: &mut Xoshiro256PlusPlus, scale: f64) -> u64 {
    // 53 random bits, shifted by one so that the logarithm is finite. An overlong gap saturates.
    let uniform = ((stream.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (libm::log(uniform) * scale) as u64
}

/// 64 times, a bit each, whether a number uniform in [0, 2³²) is below `rate`.
fn below(rate: u64, stream: &mut Xoshiro256PlusPlus) -> u64 {
    let (mut fires, mut undecided) = (0, u64::MAX);
    if rate >> 32 != 0 {
        return undecided;
    }
    // Behind its last bit the rate has only zeros, and no number is below it any more.
    for bit in (rate.trailing_zeros()..32).rev() {
        let random = stream.next_u64();
        if rate >> bit & 1 == 1 {
            fires |= undecided & !random;
            undecided &= random;
        } else {
            undecided &= !random;
        }
        if undecided == 0 {
            break;
        }
    }
    fires
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
            [&[2], &[2], &[0, 2], &[0, 1, 2], &[0, 2], &[2], &[2], &[2], &[0, 2], &[2], &[2], &[0, 2]];
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
