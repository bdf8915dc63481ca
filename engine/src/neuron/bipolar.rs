use super::model::{Allowed, Autonomy, Choice, Emission, Emitted, Initial, Model, Parameter, Variable};
use super::parameters::{BIAS, START, THRESHOLD};
use crate::lanes::{Counts, Lanes};
use crate::per_neuron::PerNeuron;
use crate::spikes::LARGEST_VALUE;

/// Whether a neuron may take back what it has emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A potential below 0 emits a spike of negative value, where the count allows.
    Signed,
    /// Spikes have positive values only.
    Unsigned,
}

/// When the bias arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BiasArrives {
    /// A ramp: in every step.
    EveryStep,
    /// Once, as a current of the first step, and constant currents of the input with it: the neuron settles.
    Once,
}

/// A bipolar integrate-and-fire neuron: its spikes have whole values between −m and m, and their running count A stays
/// between two bounds.
///
/// In a step, with `v = u + b·k`: `q = ⌊v/θ⌋` (one division, one floor), `s = q` brought into −m … m (0 … m if
/// unsigned) and then so that `low ≤ A + s ≤ high`; if `s ≠ 0`: `u ← u − s·θ`, `A ← A + s`, and `s` is emitted.
///
/// One model, several uses:
///
/// - *multi-spike* (unsigned, m > 1): one spike stands for several (AdaFire, Wang et al. 2024);
/// - *signed with memory* (low = 0): a neuron takes back what it gave too early (Wang et al. 2022; ST-BIF of
///   SpikeZIP-TF, You et al. 2024);
/// - *ternary* (m = 1, low below 0);
/// - *settling* (θ = λ/L, start = θ/2, low = 0, high = L, the bias once): A ends at `clip(⌊Σ/θ + ½⌋, 0, L)` of the
///   total input Σ, whatever the order of events, so the network is the one with activations rounded to L levels.
///
/// With m = 1, unsigned and unbounded it is [`IntegrateFire`](crate::IntegrateFire), which is faster and has no count.
///
/// | parameter | meaning | unit | allowed |
/// |---|---|---|---|
/// | `threshold` θ | what a spike of value 1 is worth | potential | > 0 |
/// | `bias` b | current of every step, or of the first | potential per step | finite |
/// | `start` | potential before the first step | potential | finite |
/// | `most` m | largest magnitude of a spike | spikes | 1 to 4096 |
/// | `low`, `high` | bounds of the count | spikes | low ≤ 0 ≤ high, at most 2³⁰ in magnitude |
#[derive(Clone, Debug)]
pub struct Bipolar {
    /// θ
    pub threshold: PerNeuron,
    /// b
    pub bias: PerNeuron,
    /// u before the first step
    pub start: PerNeuron,
    /// m
    pub most: PerNeuron,
    /// The least count; −[`UNBOUNDED`](Self::UNBOUNDED) for none.
    pub low: PerNeuron,
    /// The largest count; [`UNBOUNDED`](Self::UNBOUNDED) for none.
    pub high: PerNeuron,
    /// Whether spikes may be negative.
    pub sign: Sign,
    /// When the bias arrives.
    pub arrives: BiasArrives,
}

impl Bipolar {
    /// The bound of a count that has none: 2³⁰. Counts are 32 bits, and no run is so long.
    pub const UNBOUNDED: f32 = 1_073_741_824.0;
}

const BOUND: i32 = 1 << 30;

