//! Saved states: their lists, behind their lengths, and the checksum at the end.

use super::{Random, changed};

/// Bytes before the first length: mark, version, step.
const HEAD: usize = 20;

/// A state with a number, a length or anything else changed, and the checksum that it then must have.
pub fn mutated(file: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut content = file.get(..file.len().checked_sub(4)?)?.to_vec();
    if content.len() <= HEAD {
        return None;
    }
    // Everything stands at multiples of 4 behind the mark and the version.
    let places = (content.len() - 12) / 4;
    let at = 12 + 4 * random.below(places);
    match random.below(6) {
        0 => content = changed(&content, &[b"SNNSTATE"], random),
        1 => content[at..at + 4].copy_from_slice(&random.real().to_le_bytes()),
        2 => {
            let number = random.number().to_le_bytes();
            let end = content.len().min(at + 8);
            content[at..end].copy_from_slice(&number[..end - at]);
        }
        3 => content[at..at + 4].copy_from_slice(&(random.below(20) as i32 - 3).to_le_bytes()),
        // A step near the place where a run re-bases or ends.
        4 => {
            let step = match random.below(3) {
                0 => 254 + random.below(4) as u64,
                1 => (1 << 62) - 1 + random.below(3) as u64,
                _ => random.number(),
            };
            content[12..HEAD].copy_from_slice(&step.to_le_bytes());
        }
        // One element more, in a list of one of the usual lengths: its length and a number.
        _ => {
            let length = u64::from_le_bytes(content.get(at..at + 8)?.try_into().ok()?);
            if length < 64 {
                content[at..at + 8].copy_from_slice(&(length + 1).to_le_bytes());
                let end = at + 8;
                content.splice(end..end, (random.below(20) as u32).to_le_bytes());
            }
        }
    }
    let sum = crc32fast::hash(&content);
    content.extend(sum.to_le_bytes());
    Some(content)
}
