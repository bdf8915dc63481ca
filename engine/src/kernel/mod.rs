//! The inner loops, one table of function pointers for each instruction set of the machine.
//!
//! All tables give equal bits: they differ in the width of the registers, never in the order in which the
//! numbers of one sum are added, and no multiplication is fused with an addition. The bodies are written
//! once, in portable Rust or over sixteen lanes, and compiled for each instruction set.

mod bodies;
mod columns;
mod lanes;
mod line;
#[cfg(target_arch = "aarch64")]
mod neon;
mod octets;
#[cfg(test)]
mod tests;
mod windowed;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use columns::{Columns, SpikeMasks};
pub use line::{Line, Packed, flat, flat_mut, lines_of};
pub use octets::{MOST_ROWS, MOST_STEPS, Octets};

use crate::neuron::{REBASE, Reset};

/// The number of neurons in a block: the granularity of touching and waking.
pub const BLOCK: usize = 16;

/// One value for each neuron of a block.
pub type Block = [f32; BLOCK];

/// The neurons of one population as the membrane update sees them, in whole blocks; the neurons that fill
/// up the last block have an infinite threshold and never fire.
pub struct Membrane<'a> {
    /// `u` of each neuron.
    pub potentials: &'a mut [Block],
    /// The current of this step: −0.0 where nothing has arrived. Left at −0.0.
    pub currents: &'a mut [Block],
    /// Bias plus constant current.
    pub biases: &'a [Block],
    /// Thresholds.
    pub thresholds: &'a [Block],
    /// Steps since the last re-base, this one included.
    pub k: u32,
    /// What firing does.
    pub reset: Reset,
}

/// What the membrane update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Neurons to which a weight was delivered or that fired.
    pub touched: u64,
}

/// Neurons as the window kernels see them, in whole words of 64; those that fill up the last word have an
/// infinite threshold and never fire.
pub struct Windowed<'a> {
    /// `u` of each neuron.
    pub potentials: &'a mut [Line],
    /// Bias plus constant current.
    pub biases: &'a [Line],
    /// Thresholds.
    pub thresholds: &'a [Line],
    /// Steps since the last re-base, the first step of the window included.
    pub k: u32,
    /// What firing does.
    pub reset: Reset,
}

impl Windowed<'_> {
    fn check(&self, words: usize) {
        let lines = [self.potentials.len(), self.biases.len(), self.thresholds.len()];
        assert_eq!(lines, [words * windowed::LINES_PER_WORD; 3], "lines of {words} words of 64 neurons");
    }
}

