use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The 97.5 % point of the standard normal distribution: intervals hold the true share 95 times of 100.
const Z: f64 = 1.959_963_984_540_054;

/// A share of samples, with the interval that its number of samples allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Proportion {
    /// Samples that have the property.
    pub of_them: u64,
    /// Samples in all.
    pub samples: u64,
    /// Their share.
    pub share: f64,
    /// The lower end of the 95 % interval of Wilson (1927), without correction for continuity.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Proportion {
    /// The share of `of_them` among `samples`; of none nothing is known, which is 0 to 1.
    #[must_use]
    pub fn new(of_them: u64, samples: u64) -> Self {
        if samples == 0 {
            return Self { of_them, samples, share: f64::NAN, low: 0.0, high: 1.0 };
        }
        let (n, share) = (samples as f64, of_them as f64 / samples as f64);
        let spread = Z * Z / n;
        let centre = share + spread / 2.0;
        let half = Z * (share * (1.0 - share) / n + spread / (4.0 * n)).sqrt();
        // At the ends rounding may leave the unit interval, or the share itself, by one place.
        let end = |value: f64| (value / (1.0 + spread)).clamp(0.0, 1.0);
        Self {
            of_them,
            samples,
            share,
            low: end(centre - half).min(share),
            high: end(centre + half).max(share),
        }
    }

    /// How often `holds` is true.
    pub fn count(holds: impl IntoIterator<Item = bool>) -> Self {
        let (mut of_them, mut samples) = (0, 0);
        for holds in holds {
            of_them += u64::from(holds);
            samples += 1;
        }
        Self::new(of_them, samples)
    }
}

/// Whether two classifiers differ on the same samples: the exact test of McNemar (1947), by the samples on which just one
/// of them is right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct McNemar {
    /// Samples that only the first has right.
    pub only_first: u64,
    /// Samples that only the second has right.
    pub only_second: u64,
    /// The probability of a split at least as uneven, were both equally good: two-sided, from the binomial distribution.
    pub p: f64,
}

impl McNemar {
    /// The test over pairs (first is right, second is right).
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let (mut only_first, mut only_second) = (0, 0);
        for (first, second) in pairs {
            only_first += u64::from(first && !second);
            only_second += u64::from(second && !first);
        }
        Self::from_counts(only_first, only_second)
    }

    /// The test over the samples on which just one is right.
    #[must_use]
    pub fn from_counts(only_first: u64, only_second: u64) -> Self {
        let less = only_first.min(only_second);
        let tail = match Binomial::new(0.5, only_first + only_second) {
            Ok(even) => even.cdf(less),
            // Not reached: one half is a probability.
            Err(_) => 1.0,
        };
        Self { only_first, only_second, p: (2.0 * tail).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (of_them, samples, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = Proportion::new(of_them, samples);
            assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
        }
        assert_eq!(Proportion::new(20, 20).high, 1.0);
        assert_eq!((Proportion::new(0, 0).low, Proportion::new(0, 0).high), (0.0, 1.0));
    }

    #[test]
    fn mcnemars_p_is_that_of_fair_coins() {
        // Of 6 coins none or all are heads 2 times in 64.
        assert!((McNemar::from_counts(0, 6).p - 2.0 / 64.0).abs() < 1e-12);
        // Of 4 at most one, or at least three: 2 · 5 / 16, which is above one half.
        assert!((McNemar::from_counts(3, 1).p - 0.625).abs() < 1e-12);
        assert_eq!(McNemar::from_counts(0, 0).p, 1.0);
        assert_eq!(McNemar::from_counts(5, 5).p, 1.0);
        let found = McNemar::of([(true, true), (true, false), (false, true), (false, false), (true, false)]);
        assert_eq!((found.only_first, found.only_second), (2, 1));
    }

    proptest! {
        #[test]
        fn a_share_lies_in_its_interval_which_narrows_with_more_samples(of_them in 0_u64..200, more in 0_u64..200) {
            let samples = of_them + more;
            prop_assume!(samples > 0);
            let few = Proportion::new(of_them, samples);
            prop_assert!(0.0 <= few.low && few.low <= few.share && few.share <= few.high && few.high <= 1.0);
            let many = Proportion::new(of_them * 4, samples * 4);
            prop_assert!(many.high - many.low < few.high - few.low);
        }

        #[test]
        fn mcnemar_does_not_care_who_is_first(first in 0_u64..60, second in 0_u64..60) {
            let p = McNemar::from_counts(first, second).p;
            prop_assert_eq!(p, McNemar::from_counts(second, first).p);
            // By hand: the sum of binomial coefficients.
            let all = first + second;
            let coefficient = |k: u64| (0..k).map(|i| ((all - i) as f64 / (i + 1) as f64).ln()).sum::<f64>();
            let tail: f64 = (0..=first.min(second)).map(|k| (coefficient(k) - all as f64 * 2_f64.ln()).exp()).sum();
            prop_assert!((p - (2.0 * tail).min(1.0)).abs() < 1e-9);
        }
    }
}
