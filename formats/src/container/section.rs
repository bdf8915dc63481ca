//! The sections of a container: their types, their table, their numbers in place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::map::FileBytes;
use crate::npy::Element;

/// The type of a section's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Unsigned, one byte.
    U8,
    /// Unsigned, two bytes.
    U16,
    /// Unsigned, four bytes.
    U32,
    /// Unsigned, eight bytes.
    U64,
    /// Signed, one byte.
    I8,
    /// Signed, two bytes.
    I16,
    /// IEEE 754 single precision.
    F32,
}

impl Dtype {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::U8 | Dtype::I8 => 1,
            Dtype::U16 | Dtype::I16 => 2,
            Dtype::U32 | Dtype::F32 => 4,
            Dtype::U64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::U8 => "u8",
            Dtype::U16 => "u16",
            Dtype::U32 => "u32",
            Dtype::U64 => "u64",
            Dtype::I8 => "i8",
            Dtype::I16 => "i16",
            Dtype::F32 => "f32",
        })
    }
}

/// A number that sections can hold.
pub trait SectionElement: Element + Send + Sync {
    /// Its name in the table of sections.
    const DTYPE: Dtype;
}

macro_rules! section_element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl SectionElement for $type {
            const DTYPE: Dtype = Dtype::$dtype;
        }
    )*};
}

section_element!(u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, f32 => F32);

/// A line in the table of sections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionEntry {
    /// Unique within the file.
    pub name: String,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// How many numbers.
    pub count: u64,
    /// Where it begins: bytes from the beginning of the payload, which is the first multiple of 64 after the
    /// head. (Not from the beginning of the file: the length of the head would then depend on itself.)
    pub offset: u64,
    /// CRC-32 of its bytes.
    pub crc32: u32,
}

/// The numbers of one section, in place: a view that shares and keeps alive the bytes of the file. Cheap to
/// clone.
pub struct Section<T> {
    file: Arc<FileBytes>,
    /// First byte in the file, and number of bytes: a multiple of the number's size, aligned for it.
    start: usize,
    bytes: usize,
    number: PhantomData<fn() -> T>,
}

impl<T: SectionElement> Section<T> {
    /// A view of checked bytes: `start` and `bytes` lie within the file, both multiples of the number's size.
    pub(super) fn new(file: Arc<FileBytes>, start: usize, bytes: usize) -> Self {
        Self { file, start, bytes, number: PhantomData }
    }
}

impl<T> Clone for Section<T> {
    fn clone(&self) -> Self {
        Self { file: Arc::clone(&self.file), start: self.start, bytes: self.bytes, number: PhantomData }
    }
}

impl<T: SectionElement> AsRef<[T]> for Section<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&(*self.file).as_ref()[self.start..self.start + self.bytes])
    }
}

impl<T: SectionElement> Deref for Section<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_ref()
    }
}

impl<T: SectionElement> fmt::Debug for Section<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers of type {} at byte {}", self.len(), T::DTYPE, self.start)
    }
}
