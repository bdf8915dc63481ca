//! The membrane update of any model, compiled for each model and instruction set.

use std::marker::PhantomData;

use super::InstructionSet;
use crate::lanes::{BLOCK, Counts, Lanes, Line};
use crate::neuron::{Autonomy, Columns, Model, REBASE};

/// Lines of 16 neurons in a word of 64: a word of spike bits.
pub(crate) const LINES_PER_WORD: usize = 4;

/// Neurons of one model in lines of 16; those that fill up the last line are at rest and never fire.
pub(crate) struct Neurons<'a> {
    /// `[lines][parameters of the step]`
    pub(crate) parameters: &'a [Line],
    /// `[lines][real numbers of the state]`
    pub(crate) reals: &'a mut [Line],
    /// `[lines][whole numbers of the state]`
    pub(crate) counts: &'a mut [Line<i32>],
}

/// What a step brings to blocks of neurons, and what it leaves.
pub(crate) struct BlockStep<'a> {
    /// The blocks to update, a bit each.
    pub(crate) blocks: &'a [u64],
    /// `[blocks]`: −0.0 where nothing has arrived. Left at −0.0 in the blocks that are updated.
    pub(crate) currents: &'a mut [Line],
    /// Steps since the last re-base, this one included.
    pub(crate) k: u32,
    /// `[blocks]`: of models on a ramp the first later `k` at which a neuron of the block acts by itself, 0 for never.
    pub(crate) acts: &'a mut [u16],
    /// Neurons that fire are appended, ascending.
    pub(crate) fired: &'a mut Vec<u32>,
    /// Their values are appended here, of models with values in populations in which not all are 1.
    pub(crate) values: Option<&'a mut Vec<i32>>,
}

/// What a window brings to 64 neurons, and what it leaves.
pub(crate) struct WordWindow<'a> {
    /// `[4][steps or more]`: −0.0 where nothing arrived.
    pub(crate) currents: &'a [Line],
    /// The step of `currents` to begin with.
    pub(crate) first: usize,
    /// Steps.
    pub(crate) steps: usize,
    /// Steps since the last re-base, the first one included.
    pub(crate) k: u32,
    /// The word of the `t`th step goes to `fired[t · stride]`.
    pub(crate) fired: &'a mut [u64],
    /// The distance of words of following steps.
    pub(crate) stride: usize,
    /// Values of the spikes are appended here in order of steps and neurons, of models with values in populations in which
    /// not all are 1.
    pub(crate) values: Option<&'a mut Vec<i32>>,
}

/// Lines of neurons whose lengths were checked.
struct Checked<'a, M: Model> {
    neurons: Neurons<'a>,
    model: PhantomData<M>,
}

impl<'a, M: Model> Checked<'a, M> {
    const PARAMETERS: usize = <M::Parameters<f32> as Columns<f32>>::COUNT;
    const REALS: usize = <M::Reals<f32> as Columns<f32>>::COUNT;
    const COUNTS: usize = <M::Counts<i32> as Columns<i32>>::COUNT;

    #[inline(always)]
    fn new(neurons: Neurons<'a>, lines: usize) -> Self {
        let found = [neurons.parameters.len(), neurons.reals.len(), neurons.counts.len()];
        let needed = [Self::PARAMETERS * lines, Self::REALS * lines, Self::COUNTS * lines];
        assert!(found == needed, "{found:?} columns of {lines} lines of 16 neurons, {needed:?} needed");
        Self { neurons, model: PhantomData }
    }

    /// # Safety
    /// That of [`Lanes`]; and there is such a line.
    #[inline(always)]
    unsafe fn parameters<L: Lanes>(&self, line: usize) -> M::Parameters<L> {
        // SAFETY: the caller's promise; the length was checked.
        Columns::from_fn(|i| unsafe {
            L::load(&self.neurons.parameters.get_unchecked(line * Self::PARAMETERS + i).0)
        })
    }

    /// # Safety
    /// That of [`Lanes`]; and there is such a line.
    #[inline(always)]
    unsafe fn reals<L: Lanes>(&self, line: usize) -> M::Reals<L> {
        // SAFETY: the caller's promise; the length was checked.
        Columns::from_fn(|i| unsafe { L::load(&self.neurons.reals.get_unchecked(line * Self::REALS + i).0) })
    }

    /// # Safety
    /// That of [`Lanes`]; and there is such a line.
    #[inline(always)]
    unsafe fn counts<L: Lanes>(&self, line: usize) -> M::Counts<L::Counts> {
        // SAFETY: the caller's promise; the length was checked.
        Columns::from_fn(|i| unsafe {
            L::load_counts(&self.neurons.counts.get_unchecked(line * Self::COUNTS + i).0)
        })
    }

