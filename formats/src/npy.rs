//! `.npy` files: one array of numbers, as NumPy stores it.
//!
//! Read by the type that the file states: `float32`, `float64`, `int8` … `int64`, `uint8` … `uint64`, `bool`,
//! and text (`<U8`, `|S8`); both byte orders, C and Fortran order, versions 1.0, 2.0 and 3.0. Written: version
//! 1.0, little-endian, C order, byte for byte as `numpy.save` writes it.
//!
//! The number of values is checked against the length of the file before any memory is taken for them, and
//! a file that is longer than its array is refused.

pub(crate) mod header;

use std::path::Path;

use bytemuck::Pod;

use crate::array::{Array, Values};
use crate::atomic::AtomicFile;
use crate::digest::Digest;
use crate::error::{FormatError, Origin};
use crate::map::{FileBytes, Source};
pub(crate) use header::element_count;
use header::{Header, Kind};

/// The array in the `.npy` file at `path`. A file of 64 MiB or more is mapped while its values are copied out.
///
/// Cost: O(bytes), in two passes, one of them for the [`digest`](Array::digest); memory: the values, twice while an array in Fortran order is turned; text takes up to seven
/// times its bytes.
///
/// # Errors
/// If the file cannot be read, is no `.npy` file, holds another type than those above, or has too few or too
/// many bytes for its shape.
pub fn read(path: impl AsRef<Path>) -> Result<Array, FormatError> {
    let origin = Origin::file(path.as_ref());
    let bytes = FileBytes::open(path.as_ref(), Source::BySize, &origin)?;
    let mut array = parse(bytes.as_ref(), &origin)?;
    array.digest = Some(Digest::of(bytes.as_ref()));
    Ok(array)
}

/// The array in the bytes of a whole `.npy` file; `origin` is what errors name.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], origin: &Origin) -> Result<Array, FormatError> {
    let header = header::parse(bytes, bytes.len() as u64, origin)?;
    decode(header, bytes, origin)
}

/// The array of a header and the bytes it was parsed from; their lengths agree.
pub(crate) fn decode(header: Header, bytes: &[u8], origin: &Origin) -> Result<Array, FormatError> {
    let payload = &bytes[header.length..];
    assert_eq!(payload.len(), header.count * header.kind.size(), "payload of {header:?}");
    macro_rules! numbers {
        ($kind:ident, $type:ty) => {{
            let chunks = payload.as_chunks::<{ size_of::<$type>() }>().0;
            let values: Vec<$type> = if header.big_endian {
                chunks.iter().map(|&chunk| <$type>::from_be_bytes(chunk)).collect()
            } else {
                chunks.iter().map(|&chunk| <$type>::from_le_bytes(chunk)).collect()
            };
            Values::$kind(in_c_order(values, &header))
        }};
    }
    let values = match header.kind {
        Kind::Bool => {
            if let Some(index) = payload.iter().position(|&byte| byte > 1) {
                return Err(origin.error_at(
                    (header.length + index) as u64,
                    format!("{} is no bool: only 0 and 1 are allowed", payload[index]),
                ));
            }
            Values::Bool(in_c_order(payload.iter().map(|&byte| byte == 1).collect(), &header))
        }
        Kind::I8 => numbers!(I8, i8),
        Kind::I16 => numbers!(I16, i16),
        Kind::I32 => numbers!(I32, i32),
        Kind::I64 => numbers!(I64, i64),
        Kind::U8 => numbers!(U8, u8),
        Kind::U16 => numbers!(U16, u16),
        Kind::U32 => numbers!(U32, u32),
        Kind::U64 => numbers!(U64, u64),
        Kind::F32 => numbers!(F32, f32),
        Kind::F64 => numbers!(F64, f64),
        Kind::Utf32(_) | Kind::Bytes(_) => {
            Values::Text(in_c_order(texts(&header, payload, origin)?, &header))
        }
    };
    Ok(Array::new(header.shape, values, origin.clone()))
}

fn texts(header: &Header, payload: &[u8], origin: &Origin) -> Result<Vec<String>, FormatError> {
    let size = header.kind.size();
    let mut texts = Vec::with_capacity(header.count);
    for (index, bytes) in payload.chunks_exact(size).enumerate() {
        let text = match header.kind {
            Kind::Bytes(_) => std::str::from_utf8(bytes).ok().map(str::to_owned),
            _ => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&unit| {
                    char::from_u32(if header.big_endian {
                        u32::from_be_bytes(unit)
                    } else {
                        u32::from_le_bytes(unit)
                    })
                })
                .collect::<Option<String>>(),
        };
        let Some(mut text) = text else {
            return Err(origin.error_at(
                (header.length + index * size) as u64,
                "these bytes are no text (neither Unicode code points nor UTF-8)",
            ));
        };
        text.truncate(text.trim_end_matches('\0').len());
        text.shrink_to_fit();
        texts.push(text);
    }
    Ok(texts)
}

/// The values with the last index running fastest.
fn in_c_order<T: Clone>(values: Vec<T>, header: &Header) -> Vec<T> {
    let shape = &header.shape;
    if !header.fortran || values.is_empty() || shape.iter().filter(|&&n| n > 1).count() < 2 {
        return values;
    }
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &length in shape {
        strides.push(stride);
        stride *= length;
    }
    let mut turned = Vec::with_capacity(values.len());
    let mut index = vec![0usize; shape.len()];
    let mut from = 0;
    loop {
        turned.push(values[from].clone());
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return turned;
            }
            axis -= 1;
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
}

/// A number that can be written to `.npy` and `.npz` files and to sections of `net.bin`.
pub trait Element: Pod + sealed::Sealed {
    /// NumPy's name of the type, byte order included.
    const DESCR: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($type:ty => $descr:literal),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DESCR: &'static str = $descr;
        }
    )*};
}

element!(f32 => "<f4", f64 => "<f8", i8 => "|i1", i16 => "<i2", u8 => "|u1", u16 => "<u2", u32 => "<u4", u64 => "<u8", i32 => "<i4", i64 => "<i8");

/// Writes an array of this shape, values in C order, to a `.npy` file at `path`, complete or not at all.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If the number of values is not the product of the shape.
pub fn write_npy<T: Element>(
    path: impl AsRef<Path>,
    shape: &[usize],
    values: &[T],
) -> Result<(), FormatError> {
    assert_eq!(
        element_count(shape),
        Some(values.len()),
        "an array of shape {shape:?} was given {} values",
        values.len()
    );
    let mut file = AtomicFile::create(path)?;
    file.append(&header_bytes(T::DESCR, shape))?;
    file.append(bytemuck::cast_slice(values))?;
    file.commit()
}

/// The version 1.0 header that `numpy.save` writes: blanks leave room for the first length to grow to 21
/// digits in place, then fill up to a multiple of 64 bytes.
///
/// # Panics
/// If the shape has so many axes that version 1.0 has no room for it; the program's own arrays have few.
pub(crate) fn header_bytes(descr: &str, shape: &[usize]) -> Vec<u8> {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    let tuple = match lengths.as_slice() {
        [only] => format!("({only},)"),
        _ => format!("({})", lengths.join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple}, }}");
    if let Some(first) = lengths.first() {
        text.extend(std::iter::repeat_n(' ', 21usize.saturating_sub(first.len())));
    }
    let length = (10 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', length - 10 - text.len() - 1));
    text.push('\n');
    let stated = u16::try_from(text.len()).unwrap_or_else(|_| panic!("a header for {} axes", shape.len()));
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(header::MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&stated.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
