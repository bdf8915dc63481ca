//! Which bytes a program read or wrote: told beside its results, so that one can say what they were made of.

use std::path::Path;

use crc32fast::Hasher;
use serde::{Serialize, Serializer};

/// The number of some bytes and their CRC-32, that of zip and `zlib.crc32`. It tells files apart that differ by accident; it is
/// no proof against someone who wants two of them to look alike.
///
/// In JSON `{"bytes": 836, "crc32": "0a1b2c3d"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Digest {
    /// How many bytes.
    pub bytes: u64,
    /// Their CRC-32; eight hexadecimal digits in JSON.
    #[serde(serialize_with = "hexadecimal")]
    pub crc32: u32,
}

fn hexadecimal<S: Serializer>(crc32: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{crc32:08x}"))
}

impl Digest {
    /// Of bytes in memory. Cost: one pass, at several gigabytes a second where the processor multiplies without carry.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
    }
}

/// A file that was read or written, by its name without folders, so that the same work gives the same words everywhere.
///
/// In JSON `{"file": "net.onnx", "bytes": 836, "crc32": "0a1b2c3d"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FileDigest {
    /// The file's name without its folder; of a file that another one names, the name that stands there.
    pub file: String,
    /// Its bytes.
    #[serde(flatten)]
    pub digest: Digest,
}

impl FileDigest {
    /// The file at `path`, whose bytes were these.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, digest: Digest) -> Self {
        let name = path.as_ref().file_name().unwrap_or_default();
        Self { file: name.to_string_lossy().into_owned(), digest }
    }
}

/// The digest of bytes that come in pieces, of some of which it is known already.
#[derive(Clone, Debug)]
pub struct Digester(Hasher, u64);

impl Default for Digester {
    fn default() -> Self {
        Self(Hasher::new(), 0)
    }
}

impl Digester {
    /// Goes on with these bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
    }

    /// Goes on with bytes of which the digest is known, in O(log bytes) instead of a pass over them.
    pub fn add_known(&mut self, known: Digest) {
        self.0.combine(&Hasher::new_with_initial_len(known.crc32, known.bytes));
        self.1 += known.bytes;
    }

    /// Goes on with these bytes, whose CRC-32 may be known.
    pub(crate) fn add_piece(&mut self, bytes: &[u8], known: Option<u32>) {
        match known {
            Some(crc32) => self.add_known(Digest { bytes: bytes.len() as u64, crc32 }),
            None => self.add(bytes),
        }
    }

    /// Of all so far.
    #[must_use]
    pub fn digest(self) -> Digest {
        Digest { bytes: self.1, crc32: self.0.finalize() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_seen_and_pieces_known_give_the_digest_of_the_whole(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..8),
        ) {
            let mut digester = Digester::default();
            let mut whole = vec![];
            for (bytes, known) in &pieces {
                if *known { digester.add_known(Digest::of(bytes)) } else { digester.add(bytes) }
                whole.extend(bytes);
            }
            prop_assert_eq!(digester.digest(), Digest::of(&whole));
        }
    }

    #[test]
    fn a_file_is_told_by_its_name_its_length_and_eight_digits() {
        // The check value of this CRC, of the digits 1 to 9: CBF43926.
        let told = FileDigest::new("some/where/x.npy", Digest::of(b"123456789"));
        let json = r#"{"file":"x.npy","bytes":9,"crc32":"cbf43926"}"#;
        assert_eq!(serde_json::to_string(&told).unwrap(), json);
        assert!(serde_json::to_string(&Digest { bytes: 0, crc32: 7 }).unwrap().contains("\"00000007\""));
    }
}
