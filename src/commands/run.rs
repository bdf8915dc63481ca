use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use snn_engine::{AnySimulator, Memory, Mode, Network, NetworkError, Outcome, Statistics, run_batch};
use snn_formats::{Compression, SpikeWriter, write_npy};

use crate::samples::{InputArgs, NetArgs, Samples, read_labels, threads};
use crate::{output, progress};

/// Run a network over samples and tell classes, rates and costs.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event run --net net.bin --T 256 --input x.npy --labels y.npy
  snn-event run --net net.bin --T 64 --input x.npy --encoding poisson --seed 42 --counts counts.npy
  snn-event run --net net.bin --input spikes.npy --encoding raster --json - | jq .accuracy")]
pub struct Run {
    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    input: InputArgs,

    /// Which simulator runs it; the results are the same, bit for bit
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeName,

    /// Threads for the samples, or for each sample if there are fewer [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST))]
    threads: Option<u16>,

    /// True classes, .npy of N whole numbers: the accuracy is told
    #[arg(long, value_parser = output::file(), value_name = "Y.NPY")]
    labels: Option<PathBuf>,

    /// Write the spike counts of the last population, (N, n) uint32; int64 if spikes may be negative
    #[arg(long, value_parser = output::file(), value_name = "COUNTS.NPY")]
    counts: Option<PathBuf>,

    /// Write the last potentials of the last population, (N, n) float32
    #[arg(long, value_parser = output::file(), value_name = "V.NPY")]
    potentials: Option<PathBuf>,

    /// Write all spikes: POPULATION.node_ids, .timestamps and .sample_ptr
    #[arg(long, value_parser = output::file(), value_name = "SPIKES.NPZ")]
    spikes: Option<PathBuf>,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// Event-driven, population by population over windows of steps, each by the cheapest kernel
    Auto,
    /// Event-driven, step by step: only what a spike reaches is computed
    Event,
    /// The dense reference: every synapse in every step; slow
    Dense,
}

impl ModeName {
    pub fn mode(self) -> Mode {
        match self {
            Self::Auto => Mode::Auto,
            Self::Event => Mode::Event,
            Self::Dense => Mode::Dense,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Event => "event",
            Self::Dense => "dense",
        }
    }
}

/// What a run gave, for programs. Numbers of events are sums over all samples.
#[derive(Serialize)]
struct Report {
    net: String,
    input: String,
    samples: usize,
    #[serde(rename = "T")]
    steps: u32,
    mode: &'static str,
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    seconds_per_sample: f64,
    seconds: f64,
    predictions: Vec<usize>,
    /// Multiply-adds spent once per sample on constant currents.
    drive_operations: u64,
    populations: Vec<PopulationReport>,
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    neurons: usize,
    spikes: u64,
    rate: f64,
    synaptic_operations: u64,
    dense_operations: u64,
    updates: u64,
}

