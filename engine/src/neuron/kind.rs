use super::accumulator::Accumulator;
use super::integrate_fire::IntegrateFire;
use super::max_pool::MaxPool;
use crate::per_neuron::PerNeuron;

/// The kind of all neurons of one population.
#[derive(Clone, Debug)]
pub enum Neuron {
    /// Spikes when the stimulus says so; has no potential.
    Source,
    /// Integrates its current and fires at a threshold.
    IntegrateFire(IntegrateFire),
    /// Integrates its current and never fires: the read-out.
    Accumulator(Accumulator),
    /// Passes on the largest rate among its inputs.
    MaxPool(MaxPool),
}

impl Neuron {
    /// A word for tables and messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::IntegrateFire(_) => "integrate-and-fire",
            Self::Accumulator(_) => "accumulator",
            Self::MaxPool(_) => "max-pool",
        }
    }

    /// Whether neurons of this kind hold a potential `u`.
    #[must_use]
    pub fn has_potential(&self) -> bool {
        self.bias().is_some()
    }

    /// The bias of the neurons that have one, per step.
    #[must_use]
    pub fn bias(&self) -> Option<&PerNeuron> {
        match self {
            Self::IntegrateFire(neuron) => Some(&neuron.bias),
            Self::Accumulator(neuron) => Some(&neuron.bias),
            Self::Source | Self::MaxPool(_) => None,
        }
    }

    /// The parameters with their names, for validation.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &PerNeuron)> {
        match self {
            Self::Source | Self::MaxPool(_) => vec![],
            Self::IntegrateFire(neuron) => {
                vec![("threshold", &neuron.threshold), ("bias", &neuron.bias), ("start", &neuron.start)]
            }
            Self::Accumulator(neuron) => vec![("bias", &neuron.bias)],
        }
    }
}
