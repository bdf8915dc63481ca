//! Tensors by name, from a PyTorch or safetensors file.
//!
//! Against hostile files: a pickle is never executed, only its tensors are picked out; the description of the tensors is
//! bounded ([`LONGEST_INDEX`]); nothing may be packed, so that nothing unfolds; a tensor is read when a layer asks for it,
//! and all that are read are bounded by the length of the file.

use super::StateDictError;
use super::pickle::{SparseTensor, sparse_tensors};
use crate::import::stamp::{Stamp, digest};
use pytorch_reader::{DType, PytorchReader};
use safetensors::tensor::{Dtype, Metadata};
use snn_formats::{Digest, FileDigest, regular};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// The longest description of tensors that is read, in bytes: the pickle of a `.pt` file, the header of a `.safetensors`
/// file. A tensor takes about a hundred. Parsed, a hostile one is up to 140 times as large.
const LONGEST_INDEX: u64 = 1 << 20;

/// How many times the length of the file all tensors that are read may have together: a file may name one tensor
/// several times, where a layer is used several times.
const MOST_TIMES: u64 = 4;

/// The tensors of a trained net by name, as PyTorch's `state_dict()` has them; their numbers are read one by one.
#[derive(Debug)]
pub struct StateDict {
    tensors: BTreeMap<String, Tensor>,
    /// The bytes of a safetensors file.
    bytes: Vec<u8>,
    /// How many more bytes of tensors may be read.
    left: std::cell::Cell<u64>,
    /// The file that they are in.
    file: Option<FileDigest>,
    /// Of a PyTorch file, of which tensors are read later.
    later: Option<Stamp>,
}

/// One tensor, its numbers not yet read.
#[derive(Clone, Debug)]
struct Tensor {
    shape: Vec<usize>,
    number: Number,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Torch(pytorch_reader::Tensor),
    Bytes(Range<usize>),
}

/// The type of a tensor's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Number {
    F16,
    BF16,
    F32,
    F64,
    Other(String),
}

/// What makes a number of the bytes of an element, at most eight.
type Word = fn(&[u8]) -> u64;

/// Numbers of a tensor, and how many of them had to be rounded to `f32`.
pub(super) struct Floats {
    pub(super) numbers: Vec<f32>,
    pub(super) rounded: usize,
}

impl StateDict {
    /// Reads the names, shapes and types of the tensors in a file: a PyTorch file (`.pt`, `.pth`) of version 1.6 or
    /// newer, or a safetensors file, which the first bytes tell.
    ///
    /// # Errors
    /// [`StateDictError::File`] and [`StateDictError::Format`].
    pub fn read(path: &Path) -> Result<Self, StateDictError> {
        let refuse = |reason| StateDictError::File { path: path.to_owned(), reason };
        let (mut file, found) = regular::open(path).map_err(refuse)?;
        let length = found.len();
        let mut head = Vec::new();
        file.by_ref().take(8).read_to_end(&mut head).map_err(refuse)?;
        let mut later = None;
        let (tensors, bytes, digest) = if head.starts_with(b"PK\x03\x04") {
            file.rewind().map_err(refuse)?;
            let digest = digest(&mut file).map_err(refuse)?;
            later = Some(Stamp::of(path, &file).map_err(refuse)?);
            (torch(path, file, length)?, Vec::new(), digest)
        } else if head.starts_with(&[0x80]) && head.len() > 1 && head[1] <= 5 {
            return Err(StateDictError::Format(
                "this is a PyTorch file from before version 1.6, or another pickle; load it and save its state_dict() again \
                 with a PyTorch of today, or as safetensors"
                    .into(),
            ));
        } else {
            file.rewind().map_err(refuse)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(refuse)?;
            let digest = Digest::of(&bytes);
            (safe(&bytes).map_err(StateDictError::Format)?, bytes, digest)
        };
        if tensors.is_empty() {
            return Err(StateDictError::Format("there is no tensor in it".into()));
        }
        let left = std::cell::Cell::new(length.saturating_mul(MOST_TIMES));
        let file = Some(FileDigest::new(path, digest));
        Ok(StateDict { tensors, bytes, left, file, later })
    }

    /// The file that the tensors are in, if they are in one.
    pub fn file(&self) -> Option<&FileDigest> {
        self.file.as_ref()
    }

    /// That a file whose tensors were read one by one is still the one of which the digest was taken.
    pub(super) fn check_unchanged(&self) -> Result<(), StateDictError> {
        self.later.as_ref().map_or(Ok(()), Stamp::check).map_err(StateDictError::Format)
    }

