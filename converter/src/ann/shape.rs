//! Sizes of one sample's tensor.

use std::fmt;

/// The most elements that one sample's tensor may have (2²⁶, 256 MiB of `f32`).
pub const MAX_ELEMENTS: usize = 1 << 26;

/// The shape of one sample's tensor: no batch axis, every extent at least 1, row-major order.
///
/// `[features]`, `[channels, length]` and `[channels, height, width]` are what the spatial operators
/// understand; other ranks may appear between views and transpositions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    extents: Vec<usize>,
    elements: usize,
}

impl Shape {
    /// A shape of the given extents; `[]` is one number.
    ///
    /// # Errors
    /// A sentence, if an extent is zero or the product exceeds [`MAX_ELEMENTS`].
    pub fn new(extents: impl Into<Vec<usize>>) -> Result<Self, String> {
        let extents = extents.into();
        let mut elements = 1usize;
        for &extent in &extents {
            if extent == 0 {
                return Err(format!("shape {extents:?} has an extent of 0"));
            }
            elements = elements
                .checked_mul(extent)
                .filter(|&n| n <= MAX_ELEMENTS)
                .ok_or_else(|| format!("shape {extents:?} has more than {MAX_ELEMENTS} elements"))?;
        }
        Ok(Shape { extents, elements })
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.extents.len()
    }

    /// The number of elements, the product of the extents.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The extent of the first axis: channels of a map, features of a vector, 1 of a single number.
    pub fn channels(&self) -> usize {
        self.extents.first().copied().unwrap_or(1)
    }

    /// Elements per channel.
    pub fn positions(&self) -> usize {
        self.elements / self.channels()
    }

    /// `[channels, height, width]` of a shape of rank 1 to 3; missing axes are 1, and a length is a width.
    pub fn planes(&self) -> Option<[usize; 3]> {
        match self.extents[..] {
            [c] => Some([c, 1, 1]),
            [c, w] => Some([c, 1, w]),
            [c, h, w] => Some([c, h, w]),
            _ => None,
        }
    }

    /// Row-major distance between neighbours along each axis.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis] * self.extents[axis];
        }
        strides
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, extent) in self.extents.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{extent}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_extents_and_overflow_are_refused() {
        assert!(Shape::new([3, 0, 2]).is_err());
        assert!(Shape::new([usize::MAX, usize::MAX]).is_err());
        assert!(Shape::new([MAX_ELEMENTS, 2]).is_err());
        assert_eq!(Shape::new([]).unwrap().elements(), 1);
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(Shape::new([2, 3, 4]).unwrap().strides(), [12, 4, 1]);
    }
}
