//! [`State`] as bytes, for a run that goes on elsewhere or later.
//!
//! All numbers are little-endian; a list is its length (u64) and its elements:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `SNNSTATE` |
//! | 4 | version, u32: 2 |
//! | 8 | steps done, u64 |
//! | 8 | number of populations, u64; then for each: |
//! | 8 + 4·n | potentials, list of f32 |
//! | 8 + … | further real numbers, list of lists of f32 |
//! | 8 + … | whole numbers, list of lists of i32 |
//! | 8 + 8·n | arrived, list of i64 |
//! | 8 + … | spikes under way, list of pairs: list of neurons, u32, and list of their values, i32, empty if all are 1 |
//! | 4 | CRC-32 (IEEE 802.3) of all bytes before |

use super::standing::{PopulationState, State};
use crate::error::NetworkError;
use crate::spikes::{SpikeList, SpikeSlice};

const MAGIC: &[u8; 8] = b"SNNSTATE";
const VERSION: u32 = 2;

impl State {
    /// The state as bytes. Equal states give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.step.to_le_bytes());
        put_length(&mut bytes, self.populations.len());
        for population in &self.populations {
            put_list(&mut bytes, &population.potentials, |u| u.to_bits().to_le_bytes());
            put_length(&mut bytes, population.reals.len());
            for column in &population.reals {
                put_list(&mut bytes, column, |x| x.to_bits().to_le_bytes());
            }
            put_length(&mut bytes, population.counts.len());
            for column in &population.counts {
                put_list(&mut bytes, column, |count| count.to_le_bytes());
            }
            put_list(&mut bytes, &population.arrived, |count| count.to_le_bytes());
            put_length(&mut bytes, population.under_way.len());
            for spikes in &population.under_way {
                put_list(&mut bytes, spikes.neurons(), |neuron| neuron.to_le_bytes());
                put_list(&mut bytes, spikes.values(), |value| value.to_le_bytes());
            }
        }
        let sum = crc32(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// The state that [`State::to_bytes`] wrote.
    ///
    /// Whether it belongs to a network is [`State::check`]'s to say. No more memory is taken than the bytes
    /// justify.
    ///
    /// # Errors
    /// If the bytes are no state, of a later version, damaged, cut off, or followed by others.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NetworkError> {
        let error = |what: String| NetworkError::of_state("state", what);
        let head = MAGIC.len() + 4;
        if bytes.len() < head || &bytes[..MAGIC.len()] != MAGIC {
            return Err(error(format!(
                "of {} bytes does not begin as a saved state does, with {MAGIC:?}",
                bytes.len()
            )));
        }
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != VERSION {
            return Err(error(format!("has the version {version}; this program reads version {VERSION}")));
        }
        let Some((content, &sum)) = bytes.split_last_chunk::<4>() else {
            return Err(error(format!("is cut off at byte {}", bytes.len())));
        };
        let (found, stated) = (crc32(content), u32::from_le_bytes(sum));
        if found != stated {
            return Err(error(format!(
                "is damaged: its checksum is {found:08x}, but it states {stated:08x}"
            )));
        }
        let mut reader = Reader { bytes: content, at: head };
        let step = reader.number()?;
        // An empty population takes five lengths.
        let count = reader.length(40)?;
        let mut populations = Vec::with_capacity(count);
        for _ in 0..count {
            let potentials = reader.reals()?;
            let columns = reader.length(8)?;
            let reals = (0..columns).map(|_| reader.reals()).collect::<Result<_, _>>()?;
            let columns = reader.length(8)?;
            let counts = (0..columns).map(|_| reader.list(i32::from_le_bytes)).collect::<Result<_, _>>()?;
            let arrived = reader.list(i64::from_le_bytes)?;
            let steps = reader.length(16)?;
            let under_way = (0..steps).map(|_| reader.spikes()).collect::<Result<_, _>>()?;
            populations.push(PopulationState { potentials, reals, counts, arrived, under_way });
        }
        if reader.at != content.len() {
            return Err(error(format!(
                "ends at byte {}, but {} follow",
                reader.at,
                content.len() - reader.at
            )));
        }
        Ok(Self { step, populations })
    }
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend((length as u64).to_le_bytes());
}

