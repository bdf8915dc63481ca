use std::ops::Range;

use snn_converter::ann::Ann;
use snn_converter::forward::forward;
use snn_engine::{AnySimulator, Input, Network, NetworkError, PopulationId, Raster, Until, run_batch};
use snn_formats::Description;

use crate::trained::TrainedError;

/// A closer look at a few samples: which neurons fired when, and how often.
#[derive(Clone, Debug)]
pub struct Look {
    /// The samples.
    pub samples: Range<usize>,
    /// Steps of the run.
    pub steps: u32,
    /// Of the first of them, by population, all spikes; neurons in the user's order.
    pub raster: Vec<Raster>,
    /// By population, `[samples][neurons]`: the sum of the values of the spikes of each neuron, in the user's order.
    pub received: Vec<Vec<i64>>,
}

/// The activations of a layer of the trained net beside what the rates of a population say of them.
#[derive(Clone, Debug)]
pub struct Activations {
    /// The population.
    pub population: PopulationId,
    /// Pairs of activation and estimate, both in the trained net's unit, `[samples][neurons]` in the user's order.
    pub pairs: Vec<[f32; 2]>,
}

/// Runs a few samples and keeps their spikes.
///
/// # Errors
/// If a sample does not fit the network.
pub fn look(
    samples: Range<usize>,
    threads: usize,
    simulator: &AnySimulator,
    input: &Input,
    steps: u32,
) -> Result<Look, NetworkError> {
    let network = simulator.clone().get().network().clone();
    let until = Until::Steps(steps);
    let done = |_| Ok::<_, NetworkError>(());
    let outcomes = run_batch(samples.clone(), threads, simulator, input, until, true, done)?;
    let mut received: Vec<Vec<i64>> = network.populations().iter().map(|_| vec![]).collect();
    let mut first = None;
    for outcome in outcomes {
        let rasters = outcome.spikes.unwrap_or_default();
        for ((raster, received), population) in rasters.iter().zip(&mut received).zip(network.populations()) {
            let from = received.len();
            received.resize(from + population.size(), 0);
            for step in 0..raster.steps() {
                for (neuron, value) in raster.with_values(step).iter() {
                    received[from + neuron as usize] += i64::from(value);
                }
            }
        }
        first.get_or_insert(rasters);
    }
    Ok(Look { samples, steps, raster: first.unwrap_or_default(), received })
}

impl Look {
    /// Every population whose rates stand for a node of the trained net, with the activations of that node. `values` are the
    /// samples as the spiking network takes them, `once` says that input arrived once.
    ///
    /// # Errors
    /// If the samples do not fit the net.
    pub fn activations(
        &self,
        network: &Network,
        description: &Description,
        ann: &Ann,
        as_trained: &[f32],
        once: bool,
    ) -> Result<Vec<Activations>, TrainedError> {
        let steps = if once { 1.0 } else { f64::from(self.steps.max(1)) };
        let mut found = vec![];
        for id in network.ids() {
            let population = network.population(id);
            if !population.neuron().has_potential() || population.neuron().is_read_out() {
                continue;
            }
            let node = ann.iter().find(|(_, node)| node.name == population.name());
            if let (Some((node, of)), Some(unit)) = (node, description.unit(id.index()))
                && of.shape.elements() == population.size()
            {
                found.push((id, node, unit, vec![0.0_f32; self.received[id.index()].len()]));
            }
        }
        let nodes: Vec<_> = found.iter().map(|(_, node, ..)| *node).collect();
        forward(ann, as_trained, &nodes, |activation| {
            for (_, node, _, values) in &mut found {
                if *node == activation.node {
                    let from = activation.first_sample * activation.elements;
                    values[from..from + activation.values.len()].copy_from_slice(activation.values);
                }
            }
        })?;
        let pair = |(id, _, unit, values): (PopulationId, _, &snn_formats::Unit, Vec<f32>)| {
            let layout = network.population(id).layout();
            let size = network.population(id).size();
            let received = &self.received[id.index()];
            // Counts are far below 2^53.
            let estimate =
                |place: usize| unit.value(layout.neuron_at(place % size), received[place] as f64 / steps);
            let pairs = values.iter().enumerate().map(|(place, &value)| [value, estimate(place)]).collect();
            Activations { population: id, pairs }
        };
        Ok(found.into_iter().map(pair).collect())
    }
}
