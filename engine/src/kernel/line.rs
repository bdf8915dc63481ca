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

/// Thirty-two weights and where each belongs among the values of some lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Packed {
    pub(super) weights: [Line; 2],
    /// Two to a word, the first one in the lower half.
    pub(super) places: [u32; 16],
}

impl Packed {
    /// Nothing but resting weights at the first place, which is at rest in any case.
    pub const NONE: Self = Self { weights: [Line::of(-0.0); 2], places: [0; 16] };

    /// How many weights.
    pub const WEIGHTS: usize = 2 * BLOCK;

    /// Sets the weight `at` and its place.
    ///
    /// # Panics
    /// If there is no weight `at`.
    pub fn set(&mut self, at: usize, weight: f32, place: u16) {
        self.weights[at / BLOCK].0[at % BLOCK] = weight;
        let shift = at % 2 * 16;
        self.places[at / 2] = self.places[at / 2] & !(0xFFFF << shift) | u32::from(place) << shift;
    }
}

/// The lines of packed weights.
#[must_use]
pub fn lines_of(packed: &[Packed]) -> &[Line] {
    const { assert!(size_of::<Packed>() == 3 * size_of::<Line>()) };
    // SAFETY: packed weights are three lines without padding, and any bits are an f32.
    unsafe { std::slice::from_raw_parts(packed.as_ptr().cast(), packed.len() * 3) }
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
