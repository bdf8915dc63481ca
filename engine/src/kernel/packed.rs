use crate::lanes::{BLOCK, Line};

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
