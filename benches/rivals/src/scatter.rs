use std::sync::Arc;

use snn_engine::{Connectivity, Network, Neuron, PopulationId, Raster, Rows, Sample};

use crate::membrane::Neurons;
use crate::rival::{Counts, Rival, Unsupported, check};

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

/// Compressed rows.
struct Table {
    starts: Vec<usize>,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

impl Table {
    fn of(connectivity: &Connectivity) -> Self {
        let mut table = Self { starts: vec![0], targets: vec![], weights: vec![] };
        match connectivity {
            Connectivity::Rows(rows) => table.push_all(rows),
            Connectivity::Conv2d(conv) => table.push_all(conv.rows()),
            Connectivity::OneToOne(one) => {
                for row in 0..one.size() {
                    one.weight(row, row).into_iter().for_each(|weight| table.push(row, weight));
                    table.starts.push(table.weights.len());
                }
            }
        }
        table
    }

    fn push_all(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            rows.fan_out(row, |column, weight| self.push(column, weight));
            self.starts.push(self.weights.len());
        }
    }

    fn push(&mut self, column: usize, weight: f32) {
        // A population has fewer than 2³² neurons.
        self.targets.push(column as u32);
        self.weights.push(weight);
    }

    #[inline]
    fn add(&self, row: usize, currents: &mut [f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        for (&target, &weight) in self.targets[range.clone()].iter().zip(&self.weights[range]) {
            debug_assert!((target as usize) < currents.len(), "target {target} of {}", currents.len());
            // SAFETY: the engine checked that every column is below the width of the rows, and the currents
            // are at least that many: those of the whole population, or the channels of one position.
            unsafe { *currents.get_unchecked_mut(target as usize) += weight };
        }
    }
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
                match projection.connectivity() {
                    Connectivity::Rows(_) | Connectivity::OneToOne(_) => {
                        for &source in arriving {
                            table.add(source as usize, &mut self.currents);
                        }
                    }
                    Connectivity::Conv2d(conv) => {
                        let channels = conv.rows().width();
                        for &source in arriving {
                            conv.taps_of(source as usize, |position, row| {
                                let first = position * channels;
                                table.add(row, &mut self.currents[first..first + channels]);
                            });
                        }
                    }
                }
            }
            neurons.step(step, &self.currents, &mut self.fired);
            self.spikes.clear();
            for (chunk, flags) in self.fired.chunks(16).enumerate() {
                if flags.iter().fold(0, |any, flag| any | flag.to_bits()) != 0 {
                    let fired = (0_u32..).zip(flags).filter(|(_, flag)| **flag > 0.0);
                    self.spikes.extend(fired.map(|(at, _)| chunk as u32 * 16 + at));
                }
            }
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
