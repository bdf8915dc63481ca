//! What a neuron model is: one description, from which everything that runs, checks, saves or shows it follows.

use std::fmt::Debug;

use super::ramp::REBASE;
use crate::error::NetworkError;
use crate::lanes::{BLOCK, Counts, Lanes};
use crate::per_neuron::PerNeuron;

/// What numbers a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// Any finite number of at most [`LARGEST`](crate::LARGEST) in magnitude.
    Finite,
    /// Such numbers above 0.
    Positive,
    /// Numbers from the first to the second.
    Within(f32, f32),
    /// Whole numbers from the first to the second, which f32 holds exactly.
    Whole(i32, i32),
}

impl Allowed {
    /// Whether a number is allowed.
    #[must_use]
    pub fn holds(self, value: f32) -> bool {
        match self {
            Self::Finite => value.is_finite(),
            Self::Positive => value.is_finite() && value > 0.0,
            Self::Within(least, most) => (least..=most).contains(&value),
            // Every f32 of at most 2³⁰ in magnitude that is whole is an i32.
            Self::Whole(least, most) => {
                value.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(&f64::from(value))
            }
        }
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finite => write!(f, "finite numbers"),
            Self::Positive => write!(f, "numbers above 0"),
            Self::Within(least, most) => write!(f, "numbers from {least} to {most}"),
            Self::Whole(least, most) => write!(f, "whole numbers from {least} to {most}"),
        }
    }
}

/// A number that every neuron of a model has and that never changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// One word, unique in the model; files and tables have it.
    pub name: &'static str,
    /// What it may be.
    pub allowed: Allowed,
    /// What it is if nothing is said; `None` if it must be said.
    pub default: Option<f32>,
    /// With it a neuron at rest, whose state is 0 and which nothing reaches, stays at rest and emits nothing: such
    /// neurons fill up the last block of a population.
    pub at_rest: f32,
    /// What it means, and its unit.
    pub meaning: &'static str,
}

/// A choice between variants of a model, the same for all neurons of a population.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// One word, unique in the model; files and tables have it.
    pub name: &'static str,
    /// The variants, the default first.
    pub options: &'static [&'static str],
    /// What is chosen.
    pub meaning: &'static str,
}

/// What a number of the state is before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// 0
    Zero,
    /// The parameter at this place of [`Model::PARAMETERS`].
    Parameter(usize),
}

/// A number that every neuron of a model has and that a step may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// One word, unique in the model.
    pub name: &'static str,
    /// What it is before the first step.
    pub initial: Initial,
}

/// How the neurons of a model move if nothing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autonomy {
    /// Only along the ramp `v = u + bias·k` of sentence 3 of the contract: between events nothing is written, and the
    /// first step at which a neuron acts by itself is found exactly and waited for.
    ///
    /// A neuron that does not act at `k` and acts at some later one before the re-base acts at all in between as well:
    /// because `u + bias·k` is monotone in `k`, comparing it with bounds that do not change has this property.
    Ramp,
    /// In every step. Deliveries stay event-driven, but every neuron is updated in every step. There is no ramp
    /// and no re-base: the step adds the bias by itself.
    EveryStep,
    /// Not at all: without input nothing changes and nothing is emitted. The bias has no effect but that which the
    /// step gives it.
    Never,
}

/// Which values the spikes of a population may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The largest magnitude, up to [`LARGEST_VALUE`](crate::LARGEST_VALUE); 0 if the neurons never fire.
    pub largest: i32,
    /// Whether values may be below 0.
    pub negative: bool,
}

impl Emission {
    /// Neurons that never fire: a read-out.
    pub const NONE: Self = Self { largest: 0, negative: false };
    /// Spikes of value 1.
    pub const UNIT: Self = Self { largest: 1, negative: false };

    /// Whether all spikes have the value 1.
    #[must_use]
    pub const fn is_unit(self) -> bool {
        self.largest <= 1 && !self.negative
    }

    /// Whether the neurons fire at all.
    #[must_use]
    pub const fn fires(self) -> bool {
        self.largest > 0
    }
}

/// An array that holds one element for each column of a model.
pub trait Columns<T> {
    /// The number of columns.
    const COUNT: usize;
    /// One element for each column.
    fn from_fn(each: impl FnMut(usize) -> T) -> Self;
    /// The elements.
    fn as_slice(&self) -> &[T];
    /// The elements.
    fn as_mut_slice(&mut self) -> &mut [T];
}

impl<T, const N: usize> Columns<T> for [T; N] {
    const COUNT: usize = N;

