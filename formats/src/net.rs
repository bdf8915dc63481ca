//! `net.bin`: a spiking network in one file, ready to run.
//!
//! A [container](crate::container) of kind `net`. Its head lists the populations and projections; the numbers
//! are in its sections, from which the network works in place. docs/net-format.md has it byte by byte.
//!
//! A file is believed only so far: the container checks every byte, the engine's
//! [`NetworkBuilder`] every number, and [`MOST_NEURONS`] and [`MOST_DELAYS`] what a small file may ask for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use snn_engine::{
    Accumulator, Buffer, Connectivity, Conv2d, Conv2dGeometry, DenseRows, IntegrateFire, Layout, MaxPool,
    Network, NetworkBuilder, NetworkError, Neuron, OneToOne, PerNeuron, Reset, Rows, SparseRows, Targets,
};

use crate::container::{Container, ContainerWriter, Dtype, SectionElement, SectionEntry};
use crate::error::{FormatError, Origin};
use crate::map::Source;

/// What the container's head calls a network.
pub const KIND: &str = "net";

/// The most neurons that any file may declare. Beyond it, 64 per byte of the file are allowed: populations
/// behind a convolution need few bytes, but a run needs memory for every neuron.
pub const MOST_NEURONS: u64 = 1 << 24;
/// The most steps of delay, longest delay times populations, that any file may declare. Beyond it, one per byte
/// of the file: a run keeps the spikes of every population for so long.
pub const MOST_DELAYS: u64 = 1 << 22;

/// What a `net.bin` says about the network beside the network itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Where the network is from, in words of the program that made it: its version, the options given, the
    /// model's file name and checksum. No meaning for the run.
    #[serde(default)]
    pub provenance: serde_json::Map<String, serde_json::Value>,
}

/// A `net.bin` with all that is in it.
#[derive(Debug)]
pub struct NetFile {
    /// The network.
    pub network: Network,
    /// What the file says about it.
    pub description: Description,
    /// The table of sections, in the order of the file.
    pub sections: Vec<SectionEntry>,
    /// Bytes of the file.
    pub length: usize,
}

/// The content of the head.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetEntry {
    populations: Vec<PopulationEntry>,
    projections: Vec<ProjectionEntry>,
    description: Description,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PopulationEntry {
    name: String,
    /// `[n]`, or `[channels, height, width]`.
    shape: Vec<u32>,
    neuron: NeuronEntry,
}

