use super::leaky::{AFTER, LEAK, Last, LeakyReset, REFRACTORY, RESET, REST};
use super::model::{Allowed, Autonomy, Choice, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START, THRESHOLD};
use crate::lanes::Lanes;
use crate::per_neuron::PerNeuron;

/// A leaky integrate-and-fire neuron behind a synaptic filter: what arrives makes a current that dies away.
///
/// In a step `i ← β·i`, then `i ← i + Σ` of what arrived, then `i ← i + 0` (which makes −0 to 0); `u ← α·u`, `u ← u + i`,
/// `u ← u + b`, each rounded once; it fires if `u ≥ θ`. After a spike its potential stays as it is for `refractory`
/// steps, while the current goes on. (Gerstner et al. 2014, *Neuronal Dynamics*, section 1.3 and equation 3.1;
/// `Synaptic` of snnTorch, and with its weights times `Δt/τ_mem` the LIF of norse, which fires above θ only.)
///
/// It moves by itself in every step, so its update costs O(neurons) a step.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `decay` β | what is left of the current after a step | | 0 to 1 |
/// | `leak` α | what is left of the potential after a step | | 0 to 1 |
/// | `threshold` θ | it fires when `u ≥ θ` | potential | > 0 |
/// | `bias` b | current of every step, not filtered | potential per step | finite |
/// | `start` | potential before the first step; the current starts at 0 | potential | finite |
/// | `reset`, `after` | what firing does | potential | finite |
/// | `refractory` | rest after a spike | steps | 0 to 65,535 |
#[derive(Clone, Debug)]
pub struct CurrentLeaky {
    /// β
    pub decay: PerNeuron,
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

impl Model for CurrentLeaky {
    const NAME: &'static str = "current-leaky";
    const MEANING: &'static str =
        "integrates a current that dies away, with a leak, and fires at its threshold";
    const PARAMETERS: &'static [Parameter] = &[
        BIAS,
        THRESHOLD,
        LEAK,
        AFTER,
        REFRACTORY,
        Parameter {
            name: "decay",
            allowed: Allowed::Within(0.0, 1.0),
            default: Some(0.8),
            at_rest: 0.0,
            meaning: "what is left of the current after a step, exp(-dt/tau)",
        },
        START,
    ];
    const CHOICES: &'static [Choice] = &[RESET];
    const STATE: &'static [Variable] = &[
        Variable { name: "potential", initial: Initial::Parameter(6) },
        Variable { name: "current", initial: Initial::Zero },
        REST,
    ];
    const AUTONOMY: Autonomy = Autonomy::EveryStep;
    const CYCLES: f64 = 50.0;

    type Parameters<T> = [T; 6];
    type Reals<T> = [T; 2];
    type Counts<T> = [T; 1];

    fn parameters(&self) -> Vec<&PerNeuron> {
        let Self { decay, leak, threshold, bias, start, after, refractory, .. } = self;
        vec![bias, threshold, leak, after, refractory, decay, start]
    }

    fn choices(&self) -> Vec<usize> {
        vec![self.reset.place()]
    }

    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self {
        let [bias, threshold, leak, after, refractory, decay, start] =
            parameters.try_into().expect("seven parameters, as described");
        Self { decay, leak, threshold, bias, start, reset: LeakyReset::at(choices[0]), after, refractory }
    }

    fn emission(&self) -> Emission {
        Emission::UNIT
    }

    fn allows_count(&self, [_, _, _, _, refractory, _]: &[f32; 6], _: usize, rest: i32) -> bool {
        (0..=*refractory as i32).contains(&rest)
    }

    fn step(
        &self,
        [bias, threshold, leak, after, refractory, decay]: &[f32; 6],
        [u, i]: &mut [f32; 2],
        [rest]: &mut [i32; 1],
        current: Option<f32>,
        _: u32,
    ) -> i32 {
        *i *= decay;
        if let Some(current) = current {
            *i += current;
        }
        *i += 0.0;
        let moved = leak * *u + *i + bias;
        self.reset.end(moved, *threshold, Last { after: *after, refractory: *refractory }, u, rest)
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, threshold, leak, after, refractory, decay]: &[L; 6],
        [u, i]: &mut [L; 2],
        [rest]: &mut [L::Counts; 1],
        current: L,
        _: L,
    ) -> Emitted<L::Counts> {
        *i = decay.mul(*i).add(current).add(i.of(0.0));
        let moved = leak.mul(*u).add(*i).add(*bias);
        self.reset.end_lanes(moved, *threshold, Last { after: *after, refractory: *refractory }, u, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_goes_on_as_a_current_that_is_halved_in_every_step_also_while_the_neuron_rests() {
        let same = |value| PerNeuron::same(value).unwrap();
        let model = CurrentLeaky {
            decay: same(0.5),
            leak: same(0.5),
            threshold: same(1.0),
            bias: same(0.0),
            start: same(0.0),
            reset: LeakyReset::To,
            after: same(0.0),
            refractory: same(1.0),
        };
        let (mut reals, mut rest) = ([0.0, 0.0], [0]);
        let mut step = |current| {
            let value = model.step(&[0.0, 1.0, 0.5, 0.0, 1.0, 0.5], &mut reals, &mut rest, current, 1);
            (value, reals)
        };
        assert_eq!(step(Some(1.0)), (1, [0.0, 1.0]));
        // It rests; the current does not.
        assert_eq!(step(None), (0, [0.0, 0.5]));
        assert_eq!(step(None), (0, [0.25, 0.25]));
        assert_eq!(step(Some(0.25)), (0, [0.5, 0.375]));
    }

    #[test]
    fn a_current_that_has_died_away_from_below_is_positive_zero() {
        let mut reals = [0.0, -f32::MIN_POSITIVE];
        let same = |value| PerNeuron::same(value).unwrap();
        let model = CurrentLeaky {
            decay: same(0.0),
            leak: same(0.0),
            threshold: same(1.0),
            bias: same(0.0),
            start: same(0.0),
            reset: LeakyReset::Subtract,
            after: same(0.0),
            refractory: same(0.0),
        };
        assert_eq!(model.step(&[0.0, 1.0, 0.0, 0.0, 0.0, 0.0], &mut reals, &mut [0], None, 1), 0);
        assert_eq!(reals.map(f32::to_bits), [0, 0]);
    }
}
