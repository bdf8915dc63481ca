use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use snn_engine::{Delivery, Encoding, Input, Network, instruction_sets};
use snn_rivals::{LayerStudy, Study, Times, Unsupported, study};

use crate::commands::{Usage, generate};
use crate::samples::{DEFAULT_STEPS, EncodingName, InputArgs, NetArgs};
use crate::{output, table};

/// Time a network on this machine beside its rivals: dense products over all steps, and the plain scatter loop.
///
/// All run the same samples on one thread, in turns; the best run of each sample counts, in processor time. Before, their spikes are
/// compared: those of the scatter loop must be equal, those of the dense products, which round differently, within 1 %.
/// A ratio says how many times faster the network runs here than with the rival.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("spikes").required(true).args(["input", "rate"]), after_help = "Examples:
  snn-event bench --net net.bin --T 256 --input x.npy
  snn-event bench --net net.bin --T 256 --rate 0.05 --json - | jq .ratio_dense")]
pub struct Bench {
    #[command(flatten)]
    net: NetArgs,

    /// The samples: .npy of shape (N, …), each as large as the network's input
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    input: Option<PathBuf>,

    /// Random input spikes instead: their probability per neuron and step
    #[arg(long, value_parser = generate::rate, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// How the samples of --input drive the network
    #[arg(long, value_enum, default_value = "constant", conflicts_with = "rate")]
    encoding: EncodingName,

    /// Number of steps [default: 256, or the steps of the raster]
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    steps: Option<u32>,

    /// How many samples are run: the first ones of --input, or so many of --rate
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..), allow_negative_numbers = true)]
    samples: u16,

    /// Seed of random spikes
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,

    /// About how long to measure, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    time: u32,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    net: String,
    machine: Machine,
    input: String,
    samples: usize,
    #[serde(rename = "T")]
    steps: u32,
    /// Weights delivered, per sample.
    synaptic_operations: f64,
    /// Spikes emitted, per sample, those of the input included.
    spikes: f64,
    /// Processor time of one thread: the best runs, the spikes given. `run` tells the time by the clock on the wall.
    processor_seconds_per_sample: f64,
    median_processor_seconds_per_sample: f64,
    /// The best runs of encoder, simulation and read-out together.
    whole_processor_seconds_per_sample: f64,
    operations_per_second: f64,
    populations: Vec<PopulationReport>,
    dense: RivalReport,
    scatter: RivalReport,
    /// How many times longer the dense products take; absent if they were not run.
    ratio_dense: Option<f64>,
    /// How many times longer the scatter loop takes; absent if it was not run.
    ratio_scatter: Option<f64>,
    /// Weights that this machine can add to distinct places, one by one, in a second.
    limit_operations_per_second: f64,
    fraction_of_limit: f64,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    instruction_sets: Vec<&'static str>,
    threads: usize,
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    neurons: usize,
    /// Weights delivered to it in the first sample.
    synaptic_operations: u64,
    kernel: &'static str,
    /// By itself, in the first sample, on one thread.
    processor_seconds: f64,
    share: f64,
}

#[derive(Serialize)]
struct RivalReport {
    processor_seconds_per_sample: Option<f64>,
    median_processor_seconds_per_sample: Option<f64>,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        let inputs = [("--net", Some(self.net.net.as_path())), ("--input", self.input.as_deref())];
        output::check(&inputs, &[("--json", self.json.as_deref())])?;
        let network = self.net.read()?;
        let (input, steps) = self.input(&network)?;
        let samples = usize::from(self.samples).min(input.samples());
        let time = Duration::from_secs(u64::from(self.time));
        let study = study(&network, &input, samples, steps, time)?;
        let report = self.report(&network, &study);
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn input(&self, network: &Network) -> Result<(Input, u32)> {
        if let Some(path) = &self.input {
            let args = InputArgs {
                input: path.clone(),
                steps: self.steps,
                encoding: self.encoding,
                seed: self.seed,
                batch_range: None,
            };
            let samples = args.read(network)?;
            return Ok((samples.input, samples.steps));
        }
        let Some(rate) = self.rate else {
            return Err(Usage("--input or --rate: one of them is needed".to_owned()).into());
        };
        let width: usize = network.sources().map(|source| network.population(source).size()).sum();
        let x = vec![rate as f32; width * usize::from(self.samples)];
        let input = Input::values(network, x, Encoding::Poisson { seed: self.seed })?;
        Ok((input, self.steps.unwrap_or(DEFAULT_STEPS)))
    }

