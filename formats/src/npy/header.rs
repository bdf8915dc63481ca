//! The header of an `.npy` file: type, order, shape, read by a small scanner of its own.
//!
//! Format: NumPy Enhancement Proposal 1 and `numpy.lib.format` (versions 1.0, 2.0, 3.0).

use crate::error::{FormatError, Origin};

/// The first six bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest header text read. NumPy itself stops at 10,000; a plain array needs about 100.
pub(crate) const MAX_TEXT: usize = 65_535;
/// The longest header with all that precedes its text.
pub(crate) const MAX_HEADER: usize = MAX_TEXT + 12;
/// The most axes an array may have, as in NumPy 2.
const MAX_AXES: usize = 64;

/// The element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// UTF-32, so many characters, zeros at the end not counted.
    Utf32(usize),
    /// Bytes, so many, zeros at the end not counted.
    Bytes(usize),
}

/// A header whose sizes agree with the length of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    /// Whether the bytes of a value run from the most significant to the least.
    pub big_endian: bool,
    /// Whether the first index runs fastest.
    pub fortran: bool,
    pub shape: Vec<usize>,
    /// Bytes before the values.
    pub length: usize,
    /// Number of values.
    pub count: usize,
}

/// Number of values of a shape; `None` where it, or the product of the axes that are not empty, overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().filter(|&&n| n > 0).try_fold(1usize, |product, &n| product.checked_mul(n))?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// Reads the header at the beginning of `bytes`: those are the file, or its first [`MAX_HEADER`] bytes;
/// `total` is the length of the whole.
pub(crate) fn parse(bytes: &[u8], total: u64, origin: &Origin) -> Result<Header, FormatError> {
    if !bytes.starts_with(MAGIC) {
        return Err(origin.error_at(0, "this is no .npy file: it does not begin with \\x93NUMPY"));
    }
    let (text_at, text_length) = match bytes.get(6..8) {
        Some([1, 0]) => (10, bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
        Some([2 | 3, 0]) => (
            12,
            bytes
                .get(8..12)
                .map(|b| usize::try_from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])).unwrap_or(usize::MAX)),
        ),
        Some([major, minor]) => {
            return Err(origin.error_at(
                6,
                format!(".npy version {major}.{minor} is not known (only 1.0, 2.0 and 3.0); save it with numpy.save"),
            ));
        }
        _ => return Err(cut(bytes, origin)),
    };
    let Some(text_length) = text_length else {
        return Err(cut(bytes, origin));
    };
    if text_length > MAX_TEXT {
        return Err(origin.error_at(
            8,
            format!(
                "a header of {text_length} bytes is stated; at most {MAX_TEXT} are allowed for a plain array"
            ),
        ));
    }
    let Some(text) = bytes.get(text_at..text_at + text_length) else {
        return Err(cut(bytes, origin));
    };
    let (descr, fortran, shape) = Scanner { text, at: 0, text_at, origin }.header()?;
    let (kind, big_endian) = kind(&descr, origin)?;

    let length = text_at + text_length;
    let payload = total.saturating_sub(length as u64);
    let count = element_count(&shape);
    let needed = count.and_then(|count| (count as u64).checked_mul(kind.size() as u64));
    match (count, needed) {
        (Some(count), Some(needed)) if needed == payload => {
            Ok(Header { kind, big_endian, fortran, shape, length, count })
        }
        (_, Some(needed)) => Err(origin.error_at(
            length as u64,
            format!(
                "shape {shape:?} of type {descr} needs {needed} bytes, {payload} follow the header; the file is {}",
                if needed > payload { "cut off" } else { "longer than it should be" }
            ),
        )),
        _ => Err(origin.error_at(
            text_at as u64,
            format!("shape {shape:?} of type {descr} has more bytes than can be counted; {payload} follow the header"),
        )),
    }
}

impl Kind {
    /// Bytes of one value.
    pub(crate) fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
            Kind::Utf32(characters) => 4 * characters,
            Kind::Bytes(bytes) => bytes,
        }
    }
}

fn cut(bytes: &[u8], origin: &Origin) -> FormatError {
    origin.error_at(bytes.len() as u64, "the file ends inside the .npy header")
}

