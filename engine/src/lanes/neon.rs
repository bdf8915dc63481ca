//! Sixteen lanes in the registers of 64-bit ARM.

use std::arch::aarch64::*;

use super::line::{BLOCK, Block};
use super::{Counts, Lanes};

/// Four 128-bit registers (NEON).
#[derive(Clone, Copy)]
pub struct Neon([float32x4_t; 4]);

/// The bit of each lane of a register.
const BITS: [u32; 4] = [1, 2, 4, 8];

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Neon {
    type Mask = [uint32x4_t; 4];
    type Counts = NeonCounts;
    const SUMS: usize = 4;

    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads stay inside the block.
        Self(std::array::from_fn(|i| unsafe { vld1q_f32(block.as_ptr().add(4 * i)) }))
    }

    #[inline(always)]
    fn store(self, block: &mut Block) {
        for (register, four) in self.0.into_iter().zip(block.as_chunks_mut::<4>().0) {
            // SAFETY: the caller's promise; four values are stored where there are four.
            unsafe { vst1q_f32(four.as_mut_ptr(), register) }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        Self([unsafe { vdupq_n_f32(value) }; 4])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vsubq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self::Mask {
        // SAFETY: the caller's promise.
        std::array::from_fn(|i| unsafe { vcgeq_f32(self.0[i], other.0[i]) })
    }

    #[inline(always)]
    fn arrived(self) -> Self::Mask {
        // SAFETY: the caller's promise.
        self.0.map(|register| unsafe {
            let rest = vdupq_n_u32((-0.0_f32).to_bits());
            vmvnq_u32(vceqq_u32(vreinterpretq_u32_f32(register), rest))
        })
    }

    #[inline(always)]
    fn replace(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vbslq_f32(mask[i], other.0[i], self.0[i]) }))
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u16 {
        // SAFETY: the caller's promise; four bits are loaded where there are four.
        let of_register = |register| unsafe { vaddvq_u32(vandq_u32(register, vld1q_u32(BITS.as_ptr()))) };
        (0..).step_by(4).zip(mask).fold(0, |bits, (at, register)| bits | (of_register(register) as u16) << at)
    }

    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        // SAFETY: the caller's promise; four bits are loaded where there are four.
        std::array::from_fn(|i| unsafe {
            vtstq_u32(vdupq_n_u32(u32::from(bits >> (4 * i))), vld1q_u32(BITS.as_ptr()))
        })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vdivq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vmaxq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vminq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(self.0.map(|register| unsafe { vrndmq_f32(register) }))
    }

    #[inline(always)]
    fn to_counts(self) -> NeonCounts {
        // SAFETY: a value of this type is proof of the instructions.
        NeonCounts(self.0.map(|register| unsafe { vcvtq_s32_f32(register) }))
    }

    #[inline(always)]
    fn from_counts(counts: NeonCounts) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(counts.0.map(|register| unsafe { vcvtq_f32_s32(register) }))
    }

    #[inline(always)]
    unsafe fn load_counts(counts: &[i32; BLOCK]) -> NeonCounts {
        // SAFETY: the caller's promise; loads stay inside the block.
        NeonCounts(std::array::from_fn(|i| unsafe { vld1q_s32(counts.as_ptr().add(4 * i)) }))
    }
}

/// Sixteen whole numbers in four 128-bit registers.
#[derive(Clone, Copy)]
pub struct NeonCounts([int32x4_t; 4]);

impl Counts for NeonCounts {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vaddq_s32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vsubq_s32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vmaxq_s32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self(std::array::from_fn(|i| unsafe { vminq_s32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    fn of(self, value: i32) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        Self([unsafe { vdupq_n_s32(value) }; 4])
    }

    #[inline(always)]
    fn nonzero(self) -> u16 {
        // SAFETY: a value of this type is proof of the instructions; four bits are loaded where there are four.
        let of_register = |register| unsafe {
            vaddvq_u32(vandq_u32(vtstq_s32(register, register), vld1q_u32(BITS.as_ptr())))
        };
        (0..)
            .step_by(4)
            .zip(self.0)
            .fold(0, |bits, (at, register)| bits | (of_register(register) as u16) << at)
    }

    #[inline(always)]
    fn store(self, counts: &mut [i32; BLOCK]) {
        for (register, four) in self.0.into_iter().zip(counts.as_chunks_mut::<4>().0) {
            // SAFETY: a value of this type is proof of the instructions; four are stored where there are four.
            unsafe { vst1q_s32(four.as_mut_ptr(), register) }
        }
    }
}

const _: () = assert!(BLOCK == 4 * BITS.len());
