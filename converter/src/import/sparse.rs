//! Sparse initialisers (`SparseTensorProto`): matrices stay as they are listed, other tensors are written out.

use super::budget::Budget;
use super::tensor::{Numbers, Tensor, from_reader};
use super::wire::{Field, Fields, Value};
use crate::ann::Csr;
use rten_onnx::onnx::DataType;
use std::sync::Arc;

/// The most rows of a matrix: as many as a tensor may have elements.
const MOST_ROWS: usize = crate::ann::MAX_ELEMENTS;

/// A list of numbers of a file, not yet decoded.
#[derive(Default)]
struct List<'a> {
    name: &'a [u8],
    kind: u64,
    extents: Vec<u64>,
    /// Little-endian numbers.
    raw: Option<&'a [u8]>,
    /// Varints.
    packed: Option<&'a [u8]>,
}

/// The sparse initialisers of a file, by name.
///
/// # Errors
/// A sentence that names one: its places do not ascend, are outside of its shape, or its types are others than they may be.
pub(super) fn initializers(file: &[u8], budget: &mut Budget) -> Result<Vec<(String, Tensor)>, String> {
    let mut found = vec![];
    for graph in messages(file, 7) {
        for sparse in messages(graph?, 15) {
            found.push(initializer(sparse?, budget)?);
        }
    }
    Ok(found)
}

/// The messages of a field.
fn messages(bytes: &[u8], number: u64) -> impl Iterator<Item = Result<&[u8], String>> {
    Fields::of(bytes).filter_map(move |field| match field {
        Ok(Field { number: found, value: Value::Bytes(bytes), .. }) if found == number => Some(Ok(bytes)),
        Ok(_) => None,
        Err(reason) => Some(Err(reason)),
    })
}

fn initializer(bytes: &[u8], budget: &mut Budget) -> Result<(String, Tensor), String> {
    let (mut values, mut places, mut extents) = (List::default(), List::default(), vec![]);
    for field in Fields::of(bytes) {
        match field? {
            Field { number: 1, value: Value::Bytes(bytes), .. } => values = List::of(bytes)?,
            Field { number: 2, value: Value::Bytes(bytes), .. } => places = List::of(bytes)?,
            field @ Field { number: 3, .. } => varints(field.value, &mut extents)?,
            _ => {}
        }
    }
    let name = String::from_utf8_lossy(values.name).into_owned();
    let tensor = tensor(&values, &places, &extents, budget)
        .map_err(|reason| format!("the sparse constant `{name}` {reason}"))?;
    Ok((name, tensor))
}

/// Numbers as varints, one or a packed list.
fn varints(value: Value<'_>, numbers: &mut Vec<u64>) -> Result<(), String> {
    match value {
        Value::Varint(number) => numbers.push(number),
        Value::Bytes(bytes) => {
            let mut list = Fields::of(bytes);
            while !list.is_at_end() {
                numbers.push(list.varint()?);
            }
        }
        _ => return Err("has numbers that are none".into()),
    }
    Ok(())
}

impl<'a> List<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let mut list = List::default();
        for field in Fields::of(bytes) {
            let Field { number, value, .. } = field?;
            match (number, value) {
                (1, value) => varints(value, &mut list.extents)?,
                (2, Value::Varint(kind)) => list.kind = kind,
                // Packed floats are their bytes.
                (4 | 9, Value::Bytes(bytes)) => list.raw = Some(bytes),
                (7, Value::Bytes(bytes)) => list.packed = Some(bytes),
                (8, Value::Bytes(bytes)) => list.name = bytes,
                _ => {}
            }
        }
        Ok(list)
    }

    /// Its numbers as places.
    fn each(&self, mut each: impl FnMut(u64) -> Result<(), String>) -> Result<(), String> {
        if let Some(raw) = self.raw {
            let (numbers, rest) = raw.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(format!("has places of {} bytes", raw.len()));
            }
            return numbers.iter().try_for_each(|&number| each(u64::from_le_bytes(number)));
        }
        let mut list = Fields::of(self.packed.unwrap_or(&[]));
        while !list.is_at_end() {
            each(list.varint()?)?;
        }
        Ok(())
    }
}

