//! Zip archives: their members, packed again with their checksums.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Random, changed};

/// The longest archive that is unpacked: what a few bytes unfold into is not worth changing.
const LONGEST: u64 = 1 << 20;

/// An archive with one member changed by `inner`, or lost, doubled or renamed; `None` for what is no archive.
pub fn mutated(
    file: &[u8],
    random: &mut Random,
    inner: impl Fn(&[u8], &mut Random) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(file)).ok()?;
    let mut members = vec![];
    for index in 0..archive.len() {
        let member = archive.by_index(index).ok()?;
        let (name, deflated) =
            (member.name().ok()?.into_owned(), member.compression() == CompressionMethod::Deflated);
        let mut bytes = vec![];
        member.take(LONGEST).read_to_end(&mut bytes).ok()?;
        members.push((name, deflated, bytes));
    }
    if members.is_empty() {
        return None;
    }
    let at = random.below(members.len());
    match random.below(12) {
        0 => {
            members.remove(at);
        }
        1 => {
            let (name, deflated, bytes) = members[at].clone();
            let name = if random.below(2) == 0 { format!("{name}x") } else { name.replace('0', "1") };
            members.push((name, deflated, bytes));
        }
        2 => {
            let other = random.below(members.len());
            members[at].0 = members[other].0.replace(".npy", "").replace('W', "b");
        }
        3 => members[at].1 ^= true,
        4 => {
            let other = random.below(members.len());
            members[at].2 = members[other].2.clone();
        }
        5 => {
            members[at].0 =
                String::from_utf8_lossy(&changed(members[at].0.as_bytes(), &[], random)).into_owned()
        }
        // A run of one byte, which packs a thousandfold.
        6 => {
            let length = 1 << random.below(18);
            members[at].2.resize(length, 0);
        }
        _ => {
            members[at].2 =
                inner(&members[at].2, random).unwrap_or_else(|| changed(&members[at].2, &[], random))
        }
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, deflated, bytes) in members {
        let method = if deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).ok()?;
        zip.write_all(&bytes).ok()?;
    }
    zip.finish().ok().map(Cursor::into_inner)
}
