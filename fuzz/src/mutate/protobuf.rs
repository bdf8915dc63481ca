//! Messages of Protocol Buffers, as ONNX files are: fields within fields, whose lengths are made anew.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>.

use super::{Random, changed};

/// Names of operators, attributes and types that ONNX files have.
const WORDS: &[&[u8]] = &[
    b"Conv",
    b"MatMul",
    b"Gemm",
    b"Relu",
    b"Add",
    b"Sub",
    b"Mul",
    b"Div",
    b"Reshape",
    b"Flatten",
    b"Transpose",
    b"Concat",
    b"Split",
    b"Slice",
    b"Gather",
    b"Pad",
    b"Expand",
    b"Resize",
    b"Constant",
    b"ConstantOfShape",
    b"Shape",
    b"Squeeze",
    b"Unsqueeze",
    b"Cast",
    b"Clip",
    b"MaxPool",
    b"AveragePool",
    b"GlobalAveragePool",
    b"BatchNormalization",
    b"ReduceMean",
    b"Identity",
    b"Floor",
    b"Where",
    b"Softmax",
    b"Sum",
    b"DepthToSpace",
    b"Tile",
    b"axis",
    b"axes",
    b"perm",
    b"pads",
    b"kernel_shape",
    b"strides",
    b"dilations",
    b"group",
    b"auto_pad",
    b"SAME_UPPER",
    b"ceil_mode",
    b"mode",
    b"alpha",
    b"value",
    b"to",
    b"epsilon",
    b"keepdims",
    b"location",
    b"offset",
    b"length",
    b"x",
    b"y",
    b"w",
];

/// One field of a message.
#[derive(Clone)]
struct Field {
    number: u64,
    value: Content,
}

#[derive(Clone)]
enum Content {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    /// A message, a text, packed numbers: the format does not say which.
    Bytes(Vec<u8>),
}

/// A message with one field somewhere in it changed.
pub fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut other = vec![];
    if let Some(field) = anywhere(bytes, random) {
        other.push(field);
    }
    match read(bytes) {
        Some(fields) if !fields.is_empty() => write(&inside(fields, random, other.pop())),
        _ => changed(bytes, WORDS, random),
    }
}

/// Changes one of these fields, or what is in it; `other` is a field from elsewhere.
fn inside(mut fields: Vec<Field>, random: &mut Random, other: Option<Field>) -> Vec<Field> {
    let at = random.below(fields.len());
    if let Content::Bytes(bytes) = &fields[at].value
        && random.below(8) > 0
        && let Some(within) = read(bytes)
        && !within.is_empty()
    {
        fields[at].value = Content::Bytes(write(&inside(within, random, other)));
        return fields;
    }
    match (random.below(10), other) {
        (0, _) => drop(fields.remove(at)),
        (1, _) => fields.insert(at, fields[at].clone()),
        (2, _) => {
            let to = random.below(fields.len());
            fields.swap(at, to);
        }
        (3, Some(other)) => fields.insert(at, other),
        (4, Some(other)) => fields[at].value = other.value,
        (5, _) => fields[at].number = 1 + random.below(20) as u64,
        _ => value(&mut fields[at].value, random),
    }
    fields
}

fn value(content: &mut Content, random: &mut Random) {
    match content {
        Content::Varint(number) => {
            *number = match random.below(3) {
                0 => number.wrapping_add(1),
                1 => random.below(16) as u64,
                _ => random.number(),
            };
        }
        Content::Eight(bytes) => *bytes = random.number().to_le_bytes(),
        Content::Four(bytes) => *bytes = random.real().to_le_bytes(),
        Content::Bytes(bytes) => match random.below(5) {
            0 => *bytes = random.of_these(WORDS).to_vec(),
            // Eight bytes at a multiple of eight: an extent or an axis among raw or packed numbers.
            1 if bytes.len() >= 8 => {
                let at = random.below(bytes.len() / 8) * 8;
                bytes[at..at + 8].copy_from_slice(&random.number().to_le_bytes());
            }
            2 if bytes.len() >= 4 => {
                let at = random.below(bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&random.real().to_le_bytes());
            }
            3 => *bytes = bytes.repeat(1 + random.below(3)),
            _ => *bytes = changed(bytes, WORDS, random),
        },
    }
}

/// A field somewhere in a message.
fn anywhere(bytes: &[u8], random: &mut Random) -> Option<Field> {
    let fields = read(bytes)?;
    let field = fields.get(random.below(fields.len().max(1)))?;
    match &field.value {
        Content::Bytes(within) if random.below(6) > 0 => {
            anywhere(within, random).or_else(|| Some(field.clone()))
        }
        _ => Some(field.clone()),
    }
}

/// The fields of a message, if the bytes are one.
fn read(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Content::Varint(varint(&mut bytes)?),
            1 => Content::Eight(taken(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Content::Bytes(value.to_vec())
            }
            5 => Content::Four(taken(&mut bytes)?),
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push(Field { number: key >> 3, value });
    }
    Some(fields)
}

fn taken<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (value, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*value)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn write(fields: &[Field]) -> Vec<u8> {
    let mut bytes = vec![];
    for Field { number, value } in fields {
        let kind = match value {
            Content::Varint(_) => 0,
            Content::Eight(_) => 1,
            Content::Bytes(_) => 2,
            Content::Four(_) => 5,
        };
        put(&mut bytes, number << 3 | kind);
        match value {
            Content::Varint(number) => put(&mut bytes, *number),
            Content::Eight(value) => bytes.extend(value),
            Content::Four(value) => bytes.extend(value),
            Content::Bytes(value) => {
                put(&mut bytes, value.len() as u64);
                bytes.extend(value);
            }
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
