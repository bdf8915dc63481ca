use crate::spikes::SpikeSlice;

/// The spikes of one population over many steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    starts: Vec<usize>,
    neurons: Vec<u32>,
    /// Of every spike; none if all are 1.
    values: Vec<i32>,
}

impl Default for Raster {
    fn default() -> Self {
        Self { starts: vec![0], neurons: vec![], values: vec![] }
    }
}

impl Raster {
    /// No steps yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A raster of spikes of value 1 from its two arrays: the place where each step starts, `[steps + 1]`, and the
    /// neurons of all steps in order.
    ///
    /// # Panics
    /// If the starts do not ascend from 0 to the number of neurons.
    #[must_use]
    pub fn from_parts(starts: Vec<usize>, neurons: Vec<u32>) -> Self {
        assert!(
            starts.first() == Some(&0) && starts.last() == Some(&neurons.len()) && starts.is_sorted(),
            "starts {:?}..{:?} of {} spikes",
            starts.first(),
            starts.last(),
            neurons.len()
        );
        Self { starts, neurons, values: vec![] }
    }

    /// What [`from_parts`](Self::from_parts) takes, of spikes of value 1; values are lost.
    pub(crate) fn into_parts(self) -> (Vec<usize>, Vec<u32>) {
        (self.starts, self.neurons)
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// The neurons that fired in step `step`; none in steps after the last.
    #[must_use]
    pub fn step(&self, step: usize) -> &[u32] {
        self.with_values(step).neurons()
    }

    /// The spikes of step `step` with their values; none in steps after the last.
    #[must_use]
    pub fn with_values(&self, step: usize) -> SpikeSlice<'_> {
        let Some(ends) = self.starts.get(step..step.saturating_add(2)) else {
            return SpikeSlice::default();
        };
        let values = if self.values.is_empty() { &[] } else { &self.values[ends[0]..ends[1]] };
        SpikeSlice::of(&self.neurons[ends[0]..ends[1]], values)
    }

    /// Appends a step of spikes of value 1.
    pub fn push_step(&mut self, neurons: &[u32]) {
        self.push(SpikeSlice::unit(neurons));
    }

    /// Appends a step.
    pub fn push(&mut self, spikes: SpikeSlice<'_>) {
        if !spikes.values().is_empty() {
            self.values.resize(self.neurons.len(), 1);
            self.values.extend_from_slice(spikes.values());
        } else if !self.values.is_empty() {
            self.values.resize(self.neurons.len() + spikes.len(), 1);
        }
        self.neurons.extend_from_slice(spikes.neurons());
        self.starts.push(self.neurons.len());
    }

    /// Removes all steps and keeps the memory.
    pub fn clear(&mut self) {
        self.starts.truncate(1);
        self.neurons.clear();
        self.values.clear();
    }

    /// The neurons of all steps in order.
    #[must_use]
    pub fn neurons(&self) -> &[u32] {
        &self.neurons
    }

    /// The values of their spikes; empty if all are 1.
    #[must_use]
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// Where each step starts among [`Raster::neurons`], `[steps + 1]`.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }
}
