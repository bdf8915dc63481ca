//! The input of `run`, `eval` and `check`: flags, files, and what they mean for a network.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use snn_engine::{Encoding, Input, MOST_THREADS, Memory, Network, Until};
use snn_formats::events::{self, Binned, Binning};
use snn_formats::samples::{self, Batch};
use snn_formats::{Array, Arrives, Description, FileDigest, NetFile, RunLength, Source};

use crate::commands::Usage;
use crate::output;

/// The most steps of a run until the network is quiet, if nothing is said.
pub use snn_formats::QUIET_STEPS;

/// Steps of a run if neither `--T`, the input nor the network says how many.
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

    /// Bytes of memory that may be taken, as 512M or 4G [default: 384M, or 256 times the file]
    #[arg(long, value_name = "BYTES", value_parser = snn_formats::net::parse_bytes)]
    pub memory_limit: Option<u64>,
}

/// A network with what its run may take.
pub struct Net {
    pub network: Arc<Network>,
    pub description: Description,
    pub file: FileDigest,
    pub memory_limit: u64,
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

impl NetArgs {
    pub fn source(&self) -> Source {
        if self.no_mmap { Source::Read } else { Source::BySize }
    }

    /// The options in effect.
    pub fn options(&self, memory_limit: u64) -> [(&'static str, Value); 2] {
        [("mmap", json!(!self.no_mmap)), ("memory_limit", json!(memory_limit))]
    }

    pub fn read(&self) -> Result<Net> {
        let file = NetFile::open_within(&self.net, self.source(), self.memory_limit)?;
        Ok(Net {
            network: Arc::new(file.network),
            memory_limit: file.memory_limit,
            description: file.description,
            file: FileDigest::new(&self.net, file.digest),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncodingName {
    /// A constant current, weights times x, in every step
    Constant,
    /// The same current once, in the first step, and all biases with it
    Once,
    /// Random spikes; x in [0, 1] is their probability in a step
    Poisson,
    /// Evenly spaced spikes; x in [0, 1] is their rate
    Regular,
    /// The input holds spikes: bool, or whole numbers as their values, of shape (T, n) or (N, T, n)
    Raster,
    /// The input holds spikes of value 1 as bits, numpy.packbits(flags, axis=-1), of shape (T, n/8) or (N, T, n/8)
    Packed,
    /// The input holds events x, y, t, p of an event camera; --dt is the length of a step
    Events,
}

impl EncodingName {
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Once => "once",
            Self::Poisson => "poisson",
            Self::Regular => "regular",
            Self::Raster => "raster",
            Self::Packed => "packed",
            Self::Events => "events",
        }
    }

    /// When a current arrives; nothing of spikes.
    fn arrives(self) -> Option<Arrives> {
        match self {
            Self::Constant => Some(Arrives::EveryStep),
            Self::Once => Some(Arrives::Once),
            Self::Poisson | Self::Regular | Self::Raster | Self::Packed | Self::Events => None,
        }
    }
}

#[derive(Args)]
pub struct InputArgs {
    /// The samples: .npy of shape (N, …), each as large as the network's input; of events (--dt) a .bin or .bs2 file as N-MNIST has
    /// them, a folder of such, .npy of shape (E, 4), or .npz with x, y, t, p
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    pub input: PathBuf,

    /// Number of steps, with --until-quiet the most [default: those the network was made for, else 256; the steps of a raster;
    /// with --until-quiet 10000]
    #[arg(long = "T", value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    pub steps: Option<u32>,

    /// Run each sample until the network is quiet: nothing is under way, and no neuron will do anything by itself; networks
    /// that are made for it do so without the flag, unless --T is given
    #[arg(long)]
    pub until_quiet: bool,

    /// How the samples drive the network [default: as the network was made for, else constant]
    #[arg(long, value_enum)]
    pub encoding: Option<EncodingName>,

    /// Length of a step in which a pixel's events are one spike, in the unit of their times (.bin and .bs2: microseconds); implies
    /// --encoding events
    #[arg(long, value_name = "TIME", value_parser = clap::value_parser!(u64).range(1..), allow_negative_numbers = true)]
    pub dt: Option<u64>,

    /// Rows and columns of the camera, as 34x34, where the network's input is flat [default: equally many]
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = parse_sensor, requires = "dt")]
    pub sensor: Option<Sensor>,

    /// Seed of the random spikes of `--encoding poisson`
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,

    /// Only the samples from a up to, but not with, b; either may be left out
    #[arg(long, value_name = "A:B", value_parser = parse_range)]
    pub batch_range: Option<BatchRange>,
}

/// The ends of a range as given.
#[derive(Clone, Copy, Debug)]
pub struct BatchRange(Option<usize>, Option<usize>);

impl BatchRange {
    /// Of so many things in all.
    pub fn of(self, all: usize) -> Range<usize> {
        self.0.unwrap_or(0)..self.1.unwrap_or(all)
    }
}

pub fn parse_range(text: &str) -> Result<BatchRange, String> {
    let (first, end) = text.split_once(':').ok_or("allowed is a:b, for instance 0:100")?;
    let number = |text: &str| match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| format!("`{text}` is no number, counted from 0")),
    };
    Ok(BatchRange(number(first)?, number(end)?))
}

