use snn_engine::{Accumulator, Connectivity, IntegrateFire, Network, Neuron, PopulationId, Sample};

/// Why a rival cannot run a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// The spikes of every neuron of one population over a run, `[size]`.
pub type Counts = Vec<u32>;

/// A simulator of another kind, that runs one sample at a time.
pub trait Rival {
    /// Takes a sample in the form it likes best: not part of the time it needs.
    fn load(&mut self, sample: &Sample, steps: u32);

    /// Runs the sample that was loaded, from step 0.
    fn run(&mut self);

    /// The spikes of the last run.
    fn counts(&self, population: PopulationId) -> Counts;
}

/// Refuses neurons that no rival runs.
pub(crate) fn check_neurons(network: &Network) -> Result<(), Unsupported> {
    for id in network.ids() {
        let population = network.population(id);
        if let Neuron::MaxPool(_) = population.neuron() {
            return Err(Unsupported(format!(
                "population `{}` counts spikes (max pooling)",
                population.name()
            )));
        }
        if let Neuron::Model(model) = population.neuron()
            && model.as_model::<IntegrateFire>().is_none()
            && model.as_model::<Accumulator>().is_none()
        {
            return Err(Unsupported(format!(
                "population `{}` has neurons of the model `{}`",
                population.name(),
                model.description().name
            )));
        }
    }
    Ok(())
}

/// Refuses what the rivals that run population by population do not run.
pub(crate) fn check(network: &Network) -> Result<(), Unsupported> {
    check_neurons(network)?;
    for projection in network.projections() {
        if projection.delay() > 0 {
            let name = network.population(projection.target()).name();
            return Err(Unsupported(format!("spikes reach `{name}` with a delay of {}", projection.delay())));
        }
        if let Connectivity::Conv2d(conv) = projection.connectivity()
            && conv.geometry().pool != [1, 1]
        {
            let name = network.population(projection.target()).name();
            return Err(Unsupported(format!("the convolution into `{name}` pools its input")));
        }
    }
    Ok(())
}