impl Model for Bipolar {
    const NAME: &'static str = "bipolar";
    const MEANING: &'static str =
        "fires whole numbers of thresholds, positive or negative, within bounds of their sum";
    const PARAMETERS: &'static [Parameter] = &[
        BIAS,
        THRESHOLD,
        Parameter {
            name: "most",
            allowed: Allowed::Whole(1, LARGEST_VALUE),
            default: Some(1.0),
            at_rest: 1.0,
            meaning: "largest magnitude of a spike",
        },
        Parameter {
            name: "low",
            allowed: Allowed::Whole(-BOUND, 0),
            default: Some(0.0),
            at_rest: 0.0,
            meaning: "least sum of the values emitted; -2^30 for no bound",
        },
        Parameter {
            name: "high",
            allowed: Allowed::Whole(0, BOUND),
            default: Some(Self::UNBOUNDED),
            at_rest: 0.0,
            meaning: "largest sum of the values emitted; 2^30 for no bound",
        },
        START,
    ];
    const CHOICES: &'static [Choice] = &[
        Choice {
            name: "sign",
            options: &["signed", "unsigned"],
            meaning: "whether a potential below 0 emits a negative spike",
        },
        Choice {
            name: "arrives",
            options: &["every-step", "once"],
            meaning: "whether bias and constant currents arrive in every step or once, in the first",
        },
    ];
    const STATE: &'static [Variable] = &[
        Variable { name: "potential", initial: Initial::Parameter(5) },
        Variable { name: "count", initial: Initial::Zero },
    ];
    const AUTONOMY: Autonomy = Autonomy::Ramp;
    const VALUES: bool = true;
    const CYCLES: f64 = 40.0;

    type Parameters<T> = [T; 5];
    type Reals<T> = [T; 1];
    type Counts<T> = [T; 1];

    fn parameters(&self) -> Vec<&PerNeuron> {
        vec![&self.bias, &self.threshold, &self.most, &self.low, &self.high, &self.start]
    }

    fn choices(&self) -> Vec<usize> {
        vec![usize::from(self.sign == Sign::Unsigned), usize::from(self.arrives == BiasArrives::Once)]
    }

    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self {
        let [bias, threshold, most, low, high, start] =
            parameters.try_into().expect("six parameters, as described");
        let sign = if choices[0] == 0 { Sign::Signed } else { Sign::Unsigned };
        let arrives = if choices[1] == 0 { BiasArrives::EveryStep } else { BiasArrives::Once };
        Self { threshold, bias, start, most, low, high, sign, arrives }
    }

    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        Some(vec![&self.bias, &self.threshold, &self.start])
    }

    fn emission(&self) -> Emission {
        // Whole numbers up to 4096, as checked.
        let largest = self.most.values().iter().fold(1.0_f32, |most, &m| most.max(m)) as i32;
        Emission { largest, negative: self.sign == Sign::Signed }
    }

    fn bias_arrives_once(&self) -> bool {
        self.arrives == BiasArrives::Once
    }

    fn allows_count(&self, [_, _, _, low, high]: &[f32; 5], _: usize, count: i32) -> bool {
        (*low as i32..=*high as i32).contains(&count)
    }

    fn step(
        &self,
        [bias, threshold, most, low, high]: &[f32; 5],
        [u]: &mut [f32; 1],
        [count]: &mut [i32; 1],
        current: Option<f32>,
        k: u32,
    ) -> i32 {
        if let Some(current) = current {
            *u += current;
        }
        let v = *u + bias * k as f32;
        let q = (v / threshold).floor();
        let least = match self.sign {
            Sign::Signed => -most,
            Sign::Unsigned => 0.0,
        };
        // Whole numbers, so the conversions are exact.
        let s = q.clamp(least, *most) as i32;
        let after = (*count + s).clamp(*low as i32, *high as i32);
        let s = after - *count;
        if s != 0 {
            *u -= s as f32 * threshold;
            *count = after;
        }
        s
    }

    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        [bias, threshold, most, low, high]: &[L; 5],
        [u]: &mut [L; 1],
        [count]: &mut [L::Counts; 1],
        current: L,
        k: L,
    ) -> Emitted<L::Counts> {
        *u = u.add(current);
        let v = u.add(bias.mul(k));
        let zero = v.of(0.0);
        // Divisions are slow, and hardly any neuron has two thresholds at once, or less than none and something to take back.
        let up = v.at_least(*threshold);
        let (low, high) = (low.to_counts(), high.to_counts());
        let rises = high.sub(*count).nonzero();
        let mut large = L::bits(v.at_least(threshold.add(*threshold))) & rises;
        if self.sign == Sign::Signed {
            large |= !L::bits(v.at_least(zero)) & count.sub(low).nonzero();
        }
        if large == 0 {
            // Of θ ≤ v < 2θ the quotient is rounded to less than 2, because the number below 2 is an f32; and a count below its
            // bound has room for 1.
            let fires = L::bits(up) & rises;
            let up = v.mask_of(fires);
            let s = zero.replace(up, v.of(1.0)).to_counts();
            *u = u.replace(up, u.sub(*threshold));
            *count = count.add(s);
            return Emitted { fires, values: s };
        }
        let least = match self.sign {
            Sign::Signed => zero.sub(*most),
            Sign::Unsigned => zero,
        };
        let s = v.div(*threshold).floor().max(least).min(*most).to_counts();
        let after = count.add(s).max(low).min(high);
        let s = after.sub(*count);
        let fires = s.nonzero();
        *u = u.replace(v.mask_of(fires), u.sub(L::from_counts(s).mul(*threshold)));
        *count = after;
        Emitted { fires, values: s }
    }

    #[inline(always)]
    fn acts<L: Lanes>(
        &self,
        [bias, threshold, _, low, high]: &[L; 5],
        [u]: &[L; 1],
        [count]: &[L::Counts; 1],
        k: L,
    ) -> u16 {
        let v = u.add(bias.mul(k));
        // Where the count is at the bound that the potential points to, nothing happens.
        let may_rise = high.to_counts().sub(*count).nonzero();
        let up = L::bits(v.at_least(*threshold)) & may_rise;
        match self.sign {
            Sign::Unsigned => up,
            Sign::Signed => {
                let may_fall = count.sub(low.to_counts()).nonzero();
                up | (!L::bits(v.at_least(v.of(0.0))) & may_fall)
            }
        }
    }
}
