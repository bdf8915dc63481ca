use std::sync::Arc;

use super::until::Until;
use crate::error::NetworkError;
use crate::input::{Input, Sample};
use crate::network::{Layout, Network, PopulationId};
use crate::record::{Raster, Statistics};
use crate::simulator::{Observer, Simulator};
use crate::spikes::SpikeSlice;

/// What one sample gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The sum of the values of the spikes of every neuron of the output population, in the user's order: with spikes of
    /// value 1 their number.
    pub counts: Vec<i64>,
    /// Potentials `v` of the output population after the last step, in the user's order.
    pub potentials: Vec<f32>,
    /// The predicted class: the largest potential of a read-out population, else the largest count; the
    /// lowest index among equals.
    pub class: usize,
    /// After how many steps the network was quiet, in a run [until it is](Until::Quiet); `None` if it was not at the
    /// limit, and in runs of a given length.
    pub quiet_after: Option<u64>,
    /// What happened in the run.
    pub statistics: Statistics,
    /// Multiply-adds spent once on the constant currents into each population, in order of declaration.
    pub drive_operations: Vec<u64>,
    /// All spikes of every population, if they were asked for, neurons in the user's order.
    pub spikes: Option<Vec<Raster>>,
}

/// Counts the spikes of the output population and, if asked, keeps all spikes.
pub(super) struct Recorder<'a> {
    network: &'a Network,
    output: PopulationId,
    counts: Vec<i64>,
    /// Of the output population after the run, in the user's order.
    potentials: Vec<f32>,
    kept: Option<Vec<Raster>>,
    in_user_order: Vec<(u32, i32)>,
}

impl Observer for Recorder<'_> {
    fn spikes(&mut self, population: PopulationId, step: u64, spikes: SpikeSlice<'_>) {
        if population == self.output {
            for (neuron, value) in spikes.iter() {
                self.counts[neuron as usize] += i64::from(value);
            }
        }
        if let Some(rasters) = &mut self.kept {
            let raster = &mut rasters[population.index()];
            while (raster.steps() as u64) < step {
                raster.push_step(&[]);
            }
            let layout = self.network.population(population).layout();
            if let Layout::Flat(_) = layout {
                return raster.push(spikes);
            }
            self.in_user_order.clear();
            // A neuron's place in the user's order is below 2^32, as its id is.
            let in_user_order =
                spikes.iter().map(|(neuron, value)| (layout.user_index(neuron as usize) as u32, value));
            self.in_user_order.extend(in_user_order);
            self.in_user_order.sort_unstable();
            let (neurons, values): (Vec<u32>, Vec<i32>) = self.in_user_order.iter().copied().unzip();
            raster.push(SpikeSlice::of(&neurons, &values));
        }
    }
}

impl<'a> Recorder<'a> {
    pub(super) fn new(network: &'a Network, keep_spikes: bool) -> Self {
        let output = network.output();
        let kept = keep_spikes.then(|| vec![Raster::new(); network.populations().len()]);
        let counts = vec![0; network.population(output).size()];
        Recorder { network, output, counts, potentials: vec![], kept, in_user_order: vec![] }
    }

    /// Takes the potentials `v` that the output population has after the run.
    pub(super) fn read_out(&mut self, v: &[f32]) {
        let layout = self.network.population(self.output).layout();
        self.potentials = (0..v.len()).map(|index| v[layout.neuron_at(index)]).collect();
    }

    /// The outcome of a run, whose potentials were read out.
    pub(super) fn outcome(
        self,
        statistics: &Statistics,
        sample: &Sample,
        quiet_after: Option<u64>,
    ) -> Outcome {
        let population = self.network.population(self.output);
        let layout = population.layout();
        let places = (0..population.size()).map(|index| layout.neuron_at(index));
        let counts: Vec<i64> = places.map(|neuron| self.counts[neuron]).collect();
        let potentials = self.potentials;
        let class = if population.neuron().is_read_out() {
            first_largest(&potentials)
        } else {
            first_largest(&counts)
        };
        Outcome {
            counts,
            potentials,
            class,
            quiet_after,
            statistics: statistics.clone(),
            drive_operations: self.network.ids().map(|id| sample.drive.operations(id)).collect(),
            spikes: self.kept,
        }
    }
}

/// Runs one sample of an input from the beginning, for so many steps or until the network is quiet.
///
/// # Errors
/// If the sample does not fit the network.
pub fn run_sample(
    simulator: &mut dyn Simulator,
    input: &Input,
    index: usize,
    until: impl Into<Until>,
    keep_spikes: bool,
) -> Result<Outcome, NetworkError> {
    let until = until.into();
    run_in_pieces(simulator, input, index, until, keep_spikes, until.most(), || Ok(()))
}

/// The same in pieces of so many steps, at least 1: between two of them `look` may end it by an error.
pub(super) fn run_in_pieces<E: From<NetworkError>>(
    simulator: &mut dyn Simulator,
    input: &Input,
    index: usize,
    until: Until,
    keep_spikes: bool,
    piece: u32,
    look: impl Fn() -> Result<(), E>,
) -> Result<Outcome, E> {
    let network = Arc::clone(simulator.network());
    let sample = input.sample(&network, index, until.most())?;
    let mut recorder = Recorder::new(&network, keep_spikes);
    simulator.start(&sample.drive);
    let most = u64::from(until.most());
    let mut quiet_after = None;
    let mut done = 0;
    while done < most {
        let end = most.min(done + u64::from(piece.max(1)));
        match until {
            Until::Steps(_) => simulator.run(&sample, end - done, &mut recorder)?,
            Until::Quiet { .. } => {
                quiet_after = simulator.run_until_quiet(&sample, end, &mut recorder)?;
                if quiet_after.is_some() {
                    break;
                }
            }
        }
        done = end;
        if done < most {
            look()?;
        }
    }
    recorder.read_out(simulator.potentials(network.output()));
    Ok(recorder.outcome(simulator.statistics(), &sample, quiet_after))
}

/// The place of the largest value, the first among equals; 0 if there are none.
fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut largest = 0;
    for (place, value) in values.iter().enumerate() {
        if *value > values[largest] {
            largest = place;
        }
    }
    largest
}
