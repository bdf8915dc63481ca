//! `net.bin`: a spiking network in one file, ready to run.
//!
//! A [container](crate::container) of kind `net`. Its head lists the populations and projections; the numbers
//! are in its sections, from which the network works in place. docs/net-format.md has it byte by byte.
//!
//! A file is believed only so far: the container checks every byte, the engine's
//! [`NetworkBuilder`] every number, and a memory limit ([`default_memory_limit`]) what a small file may ask for in a run.

mod demands;
mod description;
mod entry;
mod read;
mod report;
mod write;

use std::collections::HashMap;
use std::path::Path;

use snn_engine::{Layout, Network, NetworkBuilder};

use crate::container::{Container, SectionEntry};
use crate::digest::Digest;
use crate::error::{FormatError, Origin};
use crate::map::Source;
pub use demands::{LEAST_MEMORY_LIMIT, default_memory_limit, parse_bytes};
pub use description::{Arrives, Basis, Description, InputRange, QUIET_STEPS, RunLength, Unit};
use entry::NetEntry;
use read::Reader;
pub use report::kept_report;
pub use write::{net_bytes, net_digest, write_net};

/// What the container's head calls a network.
pub const KIND: &str = "net";

/// The first version of the container in which neurons may be given by a model's name.
const MODEL_VERSION: u32 = 2;

/// The first version of the container in which weights may be whole numbers of 16 bits or fewer.
const WHOLE_VERSION: u32 = 3;

/// The most bytes of JSON in [`Description::provenance`].
pub const LONGEST_PROVENANCE: usize = 1 << 16;

/// The most bytes of JSON in [`Description::report`]: those of the reports of some five hundred layers.
pub const LONGEST_REPORT: usize = 1 << 19;

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
    /// Of the file as it was when it was opened.
    pub digest: Digest,
    /// The bytes that a run may take: what was given, or [`default_memory_limit`].
    pub memory_limit: u64,
}

/// Reads the network from the `net.bin` at `path`. It works in place on the bytes of the file, which it
/// keeps alive.
///
/// Cost: one pass over the file for the checksums and one for the engine's own checks.
///
/// # Errors
/// If the file cannot be read, is damaged in any way, holds no valid network, or one that asks for more than
/// [`default_memory_limit`] in a run.
pub fn read_net(path: impl AsRef<Path>, source: Source) -> Result<Network, FormatError> {
    Ok(NetFile::open(path, source)?.network)
}

impl NetFile {
    /// Reads all that is in the `net.bin` at `path`.
    ///
    /// # Errors
    /// As [`read_net`].
    pub fn open(path: impl AsRef<Path>, source: Source) -> Result<Self, FormatError> {
        Self::open_within(path, source, None)
    }

    /// Reads all that is in the `net.bin` at `path`, of which a run may take so many bytes.
    ///
    /// # Errors
    /// As [`read_net`], with this limit if there is one.
    pub fn open_within(
        path: impl AsRef<Path>,
        source: Source,
        memory_limit: Option<u64>,
    ) -> Result<Self, FormatError> {
        Self::from_container(&Container::open(path, KIND, source)?, memory_limit)
    }

    /// Reads all that is in a copy of the bytes of a `net.bin`; `origin` is what errors name.
    ///
    /// # Errors
    /// As [`read_net`].
    pub fn parse(bytes: &[u8], origin: &Origin) -> Result<Self, FormatError> {
        Self::parse_within(bytes, origin, None)
    }

    /// Reads all that is in a copy of the bytes of a `net.bin`, of which a run may take so many bytes.
    ///
    /// # Errors
    /// As [`read_net`], with this limit if there is one.
    pub fn parse_within(
        bytes: &[u8],
        origin: &Origin,
        memory_limit: Option<u64>,
    ) -> Result<Self, FormatError> {
        Self::from_container(&Container::parse(bytes, KIND, origin)?, memory_limit)
    }

    fn from_container(container: &Container, memory_limit: Option<u64>) -> Result<Self, FormatError> {
        let reader = Reader { container };
        let entry: NetEntry = container.content()?;
        let limit = memory_limit.unwrap_or_else(|| default_memory_limit(container.file_length() as u64));
        demands::check_head(&entry, limit).map_err(|what| reader.error(what))?;
        let mut builder = NetworkBuilder::new();
        let mut places = HashMap::with_capacity(entry.populations.len());
        for population in &entry.populations {
            let name = &population.name;
            let layout = population.shape.0;
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
        demands::check_network(&network, limit).map_err(|what| reader.error(what))?;
        Ok(Self {
            description: reader.description(&entry, &network)?,
            network,
            sections: container.sections().to_vec(),
            length: container.file_length(),
            digest: container.digest(),
            memory_limit: limit,
        })
    }
}