/// The kind of a population's neurons; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum NeuronEntry {
    Source {},
    IntegrateFire { threshold: String, bias: String, start: String, reset: ResetEntry },
    Accumulator { bias: String },
    MaxPool {},
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ResetEntry {
    Subtract,
    Zero,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectionEntry {
    /// Names of populations.
    source: String,
    target: String,
    delay: u32,
    connectivity: ConnectivityEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ConnectivityEntry {
    /// One row per source neuron, as wide as the target.
    Rows {
        rows: RowsEntry,
    },
    /// One row per tap and source channel, as wide as the target's channels.
    Conv2d {
        geometry: GeometryEntry,
        rows: RowsEntry,
    },
    OneToOne {
        weights: String,
    },
}

/// The format of a table of rows; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "kebab-case", deny_unknown_fields)]
enum RowsEntry {
    Sparse { row_starts: String, targets: String, weights: String },
    Dense { weights: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeometryEntry {
    source: [u32; 3],
    target: [u32; 3],
    pool: [u32; 2],
    kernel: [u32; 2],
    stride: [u32; 2],
    dilation: [u32; 2],
    padding: [u32; 2],
    groups: u32,
}

/// Writes a network to `path`, complete or not at all. The same network and description give the same bytes.
///
/// # Errors
/// If the file cannot be written.
pub fn write_net(
    path: impl AsRef<Path>,
    network: &Network,
    description: &Description,
) -> Result<(), FormatError> {
    let mut writer = ContainerWriter::new();
    let populations = network
        .populations()
        .iter()
        .map(|population| PopulationEntry {
            name: population.name().to_owned(),
            shape: match population.layout() {
                Layout::Flat(n) => vec![n],
                Layout::Image { channels, height, width } => vec![channels, height, width],
            },
            neuron: write_neuron(&mut writer, population.name(), population.neuron()),
        })
        .collect();
    let name = |id| network.population(id).name().to_owned();
    let projections = network
        .projections()
        .iter()
        .enumerate()
        .map(|(index, projection)| ProjectionEntry {
            source: name(projection.source()),
            target: name(projection.target()),
            delay: projection.delay(),
            connectivity: write_connectivity(
                &mut writer,
                &format!("projection{index}"),
                projection.connectivity(),
            ),
        })
        .collect();
    let content = NetEntry { populations, projections, description: description.clone() };
    writer.write(path, KIND, &content)
}

/// Adds a section called `owner.part`; returns its name.
fn add<'a, T: SectionElement>(
    writer: &mut ContainerWriter<'a>,
    owner: &str,
    part: &str,
    numbers: &'a [T],
) -> String {
    let name = format!("{owner}.{part}");
    writer.section(name.clone(), numbers);
    name
}

fn write_neuron<'a>(writer: &mut ContainerWriter<'a>, owner: &str, neuron: &'a Neuron) -> NeuronEntry {
    match neuron {
        Neuron::Source => NeuronEntry::Source {},
        Neuron::IntegrateFire(neuron) => NeuronEntry::IntegrateFire {
            threshold: add(writer, owner, "threshold", neuron.threshold.values()),
            bias: add(writer, owner, "bias", neuron.bias.values()),
            start: add(writer, owner, "start", neuron.start.values()),
            reset: match neuron.reset {
                Reset::Subtract => ResetEntry::Subtract,
                Reset::Zero => ResetEntry::Zero,
            },
        },
        Neuron::Accumulator(neuron) => {
            NeuronEntry::Accumulator { bias: add(writer, owner, "bias", neuron.bias.values()) }
        }
        Neuron::MaxPool(MaxPool) => NeuronEntry::MaxPool {},
    }
}

fn write_connectivity<'a>(
    writer: &mut ContainerWriter<'a>,
    owner: &str,
    connectivity: &'a Connectivity,
) -> ConnectivityEntry {
    match connectivity {
        Connectivity::Rows(rows) => ConnectivityEntry::Rows { rows: write_rows(writer, owner, rows) },
        Connectivity::Conv2d(conv) => {
            let &Conv2dGeometry { source, target, pool, kernel, stride, dilation, padding, groups } =
                conv.geometry();
            ConnectivityEntry::Conv2d {
                geometry: GeometryEntry { source, target, pool, kernel, stride, dilation, padding, groups },
                rows: write_rows(writer, owner, conv.rows()),
            }
        }
        Connectivity::OneToOne(one) => {
            ConnectivityEntry::OneToOne { weights: add(writer, owner, "weights", one.weights().values()) }
        }
    }
}

fn write_rows<'a>(writer: &mut ContainerWriter<'a>, owner: &str, rows: &'a Rows) -> RowsEntry {
    match rows {
        Rows::Sparse(rows) => RowsEntry::Sparse {
            row_starts: add(writer, owner, "row_starts", rows.row_starts()),
            targets: match rows.targets() {
                Targets::U16(ids) => add(writer, owner, "targets", ids),
                Targets::U32(ids) => add(writer, owner, "targets", ids),
            },
            weights: add(writer, owner, "weights", rows.weights()),
        },
        Rows::Dense(rows) => RowsEntry::Dense { weights: add(writer, owner, "weights", rows.weights()) },
    }
}

