//! The inner loops, one table of function pointers for each instruction set of the machine.
//!
//! All tables give equal bits: they differ in the width of the registers, never in the order in which the
//! numbers of one sum are added, and no multiplication is fused with an addition. The bodies are written
//! once, in portable Rust, and compiled for each instruction set.

mod bodies;

use crate::{REBASE, Reset};

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
}

macro_rules! kernels {
    ($module:ident, $name:literal $(, $feature:literal)?) => {
        mod $module {
            use super::{Kernels, Membrane, Updated, bodies};

            $(#[target_feature(enable = $feature)])?
            fn scatter_u16(targets: &[u16], weights: &[f32], currents: &mut [f32]) {
                bodies::scatter(targets, weights, currents, |&target| usize::from(target));
            }

            $(#[target_feature(enable = $feature)])?
            fn scatter_u32(targets: &[u32], weights: &[f32], currents: &mut [f32]) {
                bodies::scatter(targets, weights, currents, |&target| target as usize);
            }

            $(#[target_feature(enable = $feature)])?
            fn add_row(row: &[f32], currents: &mut [f32]) {
                bodies::add_row(row, currents);
            }

            $(#[target_feature(enable = $feature)])?
            fn integrate(m: &mut Membrane<'_>, blocks: &[u64], crossings: &mut [u16], fired: &mut Vec<u32>) -> Updated {
                bodies::integrate(m, blocks, crossings, fired)
            }

            kernels!(@table $name $(, $feature)?);
        }
    };
    (@table $name:literal) => {
        pub(super) static KERNELS: Kernels =
            Kernels { name: $name, scatter_u16, scatter_u32, add_row, integrate };
    };
    (@table $name:literal, $feature:literal) => {
        // SAFETY (of every closure below): `available` hands the table out only if the processor has the feature.
        pub(super) static KERNELS: Kernels = Kernels {
            name: $name,
            // SAFETY: see above.
            scatter_u16: |targets, weights, currents| unsafe { scatter_u16(targets, weights, currents) },
            // SAFETY: see above.
            scatter_u32: |targets, weights, currents| unsafe { scatter_u32(targets, weights, currents) },
            // SAFETY: see above.
            add_row: |row, currents| unsafe { add_row(row, currents) },
            // SAFETY: see above.
            integrate: |m, blocks, crossings, fired| unsafe { integrate(m, blocks, crossings, fired) },
        };
    };
}

kernels!(portable, "portable");
#[cfg(target_arch = "x86_64")]
kernels!(avx2, "avx2", "avx2");
#[cfg(target_arch = "x86_64")]
kernels!(avx512, "avx512", "avx512f,avx512bw,avx512dq,avx512vl");

/// The kernels that this machine can run, the best one last.
#[must_use]
pub fn available() -> Vec<&'static Kernels> {
    #[allow(unused_mut, reason = "only some architectures have more than the portable kernels")]
    let mut kernels = vec![&portable::KERNELS];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            kernels.push(&avx2::KERNELS);
        }
        if is_x86_feature_detected!("avx512f")
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

const _: () = assert!(REBASE <= u16::MAX as u32, "a crossing must fit 16 bits");
