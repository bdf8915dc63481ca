use super::model::{Autonomy, Choice, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START, THRESHOLD};
use crate::lanes::{Counts, Lanes};
use crate::per_neuron::PerNeuron;

/// What happens to the potential of a neuron that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// `u ← u − θ`: what exceeds the threshold is kept (Rueckauer et al. 2017, equation 4).
    Subtract,
    /// `u ← −b·k`, which makes the potential `v` zero: what exceeds the threshold is lost.
    Zero,
}

/// An integrate-and-fire neuron without leak, of spikes of value 1.
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

impl Model for IntegrateFire {
    const NAME: &'static str = "integrate-and-fire";
    const MEANING: &'static str = "fires at its threshold, without leak (Rueckauer et al. 2017)";
    const PARAMETERS: &'static [Parameter] = &[BIAS, THRESHOLD, START];
    const CHOICES: &'static [Choice] = &[Choice {
        name: "reset",
        options: &["subtract", "zero"],
        meaning: "what firing does to the potential: the threshold is subtracted, or it becomes zero",
    }];
    const STATE: &'static [Variable] = &[Variable { name: "potential", initial: Initial::Parameter(2) }];
    const AUTONOMY: Autonomy = Autonomy::Ramp;

    type Parameters<T> = [T; 2];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 0];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias, &self.threshold, &self.start]
    }

    fn choices(&self) -> Vec<usize> {
        match self.reset {
            Reset::Subtract => vec![0],
            Reset::Zero => vec![1],
        }
    }

    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self {
        let [bias, threshold, start] = parameters.try_into().expect("three parameters, as described");
        let reset = if choices[0] == 0 { Reset::Subtract } else { Reset::Zero };
        Self { threshold, bias, start, reset }
    }

    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        Some(vec![&self.bias, &self.threshold, &self.start])
    }

    fn emission(&self) -> Emission {
        Emission::UNIT
    }

    /// Sentences 2 to 4 of the contract.
    fn step(
        &self,
        [bias, threshold]: &[f32; 2],
        [u]: &mut [f32; 1],
        _: &mut [i32; 0],
        current: Option<f32>,
        k: u32,
    ) -> i32 {
        if let Some(current) = current {
            *u += current;
        }
        let ramp = bias * k as f32;
        let v = *u + ramp;
        if v < *threshold {
            return 0;
        }
        match self.reset {
            Reset::Subtract => *u -= threshold,
            // 0 − x is −x, except that it never gives −0.0.
            Reset::Zero => *u = 0.0 - ramp,
        }
        1
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, threshold]: &[L; 2],
        [u]: &mut [L; 1],
        _: &mut [L::Counts; 0],
        current: L,
        k: L,
    ) -> Emitted<L::Counts> {
        let ramp = bias.mul(k);
        let v = u.add(current);
        let fires = v.add(ramp).at_least(*threshold);
        let after = match self.reset {
            Reset::Subtract => v.sub(*threshold),
            Reset::Zero => ramp.of(0.0).sub(ramp),
        };
        *u = v.replace(fires, after);
        Emitted { fires: L::bits(fires), values: current.to_counts().of(1) }
    }

    #[inline(always)]
    fn acts<L: Lanes>(&self, [bias, threshold]: &[L; 2], [u]: &[L; 1], _: &[L::Counts; 0], k: L) -> u16 {
        L::bits(u.add(bias.mul(k)).at_least(*threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_to_zero_leaves_the_potential_at_positive_zero() {
        let same = |value| PerNeuron::same(value).unwrap();
        let model =
            IntegrateFire { threshold: same(1.0), bias: same(0.0), start: same(0.0), reset: Reset::Zero };
        for bias in [-0.3, 0.0, 0.7] {
            let mut u = [5.0];
            assert_eq!(model.step(&[bias, 1.0], &mut u, &mut [], None, 3), 1);
            assert_eq!((u[0] + bias * 3.0).to_bits(), 0.0_f32.to_bits());
        }
    }
}
