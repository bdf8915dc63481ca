#[cfg(any(test, feature = "internals"))]
use super::ramp::REBASE;
use crate::per_neuron::PerNeuron;

/// What happens to the potential of a neuron that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// `u ← u − θ`: what exceeds the threshold is kept (Rueckauer et al. 2017, equation 4).
    Subtract,
    /// `u ← −b·k`, which makes the potential `v` zero: what exceeds the threshold is lost.
    Zero,
}

/// An integrate-and-fire neuron without leak.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `threshold` θ | it fires when `v ≥ θ` | potential | > 0 |
/// | `bias` b | current of every step | potential per step | finite |
/// | `start` | potential before the first step | potential | finite, may exceed θ |
/// | `reset` | what firing does | | |
#[derive(Clone, Debug)]
pub struct IntegrateFire {
    /// θ
    pub threshold: PerNeuron,
    /// b
    pub bias: PerNeuron,
    /// u before the first step
    pub start: PerNeuron,
    /// What firing does to u.
    pub reset: Reset,
}

impl IntegrateFire {
    /// One step of one neuron: sentences 2 to 4 of the contract. This is the definition of the model.
    ///
    /// `current` is `None` if no spike arrived. Returns whether the neuron fires.
    #[must_use]
    pub fn step(u: &mut f32, current: Option<f32>, bias: f32, k: f32, threshold: f32, reset: Reset) -> bool {
        if let Some(current) = current {
            *u += current;
        }
        let ramp = bias * k;
        let v = *u + ramp;
        if v < threshold {
            return false;
        }
        match reset {
            Reset::Subtract => *u -= threshold,
            // 0 − x is −x, except that it never gives −0.0.
            Reset::Zero => *u = 0.0 - ramp,
        }
        true
    }
}

/// The first `k` in `after + 1 ..= REBASE` at which `u + bias·k ≥ threshold`, if nothing arrives.
///
/// Exact, not an estimate: `fl(u + fl(bias·k))` is monotone in `k`, because rounding is monotone, so a
/// binary search finds the very step at which the comparison of [`IntegrateFire::step`] turns true.
/// At most nine evaluations.
#[cfg(any(test, feature = "internals"))]
#[must_use]
pub fn first_crossing(u: f32, bias: f32, threshold: f32, after: u32) -> Option<u32> {
    let crosses = |k: u32| u + bias * k as f32 >= threshold;
    let mut low = after + 1;
    if low > REBASE {
        return None;
    }
    if crosses(low) {
        return Some(low);
    }
    // With bias ≤ 0 the potential never rises again.
    if bias <= 0.0 || !crosses(REBASE) {
        return None;
    }
    let mut high = REBASE;
    // Invariant: the potential is below the threshold at `low` and not at `high`.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if crosses(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predicted_crossing_is_the_first_step_at_which_the_comparison_holds() {
        let lattice = [-3.0, -1.0, -0.1, 0.0, 1e-7, 0.003, 0.1, 0.3, 1.0, 7.0];
        for u in [-1e6, -40.0, -0.3, 0.0, 0.1, 0.99999994, 1.0, 5.0] {
            for bias in lattice {
                for threshold in [0.1, 0.5, 1.0, 1.0000001, 30.0] {
                    for after in [0, 1, 17, 254, 255, 256] {
                        let searched = (after + 1..=REBASE).find(|&k| u + bias * k as f32 >= threshold);
                        assert_eq!(
                            first_crossing(u, bias, threshold, after),
                            searched,
                            "u {u}, bias {bias}, threshold {threshold}, after {after}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn reset_to_zero_leaves_the_potential_at_positive_zero() {
        for bias in [-0.3, 0.0, 0.7] {
            let mut u = 5.0;
            assert!(IntegrateFire::step(&mut u, None, bias, 3.0, 1.0, Reset::Zero));
            assert_eq!((u + bias * 3.0).to_bits(), 0.0_f32.to_bits());
        }
    }
}
