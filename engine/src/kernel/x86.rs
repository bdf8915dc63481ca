//! Sixteen lanes in the registers of x86-64.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::{BLOCK, Block};

/// One 512-bit register (AVX-512 F, BW, DQ, VL).
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Avx512 {
    type Mask = u16;
    const SUMS: usize = 8;
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_loadu_ps(block.as_ptr())) }
    }
    #[inline(always)]
    unsafe fn store(self, block: &mut Block) {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_storeu_ps(block.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> u16 {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    unsafe fn arrived(self) -> u16 {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_cmpneq_epi32_mask(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN)) }
    }
    #[inline(always)]
    unsafe fn replace(self, mask: u16, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_mask_mov_ps(self.0, mask, other.0)) }
    }
    #[inline(always)]
    unsafe fn bits(mask: u16) -> u16 {
        mask
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> u16 {
        bits
    }

    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; BLOCK]) {
        // SAFETY: the caller's promise.
        unsafe {
            // Four rounds of exchanges; round by round the distance of the exchanged lanes is 1, 2, 4, 8.
            let mut t = [_mm512_setzero_ps(); BLOCK];
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(square[2 * i].0, square[2 * i + 1].0);
                t[2 * i + 1] = _mm512_unpackhi_ps(square[2 * i].0, square[2 * i + 1].0);
            }
            let mut r = t;
            for i in 0..4 {
                r[4 * i] = _mm512_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
                r[4 * i + 1] = _mm512_shuffle_ps::<0xee>(t[4 * i], t[4 * i + 2]);
                r[4 * i + 2] = _mm512_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
                r[4 * i + 3] = _mm512_shuffle_ps::<0xee>(t[4 * i + 1], t[4 * i + 3]);
            }
            for i in 0..4 {
                let low = _mm512_shuffle_f32x4::<0x88>(r[i], r[4 + i]);
                let high = _mm512_shuffle_f32x4::<0xdd>(r[i], r[4 + i]);
                let low2 = _mm512_shuffle_f32x4::<0x88>(r[8 + i], r[12 + i]);
                let high2 = _mm512_shuffle_f32x4::<0xdd>(r[8 + i], r[12 + i]);
                square[i] = Self(_mm512_shuffle_f32x4::<0x88>(low, low2));
                square[4 + i] = Self(_mm512_shuffle_f32x4::<0x88>(high, high2));
                square[8 + i] = Self(_mm512_shuffle_f32x4::<0xdd>(low, low2));
                square[12 + i] = Self(_mm512_shuffle_f32x4::<0xdd>(high, high2));
            }
        }
    }
}

/// Two 256-bit registers (AVX2).
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256, __m256);

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Avx2 {
    type Mask = (__m256, __m256);
    const SUMS: usize = 4;
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_loadu_ps(block.as_ptr()), _mm256_loadu_ps(block.as_ptr().add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, block: &mut Block) {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe {
            _mm256_storeu_ps(block.as_mut_ptr(), self.0);
            _mm256_storeu_ps(block.as_mut_ptr().add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> Self::Mask {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe {
            (_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0), _mm256_cmp_ps::<_CMP_GE_OQ>(self.1, other.1))
        }
    }
    #[inline(always)]
    unsafe fn arrived(self) -> Self::Mask {
        // SAFETY: the caller's promise.
        unsafe {
            let rest = _mm256_set1_epi32(i32::MIN);
            let ones = _mm256_set1_epi32(-1);
            let f = |x: __m256| {
                _mm256_castsi256_ps(_mm256_xor_si256(_mm256_cmpeq_epi32(_mm256_castps_si256(x), rest), ones))
            };
            (f(self.0), f(self.1))
        }
    }
    #[inline(always)]
    unsafe fn replace(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_blendv_ps(self.0, other.0, mask.0), _mm256_blendv_ps(self.1, other.1, mask.1)) }
    }
    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm256_movemask_ps(mask.0) as u16 | ((_mm256_movemask_ps(mask.1) as u16) << 8) }
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let f = |b: i32| {
                let x = _mm256_and_si256(_mm256_set1_epi32(b), lane);
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(x, lane))
            };
            (f((bits & 255) as i32), f((bits >> 8) as i32))
        }
    }
}