type AddRows = fn(
    rows: &[u32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
);

type IntegrateWindow = fn(
    &mut Windowed<'_>,
    currents: &[Line],
    first: usize,
    steps: usize,
    fired: &mut [u64],
    stride: usize,
) -> u64;

type Scatter<T> = fn(&[T], &[f32], &mut [f32]);

/// The inner loops compiled for one instruction set.
pub struct Kernels {
    /// The name of the instruction set.
    pub name: &'static str,
    /// `currents[targets[i]] += weights[i]`, 16-bit targets, distinct and inside `currents`.
    pub scatter_u16: Scatter<u16>,
    /// The same with 32-bit targets.
    pub scatter_u32: Scatter<u32>,
    /// `currents[i] += row[i]`.
    pub add_row: fn(&[f32], &mut [f32]),
    /// One step of the given blocks (a bit each); appends the neurons that fire, ascending, and notes at
    /// `crossings[block]` the first later `k` at which a neuron of the block crosses by itself, 0 for never.
    pub integrate:
        fn(&mut Membrane<'_>, blocks: &[u64], crossings: &mut [u16], fired: &mut Vec<u32>) -> Updated,
    /// Adds the given rows of a compressed table, one after the other, to the currents: row `r` has the
    /// places `starts[r]..ends[r]` of `targets`, distinct in each row, and `weights`.
    pub add_rows: AddRows,
    /// The same for tables that no near cache holds: each row is fetched while the one before it is added.
    pub add_far_rows: AddRows,
    /// Appends the places of the bits that are set, ascending.
    pub list: fn(bits: &[u64], ids: &mut Vec<u32>),
    /// One step of all neurons. Takes their currents and leaves −0.0; writes a bit per neuron that fires.
    /// Returns the number of neurons that a weight reached or that fired.
    pub integrate_step: fn(&mut Windowed<'_>, currents: &mut [Line], fired: &mut [u64]) -> u64,
    /// 64 neurons in `steps` steps, of which the currents stand from `first` on in `currents` `[4][…][16]`, −0.0 where
    /// nothing arrived; the word of the `t`th of them goes to `fired[t · stride]`. Returns the number of pairs of neuron and step in which a weight
    /// reached the neuron or it fired.
    pub integrate_window: IntegrateWindow,
    /// Adds the weights `rows` `[1 + sources][16]` of the spikes in `octets` to `currents` `[padded steps][16]`,
    /// which start at −0.0 if `fresh`. `next` is fetched into the cache meanwhile.
    pub deliver_tile: fn(rows: &[Line], next: &[Line], octets: &Octets, currents: &mut [Line], fresh: bool),
    /// Writes the weights of packed rows to their places in `rows` lines, which are at −0.0 elsewhere.
    pub unpack: fn(packed: &[Packed], rows: usize, into: &mut [f32; 1 << 16]),
    /// The currents `[steps][16]` of 16 targets from `first` on, summed over time: per target the steps stand
    /// side by side, and a source adds its weight in those in which it fires.
    pub time_lanes: fn(&Columns, first: usize, masks: &SpikeMasks, steps: usize, currents: &mut [Line]),
}

macro_rules! kernels {
    ($module:ident, $name:literal, $lanes:ty $(, $feature:literal)?) => {
        mod $module {
            use super::{Columns, Kernels, Line, Membrane, Octets, Packed, SpikeMasks, Updated, Windowed, bodies, windowed};

            kernels! { @functions $name, [$($feature)?],
                fn scatter_u16(targets: &[u16], weights: &[f32], currents: &mut [f32]) {
                    bodies::scatter(targets, weights, currents, |&target| usize::from(target))
                }
                fn scatter_u32(targets: &[u32], weights: &[f32], currents: &mut [f32]) {
                    bodies::scatter(targets, weights, currents, |&target| target as usize)
                }
                fn add_row(row: &[f32], currents: &mut [f32]) {
                    bodies::add_row(row, currents)
                }
                fn integrate(m: &mut Membrane<'_>, blocks: &[u64], crossings: &mut [u16], fired: &mut Vec<u32>) -> Updated {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { bodies::integrate::<$lanes>(m, blocks, crossings, fired) }
                }
                fn add_rows(
                    rows: &[u32], starts: &[u64], ends: &[u64], targets: &[u16], weights: &[f32], currents: &mut [f32; 1 << 16]
                ) {
                    windowed::add_rows(rows, starts, ends, targets, weights, currents)
                }
                fn add_far_rows(
                    rows: &[u32], starts: &[u64], ends: &[u64], targets: &[u16], weights: &[f32], currents: &mut [f32; 1 << 16]
                ) {
                    windowed::add_far_rows(rows, starts, ends, targets, weights, currents)
                }
                fn list(bits: &[u64], ids: &mut Vec<u32>) {
                    windowed::list(bits, ids)
                }
                fn integrate_step(m: &mut Windowed<'_>, currents: &mut [Line], fired: &mut [u64]) -> u64 {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::integrate_step::<$lanes>(m, currents, fired) }
                }
                fn integrate_window(
                    m: &mut Windowed<'_>, currents: &[Line], first: usize, steps: usize, fired: &mut [u64], stride: usize
                ) -> u64 {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::integrate_window::<$lanes>(m, currents, first, steps, fired, stride) }
                }
                fn deliver_tile(rows: &[Line], next: &[Line], octets: &Octets, currents: &mut [Line], fresh: bool) {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::deliver_tile::<$lanes>(rows, next, octets, currents, fresh) }
                }
                fn unpack(packed: &[Packed], rows: usize, into: &mut [f32; 1 << 16]) {
                    windowed::unpack_rows(packed, rows, into)
                }
                fn time_lanes(columns: &Columns, first: usize, masks: &SpikeMasks, steps: usize, currents: &mut [Line]) {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::time_lanes::<$lanes>(columns, first, masks, steps, currents) }
                }
            }
        }
    };
    (@functions $name:literal, $features:tt,
     $(fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(kernels! { @function $features fn $function($($argument: $type),*) $(-> $result)? $body })*
        pub(super) static KERNELS: Kernels = Kernels { name: $name, $($function),* };
    };
    (@function [] fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        fn $function($($argument: $type),*) $(-> $result)? $body
    };
    (@function [$feature:literal] fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        fn $function($($argument: $type),*) $(-> $result)? {
            #[target_feature(enable = $feature)]
            fn compiled($($argument: $type),*) $(-> $result)? $body
            // SAFETY: `available` hands the table out only if the processor has the features.
            unsafe { compiled($($argument),*) }
        }
    };
}

kernels!(portable, "portable", super::lanes::Portable);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, "avx2", super::x86::Avx2, "avx2,bmi1,bmi2,popcnt");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, "avx512", super::x86::Avx512, "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,popcnt");

// Every 64-bit ARM has NEON.
#[cfg(target_arch = "aarch64")]
kernels!(arm, "neon", super::neon::Neon);

#[cfg(target_arch = "x86_64")]
fn has_bits() -> bool {
    is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("popcnt")
}

/// The kernels that this machine can run, the best one last.
#[must_use]
pub fn available() -> Vec<&'static Kernels> {
    #[allow(unused_mut, reason = "only some architectures have more than the portable kernels")]
    let mut kernels = vec![&portable::KERNELS];
    #[cfg(target_arch = "aarch64")]
    kernels.push(&arm::KERNELS);
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && has_bits() {
            kernels.push(&avx2::KERNELS);
        }
        if has_bits()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            kernels.push(&avx512::KERNELS);
        }
    }
    kernels
}

/// The best kernels of this machine.
///
/// # Panics
/// Never: the portable kernels are always there.
#[must_use]
pub fn best() -> &'static Kernels {
    available().pop().expect("the portable kernels are always available")
}

/// The instruction sets of this machine that there are kernels for, the best one last.
#[must_use]
pub fn instruction_sets() -> Vec<&'static str> {
    available().into_iter().map(|kernels| kernels.name).collect()
}

const _: () = assert!(REBASE <= u16::MAX as u32, "a crossing must fit 16 bits");
