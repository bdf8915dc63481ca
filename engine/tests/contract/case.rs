//! A network with what it is given, as plain data: drawn from a seed, reduced, printed, and only then built.

use std::collections::BTreeMap;
use std::sync::Arc;

use snn_engine::*;

use crate::models::Model;

/// A network, what it is given, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The seed it was drawn from; laws take their own choices from it, such as where a run is cut.
    pub seed: u64,
    pub populations: Vec<Group>,
    pub projections: Vec<Synapses>,
    pub samples: Vec<Given>,
    pub steps: u64,
}

/// A population.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub layout: Layout,
    pub model: &'static Model,
    /// For each parameter of the model its values: one for every neuron, or one for all.
    pub parameters: Vec<Vec<f32>>,
}

/// A projection between two populations, by their places.
#[derive(Clone, Debug, PartialEq)]
pub struct Synapses {
    pub source: usize,
    pub target: usize,
    pub delay: u32,
    pub kind: Kind,
}

/// Which weights there are; 0 is no synapse.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A table `[sources][targets]`.
    Rows { form: Form, table: Vec<f32> },
    /// A convolution with its table, one row for each tap and source channel.
    Conv2d { geometry: Conv2dGeometry, form: Form, table: Vec<f32> },
    /// One weight for every pair of neurons, or one for all.
    OneToOne(Vec<f32>),
}

/// How a table is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Rows without zeros, ids as narrow as they can be.
    Sparse,
    /// Rows without zeros, ids of 32 bits.
    Wide,
    /// All weights.
    Dense,
}

/// The spikes of one step: neurons, ascending, with the values of their spikes.
pub type StepSpikes = Vec<(u32, i32)>;

/// What one sample gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Constant currents: a source and its values.
    pub values: Option<(usize, Vec<f32>)>,
    /// The spikes of sources in every step: neurons with values.
    pub spikes: Vec<(usize, Vec<StepSpikes>)>,
    /// What other populations are given from outside; of one population and step in ascending order of the neurons.
    pub gifts: Vec<Gift>,
}

/// What one neuron is given from outside in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gift {
    pub step: u64,
    pub population: usize,
    pub neuron: u32,
    pub what: Gives,
}

/// Part of a [`Gift`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gives {
    Current(f32),
    /// A spike of this value.
    Spike(i32),
}

/// A case whose network is built.
pub struct Built {
    pub seed: u64,
    pub network: Arc<Network>,
    pub samples: Vec<Sample>,
    /// For each sample what is given from outside, by steps.
    pub outside: Vec<BTreeMap<u64, Stimulus>>,
    pub steps: u64,
}

impl Built {
    /// Sets what the network is given in a step of a sample, from outside included.
    pub fn give(&self, sample: usize, step: u64, stimulus: &mut Stimulus) {
        match self.outside[sample].get(&step) {
            Some(outside) => stimulus.clone_from(outside),
            None => stimulus.clear(),
        }
        self.samples[sample].give(&self.network, step as usize, stimulus).unwrap();
    }
}

impl Group {
    pub fn size(&self) -> usize {
        self.layout.neurons().unwrap() as usize
    }
}

impl Synapses {
    /// The number of synapses; of a convolution and of one weight for all, the weights.
    pub fn weights(&self) -> &[f32] {
        match &self.kind {
            Kind::Rows { table, .. } | Kind::Conv2d { table, .. } => table,
            Kind::OneToOne(weights) => weights,
        }
    }

    pub fn weights_mut(&mut self) -> &mut [f32] {
        match &mut self.kind {
            Kind::Rows { table, .. } | Kind::Conv2d { table, .. } => table,
            Kind::OneToOne(weights) => weights,
        }
    }
}

/// Weights as f32 or, where all are whole, as one of the types that hold them; which one their number says.
fn stored(weights: Vec<f32>) -> Result<Weights, NetworkError> {
    let whole: Option<Vec<i32>> = weights
        .iter()
        .map(|&weight| (weight.fract() == 0.0 && weight.abs() < 8.0e6).then_some(weight as i32))
        .collect();
    let of = WeightType::ALL[weights.len() % 4];
    match whole {
        Some(numbers) if of != WeightType::F32 => {
            // What does not fit 4 bits may fit 8.
            let wider = [of, WeightType::Int8, WeightType::Int16];
            let stored = wider.iter().find_map(|&of| Weights::of_whole(of, &numbers).ok());
            Ok(stored.unwrap_or_else(|| weights.into()))
        }
        _ => Ok(weights.into()),
    }
}

fn rows(form: Form, width: usize, rows: usize, table: &[f32]) -> Result<Rows, NetworkError> {
    assert_eq!(table.len(), rows * width, "a table of {rows} rows of {width}");
    if form == Form::Dense && width > 0 {
        return Ok(Rows::Dense(DenseRows::new(width, stored(table.to_vec())?)?));
    }
    let (mut starts, mut columns, mut weights) = (vec![0], vec![], vec![]);
    for row in 0..rows {
        for column in 0..width {
            let weight = table[row * width + column];
            if weight != 0.0 {
                columns.push(column as u32);
                weights.push(weight);
            }
        }
        starts.push(weights.len() as u64);
    }
    Ok(Rows::Sparse(match form {
        Form::Wide => SparseRows::new(width, starts.into(), Targets::U32(columns.into()), stored(weights)?)?,
        Form::Sparse | Form::Dense => SparseRows::from_columns(width, starts, columns, stored(weights)?)?,
    }))
}