    /// # Safety
    /// That of [`Lanes`]; and there is such a line.
    #[inline(always)]
    unsafe fn line<L: Lanes>(&self, line: usize) -> Held<L, M> {
        // SAFETY: the caller's promise.
        unsafe {
            Held {
                parameters: self.parameters::<L>(line),
                reals: self.reals::<L>(line),
                counts: self.counts::<L>(line),
            }
        }
    }

    /// # Safety
    /// There is such a line.
    #[inline(always)]
    unsafe fn store<L: Lanes>(&mut self, line: usize, reals: &M::Reals<L>, counts: &M::Counts<L::Counts>) {
        // SAFETY: the caller's promise; the length was checked.
        unsafe {
            for (i, real) in reals.as_slice().iter().enumerate() {
                real.store(&mut self.neurons.reals.get_unchecked_mut(line * Self::REALS + i).0);
            }
            for (i, count) in counts.as_slice().iter().enumerate() {
                count.store(&mut self.neurons.counts.get_unchecked_mut(line * Self::COUNTS + i).0);
            }
        }
    }
}

/// A line of neurons in registers.
struct Held<L: Lanes, M: Model> {
    parameters: M::Parameters<L>,
    reals: M::Reals<L>,
    counts: M::Counts<L::Counts>,
}

impl<L: Lanes, M: Model> Held<L, M> {
    /// The neurons that fire, and those at which something arrived or that fire.
    ///
    /// # Safety
    /// That of [`Lanes`].
    #[inline(always)]
    unsafe fn step(&mut self, model: &M, current: &Line, k: L) -> (u16, u16) {
        // SAFETY: the caller's promise.
        let current = unsafe { L::load(&current.0) };
        let arrived = L::bits(current.arrived());
        let fires = model.lanes::<L>(&self.parameters, &mut self.reals, &mut self.counts, current, k).fires;
        (fires, arrived | fires)
    }
}

/// Appends the values of the neurons that fire.
#[inline(always)]
fn push_values<C: Counts>(fires: u16, values: C, into: &mut Vec<i32>) {
    if fires != 0 {
        let mut of_lanes = [0; BLOCK];
        values.store(&mut of_lanes);
        let mut fires = fires;
        while fires != 0 {
            into.push(of_lanes[fires.trailing_zeros() as usize % BLOCK]);
            fires &= fires - 1;
        }
    }
}

/// One step of the given blocks. Returns the number of neurons at which something arrived or that fired.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
unsafe fn step_blocks<L: Lanes, M: Model>(model: &M, neurons: Neurons<'_>, step: BlockStep<'_>) -> u64 {
    let BlockStep { blocks, currents, k, acts, fired, mut values } = step;
    let lines = currents.len();
    assert!(acts.len() == lines && blocks.len() == lines.div_ceil(64), "{lines} blocks");
    let mut neurons = Checked::<M>::new(neurons, lines);
    let mut touched = 0;
    for (word, &bits) in blocks.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            let block = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let currents = &mut currents[block].0;
            // SAFETY: the caller's promise; that there is such a block was just seen.
            unsafe {
                let parameters = neurons.parameters::<L>(block);
                let (mut reals, mut counts) = (neurons.reals::<L>(block), neurons.counts::<L>(block));
                let current = L::load(currents);
                let written = L::bits(current.arrived());
                let ramp = L::splat(k as f32);
                let emitted = model.lanes::<L>(&parameters, &mut reals, &mut counts, current, ramp);
                neurons.store::<L>(block, &reals, &counts);
                L::splat(-0.0).store(currents);
                touched += u64::from((written | emitted.fires).count_ones());
                if M::VALUES
                    && let Some(values) = &mut values
                {
                    push_values(emitted.fires, emitted.values, values);
                }
                let mut fires = emitted.fires;
                while fires != 0 {
                    fired.push((block * BLOCK) as u32 + fires.trailing_zeros());
                    fires &= fires - 1;
                }
                if let Autonomy::Ramp = M::AUTONOMY {
                    acts[block] = first_act::<L, M>(model, &parameters, &reals, &counts, k);
                }
            }
        }
    }
    touched
}

