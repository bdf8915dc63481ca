/// The spikes of one population over many steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    starts: Vec<usize>,
    neurons: Vec<u32>,
}

impl Default for Raster {
    fn default() -> Self {
        Self { starts: vec![0], neurons: vec![] }
    }
}

impl Raster {
    /// No steps yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A raster from its two arrays: the place where each step starts, `[steps + 1]`, and the neurons of
    /// all steps in order.
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
        Self { starts, neurons }
    }

    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// The neurons that fired in step `step`; none in steps after the last.
    #[must_use]
    pub fn step(&self, step: usize) -> &[u32] {
        match self.starts.get(step..step + 2) {
            Some(range) => &self.neurons[range[0]..range[1]],
            None => &[],
        }
    }

    /// Appends a step.
    pub fn push_step(&mut self, neurons: &[u32]) {
        self.neurons.extend_from_slice(neurons);
        self.starts.push(self.neurons.len());
    }

    /// Removes all steps and keeps the memory.
    pub fn clear(&mut self) {
        self.starts.truncate(1);
        self.neurons.clear();
    }

    /// The neurons of all steps in order.
    #[must_use]
    pub fn neurons(&self) -> &[u32] {
        &self.neurons
    }

    /// Where each step starts among [`Raster::neurons`], `[steps + 1]`.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }
}
