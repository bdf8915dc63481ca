use super::model::{Autonomy, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::BIAS;
use crate::lanes::{Counts, Lanes};
use crate::per_neuron::PerNeuron;

/// A read-out neuron: it integrates its current and never fires and never resets.
///
/// Its potential `v = u + b·k` starts at 0. Divided by the number of steps it estimates the value that
/// the neuron has in the trained network (Rueckauer et al. 2017, section 2.2).
#[derive(Clone, Debug)]
pub struct Accumulator {
    /// Current added in every step.
    pub bias: PerNeuron,
}

impl Model for Accumulator {
    const NAME: &'static str = "accumulator";
    const MEANING: &'static str = "a read-out, which integrates its current and never fires";
    const PARAMETERS: &'static [Parameter] = &[BIAS];
    const STATE: &'static [Variable] = &[Variable { name: "potential", initial: Initial::Zero }];
    const AUTONOMY: Autonomy = Autonomy::Ramp;

    type Parameters<T> = [T; 1];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 0];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias]
    }

    fn from_parts(parameters: Vec<PerNeuron>, _: &[usize]) -> Self {
        let [bias] = parameters.try_into().expect("one parameter, as described");
        Self { bias }
    }

    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        Some(vec![&self.bias])
    }

    fn emission(&self) -> Emission {
        Emission::NONE
    }

    fn step(&self, _: &[f32; 1], [u]: &mut [f32; 1], _: &mut [i32; 0], current: Option<f32>, _: u32) -> i32 {
        if let Some(current) = current {
            *u += current;
        }
        0
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        _: &[L; 1],
        [u]: &mut [L; 1],
        _: &mut [L::Counts; 0],
        current: L,
        _: L,
    ) -> Emitted<L::Counts> {
        *u = u.add(current);
        Emitted { fires: 0, values: current.to_counts().of(0) }
    }

    #[inline(always)]
    fn acts<L: Lanes>(&self, _: &[L; 1], _: &[L; 1], _: &[L::Counts; 0], _: L) -> u16 {
        0
    }
}