/// The first `k` after `after` at which some neuron of the block acts if nothing arrives; 0 if none does before the
/// next re-base.
///
/// Exact, not an estimate: whether a neuron acts is monotone in `k` (see [`Autonomy::Ramp`]), so halving finds the very
/// step at which it turns true, for sixteen neurons at once.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
unsafe fn first_act<L: Lanes, M: Model>(
    model: &M,
    parameters: &M::Parameters<L>,
    reals: &M::Reals<L>,
    counts: &M::Counts<L::Counts>,
    after: u32,
) -> u16 {
    // SAFETY: the caller's promise.
    unsafe {
        let acts = |k: L| model.acts::<L>(parameters, reals, counts, k);
        let end = L::splat(REBASE as f32);
        let at_end = acts(end);
        if after == REBASE {
            // The next step begins with a re-base, which looks at every neuron with a bias. Without a bias only
            // what acts now acts then.
            return if at_end == 0 { 0 } else { REBASE as u16 + 1 };
        }
        let mut below = L::splat((after + 1) as f32);
        if acts(below) != 0 {
            return (after + 1) as u16;
        }
        // A neuron that rests at the end of the ramp rests on all of it, as none acts now.
        if at_end == 0 {
            return 0;
        }
        // The last step at which each neuron rests, by halving; its end if it never acts.
        let mut distance = 1 << (REBASE - after - 1).ilog2();
        while distance > 0 {
            let further = below.add(L::splat(distance as f32));
            let moves = L::bits(end.at_least(further)) & !acts(further);
            below = below.replace(L::mask(moves), further);
            distance >>= 1;
        }
        let mut steps = [0.0; BLOCK];
        below.store(&mut steps);
        // Some neuron acts, so the smallest is below the end. Whole numbers up to 256 are exact.
        steps.iter().fold(REBASE as f32, |first: f32, &step| first.min(step)) as u16 + 1
    }
}

/// One step of all words: `fired` has a word for each. Takes the currents and leaves −0.0. Returns the number of
/// neurons at which something arrived or that fired.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
unsafe fn step_words<L: Lanes, M: Model>(
    model: &M,
    neurons: Neurons<'_>,
    currents: &mut [Line],
    k: u32,
    fired: &mut [u64],
    mut values: Option<&mut Vec<i32>>,
) -> u64 {
    let words = fired.len();
    let mut neurons = Checked::<M>::new(neurons, words * LINES_PER_WORD);
    assert!(currents.len() >= words * LINES_PER_WORD, "{} currents for {words} words", currents.len());
    let (currents, _) = currents.as_chunks_mut::<LINES_PER_WORD>();
    let mut updates = 0;
    // SAFETY: the caller's promise; there are as many lines as were asserted.
    unsafe {
        let k = L::splat(k as f32);
        for (word, (fired, currents)) in fired.iter_mut().zip(currents).enumerate() {
            let (mut fires, mut written) = (0, 0);
            for (q, current) in currents.iter_mut().enumerate() {
                let line = word * LINES_PER_WORD + q;
                let parameters = neurons.parameters::<L>(line);
                let (mut reals, mut counts) = (neurons.reals::<L>(line), neurons.counts::<L>(line));
                let arriving = L::load(&current.0);
                L::splat(-0.0).store(&mut current.0);
                let arrived = L::bits(arriving.arrived());
                let emitted = model.lanes::<L>(&parameters, &mut reals, &mut counts, arriving, k);
                neurons.store::<L>(line, &reals, &counts);
                if M::VALUES
                    && let Some(values) = &mut values
                {
                    push_values(emitted.fires, emitted.values, values);
                }
                fires |= u64::from(emitted.fires) << (BLOCK * q);
                written |= u64::from(arrived | emitted.fires) << (BLOCK * q);
            }
            *fired = fires;
            updates += u64::from(written.count_ones());
        }
    }
    updates
}

