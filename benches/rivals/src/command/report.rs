//! What a study found, as a table and for programs.

use std::path::Path;

use serde::Serialize;
use snn_engine::{Delivery, Network, instruction_sets};
use snn_formats::Provenance;
use snn_rivals::{LayerStudy, Study, Times, Unsupported};

use super::print;

#[derive(Serialize)]
pub struct Report {
    provenance: Provenance,
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
    /// Processor time of one thread: the best runs, the spikes given.
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
    /// By itself, in the first sample.
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

impl Report {
    pub fn new(provenance: Provenance, net: &Path, input: String, network: &Network, study: &Study) -> Self {
        let total = study.statistics.total();
        let per_sample = |number: u64| number as f64 / study.samples as f64;
        let operations = per_sample(total.synaptic_operations);
        let seconds = study.layers.best();
        let ratio = |rival: &Result<Times, Unsupported>| rival.as_ref().ok().map(|one| one.best() / seconds);
        let of_layers: f64 = study.each.iter().map(|layer| layer.times.best()).sum();
        Self {
            provenance,
            net: net.display().to_string(),
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
        Delivery::Gather => "gather",
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
        let time = |seconds: Option<f64>| seconds.map_or("–".to_owned(), print::duration);
        let ratio = match (&self.left_out, ratio) {
            (Some(why), _) => format!("not run: {why}"),
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
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let sets = machine.instruction_sets.join(", ");
        let mut text = format!(
            "{} ({sets}), one of {} threads is used\n{}, {}\n{} samples, T = {}, {:.0} spikes and {:.0} synaptic \
             operations each\n\n",
            machine.processor,
            machine.threads,
            self.net,
            self.input,
            self.samples,
            self.steps,
            self.spikes,
            self.synaptic_operations
        );
        let head = ["processor time a sample", "best", "median", "times as long"];
        let own = |name: &str, best: f64, median: String| {
            vec![
                name.to_owned(),
                print::duration(best),
                median,
                format!("{:.2}", best / self.processor_seconds_per_sample),
            ]
        };
        let rows = [
            own(
                "simulation",
                self.processor_seconds_per_sample,
                print::duration(self.median_processor_seconds_per_sample),
            ),
            own("with encoder and read-out", self.whole_processor_seconds_per_sample, "–".to_owned()),
            self.scatter.row("rival: scatter loop", self.ratio_scatter),
            self.dense.row("rival: dense product over all steps", self.ratio_dense),
        ];
        text += &format!("{}\n\n", print::table(&head, rows));
        let rows = self.populations.iter().map(|population| {
            vec![
                population.name.clone(),
                print::count(population.neurons as u64),
                print::count(population.synaptic_operations),
                population.kernel.to_owned(),
                print::duration(population.processor_seconds),
                print::percent(population.share),
            ]
        });
        let head = ["first sample", "neurons", "synaptic operations", "kernel", "by itself", "share"];
        text += &format!("{}\n\n", print::table(&head, rows));
        text += &format!(
            "{}: {:.2} of the scatter limit of this machine, {}\n",
            giga(self.operations_per_second),
            self.fraction_of_limit,
            giga(self.limit_operations_per_second)
        );
        text
    }
}