fn tensor(
    values: &List<'_>,
    places: &List<'_>,
    extents: &[u64],
    budget: &mut Budget,
) -> Result<Tensor, String> {
    let kind = i32::try_from(values.kind).map(DataType).map_err(|_| "has values of no type")?;
    if !matches!(kind, DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16) {
        return Err(format!("has values of the type {kind}; floating-point numbers are supported"));
    }
    // 7 is int64, by the definition of the format.
    if places.kind != 7 {
        return Err("has places that are not of the type int64".into());
    }
    let extents: Vec<usize> = extents
        .iter()
        .map(|&extent| usize::try_from(extent).ok().filter(|&n| n <= MOST_ROWS))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("has the shape {extents:?}; allowed are extents up to {MOST_ROWS}"))?;
    let raw = values.raw.unwrap_or(&[]);
    let count = match places.extents[..] {
        [count] => count,
        [count, axes] if axes == extents.len() as u64 => count,
        _ => return Err(format!("has places of the shape {:?} for {} axes", places.extents, extents.len())),
    };
    let count = usize::try_from(count).map_err(|_| "has too many places")?;
    let Numbers::Floats(numbers) = from_reader(kind, &mut &raw[..], raw.len() as u64, count)? else {
        return Err("has values that are no floating-point numbers".into());
    };
    let linear = places.extents.len() == 1;
    match extents[..] {
        [rows, columns] => {
            // The starts of rows are all that a few bytes can ask for.
            budget.constant(&[rows + 1], size_of::<u64>())?;
            let csr = matrix([rows, columns], numbers.to_vec(), places, linear)?;
            Tensor::new(extents, Numbers::Listed(Arc::new(csr)))
        }
        _ => {
            budget.constant(&extents, 2 * size_of::<f32>())?;
            let mut all = vec![0.0; super::tensor::count(&extents)?];
            let mut at = 0;
            ascending(places, &extents, linear, |place| {
                all[place] = *numbers.get(at).ok_or("has fewer values than places")?;
                at += 1;
                Ok(())
            })?;
            Tensor::new(extents, Numbers::Floats(all.into()))
        }
    }
}

/// Calls `each(place in row-major order)` for the places, which must ascend.
fn ascending(
    places: &List<'_>,
    extents: &[usize],
    linear: bool,
    mut each: impl FnMut(usize) -> Result<(), String>,
) -> Result<(), String> {
    let total = super::tensor::count(extents)?;
    if extents.is_empty() {
        return Err("has places without an axis".into());
    }
    let (mut next, mut axis, mut place) = (0, 0, 0usize);
    places.each(|number| {
        let number = usize::try_from(number).map_err(|_| format!("has the place {number}"))?;
        if linear {
            place = number;
        } else {
            if number >= extents[axis] {
                return Err(format!("has the place {number} on an axis of {}", extents[axis]));
            }
            place = if axis == 0 { number } else { place * extents[axis] + number };
            axis = (axis + 1) % extents.len();
            if axis > 0 {
                return Ok(());
            }
        }
        if place < next || place >= total {
            return Err(format!("has the place {place} of {total} behind {next} others; they must ascend"));
        }
        next = place + 1;
        each(place)
    })
}

fn matrix(
    [rows, columns]: [usize; 2],
    values: Vec<f32>,
    places: &List<'_>,
    linear: bool,
) -> Result<Csr, String> {
    let mut starts = vec![0_u64; rows + 1];
    let mut listed = Vec::with_capacity(values.len());
    ascending(places, &[rows, columns], linear, |place| {
        starts[place / columns + 1] += 1;
        // Below 2^26.
        listed.push((place % columns) as u32);
        Ok(())
    })?;
    for row in 0..rows {
        starts[row + 1] += starts[row];
    }
    Csr::new(columns, starts, listed, values)
}
