//! Which source neuron has a synapse onto which target neuron, and with which weight.
//!
//! [`Connectivity::weight`] is the definition. [`Connectivity::fan_out`] lists the same synapses source
//! by source, for references, checks and unrolling. The delivery of spikes has its own, faster code.

mod conv2d;
mod one_to_one;
mod rows;
#[cfg(feature = "sprs")]
mod sprs;
mod weights;

pub use conv2d::{Conv2d, Conv2dGeometry};
pub use one_to_one::OneToOne;
pub use rows::{DenseRows, Rows, SparseRows, Targets};
pub use weights::{Nibbles, WeightType, Weights};

/// The synapses of one projection.
#[derive(Clone, Debug)]
pub enum Connectivity {
    /// One row of weights per source neuron.
    Rows(Rows),
    /// A convolution with shared weights, never unrolled.
    Conv2d(Conv2d),
    /// Neuron `i` onto neuron `i`.
    OneToOne(OneToOne),
}

impl Connectivity {
    /// The number of source neurons it fits.
    #[must_use]
    pub fn sources(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Conv2d(conv) => conv.geometry().sources(),
            Self::OneToOne(one) => one.size(),
        }
    }

    /// The number of target neurons it fits.
    #[must_use]
    pub fn targets(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.width(),
            Self::Conv2d(conv) => conv.geometry().targets(),
            Self::OneToOne(one) => one.size(),
        }
    }

    /// The weight of the synapse from `source` to `target`; `None` if there is none. Never zero.
    ///
    /// Cost: O(log row) for sparse rows, else O(1).
    ///
    /// # Panics
    /// If `source` or `target` is out of range.
    #[must_use]
    pub fn weight(&self, source: usize, target: usize) -> Option<f32> {
        match self {
            Self::Rows(rows) => rows.weight(source, target),
            Self::Conv2d(conv) => conv.weight(source, target),
            Self::OneToOne(one) => one.weight(source, target),
        }
    }

    /// Calls `each(target, weight)` for every synapse of `source`, targets ascending.
    pub fn fan_out(&self, source: usize, each: impl FnMut(usize, f32)) {
        match self {
            Self::Rows(rows) => rows.fan_out(source, each),
            Self::Conv2d(conv) => conv.fan_out(source, each),
            Self::OneToOne(one) => one.fan_out(source, each),
        }
    }

    /// The number of synapses of `source`, padding borders and zeros not counted.
    #[must_use]
    pub fn synapses_of(&self, source: usize) -> u64 {
        match self {
            Self::Rows(rows) => rows.synapses_of(source),
            Self::Conv2d(conv) => conv.synapses_of(source),
            Self::OneToOne(one) => u64::from(one.weight(source, source).is_some()),
        }
    }

    /// The number of synapses, shared weights counted at every place where they are used. O(stored weights).
    #[must_use]
    pub fn synapses(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.synapses(),
            Self::Conv2d(conv) => conv.synapses(),
            Self::OneToOne(one) => self.stored_weights() * (one.size() / one.weights().period()) as u64,
        }
    }

    /// The number of non-zero weights that are stored.
    #[must_use]
    pub fn stored_weights(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.synapses(),
            Self::Conv2d(conv) => conv.rows().synapses(),
            Self::OneToOne(one) => one.weights().values().iter().filter(|&&w| w != 0.0).count() as u64,
        }
    }

    /// What the weights are stored as.
    #[must_use]
    pub fn weight_type(&self) -> WeightType {
        let of_rows = |rows: &Rows| match rows {
            Rows::Sparse(rows) => rows.weights().weight_type(),
            Rows::Dense(rows) => rows.weights().weight_type(),
        };
        match self {
            Self::Rows(rows) => of_rows(rows),
            Self::Conv2d(conv) => of_rows(conv.rows()),
            Self::OneToOne(_) => WeightType::F32,
        }
    }

    /// The multiply-adds that a dense simulator makes for one step of this projection.
    #[must_use]
    pub fn dense_operations(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.len() as u64 * rows.width() as u64,
            Self::Conv2d(conv) => conv.geometry().dense_operations(),
            Self::OneToOne(one) => one.size() as u64,
        }
    }
}
