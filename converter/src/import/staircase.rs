//! Quantised activations, recognised by what they compute rather than by how they are written.
//!
//! Exporters write `clip(floor(x·L/θ + 1/2), 0, L)·θ/L` (Bu et al. 2022) as chains of scalar arithmetic, one `Floor` and
//! clips before or after it: `Mul L, Div θ, Add ½, Floor, Clip(0, L), Mul θ, Div L` or
//! `Div θ, Clip(0, 1), Mul L, Add ½, Floor, Div L, Mul θ`, among others. Any chain of increasing scalar maps, clips and one
//! floor is a staircase
//!
//! ```text
//! y = rise · clip(floor(slope·x + offset), low, high) + base
//! ```
//!
//! since floor is monotone: `floor(clip(v, a, b)) = clip(floor(v), floor(a), floor(b))`. With `base + rise·low = 0` it is
//! QCFS with `L = high − low` and `θ = rise·L`, up to a scalar map before it.

use super::draft::{Draft, Part};
use super::quantiser::{Quantiser, ROUNDING};

/// A staircase; before its floor only `slope`, `offset` and the bounds on the floor's value are known.
#[derive(Clone, Copy, Debug)]
struct Staircase {
    slope: f64,
    offset: f64,
    low: f64,
    high: f64,
    rise: f64,
    base: f64,
}

impl Staircase {
    /// The map before a floor: `parts` in execution order.
    fn before(parts: &[&Part]) -> Option<Self> {
        let (mut slope, mut offset) = (1.0, 0.0);
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for part in parts {
            match part {
                Part::Scalar { scale, shift } if *scale > 0.0 => {
                    (slope, offset) = (slope * scale, offset * scale + shift);
                    (low, high) = (low * scale + shift, high * scale + shift);
                }
                Part::Clip { low: l, high: h } if l <= h => {
                    (low, high) = (low.clamp(*l, *h), high.clamp(*l, *h));
                }
                _ => return None,
            }
        }
        Some(Staircase { slope, offset, low: floor(low), high: floor(high), rise: 1.0, base: 0.0 })
    }

    /// The same with one more part behind it.
    fn then(mut self, part: &Part) -> Option<Self> {
        match part {
            Part::Scalar { scale, shift } if *scale > 0.0 => {
                (self.rise, self.base) = (self.rise * scale, self.base * scale + shift);
            }
            Part::Clip { low, high } if low <= high => {
                let step = |bound: f64| (bound - self.base) / self.rise;
                let (low, high) = (step(*low), step(*high));
                for bound in [low, high] {
                    // A bound between two steps of the staircase would be a value off the staircase, unless it is
                    // beyond the ends.
                    let reached = bound > self.low && bound < self.high;
                    if reached && bound.is_finite() && !is_whole(bound) {
                        return None;
                    }
                }
                let round = |bound: f64| if bound.is_finite() { bound.round() } else { bound };
                self.low = self.low.clamp(round(low), round(high));
                self.high = self.high.clamp(round(low), round(high));
            }
            _ => return None,
        }
        Some(self)
    }

    /// The QCFS that it is, if it begins at 0 and ends.
    fn quantiser(&self) -> Option<Quantiser> {
        let levels = self.high - self.low;
        if !(1.0..=f64::from(1 << 24)).contains(&levels) {
            return None;
        }
        let bottom = self.base + self.rise * self.low;
        if bottom.abs() > ROUNDING * self.rise * levels {
            return None;
        }
        let theta = (self.rise * levels) as f32;
        if !theta.is_finite() || theta <= 0.0 {
            return None;
        }
        let gain = self.rise * self.slope;
        let lead = self.rise * (self.offset - self.low - 0.5);
        Some(Quantiser { gain, lead, levels: levels as u32, theta })
    }
}

/// Whether a number is an integer up to rounding of the constants it was computed from.
fn is_whole(bound: f64) -> bool {
    (bound - bound.round()).abs() <= ROUNDING * bound.abs().max(1.0)
}

/// Floor, up to rounding of the constants: a bound of `8.5 − ε` that stands for 8.5 is floored alike, but `8 − 10⁻⁹` is 8.
fn floor(bound: f64) -> f64 {
    if is_whole(bound) { bound.round() } else { bound.floor() }
}

/// Replaces the last step of every quantised activation by a [`Quantiser`] on the input of the chain. The steps in
/// between stay for those that use them otherwise; [`Draft::alive`] tells.
pub(super) fn recognise(draft: &mut Draft, output: usize) {
    let mut consumers = vec![Vec::new(); draft.steps.len()];
    let alive = draft.alive(output);
    for (id, step) in draft.steps.iter().enumerate().filter(|(id, _)| alive[*id]) {
        step.inputs.iter().for_each(|&input| consumers[input].push(id));
    }
    let floors: Vec<usize> =
        (0..draft.steps.len()).filter(|&id| matches!(draft.steps[id].part, Part::Floor)).collect();
    for floor in floors {
        if let Some((base, last, quantiser)) = match_chain(draft, &consumers, floor, output) {
            rewrite(draft, floor, base, last, quantiser);
        }
    }
}

/// The input of the chain around `floor`, its last step and the QCFS that it is; a chain with nothing before the QCFS
/// is preferred, then a longer one.
fn match_chain(
    draft: &Draft,
    consumers: &[Vec<usize>],
    floor: usize,
    output: usize,
) -> Option<(usize, usize, Quantiser)> {
    let chained = |id: usize| matches!(draft.steps[id].part, Part::Scalar { .. } | Part::Clip { .. });
    let mut upstream = vec![];
    let mut base = draft.steps[floor].inputs[0];
    while chained(base) {
        upstream.push(base);
        base = draft.steps[base].inputs[0];
    }
    let mut downstream = vec![];
    let mut end = floor;
    while end != output
        && let [next] = consumers[end][..]
        && chained(next)
    {
        downstream.push(next);
        end = next;
    }
    let mut fallback = None;
    for before in (0..=upstream.len()).rev() {
        let parts: Vec<_> = upstream[..before].iter().rev().map(|&id| &draft.steps[id].part).collect();
        let base = upstream.get(before).copied().unwrap_or(base);
        let mut staircase = Staircase::before(&parts);
        for after in 0..=downstream.len() {
            if after > 0 {
                staircase = staircase.and_then(|s| s.then(&draft.steps[downstream[after - 1]].part));
            }
            let Some(quantiser) = staircase.and_then(|s| s.quantiser()) else {
                continue;
            };
            let last = if after == 0 { floor } else { downstream[after - 1] };
            let found = (base, last, quantiser);
            if quantiser.is_plain() {
                return Some(found);
            }
            if before == upstream.len() {
                fallback = Some(found);
            }
        }
    }
    fallback
}

/// Makes the last step of the chain the quantiser, under the name of the floor: of all steps of the pattern it is the
/// telling one.
fn rewrite(draft: &mut Draft, floor: usize, base: usize, last: usize, quantiser: Quantiser) {
    let (name, kind) = (draft.steps[floor].name.clone(), draft.steps[floor].kind.clone());
    if floor != last {
        draft.steps[floor].name = std::mem::replace(&mut draft.steps[last].name, name);
    }
    let step = &mut draft.steps[last];
    (step.part, step.inputs, step.kind) = (Part::Quantiser(quantiser), vec![base], kind);
}
