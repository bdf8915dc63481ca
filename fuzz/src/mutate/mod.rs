//! Mutations that know the forms of the files: they take a file apart, change some part, and put it together again with
//! its lengths and checksums as they must be, so that the change is met behind the first doors.
//!
//! A part is changed by libFuzzer's own mutations, which know what the branches compare with, or by words and numbers of
//! its form. One mutation in four changes the file as it stands, damaged lengths and checksums included.

mod container;
mod json;
mod nir;
mod npy;
mod protobuf;
mod state;
mod zip;

use libfuzzer_sys::fuzzer_mutate;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// The form of a target's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `.npy`
    Npy,
    /// `.npz`: a zip archive of `.npy` files
    Npz,
    /// `net.bin`
    Net,
    /// A saved state
    State,
    /// A byte and an `.npy` file
    Samples,
    /// A length, an ONNX file and another file
    Onnx,
    /// A PyTorch file: a zip archive of a pickle and raw numbers
    Torch,
    /// A safetensors file
    Safetensors,
    /// A layer list, TOML
    LayerList,
    /// Events of 5 bytes
    Recording,
    /// A NIR file: a tree of groups and arrays in HDF5
    Nir,
}

/// Mutates `size` of `bytes`, in place; what comes out has at most `most`. The same seed does the same, up to what libFuzzer
/// has learnt.
pub fn mutated(bytes: &mut [u8], size: usize, most: usize, seed: u32, form: Form) -> usize {
    let mut random = Random::of(seed);
    if random.below(4) == 0 {
        return fuzzer_mutate(bytes, size, most);
    }
    let file = &bytes[..size];
    let result = match form {
        Form::Npy => npy::mutated(file, &mut random),
        Form::Npz => zip::mutated(file, &mut random, npy::mutated),
        Form::Net => container::mutated(file, &mut random),
        Form::State => state::mutated(file, &mut random),
        Form::Samples => file.split_first().and_then(|(&which, file)| {
            let which = if random.below(8) == 0 { random.below(12) as u8 } else { which };
            Some([&[which][..], &npy::mutated(file, &mut random)?].concat())
        }),
        Form::Onnx => {
            let (model, beside) = parts(file);
            Some(match random.below(16) {
                0 => joined(model, &changed(beside, &[], &mut random)),
                _ => joined(&protobuf::mutated(model, &mut random), beside),
            })
        }
        Form::Torch => {
            zip::mutated(file, &mut random, |member, random| Some(changed(member, PICKLE, random)))
        }
        Form::Safetensors => json::safetensors(file, &mut random),
        Form::LayerList => json::toml(file, &mut random),
        // Events as they are, changed, doubled or cut within.
        Form::Recording => Some(changed(file, &[], &mut random)),
        Form::Nir => nir::mutated(file, &mut random),
    };
    match result {
        Some(result) if result.len() <= most => {
            bytes[..result.len()].copy_from_slice(&result);
            result.len()
        }
        _ => fuzzer_mutate(bytes, size, most),
    }
}

/// Opcodes and names of the pickles that PyTorch writes.
const PICKLE: &[&[u8]] = &[
    b"\x80\x02",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nHalfStorage\n",
    b"ccollections\nOrderedDict\n",
    b"X\x01\x00\x00\x00",
    b"X\xff\xff\xff\xff",
    b"J\xff\xff\xff\x7f",
    b"M\xff\xff",
    b"K\x00",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"q\x00",
    b"h\x00",
    b"r\xff\xff\xff\x7f",
    b"(",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"}",
    b"]",
    b")",
    b"Q",
    b"R",
    b"u",
    b"s",
    b"e",
    b"2",
    b"0",
    b"\x88",
    b"\x89",
    b"N",
    b".",
];

/// A file of two: the first after its length.
pub fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return (bytes, &[]) };
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).unwrap_or((rest, &[]))
}

/// Two files as one.
pub fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let length = u32::try_from(first.len()).expect("a small file");
    [&length.to_le_bytes()[..], first, second].concat()
}

/// A stream of random numbers.
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of a seed.
    pub fn of(seed: u32) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed.into()))
    }

    /// A whole number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// One of several.
    fn of_these<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())].clone()
    }

    /// A number of the kind that goes wrong.
    fn number(&mut self) -> u64 {
        let power = 1u64 << self.below(64);
        let around =
            |random: &mut Self, value: u64| value.wrapping_add(random.below(3) as u64).wrapping_sub(1);
        match self.below(6) {
            0 => self.below(4) as u64,
            1 => self.below(300) as u64,
            2 => around(self, u64::from(u32::MAX)),
            3 => around(self, i64::MAX as u64),
            4 => around(self, 0),
            _ => around(self, power),
        }
    }

    /// A real number of the kind that goes wrong.
    fn real(&mut self) -> f32 {
        let mild = self.below(9) as f32 / 4.0 - 1.0;
        let hard = [
            0.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::MIN_POSITIVE,
            1e-45,
            snn_engine::LARGEST,
            -snn_engine::LARGEST,
            f32::MAX,
            1e30,
            0.99999994,
            16_777_217.0,
        ];
        if self.below(2) == 0 { mild } else { self.of_these(&hard) }
    }
}

/// Bytes changed by libFuzzer, or by one of these words put in or over what is there.
fn changed(bytes: &[u8], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut result = bytes.to_vec();
    if !words.is_empty() && random.below(3) == 0 {
        let word = random.of_these(words);
        let at = random.below(bytes.len() + 1);
        let end = if random.below(2) == 0 { at } else { bytes.len().min(at + word.len()) };
        result.splice(at..end, word.iter().copied());
        return result;
    }
    let size = result.len();
    result.resize(size + 64, 0);
    let most = result.len();
    let size = fuzzer_mutate(&mut result, size, most);
    result.truncate(size);
    result
}
