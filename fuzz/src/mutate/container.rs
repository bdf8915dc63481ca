//! `net.bin`: its head, a tree of JSON, and its sections, put together with the places and checksums that they must have.

use serde_json::Value;

use super::{Random, changed, json};

/// Bytes before the head, and what the payload and its sections are aligned to.
const PRELUDE: usize = 64;

/// A file with its head or some numbers changed; `None` for one that is no `net.bin`.
pub fn mutated(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?));
    let version = u32::from_le_bytes(file.get(8..12)?.try_into().ok()?);
    let end = PRELUDE.checked_add(usize::try_from(number(16)?).ok()?)?;
    let head = file.get(PRELUDE..end)?;
    let payload = file.get(end.next_multiple_of(PRELUDE)..).unwrap_or(&[]);
    let Ok(mut tree) = serde_json::from_slice::<Value>(head) else {
        return Some(assembled(version, &changed(head, &[], random), payload));
    };
    let mut sections: Vec<Vec<u8>> = vec![];
    for entry in tree.get("sections")?.as_array()? {
        let of = |key: &str| entry.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let bytes = width(entry).checked_mul(of("count")?)?;
        let offset = of("offset")?;
        sections.push(payload.get(offset..offset.checked_add(bytes)?)?.to_vec());
    }
    let version = if random.below(20) == 0 { random.below(4) as u32 } else { version };
    match random.below(8) {
        0..4 => match random.below(3) {
            // The content alone: the table of sections is made anew anyway.
            0..2 => json::change(tree.get_mut("content")?, random),
            _ => json::change(&mut tree, random),
        },
        4 => {
            let text = changed(&serde_json::to_vec(&tree).ok()?, &[], random);
            return Some(assembled(version, &text, payload));
        }
        _ if sections.is_empty() => json::change(&mut tree, random),
        _ => {
            let at = random.below(sections.len());
            let width = width(&tree["sections"][at]);
            numbers(&mut sections[at], width, random);
        }
    }
    let mut payload = vec![];
    if let Some(Value::Array(entries)) = tree.get_mut("sections") {
        for (entry, bytes) in entries.iter_mut().zip(&sections) {
            payload.resize(payload.len().next_multiple_of(PRELUDE), 0);
            let width = width(entry);
            let Value::Object(fields) = entry else { continue };
            fields.insert("offset".to_owned(), payload.len().into());
            fields.insert("count".to_owned(), (bytes.len() / width).into());
            fields.insert("crc32".to_owned(), crc32fast::hash(bytes).into());
            payload.extend(bytes);
        }
    }
    Some(assembled(version, &serde_json::to_vec(&tree).ok()?, &payload))
}

/// Bytes of a number of a section.
fn width(entry: &Value) -> usize {
    match entry.get("dtype").and_then(Value::as_str) {
        Some("u8") => 1,
        Some("u16") => 2,
        Some("u64") => 8,
        _ => 4,
    }
}

/// Changes the numbers of a section, which stay whole.
fn numbers(bytes: &mut Vec<u8>, width: usize, random: &mut Random) {
    let count = bytes.len() / width;
    let at = random.below(count + 1) * width;
    match random.below(6) {
        0 => {
            *bytes = changed(bytes, &[], random);
            bytes.truncate(bytes.len() / width * width);
        }
        1 => {
            let number = random.number().to_le_bytes();
            bytes.splice(at..at, number[..width].iter().copied());
        }
        2 if at < bytes.len() => drop(bytes.drain(at..at + width)),
        3 if at < bytes.len() && width == 4 => {
            bytes[at..at + 4].copy_from_slice(&random.real().to_le_bytes())
        }
        4 if at < bytes.len() => {
            bytes[at..at + width].copy_from_slice(&random.number().to_le_bytes()[..width])
        }
        // All of them the same.
        5 if width == 4 => *bytes = random.real().to_le_bytes().repeat(count),
        _ => *bytes = bytes.repeat(2),
    }
}

/// A file of these parts, its lengths and checksums as they must be.
fn assembled(version: u32, head: &[u8], payload: &[u8]) -> Vec<u8> {
    let start = (PRELUDE + head.len()).next_multiple_of(PRELUDE);
    let mut file = b"\x89SNN\r\n\x1a\n".to_vec();
    file.extend(version.to_le_bytes());
    file.extend(crc32fast::hash(head).to_le_bytes());
    file.extend((head.len() as u64).to_le_bytes());
    file.extend(((start + payload.len()) as u64).to_le_bytes());
    file.resize(PRELUDE - 4, 0);
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend(head);
    file.resize(start, 0);
    file.extend(payload);
    file
}
