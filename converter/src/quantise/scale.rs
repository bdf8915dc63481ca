//! The rounding of a group of neurons that loses least.

/// Adding 2²³ and taking it away again rounds a number in `0 ..= 2²²` to the nearest whole number.
const WHOLE: f32 = 8_388_608.0;

const LANES: usize = 8;

/// Numbers that are added up in single precision before they go into a double.
const CHUNK: usize = 256;

/// What a group of neurons gets, and what the trained net's activation is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    /// Total inputs in the quantised network, in the activation's unit.
    pub inputs: Vec<f32>,
    /// Activations of the trained net, at least 0.
    pub targets: Vec<f32>,
}

impl Pairs {
    /// Every second pair, from `first` on.
    pub fn every_second(&self, first: usize) -> Self {
        let half = |numbers: &[f32]| numbers.iter().skip(first).step_by(2).copied().collect();
        Self { inputs: half(&self.inputs), targets: half(&self.targets) }
    }

    /// The sum of the targets' squares.
    pub fn size(&self) -> f64 {
        self.targets.iter().map(|&target| f64::from(target) * f64::from(target)).sum()
    }
}

/// How a group rounds: `value · clip(⌊(Σ + shift)/threshold + ½⌋, 0, L)` for the total input Σ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rounding {
    /// θ, what one count takes, in the unit of the total input.
    pub threshold: f64,
    /// What is added to the total input.
    pub shift: f64,
    /// What one count stands for behind, in the activation's unit.
    pub value: f64,
}

impl Rounding {
    /// Without a shift, and with counts that stand for what they take.
    pub fn plain(threshold: f64) -> Self {
        Self { threshold, shift: 0.0, value: threshold }
    }

    /// The sum of squared errors over the pairs.
    pub fn error(&self, pairs: &Pairs, levels: u32) -> f64 {
        let [product, square] = sums(pairs, self.threshold, self.shift, levels);
        (pairs.size() + self.value * (self.value * square - 2.0 * product)).max(0.0)
    }

    /// The rounding of this threshold and shift whose counts stand for what loses least: linear regression of the targets on
    /// the counts, within a factor of two of the threshold. Its squared error, less the targets' squares.
    fn regressed(pairs: &Pairs, threshold: f64, shift: f64, levels: u32) -> (f64, Self) {
        let [product, square] = sums(pairs, threshold, shift, levels);
        let value = match square > 0.0 {
            true => (product / square).clamp(0.5 * threshold, 2.0 * threshold),
            false => threshold,
        };
        (value * (value * square - 2.0 * product), Self { threshold, shift, value })
    }
}

