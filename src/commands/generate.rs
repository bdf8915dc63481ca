use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use snn_engine::random::{FITTED_STEPS, Fitted, Plan, RandomNetwork};
use snn_formats::{Description, FileDigest, Provenance, write_net};

use crate::commands::Usage;
use crate::{output, provenance, table};

/// Make a random network for studies of speed: of a given density, firing at about a given rate.
///
/// The gain of the weights of each population is fitted so that its neurons fire at the rate when the input
/// fires at the rate. The same flags give the same file on every machine.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("plan").required(true).args(["sizes", "conv"]), after_help = "Examples:
  snn-event generate --sizes 784,1200,1200,10 --density 0.1 --rate 0.04 --seed 1 --out net.bin
  snn-event generate --conv 128,16,16,128,3 --density 0.1 --rate 0.05 --out conv.bin
  cargo run --release -p snn-rivals -- --net net.bin --T 256 --rate 0.04")]
pub struct Generate {
    /// Neurons of each population, each fully connected to the next but for what the density leaves out
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    sizes: Vec<u32>,

    /// One convolution, padded to keep height and width: channels, height, width, channels out, kernel size
    #[arg(long, value_name = "C,H,W,C_OUT,K", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    conv: Vec<u32>,

    /// Share of the weights that is there, above 0, up to 1
    #[arg(long, value_parser = density, allow_negative_numbers = true)]
    density: f64,

    /// Spikes per neuron and step, between 0 and 1
    #[arg(long, value_parser = rate, allow_negative_numbers = true)]
    rate: f64,

    /// Bias of every neuron that fires, in thresholds per step
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    bias: f32,

    /// Let the last population fire, too; without it the last one of --sizes only integrates
    #[arg(long)]
    firing_output: bool,

    /// Seed of the weights
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,

    /// Where the network goes
    #[arg(long, value_parser = output::file(), value_name = "NET.BIN")]
    out: PathBuf,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

/// A number in (0, 1].
fn density(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|density| *density > 0.0 && *density <= 1.0)
        .ok_or_else(|| "allowed are numbers above 0, up to 1".to_owned())
}

/// A number in (0, 1).
pub fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| *rate > 0.0 && *rate < 1.0)
        .ok_or_else(|| "allowed are numbers between 0 and 1".to_owned())
}

#[derive(Serialize)]
struct Report {
    provenance: Provenance,
    net: String,
    bytes: u64,
    density: f64,
    rate: f64,
    seed: u64,
    populations: Vec<PopulationReport>,
}

#[derive(Serialize)]
struct PopulationReport {
    name: String,
    neurons: usize,
    stored_weights: u64,
    gain: Option<f32>,
    /// Spikes per neuron and step that were reached.
    rate: Option<f64>,
}

impl Generate {
    pub fn run(self) -> Result<ExitCode> {
        output::check(&[], &[("--out", Some(self.out.as_path())), ("--json", self.json.as_deref())])?;
        let recipe = self.recipe()?;
        let (network, fitted) = recipe.make()?;
        let provenance = self.provenance(&recipe);
        let description = Description { provenance: provenance.portable(), ..Description::default() };
        let digest = write_net(&self.out, &network, &description)?;
        let report = Report {
            provenance: provenance.file("out", Some(FileDigest::new(&self.out, digest))),
            net: self.out.display().to_string(),
            bytes: digest.bytes,
            density: self.density,
            rate: self.rate,
            seed: self.seed,
            populations: fitted.into_iter().map(PopulationReport::from).collect(),
        };
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn recipe(&self) -> Result<RandomNetwork> {
        let plan = match self.conv[..] {
            [] => {
                if self.sizes.len() < 2 {
                    let sizes =
                        format!("{:?}: allowed are two or more, for instance 784,1200,10", self.sizes);
                    return Err(Usage(format!("--sizes {sizes}")).into());
                }
                Plan::Layers(self.sizes.clone())
            }
            [from, height, width, channels, kernel] => {
                if kernel % 2 == 0 {
                    return Err(
                        Usage(format!("--conv: kernel size {kernel}; allowed are odd numbers")).into()
                    );
                }
                Plan::Convolution { source: [from, height, width], channels, kernel }
            }
            _ => {
                return Err(Usage(format!(
                    "--conv {:?}: allowed are five numbers: channels, height, width, channels out, kernel size",
                    self.conv
                ))
                .into());
            }
        };
        // The only population behind a convolution would not be worth a study if it did not fire.
        let firing_output = self.firing_output || matches!(plan, Plan::Convolution { .. });
        let &Self { density, rate, bias, seed, .. } = self;
        Ok(RandomNetwork { plan, density, rate, bias, firing_output, seed })
    }

    fn provenance(&self, recipe: &RandomNetwork) -> Provenance {
        provenance::of("generate").options([
            ("sizes", json!(self.sizes)),
            ("conv", json!(self.conv)),
            ("density", json!(recipe.density)),
            ("rate", json!(recipe.rate)),
            ("bias", json!(recipe.bias)),
            ("firing_output", json!(recipe.firing_output)),
            ("seed", json!(recipe.seed)),
        ])
    }
}

impl From<Fitted> for PopulationReport {
    fn from(fitted: Fitted) -> Self {
        let Fitted { name, neurons, weights, gain, rate } = fitted;
        Self { name, neurons, stored_weights: weights, gain, rate }
    }
}

impl Report {
    fn text(&self) -> String {
        let rows = self.populations.iter().map(|population| {
            vec![
                population.name.clone(),
                output::count(population.neurons as u64),
                output::count(population.stored_weights),
                population.gain.map_or("–".to_owned(), |gain| format!("{gain:.4}")),
                population.rate.map_or("–".to_owned(), output::percent),
            ]
        });
        let head = ["population", "neurons", "weights", "gain", "rate"];
        let table = table::table(&head, rows);
        let asked = output::percent(self.rate);
        format!(
            "{table}\n\nrates are spikes per neuron and step over {FITTED_STEPS} steps; asked for was {asked}\n{}: {}\n",
            self.net,
            output::bytes(self.bytes)
        )
    }
}