/// A word of 64 neurons in the steps of a window. Returns the number of pairs of neuron and step in which something
/// arrived at the neuron or it fired.
///
/// # Safety
/// That of [`Lanes`].
#[inline(always)]
unsafe fn run_word<L: Lanes, M: Model>(model: &M, neurons: Neurons<'_>, window: WordWindow<'_>) -> u64 {
    let WordWindow { currents, first, steps, k, fired, stride, mut values } = window;
    let mut neurons = Checked::<M>::new(neurons, LINES_PER_WORD);
    let padded = currents.len() / LINES_PER_WORD;
    assert!(first + steps <= padded, "{steps} steps from {first} on of {padded} currents");
    let currents: [&[Line]; LINES_PER_WORD] =
        std::array::from_fn(|q| &currents[q * padded + first..][..steps]);
    let mut updates = 0;
    // SAFETY: the caller's promise; there are four lines as asserted.
    unsafe {
        if M::VALUES && values.is_none() {
            // Written out: the bodies of models with values are too long for the compiler to unroll the loop below, and each line
            // waits for its potential, while three others can go on.
            let [mut p, mut q, mut r, mut s] = [0, 1, 2, 3].map(|q| neurons.line::<L>(q));
            let currents = currents[0].iter().zip(currents[1]).zip(currents[2].iter().zip(currents[3]));
            for (t, (fired, ((a, b), (c, d)))) in fired.iter_mut().step_by(stride).zip(currents).enumerate() {
                let k = L::splat((k + t as u32) as f32);
                let of_lines =
                    [p.step(model, a, k), q.step(model, b, k), r.step(model, c, k), s.step(model, d, k)];
                let word = |of: fn(&(u16, u16)) -> u16| {
                    let [a, b, c, d] = of_lines.each_ref().map(|line| u64::from(of(line)));
                    a | (b << BLOCK) | (c << (2 * BLOCK)) | (d << (3 * BLOCK))
                };
                *fired = word(|line| line.0);
                updates += u64::from(word(|line| line.1).count_ones());
            }
            for (place, line) in [p, q, r, s].iter().enumerate() {
                neurons.store::<L>(place, &line.reals, &line.counts);
            }
            return updates;
        }
        let parameters: [M::Parameters<L>; LINES_PER_WORD] =
            std::array::from_fn(|q| neurons.parameters::<L>(q));
        let mut reals: [M::Reals<L>; LINES_PER_WORD] = std::array::from_fn(|q| neurons.reals::<L>(q));
        let mut counts: [M::Counts<L::Counts>; LINES_PER_WORD] =
            std::array::from_fn(|q| neurons.counts::<L>(q));
        for (t, fired) in fired.iter_mut().step_by(stride).take(steps).enumerate() {
            let k = L::splat((k + t as u32) as f32);
            let (mut fires, mut written) = (0, 0);
            for q in 0..LINES_PER_WORD {
                let current = L::load(&currents[q][t].0);
                let arrived = L::bits(current.arrived());
                let emitted = model.lanes::<L>(&parameters[q], &mut reals[q], &mut counts[q], current, k);
                if M::VALUES
                    && let Some(values) = &mut values
                {
                    push_values(emitted.fires, emitted.values, values);
                }
                fires |= u64::from(emitted.fires) << (BLOCK * q);
                written |= u64::from(arrived | emitted.fires) << (BLOCK * q);
            }
            *fired = fires;
            updates += u64::from(written.count_ones());
        }
        for q in 0..LINES_PER_WORD {
            neurons.store::<L>(q, &reals[q], &counts[q]);
        }
    }
    updates
}

/// Compiles a body for every instruction set, for whatever model.
macro_rules! compiled {
    ($($(#[$doc:meta])* fn $name:ident<M>($($argument:ident: $type:ty),*) -> u64 = $body:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name<M: Model>(set: InstructionSet, model: &M, $($argument: $type),*) -> u64 {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,popcnt")]
            fn avx512<M: Model>(model: &M, $($argument: $type),*) -> u64 {
                // SAFETY: this function is compiled for the instructions of these lanes.
                unsafe { $body::<crate::lanes::x86::Avx512, M>(model, $($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
            fn avx2<M: Model>(model: &M, $($argument: $type),*) -> u64 {
                // SAFETY: this function is compiled for the instructions of these lanes.
                unsafe { $body::<crate::lanes::x86::Avx2, M>(model, $($argument),*) }
            }
            // SAFETY: an instruction set is had only of a machine that was seen to have it.
            unsafe {
                match set.0 {
                    super::Set::Portable => $body::<crate::lanes::Portable, M>(model, $($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    super::Set::Avx2 => avx2(model, $($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    super::Set::Avx512 => avx512(model, $($argument),*),
                    #[cfg(target_arch = "aarch64")]
                    super::Set::Neon => $body::<crate::lanes::neon::Neon, M>(model, $($argument),*),
                }
            }
        }
    )*};
}

compiled! {
    /// One step of the given blocks. Returns the number of neurons at which something arrived or that fired.
    fn integrate_blocks<M>(neurons: Neurons<'_>, step: BlockStep<'_>) -> u64 = step_blocks;
    /// One step of all words. Returns the number of neurons at which something arrived or that fired.
    fn integrate_words<M>(
        neurons: Neurons<'_>, currents: &mut [Line], k: u32, fired: &mut [u64], values: Option<&mut Vec<i32>>
    ) -> u64 = step_words;
    /// A word in the steps of a window. Returns the number of pairs of neuron and step in which something arrived at
    /// the neuron or it fired.
    fn integrate_window<M>(neurons: Neurons<'_>, window: WordWindow<'_>) -> u64 = run_word;
}

const _: () = assert!(REBASE < u16::MAX as u32, "the step of an act must fit 16 bits");
