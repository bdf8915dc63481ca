//! Constants of an ONNX graph: weights and the integers that shapes are computed with.

use super::budget::Budget;
use super::external::External;
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};
use std::sync::Arc;

/// Stands for the size of the batch among the integers of a shape. No file can mean this number as an extent.
pub(super) const BATCH: i64 = i64::MIN + 1;

/// The most axes of a constant, and so the longest list of axes or extents that means something; as in NumPy.
pub(super) const MOST_AXES: usize = 64;

/// The numbers of a constant, shared by all that only view them otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// Any floating-point type, as `f32`.
    Floats(Arc<[f32]>),
    /// Any integer type and booleans; may hold [`BATCH`].
    Integers(Arc<[i64]>),
}

impl Numbers {
    pub(super) fn len(&self) -> usize {
        match self {
            Numbers::Floats(x) => x.len(),
            Numbers::Integers(x) => x.len(),
        }
    }

    /// Bytes of one number.
    pub(super) fn width(&self) -> usize {
        match self {
            Numbers::Floats(_) => size_of::<f32>(),
            Numbers::Integers(_) => size_of::<i64>(),
        }
    }

    /// The numbers at the given `count` places, in that order.
    pub(super) fn pick(&self, count: usize, places: impl Iterator<Item = usize>) -> Numbers {
        fn picked<T: Copy + Default>(
            all: &[T],
            count: usize,
            places: impl Iterator<Item = usize>,
        ) -> Arc<[T]> {
            // Filled where they stay: a list of unknown length would be copied once it is known.
            let mut numbers: Arc<[T]> = std::iter::repeat_n(T::default(), count).collect();
            if let Some(own) = Arc::get_mut(&mut numbers) {
                own.iter_mut().zip(places).for_each(|(number, place)| *number = all[place]);
            }
            numbers
        }
        match self {
            Numbers::Floats(x) => Numbers::Floats(picked(x, count, places)),
            Numbers::Integers(x) => Numbers::Integers(picked(x, count, places)),
        }
    }
}

/// A constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    /// Extents; an extent of 0 makes an empty tensor.
    pub(super) extents: Vec<usize>,
    /// As many numbers as the product of the extents.
    pub(super) numbers: Numbers,
}

/// The product of extents.
///
/// # Errors
/// A sentence, if it does not fit into memory.
pub(super) fn count(extents: &[usize]) -> Result<usize, String> {
    extents
        .iter()
        .try_fold(1usize, |n, &e| n.checked_mul(e))
        .filter(|&n| n <= isize::MAX as usize / 8)
        .ok_or_else(|| format!("a constant of shape {extents:?} is too large"))
}

impl Tensor {
    pub(super) fn new(extents: Vec<usize>, numbers: Numbers) -> Result<Self, String> {
        if extents.len() > MOST_AXES {
            return Err(format!("a constant of {} axes; allowed are {MOST_AXES}", extents.len()));
        }
        let expected = count(&extents)?;
        if expected != numbers.len() {
            return Err(format!("{} numbers for a constant of shape {extents:?}", numbers.len()));
        }
        Ok(Tensor { extents, numbers })
    }

    pub(super) fn integers(values: Vec<i64>) -> Self {
        Tensor { extents: vec![values.len()], numbers: Numbers::Integers(values.into()) }
    }

    /// The numbers as floats; integers are converted.
    pub(super) fn floats(&self) -> Result<Arc<[f32]>, String> {
        match &self.numbers {
            Numbers::Floats(x) => Ok(x.clone()),
            Numbers::Integers(x) if x.contains(&BATCH) => Err("depends on the size of the batch".into()),
            Numbers::Integers(x) => Ok(x.iter().map(|&i| i as f32).collect()),
        }
    }

    /// The numbers as integers.
    pub(super) fn as_integers(&self) -> Result<&[i64], String> {
        match &self.numbers {
            Numbers::Integers(x) => Ok(x),
            Numbers::Floats(_) => Err("integers are needed, found floating-point numbers".into()),
        }
    }

    /// The numbers as a list of axes, extents or places along axes.
    pub(super) fn list(&self) -> Result<&[i64], String> {
        let list = self.as_integers()?;
        if list.len() > MOST_AXES {
            return Err(format!("a list of {} axes or extents; allowed are {MOST_AXES}", list.len()));
        }
        Ok(list)
    }

    /// The only number, if there is one and it does not depend on the batch.
    pub(super) fn scalar(&self) -> Option<f64> {
        match &self.numbers {
            Numbers::Floats(x) if x.len() == 1 => Some(f64::from(x[0])),
            Numbers::Integers(x) if x.len() == 1 && x[0] != BATCH => Some(x[0] as f64),
            _ => None,
        }
    }

    /// Reads a tensor of a file.
    ///
    /// # Errors
    /// A sentence: an unknown or textual type, numbers missing or left over, an external file that cannot be read.
    pub(super) fn decode(
        proto: &TensorProto,
        external: &mut External<'_>,
        budget: &mut Budget,
    ) -> Result<Self, String> {
        if proto.dims.len() > MOST_AXES {
            return Err(format!("has {} axes; allowed are {MOST_AXES}", proto.dims.len()));
        }
        let extents = proto
            .dims
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| format!("shape {:?} has a negative extent", proto.dims)))
            .collect::<Result<Vec<_>, _>>()?;
        let expected = count(&extents)?;
        let kind = proto.data_type.unwrap_or(DataType(0));
        let numbers = if proto.data_location == Some(DataLocation::EXTERNAL) {
            let width = width(kind)?;
            let length = expected.checked_mul(width).ok_or("is too large")?;
            let held = expected.checked_mul(size_of::<i64>());
            external.read(&proto.external_data, length, held, budget, |bytes| from_bytes(kind, bytes))??
        } else if let Some(raw) = &proto.raw_data {
            from_bytes(kind, &raw.borrow())?
        } else {
            from_fields(kind, proto)?
        };
        if numbers.len() != expected {
            return Err(format!("has {} numbers for shape {extents:?}", numbers.len()));
        }
        Tensor::new(extents, numbers)
    }
}

