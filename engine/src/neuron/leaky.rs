//! A neuron whose potential leaks, and the end of a step that it shares with its relatives.

use super::model::{Allowed, Autonomy, Choice, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START, THRESHOLD};
use crate::lanes::{Counts, Lanes};
use crate::per_neuron::PerNeuron;

/// What firing does to a potential that leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakyReset {
    /// `u ← u − θ`: what exceeds the threshold is kept.
    Subtract,
    /// `u ← after`, a value of each neuron's own, often 0: what exceeds the threshold is lost.
    To,
}

/// The longest rest after a spike, in steps.
const LONGEST_REST: i32 = 65_535;

/// What is left of the potential after a step.
pub(super) const LEAK: Parameter = Parameter {
    name: "leak",
    allowed: Allowed::Within(0.0, 1.0),
    default: Some(0.9),
    at_rest: 0.0,
    meaning: "what is left of the potential after a step, exp(-dt/tau); 1 is no leak",
};

/// The potential after a spike.
pub(super) const AFTER: Parameter = Parameter {
    name: "after",
    allowed: Allowed::Finite,
    default: Some(0.0),
    at_rest: 0.0,
    meaning: "potential after a spike, where the reset is to a value",
};

/// Steps of rest.
pub(super) const REFRACTORY: Parameter = Parameter {
    name: "refractory",
    allowed: Allowed::Whole(0, LONGEST_REST),
    default: Some(0.0),
    at_rest: 0.0,
    meaning: "steps after a spike in which the potential stays as it is, whatever arrives",
};

/// What firing does.
pub(super) const RESET: Choice = Choice {
    name: "reset",
    options: &["subtract", "to"],
    meaning: "what firing does to the potential: the threshold is subtracted, or it becomes the value `after`",
};

/// Steps of rest that are left.
pub(super) const REST: Variable = Variable { name: "rest", initial: Initial::Zero };

impl LeakyReset {
    pub(super) fn place(self) -> usize {
        match self {
            Self::Subtract => 0,
            Self::To => 1,
        }
    }

    pub(super) fn at(place: usize) -> Self {
        if place == 0 { Self::Subtract } else { Self::To }
    }

    /// The end of a step: a resting neuron rests on; another takes the potential that it has moved to, and fires if
    /// that is at its threshold. Returns the value of the spike, 0 for none.
    #[inline(always)]
    pub(super) fn end(self, moved: f32, threshold: f32, last: Last<f32>, u: &mut f32, rest: &mut i32) -> i32 {
        if *rest > 0 {
            *rest -= 1;
            return 0;
        }
        *u = moved;
        if moved < threshold {
            return 0;
        }
        *u = match self {
            Self::Subtract => moved - threshold,
            Self::To => last.after,
        };
        // A whole number, as described.
        *rest = last.refractory as i32;
        1
    }

    /// The same for sixteen neurons.
    #[inline(always)]
    pub(super) fn end_lanes<L: Lanes>(
        self,
        moved: L,
        threshold: L,
        last: Last<L>,
        u: &mut L,
        rest: &mut L::Counts,
    ) -> Emitted<L::Counts> {
        let resting = rest.nonzero();
        let fires = L::bits(moved.at_least(threshold)) & !resting;
        let reset = match self {
            Self::Subtract => moved.sub(threshold),
            Self::To => last.after,
        };
        *u = moved.replace(u.mask_of(fires), reset).replace(u.mask_of(resting), *u);
        // Who fires did not rest.
        let begun = u.of(0.0).replace(u.mask_of(fires), last.refractory).to_counts();
        *rest = rest.sub(rest.of(1)).max(rest.of(0)).add(begun);
        Emitted { fires, values: rest.of(1) }
    }
}

/// What a neuron does when it has fired.
#[derive(Clone, Copy)]
pub(super) struct Last<T> {
    /// Where its potential goes, with [`LeakyReset::To`].
    pub after: T,
    /// How many steps it rests.
    pub refractory: T,
}

/// A leaky integrate-and-fire neuron, of spikes of value 1.
///
/// In a step `u ← α·u`, then `u ← u + current` if something arrived, then `u ← u + b`, each rounded once; it fires if
/// `u ≥ θ`. After a spike its potential stays as it is for `refractory` steps, and what arrives in these is lost.
/// (Gerstner et al. 2014, *Neuronal Dynamics*, section 1.3, in whole steps: `α = exp(−Δt/τ)`. With a reset by
/// subtraction it is `Leaky` of snnTorch, Eshraghian et al. 2023, with `reset_delay=False`; that one fires above θ
/// only.)
///
/// Its deliveries are event-driven, but it moves by itself in every step, so its update costs O(neurons) a step.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `leak` α | what is left of the potential after a step | | 0 to 1 |
/// | `threshold` θ | it fires when `u ≥ θ` | potential | > 0 |
/// | `bias` b | current of every step | potential per step | finite |
/// | `start` | potential before the first step | potential | finite |
/// | `reset`, `after` | what firing does | potential | finite |
/// | `refractory` | rest after a spike | steps | 0 to 65,535 |
#[derive(Clone, Debug)]
pub struct Leaky {
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

impl Model for Leaky {
    const NAME: &'static str = "leaky";
    const MEANING: &'static str = "integrates with a leak and fires at its threshold";
    const PARAMETERS: &'static [Parameter] = &[BIAS, THRESHOLD, LEAK, AFTER, REFRACTORY, START];
    const CHOICES: &'static [Choice] = &[RESET];
    const STATE: &'static [Variable] =
        &[Variable { name: "potential", initial: Initial::Parameter(5) }, REST];
    const AUTONOMY: Autonomy = Autonomy::EveryStep;
    const CYCLES: f64 = 40.0;

