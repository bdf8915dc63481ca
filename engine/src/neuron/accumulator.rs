use crate::per_neuron::PerNeuron;

/// A read-out neuron: it integrates its current and never fires and never resets.
///
/// Its potential `v = u + b·k` starts at 0. Divided by the number of steps it estimates the value that
/// the neuron has in the trained network (Rueckauer et al. 2017, section 2.2).
#[derive(Clone, Debug)]
pub struct Accumulator {
    /// Current added in every step.
    pub bias: PerNeuron,
}