impl Run {
    pub fn run(self) -> Result<ExitCode> {
        self.check_files()?;
        let net = self.net.read()?;
        let network = net.network.clone();
        let samples = self.input.read(&network)?;
        let labels =
            self.labels.as_deref().map(|path| read_labels(path, samples.input.samples())).transpose()?;
        let mut spikes = self.spikes.as_ref().map(|path| spike_writer(path, &network)).transpose()?;
        let memory = Memory::of(self.mode.mode(), &network, u64::from(samples.steps));
        let memory = memory.and_outcomes(&network, samples.range.len());
        let threads = net.simulators(memory, threads(self.threads.map(usize::from)))?;
        let simulator = AnySimulator::new(self.mode.mode(), network.clone());
        let (simulator, side_by_side) = simulator.over_threads(threads, samples.range.len());
        let bar = progress::bar(samples.range.len(), "run");
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(samples.range.len());
        let mut seconds = 0.0;
        // Spikes are written in order of the samples, so they are kept for one portion at a time.
        let portion = if spikes.is_some() { 32 * threads } else { samples.range.len() };
        for first in samples.range.clone().step_by(portion) {
            let range = first..samples.range.end.min(first + portion);
            let started = Instant::now();
            let (input, steps, keep) = (&samples.input, samples.steps, self.spikes.is_some());
            let mut portion = run_batch(range, side_by_side, &simulator, input, steps, keep, |ended| {
                bar.inc(ended as u64);
                Ok::<_, NetworkError>(())
            })?;
            seconds += started.elapsed().as_secs_f64();
            if let Some(writer) = &mut spikes {
                portion.iter_mut().try_for_each(|outcome| add_spikes(writer, outcome))?;
            }
            outcomes.append(&mut portion);
        }
        bar.finish_and_clear();
        if let Some(writer) = spikes {
            writer.finish()?;
        }
        self.write_arrays(&network, &outcomes)?;
        let report = self.report(&network, &samples, labels.as_deref(), &outcomes, threads, seconds);
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check_files(&self) -> Result<()> {
        let inputs = [
            ("--net", Some(self.net.net.as_path())),
            ("--input", Some(self.input.input.as_path())),
            ("--labels", self.labels.as_deref()),
        ];
        let outputs = [
            ("--counts", self.counts.as_deref()),
            ("--potentials", self.potentials.as_deref()),
            ("--spikes", self.spikes.as_deref()),
            ("--json", self.json.as_deref()),
        ];
        output::check(&inputs, &outputs)
    }

    fn write_arrays(&self, network: &Network, outcomes: &[Outcome]) -> Result<()> {
        let shape = [outcomes.len(), network.population(network.output()).size()];
        if let Some(path) = &self.counts {
            let counts = outcomes.iter().flat_map(|outcome| outcome.counts.iter().copied());
            if network.emission(network.output()).negative {
                write_npy(path, &shape, &counts.collect::<Vec<i64>>())?;
            } else {
                let counts: Vec<u32> = counts.map(u32::try_from).collect::<Result<_, _>>().context(
                    "a neuron's spike count does not fit the 32 bits of --counts; run fewer steps",
                )?;
                write_npy(path, &shape, &counts)?;
            }
        }
        if let Some(path) = &self.potentials {
            let potentials: Vec<f32> =
                outcomes.iter().flat_map(|outcome| outcome.potentials.iter().copied()).collect();
            write_npy(path, &shape, &potentials)?;
        }
        Ok(())
    }

    fn report(
        &self,
        network: &Network,
        samples: &Samples,
        labels: Option<&[i64]>,
        outcomes: &[Outcome],
        threads: usize,
        seconds: f64,
    ) -> Report {
        let mut sums = Statistics::zero(network);
        for outcome in outcomes {
            sums += &outcome.statistics;
        }
        let populations = network
            .ids()
            .map(|id| {
                let (population, of) = (network.population(id), sums.of(id));
                PopulationReport {
                    name: population.name().to_owned(),
                    neurons: population.size(),
                    spikes: of.spikes,
                    rate: of.spikes as f64 / (population.size().max(1) as f64 * sums.steps.max(1) as f64),
                    synaptic_operations: of.synaptic_operations,
                    dense_operations: network.dense_operations(id) * sums.steps,
                    updates: of.updates,
                }
            })
            .collect();
        let predictions: Vec<usize> = outcomes.iter().map(|outcome| outcome.class).collect();
        let accuracy = labels.map(|labels| {
            let pairs = predictions.iter().zip(&labels[samples.range.clone()]);
            pairs.filter(|(class, label)| i64::try_from(**class) == Ok(**label)).count() as f64
                / outcomes.len() as f64
        });
        Report {
            net: self.net.net.display().to_string(),
            input: self.input.input.display().to_string(),
            samples: outcomes.len(),
            steps: samples.steps,
            mode: self.mode.name(),
            encoding: self.input.encoding.name(),
            seed: (self.input.encoding == crate::samples::EncodingName::Poisson).then_some(self.input.seed),
            threads,
            accuracy,
            seconds_per_sample: seconds / outcomes.len() as f64,
            seconds,
            predictions,
            drive_operations: outcomes.iter().map(|outcome| outcome.drive_operations).sum(),
            populations,
        }
    }
}

fn spike_writer(path: &PathBuf, network: &Network) -> Result<SpikeWriter> {
    let names = network.populations().iter().map(|population| population.name());
    Ok(SpikeWriter::create(path, names, Compression::Deflated)?)
}

/// Writes the spikes of a sample and frees them.
fn add_spikes(writer: &mut SpikeWriter, outcome: &mut Outcome) -> Result<()> {
    let rasters = outcome.spikes.take().unwrap_or_default();
    Ok(writer.add_sample(&rasters.iter().collect::<Vec<_>>())?)
}

/// The most classes that are listed for people.
const LISTED: usize = 100;

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{} samples, T = {}, {} input, {} mode, {} threads\n\n",
            self.samples, self.steps, self.encoding, self.mode, self.threads
        );
        text += "predicted classes:";
        for (place, class) in self.predictions.iter().take(LISTED).enumerate() {
            text += if place % 25 == 0 { "\n  " } else { " " };
            text += &class.to_string();
        }
        if self.predictions.len() > LISTED {
            text += &format!("\n  … and {} more (all in --json)", self.predictions.len() - LISTED);
        }
        text += "\n\n";
        if let Some(accuracy) = self.accuracy {
            let right = (accuracy * self.samples as f64).round();
            text += &format!("accuracy: {} ({right} of {})\n\n", output::percent(accuracy), self.samples);
        }
        let per_sample = |number: u64| number as f64 / self.samples as f64;
        let rows = self.populations.iter().map(|population| {
            vec![
                population.name.clone(),
                output::count(population.neurons as u64),
                format!("{:.1}", per_sample(population.spikes)),
                output::percent(population.rate),
                format!("{:.0}", per_sample(population.synaptic_operations)),
                format!("{:.0}", per_sample(population.dense_operations)),
                format!("{:.0}", per_sample(population.updates)),
            ]
        });
        let head = [
            "per sample",
            "neurons",
            "spikes",
            "rate",
            "synaptic operations",
            "dense operations",
            "touched potentials",
        ];
        text += &output::table(&head, rows).to_string();
        if self.drive_operations > 0 {
            text += &format!(
                "\n\nconstant currents: {:.0} multiply-adds, once per sample",
                per_sample(self.drive_operations)
            );
        }
        text += &format!("\n\ntime per sample: {}\n", output::duration(self.seconds_per_sample));
        text
    }
}