/// Bytes of one number.
fn width(kind: DataType) -> Result<usize, String> {
    Ok(match kind {
        DataType::UINT8 | DataType::INT8 | DataType::BOOL => 1,
        DataType::UINT16 | DataType::INT16 | DataType::FLOAT16 | DataType::BFLOAT16 => 2,
        DataType::FLOAT | DataType::INT32 | DataType::UINT32 => 4,
        DataType::INT64 | DataType::UINT64 | DataType::DOUBLE => 8,
        _ => return Err(format!("has the type {kind}, which is not supported")),
    })
}

fn from_bytes(kind: DataType, bytes: &[u8]) -> Result<Numbers, String> {
    let width = width(kind)?;
    if !bytes.len().is_multiple_of(width) {
        return Err(format!("has {} bytes, not a multiple of {width}", bytes.len()));
    }
    fn floats<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f32) -> Numbers {
        Numbers::Floats(bytes.as_chunks::<N>().0.iter().map(|&b| f(b)).collect())
    }
    fn integers<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> i64) -> Numbers {
        Numbers::Integers(bytes.as_chunks::<N>().0.iter().map(|&b| f(b)).collect())
    }
    Ok(match kind {
        DataType::FLOAT => floats(bytes, f32::from_le_bytes),
        DataType::DOUBLE => floats(bytes, |b| f64::from_le_bytes(b) as f32),
        DataType::FLOAT16 => floats(bytes, |b| half(u16::from_le_bytes(b))),
        DataType::BFLOAT16 => floats(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        DataType::UINT8 | DataType::BOOL => integers(bytes, |[b]: [u8; 1]| i64::from(b)),
        DataType::INT8 => integers(bytes, |b| i64::from(i8::from_le_bytes(b))),
        DataType::UINT16 => integers(bytes, |b| i64::from(u16::from_le_bytes(b))),
        DataType::INT16 => integers(bytes, |b| i64::from(i16::from_le_bytes(b))),
        DataType::INT32 => integers(bytes, |b| i64::from(i32::from_le_bytes(b))),
        DataType::UINT32 => integers(bytes, |b| i64::from(u32::from_le_bytes(b))),
        DataType::INT64 => integers(bytes, i64::from_le_bytes),
        DataType::UINT64 => {
            let values = bytes.as_chunks::<8>().0.iter().map(|&b| i64::try_from(u64::from_le_bytes(b)));
            Numbers::Integers(values.collect::<Result<_, _>>().map_err(|_| "has a number above 2⁶³")?)
        }
        _ => return Err(format!("has the type {kind}, which is not supported")),
    })
}

fn from_fields(kind: DataType, proto: &TensorProto) -> Result<Numbers, String> {
    let small = || proto.int32_data.iter().map(|&i| i64::from(i)).collect();
    // 16-bit floats stand bit for bit in the lower half of an int32.
    let bits = |i: &i32| u16::try_from(*i).map_err(|_| format!("has {i} as bits of a 16-bit number"));
    Ok(match kind {
        DataType::FLOAT => Numbers::Floats(proto.float_data.as_slice().into()),
        DataType::DOUBLE => Numbers::Floats(proto.double_data.iter().map(|&x| x as f32).collect()),
        DataType::INT64 => Numbers::Integers(proto.int64_data.as_slice().into()),
        DataType::UINT8
        | DataType::INT8
        | DataType::UINT16
        | DataType::INT16
        | DataType::INT32
        | DataType::BOOL => Numbers::Integers(small()),
        DataType::FLOAT16 => {
            let numbers = proto.int32_data.iter().map(|i| Ok(half(bits(i)?)));
            Numbers::Floats(numbers.collect::<Result<_, String>>()?)
        }
        DataType::BFLOAT16 => {
            let numbers = proto.int32_data.iter().map(|i| Ok(f32::from_bits(u32::from(bits(i)?) << 16)));
            Numbers::Floats(numbers.collect::<Result<_, String>>()?)
        }
        _ => return Err(format!("has the type {kind}, which is not supported here")),
    })
}

/// The value of an IEEE 754 binary16 number.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_read() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn the_number_of_numbers_must_match_the_shape() {
        let (mut none, mut budget) = (External::none(), Budget::of(0));
        let proto = |dims: &[i64], values: &[f32]| TensorProto {
            dims: dims.to_vec(),
            data_type: Some(DataType::FLOAT),
            float_data: values.to_vec(),
            ..Default::default()
        };
        assert!(Tensor::decode(&proto(&[2, 2], &[1.0; 4]), &mut none, &mut budget).is_ok());
        assert!(Tensor::decode(&proto(&[2, 2], &[1.0; 3]), &mut none, &mut budget).is_err());
        assert!(Tensor::decode(&proto(&[-1], &[1.0]), &mut none, &mut budget).is_err());
        assert!(Tensor::decode(&proto(&[i64::MAX, i64::MAX], &[1.0]), &mut none, &mut budget).is_err());
    }
}