/// The type that a `descr` such as `<f4` names, and whether it is big-endian.
fn kind(descr: &str, origin: &Origin) -> Result<(Kind, bool), FormatError> {
    const ALLOWED: &str = "float32, float64, int8 to int64, uint8 to uint64, bool and str are";
    let refused =
        |hint: &str| Err(origin.error(format!("type '{descr}' cannot be read ({ALLOWED}); {hint}")));
    let (order, name) = match descr.as_bytes().first() {
        Some(order @ (b'<' | b'>' | b'|' | b'=')) => (*order, &descr[1..]),
        _ => (b'=', descr),
    };
    let kind = match name {
        "b1" => Kind::Bool,
        "i1" => Kind::I8,
        "i2" => Kind::I16,
        "i4" => Kind::I32,
        "i8" => Kind::I64,
        "u1" => Kind::U8,
        "u2" => Kind::U16,
        "u4" => Kind::U32,
        "u8" => Kind::U64,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        "f2" => return refused("save half precision with .astype('float32')"),
        "f16" | "f12" | "g" => return refused("save long doubles with .astype('float64')"),
        "c8" | "c16" => return refused("complex numbers have no meaning here; save the real part"),
        _ => {
            let width = name.get(1..).and_then(|digits| digits.parse::<usize>().ok());
            match (name.as_bytes().first(), width) {
                (Some(b'U'), Some(width @ 1..=MAX_TEXT)) => Kind::Utf32(width),
                (Some(b'S'), Some(width @ 1..=MAX_TEXT)) => Kind::Bytes(width),
                (Some(b'O'), _) => {
                    return refused("pickled Python objects are never loaded; save plain arrays, one by one");
                }
                (Some(b'M' | b'm'), _) => return refused("save times as .astype('int64')"),
                _ => return refused("convert with .astype"),
            }
        }
    };
    if order == b'|' && kind.size() > 1 && !matches!(kind, Kind::Bytes(_)) {
        return refused("its byte order is missing ('<' or '>')");
    }
    Ok((kind, order == b'>'))
}

/// Reads the header's text, a Python dictionary of exactly three entries, from left to right.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the text begins in the file.
    text_at: usize,
    origin: &'a Origin,
}

impl Scanner<'_> {
    fn header(mut self) -> Result<(String, bool, Vec<usize>), FormatError> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{', "a dictionary, '{'")?;
        while !self.eat(b'}') {
            let key = self.string()?;
            self.expect(b':', "':'")?;
            let twice = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => fortran.replace(self.truth()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => return Err(self.wrong("one of the entries descr, fortran_order, shape")),
            };
            if twice {
                return Err(self.wrong("each entry only once"));
            }
            if !self.eat(b',') {
                self.expect(b'}', "',' or '}'")?;
                break;
            }
        }
        self.blanks();
        if self.at != self.text.len() {
            return Err(self.wrong("nothing but blanks after the dictionary"));
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok((descr, fortran, shape)),
            _ => Err(self.wrong("all of the entries descr, fortran_order, shape")),
        }
    }

    fn descr(&mut self) -> Result<String, FormatError> {
        self.blanks();
        match self.text.get(self.at) {
            Some(b'[') => {
                Err(self.wrong("one plain type; structured arrays cannot be read, save each field by itself"))
            }
            _ => self.string(),
        }
    }

    fn truth(&mut self) -> Result<bool, FormatError> {
        self.blanks();
        let rest = &self.text[self.at..];
        let (value, length) = match rest {
            [b'T', b'r', b'u', b'e', ..] => (true, 4),
            [b'F', b'a', b'l', b's', b'e', ..] => (false, 5),
            _ => return Err(self.wrong("True or False")),
        };
        self.at += length;
        Ok(value)
    }

    fn shape(&mut self) -> Result<Vec<usize>, FormatError> {
        self.expect(b'(', "a shape, '('")?;
        let mut shape = Vec::new();
        while !self.eat(b')') {
            shape.push(self.length()?);
            if shape.len() > MAX_AXES {
                return Err(self.wrong("at most 64 axes"));
            }
            // As in Python, `(3)` is no tuple.
            let comma = self.eat(b',');
            if !comma {
                if shape.len() < 2 {
                    return Err(self.wrong("',' after the only length of a shape"));
                }
                self.expect(b')', "',' or ')'")?;
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> Result<usize, FormatError> {
        self.blanks();
        let start = self.at;
        let mut value = Some(0usize);
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            value = value.and_then(|v| v.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
            self.at += 1;
        }
        if self.at == start {
            return Err(self.wrong("a length (a whole number, not negative)"));
        }
        let Some(value) = value else {
            self.at = start;
            return Err(self.wrong("a length that can be counted"));
        };
        // Python 2 wrote long integers as `3L`.
        if self.text.get(self.at) == Some(&b'L') {
            self.at += 1;
        }
        Ok(value)
    }

    fn string(&mut self) -> Result<String, FormatError> {
        self.blanks();
        let Some(quote @ (b'\'' | b'"')) = self.text.get(self.at).copied() else {
            return Err(self.wrong("a quoted name"));
        };
        let inside = &self.text[self.at + 1..];
        let end = inside.iter().position(|&b| b == quote);
        match end.map(|end| &inside[..end]) {
            Some(name) if name.iter().all(|b| b.is_ascii_graphic() && *b != b'\\') => {
                self.at += name.len() + 2;
                Ok(name.iter().map(|&b| char::from(b)).collect())
            }
            _ => Err(self.wrong("a quoted name of plain letters")),
        }
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, name: &str) -> Result<(), FormatError> {
        if self.eat(byte) { Ok(()) } else { Err(self.wrong(name)) }
    }

    fn wrong(&self, expected: &str) -> FormatError {
        let rest: String = self.text[self.at..]
            .iter()
            .take(16)
            .map(|&b| char::from(b).escape_default().to_string())
            .collect();
        self.origin.error_at(
            (self.text_at + self.at) as u64,
            format!("the .npy header must have {expected} here, found \"{rest}\""),
        )
    }
}
