//! The wire format of Protocol Buffers, as far as an ONNX file is checked before it is parsed, and patched.
//!
//! The parser trusts the lengths that a file states and allocates by them, and does not return from a number of more than
//! ten bytes in a packed list; a walk over the file with known bounds comes first, so that no length exceeds the message
//! it stands in, packed lists are whole, no nesting exhausts the stack, and no swarm of empty messages (two bytes in the
//! file, hundreds in memory) fills the memory.
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>.

use rten_onnx::onnx::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto,
};

/// Deepest nesting of messages; an ordinary net needs 6.
const MAX_DEPTH: usize = 40;

/// Bytes that the messages of any file may take when they are parsed, beside the numbers of its tensors; sixteen times its
/// own size on top of it. Of ordinary nets they take up to ten times their bytes in the file.
const MOST_PARSED: u64 = 32 << 20;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A varint.
    Varint(u64),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Length-delimited: bytes, a string, a message, a packed list.
    Bytes(&'a [u8]),
}

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The field's number in its message.
    pub(crate) number: u64,
    /// Its value.
    pub(crate) value: Value<'a>,
    /// The place of the value's first byte in the message.
    pub(crate) start: usize,
}

/// The fields of a message, in file order; ends after the first error.
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Reads the fields of `message`.
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Fields { message, at: 0 }
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    /// The next number, of a packed list.
    pub(crate) fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.at).ok_or("ends within a number")?;
            self.at += 1;
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

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let rest = &self.message[self.at..];
        let bytes = usize::try_from(length)
            .ok()
            .and_then(|n| rest.get(..n))
            .ok_or_else(|| format!("states a length of {length} where {} bytes are left", rest.len()))?;
        self.at += bytes.len();
        Ok(bytes)
    }

    fn field(&mut self) -> Result<Field<'a>, String> {
        let key = self.varint()?;
        let number = key >> 3;
        let mut start = self.at;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.take(8)?.try_into().expect("eight bytes were taken")),
            2 => {
                let length = self.varint()?;
                start = self.at;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.take(4)?.try_into().expect("four bytes were taken")),
            kind => return Err(format!("has a field of wire type {kind}")),
        };
        Ok(Field { number, value, start })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

/// The messages of an ONNX file, as far as they nest.
#[derive(Clone, Copy, Debug)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    ValueInfo,
    Type,
    TensorType,
    SequenceType,
    Shape,
    Tensor,
    /// A message without messages in it that matter.
    Leaf,
}

impl Message {
    /// The message that a field holds, if it holds one that the parser reads.
    fn nested(self, number: u64) -> Option<Message> {
        Some(match (self, number) {
            (Message::Model, 7) | (Message::Attribute, 6) => Message::Graph,
            (Message::Model, 8 | 14) => Message::Leaf,
            (Message::Graph, 1) => Message::Node,
            (Message::Graph, 5) | (Message::Attribute, 5) => Message::Tensor,
            (Message::Tensor, 13) => Message::Leaf,
            (Message::Graph, 11..=13) => Message::ValueInfo,
            (Message::Node, 5) => Message::Attribute,
            (Message::ValueInfo, 2) | (Message::SequenceType, 1) => Message::Type,
            (Message::Type, 1) => Message::TensorType,
            (Message::Type, 4) => Message::SequenceType,
            (Message::TensorType, 2) => Message::Shape,
            (Message::Shape, 1) => Message::Leaf,
            _ => return None,
        })
    }
}

impl Message {
    /// Bytes that it takes when it is parsed, without what is in it.
    fn parsed(self) -> usize {
        match self {
            Message::Model => size_of::<ModelProto>(),
            Message::Graph => size_of::<GraphProto>(),
            Message::Node => size_of::<NodeProto>(),
            Message::Attribute => size_of::<AttributeProto>(),
            Message::ValueInfo => size_of::<ValueInfoProto>(),
            Message::Type | Message::TensorType | Message::SequenceType => size_of::<TypeProto>(),
            Message::Tensor => size_of::<TensorProto>(),
            Message::Shape => size_of::<Vec<Dimension>>(),
            Message::Leaf => 2 * size_of::<Option<String>>(),
        }
    }

    /// Bytes that a field without a message takes: a text with its place in a list, or a number.
    fn field(value: Value<'_>) -> usize {
        match value {
            Value::Bytes(_) => size_of::<String>(),
            Value::Varint(_) | Value::Fixed32(_) | Value::Fixed64(_) => size_of::<i64>(),
        }
    }
}

/// Checks that every field of a file, and of the messages in it, ends within its message. O(size of the file).
///
/// # Errors
/// A sentence saying in which message what does not fit.
pub(crate) fn check(file: &[u8]) -> Result<(), String> {
    let mut left = MOST_PARSED.saturating_add((file.len() as u64).saturating_mul(16));
    check_message(file, Message::Model, 0, &mut left)
}

fn check_message(bytes: &[u8], message: Message, depth: usize, left: &mut u64) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("messages nest deeper than {MAX_DEPTH}"));
    }
    for field in Fields::of(bytes) {
        let field = field.map_err(|reason| format!("the {message:?} message {reason}"))?;
        let nested = message.nested(field.number);
        // Lists grow by doubling, so up to twice.
        let bytes = 2 * nested.map_or_else(|| Message::field(field.value), Message::parsed) as u64;
        *left = left.checked_sub(bytes).ok_or_else(|| {
            format!(
                "it has more messages and fields than a file of this size has ({MOST_PARSED} bytes and 16 times its own size)"
            )
        })?;
        match (nested, field.value) {
            (Some(inner), Value::Bytes(bytes)) => check_message(bytes, inner, depth + 1, left)?,
            (Some(_), _) => {
                return Err(format!("field {} of the {message:?} message is not a message", field.number));
            }
            (None, Value::Bytes(bytes)) => check_packed(bytes, message, field.number)?,
            (None, _) => {}
        }
    }
    Ok(())
}

