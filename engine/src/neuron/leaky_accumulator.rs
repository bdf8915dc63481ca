use super::leaky::LEAK;
use super::model::{Autonomy, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START};
use crate::lanes::{Counts, Lanes};
use crate::per_neuron::PerNeuron;

/// A read-out neuron whose potential leaks: it never fires and never resets.
///
/// In a step `u ← α·u`, then `u ← u + current` if something arrived, then `u ← u + b`, each rounded once. With a leak of 0 its
/// potential is the current of each step. (`LI` of the Neuromorphic Intermediate Representation, Pedersen et al. 2024, in whole
/// steps: `α = 1 − Δt/τ`.)
///
/// It moves by itself in every step, so its update costs O(neurons) a step.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `leak` α | what is left of the potential after a step | | 0 to 1 |
/// | `bias` b | current of every step | potential per step | finite |
/// | `start` | potential before the first step | potential | finite |
#[derive(Clone, Debug)]
pub struct LeakyAccumulator {
    /// α
    pub leak: PerNeuron,
    /// b
    pub bias: PerNeuron,
    /// u before the first step
    pub start: PerNeuron,
}

impl Model for LeakyAccumulator {
    const NAME: &'static str = "leaky-accumulator";
    const MEANING: &'static str = "a read-out, which integrates its current with a leak and never fires";
    const PARAMETERS: &'static [Parameter] = &[BIAS, LEAK, START];
    const STATE: &'static [Variable] = &[Variable { name: "potential", initial: Initial::Parameter(2) }];
    const AUTONOMY: Autonomy = Autonomy::EveryStep;

    type Parameters<T> = [T; 2];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 0];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias, &self.leak, &self.start]
    }

    fn from_parts(parameters: Vec<PerNeuron>, _: &[usize]) -> Self {
        let [bias, leak, start] = parameters.try_into().expect("three parameters, as described");
        Self { leak, bias, start }
    }

    fn emission(&self) -> Emission {
        Emission::NONE
    }

    fn step(
        &self,
        [bias, leak]: &[f32; 2],
        [u]: &mut [f32; 1],
        _: &mut [i32; 0],
        current: Option<f32>,
        _: u32,
    ) -> i32 {
        *u *= leak;
        if let Some(current) = current {
            *u += current;
        }
        // Adding a bias of +0.0 makes −0.0 to +0.0 as well.
        *u += bias;
        0
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, leak]: &[L; 2],
        [u]: &mut [L; 1],
        _: &mut [L::Counts; 0],
        current: L,
        _: L,
    ) -> Emitted<L::Counts> {
        *u = leak.mul(*u).add(current).add(*bias);
        Emitted { fires: 0, values: current.to_counts().of(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_potential_leaks_and_with_a_leak_of_nothing_is_the_current_of_the_step() {
        let same = |value| PerNeuron::same(value).unwrap();
        let model = LeakyAccumulator { leak: same(0.5), bias: same(0.25), start: same(1.0) };
        let mut u = [1.0];
        assert_eq!(model.step(&[0.25, 0.5], &mut u, &mut [], Some(2.0), 1), 0);
        assert_eq!(u, [2.75]);
        model.step(&[0.25, 0.5], &mut u, &mut [], None, 1);
        assert_eq!(u, [1.625]);
        model.step(&[0.0, 0.0], &mut u, &mut [], Some(-3.0), 1);
        assert_eq!(u, [-3.0]);
        model.step(&[0.0, 0.0], &mut u, &mut [], None, 1);
        // From below, too, it is +0.0: no state holds −0.0.
        assert_eq!(u[0].to_bits(), 0);
    }
}
