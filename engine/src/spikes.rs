//! The spikes of one population in one step: neurons, and values where these are not all 1.

use crate::error::NetworkError;

/// The largest magnitude of the value of a spike: 2¹².
///
/// With it and [`LARGEST`](crate::LARGEST) the current of a step stays below 2¹⁰¹ and a potential below 2¹²⁷, so that
/// none can overflow.
pub const LARGEST_VALUE: i32 = 1 << 12;

/// Spikes of one population in one step, neurons strictly ascending: borrowed.
///
/// A spike has a *value*, a whole number that is not 0. Where all values are 1, none are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpikeSlice<'a> {
    neurons: &'a [u32],
    values: &'a [i32],
}

impl<'a> SpikeSlice<'a> {
    /// Spikes of value 1.
    #[must_use]
    pub const fn unit(neurons: &'a [u32]) -> Self {
        Self { neurons, values: &[] }
    }

    /// Spikes with their values.
    ///
    /// # Errors
    /// If there are not as many values as neurons, or a value is 0 or larger than
    /// [`LARGEST_VALUE`] in magnitude.
    pub fn new(neurons: &'a [u32], values: &'a [i32]) -> Result<Self, NetworkError> {
        if neurons.len() != values.len() {
            return Err(NetworkError::new(
                "spikes",
                format!(
                    "have {} neurons but {} values; allowed are equal numbers",
                    neurons.len(),
                    values.len()
                ),
            ));
        }
        let allowed = |value: &i32| *value != 0 && value.unsigned_abs() <= LARGEST_VALUE.unsigned_abs();
        match values.iter().position(|value| !allowed(value)) {
            Some(at) => Err(NetworkError::new(
                format!("spikes: value [{at}]"),
                format!(
                    "is {}; allowed are whole numbers from -{LARGEST_VALUE} to {LARGEST_VALUE} but 0",
                    values[at]
                ),
            )),
            None => Ok(Self::of(neurons, values)),
        }
    }

    /// The same without checks; values that are all 1 are left out.
    pub(crate) fn of(neurons: &'a [u32], values: &'a [i32]) -> Self {
        Self { neurons, values: if values.iter().all(|&value| value == 1) { &[] } else { values } }
    }

    /// The same with values that may all be 1: for deliveries, which do not care.
    #[inline(always)]
    pub(crate) const fn raw(neurons: &'a [u32], values: &'a [i32]) -> Self {
        Self { neurons, values }
    }

    /// The same without values that are all 1.
    pub(crate) fn settled(self) -> Self {
        Self::of(self.neurons, self.values)
    }

    /// The neurons that fired, ascending.
    #[must_use]
    pub const fn neurons(self) -> &'a [u32] {
        self.neurons
    }

    /// The values of their spikes; empty if all are 1.
    #[must_use]
    pub const fn values(self) -> &'a [i32] {
        self.values
    }

    /// The number of spikes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.neurons.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.neurons.is_empty()
    }

    /// Neurons and values.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (u32, i32)> + use<'a> {
        let values = self.values.iter().copied().chain(std::iter::repeat(1));
        self.neurons.iter().copied().zip(values)
    }

    /// The sum of the magnitudes of all values.
    #[must_use]
    pub fn magnitude(self) -> u64 {
        if self.values.is_empty() {
            return self.neurons.len() as u64;
        }
        self.values.iter().map(|value| u64::from(value.unsigned_abs())).sum()
    }

    /// The spikes of the neurons from `start` on and below `end`.
    pub(crate) fn between(self, start: usize, end: usize) -> Self {
        let from = self.neurons.partition_point(|&id| (id as usize) < start);
        let to = self.neurons.partition_point(|&id| (id as usize) < end).max(from);
        self.places(from..to)
    }

    /// The spikes at some places.
    pub(crate) fn places(self, range: std::ops::Range<usize>) -> Self {
        let values = if self.values.is_empty() { &[] } else { &self.values[range.clone()] };
        Self { neurons: &self.neurons[range], values }
    }
}

/// Spikes of one population in one step, neurons strictly ascending.
///
/// Equal lists are stored equally: values are there only if not all of them are 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpikeList {
    neurons: Vec<u32>,
    values: Vec<i32>,
}

impl SpikeList {
    /// No spikes.
    #[must_use]
    pub const fn new() -> Self {
        Self { neurons: Vec::new(), values: Vec::new() }
    }

    /// The spikes, borrowed.
    #[must_use]
    pub fn as_slice(&self) -> SpikeSlice<'_> {
        SpikeSlice { neurons: &self.neurons, values: &self.values }
    }

    /// The neurons that fired, ascending.
    #[must_use]
    pub fn neurons(&self) -> &[u32] {
        &self.neurons
    }

    /// The values of their spikes; empty if all are 1.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// The number of spikes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.neurons.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.neurons.is_empty()
    }

    /// Takes these spikes instead of its own, and keeps its memory.
    pub fn take(&mut self, spikes: SpikeSlice<'_>) {
        self.clear();
        self.neurons.extend_from_slice(spikes.neurons);
        self.values.extend_from_slice(SpikeSlice::of(spikes.neurons, spikes.values).values);
    }

    /// Takes these spikes besides its own, and instead of those of the same neurons. Keeps its memory; cost: O(spikes).
    pub(crate) fn overwrite(&mut self, given: SpikeSlice<'_>) {
        if given.is_empty() {
            return;
        }
        let own = self.neurons.len();
        let beside =
            given.neurons.iter().filter(|neuron| self.neurons.binary_search(neuron).is_err()).count();
        if self.values.is_empty() {
            self.values.resize(own, 1);
        }
        self.neurons.resize(own + beside, 0);
        self.values.resize(own + beside, 1);
        // From the end, so that nothing is overwritten that is still to be moved.
        let (mut from, mut to) = (own, own + beside);
        for at in (0..given.len()).rev() {
            let (neuron, value) = (given.neurons[at], given.values.get(at).copied().unwrap_or(1));
            while from > 0 && self.neurons[from - 1] > neuron {
                (from, to) = (from - 1, to - 1);
                self.neurons[to] = self.neurons[from];
                self.values[to] = self.values[from];
            }
            if from > 0 && self.neurons[from - 1] == neuron {
                from -= 1;
            }
            to -= 1;
            self.neurons[to] = neuron;
            self.values[to] = value;
        }
        self.settle();
    }

    /// Removes all spikes and keeps the memory.
    pub fn clear(&mut self) {
        self.neurons.clear();
        self.values.clear();
    }

    /// The lists to append to, values for all neurons or for none; [`settle`](Self::settle) must follow.
    pub(crate) fn parts(&mut self) -> (&mut Vec<u32>, &mut Vec<i32>) {
        (&mut self.neurons, &mut self.values)
    }

    /// Leaves the values out if all are 1.
    pub(crate) fn settle(&mut self) {
        if self.values.iter().all(|&value| value == 1) {
            self.values.clear();
        }
        assert!(
            self.values.is_empty() || self.values.len() == self.neurons.len(),
            "{} values of {} spikes",
            self.values.len(),
            self.neurons.len()
        );
    }
}

impl From<SpikeSlice<'_>> for SpikeList {
    fn from(spikes: SpikeSlice<'_>) -> Self {
        let mut list = Self::new();
        list.take(spikes);
        list
    }
}

impl From<Vec<u32>> for SpikeList {
    /// Spikes of value 1.
    fn from(neurons: Vec<u32>) -> Self {
        Self { neurons, values: vec![] }
    }
}
