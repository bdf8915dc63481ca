//! Whether the net that was read computes what the trained one did.
//!
//! A file can state another net than the one that was trained: a tracer freezes what depended on the values it was shown,
//! an exporter leaves out what it does not know. Nothing in the file tells; outputs of the trained net itself do.

use crate::ann::{Ann, Decision, Op};
use crate::forward::{ForwardError, forward_while};
use crate::wanted::Wanted;
use serde::Serialize;

/// The largest [relative difference](Agreement::largest) that is taken for rounding.
pub const TOLERANCE: f64 = 1e-3;

/// Outputs below this part of the largest one expected are not compared by their own size: their rounding is that of the
/// large numbers that they are sums of.
const SMALL: f64 = 1e-3;

/// How well a net agrees with the outputs expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Samples compared.
    pub samples: usize,
    /// The largest relative difference of a sample: the largest absolute difference of its outputs, divided by the largest
    /// magnitude among those expected of it, but at least by a thousandth of the largest among those expected of all samples.
    #[serde(rename = "largest_relative_difference")]
    pub largest: f64,
}

/// Why a net is not what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExpectError {
    /// The expected outputs do not fit the net or its samples.
    #[error("{0}")]
    Unfit(String),
    /// The net cannot be evaluated on the samples.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// The net computes something else.
    #[error("{0}")]
    Differs(Difference),
}

/// Where a net differs most from the outputs expected of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The place of the sample.
    pub sample: usize,
    /// The place of the output in the sample.
    pub element: usize,
    /// What the trained net gave.
    pub expected: f64,
    /// What the net that was read gives.
    pub found: f64,
    /// The relative difference of that sample, as in [`Agreement::largest`].
    pub relative: f64,
    /// The largest relative difference that is allowed: [`TOLERANCE`], or more for a net with quantised activations, where
    /// rounding moves a value over a step here and there ([`expect`]).
    pub allowed: f64,
    /// Samples that differ by more.
    pub differing: usize,
    /// All samples compared.
    pub samples: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the net that was read is not the one that was trained: output {} of sample {} is {}, expected was {} \
             (relative difference {:.2e}, allowed is {:.0e}; {} of {} samples differ)",
            self.element,
            self.sample,
            short(self.found),
            short(self.expected),
            self.relative,
            self.allowed,
            self.differing,
            self.samples
        )
    }
}

/// A number in six digits, without an exponent where it can be read without one.
fn short(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{number:.5e}");
    }
    let digits = if size < 1.0 { 6 } else { 5_usize.saturating_sub(size.log10() as usize) };
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Compares the outputs of a net for `samples` (`[n][elements]`, as [`logits`](crate::forward::logits) takes them) with those that the trained net
/// gave for them, `[n][outputs]`.
///
/// What the file does behind the net ([`Ann::decisions`]) is done before comparing: of a file that ends in a softmax,
/// probabilities are expected. Where classes are expected (`ArgMax`), another class differs by as much as its score is below
/// the largest one. If the net has quantised activations ([`Op::Qcfs`]), more than [`TOLERANCE`] is allowed where changes of the
/// samples by a millionth change its own outputs by a quarter of that or more, but never above a tenth. Time is that of the
/// forward pass, five times that for such a net that differs.
///
/// # Errors
/// If a sample's relative difference is above what is allowed; the worst one is told. If numbers or their count do not fit.
pub fn expect(ann: &Ann, samples: &[f32], outputs: &[f64]) -> Result<Agreement, ExpectError> {
    expect_while(Wanted::always(), ann, samples, outputs)
}

