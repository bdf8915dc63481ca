use super::leaky::{AFTER, LEAK, Last, LeakyReset, REFRACTORY, RESET, REST};
use super::model::{Allowed, Autonomy, Choice, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START, THRESHOLD};
use crate::lanes::Lanes;
use crate::per_neuron::{LARGEST, PerNeuron};

/// A leaky integrate-and-fire neuron whose threshold rises with every spike and falls back.
///
/// In a step `a ← ρ·a`, rounded once; `u ← α·u`, `u ← u + current` if something arrived, `u ← u + b`; it fires if
/// `u ≥ θ + a`, a sum rounded once. A spike subtracts that sum (or resets to a value) and raises the threshold:
/// `a ← a + γ`. After it the potential stays as it is for `refractory` steps, while the threshold falls on. (Bellec et
/// al. 2018, *Long short-term memory and learning-to-learn in networks of spiking neurons*, equations 1 and 2.)
///
/// It moves by itself in every step, so its update costs O(neurons) a step.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `recovery` ρ | what is left of the rise after a step | | 0 to 1 |
/// | `rise` γ | what a spike adds to the threshold | potential | 0 to 2⁶⁴ |
/// | `leak` α | what is left of the potential after a step | | 0 to 1 |
/// | `threshold` θ | it fires when `u ≥ θ + a` | potential | > 0 |
/// | `bias` b | current of every step | potential per step | finite |
/// | `start` | potential before the first step; the rise starts at 0 | potential | finite |
/// | `reset`, `after` | what firing does | potential | finite |
/// | `refractory` | rest after a spike | steps | 0 to 65,535 |
#[derive(Clone, Debug)]
pub struct AdaptiveLeaky {
    /// ρ
    pub recovery: PerNeuron,
    /// γ
    pub rise: PerNeuron,
    /// α
    pub leak: PerNeuron,
    /// θ
    pub threshold: PerNeuron,
    /// b
    pub bias: PerNeuron,
    /// u before the first step
    pub start: PerNeuron,
    /// What firing does to u.
    pub reset: LeakyReset,
    /// u after a spike, with [`LeakyReset::To`].
    pub after: PerNeuron,
    /// Steps of rest after a spike.
    pub refractory: PerNeuron,
}

impl Model for AdaptiveLeaky {
    const NAME: &'static str = "adaptive-leaky";
    const MEANING: &'static str =
        "integrates with a leak and fires at a threshold that rises with every spike";
    const PARAMETERS: &'static [Parameter] = &[
        BIAS,
        THRESHOLD,
        LEAK,
        AFTER,
        REFRACTORY,
        Parameter {
            name: "recovery",
            allowed: Allowed::Within(0.0, 1.0),
            default: Some(0.95),
            at_rest: 0.0,
            meaning: "what is left of the threshold's rise after a step, exp(-dt/tau)",
        },
        Parameter {
            name: "rise",
            allowed: Allowed::Within(0.0, LARGEST),
            default: Some(0.1),
            at_rest: 0.0,
            meaning: "what a spike adds to the threshold",
        },
        START,
    ];
    const CHOICES: &'static [Choice] = &[RESET];
    const STATE: &'static [Variable] = &[
        Variable { name: "potential", initial: Initial::Parameter(7) },
        Variable { name: "rise", initial: Initial::Zero },
        REST,
    ];
    const AUTONOMY: Autonomy = Autonomy::EveryStep;
    const CYCLES: f64 = 55.0;

    type Parameters<T> = [T; 7];
    type Reals<T> = [T; 2];
    type Counts<T> = [T; 1];

    fn parameters(&self) -> Vec<&PerNeuron> {
        let Self { recovery, rise, leak, threshold, bias, start, after, refractory, .. } = self;
        vec![bias, threshold, leak, after, refractory, recovery, rise, start]
    }

    fn choices(&self) -> Vec<usize> {
        vec![self.reset.place()]
    }

    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self {
        let [bias, threshold, leak, after, refractory, recovery, rise, start] =
            parameters.try_into().expect("eight parameters, as described");
        let reset = LeakyReset::at(choices[0]);
        Self { recovery, rise, leak, threshold, bias, start, reset, after, refractory }
    }

    fn emission(&self) -> Emission {
        Emission::UNIT
    }

    fn allows_count(&self, [_, _, _, _, refractory, ..]: &[f32; 7], _: usize, rest: i32) -> bool {
        (0..=*refractory as i32).contains(&rest)
    }

    fn step(
        &self,
        [bias, threshold, leak, after, refractory, recovery, rise]: &[f32; 7],
        [u, risen]: &mut [f32; 2],
        [rest]: &mut [i32; 1],
        current: Option<f32>,
        _: u32,
    ) -> i32 {
        *risen *= recovery;
        let mut moved = leak * *u;
        if let Some(current) = current {
            moved += current;
        }
        moved += bias;
        let last = Last { after: *after, refractory: *refractory };
        let value = self.reset.end(moved, threshold + *risen, last, u, rest);
        if value != 0 {
            *risen += rise;
        }
        value
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, threshold, leak, after, refractory, recovery, rise]: &[L; 7],
        [u, risen]: &mut [L; 2],
        [rest]: &mut [L::Counts; 1],
        current: L,
        _: L,
    ) -> Emitted<L::Counts> {
        let fallen = recovery.mul(*risen);
        let moved = leak.mul(*u).add(current).add(*bias);
        let last = Last { after: *after, refractory: *refractory };
        let emitted = self.reset.end_lanes(moved, threshold.add(fallen), last, u, rest);
        *risen = fallen.replace(fallen.mask_of(emitted.fires), fallen.add(*rise));
        emitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spike_raises_the_threshold_which_falls_back() {
        let same = |value| PerNeuron::same(value).unwrap();
        let model = AdaptiveLeaky {
            recovery: same(0.5),
            rise: same(0.5),
            leak: same(1.0),
            threshold: same(1.0),
            bias: same(0.0),
            start: same(0.0),
            reset: LeakyReset::Subtract,
            after: same(0.0),
            refractory: same(0.0),
        };
        let (mut reals, mut rest) = ([0.0, 0.0], [0]);
        let mut step = |current| {
            let parameters = [0.0, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5];
            (model.step(&parameters, &mut reals, &mut rest, current, 1), reals)
        };
        assert_eq!(step(Some(1.0)), (1, [0.0, 0.5]));
        // 1.125 is below 1 + 0.25.
        assert_eq!(step(Some(1.125)), (0, [1.125, 0.25]));
        // 1.125 is at 1 + 0.125, which is taken away.
        assert_eq!(step(None), (1, [0.0, 0.625]));
    }
}