    type Parameters<T> = [T; 5];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 1];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias, &self.threshold, &self.leak, &self.after, &self.refractory, &self.start]
    }

    fn choices(&self) -> Vec<usize> {
        vec![self.reset.place()]
    }

    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self {
        let [bias, threshold, leak, after, refractory, start] =
            parameters.try_into().expect("six parameters, as described");
        Self { leak, threshold, bias, start, reset: LeakyReset::at(choices[0]), after, refractory }
    }

    fn emission(&self) -> Emission {
        Emission::UNIT
    }

    fn allows_count(&self, [_, _, _, _, refractory]: &[f32; 5], _: usize, rest: i32) -> bool {
        (0..=*refractory as i32).contains(&rest)
    }

    fn step(
        &self,
        [bias, threshold, leak, after, refractory]: &[f32; 5],
        [u]: &mut [f32; 1],
        [rest]: &mut [i32; 1],
        current: Option<f32>,
        _: u32,
    ) -> i32 {
        let mut moved = leak * *u;
        if let Some(current) = current {
            moved += current;
        }
        moved += bias;
        self.reset.end(moved, *threshold, Last { after: *after, refractory: *refractory }, u, rest)
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, threshold, leak, after, refractory]: &[L; 5],
        [u]: &mut [L; 1],
        [rest]: &mut [L::Counts; 1],
        current: L,
        _: L,
    ) -> Emitted<L::Counts> {
        let moved = leak.mul(*u).add(current).add(*bias);
        self.reset.end_lanes(moved, *threshold, Last { after: *after, refractory: *refractory }, u, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(value: f32) -> PerNeuron {
        PerNeuron::same(value).unwrap()
    }

    /// The spikes and potentials of a neuron with a leak of ½ and a threshold of 1 on whose first steps the given
    /// currents arrive; 9 for none.
    fn run(reset: LeakyReset, after: f32, refractory: f32, currents: &[f32]) -> Vec<(i32, f32)> {
        let model = Leaky {
            leak: same(0.5),
            threshold: same(1.0),
            bias: same(0.0),
            start: same(0.0),
            reset,
            after: same(after),
            refractory: same(refractory),
        };
        let (mut u, mut rest) = ([0.0], [0]);
        let step = |&current: &f32| {
            let current = Some(current).filter(|&current| current != 9.0);
            let value = model.step(&[0.0, 1.0, 0.5, after, refractory], &mut u, &mut rest, current, 1);
            (value, u[0])
        };
        currents.iter().map(step).collect()
    }

    #[test]
    fn a_potential_is_halved_in_every_step_and_what_exceeds_the_threshold_is_kept() {
        let currents = [1.75, 9.0, 0.5, 0.625];
        // 1.75 − 1 = 0.75, then 0.375, then 0.1875 + 0.5 = 0.6875, then 0.34375 + 0.625 = 0.96875, below 1.
        let expected = [(1, 0.75), (0, 0.375), (0, 0.6875), (0, 0.96875)];
        assert_eq!(run(LeakyReset::Subtract, 0.0, 0.0, &currents), expected);
    }

    #[test]
    fn a_reset_to_a_value_forgets_what_exceeded_the_threshold() {
        assert_eq!(run(LeakyReset::To, 0.0, 0.0, &[1.75, 9.0]), [(1, 0.0), (0, 0.0)]);
        assert_eq!(run(LeakyReset::To, -0.5, 0.0, &[1.75, 9.0]), [(1, -0.5), (0, -0.25)]);
    }

    #[test]
    fn a_neuron_rests_for_as_many_steps_as_are_said_and_loses_what_arrives_in_them() {
        let currents = [1.5, 4.0, 4.0, 4.0, 9.0];
        let expected = [(1, 0.5), (0, 0.5), (0, 0.5), (1, 3.25), (0, 3.25)];
        assert_eq!(run(LeakyReset::Subtract, 0.0, 2.0, &currents), expected);
        // Without rest it would fire in each of them.
        let spikes = |run: Vec<(i32, f32)>| run.iter().map(|(value, _)| value).sum::<i32>();
        assert_eq!(spikes(run(LeakyReset::Subtract, 0.0, 0.0, &currents)), 5);
    }
}
