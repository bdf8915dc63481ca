use super::{BLOCK, Block};

/// A block on a cache line of its own.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub Block);

const _: () = assert!(size_of::<Line>() == size_of::<Block>());

impl Line {
    /// Sixteen times the same value.
    #[must_use]
    pub const fn of(value: f32) -> Self {
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
