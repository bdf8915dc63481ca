//! Sixteen numbers side by side: what inner loops are written in, once for all instruction sets.

mod line;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub use line::{BLOCK, Block, Line, flat, flat_mut};
pub use portable::Portable;

/// Sixteen f32 in registers, one for each neuron of a block.
///
/// Every lane of every operation is one IEEE operation, so all implementations give equal bits. A value of a type
/// is proof that the machine has its instructions: values come from memory only, inside functions compiled for the
/// instructions, and others are made of them. So the operations themselves are safe.
///
/// # Safety
/// Implementors promise that each operation does what it says, and that no value can be had but by the `unsafe`
/// functions. Their callers promise that the machine has the instructions.
pub unsafe trait Lanes: Copy {
    /// One truth value per lane.
    type Mask: Copy;
    /// Sixteen whole numbers.
    type Counts: Counts;
    /// How many sums of sixteen lanes fit into the registers, 4 or 8.
    const SUMS: usize;

    /// The values of a block.
    ///
    /// # Safety
    /// The machine must have the instructions.
    unsafe fn load(block: &Block) -> Self;
    /// The same value in every lane.
    ///
    /// # Safety
    /// The machine must have the instructions.
    unsafe fn splat(value: f32) -> Self;
    /// The lanes whose bit is set.
    ///
    /// # Safety
    /// The machine must have the instructions.
    unsafe fn mask(bits: u16) -> Self::Mask;
    /// The whole numbers of a block.
    ///
    /// # Safety
    /// The machine must have the instructions.
    unsafe fn load_counts(counts: &[i32; BLOCK]) -> Self::Counts;

    /// Writes the lanes to a block.
    fn store(self, block: &mut Block);
    /// The same value in every lane.
    #[inline(always)]
    fn of(self, value: f32) -> Self {
        // SAFETY: that there is a value of this type is proof of the instructions.
        unsafe { Self::splat(value) }
    }
    /// The values of a block.
    #[inline(always)]
    fn of_block(self, block: &Block) -> Self {
        // SAFETY: that there is a value of this type is proof of the instructions.
        unsafe { Self::load(block) }
    }
    /// The whole numbers of a block.
    #[inline(always)]
    fn counts_of(self, counts: &[i32; BLOCK]) -> Self::Counts {
        // SAFETY: that there is a value of this type is proof of the instructions.
        unsafe { Self::load_counts(counts) }
    }
    /// The lanes whose bit is set.
    #[inline(always)]
    fn mask_of(self, bits: u16) -> Self::Mask {
        // SAFETY: that there is a value of this type is proof of the instructions.
        unsafe { Self::mask(bits) }
    }
    /// `self + other`
    fn add(self, other: Self) -> Self;
    /// `self − other`
    fn sub(self, other: Self) -> Self;
    /// `self · other`
    fn mul(self, other: Self) -> Self;
    /// `self / other`
    fn div(self, other: Self) -> Self;
    /// The largest whole number that is not larger, as an f32.
    fn floor(self) -> Self;
    /// The larger of two numbers, neither of them NaN; of zeros either.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers, neither of them NaN; of zeros either.
    fn min(self, other: Self) -> Self;
    /// Lanes in which `self ≥ other`.
    fn at_least(self, other: Self) -> Self::Mask;
    /// Lanes that hold anything but −0.0, by bits.
    fn arrived(self) -> Self::Mask;
    /// `other` in the lanes of the mask, `self` elsewhere.
    fn replace(self, mask: Self::Mask, other: Self) -> Self;
    /// A bit per lane.
    fn bits(mask: Self::Mask) -> u16;
    /// Whole numbers of at most 2³⁰ in magnitude as counts.
    fn to_counts(self) -> Self::Counts;
    /// Counts as f32; exact up to 2²⁴.
    fn from_counts(counts: Self::Counts) -> Self;

    /// Lane `j` of element `i` becomes lane `i` of element `j`.
    #[inline(always)]
    fn transpose(square: &mut [Self; BLOCK]) {
        let mut rows = [[0.0; BLOCK]; BLOCK];
        for (row, lanes) in rows.iter_mut().zip(square.iter()) {
            lanes.store(row);
        }
        for (j, lanes) in square.iter_mut().enumerate() {
            // SAFETY: there are values of this type.
            *lanes = unsafe { Self::load(&std::array::from_fn(|i| rows[i][j])) };
        }
    }
}

/// Sixteen 32-bit whole numbers in registers; sums wrap around.
pub trait Counts: Copy {
    /// `self + other`
    fn add(self, other: Self) -> Self;
    /// `self − other`
    fn sub(self, other: Self) -> Self;
    /// The larger of each two.
    fn max(self, other: Self) -> Self;
    /// The smaller of each two.
    fn min(self, other: Self) -> Self;
    /// The same number in every lane.
    fn of(self, value: i32) -> Self;
    /// A bit for each lane that is not 0.
    fn nonzero(self) -> u16;
    /// Writes the lanes to a block.
    fn store(self, counts: &mut [i32; BLOCK]);
}