/// Reads the network from the `net.bin` at `path`. It works in place on the bytes of the file, which it
/// keeps alive.
///
/// Cost: one pass over the file for the checksums and one for the engine's own checks.
///
/// # Errors
/// If the file cannot be read, is damaged in any way, or holds no valid network.
pub fn read_net(path: impl AsRef<Path>, source: Source) -> Result<Network, FormatError> {
    Ok(NetFile::open(path, source)?.network)
}

impl NetFile {
    /// Reads all that is in the `net.bin` at `path`.
    ///
    /// # Errors
    /// As [`read_net`].
    pub fn open(path: impl AsRef<Path>, source: Source) -> Result<Self, FormatError> {
        Self::from_container(&Container::open(path, KIND, source)?)
    }

    /// Reads all that is in a copy of the bytes of a `net.bin`; `origin` is what errors name.
    ///
    /// # Errors
    /// As [`read_net`].
    pub fn parse(bytes: &[u8], origin: &Origin) -> Result<Self, FormatError> {
        Self::from_container(&Container::parse(bytes, KIND, origin)?)
    }

    fn from_container(container: &Container) -> Result<Self, FormatError> {
        let reader = Reader { container };
        let entry: NetEntry = container.content()?;
        reader.check_demands(&entry)?;
        let mut builder = NetworkBuilder::new();
        let mut places = HashMap::with_capacity(entry.populations.len());
        for population in &entry.populations {
            let name = &population.name;
            let layout = match population.shape[..] {
                [n] => Layout::Flat(n),
                [channels, height, width] => Layout::Image { channels, height, width },
                _ => {
                    return Err(reader.error(format!(
                        "population `{name}` has the shape {:?}; allowed are [n] and [channels, height, width]",
                        population.shape
                    )));
                }
            };
            let neuron = reader.neuron(name, &population.neuron)?;
            let id = builder.population(name, layout, neuron);
            if places.insert(name.as_str(), (id, layout)).is_some() {
                return Err(reader.error(format!("population `{name}` is declared twice")));
            }
        }
        for (index, projection) in entry.projections.iter().enumerate() {
            let find = |name: &str| {
                places.get(name).copied().ok_or_else(|| {
                    reader.error(format!("projection {index}: there is no population `{name}`"))
                })
            };
            let (source, target) = (find(&projection.source)?, find(&projection.target)?);
            let at = format!("projection {index} (`{}` -> `{}`)", projection.source, projection.target);
            // Populations whose size does not fit 32 bits are the builder's to refuse.
            let size = |layout: Layout| layout.neurons().unwrap_or(u32::MAX) as usize;
            let connectivity =
                reader.connectivity(&at, &projection.connectivity, size(source.1), size(target.1))?;
            builder.projection(source.0, target.0, projection.delay, connectivity);
        }
        let network = builder.build().map_err(|error| reader.error(error.to_string()))?;
        Ok(Self {
            network,
            description: entry.description,
            sections: container.sections().to_vec(),
            length: container.file_length(),
        })
    }
}

/// Turns entries of the head into parts of a network.
struct Reader<'a> {
    container: &'a Container,
}