/// [`expect`] as long as it is wanted.
pub(crate) fn expect_while(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: &[f32],
    outputs: &[f64],
) -> Result<Agreement, ExpectError> {
    let shape = ann.output_shape();
    let decisions = ann.decisions();
    let elements = decisions.last().map_or(shape.elements(), |last| last.elements(shape));
    let count = samples.len() / ann.input_shape().elements();
    if outputs.len() != count * elements {
        return Err(ExpectError::Unfit(format!(
            "{} expected outputs were given for {count} samples; allowed are {elements} for each, {}",
            outputs.len(),
            count * elements
        )));
    }
    if let Some(place) = outputs.iter().position(|output| !output.is_finite()) {
        return Err(ExpectError::Unfit(format!(
            "the expected output {} of sample {} is {}; allowed are finite numbers",
            place % elements,
            place / elements,
            outputs[place]
        )));
    }
    let found = forward_while(wanted, ann, samples, &[], |_| ())?;
    let floor = SMALL * largest_of(outputs);
    let compared = compare_all(ann, &found, outputs, floor)?;
    let worst = |most: &usize, other: &usize| compared[*most].relative.total_cmp(&compared[*other].relative);
    let Some(sample) = (0..count).rev().max_by(worst) else {
        return Ok(Agreement { samples: 0, largest: 0.0 });
    };
    let Compared { relative, element, found: value } = compared[sample];
    let mut allowed = TOLERANCE;
    if relative > allowed && ann.nodes().iter().any(|node| matches!(node.op, Op::Qcfs { .. })) {
        allowed = allowed.max(over_steps(wanted, ann, samples, &found)?);
    }
    if relative <= allowed {
        return Ok(Agreement { samples: count, largest: relative });
    }
    Err(ExpectError::Differs(Difference {
        sample,
        element,
        expected: outputs[sample * elements + element],
        found: value,
        relative,
        allowed,
        differing: compared.iter().filter(|sample| sample.relative > allowed).count(),
        samples: count,
    }))
}

fn largest_of(values: &[f64]) -> f64 {
    values.iter().fold(0.0_f64, |most, value| most.max(value.abs()))
}

/// How far apart two correct evaluations of a net with quantised activations may be: rounding moves a value over a step here
/// and there. It is measured by what changes of the input in the size of rounding do to the net's own outputs, four times the
/// most that is seen, and never more than a tenth.
fn over_steps(wanted: Wanted<'_>, ann: &Ann, samples: &[f32], outputs: &[f32]) -> Result<f64, ForwardError> {
    let mut most = 0.0_f64;
    for [even, odd] in [[1e-6, 1e-6], [-1e-6, -1e-6], [1e-6, -1e-6], [-1e-6, 1e-6]] {
        let moved: Vec<f32> = samples
            .iter()
            .enumerate()
            .map(|(place, x)| (f64::from(*x) * (1.0 + if place % 2 == 0 { even } else { odd })) as f32)
            .collect();
        let moved = forward_while(wanted, ann, &moved, &[], |_| ())?;
        let elements = ann.output_shape().elements();
        for (own, moved) in outputs.chunks_exact(elements).zip(moved.chunks_exact(elements)) {
            let apart = own.iter().zip(moved).fold(0.0_f64, |most, (a, b)| most.max(f64::from(a - b).abs()));
            let scale = own.iter().fold(0.0_f64, |most, own| most.max(f64::from(own.abs())));
            most = most.max(ratio(apart, scale));
        }
    }
    Ok((4.0 * most).min(0.1))
}

/// The largest difference in one sample, and where it is.
struct Compared {
    relative: f64,
    element: usize,
    found: f64,
}

/// Each sample's outputs against those expected of it.
fn compare_all(ann: &Ann, found: &[f32], outputs: &[f64], floor: f64) -> Result<Vec<Compared>, ExpectError> {
    let shape = ann.output_shape();
    let elements = ann.decisions().last().map_or(shape.elements(), |last| last.elements(shape));
    let pairs = found.chunks_exact(shape.elements()).zip(outputs.chunks_exact(elements));
    pairs
        .map(|(scores, expected)| {
            let scores = scores.iter().map(|&score| f64::from(score)).collect();
            compare(ann, scores, expected, floor)
        })
        .collect()
}

