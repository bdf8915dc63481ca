use super::line::{BLOCK, Block};
use super::{Counts, Lanes};

/// Sixteen lanes for any machine; the compiler makes of them what vector registers there are.
#[derive(Clone, Copy)]
pub struct Portable(Block);

/// Sixteen whole numbers for any machine.
#[derive(Clone, Copy)]
pub struct PortableCounts([i32; BLOCK]);

#[inline(always)]
fn bits_where(holds: impl Fn(usize) -> bool) -> u16 {
    (0..BLOCK).fold(0, |bits, lane| bits | (u16::from(holds(lane)) << lane))
}

impl Portable {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

// SAFETY: plain arithmetic on arrays; no instruction set is needed.
unsafe impl Lanes for Portable {
    type Mask = u16;
    type Counts = PortableCounts;
    const SUMS: usize = 4;

    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        Self(*block)
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; BLOCK])
    }

    #[inline(always)]
    unsafe fn mask(bits: u16) -> u16 {
        bits
    }

    #[inline(always)]
    unsafe fn load_counts(counts: &[i32; BLOCK]) -> PortableCounts {
        PortableCounts(*counts)
    }

    #[inline(always)]
    fn store(self, block: &mut Block) {
        *block = self.0;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Self(self.0.map(f32::floor))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.each(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> u16 {
        bits_where(|lane| self.0[lane] >= other.0[lane])
    }

    #[inline(always)]
    fn arrived(self) -> u16 {
        bits_where(|lane| self.0[lane].to_bits() != (-0.0_f32).to_bits())
    }

    #[inline(always)]
    fn replace(self, mask: u16, other: Self) -> Self {
        Self(std::array::from_fn(|lane| if mask >> lane & 1 == 1 { other.0[lane] } else { self.0[lane] }))
    }

    #[inline(always)]
    fn bits(mask: u16) -> u16 {
        mask
    }

    #[inline(always)]
    fn to_counts(self) -> PortableCounts {
        PortableCounts(self.0.map(|value| value as i32))
    }

    #[inline(always)]
    fn from_counts(counts: PortableCounts) -> Self {
        Self(counts.0.map(|count| count as f32))
    }
}

impl PortableCounts {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(i32, i32) -> i32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Counts for PortableCounts {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, i32::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, i32::wrapping_sub)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, Ord::max)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.each(other, Ord::min)
    }

    #[inline(always)]
    fn of(self, value: i32) -> Self {
        Self([value; BLOCK])
    }

    #[inline(always)]
    fn nonzero(self) -> u16 {
        bits_where(|lane| self.0[lane] != 0)
    }

    #[inline(always)]
    fn store(self, counts: &mut [i32; BLOCK]) {
        *counts = self.0;
    }
}
