//! An ONNX file without the long numbers of its initialisers, which are read one by one: a net is held once.
//!
//! The parser copies what it reads, and a file is nearly all numbers. So it gets the rest of the file, with the places of the
//! numbers beside it.

use rten_onnx::onnx::DataType;
use snn_formats::{Digest, Digester};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use super::tensor::{Numbers, from_reader};

/// The fewest raw bytes of an initialiser that are left out.
const LONG: u64 = 1 << 10;

/// Bytes of the length of a message: enough for 32 GiB.
const LENGTH: usize = 5;

/// Where the bytes of a file are.
pub(super) enum Origin {
    /// In memory.
    Memory(Cursor<Vec<u8>>),
    /// In a file that is open.
    File(File),
}

/// What is parsed of a file, and where the rest of it is.
pub(super) struct Skeleton {
    /// The file without the numbers.
    pub(super) bytes: Vec<u8>,
    /// Of every initialiser, in their order, its raw bytes, if they were left out.
    pub(super) raw: Vec<Option<Range<u64>>>,
    /// Of all bytes.
    pub(super) digest: Digest,
    /// How many bytes the file has.
    pub(super) length: u64,
}

impl Origin {
    /// The numbers of `count` elements in a range of bytes.
    pub(super) fn numbers(
        &mut self,
        kind: DataType,
        range: &Range<u64>,
        count: usize,
    ) -> Result<Numbers, String> {
        let length = range.end - range.start;
        let read = |reader: &mut dyn ReadAt| -> Result<Numbers, String> {
            reader.seek(SeekFrom::Start(range.start)).map_err(|e| format!("cannot be read: {e}"))?;
            from_reader(kind, &mut reader.take(length), length, count)
        };
        match self {
            Origin::Memory(bytes) => read(bytes),
            Origin::File(file) => read(file),
        }
    }

    /// Reads the file from its beginning, once.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, or its messages do not fit into one another.
    pub(super) fn skeleton(&mut self) -> Result<Skeleton, String> {
        match self {
            Origin::Memory(bytes) => Skeleton::of(bytes),
            Origin::File(file) => Skeleton::of(BufReader::with_capacity(1 << 16, file)),
        }
    }
}

/// What can be read from any place on.
trait ReadAt: Read + Seek {}

impl<R: Read + Seek> ReadAt for R {}

/// The messages that are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Initializer,
}

/// A file while it is walked through.
struct Walk<R> {
    reader: R,
    at: u64,
    digester: Digester,
    raw: Vec<Option<Range<u64>>>,
    graphs: usize,
}

impl Skeleton {
    fn of(reader: impl BufRead + Seek) -> Result<Self, String> {
        let mut reader = reader;
        let length = reader.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        reader.rewind().map_err(|e| e.to_string())?;
        let mut walk = Walk { reader, at: 0, digester: Digester::default(), raw: vec![], graphs: 0 };
        let mut bytes = vec![];
        walk.message(Message::Model, length, &mut bytes)?;
        Ok(Skeleton { bytes, raw: walk.raw, digest: walk.digester.digest(), length })
    }
}

impl<R: BufRead> Walk<R> {
    /// Copies the fields of a message that ends at byte `end`.
    fn message(&mut self, message: Message, end: u64, out: &mut Vec<u8>) -> Result<(), String> {
        while self.at < end {
            let key = self.varint(end)?;
            match key & 7 {
                0 => {
                    let value = self.varint(end)?;
                    push_varint(out, key);
                    push_varint(out, value);
                }
                kind @ (1 | 5) => {
                    push_varint(out, key);
                    self.copy(if kind == 1 { 8 } else { 4 }, end, Some(out))?;
                }
                2 => {
                    let length = self.varint(end)?;
                    self.delimited(message, key, length, end, out)?;
                }
                kind => return Err(format!("has a field of wire type {kind}")),
            }
        }
        Ok(())
    }