    #[inline(always)]
    fn from_fn(each: impl FnMut(usize) -> T) -> Self {
        std::array::from_fn(each)
    }

    #[inline(always)]
    fn as_slice(&self) -> &[T] {
        self
    }

    #[inline(always)]
    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }
}

/// What sixteen neurons emit in a step.
#[derive(Clone, Copy)]
pub struct Emitted<C> {
    /// A bit for each neuron that fires.
    pub fires: u16,
    /// The values of those that do; looked at only if [`Model::VALUES`].
    pub values: C,
}

/// A neuron model: its parameters, its state and its step. Implementing it is all that a new model takes: every
/// simulator runs it, in windows and step by step, on every instruction set; and for the models of this crate files,
/// tables and Python follow from the description.
///
/// Every model has a *bias* and a *potential* `u`: the first parameter and the first real variable. Constant currents
/// are added to the bias. What [`Simulator::potentials`](crate::Simulator::potentials) gives is `v = u + bias·k` for
/// models on a [`Ramp`](Autonomy::Ramp) and `u` for others.
///
/// Only [`step`](Self::step) defines what a neuron does; the dense reference runs nothing else.
/// [`lanes`](Self::lanes) and [`acts`](Self::acts) must agree with it by bits, and do if they are left out.
pub trait Model: Clone + Debug + Send + Sync + Sized + 'static {
    /// What files and tables call it: words joined by hyphens, unique.
    const NAME: &'static str;
    /// What it is, with the paper it is from.
    const MEANING: &'static str;
    /// Its parameters: first those that the step needs, of which the first is the `bias`, then those that only the
    /// state begins with.
    const PARAMETERS: &'static [Parameter];
    /// Its choices.
    const CHOICES: &'static [Choice] = &[];
    /// Its state: first the real numbers, of which the first is the `potential`, then the whole ones.
    const STATE: &'static [Variable];
    /// How it moves if nothing arrives.
    const AUTONOMY: Autonomy;
    /// Whether spikes may have other values than 1.
    const VALUES: bool = false;
    /// Processor cycles for one step of 64 neurons in vector registers, which windows reckon with.
    const CYCLES: f64 = 20.0;

    /// One element for each parameter that the step needs: an array.
    type Parameters<T>: Columns<T>;
    /// One element for each real number of the state: an array.
    type Reals<T>: Columns<T>;
    /// One element for each whole number of the state: an array, of length 0 if there are none.
    type Counts<T>: Columns<T>;

    /// The values of [`PARAMETERS`](Self::PARAMETERS), in that order.
    fn parameters(&self) -> Vec<&PerNeuron>;

    /// The options taken of [`CHOICES`](Self::CHOICES), in that order.
    fn choices(&self) -> Vec<usize> {
        vec![]
    }

    /// The model of these parameters and choices; there are as many as described, and the options exist.
    fn from_parts(parameters: Vec<PerNeuron>, choices: &[usize]) -> Self;

    /// What the parameters must satisfy beyond their own ranges.
    ///
    /// # Errors
    /// If they do not.
    fn check(&self) -> Result<(), NetworkError> {
        Ok(())
    }

    /// Which values its spikes may have.
    fn emission(&self) -> Emission;

    /// Whether the bias, and constant currents with it, arrive once, as a current of the first step, instead of in
    /// every step.
    fn bias_arrives_once(&self) -> bool {
        false
    }

    /// The parameters that are potentials, the bias first, if the potential only ever changes by whole multiples of them and by what
    /// arrives: then it stays on the lattice that these and the weights have ([`Lattice`](crate::Lattice)). `None`, if it
    /// is left out: a potential that is scaled, as by a leak, has no lattice.
    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        None
    }

    /// Whether a whole number of a neuron's state is possible; `place` counts the whole numbers of the state.
    fn allows_count(&self, parameters: &Self::Parameters<f32>, place: usize, count: i32) -> bool {
        let _ = (parameters, place, count);
        true
    }

    /// Whether a neuron is at rest: if nothing arrives it will never emit anything again, and nothing of its state will
    /// change but by the ramp. `k` is that of the next step.
    ///
    /// If it is left out: on a [`Ramp`](Autonomy::Ramp) a neuron rests if it does not act in the next step, nor at any
    /// potential that its bias leads to, however far; one that moves in [every step](Autonomy::EveryStep) rests if the
    /// next step changes nothing; one that [never](Autonomy::Never) moves rests.
    fn rests(
        &self,
        parameters: &Self::Parameters<f32>,
        reals: &Self::Reals<f32>,
        counts: &Self::Counts<i32>,
        k: u32,
    ) -> bool {
        /// Farther than any potential.
        const FAR: f32 = 1e38;
        match Self::AUTONOMY {
            Autonomy::Never => true,
            Autonomy::EveryStep => !acts(self, parameters, reals, counts, k),
            Autonomy::Ramp => {
                let bias = parameters.as_slice()[0];
                let mut still: Self::Parameters<f32> = Columns::from_fn(|i| parameters.as_slice()[i]);
                let mut far: Self::Reals<f32> = Columns::from_fn(|i| reals.as_slice()[i]);
                still.as_mut_slice()[0] = 0.0;
                far.as_mut_slice()[0] = FAR.copysign(bias);
                !acts(self, parameters, reals, counts, k)
                    && (bias == 0.0 || !acts(self, &still, &far, counts, k))
            }
        }
    }

    /// One step of one neuron: the definition. `current` is `None` if nothing arrived; `k` are the steps since the
    /// last re-base, this one included. Returns the value of the spike, 0 for none.
    fn step(
        &self,
        parameters: &Self::Parameters<f32>,
        reals: &mut Self::Reals<f32>,
        counts: &mut Self::Counts<i32>,
        current: Option<f32>,
        k: u32,
    ) -> i32;

    /// The step of sixteen neurons, by bits what [`step`](Self::step) does; `current` is −0.0 where nothing arrived,
    /// and adding that changes no bit. If it is left out the neurons are stepped one by one.
    #[inline(always)]
    fn lanes<L: Lanes>(
        &self,
        parameters: &Self::Parameters<L>,
        reals: &mut Self::Reals<L>,
        counts: &mut Self::Counts<L::Counts>,
        current: L,
        k: L,
    ) -> Emitted<L::Counts> {
        let mut neurons = Unpacked::<Self>::of(parameters, reals, counts, k);
        let mut arrived = [0.0; BLOCK];
        current.store(&mut arrived);
        let (mut fires, mut values) = (0, [0; BLOCK]);
        for lane in 0..BLOCK {
            let arrived = Some(arrived[lane]).filter(|current| current.to_bits() != (-0.0_f32).to_bits());
            values[lane] = neurons.step(self, lane, arrived);
            fires |= u16::from(values[lane] != 0) << lane;
        }
        neurons.pack(reals, counts);
        Emitted { fires, values: current.counts_of(&values) }
    }

    /// Which of sixteen neurons would emit something, or change, at `k` if nothing arrived; of models on a
    /// [`Ramp`](Autonomy::Ramp). If it is left out it is tried with [`step`](Self::step).
    ///
    /// It may say yes where nothing happens, which costs time, but never no where something does.
    #[inline(always)]
    fn acts<L: Lanes>(
        &self,
        parameters: &Self::Parameters<L>,
        reals: &Self::Reals<L>,
        counts: &Self::Counts<L::Counts>,
        k: L,
    ) -> u16 {
        let neurons = Unpacked::<Self>::of(parameters, reals, counts, k);
        (0..BLOCK).fold(0, |acts, lane| acts | u16::from(neurons.acts(self, lane)) << lane)
    }
}