/// Rows and columns.
pub type Sensor = (usize, usize);

fn parse_sensor(text: &str) -> Result<Sensor, String> {
    let number = |text: &str| text.parse().ok().filter(|&number| number > 0);
    let sensor = text.split_once('x').and_then(|(rows, columns)| Some((number(rows)?, number(columns)?)));
    sensor.ok_or_else(|| "allowed are rows and columns, for instance 34x34".into())
}

/// The samples of a run, checked against the network.
pub struct Samples {
    pub input: Input,
    /// What they were read from.
    pub file: Option<FileDigest>,
    pub range: Range<usize>,
    /// The most steps.
    pub steps: u32,
    pub until: Until,
    pub encoding: EncodingName,
    /// What the user should know about them.
    pub notes: Vec<String>,
}

impl InputArgs {
    pub fn read(&self, net: &Net) -> Result<Samples> {
        let mut notes = vec![];
        let encoding = self.encoding.unwrap_or(match net.description.run {
            _ if self.dt.is_some() => EncodingName::Events,
            Some(RunLength { arrives: Arrives::Once, .. }) => EncodingName::Once,
            _ => EncodingName::Constant,
        });
        let at = || self.input.display().to_string();
        let (input, file) = match (encoding, self.dt) {
            (EncodingName::Events, Some(dt)) => {
                let (binned, file) = self.events(net, dt, &mut notes)?;
                let input = Input::valued(&net.network, binned.spikes, binned.steps).with_context(at)?;
                (input, Some(file))
            }
            (EncodingName::Events, None) => {
                return Err(Usage(
                    "--encoding events: the length of a step is needed; give --dt, for instance 5000".into(),
                )
                .into());
            }
            (other, Some(dt)) => {
                return Err(Usage(format!(
                    "--dt {dt}: --encoding {} has no events; leave one of them out",
                    other.name()
                ))
                .into());
            }
            (encoding, None) => {
                let array = samples::read(&self.input)?;
                let file = read_from(&self.input, &array);
                (self.input_of(net, array, encoding, &mut notes).with_context(at)?, file)
            }
        };
        let range = self.range(input.samples())?;
        let until_quiet = self.until_quiet
            || self.steps.is_none()
                && input.steps().is_none()
                && net.description.run.is_some_and(|run| run.until_quiet);
        let steps = self.steps_of(&input, net, until_quiet)?;
        let until = if until_quiet { Until::Quiet { limit: steps } } else { Until::Steps(steps) };
        notes.extend(net.description.note_on_run(until, encoding.arrives()));
        Ok(Samples { input, file, range, steps, until, encoding, notes })
    }

