mod rest;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use snn_engine::{
    AnySimulator, Divergence, Memory, Mode, NetworkError, Until, divergence_at_end, first_divergence,
    run_samples,
};
use snn_formats::Provenance;

use crate::samples::{InputArgs, Net, NetArgs, Samples, threads};
use crate::{output, progress, provenance};

/// Run dense reference and event-driven simulator side by side and compare their states by bits.
///
/// After every step all potentials, counters and spikes under way are compared; the run in windows (--mode auto)
/// is compared at its end. Exit status 1 if they part; the first step, population and neuron are told with both
/// potentials.
///
/// With --against quantised a network that settles is run until it is at rest, and every count is compared with that of the
/// quantised network, which is computed from the weights, without a run, in double precision.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event check --net net.bin --T 64 --input x.npy --encoding poisson --batch-range 0:10
  snn-event check --net settled.bin --input x.npy --against quantised")]
pub struct Check {
    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    input: InputArgs,

    /// What the network is compared with
    #[arg(long, value_enum, default_value = "dense")]
    against: Against,

    /// Threads to spread the samples over [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// The dense reference, step by step, by bits
    Dense,
    /// The network with rounded activations that it comes to rest at
    Quantised,
}

#[derive(Serialize)]
struct Report {
    provenance: Provenance,
    equal: bool,
    samples: usize,
    #[serde(rename = "T")]
    steps: u32,
    until_quiet: bool,
    states_compared: u64,
    /// What the user should know about the runs.
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parting: Option<DivergenceReport>,
}

#[derive(Serialize)]
struct DivergenceReport {
    sample: usize,
    /// The mode whose run differs from the dense reference.
    mode: &'static str,
    step: u64,
    population: String,
    neuron: Option<usize>,
    quantity: &'static str,
    dense: String,
    other: String,
    potentials: Option<[f32; 2]>,
}

impl Check {
    pub fn run(self) -> Result<ExitCode> {
        let inputs = [("--net", Some(self.net.net.as_path())), ("--input", Some(self.input.input.as_path()))];
        output::check(&inputs, &[("--json", self.json.as_deref())])?;
        let net = self.net.read()?;
        let network = &net.network;
        let samples = self.input.read(&net)?;
        output::notes(&samples.notes);
        if self.against == Against::Quantised {
            return self.against_quantised(&net, &samples);
        }
        let until = samples.until;
        let steps = u64::from(samples.steps);
        let memory = [Mode::Dense, Mode::Event, Mode::Auto].map(|mode| Memory::of(mode, network, steps));
        let memory = memory[0].and(memory[1]).and(memory[2]);
        let threads = net.simulators(memory, threads(self.threads.map(usize::from)))?;
        let simulators =
            [Mode::Dense, Mode::Event, Mode::Auto].map(|mode| AnySimulator::new(mode, network.clone()));
        let bar = progress::bar(samples.range.len(), "check");
        let partings =
            run_samples(samples.range.clone(), threads, &simulators, |[dense, event, auto], index| {
                let sample = samples.input.sample(network, index, samples.steps)?;
                let mut parting =
                    first_divergence(dense.get(), event.get(), &sample, until)?.map(|at| ("event", at));
                if parting.is_none() {
                    parting =
                        divergence_at_end(dense.get(), auto.get(), &sample, until)?.map(|at| ("auto", at));
                }
                bar.inc(1);
                Ok::<_, NetworkError>((parting, dense.get().now()))
            })?;
        bar.finish_and_clear();
        let states_compared = partings.iter().map(|(_, steps)| steps).sum();
        let first =
            samples.range.clone().zip(partings).find_map(|(sample, (parting, _))| Some((sample, parting?)));
        let provenance = provenance::of("check")
            .file("net", Some(net.file.clone()))
            .file("input", samples.file.clone())
            .options(self.net.options(net.memory_limit))
            .options(self.input.options(&samples))
            .options([("threads", json!(threads))]);
        let report = Report {
            provenance,
            equal: first.is_none(),
            samples: samples.range.len(),
            steps: samples.steps,
            until_quiet: matches!(until, Until::Quiet { .. }),
            states_compared,
            notes: samples.notes.clone(),
            parting: first
                .map(|(sample, (mode, parting))| DivergenceReport::new(sample, mode, parting, network)),
        };
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(if report.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Check {
    fn against_quantised(&self, net: &Net, samples: &Samples) -> Result<ExitCode> {
        let report = rest::check(net, samples, threads(self.threads.map(usize::from)))?;
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(if report.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl DivergenceReport {
    fn new(sample: usize, mode: &'static str, parting: Divergence, network: &snn_engine::Network) -> Self {
        let population = network.population(parting.difference.population);
        let [dense, other] = parting.difference.values;
        let quantity = parting.difference.quantity;
        // Inputs of a max pooling are counted in the order of its sources, potentials in the user's order.
        let neuron = parting.difference.neuron.map(|neuron| match quantity {
            "potential" => population.layout().user_index(neuron),
            _ => neuron,
        });
        let name = population.name().to_owned();
        let (step, potentials) = (parting.step, parting.potentials);
        Self { sample, mode, step, population: name, neuron, quantity, dense, other, potentials }
    }
}

impl Report {
    fn text(&self) -> String {
        let Some(parting) = &self.parting else {
            return format!(
                "equal: {}, {} {}; all {} states of the event-driven run\n       equal the dense reference, bit for \
                 bit, and so do the final states\n       of the runs in windows (--mode auto)\n",
                output::counted(self.samples, "sample"),
                output::counted(self.steps as usize, "step"),
                if self.until_quiet { "at most, until quiet" } else { "each" },
                output::count(self.states_compared)
            );
        };
        let neuron = parting.neuron.map_or(String::new(), |neuron| format!(", neuron {neuron}"));
        let mut text = format!(
            "DIFFERENT: sample {}, after step {}, population `{}`{neuron}: {} is {} in the dense reference, {} in \
             {} mode\n",
            parting.sample,
            parting.step,
            parting.population,
            parting.quantity,
            parting.dense,
            parting.other,
            parting.mode
        );
        if let Some([dense, other]) = parting.potentials {
            text +=
                &format!("potential v: {dense} in the dense reference, {other} in {} mode\n", parting.mode);
        }
        text
    }
}
