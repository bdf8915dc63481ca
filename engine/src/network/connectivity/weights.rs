use std::ops::Range;

use crate::buffer::Buffer;
use crate::error::NetworkError;
use crate::per_neuron::{LARGEST, admit};

/// The numbers that weights are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightType {
    /// IEEE 754 single precision: 4 bytes a weight.
    F32,
    /// Whole numbers from −32,768 to 32,767: 2 bytes.
    Int16,
    /// Whole numbers from −128 to 127: 1 byte.
    Int8,
    /// Whole numbers from −8 to 7: two in a byte.
    Int4,
}

impl WeightType {
    /// All of them, the widest first.
    pub const ALL: [Self; 4] = [Self::F32, Self::Int16, Self::Int8, Self::Int4];

    /// A word for tables, options and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// The largest whole number of either sign that it holds: 7 for int4, as −8 has no counterpart; `None` for f32.
    #[must_use]
    pub const fn largest(self) -> Option<i16> {
        match self {
            Self::F32 => None,
            Self::Int16 => Some(i16::MAX),
            Self::Int8 => Some(127),
            Self::Int4 => Some(7),
        }
    }

    /// The bytes of so many weights.
    #[must_use]
    pub const fn bytes(self, weights: u64) -> u64 {
        match self {
            Self::F32 => weights.saturating_mul(4),
            Self::Int16 => weights.saturating_mul(2),
            Self::Int8 => weights,
            Self::Int4 => weights.div_ceil(2),
        }
    }
}

/// Whole numbers from −8 to 7, two in a byte: the earlier one in the lower half, as two's complement.
#[derive(Clone, Debug)]
pub struct Nibbles {
    bytes: Buffer<u8>,
    count: usize,
}

impl Nibbles {
    /// `count` numbers in the halves of `bytes`. Cost: O(1).
    ///
    /// # Errors
    /// If there are not just as many bytes as they need, or the unused half of the last byte is not 0.
    pub fn new(bytes: Buffer<u8>, count: usize) -> Result<Self, NetworkError> {
        if bytes.len() != count.div_ceil(2) {
            return Err(NetworkError::new(
                "int4 weights",
                format!(
                    "have {} bytes for {count} weights; allowed are {}, two weights in a byte",
                    bytes.len(),
                    count.div_ceil(2)
                ),
            ));
        }
        if let Some(last) = bytes.last().filter(|&&last| count % 2 == 1 && last >> 4 != 0) {
            return Err(NetworkError::new(
                "int4 weights",
                format!("have {:#x} in the unused half of the last byte; allowed is 0", last >> 4),
            ));
        }
        Ok(Self { bytes, count })
    }

    /// The bytes, two numbers in each.
    #[must_use]
    pub fn bytes(&self) -> &Buffer<u8> {
        &self.bytes
    }

    #[inline]
    fn get(&self, at: usize) -> i8 {
        let byte = self.bytes[at / 2].cast_signed();
        // An arithmetic shift keeps the sign.
        if at.is_multiple_of(2) { byte << 4 >> 4 } else { byte >> 4 }
    }
}

/// Weights of a table of rows, one behind another, as they are stored. A run takes them as f32, which has every whole number
/// of 16 bits, so a network has the same bits whichever type its weights are stored in.
#[derive(Clone, Debug)]
pub enum Weights {
    /// Any numbers.
    F32(Buffer<f32>),
    /// Whole numbers.
    Int16(Buffer<i16>),
    /// Whole numbers.
    Int8(Buffer<i8>),
    /// Whole numbers.
    Int4(Nibbles),
}

impl From<Buffer<f32>> for Weights {
    fn from(weights: Buffer<f32>) -> Self {
        Self::F32(weights)
    }
}

impl From<Vec<f32>> for Weights {
    fn from(weights: Vec<f32>) -> Self {
        Self::F32(weights.into())
    }
}

/// Weights that are widened at once.
const PIECE: usize = 256;

/// A whole number as f32; 0, an absent weight, as −0.0.
#[inline(always)]
fn widened(whole: i32) -> f32 {
    // Of 16 bits at most, which f32 has all.
    -(-whole as f32)
}

