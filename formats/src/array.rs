//! An array of numbers as a file states it: shape, type, values in C order.

use crate::digest::Digest;
use crate::error::{FormatError, Origin};

/// An array read from a file: shape, values in C order (the last index runs fastest), and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length along every axis; empty for a single value.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub values: Values,
    /// Of the file that it is the only array of; none of an array in memory or in an archive.
    pub digest: Option<Digest>,
    origin: Origin,
}

/// The values of an [`Array`], in the type that the file states.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// `float32`
    F32(Vec<f32>),
    /// `float64`
    F64(Vec<f64>),
    /// `int8`
    I8(Vec<i8>),
    /// `int16`
    I16(Vec<i16>),
    /// `int32`
    I32(Vec<i32>),
    /// `int64`
    I64(Vec<i64>),
    /// `uint8`
    U8(Vec<u8>),
    /// `uint16`
    U16(Vec<u16>),
    /// `uint32`
    U32(Vec<u32>),
    /// `uint64`
    U64(Vec<u64>),
    /// `bool`
    Bool(Vec<bool>),
    /// `str` (`<U8`) or `bytes` (`|S8`), without the zeros that fill them up
    Text(Vec<String>),
}

macro_rules! each {
    ($values:expr, $name:ident => $what:expr) => {
        match $values {
            Values::F32($name) => $what,
            Values::F64($name) => $what,
            Values::I8($name) => $what,
            Values::I16($name) => $what,
            Values::I32($name) => $what,
            Values::I64($name) => $what,
            Values::U8($name) => $what,
            Values::U16($name) => $what,
            Values::U32($name) => $what,
            Values::U64($name) => $what,
            Values::Bool($name) => $what,
            Values::Text($name) => $what,
        }
    };
}

impl Values {
    /// The number of values.
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name NumPy gives the type.
    pub fn dtype(&self) -> &'static str {
        match self {
            Values::F32(_) => "float32",
            Values::F64(_) => "float64",
            Values::I8(_) => "int8",
            Values::I16(_) => "int16",
            Values::I32(_) => "int32",
            Values::I64(_) => "int64",
            Values::U8(_) => "uint8",
            Values::U16(_) => "uint16",
            Values::U32(_) => "uint32",
            Values::U64(_) => "uint64",
            Values::Bool(_) => "bool",
            Values::Text(_) => "str",
        }
    }
}

impl Array {
    /// An array of these values; `origin` is what errors about it name.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape.
    pub fn new(shape: Vec<usize>, values: Values, origin: Origin) -> Self {
        assert_eq!(
            crate::npy::element_count(&shape),
            Some(values.len()),
            "an array of shape {shape:?} was given {} values",
            values.len()
        );
        Self { shape, values, digest: None, origin }
    }

    /// Where the array is from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The values as `f32`, C order. `float64` and integers are rounded to the nearest `f32` (integers are
    /// exact up to 2^24; what is too large for `f32` becomes infinite), `bool` becomes 0 or 1. NaN and
    /// infinities pass: whether they are allowed is for the caller to say.
    ///
    /// # Errors
    /// If the array holds text.
    pub fn into_f32(self) -> Result<Vec<f32>, FormatError> {
        Ok(match self.values {
            Values::F32(values) => values,
            Values::F64(values) => values.into_iter().map(|v| v as f32).collect(),
            Values::I8(values) => values.into_iter().map(f32::from).collect(),
            Values::I16(values) => values.into_iter().map(f32::from).collect(),
            Values::I32(values) => values.into_iter().map(|v| v as f32).collect(),
            Values::I64(values) => values.into_iter().map(|v| v as f32).collect(),
            Values::U8(values) => values.into_iter().map(f32::from).collect(),
            Values::U16(values) => values.into_iter().map(f32::from).collect(),
            Values::U32(values) => values.into_iter().map(|v| v as f32).collect(),
            Values::U64(values) => values.into_iter().map(|v| v as f32).collect(),
            Values::Bool(values) => values.into_iter().map(|v| if v { 1.0 } else { 0.0 }).collect(),
            Values::Text(_) => return Err(self.origin.error("text was found where numbers are expected")),
        })
    }