    fn delimited(
        &mut self,
        message: Message,
        key: u64,
        length: u64,
        end: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let left = end - self.at;
        if length > left {
            return Err(format!("states a length of {length} where {left} bytes are left"));
        }
        let inner = match (message, key >> 3) {
            (Message::Model, 7) => Message::Graph,
            (Message::Graph, 5) => Message::Initializer,
            (Message::Initializer, 9) => {
                // The last of several counts.
                let place = (length >= LONG).then(|| self.at..self.at + length);
                if let Some(last) = self.raw.last_mut() {
                    last.clone_from(&place);
                }
                if place.is_some() {
                    return self.copy(length, end, None);
                }
                push_varint(out, key);
                push_varint(out, length);
                return self.copy(length, end, Some(out));
            }
            _ => {
                push_varint(out, key);
                push_varint(out, length);
                return self.copy(length, end, Some(out));
            }
        };
        if inner == Message::Initializer {
            self.raw.push(None);
        } else {
            self.graphs += 1;
            if self.graphs > 1 {
                return Err("has two graphs".into());
            }
        }
        push_varint(out, key);
        let start = out.len() + LENGTH;
        out.resize(start, 0);
        self.message(inner, self.at + length, out)?;
        // Its length is known now; written with as many bytes as were left for it.
        let mut length = out.len() - start;
        for (place, byte) in out[start - LENGTH..start].iter_mut().enumerate() {
            // The lowest seven bits.
            *byte = (length & 0x7f) as u8 | if place + 1 < LENGTH { 0x80 } else { 0 };
            length >>= 7;
        }
        if length > 0 {
            return Err(format!("has a message of {} bytes beside its numbers", out.len() - start));
        }
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end {
                return Err("ends within a number".into());
            }
            self.reader.read_exact(&mut byte).map_err(|e| e.to_string())?;
            self.digester.add(&byte);
            self.at += 1;
            let byte = byte[0];
            if shift == 63 && byte > 1 {
                return Err("has a number of more than 64 bits".into());
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("has a number of more than 64 bits".into())
    }

    /// Goes on by `length` bytes, which are copied if there is a place for them.
    fn copy(&mut self, length: u64, end: u64, mut out: Option<&mut Vec<u8>>) -> Result<(), String> {
        if length > end - self.at {
            return Err("ends within a number".into());
        }
        let mut left = length;
        if let Some(out) = &mut out
            && length > LONG
        {
            // A list that grows by itself takes twice as much. It is as long as a part of the file.
            out.reserve_exact(usize::try_from(length).map_err(|_| "is too large")?);
        }
        while left > 0 {
            let piece = match self.reader.fill_buf() {
                Ok([]) => return Err("became shorter while it was read".into()),
                Ok(piece) => piece,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let taken = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            self.digester.add(&piece[..taken]);
            if let Some(out) = &mut out {
                out.extend_from_slice(&piece[..taken]);
            }
            self.reader.consume(taken);
            left -= taken as u64;
        }
        self.at += length;
        Ok(())
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The lowest seven bits.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rten_onnx::onnx::{GraphProto, ModelProto, TensorProto};
    use std::cell::RefCell;

    fn tensor(name: &str, length: usize) -> TensorProto {
        let raw = (0..length).map(|i| (i % 251) as u8).collect();
        TensorProto {
            name: Some(name.into()),
            dims: vec![length as i64],
            data_type: Some(DataType::UINT8),
            raw_data: Some(RefCell::new(raw)),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_left_out_are_the_long_numbers_of_initialisers_and_nothing_else() {
        let long = LONG as usize;
        let initializer = vec![tensor("short", 9), tensor("long", long), tensor("longer", 3 * long)];
        let graph =
            GraphProto { node: vec![], initializer, input: vec![], output: vec![], value_info: vec![] };
        let model = ModelProto { ir_version: Some(8), graph: Some(graph), ..Default::default() };
        let bytes = model.write_buf().unwrap();
        let mut origin = Origin::Memory(Cursor::new(bytes.clone()));
        let skeleton = origin.skeleton().unwrap();
        assert_eq!(skeleton.digest, Digest::of(&bytes));
        assert!(skeleton.bytes.len() + 4 * long < bytes.len() + 64, "{}", skeleton.bytes.len());
        let places: Vec<bool> = skeleton.raw.iter().map(Option::is_some).collect();
        assert_eq!(places, [false, true, true]);
        let graph = ModelProto::parse_buf(&skeleton.bytes).unwrap().graph.unwrap();
        for (proto, range) in graph.initializer.iter().zip(&skeleton.raw) {
            let count = usize::try_from(proto.dims[0]).unwrap();
            let Some(range) = range else { continue };
            let Numbers::Integers(found) = origin.numbers(DataType::UINT8, range, count).unwrap() else {
                panic!("integers")
            };
            assert!(found.iter().enumerate().all(|(i, &x)| x == i64::try_from(i % 251).unwrap()));
        }
        // Cut anywhere, it is an error or a file of fewer fields, never more bytes than there are.
        for end in 0..200 {
            let _ = Origin::Memory(Cursor::new(bytes[..end].to_vec())).skeleton();
        }
        let twice = [&bytes[..], &bytes[..]].concat();
        assert!(
            Origin::Memory(Cursor::new(twice)).skeleton().is_err_and(|reason| reason.contains("two graphs"))
        );
    }
}