/// Σ A·a and Σ A² over counts A and targets a.
fn sums(pairs: &Pairs, threshold: f64, shift: f64, levels: u32) -> [f64; 2] {
    let (factor, summand, most) = ((1.0 / threshold) as f32, (shift / threshold) as f32, levels as f32);
    let add = |sums: [&mut f32; 2], input: f32, target: f32| {
        let count = ((input * factor + summand).max(0.0).min(most) + WHOLE) - WHOLE;
        *sums[0] += count * target;
        *sums[1] += count * count;
    };
    let mut sums = [0.0_f64; 2];
    for (inputs, targets) in pairs.inputs.chunks(CHUNK).zip(pairs.targets.chunks(CHUNK)) {
        let [mut products, mut squares] = [[0.0_f32; LANES]; 2];
        let (full, rest) = inputs.as_chunks::<LANES>();
        let (full_targets, rest_targets) = targets.as_chunks::<LANES>();
        for (inputs, targets) in full.iter().zip(full_targets) {
            for lane in 0..LANES {
                add([&mut products[lane], &mut squares[lane]], inputs[lane], targets[lane]);
            }
        }
        for (lane, (&input, &target)) in rest.iter().zip(rest_targets).enumerate() {
            add([&mut products[lane], &mut squares[lane]], input, target);
        }
        sums[0] += products.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        sums[1] += squares.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    sums
}

/// The relative changes of the threshold and the changes of the shift, in thresholds, that the search ends with: no one of
/// them makes a found rounding better.
const STEPS: [f64; 2] = [0.04, 0.25];

/// How often steps are halved.
const HALVINGS: i32 = 5;

/// Activations below this share of what arrives are as good as none: what rounds them would leave the range of `f32`.
const LEAST: f32 = 1e-9;

/// Thresholds that are looked at, in parts of the one with which the largest activation is L counts. Where nothing that arrives
/// goes with an activation, the smaller a threshold, the less its counts are worth and the smaller the error, down to zero.
const RANGE: [f64; 2] = [1.0 / 64.0, 4.0];

/// The rounding of least squared error that a search along one number at a time finds, from a grid of thresholds on; none
/// where no activation is above zero, or all are tiny beside what arrives.
pub(super) fn search(pairs: &Pairs, levels: u32) -> Option<Rounding> {
    let largest = pairs.targets.iter().copied().fold(0.0_f32, f32::max);
    let reach = pairs.inputs.iter().fold(0.0_f32, |reach, input| reach.max(input.abs()));
    if largest < f32::MIN_POSITIVE.sqrt() || largest < LEAST * reach {
        return None;
    }
    let unit = f64::from(largest) / f64::from(levels);
    // The shift that makes the means of what is above zero in the trained net equal.
    let active = pairs.inputs.iter().zip(&pairs.targets).filter(|(_, target)| **target > 0.0);
    let (off, count) = active.fold((0.0, 0.0), |(off, count), (&input, &target)| {
        (off + f64::from(target) - f64::from(input), count + 1.0)
    });
    let mut best = (f64::INFINITY, Rounding::plain(unit));
    let mut consider = |threshold: f64, shift: f64| {
        if !(RANGE[0] * unit..=RANGE[1] * unit).contains(&threshold) {
            return best.1;
        }
        let found = Rounding::regressed(pairs, threshold, shift, levels);
        if found.0 < best.0 {
            best = found;
        }
        best.1
    };
    let mut now = consider(unit, 0.0);
    for point in 0..24 {
        // From a twentieth of the largest activation to a little more than it.
        let threshold = unit * 0.05 * 22.0_f64.powf(f64::from(point) / 23.0);
        consider(threshold, 0.0);
        now = consider(threshold, off / count);
    }
    for halving in 0..=HALVINGS {
        let [of_threshold, of_shift] = STEPS.map(|step| step * 0.5_f64.powi(halving));
        // The error falls with every change, so that this ends; more than a few rounds are rare.
        let rounds = if halving == HALVINGS { usize::MAX } else { 4 };
        for _ in 0..rounds {
            let before = now;
            for sign in [-1.0, 1.0] {
                now = consider(before.threshold * (1.0 + sign * of_threshold), before.shift);
            }
            let here = now;
            for sign in [-1.0, 1.0] {
                now = consider(here.threshold, here.shift + sign * of_shift * here.threshold);
            }
            if now == before {
                break;
            }
        }
    }
    Some(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As it is defined, number by number.
    fn error(pairs: &Pairs, rounding: Rounding, levels: u32) -> f64 {
        let each = pairs.inputs.iter().zip(&pairs.targets).map(|(&input, &target)| {
            let count = ((f64::from(input) + rounding.shift) / rounding.threshold + 0.5).floor();
            let off = rounding.value * count.clamp(0.0, f64::from(levels)) - f64::from(target);
            off * off
        });
        each.sum()
    }

    fn pairs(inputs: Vec<f32>, noise: &[f32]) -> Pairs {
        let targets = inputs.iter().zip(noise).map(|(x, noise)| (x + noise).max(0.0)).collect();
        Pairs { inputs, targets }
    }

    #[test]
    fn whole_activations_up_to_the_number_of_levels_are_kept_without_any_loss() {
        let inputs: Vec<f32> = (-3..=8).map(|x| x as f32 * 0.25).collect();
        let targets = inputs.iter().map(|x| x.max(0.0)).collect();
        let found = search(&Pairs { inputs: inputs.clone(), targets }, 8).unwrap();
        for x in inputs {
            let count = ((f64::from(x) + found.shift) / found.threshold + 0.5).floor().clamp(0.0, 8.0);
            assert!((found.value * count - f64::from(x).max(0.0)).abs() < 1e-6, "{x}: {count} of {found:?}");
        }
    }

    #[test]
    fn an_error_of_the_mean_goes_into_the_shift() {
        // Everything arrives 0.6 too low.
        let targets: Vec<f32> = (1..=40).map(|x| x as f32 * 0.1).collect();
        let inputs = targets.iter().map(|x| x - 0.6).collect();
        let found = search(&Pairs { inputs, targets }, 16).unwrap();
        assert!((found.shift - 0.6).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn what_is_never_active_has_no_rounding() {
        let none = Pairs { inputs: vec![1.0, -1.0], targets: vec![0.0, 0.0] };
        assert_eq!(search(&none, 4), None);
        let hardly = Pairs { inputs: vec![-100.0, 1e-12], targets: vec![0.0, 1e-12] };
        assert_eq!(search(&hardly, 4), None);
    }

    #[test]
    fn activations_that_nothing_arrives_for_do_not_take_the_threshold_to_zero() {
        // What arrives where the trained net is active lies below all the rest, so that every count is one too many, and the
        // less it is worth, the better.
        let inputs = [vec![-5.0, 1.0], vec![-3.0; 2000]].concat();
        let mut targets = vec![0.0; inputs.len()];
        targets[0] = 1.0;
        let found = search(&Pairs { inputs, targets }, 8).unwrap();
        assert!(found.threshold >= 1.0 / 8.0 / 64.0 && found.value >= 0.5 * found.threshold, "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_squared_error_is_what_its_definition_says(
            inputs in prop::collection::vec(-4.0_f32..8.0, 1..600),
            noise in prop::collection::vec(-0.5_f32..0.5, 600),
            threshold in 0.05_f64..2.0,
            shift in -1.0_f64..1.0,
            value in 0.05_f64..2.0,
            levels in 1_u32..40,
        ) {
            let pairs = pairs(inputs, &noise);
            let rounding = Rounding { threshold, shift, value };
            let (found, wanted) = (rounding.error(&pairs, levels), error(&pairs, rounding, levels));
            // A number beside a half may be rounded either way in single precision.
            prop_assert!((found - wanted).abs() <= 1e-3 * wanted + 1e-2, "{} {}", found, wanted);
        }

        #[test]
        fn no_neighbour_of_a_found_rounding_has_a_smaller_squared_error(
            inputs in prop::collection::vec(-4.0_f32..8.0, 1..400),
            noise in prop::collection::vec(-0.5_f32..0.5, 400),
            levels in 1_u32..40,
        ) {
            let pairs = pairs(inputs, &noise);
            let Some(found) = search(&pairs, levels) else { return Ok(()) };
            let least = found.error(&pairs, levels);
            let [of_threshold, of_shift] = STEPS.map(|step| step * 0.5_f64.powi(HALVINGS));
            let largest = pairs.targets.iter().copied().fold(0.0_f32, f32::max);
            let unit = f64::from(largest) / f64::from(levels);
            for sign in [-1.0, 1.0] {
                for near in [
                    Rounding { threshold: found.threshold * (1.0 + sign * of_threshold), ..found },
                    Rounding { shift: found.shift + sign * of_shift * found.threshold, ..found },
                    Rounding { value: (found.value * (1.0 + sign * 0.01))
                        .clamp(0.5 * found.threshold, 2.0 * found.threshold), ..found },
                ] {
                    if !(RANGE[0] * unit..=RANGE[1] * unit).contains(&near.threshold) {
                        continue;
                    }
                    let error = near.error(&pairs, levels);
                    prop_assert!(error >= least * (1.0 - 1e-6) - 1e-9, "{:?} {} {:?} {}", found, least, near, error);
                }
            }
        }
    }
}