fn put_list<T: Copy, const N: usize>(bytes: &mut Vec<u8>, numbers: &[T], of: impl Fn(T) -> [u8; N]) {
    put_length(bytes, numbers.len());
    numbers.iter().for_each(|&number| bytes.extend(of(number)));
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn cut_off(&self) -> NetworkError {
        NetworkError::of_state(
            "state",
            format!("is cut off: at byte {} more is announced than there is", self.at),
        )
    }

    fn number(&mut self) -> Result<u64, NetworkError> {
        let Some(bytes) = self.bytes[self.at..].first_chunk::<8>() else { return Err(self.cut_off()) };
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// The length of a list whose elements take at least `each` bytes, all of which must still come.
    fn length(&mut self, each: usize) -> Result<usize, NetworkError> {
        let length = self.number()?;
        let most = (self.bytes.len() - self.at) / each;
        usize::try_from(length).ok().filter(|length| *length <= most).ok_or_else(|| self.cut_off())
    }

    fn list<T, const N: usize>(&mut self, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>, NetworkError> {
        let length = self.length(N)?;
        let (numbers, _) = self.bytes[self.at..][..N * length].as_chunks::<N>();
        self.at += N * length;
        Ok(numbers.iter().map(|number| of(*number)).collect())
    }

    fn reals(&mut self) -> Result<Vec<f32>, NetworkError> {
        self.list(|bytes| f32::from_bits(u32::from_le_bytes(bytes)))
    }

    fn spikes(&mut self) -> Result<SpikeList, NetworkError> {
        let (neurons, values) = (self.list(u32::from_le_bytes)?, self.list(i32::from_le_bytes)?);
        if values.is_empty() {
            return Ok(neurons.into());
        }
        Ok(SpikeSlice::new(&neurons, &values).map_err(|error| error.within("state"))?.into())
    }
}

/// What eight steps of the polynomial division make of every byte.
const DIVIDED: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// The CRC-32 of IEEE 802.3, written out here so that the engine needs no further dependency.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum >> 8) ^ DIVIDED[usize::from(sum as u8 ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> State {
        let potentials = vec![0.5, -0.0, f32::MIN_POSITIVE / 2.0, -3.25e7];
        let none = PopulationState::default;
        let valued = SpikeSlice::new(&[1, 2], &[-3, 1]).unwrap().into();
        State {
            step: 0x0102_0304_0506_0708,
            populations: vec![
                PopulationState { under_way: vec![SpikeList::new(), vec![0, 7].into(), valued], ..none() },
                PopulationState {
                    potentials,
                    reals: vec![vec![1.5; 4]],
                    counts: vec![vec![-1, 0, i32::MAX, i32::MIN]],
                    ..none()
                },
                PopulationState { arrived: vec![1, i64::MIN], ..none() },
            ],
        }
    }

    #[test]
    fn a_state_comes_back_from_its_bytes_by_bits() {
        for state in [example(), State { step: 0, populations: vec![] }] {
            assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_documented_layout() {
        let state = State {
            step: 2,
            populations: vec![PopulationState {
                potentials: vec![1.0],
                counts: vec![vec![-2]],
                under_way: vec![vec![3].into()],
                ..PopulationState::default()
            }],
        };
        let mut expected = b"SNNSTATE".to_vec();
        let count = (-2_i32) as u32;
        for number in
            [2u32, 2, 0, 1, 0, 1, 0, 0x3f80_0000, 0, 0, 1, 0, 1, 0, count, 0, 0, 1, 0, 1, 0, 3, 0, 0]
        {
            expected.extend(number.to_le_bytes());
        }
        let bytes = state.to_bytes();
        assert_eq!(bytes[..bytes.len() - 4], expected);
        // The check value that the catalogues of CRCs give for this one.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn whatever_is_cut_off_flipped_or_appended_is_refused() {
        let bytes = example().to_bytes();
        for length in 0..bytes.len() {
            assert!(State::from_bytes(&bytes[..length]).is_err(), "cut off at {length}");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(State::from_bytes(&flipped).is_err(), "bit {bit} flipped");
        }
        assert!(State::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn lengths_that_the_bytes_cannot_hold_are_refused_before_memory_is_taken() {
        let valid = example().to_bytes();
        for place in (20..valid.len() - 12).step_by(4) {
            for length in [1 << 20, 1 << 40, u64::MAX] {
                let mut bytes = valid[..valid.len() - 4].to_vec();
                bytes[place..place + 8].copy_from_slice(&u64::to_le_bytes(length));
                let sum = crc32(&bytes);
                bytes.extend(sum.to_le_bytes());
                // Where no length stood the numbers are only others.
                if let Ok(state) = State::from_bytes(&bytes) {
                    assert!(state.to_bytes() == bytes, "place {place}");
                }
            }
        }
    }

    #[test]
    fn another_version_is_refused_by_its_number() {
        let mut bytes = example().to_bytes();
        bytes[8] = 1;
        let text = State::from_bytes(&bytes).unwrap_err().to_string();
        assert!(text.contains("version 1") && text.contains("reads version 2"), "{text}");
    }
}
