//! `.npy`: the text of the header, and the numbers.

use super::{Random, changed};

/// Bytes before the text, its length included, in version 1.
const BEFORE: usize = 10;

const WORDS: &[&[u8]] = &[
    b"'descr': '",
    b"'fortran_order': True",
    b"'fortran_order': False",
    b"'shape': (",
    b"<f4",
    b">f8",
    b"<f8",
    b"|b1",
    b"|u1",
    b"<i2",
    b"<i8",
    b">u4",
    b"<U8",
    b"|S8",
    b"<U99999999",
    b"|S0",
    b"|O",
    b", ",
    b"()",
    b"(0,)",
    b"(1, 1, 1)",
    b"4294967296, ",
    b"18446744073709551615, ",
    b"9223372036854775808, ",
    b"0, ",
    b"-1, ",
    b"1L, ",
    b"}",
    b"{",
    b" \n",
];

/// A file with its text or its numbers changed; `None` for one that is no `.npy` file.
pub fn mutated(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_le_bytes([*file.get(8)?, *file.get(9)?]));
    let (text, numbers) = (file.get(BEFORE..BEFORE + length)?, file.get(BEFORE + length..)?);
    let (text, numbers) = match random.below(4) {
        0 => (text.to_vec(), changed(numbers, &[], random)),
        1 => (text.to_vec(), stretched(numbers, random)),
        2 => (extents(text, random), numbers.to_vec()),
        _ => (changed(text, WORDS, random), numbers.to_vec()),
    };
    let length = u16::try_from(text.len()).ok()?;
    Some([&file[..8], &length.to_le_bytes(), &text, &numbers].concat())
}

/// As many numbers again, half of them, or one that goes wrong.
fn stretched(numbers: &[u8], random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => numbers.repeat(2),
        1 => numbers[..numbers.len() / 2].to_vec(),
        _ => {
            let mut numbers = numbers.to_vec();
            if numbers.len() >= 4 {
                let at = random.below(numbers.len() / 4) * 4;
                numbers[at..at + 4].copy_from_slice(&random.real().to_le_bytes());
            }
            numbers
        }
    }
}

/// The text with one of its whole numbers another.
fn extents(text: &[u8], random: &mut Random) -> Vec<u8> {
    let is_digit = |&at: &usize| text[at].is_ascii_digit() && (at == 0 || !text[at - 1].is_ascii_digit());
    let starts: Vec<usize> = (0..text.len()).filter(is_digit).collect();
    if starts.is_empty() {
        return text.to_vec();
    }
    let start = random.of_these(&starts);
    let end = start + text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = if random.below(2) == 0 { random.below(9) as u64 } else { random.number() };
    [&text[..start], number.to_string().as_bytes(), &text[end..]].concat()
}
