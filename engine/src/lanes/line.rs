/// The number of neurons in a block: the granularity of touching and waking, and of vector registers.
pub const BLOCK: usize = 16;

/// One value for each neuron of a block.
pub type Block = [f32; BLOCK];

/// The values of a block on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line<T = f32>(pub [T; BLOCK]);

const _: () =
    assert!(size_of::<Line>() == size_of::<Block>() && size_of::<Line<i32>>() == size_of::<Block>());

impl<T: Copy> Line<T> {
    /// Sixteen times the same value.
    #[must_use]
    pub const fn of(value: T) -> Self {
        Self([value; BLOCK])
    }
}

/// The values of all lines in order.
#[must_use]
pub fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a line is sixteen f32 without padding, as asserted above.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * BLOCK) }
}

/// The values of all lines in order.
#[must_use]
pub fn flat_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a line is sixteen f32 without padding, as asserted above.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * BLOCK) }
}