fn compare(ann: &Ann, mut scores: Vec<f64>, expected: &[f64], floor: f64) -> Result<Compared, ExpectError> {
    let shape = ann.output_shape();
    let mut before = scores.clone();
    for decision in ann.decisions() {
        before = std::mem::replace(&mut scores, decision.apply(&before, shape));
        if !matches!(decision, Decision::ArgMax(_)) {
            before.clone_from(&scores);
        }
    }
    let at = |element: usize| (element, scores[element]);
    let differences: Vec<f64> = match ann.decisions().last() {
        Some(Decision::ArgMax(axis)) => {
            let inner: usize = shape.extents()[axis + 1..].iter().product();
            let extent = shape.extents()[*axis];
            let scale = largest_of(&before);
            let short_of = |(element, (&class, &best)): (usize, (&f64, &f64))| {
                if class.fract() != 0.0 || class < 0.0 || class >= extent as f64 {
                    return Err(ExpectError::Unfit(format!(
                        "the file ends in an ArgMax, so classes are expected, and one is {class}; allowed are 0 to {}",
                        extent - 1
                    )));
                }
                let score = |class: f64| {
                    before[(element / inner * extent + class as usize) * inner + element % inner]
                };
                Ok(if class == best { 0.0 } else { ratio(score(best) - score(class), scale) })
            };
            expected.iter().zip(&scores).enumerate().map(short_of).collect::<Result<_, _>>()?
        }
        _ => {
            let scale = expected.iter().fold(floor, |most, value| most.max(value.abs()));
            expected
                .iter()
                .zip(&scores)
                .map(|(expected, found)| ratio((found - expected).abs(), scale))
                .collect()
        }
    };
    let largest = differences.iter().enumerate().fold((0, 0.0), |most, (element, &difference)| {
        if difference > most.1 { (element, difference) } else { most }
    });
    let (element, found) = at(largest.0);
    Ok(Compared { relative: largest.1, element, found })
}