    /// The values as class labels: integers, or floats that are whole numbers.
    ///
    /// # Errors
    /// Names the first value that is no whole number within ±2^53 (floats) or beyond `i64` (`uint64`); `bool`
    /// and text are refused.
    pub fn into_labels(self) -> Result<Vec<i64>, FormatError> {
        let Self { shape, values, origin, .. } = self;
        let whole = |index: usize, value: f64| {
            // Beyond 2^53 neighbouring whole numbers share one f64, so that a label would be ambiguous.
            if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
                Ok(value as i64)
            } else {
                Err(origin.error(format!(
                    "value {value} at index {} is no label: a whole number is expected",
                    at(index, &shape)
                )))
            }
        };
        match values {
            Values::F32(values) => {
                values.into_iter().enumerate().map(|(i, v)| whole(i, f64::from(v))).collect()
            }
            Values::F64(values) => values.into_iter().enumerate().map(|(i, v)| whole(i, v)).collect(),
            Values::I8(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::I16(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::I32(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::I64(values) => Ok(values),
            Values::U8(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::U16(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::U32(values) => Ok(values.into_iter().map(i64::from).collect()),
            Values::U64(values) => values
                .into_iter()
                .enumerate()
                .map(|(i, v)| {
                    i64::try_from(v).map_err(|_| {
                        origin.error(format!(
                            "value {v} at index {} is no label: at most {} is allowed",
                            at(i, &shape),
                            i64::MAX
                        ))
                    })
                })
                .collect(),
            other @ (Values::Bool(_) | Values::Text(_)) => Err(origin.error(format!(
                "labels of type {} were found; integers, or floats that are whole numbers, are expected",
                other.dtype()
            ))),
        }
    }

    /// The values as spikes: `bool`, or `uint8` that are all 0 or 1.
    ///
    /// # Errors
    /// Names the first value that is neither 0 nor 1; other types are refused.
    pub fn into_spikes(self) -> Result<Vec<bool>, FormatError> {
        let Self { shape, values, origin, .. } = self;
        match values {
            Values::Bool(values) => Ok(values),
            Values::U8(values) => {
                if let Some(index) = values.iter().position(|&v| v > 1) {
                    return Err(origin.error(format!(
                        "value {} at index {} is no spike: only 0 and 1 are allowed",
                        values[index],
                        at(index, &shape)
                    )));
                }
                Ok(values.into_iter().map(|v| v == 1).collect())
            }
            other => Err(origin.error(format!(
                "spikes of type {} were found; bool or uint8 of 0 and 1 is expected (convert with .astype('uint8'))",
                other.dtype()
            ))),
        }
    }

    /// Whole numbers as the values of spikes, 0 where there is none: `bool` and every integer type.
    ///
    /// # Errors
    /// If the array holds other types, or a number that no spike may have; the first one is named.
    pub fn into_spike_values(self) -> Result<Vec<i16>, FormatError> {
        let Self { shape, values, origin, .. } = self;
        let wide: Vec<i64> = match values {
            Values::Bool(values) => return Ok(values.into_iter().map(i16::from).collect()),
            Values::U8(values) => return Ok(values.into_iter().map(i16::from).collect()),
            Values::I8(values) => return Ok(values.into_iter().map(i16::from).collect()),
            Values::I16(values) => values.into_iter().map(i64::from).collect(),
            Values::U16(values) => values.into_iter().map(i64::from).collect(),
            Values::I32(values) => values.into_iter().map(i64::from).collect(),
            Values::U32(values) => values.into_iter().map(i64::from).collect(),
            Values::I64(values) => values,
            other => {
                return Err(origin.error(format!(
                    "spikes of type {} were found; bool, or whole numbers as their values, are expected (convert with \
                     .astype('int16'))",
                    other.dtype()
                )));
            }
        };
        let allowed = i64::from(snn_engine::LARGEST_VALUE);
        if let Some(index) = wide.iter().position(|value| !(-allowed..=allowed).contains(value)) {
            return Err(origin.error(format!(
                "the value {} at index {} is too large for a spike: whole numbers from -{allowed} to {allowed} are allowed",
                wide[index],
                at(index, &shape)
            )));
        }
        // All are within 16 bits, as was just seen.
        Ok(wide.into_iter().map(|value| value as i16).collect())
    }

    /// Bytes of bits, as `numpy.packbits` makes them.
    ///
    /// # Errors
    /// If the array is not of `uint8`.
    pub fn into_bytes(self) -> Result<Vec<u8>, FormatError> {
        let Self { values, origin, .. } = self;
        match values {
            Values::U8(values) => Ok(values),
            other => Err(origin.error(format!(
                "packed spikes of type {} were found; uint8 is expected, as numpy.packbits(flags, axis=-1) gives it",
                other.dtype()
            ))),
        }
    }

    /// The one text of an array that holds nothing else (shape `()` or `(1,)`).
    ///
    /// # Errors
    /// If the array holds numbers or more than one text.
    pub fn into_text(self) -> Result<String, FormatError> {
        let Self { shape, values, origin, .. } = self;
        let dtype = values.dtype();
        match values {
            Values::Text(mut texts) if texts.len() == 1 => Ok(texts.swap_remove(0)),
            _ => Err(origin
                .error(format!("one text is expected, an array of {dtype} with shape {shape:?} was found"))),
        }
    }
}

/// The index of the `flat`-th value along every axis, as `[1, 0, 3]`.
fn at(flat: usize, shape: &[usize]) -> String {
    let mut rest = flat;
    let mut index = vec![0; shape.len()];
    for (axis, &length) in shape.iter().enumerate().rev() {
        index[axis] = rest % length;
        rest /= length;
    }
    format!("{index:?}")
}
