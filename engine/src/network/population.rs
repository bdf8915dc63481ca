use super::connectivity::Connectivity;
use super::id::PopulationId;
use super::layout::Layout;
use super::neuron::Neuron;

/// Neurons of one kind.
#[derive(Clone, Debug)]
pub struct Population {
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) size: usize,
    pub(crate) neuron: Neuron,
}

impl Population {
    /// Its name, unique in the network.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its neurons are laid out for the user.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The number of neurons.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The kind of its neurons, with their parameters.
    #[must_use]
    pub fn neuron(&self) -> &Neuron {
        &self.neuron
    }
}

/// The synapses from one population to another, with one delay.
#[derive(Clone, Debug)]
pub struct Projection {
    pub(crate) source: PopulationId,
    pub(crate) target: PopulationId,
    pub(crate) delay: u32,
    pub(crate) connectivity: Connectivity,
}

impl Projection {
    /// The population whose spikes it carries.
    #[must_use]
    pub fn source(&self) -> PopulationId {
        self.source
    }

    /// The population that receives them.
    #[must_use]
    pub fn target(&self) -> PopulationId {
        self.target
    }

    /// Steps from emission to arrival.
    #[must_use]
    pub fn delay(&self) -> u32 {
        self.delay
    }

    /// Its synapses.
    #[must_use]
    pub fn connectivity(&self) -> &Connectivity {
        &self.connectivity
    }
}