/// Checks that a packed list of a tensor's numbers ends with a number.
fn check_packed(bytes: &[u8], message: Message, number: u64) -> Result<(), String> {
    let whole = match (message, number) {
        (Message::Tensor, 4) => bytes.len().is_multiple_of(4),
        (Message::Tensor, 10) => bytes.len().is_multiple_of(8),
        (Message::Tensor, 5 | 7) => {
            let mut list = Fields::of(bytes);
            while list.at < bytes.len() {
                list.varint().map_err(|reason| format!("a list of numbers {reason}"))?;
            }
            true
        }
        _ => true,
    };
    if whole { Ok(()) } else { Err("a list of numbers ends within a number".into()) }
}

/// The names of the files beside it that a file names as the places of its numbers, each once, in its order. O(number of
/// fields).
///
/// # Errors
/// As [`check`].
pub(crate) fn external_locations(file: &[u8]) -> Result<Vec<String>, String> {
    check(file)?;
    let mut found = Vec::new();
    collect_locations(file, Message::Model, &mut found)?;
    Ok(found)
}

fn collect_locations(bytes: &[u8], message: Message, found: &mut Vec<String>) -> Result<(), String> {
    for field in Fields::of(bytes) {
        let field = field?;
        let (Some(inner), Value::Bytes(bytes)) = (message.nested(field.number), field.value) else {
            continue;
        };
        if let (Message::Tensor, 13) = (message, field.number) {
            let mut pair = [None, None];
            for field in Fields::of(bytes) {
                if let Field { number: number @ (1 | 2), value: Value::Bytes(bytes), .. } = field? {
                    pair[if number == 1 { 0 } else { 1 }] = std::str::from_utf8(bytes).ok();
                }
            }
            if let [Some("location"), Some(location)] = pair
                && !found.iter().any(|known| known == location)
            {
                found.push(location.to_owned());
            }
        } else {
            collect_locations(bytes, inner, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_numbers_values_and_places() {
        // Field 1 = 150, field 2 = "hi", field 3 = four bytes.
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 2, 3, 4];
        let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
        assert_eq!(
            fields.unwrap(),
            [
                Field { number: 1, value: Value::Varint(150), start: 1 },
                Field { number: 2, value: Value::Bytes(b"hi"), start: 5 },
                Field { number: 3, value: Value::Fixed32([1, 2, 3, 4]), start: 8 },
            ]
        );
    }

    #[test]
    fn lengths_beyond_the_message_are_refused_at_every_depth() {
        assert!(check(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_err());
        // A graph of two bytes with a string that says it has 100.
        assert!(check(&[0x3a, 0x02, 0x12, 100, 0, 0]).is_err());
        assert!(check(&[0x08, 0xff]).is_err());
        assert!(check(&[]).is_ok());
    }

    #[test]
    fn broken_packed_lists_are_refused() {
        // A graph with a tensor with a list of 64-bit integers of the given bytes.
        let model = |number: u8, list: &[u8]| {
            let mut file = vec![0x3a, list.len() as u8 + 4, 0x2a, list.len() as u8 + 2];
            file.extend([number << 3 | 2, list.len() as u8]);
            file.extend(list);
            file
        };
        assert!(check(&model(7, &[1, 0x80, 1])).is_ok());
        assert!(check(&model(7, &[1, 0x80])).is_err());
        assert!(check(&model(7, &[0xff; 12])).is_err());
        assert!(check(&model(4, &[0; 8])).is_ok());
        assert!(check(&model(4, &[0; 7])).is_err());
        assert!(check(&model(10, &[0; 12])).is_err());
    }

    #[test]
    fn a_swarm_of_empty_messages_is_refused_and_as_many_bytes_of_names_are_not() {
        // A graph of nodes, or of nameless strings.
        let model = |key: u8| {
            let graph: Vec<u8> = std::iter::repeat_n([key, 0], 1 << 20).flatten().collect();
            let mut file = vec![0x3a, 0x80, 0x80, 0x80, 0x01];
            file.extend(graph);
            file
        };
        for message in [0x0a, 0x2a, 0x5a, 0x6a] {
            let error = check(&model(message)).unwrap_err();
            assert!(error.contains("more messages and fields"), "{message:#x}: {error}");
        }
        assert_eq!(check(&model(0x52)), Ok(()));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut graph = vec![];
        for _ in 0..MAX_DEPTH {
            for key in [0x32, 0x2a, 0x0a] {
                let mut outer = vec![key];
                let mut length = graph.len();
                while length >= 0x80 {
                    outer.push(length as u8 | 0x80);
                    length >>= 7;
                }
                outer.push(length as u8);
                outer.extend(&graph);
                graph = outer;
            }
        }
        let mut model = vec![0x3a, graph.len() as u8 | 0x80, (graph.len() >> 7) as u8];
        model.extend(&graph);
        assert!(check(&model).unwrap_err().contains("nest"));
    }
}
