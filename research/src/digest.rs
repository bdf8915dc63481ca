use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use snn_engine::{Network, Observer, PopulationId, Raster, SpikeSlice};

/// What says in 64 hexadecimal digits which spikes a population emitted in which samples.
///
/// It is the sum modulo 2²⁵⁶ over the samples of the SHA-256 of: the sample's number (u64), then, for each spike in order of
/// step and neuron, step (u64), neuron in the user's order (u32) and value (i32), all little-endian. As a sum it does not
/// depend on the order of the samples, and the digests of parts of a batch add up to that of the whole ([`merge`](Self::merge)).
/// It tells runs apart by accident, not against an adversary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpikeDigest([u64; 4]);

impl SpikeDigest {
    /// Of the spikes of one population in the sample of this number, as a run keeps them: neurons in the user's order.
    #[must_use]
    pub fn of(sample: u64, spikes: &Raster) -> Self {
        let (mut hasher, mut bytes) = (begun(sample), vec![]);
        for step in 0..spikes.steps() {
            add(&mut hasher, &mut bytes, step as u64, spikes.with_values(step).iter());
        }
        Self::finished(hasher)
    }

    fn finished(hasher: Sha256) -> Self {
        let hash = hasher.finalize();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        Self(words)
    }

    /// Adds the digest of other samples of the same population.
    pub fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(other.0) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over || again);
        }
    }
}

fn begun(sample: u64) -> Sha256 {
    Sha256::new().chain_update(sample.to_le_bytes())
}

/// Adds the spikes of a step, by neuron in the user's order.
fn add(hasher: &mut Sha256, bytes: &mut Vec<u8>, step: u64, spikes: impl Iterator<Item = (u32, i32)>) {
    bytes.clear();
    for (neuron, value) in spikes {
        bytes.extend_from_slice(&step.to_le_bytes());
        bytes.extend_from_slice(&neuron.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    hasher.update(&bytes);
}

impl std::fmt::Display for SpikeDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no digest of spikes; allowed are 64 hexadecimal digits")]
pub struct DigestError;

impl std::str::FromStr for SpikeDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(DigestError);
        }
        let mut words = [0; 4];
        for (word, digits) in words.iter_mut().rev().zip(text.as_bytes().chunks_exact(16)) {
            let digits = std::str::from_utf8(digits).map_err(|_| DigestError)?;
            *word = u64::from_str_radix(digits, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(words))
    }
}

impl Serialize for SpikeDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Takes note of the spikes of one sample, for the digest of each population.
pub struct SpikeHasher<'a> {
    network: &'a Network,
    hashers: Vec<Sha256>,
    bytes: Vec<u8>,
    in_user_order: Vec<(u32, i32)>,
}

impl<'a> SpikeHasher<'a> {
    /// Nothing fired yet in the sample of this number.
    #[must_use]
    pub fn new(network: &'a Network, sample: u64) -> Self {
        let hashers = vec![begun(sample); network.populations().len()];
        Self { network, hashers, bytes: vec![], in_user_order: vec![] }
    }

    /// The digests of this one sample, by population in order of declaration.
    #[must_use]
    pub fn finish(self) -> Vec<SpikeDigest> {
        self.hashers.into_iter().map(SpikeDigest::finished).collect()
    }
}

impl Observer for SpikeHasher<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        let layout = self.network.population(population).layout();
        self.in_user_order.clear();
        self.in_user_order.extend(spikes.iter().map(|(neuron, value)| {
            // A neuron's place in the user's order is below 2^32, as its id is.
            (layout.user_index(neuron as usize) as u32, value)
        }));
        self.in_user_order.sort_unstable();
        let hasher = &mut self.hashers[population.index()];
        add(hasher, &mut self.bytes, step, self.in_user_order.iter().copied());
    }
}