/// A difference as a part of something; nothing is no part of nothing.
fn ratio(difference: f64, scale: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::{Linear, Shape};

    /// `2x, −x, 100x` of one number.
    fn net() -> Ann {
        let mut ann = Ann::new("x", Shape::new([1]).unwrap()).unwrap();
        let weights = [2.0, -1.0, 100.0].into();
        ann.push("fc", Op::Linear(Linear { weights, bias: None, inputs: 1, outputs: 3 }), &[ann.input()])
            .unwrap();
        ann
    }

    fn difference(error: ExpectError) -> Difference {
        match error {
            ExpectError::Differs(difference) => difference,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn differences_are_measured_against_the_largest_output_of_the_sample() {
        let right = [2.0, -1.0, 100.0, 4.0, -2.0, 200.0];
        assert_eq!(expect(&net(), &[1.0, 2.0], &right).unwrap(), Agreement { samples: 2, largest: 0.0 });
        // 0.15 of 200 is 0.00075: rounding. 0.3 is not.
        let near = [2.0, -1.0, 100.0, 4.0, -2.15, 200.0];
        let agreement = expect(&net(), &[1.0, 2.0], &near).unwrap();
        assert!((agreement.largest - 0.00075).abs() < 1e-9, "{agreement:?}");
        let far = [2.0, -1.0, 100.0, 4.0, -2.3, 200.0];
        let found = difference(expect(&net(), &[1.0, 2.0], &far).unwrap_err());
        let Difference { sample, element, expected, found: ours, differing, samples, .. } = found;
        assert_eq!((sample, element, expected, ours, differing, samples), (1, 1, -2.3, -2.0, 1, 2));
        assert_eq!(
            found.to_string(),
            "the net that was read is not the one that was trained: output 1 of sample 1 is -2, expected was -2.3 (relative \
             difference 1.50e-3, allowed is 1e-3; 1 of 2 samples differ)"
        );
    }

    #[test]
    fn zeros_agree_with_zeros_and_with_what_is_rounding_beside_the_other_samples() {
        assert_eq!(expect(&net(), &[0.0], &[0.0; 3]).unwrap().largest, 0.0);
        // Alone, 1e-5 for 0 is a difference; beside a sample with outputs of 100 it is rounding.
        assert!(difference(expect(&net(), &[0.0], &[1e-5, 0.0, 0.0]).unwrap_err()).relative >= 1.0);
        assert!(expect(&net(), &[0.0, 1.0], &[1e-5, 0.0, 0.0, 2.0, -1.0, 100.0]).is_ok());
        assert!(expect(&net(), &[0.0, 1.0], &[1e-3, 0.0, 0.0, 2.0, -1.0, 100.0]).is_err());
    }

    #[test]
    fn behind_a_softmax_probabilities_are_expected_and_behind_an_argmax_classes() {
        let mut ann = net();
        ann.set_decisions(vec![Decision::Softmax(0..1)]);
        let scores = [0.02_f64, -0.01, 1.0];
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        let shares: Vec<f64> = scores.iter().map(|score| score.exp() / sum).collect();
        assert!(expect(&ann, &[0.01], &shares).unwrap().largest < 1e-6);
        assert!(expect(&ann, &[0.01], &scores).is_err());
        for decisions in [vec![Decision::ArgMax(0)], vec![Decision::Softmax(0..1), Decision::ArgMax(0)]] {
            ann.set_decisions(decisions);
            assert_eq!(expect(&ann, &[1.0, -1.0], &[2.0, 1.0]).unwrap().samples, 2);
            let found = difference(expect(&ann, &[1.0, -1.0], &[2.0, 0.0]).unwrap_err());
            assert_eq!((found.sample, found.expected, found.found), (1, 0.0, 1.0));
            assert!(matches!(expect(&ann, &[1.0], &[3.0]), Err(ExpectError::Unfit(_))));
            assert!(matches!(expect(&ann, &[1.0], &[2.0, 0.0, 0.0]), Err(ExpectError::Unfit(_))));
        }
    }

    #[test]
    fn a_value_that_rounding_moves_over_a_step_is_no_difference_but_a_wrong_net_is() {
        // A step of θ/L at x = 0.5, where half a step is added: floor(x · 1 + ½).
        let mut ann = Ann::new("x", Shape::new([2]).unwrap()).unwrap();
        let qcfs = ann.push("qcfs", Op::Qcfs { levels: 1, theta: 1.0 }, &[ann.input()]).unwrap();
        let weights = [0.05, 1.0].into();
        ann.push("fc", Op::Linear(Linear { weights, bias: None, inputs: 2, outputs: 1 }), &[qcfs]).unwrap();
        // The first value lies on the step, so that both sides of it are right.
        assert!(expect(&ann, &[0.5, 0.9], &[1.05]).is_ok() && expect(&ann, &[0.5, 0.9], &[1.0]).is_ok());
        // Away from the step there is one right result.
        assert!(expect(&ann, &[0.6, 0.9], &[1.05]).is_ok());
        assert_eq!(difference(expect(&ann, &[0.6, 0.9], &[1.0]).unwrap_err()).allowed, TOLERANCE);
        let wrong = difference(expect(&ann, &[0.5, 0.9], &[0.8]).unwrap_err());
        assert_eq!((wrong.allowed, wrong.found), (0.1, f64::from(0.05_f32 + 1.0)));
    }

    #[test]
    fn outputs_that_do_not_fit_are_refused() {
        for outputs in [&[1.0, 2.0][..], &[f64::NAN, 0.0, 0.0], &[0.0, f64::INFINITY, 0.0]] {
            assert!(matches!(expect(&net(), &[1.0], outputs), Err(ExpectError::Unfit(_))), "{outputs:?}");
        }
    }
}
