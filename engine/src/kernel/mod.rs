//! The inner loops, one table of function pointers for each instruction set of the machine.
//!
//! All tables give equal bits: they differ in the width of the registers, never in the order in which the
//! numbers of one sum are added, and no multiplication is fused with an addition. The bodies are written
//! once, in portable Rust or over sixteen lanes, and compiled for each instruction set.

mod bodies;
mod columns;
mod gathered;
pub(crate) mod membrane;
mod octets;
mod packed;
#[cfg(test)]
mod tests;
mod windowed;

pub use columns::{Columns, SpikeMasks};
pub use octets::{MOST_ROWS, MOST_STEPS, Octets};
pub use packed::{Packed, lines_of};

pub use crate::lanes::Line;
#[cfg(feature = "internals")]
pub use crate::lanes::{BLOCK, flat, flat_mut};

/// An instruction set of this machine: had only from [`available`], which asks the processor.
#[derive(Clone, Copy, Debug)]
pub struct InstructionSet(Set);

impl InstructionSet {
    /// Whether sixteen numbers are one register, and a mask of them an operand.
    pub(crate) fn has_masks(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.0, Set::Avx512);
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

#[derive(Clone, Copy, Debug)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

type AddRows = fn(
    rows: &[u32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
);

type AddWideRows =
    fn(rows: &[u32], starts: &[u64], ends: &[u64], targets: &[u32], weights: &[f32], currents: &mut [f32]);

type AddScaledRows = fn(
    rows: &[u32],
    values: &[i32],
    starts: &[u64],
    ends: &[u64],
    targets: &[u16],
    weights: &[f32],
    currents: &mut [f32; 1 << 16],
);

type AddRun = fn(rows: &[Line], first: u32, spikes: (&[u32], &[i32]), masked: bool, currents: &mut [f32]);

/// The inner loops compiled for one instruction set.
pub struct Kernels {
    /// The name of the instruction set.
    pub name: &'static str,
    /// The instruction set.
    pub set: InstructionSet,
    /// `currents[targets[i]] += weights[i]`, 16-bit targets, distinct and inside `currents`.
    pub scatter_u16: fn(targets: &[u16], weights: &[f32], currents: &mut [f32]),
    /// `currents[i] += row[i]`.
    pub add_row: fn(&[f32], &mut [f32]),
    /// `currents[targets[i]] += weights[i] · value`, the product rounded once, 32-bit targets.
    pub scatter_scaled_u32: fn(targets: &[u32], weights: &[f32], value: f32, currents: &mut [f32]),
    /// `currents[i] += row[i] · value`, where `row[i]` is not −0.0.
    pub add_scaled_row: fn(&[f32], f32, &mut [f32]),
    /// Adds the given rows of a compressed table, one after the other, to the currents: row `r` has the
    /// places `starts[r]..ends[r]` of `targets`, distinct in each row, and `weights`.
    pub add_rows: AddRows,
    /// The same for tables that no near cache holds: each row is fetched while the one before it is added.
    pub add_far_rows: AddRows,
    /// The same for 32-bit targets, inside `currents`; rows are fetched ahead.
    pub add_wide_rows: AddWideRows,
    /// The same as `add_rows` with the value of each row's spike.
    pub add_scaled_rows: AddScaledRows,
    /// Appends the places of the bits that are set, ascending.
    pub list: fn(bits: &[u64], ids: &mut Vec<u32>),
    /// Adds the weights `rows` `[1 + sources][16]` of the spikes in `octets` to `currents` `[padded steps][16]`,
    /// which start at −0.0 if `fresh`. `next` is fetched into the cache meanwhile.
    pub deliver_tile: fn(rows: &[Line], next: &[Line], octets: &Octets, currents: &mut [Line], fresh: bool),
    /// Adds the weight rows of spikes, ascending ids with their values, or all of value 1 if there are none, to the currents of
    /// a target position: spike `id` brings row `id − first` of `rows`, which have as many whole lines as the currents fill.
    /// Absent weights are −0.0; `masked` must be set if there are some and values may be negative.
    pub add_run: AddRun,
    /// `currents[i] += weights[i] · values[i]` where neither is zero.
    pub add_channels: fn(weights: &[f32], values: &[f32], currents: &mut [f32]),
    /// Writes the weights of packed rows to their places in `rows` lines, which are at −0.0 elsewhere.
    pub unpack: fn(packed: &[Packed], rows: usize, into: &mut [f32; 1 << 16]),
    /// The currents `[steps][16]` of 16 targets from `first` on, summed over time: per target the steps stand
    /// side by side, and a source adds its weight in those in which it fires. The mask of id 0 stands at the place `from`.
    pub time_lanes:
        fn(&Columns, first: usize, masks: &SpikeMasks, from: usize, steps: usize, currents: &mut [Line]),
}

macro_rules! kernels {
    ($module:ident, $name:literal, $set:ident, $lanes:ty $(, $feature:literal)?) => {
        mod $module {
            use super::{Columns, InstructionSet, Kernels, Line, Octets, Packed, Set, SpikeMasks, bodies, gathered, windowed};

            kernels! { @functions $name, Set::$set, [$($feature)?],
                fn scatter_u16(targets: &[u16], weights: &[f32], currents: &mut [f32]) {
                    bodies::scatter(targets, weights, currents)
                }
                fn add_row(row: &[f32], currents: &mut [f32]) {
                    bodies::add_row(row, currents)
                }
                fn scatter_scaled_u32(targets: &[u32], weights: &[f32], value: f32, currents: &mut [f32]) {
                    bodies::scatter_scaled(targets, weights, value, currents)
                }
                fn add_scaled_row(row: &[f32], value: f32, currents: &mut [f32]) {
                    bodies::add_scaled_row(row, value, currents)
                }
                fn add_scaled_rows(
                    rows: &[u32], values: &[i32], starts: &[u64], ends: &[u64], targets: &[u16], weights: &[f32], currents: &mut [f32; 1 << 16]
                ) {
                    windowed::add_scaled_rows(rows, values, starts, ends, targets, weights, currents)
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
                fn add_wide_rows(
                    rows: &[u32], starts: &[u64], ends: &[u64], targets: &[u32], weights: &[f32], currents: &mut [f32]
                ) {
                    windowed::add_wide_rows(rows, starts, ends, targets, weights, currents)
                }
                fn list(bits: &[u64], ids: &mut Vec<u32>) {
                    windowed::list(bits, ids)
                }
                fn deliver_tile(rows: &[Line], next: &[Line], octets: &Octets, currents: &mut [Line], fresh: bool) {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::deliver_tile::<$lanes>(rows, next, octets, currents, fresh) }
                }
                fn add_run(rows: &[Line], first: u32, spikes: (&[u32], &[i32]), masked: bool, currents: &mut [f32]) {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { gathered::add_run::<$lanes>(rows, first, spikes, masked, currents) }
                }
                fn add_channels(weights: &[f32], values: &[f32], currents: &mut [f32]) {
                    gathered::add_channels(weights, values, currents)
                }
                fn unpack(packed: &[Packed], rows: usize, into: &mut [f32; 1 << 16]) {
                    windowed::unpack_rows(packed, rows, into)
                }
                fn time_lanes(
                    columns: &Columns, first: usize, masks: &SpikeMasks, from: usize, steps: usize, currents: &mut [Line]
                ) {
                    // SAFETY: this function is compiled for the instructions of these lanes.
                    unsafe { windowed::time_lanes::<$lanes>(columns, first, masks, from, steps, currents) }
                }
            }
        }
    };
    (@functions $name:literal, $set:path, $features:tt,
     $(fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(kernels! { @function $features fn $function($($argument: $type),*) $(-> $result)? $body })*
        pub(super) static KERNELS: Kernels = Kernels { name: $name, set: InstructionSet($set), $($function),* };
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

kernels!(portable, "portable", Portable, crate::lanes::Portable);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, "avx2", Avx2, crate::lanes::x86::Avx2, "avx2,bmi1,bmi2,popcnt");
#[cfg(target_arch = "x86_64")]
kernels!(
    avx512,
    "avx512",
    Avx512,
    crate::lanes::x86::Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,popcnt"
);

// Every 64-bit ARM has NEON.
#[cfg(target_arch = "aarch64")]
kernels!(arm, "neon", Neon, crate::lanes::neon::Neon);

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