    /// Tensors that are in memory: name, shape, and numbers in row-major order.
    ///
    /// # Errors
    /// [`StateDictError::Format`] if there are none, one name is given twice, or a shape does not fit the numbers.
    pub fn of_arrays(
        arrays: impl IntoIterator<Item = (String, Vec<usize>, Vec<f32>)>,
    ) -> Result<Self, StateDictError> {
        let (mut tensors, mut bytes) = (BTreeMap::new(), vec![]);
        for (name, shape, numbers) in arrays {
            let elements = shape.iter().try_fold(1_usize, |all, &extent| all.checked_mul(extent));
            if elements != Some(numbers.len()) {
                return Err(StateDictError::Format(format!(
                    "tensor `{}` of shape {shape:?} has {} numbers",
                    name.escape_debug(),
                    numbers.len()
                )));
            }
            let first = bytes.len();
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            let place = Place::Bytes(first..bytes.len());
            if tensors.insert(name.clone(), Tensor { shape, number: Number::F32, place }).is_some() {
                return Err(StateDictError::Format(format!(
                    "two tensors are named `{}`",
                    name.escape_debug()
                )));
            }
        }
        if tensors.is_empty() {
            return Err(StateDictError::Format("there is no tensor in it".into()));
        }
        let left = std::cell::Cell::new((bytes.len() as u64).saturating_mul(MOST_TIMES));
        Ok(StateDict { tensors, bytes, left, file: None, later: None })
    }

    /// The names of the tensors, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// The type of a tensor's numbers, if there is one of this name, as `f32` or `i64`.
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|tensor| tensor.number.name())
    }

    /// The numbers of a tensor, in row-major order.
    ///
    /// # Errors
    /// A sentence that begins behind the tensor's name: if there is none, if they are not real numbers, or the file is
    /// damaged.
    pub(super) fn floats(&self, name: &str) -> Result<Floats, String> {
        let tensor = self.tensors.get(name).ok_or("is not in the file")?;
        let size = match &tensor.number {
            Number::F16 | Number::BF16 => 2,
            Number::F32 => 4,
            Number::F64 => 8,
            Number::Other(other) => {
                return Err(format!("has numbers of type {other}; allowed are f16, bf16, f32 and f64"));
            }
        };
        let (bytes, word) = self.bytes_of(tensor)?;
        let mut floats = Floats { numbers: Vec::with_capacity(bytes.len() / size), rounded: 0 };
        for (place, bytes) in bytes.chunks_exact(size).enumerate() {
            let word = word(bytes);
            let number = match tensor.number {
                Number::F16 => half(word as u16),
                Number::BF16 => f32::from_bits((word as u32) << 16),
                Number::F32 => f32::from_bits(word as u32),
                _ => {
                    let wide = f64::from_bits(word);
                    let number = wide as f32;
                    if wide.is_finite() && f64::from(number) != wide {
                        if number.is_infinite() {
                            return Err(format!(
                                "has {wide} at place {place}; allowed are numbers up to {}",
                                f32::MAX
                            ));
                        }
                        floats.rounded += 1;
                    }
                    number
                }
            };
            if !number.is_finite() {
                return Err(format!("has {number} at place {place}; allowed are finite numbers"));
            }
            floats.numbers.push(number);
        }
        Ok(floats)
    }

    /// The numbers of a tensor of whole numbers of at least 0.
    ///
    /// # Errors
    /// As [`floats`](Self::floats).
    pub(super) fn whole(&self, name: &str) -> Result<Vec<u64>, String> {
        let tensor = self.tensors.get(name).ok_or("is not in the file")?;
        let size = match &tensor.number {
            Number::Other(name) if name == "i64" => 8,
            Number::Other(name) if name == "i32" => 4,
            other => return Err(format!("has numbers of type {}; allowed are i64 and i32", other.name())),
        };
        let (bytes, word) = self.bytes_of(tensor)?;
        // The bit of the sign is the highest of its number.
        let number = |bytes: &[u8]| Some(word(bytes)).filter(|number| number >> (8 * size - 1) == 0);
        let numbers: Option<Vec<u64>> = bytes.chunks_exact(size).map(number).collect();
        numbers.ok_or_else(|| "has a number below 0".into())
    }

    /// The bytes of a tensor, if so many may still be read, and what makes a number of those of one element.
    fn bytes_of(&self, tensor: &Tensor) -> Result<(Cow<'_, [u8]>, Word), String> {
        match &tensor.place {
            Place::Bytes(range) => {
                let bytes = self.spend(range.len(), || Ok(&self.bytes[range.clone()]))?;
                Ok((bytes.into(), little))
            }
            Place::Torch(torch) => {
                let unsound = |e| format!("cannot be read: {e}");
                let bytes = self.spend(torch.byte_len(), || torch.read().map_err(unsound))?;
                // pytorch-reader has turned the bytes into the order of this machine.
                Ok((bytes.into(), if cfg!(target_endian = "big") { big } else { little }))
            }
        }
    }

    /// Reads `bytes` bytes, if so many may still be read.
    fn spend<T>(&self, bytes: usize, read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        match self.left.get().checked_sub(bytes as u64) {
            Some(left) => {
                self.left.set(left);
                read()
            }
            None => Err(format!(
                "has {bytes} bytes, and together with the tensors before it more than {MOST_TIMES} times those of the file; \
                 save it with .contiguous()"
            )),
        }
    }
}

