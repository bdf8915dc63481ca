//! Sixteen f32 side by side: what the window kernels are written in, once for all instruction sets.

use super::{BLOCK, Block};

/// Sixteen f32 in registers.
///
/// Every lane of every operation is one IEEE operation, so all implementations give equal bits.
///
/// # Safety
/// Implementors promise that each operation does what it says. Callers of the `unsafe` functions promise that
/// the machine has the instructions of the implementation; it is called only inside functions compiled for
/// them, which [`available`](super::available) hands out after detection.
pub(super) unsafe trait Lanes: Copy {
    /// One truth value per lane.
    type Mask: Copy;
    /// How many sums of sixteen lanes fit into the registers, 4 or 8.
    const SUMS: usize;

    unsafe fn load(block: &Block) -> Self;
    unsafe fn store(self, block: &mut Block);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// Lanes in which `self ≥ other`.
    unsafe fn at_least(self, other: Self) -> Self::Mask;
    /// Lanes that hold anything but −0.0, by bits.
    unsafe fn arrived(self) -> Self::Mask;
    /// `other` in the lanes of the mask, `self` elsewhere.
    unsafe fn replace(self, mask: Self::Mask, other: Self) -> Self;
    /// A bit per lane.
    unsafe fn bits(mask: Self::Mask) -> u16;
    /// The lanes whose bit is set.
    unsafe fn mask(bits: u16) -> Self::Mask;

    /// Lane `j` of element `i` becomes lane `i` of element `j`.
    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; BLOCK]) {
        let mut rows = [[0.0; BLOCK]; BLOCK];
        // SAFETY: the caller's promise.
        unsafe {
            for (row, lanes) in rows.iter_mut().zip(square.iter()) {
                lanes.store(row);
            }
            for (j, lanes) in square.iter_mut().enumerate() {
                *lanes = Self::load(&std::array::from_fn(|i| rows[i][j]));
            }
        }
    }
}

/// Sixteen lanes for any machine; the compiler makes of them what vector registers there are.
#[derive(Clone, Copy)]
pub(super) struct Portable(Block);

#[inline(always)]
fn bits_where(holds: impl Fn(usize) -> bool) -> u16 {
    (0..BLOCK).fold(0, |bits, lane| bits | (u16::from(holds(lane)) << lane))
}

// SAFETY: plain arithmetic on arrays; no instruction set is needed.
unsafe impl Lanes for Portable {
    type Mask = u16;
    const SUMS: usize = 4;

    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        Self(*block)
    }

    #[inline(always)]
    unsafe fn store(self, block: &mut Block) {
        *block = self.0;
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; BLOCK])
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
    }

    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> u16 {
        bits_where(|lane| self.0[lane] >= other.0[lane])
    }

    #[inline(always)]
    unsafe fn arrived(self) -> u16 {
        bits_where(|lane| self.0[lane].to_bits() != (-0.0_f32).to_bits())
    }

    #[inline(always)]
    unsafe fn replace(self, mask: u16, other: Self) -> Self {
        Self(std::array::from_fn(|lane| if mask >> lane & 1 == 1 { other.0[lane] } else { self.0[lane] }))
    }

    #[inline(always)]
    unsafe fn bits(mask: u16) -> u16 {
        mask
    }

    #[inline(always)]
    unsafe fn mask(bits: u16) -> u16 {
        bits
    }
}
