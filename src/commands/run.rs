use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use snn_engine::{
    AnySimulator, Memory, Mode, Network, NetworkError, Outcome, Raster, Statistics, Until, run_batch,
};
use snn_formats::{Compression, Provenance, SpikeWriter, write_npy};
use snn_research::{PopulationDigest, RunOutcomes, SpikeDigest};

use crate::commands::Usage;
use crate::parts::PartArgs;
use crate::samples::{InputArgs, Labels, Net, NetArgs, Samples, read_labels, threads};
use crate::{output, progress, provenance, table};

/// Run a network over samples and tell classes, rates and costs.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event run --net net.bin --T 256 --input x.npy --labels y.npy
  snn-event run --net net.bin --T 64 --input x.npy --encoding poisson --seed 42 --counts counts.npy
  snn-event run --net net.bin --input spikes.npy --encoding raster --json - | jq .accuracy
  snn-event run --net net.bin --input x.npy --shard 1/2 --part 1.json    # and 2/2, on another machine; then
  snn-event run --net net.bin --input x.npy --labels y.npy --join 1.json 2.json --counts counts.npy")]
pub struct Run {
    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    parts: PartArgs,

    /// Which simulator runs it; the results are the same, bit for bit
    #[arg(long, value_enum, default_value = "auto")]
    mode: ModeName,

    /// Threads for the samples, or for each sample if there are fewer [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,

    /// True classes, .npy of N whole numbers: the accuracy is told
    #[arg(long, value_parser = output::file(), value_name = "Y.NPY")]
    labels: Option<PathBuf>,

    /// Write what the values of the spikes of the last population sum up to, (N, n) uint32: their number where all values
    /// are 1; int64 if spikes may be negative
    #[arg(long, value_parser = output::file(), value_name = "COUNTS.NPY")]
    counts: Option<PathBuf>,

    /// Write the last potentials of the last population, (N, n) float32
    #[arg(long, value_parser = output::file(), value_name = "V.NPY")]
    potentials: Option<PathBuf>,

    /// Write the trained net's outputs as the run estimates them, in their own unit, (N, n) float32
    #[arg(long, value_parser = output::file(), value_name = "OUTPUTS.NPY")]
    outputs: Option<PathBuf>,

    /// Write all spikes: POPULATION.node_ids, .timestamps and .sample_ptr; .values where not all are 1
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

    pub fn name(self) -> &'static str {
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
    provenance: Provenance,
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
    /// By the clock on the wall, all threads together; the rivals are timed in processor time of one thread.
    wall_seconds: f64,
    wall_seconds_per_sample: f64,
    predictions: Vec<usize>,
    /// What the user should know about the run.
    notes: Vec<String>,
    /// Of runs until the network is quiet, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet: Option<QuietReport>,
    populations: Vec<PopulationReport>,
    /// Which spikes each population emitted, of all samples together; none of runs that are too long to keep them.
    spike_digests: Option<Vec<PopulationDigest>>,
}

#[derive(Serialize)]
struct QuietReport {
    /// Samples in which the network came to rest.
    samples: usize,
    /// Steps after which it did, of every sample.
    after: Vec<Option<u64>>,
    /// Of those that came to rest; absent if none did.
    mean_steps: Option<f64>,
    most_steps: Option<u64>,
}

impl QuietReport {
    fn of(outcomes: &[Outcome]) -> Self {
        let after: Vec<Option<u64>> = outcomes.iter().map(|outcome| outcome.quiet_after).collect();
        let rested: Vec<u64> = after.iter().flatten().copied().collect();
        let most_steps = rested.iter().copied().max();
        let mean_steps = most_steps.map(|_| rested.iter().sum::<u64>() as f64 / rested.len() as f64);
        Self { samples: rested.len(), after, mean_steps, most_steps }
    }
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    neurons: usize,
    /// Events, whatever their values.
    spikes: u64,
    /// The sum of the magnitudes of their values: as many as there are spikes where all values are 1.
    magnitude: u64,
    rate: f64,
    /// Weights that spikes delivered to it.
    synaptic_operations: u64,
    /// Multiply-adds that a dense simulator makes in all steps for what arrives as spikes.
    dense_operations: u64,
    /// Multiply-adds spent on its currents from the input, once per sample.
    drive_operations: u64,
    /// Those that a dense simulator makes for them, once per sample.
    dense_drive_operations: u64,
    updates: u64,
}