impl Reader<'_> {
    fn error(&self, what: impl Into<String>) -> FormatError {
        self.container.origin().error(what)
    }

    fn wrap<T>(&self, at: &str, result: Result<T, NetworkError>) -> Result<T, FormatError> {
        result.map_err(|error| self.error(error.within(at).to_string()))
    }

    /// Refuses a head that asks for far more memory in a run than its file is long.
    fn check_demands(&self, entry: &NetEntry) -> Result<(), FormatError> {
        let length = self.container.file_length() as u64;
        let neurons = entry.populations.iter().fold(0u64, |sum, population| {
            let size = population.shape.iter().fold(1u64, |n, &axis| n.saturating_mul(u64::from(axis)));
            sum.saturating_add(size)
        });
        let allowed = MOST_NEURONS.max(length.saturating_mul(64));
        if neurons > allowed {
            return Err(self.error(format!(
                "{neurons} neurons are declared in a file of {length} bytes; allowed are {allowed}"
            )));
        }
        let longest = entry.projections.iter().map(|projection| projection.delay).max().unwrap_or(0);
        let kept = u64::from(longest).saturating_mul(entry.populations.len() as u64);
        let allowed = MOST_DELAYS.max(length);
        if kept > allowed {
            return Err(self.error(format!(
                "a delay of {longest} steps in a net of {} populations is declared; their product may be {allowed}",
                entry.populations.len()
            )));
        }
        Ok(())
    }

    /// The numbers of a section, in place.
    fn buffer<T: SectionElement>(&self, name: &str) -> Result<Buffer<T>, FormatError> {
        Ok(Buffer::shared(Arc::new(self.container.section::<T>(name)?)))
    }

    fn per_neuron(&self, at: &str, part: &str, section: &str) -> Result<PerNeuron, FormatError> {
        self.wrap(&format!("{at}: {part}"), PerNeuron::repeating(self.buffer(section)?))
    }

    fn neuron(&self, population: &str, entry: &NeuronEntry) -> Result<Neuron, FormatError> {
        let at = format!("population `{population}`");
        Ok(match entry {
            NeuronEntry::Source {} => Neuron::Source,
            NeuronEntry::IntegrateFire { threshold, bias, start, reset } => {
                Neuron::IntegrateFire(IntegrateFire {
                    threshold: self.per_neuron(&at, "threshold", threshold)?,
                    bias: self.per_neuron(&at, "bias", bias)?,
                    start: self.per_neuron(&at, "start", start)?,
                    reset: match reset {
                        ResetEntry::Subtract => Reset::Subtract,
                        ResetEntry::Zero => Reset::Zero,
                    },
                })
            }
            NeuronEntry::Accumulator { bias } => {
                Neuron::Accumulator(Accumulator { bias: self.per_neuron(&at, "bias", bias)? })
            }
            NeuronEntry::MaxPool {} => Neuron::MaxPool(MaxPool),
        })
    }

    fn connectivity(
        &self,
        at: &str,
        entry: &ConnectivityEntry,
        sources: usize,
        targets: usize,
    ) -> Result<Connectivity, FormatError> {
        Ok(match entry {
            ConnectivityEntry::Rows { rows } => Connectivity::Rows(self.rows(at, rows, targets)?),
            ConnectivityEntry::Conv2d { geometry, rows } => {
                let rows = self.rows(at, rows, geometry.target[2] as usize)?;
                let &GeometryEntry { source, target, pool, kernel, stride, dilation, padding, groups } =
                    geometry;
                let geometry =
                    Conv2dGeometry { source, target, pool, kernel, stride, dilation, padding, groups };
                Connectivity::Conv2d(self.wrap(at, Conv2d::new(geometry, rows))?)
            }
            ConnectivityEntry::OneToOne { weights } => {
                let weights = self.per_neuron(at, "weights", weights)?;
                Connectivity::OneToOne(self.wrap(at, OneToOne::new(sources, weights))?)
            }
        })
    }

    fn rows(&self, at: &str, entry: &RowsEntry, width: usize) -> Result<Rows, FormatError> {
        Ok(match entry {
            RowsEntry::Sparse { row_starts, targets, weights } => {
                let targets = match self.container.entry(targets)?.dtype {
                    Dtype::U16 => Targets::U16(self.buffer(targets)?),
                    // Any other type is an error that names it.
                    _ => Targets::U32(self.buffer(targets)?),
                };
                let (row_starts, weights) = (self.buffer(row_starts)?, self.buffer(weights)?);
                Rows::Sparse(self.wrap(at, SparseRows::new(width, row_starts, targets, weights))?)
            }
            RowsEntry::Dense { weights } => {
                Rows::Dense(self.wrap(at, DenseRows::new(width, self.buffer(weights)?))?)
            }
        })
    }
}
