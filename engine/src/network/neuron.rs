use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::built_in::BuiltIn;
use crate::error::NetworkError;
use crate::kernel::InstructionSet;
use crate::kernel::membrane::{
    BlockStep, Neurons, WordWindow, integrate_blocks, integrate_window, integrate_words,
};
use crate::lanes::Line;
use crate::neuron::{Columns, Description, Emission, MaxPool, Model};
use crate::per_neuron::PerNeuron;

/// The kind of all neurons of one population.
#[derive(Clone, Debug)]
pub enum Neuron {
    /// Spikes when the stimulus says so; has no potential.
    Source,
    /// Neurons of a [`Model`], of this crate or of another.
    Model(AnyModel),
    /// Passes on the largest rate among its inputs.
    MaxPool(MaxPool),
}

impl Neuron {
    /// Neurons of a model: one of this crate, or one's own.
    #[must_use]
    pub fn of(model: impl Model) -> Self {
        Self::Model(AnyModel(Arc::new(model)))
    }

    /// A word for tables and messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Model(model) => model.description().name,
            Self::MaxPool(_) => "max-pool",
        }
    }

    /// The model, for neurons of one.
    #[must_use]
    pub fn model(&self) -> Option<&AnyModel> {
        match self {
            Self::Model(model) => Some(model),
            Self::Source | Self::MaxPool(_) => None,
        }
    }

    /// The parameters, for neurons of a certain model.
    #[must_use]
    pub fn as_model<M: Model>(&self) -> Option<&M> {
        self.model()?.as_model()
    }

    /// Whether neurons of this kind hold a potential `u`.
    #[must_use]
    pub fn has_potential(&self) -> bool {
        self.model().is_some()
    }

    /// Whether neurons of this kind only integrate and never fire.
    #[must_use]
    pub fn is_read_out(&self) -> bool {
        self.model().is_some_and(|model| !model.emission().fires())
    }

    /// The bias of the neurons that have one, per step.
    #[must_use]
    pub fn bias(&self) -> Option<&PerNeuron> {
        self.model().map(|model| model.0.parameters()[0])
    }
}

/// A [`Model`] with its parameters, whichever it is.
#[derive(Clone)]
pub struct AnyModel(Arc<dyn Erased>);

impl fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AnyModel {
    /// Its constants.
    #[must_use]
    pub fn description(&self) -> &'static Description {
        self.0.description()
    }

    /// The values of its parameters, in order of the description.
    #[must_use]
    pub fn parameters(&self) -> Vec<&PerNeuron> {
        self.0.parameters()
    }

    /// The values of the parameter of a name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&PerNeuron> {
        Some(self.0.parameters()[self.description().parameter(name)?])
    }

    /// The option taken for each choice of the description.
    #[must_use]
    pub fn choices(&self) -> Vec<usize> {
        self.0.choices()
    }

    /// Which values its spikes may have.
    #[must_use]
    pub fn emission(&self) -> Emission {
        self.0.emission()
    }

    /// See [`Model::bias_arrives_once`].
    #[must_use]
    pub fn bias_arrives_once(&self) -> bool {
        self.0.bias_arrives_once()
    }

    /// See [`Model::lattice_parameters`].
    #[must_use]
    pub fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        self.0.lattice_parameters()
    }

    /// Neurons of the same model and choices, with other parameters, in order of the description.
    ///
    /// # Errors
    /// If there are more or fewer than described.
    pub fn with_parameters(&self, parameters: Vec<PerNeuron>) -> Result<Neuron, NetworkError> {
        let described = self.description();
        if parameters.len() != described.parameters.len() {
            return Err(NetworkError::new(
                format!("neurons of the model `{}`", described.name),
                format!("have {} parameters; allowed are {}", parameters.len(), described.parameters.len()),
            ));
        }
        Ok(self.0.with(parameters))
    }

    /// Neurons of the same model, with other biases.
    #[must_use]
    pub fn with_bias(&self, bias: PerNeuron) -> Neuron {
        let mut parameters: Vec<PerNeuron> = self.0.parameters().into_iter().cloned().collect();
        parameters[0] = bias;
        self.0.with(parameters)
    }

    /// The model itself, if it is of this type.
    #[must_use]
    pub fn as_model<M: Model>(&self) -> Option<&M> {
        self.0.as_any().downcast_ref()
    }

    /// Whether it is a model of this crate, which files can hold.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        BuiltIn::has(self.0.as_any().type_id())
    }

    pub(crate) fn erased(&self) -> &dyn Erased {
        &*self.0
    }
}

