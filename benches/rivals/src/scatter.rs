use std::sync::Arc;

use snn_engine::{Network, Neuron, PopulationId, Raster, Sample};

use crate::membrane::Neurons;
use crate::rival::{Counts, Rival, Unsupported, check};
use crate::table::{Table, list};

/// The plain scatter loop: for every spike, its row of 32-bit targets and weights is added to the currents, one
/// weight after the other; then all membranes of the population are scanned. Population by population over
/// all steps. Its spikes equal those of the engine exactly, as it adds in the same order.
///
/// Memory: 8 bytes per stored weight.
pub struct Scatter {
    network: Arc<Network>,
    tables: Vec<Table>,
    neurons: Vec<Option<Neurons>>,
    trains: Vec<Raster>,
    steps: u32,
    currents: Vec<f32>,
    fired: Vec<f32>,
    spikes: Vec<u32>,
}

impl Scatter {
    /// The rival for a network.
    ///
    /// # Errors
    /// If it holds something that this rival does not run.
    pub fn new(network: Arc<Network>) -> Result<Self, Unsupported> {
        check(&network)?;
        Ok(Self {
            tables: network.projections().iter().map(|one| Table::of(one.connectivity())).collect(),
            neurons: network.ids().map(|id| Neurons::of(&network, id)).collect(),
            trains: vec![Raster::new(); network.populations().len()],
            steps: 0,
            currents: vec![],
            fired: vec![],
            spikes: vec![],
            network,
        })
    }

    fn run_population(&mut self, id: PopulationId) {
        let network = Arc::clone(&self.network);
        let Some(neurons) = &mut self.neurons[id.index()] else { return };
        let mut train = std::mem::take(&mut self.trains[id.index()]);
        train.clear();
        let n = network.population(id).size();
        self.fired.resize(n, 0.0);
        neurons.restart();
        for step in 0..self.steps {
            self.currents.clear();
            self.currents.resize(n, 0.0);
            for (projection, table) in network.projections().iter().zip(&self.tables) {
                if projection.target() != id {
                    continue;
                }
                let arriving = self.trains[projection.source().index()].step(step as usize);
                for &source in arriving {
                    table.deliver(projection.connectivity(), source, &mut self.currents);
                }
            }
            neurons.step(step, &self.currents, &mut self.fired);
            list(&self.fired, &mut self.spikes);
            train.push_step(&self.spikes);
        }
        self.trains[id.index()] = train;
    }
}

impl Rival for Scatter {
    fn load(&mut self, sample: &Sample, steps: u32) {
        self.steps = steps;
        for id in self.network.ids() {
            if let Neuron::Source = self.network.population(id).neuron() {
                let given = sample.spikes.iter().find(|(source, _)| *source == id);
                self.trains[id.index()] = given.map_or_else(Raster::new, |(_, raster)| raster.clone());
            }
            if let Some(neurons) = &mut self.neurons[id.index()] {
                neurons.take_drive(&self.network, id, &sample.drive);
            }
        }
    }

    fn run(&mut self) {
        for at in 0..self.network.update_order().len() {
            self.run_population(self.network.update_order()[at]);
        }
    }

    fn counts(&self, population: PopulationId) -> Counts {
        let mut counts = vec![0; self.network.population(population).size()];
        let train = &self.trains[population.index()];
        for step in 0..self.steps as usize {
            train.step(step).iter().for_each(|&neuron| counts[neuron as usize] += 1);
        }
        counts
    }
}
