use std::sync::Arc;

use snn_engine::{Network, Neuron, PopulationId, Raster, Sample};

use crate::membrane::Neurons;
use crate::rival::{Counts, Rival, Unsupported, check_neurons};
use crate::table::{Table, list};

/// The plain loop step by step, for networks with delays and cycles: the spikes of the last steps wait in a ring; in
/// every step the rows of those that arrive are added to the currents, one weight after the other, and then all
/// membranes are scanned. Its spikes equal those of the engine exactly, as it adds in the same order.
///
/// Memory: 8 bytes per stored weight.
pub struct Stepped {
    network: Arc<Network>,
    tables: Vec<Table>,
    neurons: Vec<Option<Neurons>>,
    given: Vec<Raster>,
    /// `[slots][populations]`
    ring: Vec<Vec<Vec<u32>>>,
    counts: Vec<Counts>,
    steps: u32,
    currents: Vec<f32>,
    fired: Vec<f32>,
}

impl Stepped {
    /// The rival for a network.
    ///
    /// # Errors
    /// If it holds something that this rival does not run.
    pub fn new(network: Arc<Network>) -> Result<Self, Unsupported> {
        check_neurons(&network)?;
        let populations = network.populations();
        Ok(Self {
            tables: network.projections().iter().map(|one| Table::of(one.connectivity())).collect(),
            neurons: network.ids().map(|id| Neurons::of(&network, id)).collect(),
            given: vec![Raster::new(); populations.len()],
            ring: vec![vec![vec![]; populations.len()]; network.longest_delay() as usize + 1],
            counts: populations.iter().map(|population| vec![0; population.size()]).collect(),
            steps: 0,
            currents: vec![],
            fired: vec![],
            network,
        })
    }

    fn step(&mut self, step: u32) {
        let depth = self.ring.len();
        let now = step as usize % depth;
        let network = Arc::clone(&self.network);
        for &id in network.update_order() {
            let mut spikes = std::mem::take(&mut self.ring[now][id.index()]);
            if let Some(neurons) = &mut self.neurons[id.index()] {
                let n = network.population(id).size();
                self.currents.clear();
                self.currents.resize(n, 0.0);
                for (projection, table) in network.projections().iter().zip(&self.tables) {
                    let Some(emitted) = step.checked_sub(projection.delay()) else { continue };
                    if projection.target() != id {
                        continue;
                    }
                    for &source in &self.ring[emitted as usize % depth][projection.source().index()] {
                        table.deliver(projection.connectivity(), source, &mut self.currents);
                    }
                }
                self.fired.resize(n, 0.0);
                neurons.step(step, &self.currents, &mut self.fired);
                list(&self.fired, &mut spikes);
            } else {
                spikes.clear();
                spikes.extend_from_slice(self.given[id.index()].step(step as usize));
            }
            for &neuron in &spikes {
                self.counts[id.index()][neuron as usize] += 1;
            }
            self.ring[now][id.index()] = spikes;
        }
    }
}

impl Rival for Stepped {
    fn load(&mut self, sample: &Sample, steps: u32) {
        self.steps = steps;
        for id in self.network.ids() {
            if let Neuron::Source = self.network.population(id).neuron() {
                let given = sample.spikes.iter().find(|(source, _)| *source == id);
                self.given[id.index()] = given.map_or_else(Raster::new, |(_, raster)| raster.clone());
            }
            if let Some(neurons) = &mut self.neurons[id.index()] {
                neurons.take_drive(&self.network, id, &sample.drive);
            }
        }
    }

    fn run(&mut self) {
        self.ring.iter_mut().flatten().for_each(Vec::clear);
        self.counts.iter_mut().for_each(|counts| counts.fill(0));
        self.neurons.iter_mut().flatten().for_each(Neurons::restart);
        (0..self.steps).for_each(|step| self.step(step));
    }

    fn counts(&self, population: PopulationId) -> Counts {
        self.counts[population.index()].clone()
    }
}
