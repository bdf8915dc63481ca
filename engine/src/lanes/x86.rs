//! Sixteen lanes in the registers of x86-64.

use std::arch::x86_64::*;

use super::line::{BLOCK, Block};
use super::{Counts, Lanes};

/// One 512-bit register (AVX-512 F, BW, DQ, VL).
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Avx512 {
    type Mask = u16;
    type Counts = Counts512;
    const SUMS: usize = 8;
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_loadu_ps(block.as_ptr())) }
    }
    #[inline(always)]
    fn store(self, block: &mut Block) {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_storeu_ps(block.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> u16 {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn arrived(self) -> u16 {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { _mm512_cmpneq_epi32_mask(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN)) }
    }
    #[inline(always)]
    fn replace(self, mask: u16, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm512_mask_mov_ps(self.0, mask, other.0)) }
    }
    #[inline(always)]
    fn bits(mask: u16) -> u16 {
        mask
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> u16 {
        bits
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn to_counts(self) -> Counts512 {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Counts512(_mm512_cvttps_epi32(self.0)) }
    }
    #[inline(always)]
    fn from_counts(counts: Counts512) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_cvtepi32_ps(counts.0)) }
    }
    #[inline(always)]
    unsafe fn load_counts(counts: &[i32; BLOCK]) -> Counts512 {
        // SAFETY: the caller's promise; the load stays inside the block.
        unsafe { Counts512(_mm512_loadu_si512(counts.as_ptr().cast())) }
    }

    #[inline(always)]
    fn transpose(square: &mut [Self; BLOCK]) {
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

/// Sixteen whole numbers in one 512-bit register.
#[derive(Clone, Copy)]
pub struct Counts512(__m512i);

impl Counts for Counts512 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_add_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_sub_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_max_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_min_epi32(self.0, other.0)) }
    }
    #[inline(always)]
    fn of(self, value: i32) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm512_set1_epi32(value)) }
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { _mm512_test_epi32_mask(self.0, self.0) }
    }
    #[inline(always)]
    fn store(self, counts: &mut [i32; BLOCK]) {
        // SAFETY: a value of this type is proof of the instructions; the store stays inside the block.
        unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), self.0) }
    }
}

/// Two 256-bit registers (AVX2).
#[derive(Clone, Copy)]
pub struct Avx2(__m256, __m256);

// SAFETY: each operation is the instruction of that meaning in every lane.
unsafe impl Lanes for Avx2 {
    type Mask = (__m256, __m256);
    type Counts = Counts256;
    const SUMS: usize = 4;
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_loadu_ps(block.as_ptr()), _mm256_loadu_ps(block.as_ptr().add(8))) }
    }
    #[inline(always)]
    fn store(self, block: &mut Block) {
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
    fn add(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self::Mask {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe {
            (_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0), _mm256_cmp_ps::<_CMP_GE_OQ>(self.1, other.1))
        }
    }
    #[inline(always)]
    fn arrived(self) -> Self::Mask {
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
    fn replace(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the caller's promise; loads and stores stay inside the block.
        unsafe { Self(_mm256_blendv_ps(self.0, other.0, mask.0), _mm256_blendv_ps(self.1, other.1, mask.1)) }
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u16 {
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
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn floor(self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_floor_ps(self.0), _mm256_floor_ps(self.1)) }
    }
    #[inline(always)]
    fn to_counts(self) -> Counts256 {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Counts256(_mm256_cvttps_epi32(self.0), _mm256_cvttps_epi32(self.1)) }
    }
    #[inline(always)]
    fn from_counts(counts: Counts256) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_cvtepi32_ps(counts.0), _mm256_cvtepi32_ps(counts.1)) }
    }
    #[inline(always)]
    unsafe fn load_counts(counts: &[i32; BLOCK]) -> Counts256 {
        // SAFETY: the caller's promise; loads stay inside the block.
        unsafe {
            let first = counts.as_ptr().cast::<__m256i>();
            Counts256(_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1)))
        }
    }
}

/// Sixteen whole numbers in two 256-bit registers.
#[derive(Clone, Copy)]
pub struct Counts256(__m256i, __m256i);

impl Counts for Counts256 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_add_epi32(self.0, other.0), _mm256_add_epi32(self.1, other.1)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_sub_epi32(self.0, other.0), _mm256_sub_epi32(self.1, other.1)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_max_epi32(self.0, other.0), _mm256_max_epi32(self.1, other.1)) }
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_min_epi32(self.0, other.0), _mm256_min_epi32(self.1, other.1)) }
    }
    #[inline(always)]
    fn of(self, value: i32) -> Self {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe { Self(_mm256_set1_epi32(value), _mm256_set1_epi32(value)) }
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        // SAFETY: a value of this type is proof of the instructions.
        unsafe {
            let zero =
                |x| _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(x, _mm256_setzero_si256())));
            !(zero(self.0) as u16 | (zero(self.1) as u16) << 8)
        }
    }
    #[inline(always)]
    fn store(self, counts: &mut [i32; BLOCK]) {
        // SAFETY: a value of this type is proof of the instructions; stores stay inside the block.
        unsafe {
            let first = counts.as_mut_ptr().cast::<__m256i>();
            _mm256_storeu_si256(first, self.0);
            _mm256_storeu_si256(first.add(1), self.1);
        }
    }
}
