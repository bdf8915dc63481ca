//! The samples that are timed: from a file, or random spikes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};
use snn_engine::{Encoding, Input, Network};
use snn_formats::{Array, FileDigest};

use super::print;

/// Steps of a run if neither `--T` nor a raster says how many.
const DEFAULT_STEPS: u32 = 256;

/// Flags that do not go together: exit status 2, as for flags that do not parse.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

#[derive(Args)]
#[command(group = ArgGroup::new("spikes").required(true).args(["input", "rate"]))]
pub struct InputArgs {
    /// The samples: .npy of shape (N, …), each as large as the network's input
    #[arg(long, value_name = "X.NPY")]
    input: Option<PathBuf>,

    /// Random input spikes instead: their probability per neuron and step
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,

    /// How the samples of --input drive the network
    #[arg(long, value_enum, default_value = "constant", conflicts_with = "rate")]
    encoding: EncodingName,

    /// Number of steps [default: 256, or the steps of the raster]
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// How many samples are run: the first ones of --input, or so many of --rate
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    samples: u16,

    /// Seed of random spikes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EncodingName {
    /// A constant current, weights times x, in every step
    Constant,
    /// Random spikes; x in [0, 1] is their probability in a step
    Poisson,
    /// Evenly spaced spikes; x in [0, 1] is their rate
    Regular,
    /// The input holds spikes: bool or uint8 of shape (T, n) or (N, T, n)
    Raster,
}

impl EncodingName {
    fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Regular => "regular",
            Self::Raster => "raster",
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if rate > 0.0 && rate < 1.0 { Ok(rate) } else { Err("allowed are numbers between 0 and 1".to_owned()) }
}

impl InputArgs {
    /// The most samples to time.
    pub fn samples(&self) -> usize {
        usize::from(self.samples)
    }

    /// The file of the samples, if they come from one.
    pub fn file(&self) -> Option<&Path> {
        self.input.as_deref()
    }

    /// Where the spikes come from.
    pub fn words(&self) -> String {
        match (&self.input, self.rate) {
            (Some(path), _) => format!("{} ({} encoding)", path.display(), self.encoding.name()),
            (None, Some(rate)) => format!("random spikes, {}, seed {}", print::percent(rate), self.seed),
            (None, None) => String::new(),
        }
    }

    /// The options in effect.
    pub fn options(&self, steps: u32, samples: usize) -> [(&'static str, Value); 5] {
        let encoding = if self.rate.is_some() { EncodingName::Poisson } else { self.encoding };
        let random = encoding == EncodingName::Poisson;
        [
            ("T", json!(steps)),
            ("samples", json!(samples)),
            ("rate", json!(self.rate)),
            ("encoding", json!(encoding.name())),
            ("seed", json!(random.then_some(self.seed))),
        ]
    }

    /// The samples, the steps of each, and the file that they are from.
    pub fn read(&self, network: &Network) -> Result<(Input, u32, Option<FileDigest>)> {
        let Some(path) = &self.input else {
            let Some(rate) = self.rate else {
                return Err(Usage("--input or --rate: one of them is needed".to_owned()).into());
            };
            let width: usize = network.sources().map(|source| network.population(source).size()).sum();
            let x = vec![rate as f32; width * self.samples()];
            let input = Input::values(network, x, Encoding::Poisson { seed: self.seed })?;
            return Ok((input, self.steps.unwrap_or(DEFAULT_STEPS), None));
        };
        let array = snn_formats::npy::read(path)?;
        let file = array.digest.map(|digest| FileDigest::new(path, digest));
        let input = self.of(network, array).with_context(|| path.display().to_string())?;
        let steps = self.steps_of(&input, path)?;
        Ok((input, steps, file))
    }

    fn steps_of(&self, input: &Input, path: &Path) -> Result<u32> {
        let Some(given) = input.steps() else { return Ok(self.steps.unwrap_or(DEFAULT_STEPS)) };
        let given = u32::try_from(given).context("the raster has more than 2^32 steps")?;
        match self.steps {
            Some(steps) if steps > given => Err(Usage(format!(
                "--T {steps}: {} has {given} steps; allowed are 1 to {given}",
                path.display()
            ))
            .into()),
            steps => Ok(steps.unwrap_or(given)),
        }
    }

    fn of(&self, network: &Network, array: Array) -> Result<Input> {
        let source = network.sources().next().context("the network has no input population")?;
        let width = network.population(source).size();
        let shape = array.shape.clone();
        let is_wide = |axes: &[usize]| axes.iter().product::<usize>() == width;
        let encoding = match self.encoding {
            EncodingName::Raster => {
                let steps = match &shape[..] {
                    [steps, neurons @ ..] if !neurons.is_empty() && is_wide(neurons) => *steps,
                    [_, steps, neurons @ ..] if !neurons.is_empty() && is_wide(neurons) => *steps,
                    _ => bail!("a raster of shape {shape:?}; allowed are (T, {width}) or (N, T, {width})"),
                };
                return Ok(Input::spikes(network, array.into_spikes()?, steps)?);
            }
            EncodingName::Constant => Encoding::Constant,
            EncodingName::Poisson => Encoding::Poisson { seed: self.seed },
            EncodingName::Regular => Encoding::Regular,
        };
        if !(is_wide(&shape) || shape.len() >= 2 && is_wide(&shape[1..])) {
            bail!("samples of shape {shape:?}; allowed are (N, …) with {width} values each");
        }
        Ok(Input::values(network, array.into_f32()?, encoding)?)
    }
}
