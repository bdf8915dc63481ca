//! The input of `run` and `check`: flags, files, and what they mean for a network.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use snn_engine::{Encoding, Input, MOST_THREADS, Memory, Network};
use snn_formats::{Array, NetFile, Source};

use crate::commands::Usage;
use crate::output;

/// Steps of a run if neither `--T` nor the input says how many.
pub const DEFAULT_STEPS: u32 = 256;

#[derive(Args)]
pub struct NetArgs {
    /// The network, as `convert` writes it
    #[arg(long, value_parser = output::file(), value_name = "NET.BIN")]
    pub net: PathBuf,

    /// Read a network of 64 MiB or more into memory, too, instead of mapping its file: for files that may be rewritten in
    /// place during the run
    #[arg(long)]
    pub no_mmap: bool,

    /// Bytes of memory that may be taken, as 512M or 4G [default: 384M, or 64 times the file]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory_limit: Option<u64>,
}

/// A network with what its run may take.
pub struct Net {
    pub network: Arc<Network>,
    memory_limit: u64,
}

impl Net {
    /// How many simulators of `memory` bytes, of `wanted`, are made; told before they are.
    ///
    /// # Errors
    /// If a single one takes more than the memory limit.
    pub fn simulators(&self, memory: Memory, wanted: usize) -> Result<usize> {
        let limit = self.memory_limit;
        memory.simulators_within(limit, wanted).map_err(|needed| {
            anyhow::anyhow!(
                "this needs about {} of memory; allowed are {}; raise --memory-limit, or run fewer samples or steps",
                output::bytes(needed),
                output::bytes(limit)
            )
        })
    }
}

/// A number of bytes, with K, M, G or T for powers of 1024.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let refused =
        || format!("`{text}` is no number of bytes; allowed are for instance 512M, 4G and 8589934592");
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let power = match &text[digits.len()..] {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(refused()),
    };
    let number: u64 = digits.parse().map_err(|_| refused())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(refused)
}

impl NetArgs {
    pub fn source(&self) -> Source {
        if self.no_mmap { Source::Read } else { Source::BySize }
    }

    pub fn read(&self) -> Result<Net> {
        let file = NetFile::open_within(&self.net, self.source(), self.memory_limit)?;
        Ok(Net { network: Arc::new(file.network), memory_limit: file.memory_limit })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingName {
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
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
            Self::Regular => "regular",
            Self::Raster => "raster",
        }
    }
}

#[derive(Args)]
pub struct InputArgs {
    /// The samples: .npy of shape (N, …), each as large as the network's input
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    pub input: PathBuf,

    /// Number of steps [default: 256, or the steps of the raster]
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: Option<u32>,

    /// How the samples drive the network
    #[arg(long, value_enum, default_value = "constant")]
    pub encoding: EncodingName,

    /// Seed of the random spikes of `--encoding poisson`
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Only the samples from a up to, but not with, b; either may be left out
    #[arg(long, value_name = "A:B", value_parser = parse_range)]
    pub batch_range: Option<BatchRange>,
}

/// The ends of a range as given.
#[derive(Clone, Copy, Debug)]
pub struct BatchRange(Option<usize>, Option<usize>);

fn parse_range(text: &str) -> Result<BatchRange, String> {
    let (first, end) = text.split_once(':').ok_or("allowed is a:b, for instance 0:100")?;
    let number = |text: &str| match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| format!("`{text}` is not a number of a sample")),
    };
    Ok(BatchRange(number(first)?, number(end)?))
}

/// The samples of a run, checked against the network.
pub struct Samples {
    pub input: Input,
    pub range: Range<usize>,
    pub steps: u32,
}

impl InputArgs {
    pub fn read(&self, network: &Network) -> Result<Samples> {
        let array = snn_formats::npy::read(&self.input)?;
        let input = self.input_of(network, array).with_context(|| self.input.display().to_string())?;
        let range = self.range(input.samples())?;
        let steps = self.steps_of(&input)?;
        Ok(Samples { input, range, steps })
    }

    fn steps_of(&self, input: &Input) -> Result<u32> {
        let Some(given) = input.steps() else { return Ok(self.steps.unwrap_or(DEFAULT_STEPS)) };
        let given = u32::try_from(given).context("the raster has more than 2^32 steps")?;
        match self.steps {
            Some(steps) if steps > given => Err(Usage(format!(
                "--T {steps}: {} has {given} steps; allowed are 1 to {given}",
                self.input.display()
            ))
            .into()),
            steps => Ok(steps.unwrap_or(given)),
        }
    }

    fn range(&self, samples: usize) -> Result<Range<usize>> {
        let BatchRange(first, end) = self.batch_range.unwrap_or(BatchRange(None, None));
        let (first, end) = (first.unwrap_or(0), end.unwrap_or(samples));
        if first >= end || end > samples {
            return Err(Usage(format!(
                "--batch-range {first}:{end}: {} has {samples} samples; allowed are a < b ≤ {samples}",
                self.input.display()
            ))
            .into());
        }
        Ok(first..end)
    }

    fn input_of(&self, network: &Network, array: Array) -> Result<Input> {
        let source = network.sources().next().context("the network has no input population")?;
        let population = network.population(source);
        let width = population.size();
        let wanted = population.layout().shape();
        let shape = array.shape.clone();
        let size = |axes: &[usize]| axes.iter().product::<usize>();
        if let EncodingName::Raster = self.encoding {
            let steps = if shape.len() >= 2 && size(&shape[1..]) == width {
                shape[0]
            } else if shape.len() >= 3 && size(&shape[2..]) == width {
                shape[1]
            } else {
                anyhow::bail!("a raster of shape {shape:?}; allowed are (T, {width}) or (N, T, {width})");
            };
            return Ok(Input::spikes(network, array.into_spikes()?, steps)?);
        }
        let samples_first = shape.len() >= 2 && size(&shape[1..]) == width;
        if !samples_first && size(&shape) != width {
            anyhow::bail!("samples of shape {shape:?}; allowed is (N, {})", join(&wanted));
        }
        let given = if samples_first { &shape[1..] } else { &shape[..] };
        if given != wanted {
            let note = "note: samples of shape";
            eprintln!("{note} ({}) are read as the network's input, ({})", join(given), join(&wanted));
        }
        let encoding = match self.encoding {
            EncodingName::Constant => Encoding::Constant,
            EncodingName::Poisson => Encoding::Poisson { seed: self.seed },
            EncodingName::Regular | EncodingName::Raster => Encoding::Regular,
        };
        Ok(Input::values(network, array.into_f32()?, encoding)?)
    }
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The labels of all samples of a file.
pub fn read_labels(path: &Path, samples: usize) -> Result<Vec<i64>> {
    let array = snn_formats::npy::read(path)?;
    let shape = array.shape.clone();
    let labels = array.into_labels()?;
    if labels.len() != samples {
        anyhow::bail!("{}: labels of shape {shape:?}; the input has {samples} samples", path.display());
    }
    Ok(labels)
}

/// The most threads, as the flags have it.
pub const MOST: i64 = MOST_THREADS as i64;

/// The number of threads to use.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(snn_engine::default_threads)
}