    /// The options in effect.
    pub fn options(&self, samples: &Samples) -> [(&'static str, Value); 7] {
        let random = samples.encoding == EncodingName::Poisson;
        [
            ("T", json!(samples.steps)),
            ("until_quiet", json!(matches!(samples.until, Until::Quiet { .. }))),
            ("encoding", json!(samples.encoding.name())),
            ("dt", json!(self.dt)),
            ("sensor", json!(self.sensor)),
            ("seed", json!(random.then_some(self.seed))),
            ("batch_range", json!([samples.range.start, samples.range.end])),
        ]
    }

    /// The samples as values, for the trained net: of spikes their mean in a step.
    pub fn values(&self, net: &Net, samples: &Samples) -> Result<Vec<f32>> {
        let (spikes, steps) = match (samples.encoding, self.dt) {
            (EncodingName::Events, Some(dt)) => {
                let (binned, _) = self.events(net, dt, &mut vec![])?;
                (binned.spikes, binned.steps)
            }
            (EncodingName::Raster, _) => {
                let array = samples::read(&self.input)?;
                let steps = samples.input.steps().unwrap_or(1);
                (array.into_spike_values()?, steps)
            }
            (EncodingName::Packed, _) => {
                let array = samples::read(&self.input)?;
                let steps = samples.input.steps().unwrap_or(1);
                let network = &*net.network;
                let source = network.sources().next().context("the network has no input population")?;
                (unpacked(&array.into_bytes()?, network.population(source).size()), steps)
            }
            _ => return Ok(samples::read(&self.input)?.into_f32()?),
        };
        let run = samples.steps as usize;
        let width = spikes.len() / (steps * samples.input.samples()).max(1);
        let mut values = vec![0.0; samples.input.samples() * width];
        for (values, spikes) in values.chunks_exact_mut(width).zip(spikes.chunks_exact(steps * width)) {
            for step in spikes.chunks_exact(width).take(run) {
                values.iter_mut().zip(step).for_each(|(value, &spike)| *value += f32::from(spike));
            }
            values.iter_mut().for_each(|value| *value /= run as f32);
        }
        Ok(values)
    }

    /// The events as spikes of the network's input, and what they were read from.
    fn events(&self, net: &Net, dt: u64, notes: &mut Vec<String>) -> Result<(Binned, FileDigest)> {
        let network = &*net.network;
        let source = network.sources().next().context("the network has no input population")?;
        let shape = network.population(source).layout().shape();
        let (channels, rows, columns) = match (&shape[..], self.sensor) {
            (&[channels @ (1 | 2), rows, columns], None) => (channels, rows, columns),
            (&[size], Some((rows, columns))) if size == rows * columns => (1, rows, columns),
            (&[size], Some((rows, columns))) if size == 2 * rows * columns => (2, rows, columns),
            (&[size], None) if size % 2 == 0 && (size / 2).isqrt().pow(2) == size / 2 => {
                (2, (size / 2).isqrt(), (size / 2).isqrt())
            }
            (&[size], None) if size.isqrt().pow(2) == size => (1, size.isqrt(), size.isqrt()),
            _ => anyhow::bail!(
                "{}: its input, ({}), is none of an event camera{}; allowed are (1 or 2, rows, columns), and flat ones with \
                 --sensor ROWSxCOLUMNS",
                self.input.display(),
                join(&shape),
                self.sensor.map_or(String::new(), |(rows, columns)| format!(" of {rows} x {columns} pixels"))
            ),
        };
        let events = events::read(&self.input)?;
        if events.samples.is_empty() {
            anyhow::bail!("{}: it has no samples; at least one is needed", self.input.display());
        }
        let steps = self.steps.map(|steps| steps as usize);
        let sensor = [rows, columns];
        let binned = events.binned(&Binning { dt, steps, channels, sensor, memory: net.memory_limit })?;
        if binned.late > 0 {
            notes.push(format!(
                "{} come after the last step and are left out",
                output::counted(usize::try_from(binned.late).unwrap_or(usize::MAX), "event")
            ));
        }
        Ok((binned, FileDigest::new(&self.input, events.digest)))
    }

    fn steps_of(&self, input: &Input, net: &Net, until_quiet: bool) -> Result<u32> {
        // When the input is silent the network may still go on.
        if until_quiet {
            return Ok(self.steps.unwrap_or(QUIET_STEPS));
        }
        let Some(given) = input.steps() else {
            let made_for = net.description.run.map(|run| run.steps);
            return Ok(self.steps.or(made_for).unwrap_or(DEFAULT_STEPS));
        };
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
        let Range { start: first, end } = self.batch_range.map_or(0..samples, |range| range.of(samples));
        if first >= end || end > samples {
            return Err(Usage(format!(
                "--batch-range {first}:{end}: {} has {samples} samples; allowed are a < b ≤ {samples}",
                self.input.display()
            ))
            .into());
        }
        Ok(first..end)
    }

    fn input_of(
        &self,
        net: &Net,
        array: Array,
        encoding: EncodingName,
        notes: &mut Vec<String>,
    ) -> Result<Input> {
        let network = &*net.network;
        let source = network.sources().next().context("the network has no input population")?;
        let wanted = network.population(source).layout().shape();
        if let EncodingName::Raster = encoding {
            let batch = samples::raster("a raster", &array.shape, &wanted)?;
            notes.extend(note_on_shape(&batch, &wanted));
            return Ok(Input::valued(network, array.into_spike_values()?, batch.steps.unwrap_or(0))?);
        }
        if let EncodingName::Packed = encoding {
            let batch = samples::packed("packed spikes", &array.shape, &wanted)?;
            return Ok(Input::packed(network, &array.into_bytes()?, batch.steps.unwrap_or(0))?);
        }
        let batch = samples::batch("samples", &array.shape, &wanted)?;
        notes.extend(note_on_shape(&batch, &wanted));
        let encoding = match encoding {
            EncodingName::Constant => Encoding::Constant,
            EncodingName::Once => Encoding::Once,
            EncodingName::Poisson => Encoding::Poisson { seed: self.seed },
            EncodingName::Regular | EncodingName::Raster | EncodingName::Packed | EncodingName::Events => {
                Encoding::Regular
            }
        };
        let values = array.into_f32()?;
        notes.extend(net.description.note_on_input(&values));
        Ok(Input::values(network, values, encoding)?)
    }
}

/// Spikes that stand in rows of `width` bits, each filled up to whole bytes, the first in the highest bit.
fn unpacked(bytes: &[u8], width: usize) -> Vec<i16> {
    let row = |row: &[u8]| -> Vec<i16> {
        (0..width).map(|place| i16::from(row[place / 8] >> (7 - place % 8) & 1)).collect()
    };
    bytes.chunks_exact(width.div_ceil(8).max(1)).flat_map(row).collect()
}

fn join(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// That the samples of an array have another shape than the input that they are read as.
pub fn note_on_shape(batch: &Batch, wanted: &[usize]) -> Option<String> {
    let given = batch.read_from.as_ref()?;
    Some(format!("samples of shape ({}) are read as the input, ({})", join(given), join(wanted)))
}

/// What an array was read from.
pub fn read_from(path: &Path, array: &Array) -> Option<FileDigest> {
    array.digest.map(|digest| FileDigest::new(path, digest))
}

/// The classes of samples.
pub struct Labels {
    pub classes: Vec<i64>,
    /// What they were read from.
    pub file: Option<FileDigest>,
}

/// The classes of all samples of a file, for a net of so many.
pub fn read_labels(path: &Path, samples: usize, classes: usize) -> Result<Labels> {
    let array = snn_formats::npy::read(path)?;
    let file = read_from(path, &array);
    Ok(Labels { classes: samples::labels(array, samples, classes)?, file })
}

/// The most threads, as the flags have it.
pub const MOST: i64 = MOST_THREADS as i64;

/// The number of threads to use.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(snn_engine::default_threads)
}