impl Kind {
    /// The connectivity between populations of these sizes.
    pub fn build(&self, sources: usize, targets: usize) -> Result<Connectivity, NetworkError> {
        Ok(match self {
            Self::Rows { form, table } => Connectivity::Rows(rows(*form, targets, sources, table)?),
            Self::Conv2d { geometry, form, table } => {
                let rows = rows(*form, geometry.target[2] as usize, geometry.rows(), table)?;
                Connectivity::Conv2d(Conv2d::new(*geometry, rows)?)
            }
            Self::OneToOne(weights) => {
                Connectivity::OneToOne(OneToOne::new(targets, PerNeuron::repeating(weights.clone().into())?)?)
            }
        })
    }
}

impl Case {
    /// The network and its samples.
    ///
    /// # Errors
    /// If the engine refuses the network, or a source that is given values takes spikes only.
    pub fn build(&self) -> Result<Built, NetworkError> {
        let mut builder = NetworkBuilder::new();
        let mut ids = vec![];
        for (at, group) in self.populations.iter().enumerate() {
            let columns = group.parameters.iter().map(|values| PerNeuron::repeating(values.clone().into()));
            let neuron = (group.model.build)(&columns.collect::<Result<Vec<_>, _>>()?);
            ids.push(builder.population(format!("population {at}"), group.layout, neuron));
        }
        for synapses in &self.projections {
            let [sources, targets] = [synapses.source, synapses.target].map(|at| self.populations[at].size());
            let connectivity = synapses.kind.build(sources, targets)?;
            builder.projection(ids[synapses.source], ids[synapses.target], synapses.delay, connectivity);
        }
        let network = Arc::new(builder.build()?);
        let samples =
            self.samples.iter().map(|given| given.build(&network, &ids)).collect::<Result<_, _>>()?;
        let outside =
            self.samples.iter().map(|given| given.outside(&network, &ids)).collect::<Result<_, _>>()?;
        Ok(Built { seed: self.seed, network, samples, outside, steps: self.steps })
    }

    /// The neurons of all populations.
    pub fn neurons(&self) -> usize {
        self.populations.iter().map(Group::size).sum()
    }

    /// The weights that are not 0, those that many synapses share counted once.
    pub fn weights(&self) -> usize {
        let each = self.projections.iter().flat_map(|synapses| synapses.weights());
        each.filter(|weight| **weight != 0.0).count()
    }
}

impl Given {
    fn build(&self, network: &Network, ids: &[PopulationId]) -> Result<Sample, NetworkError> {
        let drive = match &self.values {
            Some((source, values)) => Drive::constant(network, ids[*source], values)?,
            None => Drive::none(),
        };
        let mut spikes = vec![];
        for (source, steps) in &self.spikes {
            let mut raster = Raster::new();
            for step in steps {
                let (neurons, values): (Vec<u32>, Vec<i32>) = step.iter().copied().unzip();
                raster.push(SpikeSlice::new(&neurons, &values)?);
            }
            spikes.push((ids[*source], raster));
        }
        Ok(Sample { drive, spikes })
    }

    fn outside(
        &self,
        network: &Network,
        ids: &[PopulationId],
    ) -> Result<BTreeMap<u64, Stimulus>, NetworkError> {
        let mut steps: BTreeMap<u64, Stimulus> = BTreeMap::new();
        let mut places: Vec<(u64, usize)> =
            self.gifts.iter().map(|gift| (gift.step, gift.population)).collect();
        places.sort_unstable();
        places.dedup();
        for (step, population) in places {
            let stimulus = steps.entry(step).or_insert_with(Stimulus::none);
            let gifts =
                || self.gifts.iter().filter(|gift| (gift.step, gift.population) == (step, population));
            let (spiking, values): (Vec<u32>, Vec<i32>) = gifts()
                .filter_map(|gift| match gift.what {
                    Gives::Spike(value) => Some((gift.neuron, value)),
                    Gives::Current(_) => None,
                })
                .unzip();
            if !spiking.is_empty() {
                stimulus.set_spikes(network, ids[population], SpikeSlice::new(&spiking, &values)?)?;
            }
            let (driven, currents): (Vec<u32>, Vec<f32>) = gifts()
                .filter_map(|gift| match gift.what {
                    Gives::Current(current) => Some((gift.neuron, current)),
                    Gives::Spike(_) => None,
                })
                .unzip();
            if !driven.is_empty() {
                stimulus.set_currents_of(network, ids[population], &driven, &currents)?;
            }
        }
        Ok(steps)
    }
}