impl Weights {
    /// Whole numbers stored as `of`, absent weights as 0.
    ///
    /// # Errors
    /// If a number does not fit the type. The place of the first is named.
    pub fn of_whole(of: WeightType, numbers: &[i32]) -> Result<Self, NetworkError> {
        let fits = |place: usize, number: i32| -> Result<i16, NetworkError> {
            let least = of.largest().map_or(i32::MIN, |largest| -i32::from(largest) - 1);
            let most = of.largest().map_or(i32::MAX, i32::from);
            match i16::try_from(number) {
                Ok(narrow) if (least..=most).contains(&number) => Ok(narrow),
                _ => Err(NetworkError::new(
                    format!("weight[{place}]"),
                    format!("is {number}; allowed are {least} to {most} for {}", of.name()),
                )),
            }
        };
        let numbers = numbers.iter().enumerate().map(|(place, &number)| fits(place, number));
        let numbers = numbers.collect::<Result<Vec<i16>, _>>()?;
        Ok(match of {
            WeightType::F32 => {
                Self::F32(numbers.iter().map(|&w| widened(i32::from(w))).collect::<Vec<_>>().into())
            }
            WeightType::Int16 => Self::Int16(numbers.into()),
            // The numbers fit, as was checked.
            WeightType::Int8 => Self::Int8(numbers.iter().map(|&w| w as i8).collect::<Vec<_>>().into()),
            WeightType::Int4 => {
                let halves = |pair: &[i16]| {
                    let half = |at: usize| pair.get(at).map_or(0, |&w| w as u8 & 0xf);
                    half(0) | half(1) << 4
                };
                let bytes: Vec<u8> = numbers.chunks(2).map(halves).collect();
                Self::Int4(Nibbles { bytes: bytes.into(), count: numbers.len() })
            }
        })
    }

    /// What they are stored as.
    #[must_use]
    pub const fn weight_type(&self) -> WeightType {
        match self {
            Self::F32(_) => WeightType::F32,
            Self::Int16(_) => WeightType::Int16,
            Self::Int8(_) => WeightType::Int8,
            Self::Int4(_) => WeightType::Int4,
        }
    }

    /// How many they are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(weights) => weights.len(),
            Self::Int16(weights) => weights.len(),
            Self::Int8(weights) => weights.len(),
            Self::Int4(weights) => weights.count,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The weight at a place; an absent one is −0.0.
    #[inline]
    #[must_use]
    pub fn get(&self, at: usize) -> f32 {
        match self {
            Self::F32(weights) => weights[at],
            Self::Int16(weights) => widened(i32::from(weights[at])),
            Self::Int8(weights) => widened(i32::from(weights[at])),
            Self::Int4(weights) => {
                assert!(at < weights.count, "weight {at} of {}", weights.count);
                widened(i32::from(weights.get(at)))
            }
        }
    }

    /// The weights as they are stored, if that is as f32.
    #[inline]
    #[must_use]
    pub fn as_f32(&self) -> Option<&Buffer<f32>> {
        match self {
            Self::F32(weights) => Some(weights),
            Self::Int16(_) | Self::Int8(_) | Self::Int4(_) => None,
        }
    }

    /// The weights as f32. Cost: O(1) if they are stored so, else a copy.
    #[must_use]
    pub fn to_f32(&self) -> Buffer<f32> {
        match self {
            Self::F32(weights) => weights.clone(),
            Self::Int16(_) | Self::Int8(_) | Self::Int4(_) => {
                let mut all = Vec::with_capacity(self.len());
                self.pieces(0..self.len(), |_, piece| all.extend_from_slice(piece));
                all.into()
            }
        }
    }

    /// Calls `each(from, weights)` for the weights of a range of places, ascending, in pieces, with the number of places of the
    /// range before the piece; absent weights are −0.0. Weights that are stored as f32 are one piece, in place.
    ///
    /// # Panics
    /// If the range goes beyond the weights.
    #[inline]
    pub fn pieces(&self, range: Range<usize>, mut each: impl FnMut(usize, &[f32])) {
        match self {
            Self::F32(weights) => each(0, &weights[range]),
            Self::Int16(weights) => widen(&weights[range], each),
            Self::Int8(weights) => widen(&weights[range], each),
            Self::Int4(weights) => widen_nibbles(weights, range, each),
        }
    }

    /// Refuses numbers that may not be weights; whether one of them is +0.0.
    pub(super) fn check(&self) -> Result<bool, NetworkError> {
        let Self::F32(weights) = self else { return Ok(false) };
        let mut positive_zeros = false;
        for (place, &weight) in weights.iter().enumerate() {
            admit(weight, "weight", place)?;
            positive_zeros |= weight.to_bits() == 0;
        }
        Ok(positive_zeros)
    }