impl Number {
    fn name(&self) -> &str {
        match self {
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Other(name) => name,
        }
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn big(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// A half-precision number (IEEE 754 binary16): 1 bit of sign, 5 of exponent, 10 of fraction. Every one is an `f32`.
fn half(bits: u16) -> f32 {
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The most sparse tensors that an error names.
const MOST_NAMED: usize = 8;

/// What is wrong with a file of sparse tensors, and what to do about them.
fn sparse(path: &Path) -> String {
    let found = pickle_of(path).map(|pickle| sparse_tensors(&pickle)).unwrap_or_default();
    let each = |tensor: &SparseTensor| {
        let layout = tensor.layout.as_deref().unwrap_or("torch.sparse");
        format!("`{}` ({})", tensor.name.escape_debug(), layout.escape_debug())
    };
    let named: Vec<String> = found.iter().take(MOST_NAMED).map(each).collect();
    let more = if found.len() > MOST_NAMED {
        format!(" and {} more", found.len() - MOST_NAMED)
    } else {
        String::new()
    };
    let name = found.first().map_or("fc.weight".to_owned(), |tensor| tensor.name.escape_debug().to_string());
    format!(
        "it holds sparse tensors, {}{more}, which are not read as such. Save each in full, `{name}`.to_dense(), or its parts in its \
         place, which stay sparse: with w = `{name}`.to_sparse_csr(), `{name}.values` = w.values(), `{name}.crow_indices` = \
         w.crow_indices(), `{name}.col_indices` = w.col_indices()",
        if named.is_empty() { "which cannot be named".to_owned() } else { named.join(", ") },
    )
}

/// The pickle of a PyTorch file whose entries have been looked at.
fn pickle_of(path: &Path) -> Option<Vec<u8>> {
    let (file, _) = regular::open(path).ok()?;
    let mut archive = ZipArchive::new(BufReader::new(file)).ok()?;
    let names: Vec<String> =
        archive.file_names().map(|name| name.map(|name| name.into_owned())).collect::<Result<_, _>>().ok()?;
    let name = names.iter().find(|name| name.ends_with("data.pkl"))?;
    let mut pickle = vec![];
    archive.by_name(name).ok()?.take(LONGEST_INDEX).read_to_end(&mut pickle).ok()?;
    Some(pickle)
}

/// What a zip archive of PyTorch is that holds a program instead of tensors, and what to do, if it is one: an entry of it is
/// called so.
fn program(entry: &str) -> Option<&'static str> {
    let inside = entry.split_once('/').map_or(entry, |(_, inside)| inside);
    if inside.starts_with("code/") || inside == "constants.pkl" {
        return Some(
            "this is TorchScript (torch.jit.save): a program, which is not run. Export the module that it was made of to ONNX \
             (torch.onnx.export(model, sample, \"net.onnx\")), or save its weights (torch.save(model.state_dict(), \"net.pt\"), or \
             torch.jit.load(…).state_dict()) and give a layer list",
        );
    }
    (inside == "models/model.json" || inside == "serialized_exported_program.json").then_some(
        "this is an exported program (torch.export.save), which is not run. Write it as ONNX: \
         torch.onnx.export(torch.export.load(…), …, dynamo=True).save(\"net.onnx\")",
    )
}

/// The tensors of a PyTorch file, a zip archive with a pickle and one stored entry per storage.
fn torch(path: &Path, file: File, length: u64) -> Result<BTreeMap<String, Tensor>, StateDictError> {
    let unsound = |reason: String| StateDictError::Format(format!("no sound PyTorch (zip) file: {reason}"));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| unsound(e.to_string()))?;
    if archive.has_overlapping_entries().map_err(|e| unsound(e.to_string()))? {
        return Err(unsound("its entries overlap: it is damaged, or made to fill memory".into()));
    }
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place).map_err(|e| unsound(e.to_string()))?;
        let name = entry.name().map_err(|e| unsound(e.to_string()))?.to_string();
        if let Some(program) = program(&name) {
            return Err(StateDictError::Format(program.into()));
        }
    }
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place).map_err(|e| unsound(e.to_string()))?;
        let name = entry.name().map_err(|e| unsound(e.to_string()))?.escape_debug().to_string();
        if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
            return Err(unsound(format!(
                "`{name}` in it is packed; torch.save packs nothing, save it so again"
            )));
        }
        if name.ends_with("data.pkl") && entry.size() > LONGEST_INDEX {
            return Err(unsound(format!(
                "`{name}` in it has {} bytes; allowed are {LONGEST_INDEX}; save the state_dict() alone",
                entry.size()
            )));
        }
    }
    drop(archive);
    let reader = PytorchReader::new(path).map_err(|e| {
        let reason = e.to_string();
        if reason.contains("_rebuild_sparse") {
            return StateDictError::Format(sparse(path));
        }
        let other = reason.contains("unsupported");
        unsound(if other { format!("{reason} Save the state_dict() alone.") } else { reason })
    })?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in reader.into_tensors() {
        // What a view repeats (`expand`) is not in the file.
        if tensor.byte_len() as u64 > length {
            return Err(unsound(format!(
                "tensor `{}` of shape {:?} is larger than the file; save it with .contiguous()",
                name.escape_debug(),
                tensor.shape()
            )));
        }
        let number = match tensor.dtype() {
            DType::F16 => Number::F16,
            DType::BF16 => Number::BF16,
            DType::F32 => Number::F32,
            DType::F64 => Number::F64,
            other => Number::Other(format!("{other:?}").to_lowercase()),
        };
        tensors.insert(name, Tensor { shape: tensor.shape().to_vec(), number, place: Place::Torch(tensor) });
    }
    Ok(tensors)
}