/// Whether a neuron emits something or changes in a step in which nothing arrives.
fn acts<M: Model>(
    model: &M,
    parameters: &M::Parameters<f32>,
    reals: &M::Reals<f32>,
    counts: &M::Counts<i32>,
    k: u32,
) -> bool {
    let mut x: M::Reals<f32> = Columns::from_fn(|i| reals.as_slice()[i]);
    let mut n: M::Counts<i32> = Columns::from_fn(|i| counts.as_slice()[i]);
    let value = model.step(parameters, &mut x, &mut n, None, k);
    let moved = x.as_slice().iter().zip(reals.as_slice()).any(|(a, b)| a.to_bits() != b.to_bits());
    value != 0 || moved || n.as_slice() != counts.as_slice()
}

/// The numbers of sixteen neurons out of their registers.
struct Unpacked<M: Model> {
    parameters: M::Parameters<[f32; BLOCK]>,
    reals: M::Reals<[f32; BLOCK]>,
    counts: M::Counts<[i32; BLOCK]>,
    k: u32,
}

impl<M: Model> Unpacked<M> {
    fn of<L: Lanes>(
        parameters: &M::Parameters<L>,
        reals: &M::Reals<L>,
        counts: &M::Counts<L::Counts>,
        k: L,
    ) -> Self {
        let out = |lanes: L| {
            let mut block = [0.0; BLOCK];
            lanes.store(&mut block);
            block
        };
        Self {
            parameters: Columns::from_fn(|i| out(parameters.as_slice()[i])),
            reals: Columns::from_fn(|i| out(reals.as_slice()[i])),
            counts: Columns::from_fn(|i| {
                let mut block = [0; BLOCK];
                counts.as_slice()[i].store(&mut block);
                block
            }),
            // A whole number up to REBASE.
            k: out(k)[0] as u32,
        }
    }