    /// Refuses numbers that may not be synapses, zeros too.
    pub(super) fn check_synapses(&self) -> Result<(), NetworkError> {
        let absent = match self {
            Self::F32(weights) => {
                let wrong = |weight: &f32| !(weight.abs() <= LARGEST && *weight != 0.0);
                let place = weights.iter().position(wrong);
                if let Some(place) = place {
                    admit(weights[place], "weight", place)?;
                }
                place
            }
            Self::Int16(weights) => weights.iter().position(|&weight| weight == 0),
            Self::Int8(weights) => weights.iter().position(|&weight| weight == 0),
            Self::Int4(weights) => (0..weights.count).find(|&at| weights.get(at) == 0),
        };
        match absent {
            Some(place) => Err(NetworkError::new(
                format!("weight[{place}]"),
                "is zero; a zero weight is no synapse, leave it out",
            )),
            None => Ok(()),
        }
    }
}

#[inline(never)]
fn widen<T: Copy + Into<i32>>(weights: &[T], mut each: impl FnMut(usize, &[f32])) {
    let mut piece = [0.0; PIECE];
    for (at, whole) in weights.chunks(PIECE).enumerate() {
        for (wide, &weight) in piece.iter_mut().zip(whole) {
            *wide = widened(weight.into());
        }
        each(at * PIECE, &piece[..whole.len()]);
    }
}

#[inline(never)]
fn widen_nibbles(weights: &Nibbles, range: Range<usize>, mut each: impl FnMut(usize, &[f32])) {
    assert!(range.end <= weights.count, "weights {range:?} of {}", weights.count);
    let mut piece = [0.0; PIECE];
    for from in range.clone().step_by(PIECE) {
        let count = PIECE.min(range.end - from);
        for (place, wide) in piece[..count].iter_mut().enumerate() {
            *wide = widened(i32::from(weights.get(from + place)));
        }
        each(from - range.start, &piece[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(weights: &Weights) -> Vec<u32> {
        weights.to_f32().iter().map(|weight| weight.to_bits()).collect()
    }

    #[test]
    fn every_whole_number_of_a_type_becomes_that_number_and_zero_becomes_absent() {
        for of in WeightType::ALL {
            let least = of.largest().map_or(-40_000, |largest| -i32::from(largest) - 1);
            let most = of.largest().map_or(40_000, i32::from);
            let (least, most) = (least.max(i32::from(i16::MIN)), most.min(i32::from(i16::MAX)));
            let numbers: Vec<i32> = (least..=most).collect();
            let weights = Weights::of_whole(of, &numbers).unwrap();
            assert_eq!((weights.weight_type(), weights.len()), (of, numbers.len()));
            let wanted: Vec<u32> = numbers
                .iter()
                .map(|&number| if number == 0 { (-0.0_f32).to_bits() } else { (number as f32).to_bits() })
                .collect();
            assert_eq!(bits(&weights), wanted);
            assert!(numbers.iter().enumerate().all(|(at, _)| weights.get(at).to_bits() == wanted[at]));
            if of != WeightType::F32 {
                for beyond in [least - 1, most + 1] {
                    assert!(Weights::of_whole(of, &[1, beyond]).is_err(), "{beyond} as {}", of.name());
                }
            }
        }
    }

    #[test]
    fn pieces_of_any_range_are_the_weights_of_that_range() {
        for of in WeightType::ALL {
            let numbers: Vec<i32> = (0..1001).map(|at| at % 15 - 7).collect();
            let weights = Weights::of_whole(of, &numbers).unwrap();
            for range in [0..0, 0..1, 1..2, 3..900, 255..513, 256..512, 1001..1001, 0..1001] {
                let mut found = vec![];
                weights.pieces(range.clone(), |from, piece| {
                    assert_eq!(from, found.len());
                    found.extend(piece.iter().map(|weight| weight.to_bits()));
                });
                assert_eq!(found, bits(&weights)[range]);
            }
        }
    }

    #[test]
    fn the_lower_half_of_a_byte_is_the_earlier_number() {
        let weights = Nibbles::new(vec![0x2f, 0x08].into(), 3).unwrap();
        assert_eq!((weights.get(0), weights.get(1), weights.get(2)), (-1, 2, -8));
        let Weights::Int4(made) = Weights::of_whole(WeightType::Int4, &[-1, 2, -8]).unwrap() else {
            panic!("int4")
        };
        assert_eq!(made.bytes()[..], [0x2f, 0x08]);
        let message = |bytes: Vec<u8>, count| Nibbles::new(bytes.into(), count).unwrap_err().to_string();
        assert!(message(vec![1, 2], 5).contains("have 2 bytes for 5 weights; allowed are 3"));
        assert!(message(vec![1, 0x32], 3).contains("0x3 in the unused half"));
    }
}
