use crate::error::NetworkError;
use crate::per_neuron::PerNeuron;

/// Synapses from neuron `i` of the source onto neuron `i` of the target: a residual branch, a relay.
///
/// A weight of zero is no synapse.
#[derive(Clone, Debug)]
pub struct OneToOne {
    size: usize,
    weights: PerNeuron,
}

impl OneToOne {
    /// `size` synapses with the given weights.
    ///
    /// # Errors
    /// If the period of the weights does not divide `size`.
    pub fn new(size: usize, weights: PerNeuron) -> Result<Self, NetworkError> {
        if !size.is_multiple_of(weights.period()) {
            return Err(NetworkError::new(
                "one-to-one weights",
                format!("have the period {}, which does not divide the size {size}", weights.period()),
            ));
        }
        Ok(Self { size, weights })
    }

    /// The number of neurons on either side.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &PerNeuron {
        &self.weights
    }

    /// See [`Connectivity::weight`](crate::network::connectivity::Connectivity::weight).
    #[must_use]
    pub fn weight(&self, source: usize, target: usize) -> Option<f32> {
        assert!(source < self.size && target < self.size, "{source} -> {target} of {}", self.size);
        let weight = self.weights.get(source);
        (source == target && weight != 0.0).then_some(weight)
    }

    pub(super) fn fan_out(&self, source: usize, mut each: impl FnMut(usize, f32)) {
        if let Some(weight) = self.weight(source, source) {
            each(source, weight);
        }
    }
}