    /// Puts the state back.
    fn pack<L: Lanes>(&self, reals: &mut M::Reals<L>, counts: &mut M::Counts<L::Counts>) {
        let witness = reals.as_slice()[0];
        *reals = Columns::from_fn(|i| witness.of_block(&self.reals.as_slice()[i]));
        *counts = Columns::from_fn(|i| witness.counts_of(&self.counts.as_slice()[i]));
    }

    fn step(&mut self, model: &M, lane: usize, current: Option<f32>) -> i32 {
        let parameters = Columns::from_fn(|i| self.parameters.as_slice()[i][lane]);
        let mut reals: M::Reals<f32> = Columns::from_fn(|i| self.reals.as_slice()[i][lane]);
        let mut counts: M::Counts<i32> = Columns::from_fn(|i| self.counts.as_slice()[i][lane]);
        let value = model.step(&parameters, &mut reals, &mut counts, current, self.k);
        for (column, real) in self.reals.as_mut_slice().iter_mut().zip(reals.as_slice()) {
            column[lane] = *real;
        }
        for (column, count) in self.counts.as_mut_slice().iter_mut().zip(counts.as_slice()) {
            column[lane] = *count;
        }
        value
    }

    /// Whether a neuron emits something or changes if nothing arrives.
    fn acts(&self, model: &M, lane: usize) -> bool {
        let parameters = Columns::from_fn(|i| self.parameters.as_slice()[i][lane]);
        let reals = Columns::from_fn(|i| self.reals.as_slice()[i][lane]);
        let counts = Columns::from_fn(|i| self.counts.as_slice()[i][lane]);
        acts(model, &parameters, &reals, &counts, self.k)
    }
}

/// A model as the rest of the program sees it: its constants.
#[derive(Debug)]
pub struct Description {
    /// See [`Model::NAME`].
    pub name: &'static str,
    /// See [`Model::MEANING`].
    pub meaning: &'static str,
    /// See [`Model::PARAMETERS`].
    pub parameters: &'static [Parameter],
    /// See [`Model::CHOICES`].
    pub choices: &'static [Choice],
    /// See [`Model::STATE`].
    pub state: &'static [Variable],
    /// The real numbers among the state; the rest are whole.
    pub reals: usize,
    /// The parameters that the step needs.
    pub stepped: usize,
    /// See [`Model::AUTONOMY`].
    pub autonomy: Autonomy,
    /// See [`Model::VALUES`].
    pub values: bool,
    /// See [`Model::CYCLES`].
    pub cycles: f64,
}

impl Description {
    /// The description of a model.
    #[must_use]
    pub fn of<M: Model>() -> &'static Self {
        const {
            assert!(
                <M::Parameters<f32> as Columns<f32>>::COUNT > 0,
                "the first parameter of a model is its bias"
            );
            assert!(
                <M::Reals<f32> as Columns<f32>>::COUNT > 0,
                "the first variable of a model is its potential"
            );
            assert!(
                <M::Parameters<f32> as Columns<f32>>::COUNT <= M::PARAMETERS.len(),
                "parameters that are not described"
            );
            assert!(
                <M::Reals<f32> as Columns<f32>>::COUNT + <M::Counts<i32> as Columns<i32>>::COUNT
                    == M::STATE.len(),
                "variables that are not described, or too many"
            );
            &Self {
                name: M::NAME,
                meaning: M::MEANING,
                parameters: M::PARAMETERS,
                choices: M::CHOICES,
                state: M::STATE,
                reals: <M::Reals<f32> as Columns<f32>>::COUNT,
                stepped: <M::Parameters<f32> as Columns<f32>>::COUNT,
                autonomy: M::AUTONOMY,
                values: M::VALUES,
                cycles: M::CYCLES,
            }
        }
    }

    /// The parameter of a name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.name == name)
    }
}

const _: () = assert!(REBASE <= 1 << 24, "the steps of a ramp must be exact in f32");