/// The tensors of a safetensors file: the length of the header in 8 bytes, the header in JSON, the numbers.
fn safe(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let unsound = |reason: String| format!("no sound safetensors file, and no PyTorch file either: {reason}");
    let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(unsound(format!("it has {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*head);
    let header = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let Some((header, numbers)) = header else {
        return Err(unsound(format!("a header of {length} bytes is stated, {} follow", rest.len())));
    };
    if length > LONGEST_INDEX {
        return Err(unsound(format!("its header has {length} bytes; allowed are {LONGEST_INDEX}")));
    }
    // Not by `SafeTensors::deserialize`, which adds offsets from the file without a check.
    let metadata: Metadata = serde_json::from_slice(header).map_err(|e| unsound(e.to_string()))?;
    if metadata.data_len() != numbers.len() {
        return Err(unsound(format!(
            "{} bytes of numbers are stated, {} found",
            metadata.data_len(),
            numbers.len()
        )));
    }
    let start = bytes.len() - numbers.len();
    let mut tensors = BTreeMap::new();
    for (name, tensor) in metadata.tensors() {
        let number = match tensor.dtype {
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::BF16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            other => Number::Other(other.to_string().to_lowercase()),
        };
        let (first, end) = tensor.data_offsets;
        let place = Place::Bytes(start + first..start + end);
        tensors.insert(name, Tensor { shape: tensor.shape.clone(), number, place });
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn every_half_precision_number_becomes_the_same_single_precision_one() {
        for bits in 0..=u16::MAX {
            // By the layout of the bits, where the other goes by the value.
            let (sign, exponent) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 0x1f));
            let fraction = u32::from(bits & 0x3ff);
            let expected = match (exponent, fraction) {
                (0, 0) => sign,
                (0, _) => {
                    let shift = fraction.leading_zeros() - 21;
                    sign | (113 - shift) << 23 | (fraction << shift & 0x3ff) << 13
                }
                (31, _) => sign | 0xff << 23 | fraction << 13,
                _ => sign | (exponent + 112) << 23 | fraction << 13,
            };
            let (found, expected) = (half(bits), f32::from_bits(expected));
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{bits:#06x}"
            );
        }
    }
}
