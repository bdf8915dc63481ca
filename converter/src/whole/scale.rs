//! The scale of a group of weights.

/// A weight with how much an error of it counts: the mean square of what arrives over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighted {
    pub weight: f64,
    pub counts: f64,
}

/// How far weights are clipped at most: to this share of the largest.
const LEAST: f64 = 0.3;

/// Scales that are tried between that and no clipping.
const TRIES: u32 = 36;

/// A weight is a whole multiple of a scale if nothing but the rounding to f32 is between.
const MULTIPLE: f64 = 1e-4;

/// The scale with which whole numbers of at most `largest` in magnitude represent the weights with the least squared error;
/// `None` if there are no weights. If all of them are whole multiples of a number already it is that one.
///
/// Cost: O(weights) for each of a few dozen scales, for another hundred until a weight is seen that is no multiple.
pub(super) fn least_error(weights: &[Weighted], largest: i16) -> Option<f64> {
    let most = weights.iter().map(|of| of.weight.abs()).fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    if let Some(scale) = common(weights, most, largest) {
        return Some(scale);
    }
    // What never arrives must not decide, but have a say where nothing does.
    let floor = weights.iter().map(|of| of.counts).sum::<f64>() / weights.len() as f64 * 1e-3;
    let counts = |of: &Weighted| of.counts.max(floor).max(f64::MIN_POSITIVE);
    let error = |scale: f64| -> f64 {
        let errors = weights.iter().map(|of| {
            let left = of.weight - scale * whole(of.weight / scale, largest);
            left * left * counts(of)
        });
        errors.sum()
    };
    let unclipped = most / f64::from(largest);
    // Clipping pays where there are few levels only.
    let tries = if largest > 127 { 0 } else { TRIES };
    let mut best = (error(unclipped), unclipped);
    for try_ in 1..=tries {
        let scale = unclipped * (1.0 - (1.0 - LEAST) * f64::from(try_) / f64::from(TRIES));
        let found = error(scale);
        if found < best.0 {
            best = (found, scale);
        }
    }
    // The least squares for the whole numbers that it gives.
    for _ in 0..4 {
        let (mut products, mut squares) = (0.0, 0.0);
        for of in weights {
            let n = whole(of.weight / best.1, largest);
            products += of.weight * n * counts(of);
            squares += n * n * counts(of);
        }
        let scale = if squares > 0.0 { products / squares } else { best.1 };
        let found = error(scale);
        if !(scale > 0.0 && found < best.0) {
            break;
        }
        best = (found, scale);
    }
    Some(best.1)
}

/// A number rounded to a whole one of at most `largest` in magnitude, halves away from zero.
pub(super) fn whole(value: f64, largest: i16) -> f64 {
    let largest = f64::from(largest);
    value.round().clamp(-largest, largest)
}

/// The largest number of which all weights are whole multiples, of at most `largest` (and at most 127) in magnitude.
fn common(weights: &[Weighted], most: f64, largest: i16) -> Option<f64> {
    (1..=largest.min(127)).map(|multiple| most / f64::from(multiple)).find(|scale| {
        weights.iter().all(|of| {
            let multiple = of.weight / scale;
            (multiple - multiple.round()).abs() <= MULTIPLE
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(weights: &[f64]) -> Vec<Weighted> {
        weights.iter().map(|&weight| Weighted { weight, counts: 1.0 }).collect()
    }

    #[test]
    fn multiples_of_one_number_keep_it() {
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-9, "{a:?} for {b}");
        close(least_error(&weighted(&[0.3, -0.1, 0.7]), 7), 0.1);
        close(least_error(&weighted(&[0.02, -0.5, 0.02]), 127), 0.02);
        close(least_error(&weighted(&[-0.25]), 7), 0.25);
        // Not at most 7 times anything.
        assert!((least_error(&weighted(&[0.1, 0.9]), 7).unwrap() - 0.1).abs() > 1e-3);
        assert_eq!(least_error(&weighted(&[]), 7), None);
        assert_eq!(least_error(&weighted(&[0.0, -0.0]), 7), None);
    }

    #[test]
    fn the_scale_is_better_than_every_other_of_a_fine_grid() {
        let weights: Vec<f64> =
            (0..300).map(|i| (f64::from(i) * 0.7).sin() * (f64::from(i) * 0.013).exp() / 50.0).collect();
        let weights = weighted(&weights);
        let error = |scale: f64| -> f64 {
            weights.iter().map(|of| (of.weight - scale * whole(of.weight / scale, 7)).powi(2)).sum()
        };
        let found = least_error(&weights, 7).unwrap();
        let most = weights.iter().map(|of| of.weight.abs()).fold(0.0, f64::max);
        let grid =
            (1..=400).map(|i| most / 7.0 * f64::from(i) / 400.0).map(error).fold(f64::INFINITY, f64::min);
        assert!(error(found) <= grid * 1.02, "{} for {grid}", error(found));
        // Clipped: the largest weights are rare.
        assert!(found < 0.9 * most / 7.0, "{found} of {most}");
    }

    #[test]
    fn a_weight_counts_as_much_as_its_source_is_active() {
        let mut weights = weighted(&[7.3, 0.7, 0.61, 0.33, -0.44]);
        weights[0].counts = 1e-6;
        let quiet = least_error(&weights, 7).unwrap();
        weights[0].counts = 1.0;
        assert!(quiet < 0.5 * least_error(&weights, 7).unwrap(), "{quiet}");
    }
}
