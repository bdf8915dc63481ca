use crate::{Connectivity, Neuron, PopulationId};

/// How the neurons of a population are laid out for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A vector: neuron `i` is element `i`.
    Flat(u32),
    /// An image. Neurons are channels-last, `(y·width + x)·channels + c`; the user sees channels first.
    Image {
        /// Feature maps.
        channels: u32,
        /// Rows of pixels.
        height: u32,
        /// Columns of pixels.
        width: u32,
    },
}

impl Layout {
    /// The number of neurons, or `None` if it does not fit 32 bits.
    #[must_use]
    pub fn neurons(self) -> Option<u32> {
        match self {
            Self::Flat(n) => Some(n),
            Self::Image { channels, height, width } => channels.checked_mul(height)?.checked_mul(width),
        }
    }

    /// The shape the user sees: `[n]` or `[channels, height, width]`.
    #[must_use]
    pub fn shape(self) -> Vec<usize> {
        match self {
            Self::Flat(n) => vec![n as usize],
            Self::Image { channels, height, width } => {
                vec![channels as usize, height as usize, width as usize]
            }
        }
    }

    /// Where neuron `neuron` stands in the user's order (channels first).
    #[inline]
    #[must_use]
    pub fn user_index(self, neuron: usize) -> usize {
        match self {
            Self::Flat(_) => neuron,
            Self::Image { channels, height, width } => {
                let (channels, pixels) = (channels as usize, height as usize * width as usize);
                neuron % channels * pixels + neuron / channels
            }
        }
    }

    /// The neuron that stands at `index` in the user's order; the inverse of [`Layout::user_index`].
    #[inline]
    #[must_use]
    pub fn neuron_at(self, index: usize) -> usize {
        match self {
            Self::Flat(_) => index,
            Self::Image { channels, height, width } => {
                let (channels, pixels) = (channels as usize, height as usize * width as usize);
                index % pixels * channels + index / pixels
            }
        }
    }
}

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

/// A spiking network: populations and the projections between them. Immutable and valid; made by
/// [`NetworkBuilder`](crate::NetworkBuilder), the only door. It holds what the net *is*; where a run
/// stands is in [`State`](crate::State).
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) populations: Vec<Population>,
    pub(crate) projections: Vec<Projection>,
    pub(crate) order: Vec<PopulationId>,
    pub(crate) incoming: Vec<Vec<usize>>,
    pub(crate) longest_delay: u32,
    pub(crate) delay_from: Vec<u32>,
}

impl Network {
    /// The populations in order of declaration.
    #[must_use]
    pub fn populations(&self) -> &[Population] {
        &self.populations
    }

    /// One population.
    ///
    /// # Panics
    /// If the id belongs to a larger network.
    #[must_use]
    pub fn population(&self, id: PopulationId) -> &Population {
        &self.populations[id.index()]
    }

    /// The ids of all populations in order of declaration.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = PopulationId> + use<> {
        (0..self.populations.len() as u32).map(PopulationId)
    }

    /// The population of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PopulationId> {
        self.ids().find(|id| self.populations[id.index()].name == name)
    }

    /// The populations that the stimulus drives, in order of declaration.
    pub fn sources(&self) -> impl Iterator<Item = PopulationId> + '_ {
        self.ids().filter(|id| matches!(self.population(*id).neuron, Neuron::Source))
    }

    /// The projections in order of declaration.
    #[must_use]
    pub fn projections(&self) -> &[Projection] {
        &self.projections
    }

    /// The projections into a population, in order of declaration.
    pub fn incoming(&self, target: PopulationId) -> impl ExactSizeIterator<Item = &Projection> {
        self.incoming[target.index()].iter().map(|&at| &self.projections[at])
    }

    /// The order in which the populations of one step are updated: along the zero-delay projections,
    /// ties in order of declaration.
    #[must_use]
    pub fn update_order(&self) -> &[PopulationId] {
        &self.order
    }

    /// The longest delay of any projection, in steps.
    #[must_use]
    pub fn longest_delay(&self) -> u32 {
        self.longest_delay
    }

    /// The longest delay of the projections out of one population: how many past steps of its spikes are
    /// still under way.
    #[must_use]
    pub fn delay_from(&self, source: PopulationId) -> u32 {
        self.delay_from[source.index()]
    }

    /// Whether no population reaches itself, through whatever delays: it can then be run population by
    /// population over many steps.
    #[must_use]
    pub fn is_feed_forward(&self) -> bool {
        self.feed_forward_order().is_some()
    }

    /// Every population after all that reach it, through whatever delays; `None` if one reaches itself.
    pub(crate) fn feed_forward_order(&self) -> Option<Vec<PopulationId>> {
        crate::builder::topological_order(self.populations.len(), &self.projections, |_| true).ok()
    }

    /// The population to read results from: the last one declared.
    #[must_use]
    pub fn output(&self) -> PopulationId {
        PopulationId(self.populations.len() as u32 - 1)
    }

    /// The multiply-adds that a dense simulator makes for the projections into a population. With `constant_input` the
    /// sources give constant currents, which it, too, makes once; else they send spikes in every step.
    #[must_use]
    pub fn dense_operations(&self, target: PopulationId, constant_input: bool) -> DenseOperations {
        let mut dense = DenseOperations::default();
        for projection in self.incoming(target) {
            let from_source = matches!(self.population(projection.source()).neuron(), Neuron::Source);
            let operations = projection.connectivity.dense_operations();
            if constant_input && from_source {
                dense.once += operations;
            } else {
                dense.per_step += operations;
            }
        }
        dense
    }
}

/// Multiply-adds of a dense simulator for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenseOperations {
    /// In every step.
    pub per_step: u64,
    /// Once, for constant currents.
    pub once: u64,
}