impl Run {
    pub fn run(self) -> Result<ExitCode> {
        self.check_files()?;
        let net = self.net.read()?;
        let network = &net.network;
        let mut samples = self.input.read(&net)?;
        let parted = self.parts.of(&net, &self.input, &mut samples, [])?;
        let classes = network.population(network.output()).size();
        let read = |path| read_labels(path, samples.input.samples(), classes);
        let labels = self.labels.as_deref().map(read).transpose()?;
        if self.outputs.is_some() && net.description.unit(network.output().index()).is_none() {
            bail!(
                "{}: it does not say what its outputs stand for, so --outputs cannot be written; a network that `convert` makes \
                 of a trained net does",
                self.net.net.display()
            );
        }
        output::notes(&samples.notes);
        let gave = parted.or_run(network, &samples, || self.simulate(&net, &samples))?;
        let RunOutcomes { outcomes, digests, seconds, threads } = gave;
        self.write_arrays(&net, &outcomes, samples.input.arrives_once())?;
        let mut report = self.report(&net, &samples, labels.as_ref(), &outcomes, threads, seconds);
        report.provenance = report.provenance.options(parted.options());
        report.spike_digests = digests.map(|digests| PopulationDigest::all(network, &digests));
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn simulate(&self, net: &Net, samples: &Samples) -> Result<RunOutcomes> {
        let network = &net.network;
        let mut spikes = self.spikes.as_ref().map(|path| spike_writer(path, network)).transpose()?;
        let memory = Memory::of(self.mode.mode(), network, u64::from(samples.steps));
        let memory = memory.and_outcomes(network, samples.range.len());
        let threads = net.simulators(memory, threads(self.threads.map(usize::from)))?;
        let simulator = AnySimulator::new(self.mode.mode(), network.clone());
        let (simulator, side_by_side) = simulator.over_threads(threads, samples.range.len());
        let bar = progress::bar(samples.range.len(), "run");
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(samples.range.len());
        let mut seconds = 0.0;
        // The report has digests of the spikes, unless a place for every step of the samples at work is too much to keep.
        let mut digests = vec![SpikeDigest::default(); network.populations().len()];
        let places = u64::from(samples.steps) * (digests.len() * threads * size_of::<usize>()) as u64;
        let digested = (self.json.is_some() || self.parts.is_kept()) && places <= net.memory_limit / 2;
        let pool = match digested {
            true => Some(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?),
            false => None,
        };
        let keep = spikes.is_some() || pool.is_some();
        // Spikes are taken in order of the samples, so they are kept for one portion at a time: a small one before it is known
        // what they take.
        let mut together = if keep { threads } else { samples.range.len() };
        let mut first = samples.range.start;
        while first < samples.range.end {
            let range = first..samples.range.end.min(first + together);
            first = range.end;
            let started = Instant::now();
            let (input, until) = (&samples.input, samples.until);
            let mut portion =
                run_batch(range.clone(), side_by_side, &simulator, input, until, keep, |ended| {
                    bar.inc(ended as u64);
                    Ok::<_, NetworkError>(())
                })?;
            seconds += started.elapsed().as_secs_f64();
            if keep {
                let most = portion.iter().map(bytes_of_spikes).max().unwrap_or(0).max(1);
                let fit = usize::try_from(net.memory_limit / 4 / most).unwrap_or(usize::MAX);
                together = fit.clamp(threads, 32 * threads);
            }
            if let Some(pool) = &pool {
                pool.install(|| digests_of(range.start, &portion)).iter().for_each(|sample| {
                    digests.iter_mut().zip(sample).for_each(|(digest, part)| digest.merge(part));
                });
            }
            for outcome in &mut portion {
                // Freed when they are written.
                let rasters = outcome.spikes.take().unwrap_or_default();
                if let Some(writer) = &mut spikes {
                    writer.add_sample(&rasters.iter().collect::<Vec<_>>())?;
                }
            }
            outcomes.append(&mut portion);
        }
        bar.finish_and_clear();
        if let Some(writer) = spikes {
            writer.finish()?;
        }
        let digests = digested.then_some(digests);
        Ok(RunOutcomes { outcomes, digests, seconds, threads })
    }

    fn check_files(&self) -> Result<()> {
        if self.parts.joins() && self.spikes.is_some() {
            return Err(
                Usage("--spikes: parts that are joined have written their own; leave it out".into()).into()
            );
        }
        let mut inputs = vec![
            ("--net", Some(self.net.net.as_path())),
            ("--input", Some(self.input.input.as_path())),
            ("--labels", self.labels.as_deref()),
        ];
        inputs.extend(self.parts.inputs());
        let outputs = [
            self.parts.output(),
            ("--counts", self.counts.as_deref()),
            ("--potentials", self.potentials.as_deref()),
            ("--outputs", self.outputs.as_deref()),
            ("--spikes", self.spikes.as_deref()),
            ("--json", self.json.as_deref()),
        ];
        output::check(&inputs, &outputs)
    }

    fn write_arrays(&self, net: &Net, outcomes: &[Outcome], once: bool) -> Result<()> {
        let network = &net.network;
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
        if let Some(path) = &self.outputs {
            let of = |outcome| net.description.outputs(network, outcome, once).unwrap_or_default();
            write_npy(path, &shape, &outcomes.iter().flat_map(of).collect::<Vec<f32>>())?;
        }
        Ok(())
    }

    fn report(
        &self,
        net: &Net,
        samples: &Samples,
        labels: Option<&Labels>,
        outcomes: &[Outcome],
        threads: usize,
        seconds: f64,
    ) -> Report {
        let network = &*net.network;
        let mut sums = Statistics::zero(network);
        for outcome in outcomes {
            sums += &outcome.statistics;
        }
        let currents = samples.input.is_constant() || samples.input.arrives_once();
        let populations = network
            .ids()
            .map(|id| {
                let (population, of) = (network.population(id), sums.of(id));
                let dense = network.dense_operations(id, currents);
                PopulationReport {
                    name: population.name().to_owned(),
                    neurons: population.size(),
                    spikes: of.spikes,
                    magnitude: of.magnitude,
                    rate: of.spikes as f64 / (population.size().max(1) as f64 * sums.steps.max(1) as f64),
                    synaptic_operations: of.synaptic_operations,
                    dense_operations: dense.per_step * sums.steps,
                    drive_operations: outcomes
                        .iter()
                        .map(|outcome| outcome.drive_operations[id.index()])
                        .sum(),
                    dense_drive_operations: dense.once * outcomes.len() as u64,
                    updates: of.updates,
                }
            })
            .collect();
        let predictions: Vec<usize> = outcomes.iter().map(|outcome| outcome.class).collect();
        let accuracy = labels.map(|labels| {
            let pairs = predictions.iter().zip(&labels.classes[samples.range.clone()]);
            pairs.filter(|(class, label)| i64::try_from(**class) == Ok(**label)).count() as f64
                / outcomes.len() as f64
        });
        let provenance = provenance::of("run")
            .file("net", Some(net.file.clone()))
            .file("input", samples.file.clone())
            .file("labels", labels.and_then(|labels| labels.file.clone()))
            .options(self.net.options(net.memory_limit))
            .options(self.input.options(samples))
            .options([("mode", json!(self.mode.name())), ("threads", json!(threads))]);
        Report {
            provenance,
            net: self.net.net.display().to_string(),
            input: self.input.input.display().to_string(),
            samples: outcomes.len(),
            steps: samples.steps,
            mode: self.mode.name(),
            encoding: samples.encoding.name(),
            seed: (samples.encoding == crate::samples::EncodingName::Poisson).then_some(self.input.seed),
            threads,
            accuracy,
            wall_seconds: seconds,
            wall_seconds_per_sample: seconds / outcomes.len() as f64,
            predictions,
            notes: samples.notes.clone(),
            quiet: matches!(samples.until, Until::Quiet { .. }).then(|| QuietReport::of(outcomes)),
            populations,
            spike_digests: None,
        }
    }
}

/// The bytes that the spikes take that were kept of a sample.
fn bytes_of_spikes(outcome: &Outcome) -> u64 {
    let of = |raster: &Raster| {
        size_of_val(raster.neurons()) + size_of_val(raster.values()) + size_of_val(raster.starts())
    };
    outcome.spikes.iter().flatten().map(|raster| of(raster) as u64).sum()
}

/// Of each sample, the first of which has this number, the digests of the spikes that were kept, by population.
fn digests_of(first: usize, outcomes: &[Outcome]) -> Vec<Vec<SpikeDigest>> {
    let of = |(place, outcome): (usize, &Outcome)| {
        let sample = (first + place) as u64;
        outcome.spikes.iter().flatten().map(|raster| SpikeDigest::of(sample, raster)).collect()
    };
    outcomes.par_iter().enumerate().map(of).collect()
}

fn spike_writer(path: &PathBuf, network: &Network) -> Result<SpikeWriter> {
    let names = network.populations().iter().map(|population| population.name());
    Ok(SpikeWriter::create(path, names, Compression::Deflated)?)
}

/// The most classes that are listed for people.
const LISTED: usize = 100;

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{}, {}, {} input, {} mode, {}\n\n",
            output::counted(self.samples, "sample"),
            match &self.quiet {
                None => format!("T = {}", output::count(self.steps.into())),
                Some(_) => format!("until quiet, {} at most", output::counted(self.steps as usize, "step")),
            },
            self.encoding,
            self.mode,
            output::counted(self.threads, "thread")
        );
        if let Some(accuracy) = self.accuracy {
            let right = (accuracy * self.samples as f64).round();
            let all = output::count(self.samples as u64);
            text += &format!(
                "accuracy: {} ({} of {all})\n\n",
                output::percent(accuracy),
                output::decimal(right, 0)
            );
        }
        text += "predicted classes:";
        for (place, class) in self.predictions.iter().take(LISTED).enumerate() {
            text += if place % 25 == 0 { "\n  " } else { " " };
            text += &class.to_string();
        }
        if self.predictions.len() > LISTED {
            let more = output::count((self.predictions.len() - LISTED) as u64);
            text += &format!("\n  … and {more} more (all in --json)");
        }
        text += "\n\n";
        if let Some(quiet) = &self.quiet {
            let samples = output::counted(self.samples, "sample");
            let limit = output::counted(self.steps as usize, "step");
            text += &match (quiet.mean_steps, quiet.most_steps) {
                (Some(mean), Some(most)) => format!(
                    "quiet: {} of {samples}, after {} steps on average, {} at most\n\n",
                    output::count(quiet.samples as u64),
                    output::decimal(mean, 1),
                    output::count(most)
                ),
                _ => format!("quiet: none of {samples} within {limit}\n\n"),
            };
        }
        let per_sample = |number: u64| number as f64 / self.samples as f64;
        let whole = |number: u64| output::decimal(per_sample(number), 0);
        let driven = self.populations.iter().any(|population| population.dense_drive_operations > 0);
        let rows = self.populations.iter().map(|population| {
            let mut row = vec![
                population.name.clone(),
                output::count(population.neurons as u64),
                output::decimal(per_sample(population.spikes), 1),
                output::percent(population.rate),
                whole(population.synaptic_operations),
                whole(population.dense_operations),
            ];
            if driven {
                row.extend([whole(population.drive_operations), whole(population.dense_drive_operations)]);
            }
            row.push(whole(population.updates));
            row
        });
        let mut head =
            vec!["per sample", "neurons", "spikes", "rate", "synaptic\noperations", "dense\noperations"];
        if driven {
            head.extend(["input\ncurrents", "dense\ncurrents"]);
        }
        head.push("touched\npotentials");
        text += &table::table(&head, rows);
        if driven {
            text += "\n\ncurrents are made once per sample, here and in a dense simulator";
        }
        text += &format!(
            "\n\nwall time per sample: {}, all of {} together\n",
            output::duration(self.wall_seconds_per_sample),
            output::counted(self.threads, "thread")
        );
        text
    }
}