/// A model whose type is not known any more.
pub(crate) trait Erased: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn description(&self) -> &'static Description;
    fn parameters(&self) -> Vec<&PerNeuron>;
    fn choices(&self) -> Vec<usize>;
    /// The same model and choices with other parameters.
    fn with(&self, parameters: Vec<PerNeuron>) -> Neuron;
    fn check(&self) -> Result<(), NetworkError>;
    fn emission(&self) -> Emission;
    fn bias_arrives_once(&self) -> bool;
    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>>;
    fn allows_count(&self, parameters: &[f32], place: usize, count: i32) -> bool;
    /// [`Model::step`] with one number for each column.
    fn step(
        &self,
        parameters: &[f32],
        reals: &mut [f32],
        counts: &mut [i32],
        current: Option<f32>,
        k: u32,
    ) -> i32;
    /// [`Model::rests`] with one number for each column.
    fn rests(&self, parameters: &[f32], reals: &[f32], counts: &[i32], k: u32) -> bool;
    fn integrate_blocks(&self, set: InstructionSet, neurons: Neurons<'_>, step: BlockStep<'_>) -> u64;
    fn integrate_words(
        &self,
        set: InstructionSet,
        neurons: Neurons<'_>,
        currents: &mut [Line],
        k: u32,
        fired: &mut [u64],
        values: &mut Vec<i32>,
    ) -> u64;
    fn integrate_window(&self, set: InstructionSet, neurons: Neurons<'_>, window: WordWindow<'_>) -> u64;
}

impl<M: Model> Erased for M {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn description(&self) -> &'static Description {
        Description::of::<M>()
    }

    fn parameters(&self) -> Vec<&PerNeuron> {
        Model::parameters(self)
    }

    fn choices(&self) -> Vec<usize> {
        Model::choices(self)
    }

    fn with(&self, parameters: Vec<PerNeuron>) -> Neuron {
        Neuron::of(M::from_parts(parameters, &Model::choices(self)))
    }

    fn check(&self) -> Result<(), NetworkError> {
        Model::check(self)
    }

    fn emission(&self) -> Emission {
        Model::emission(self)
    }

    fn bias_arrives_once(&self) -> bool {
        Model::bias_arrives_once(self)
    }

    fn lattice_parameters(&self) -> Option<Vec<&PerNeuron>> {
        Model::lattice_parameters(self)
    }

    fn allows_count(&self, parameters: &[f32], place: usize, count: i32) -> bool {
        Model::allows_count(self, &Columns::from_fn(|i| parameters[i]), place, count)
    }

    fn step(
        &self,
        parameters: &[f32],
        reals: &mut [f32],
        counts: &mut [i32],
        current: Option<f32>,
        k: u32,
    ) -> i32 {
        let parameters = Columns::from_fn(|i| parameters[i]);
        let (mut x, mut n): (M::Reals<f32>, M::Counts<i32>) =
            (Columns::from_fn(|i| reals[i]), Columns::from_fn(|i| counts[i]));
        let value = Model::step(self, &parameters, &mut x, &mut n, current, k);
        reals.copy_from_slice(x.as_slice());
        counts.copy_from_slice(n.as_slice());
        value
    }

    fn rests(&self, parameters: &[f32], reals: &[f32], counts: &[i32], k: u32) -> bool {
        let parameters = Columns::from_fn(|i| parameters[i]);
        Model::rests(self, &parameters, &Columns::from_fn(|i| reals[i]), &Columns::from_fn(|i| counts[i]), k)
    }

    fn integrate_blocks(&self, set: InstructionSet, neurons: Neurons<'_>, step: BlockStep<'_>) -> u64 {
        integrate_blocks(set, self, neurons, step)
    }

    fn integrate_words(
        &self,
        set: InstructionSet,
        neurons: Neurons<'_>,
        currents: &mut [Line],
        k: u32,
        fired: &mut [u64],
        values: &mut Vec<i32>,
    ) -> u64 {
        integrate_words(set, self, neurons, currents, k, fired, values)
    }

    fn integrate_window(&self, set: InstructionSet, neurons: Neurons<'_>, window: WordWindow<'_>) -> u64 {
        integrate_window(set, self, neurons, window)
    }
}
