//! `check --against quantised`: what a network comes to rest at.

use anyhow::{Result, bail};
use serde::Serialize;
use snn_converter::settled::{Emitted, Quantised, Rest, Wrong};
use snn_engine::{AnySimulator, Memory, Mode, Network, NetworkError, run_samples};

use crate::commands::Usage;
use crate::samples::{Net, QUIET_STEPS, Samples};
use crate::{output, progress, table};

#[derive(Serialize)]
pub struct Report {
    equal: bool,
    samples: usize,
    /// Counts that are those of the network with exact sums, and those beside them where rounding errors decide.
    counts: u64,
    ties: u64,
    /// Neurons, over all samples, where rounding errors could decide.
    near: u64,
    most_steps: u64,
    populations: Vec<PopulationReport>,
    /// What the user should know about the runs.
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parting: Option<Parting>,
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    neurons: usize,
    near: u64,
    ties: u64,
}

#[derive(Serialize)]
struct Parting {
    sample: usize,
    population: String,
    /// In the user's order.
    neuron: usize,
    /// What it received, in thresholds, and by how much rounding errors can change that.
    received: f64,
    rounding_error: f64,
    found: f64,
    wanted: f64,
}

/// What one sample came to rest at, and after how many steps.
type Rested = (Vec<Rest>, Option<u64>);

/// Runs every sample until the network is quiet and compares all counts with the quantised network.
pub fn check(net: &Net, samples: &Samples, threads: usize) -> Result<Report> {
    let network = &net.network;
    if !samples.input.arrives_once() {
        return Err(Usage(format!(
            "--against quantised: a network comes to rest at the quantised one if its input arrives once, and this one is given \
             as {}; leave --encoding out for a network of settling neurons (convert --neuron settle)",
            samples.encoding.name()
        ))
        .into());
    }
    let quantised = Quantised::of(network)?;
    let limit = u64::from(samples.steps.max(QUIET_STEPS));
    let threads = net.simulators(Memory::of(Mode::Auto, network, limit), threads)?;
    let simulator = AnySimulator::new(Mode::Auto, network.clone());
    let bar = progress::bar(samples.range.len(), "check");
    let rested: Vec<Rested> = run_samples(samples.range.clone(), threads, &simulator, |simulator, index| {
        let sample = samples.input.sample(network, index, 1)?;
        let mut emitted = Emitted::none(network);
        let simulator = simulator.get();
        simulator.start(&sample.drive);
        let steps = simulator.run_until_quiet(&sample, limit, &mut emitted)?;
        let rest = quantised.judge(&sample.drive, &emitted, |population| simulator.potentials(population));
        bar.inc(1);
        Ok::<_, NetworkError>((rest, steps))
    })?;
    bar.finish_and_clear();
    if let Some(place) = rested.iter().position(|(_, steps)| steps.is_none()) {
        bail!(
            "sample {}: the network is not at rest after {limit} steps; give --T for more",
            samples.range.start + place
        );
    }
    Ok(Report::new(network, samples, &rested))
}

impl Report {
    fn new(network: &Network, samples: &Samples, rested: &[Rested]) -> Self {
        let populations: Vec<PopulationReport> = network
            .ids()
            .map(|id| {
                let sum = |of: fn(&Rest) -> usize| {
                    rested.iter().map(|(rest, _)| of(&rest[id.index()]) as u64).sum()
                };
                let population = network.population(id);
                PopulationReport {
                    name: population.name().into(),
                    neurons: population.size(),
                    near: sum(|rest| rest.near),
                    ties: sum(|rest| rest.ties),
                }
            })
            .collect();
        let parting = samples.range.clone().zip(rested).find_map(|(sample, (rest, _))| {
            let wrong = |id: snn_engine::PopulationId| Some((id, rest[id.index()].wrong?));
            let (id, Wrong { neuron, received, error, found, wanted }) = network.ids().find_map(wrong)?;
            let population = network.population(id);
            Some(Parting {
                sample,
                population: population.name().into(),
                neuron: population.layout().user_index(neuron),
                received,
                rounding_error: error,
                found,
                wanted,
            })
        });
        let is_source = |id| network.sources().any(|source| source == id);
        let fires = network.ids().filter(|&id| network.emission(id).fires() && !is_source(id));
        let counts = fires.map(|id| network.population(id).size() as u64).sum::<u64>() * rested.len() as u64;
        Self {
            equal: parting.is_none(),
            samples: rested.len(),
            counts,
            ties: populations.iter().map(|population| population.ties).sum(),
            near: populations.iter().map(|population| population.near).sum(),
            most_steps: rested.iter().filter_map(|(_, steps)| *steps).max().unwrap_or(0),
            populations,
            notes: samples.notes.clone(),
            parting,
        }
    }

    /// Whether every count is the quantised network's, but for ties.
    pub fn is_equal(&self) -> bool {
        self.equal
    }

    pub fn text(&self) -> String {
        if let Some(parting) = &self.parting {
            return format!(
                "DIFFERENT: sample {}, population `{}`, neuron {}: at rest it has {}, and the quantised\nnetwork {}: it received \
                 {:.6} thresholds, which rounding errors change by {:.1e} at most\n",
                parting.sample,
                parting.population,
                parting.neuron,
                parting.found,
                parting.wanted,
                parting.received,
                parting.rounding_error
            );
        }
        let mut text = format!(
            "equal: {}, at rest after {} at most; of {} counts\n       ",
            output::counted(self.samples, "sample"),
            output::counted(usize::try_from(self.most_steps).unwrap_or(usize::MAX), "step"),
            output::count(self.counts)
        );
        if self.ties == 0 {
            return text + "every one is the quantised network's\n";
        }
        text += &format!(
            "all are the quantised network's but {}, whose sums are so near to a half of a level\n       that rounding errors \
             decide; of such sums there are {}:\n\n",
            output::count(self.ties),
            output::count(self.near)
        );
        let rows = self.populations.iter().filter(|population| population.near > 0).map(|population| {
            vec![
                population.name.clone(),
                output::count(population.neurons as u64),
                output::count(population.near),
                output::count(population.ties),
            ]
        });
        text += &table::table(&["population", "neurons", "near a half", "on the other side"], rows);
        text.push('\n');
        text
    }
}
