//! Sixteen lanes in the registers of 64-bit ARM.

use std::arch::aarch64::*;

use super::lanes::Lanes;
use super::{BLOCK, Block};

/// Four 128-bit registers (NEON).
#[derive(Clone, Copy)]
pub(super) struct Neon([float32x4_t; 4]);

/// The bit of each lane of a register.
const BITS: [u32; 4] = [1, 2, 4, 8];

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Neon {
    type Mask = [uint32x4_t; 4];
    const SUMS: usize = 4;

    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads stay inside the block.
        Self(std::array::from_fn(|i| unsafe { vld1q_f32(block.as_ptr().add(4 * i)) }))
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block) {
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
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vsubq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> Self::Mask {
        // SAFETY: the caller's promise.
        std::array::from_fn(|i| unsafe { vcgeq_f32(self.0[i], other.0[i]) })
    }

    #[inline(always)]
    unsafe fn arrived(self) -> Self::Mask {
        // SAFETY: the caller's promise.
        self.0.map(|register| unsafe {
            let rest = vdupq_n_u32((-0.0_f32).to_bits());
            vmvnq_u32(vceqq_u32(vreinterpretq_u32_f32(register), rest))
        })
    }

    #[inline(always)]
    unsafe fn replace(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the caller's promise.
        Self(std::array::from_fn(|i| unsafe { vbslq_f32(mask[i], other.0[i], self.0[i]) }))
    }

    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
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
}

const _: () = assert!(BLOCK == 4 * BITS.len());