    fn report(&self, network: &Network, study: &Study) -> Report {
        let total = study.statistics.total();
        let per_sample = |number: u64| number as f64 / study.samples as f64;
        let operations = per_sample(total.synaptic_operations);
        let seconds = study.layers.best();
        let ratio = |rival: &Result<Times, Unsupported>| rival.as_ref().ok().map(|one| one.best() / seconds);
        let of_layers: f64 = study.each.iter().map(|layer| layer.times.best()).sum();
        let input = match (&self.input, self.rate) {
            (Some(path), _) => format!("{} ({} encoding)", path.display(), self.encoding.name()),
            (None, Some(rate)) => format!("random spikes, {}, seed {}", output::percent(rate), self.seed),
            (None, None) => String::new(),
        };
        Report {
            net: self.net.net.display().to_string(),
            machine: Machine::this(),
            input,
            samples: study.samples,
            steps: study.steps,
            synaptic_operations: operations,
            spikes: per_sample(total.spikes),
            processor_seconds_per_sample: seconds,
            median_processor_seconds_per_sample: study.layers.median(),
            whole_processor_seconds_per_sample: study.whole.best(),
            operations_per_second: operations / seconds,
            populations: study
                .each
                .iter()
                .map(|layer| PopulationReport::new(network, layer, of_layers))
                .collect(),
            dense: RivalReport::new(&study.dense),
            scatter: RivalReport::new(&study.scatter),
            ratio_dense: ratio(&study.dense),
            ratio_scatter: ratio(&study.scatter),
            limit_operations_per_second: study.limit,
            fraction_of_limit: operations / seconds / study.limit,
        }
    }
}

impl Machine {
    /// The machine that this runs on, as far as it tells.
    fn this() -> Self {
        // Only Linux has this file, and only on some processors this line.
        let description = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = description.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            processor: model.map_or("unknown".to_owned(), |(_, name)| name.trim().to_owned()),
            instruction_sets: instruction_sets(),
            threads: snn_engine::default_threads(),
        }
    }
}

impl PopulationReport {
    fn new(network: &Network, layer: &LayerStudy, of_layers: f64) -> Self {
        let population = network.population(layer.population);
        let kernel = match layer.delivery {
            Some(delivery) => name(delivery),
            None => "steps",
        };
        let seconds = layer.times.best();
        Self {
            name: population.name().to_owned(),
            neurons: population.size(),
            synaptic_operations: layer.synaptic_operations,
            kernel,
            processor_seconds: seconds,
            share: seconds / of_layers,
        }
    }
}

/// What people call a delivery.
fn name(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Rows => "rows",
        Delivery::Tiles => "tiles",
        Delivery::TimeLanes => "time lanes",
    }
}

impl RivalReport {
    fn new(times: &Result<Times, Unsupported>) -> Self {
        Self {
            processor_seconds_per_sample: times.as_ref().ok().map(Times::best),
            median_processor_seconds_per_sample: times.as_ref().ok().map(Times::median),
            left_out: times.as_ref().err().map(ToString::to_string),
        }
    }

    fn row(&self, name: &str, ratio: Option<f64>) -> Vec<String> {
        let time = |seconds: Option<f64>| seconds.map_or("–".to_owned(), output::duration);
        let ratio = match (&self.left_out, ratio) {
            (Some(_), _) => "not run".to_owned(),
            (None, ratio) => ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
        };
        vec![
            name.to_owned(),
            time(self.processor_seconds_per_sample),
            time(self.median_processor_seconds_per_sample),
            ratio,
        ]
    }
}

/// Operations a second, in billions.
fn giga(operations: f64) -> String {
    format!("{:.2} G/s", operations / 1e9)
}

impl Report {
    fn text(&self) -> String {
        let machine = &self.machine;
        let sets = machine.instruction_sets.join(", ");
        let mut text = format!(
            "{}, {}, of which one is used\n({sets})\n{}, {}\n{}, T = {}, {} spikes and {} synaptic operations each\n\n",
            machine.processor,
            output::counted(machine.threads, "thread"),
            self.net,
            self.input,
            output::counted(self.samples, "sample"),
            output::count(self.steps.into()),
            output::decimal(self.spikes, 0),
            output::decimal(self.synaptic_operations, 0)
        );
        text += "processor time of one thread, per sample:\n";
        let head = ["", "best", "median", "times as long"];
        let own = |name: &str, best: f64, median: String| {
            vec![
                name.to_owned(),
                output::duration(best),
                median,
                format!("{:.2}", best / self.processor_seconds_per_sample),
            ]
        };
        let rows = [
            own(
                "simulation",
                self.processor_seconds_per_sample,
                output::duration(self.median_processor_seconds_per_sample),
            ),
            own("with encoder and read-out", self.whole_processor_seconds_per_sample, "–".to_owned()),
            self.scatter.row("rival: scatter loop", self.ratio_scatter),
            self.dense.row("rival: dense product over all steps", self.ratio_dense),
        ];
        text += &format!("{}\n\n", table::table(&head, rows));
        for (name, rival) in [("scatter loop", &self.scatter), ("dense product", &self.dense)] {
            if let Some(why) = &rival.left_out {
                text += &format!("note: the {name} was not run: {why}\n\n");
            }
        }
        let rows = self.populations.iter().map(|population| {
            vec![
                population.name.clone(),
                output::count(population.neurons as u64),
                output::count(population.synaptic_operations),
                population.kernel.to_owned(),
                output::duration(population.processor_seconds),
                output::percent(population.share),
            ]
        });
        let head = ["first sample", "neurons", "synaptic\noperations", "kernel", "by itself", "share"];
        text += &format!("{}\n\n", table::table(&head, rows));
        text += &format!(
            "{}: {:.2} of the scatter limit of this machine, {}\n",
            giga(self.operations_per_second),
            self.fraction_of_limit,
            giga(self.limit_operations_per_second)
        );
        text
    }
}
