//! Networks: from files and bytes, and what is in them.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::Arc;

use snn_engine::{Layout, Memory, Mode, Network, PopulationId};
use snn_formats::net::{LEAST_MEMORY_LIMIT, default_memory_limit};
use snn_formats::{Description, NetFile, Origin, RunLength, Source, net_digest, write_net};

use crate::status::{Failure, SnnStatus, array, call, given, hand_over, put, take_back, text};

/// A spiking network, immutable. Any number of simulators and threads may use one.
pub struct SnnNetwork {
    pub(crate) inner: Arc<Network>,
    pub(crate) description: Description,
    /// Names of populations, for C.
    names: Vec<CString>,
    /// Kinds of neurons, for C.
    kinds: Vec<CString>,
    /// The bytes that a run may take, if that is known.
    limit: Option<u64>,
}

/// How the neurons of a population stand: as an image, or, with a height and a width of 0, as a vector of so many channels.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnnShape {
    /// Feature maps of an image, or the number of neurons of a vector.
    pub channels: u32,
    /// Rows of pixels; 0 for a vector.
    pub height: u32,
    /// Columns of pixels; 0 for a vector.
    pub width: u32,
}

impl From<SnnShape> for Layout {
    fn from(SnnShape { channels, height, width }: SnnShape) -> Self {
        if (height, width) == (0, 0) { Self::Flat(channels) } else { Self::Image { channels, height, width } }
    }
}

impl From<Layout> for SnnShape {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Flat(channels) => Self { channels, height: 0, width: 0 },
            Layout::Image { channels, height, width } => Self { channels, height, width },
        }
    }
}

/// What is known of a population. The texts are borrowed from the network.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SnnPopulation {
    /// Its name, unique in the network.
    pub name: *const c_char,
    /// "source", "max-pool", or the name of a model such as "integrate-and-fire" or "leaky".
    pub kind: *const c_char,
    /// The number of neurons.
    pub size: usize,
    /// How they stand.
    pub shape: SnnShape,
    /// The largest magnitude of the value of a spike; 0 if its neurons never fire.
    pub largest: i32,
    /// Whether values of spikes may be below 0.
    pub negative: bool,
    /// Whether its neurons have potentials, and so take currents.
    pub has_potential: bool,
}

impl SnnNetwork {
    pub(crate) fn new(
        network: Network,
        description: Description,
        limit: Option<u64>,
    ) -> Result<Self, Failure> {
        let for_c = |text: &str| {
            CString::new(text).map_err(|_| Failure {
                status: SnnStatus::Network,
                text: format!(
                    "population {text:?} has a name with a zero in it, which no text of C can hold"
                ),
            })
        };
        let populations = || network.populations().iter();
        let names = populations().map(|population| for_c(population.name())).collect::<Result<_, _>>()?;
        let kinds =
            populations().map(|population| for_c(population.neuron().kind())).collect::<Result<_, _>>()?;
        Ok(Self { inner: Arc::new(network), description, names, kinds, limit })
    }

    fn of_file(file: NetFile) -> Result<Self, Failure> {
        Self::new(file.network, file.description, Some(file.memory_limit))
    }

    /// The id of a population by its number.
    pub(crate) fn id(&self, population: u32) -> Result<PopulationId, Failure> {
        let count = self.inner.populations().len();
        // Ids are numbers in order.
        self.inner.ids().nth(population as usize).ok_or_else(|| {
            Failure::argument(format!(
                "population {population} does not exist; allowed are 0 to {}",
                count - 1
            ))
        })
    }

    /// How many simulators of `memory` bytes, of `wanted`, the run may make; told before they are made.
    pub(crate) fn simulators(&self, memory: Memory, wanted: usize) -> Result<usize, Failure> {
        // What any network may take needs no look at this one.
        if self.limit.is_none() && memory.of_simulators(wanted) <= LEAST_MEMORY_LIMIT {
            return Ok(wanted);
        }
        let limit = match self.limit {
            Some(limit) => limit,
            None => default_memory_limit(net_digest(&self.inner, &self.description)?.bytes),
        };
        memory.simulators_within(limit, wanted).map_err(|needed| Failure {
            status: SnnStatus::Input,
            text: format!(
                "this needs about {needed} bytes of memory; allowed are {limit}; open the network with a larger memory_limit, or run \
                 fewer samples or steps"
            ),
        })
    }
}

/// The simulator of a number.
pub(crate) fn mode(number: u32) -> Result<Mode, Failure> {
    match number {
        SNN_MODE_AUTO => Ok(Mode::Auto),
        SNN_MODE_EVENT => Ok(Mode::Event),
        SNN_MODE_DENSE => Ok(Mode::Dense),
        _ => {
            Err(Failure::argument(format!("mode is {number}; allowed are SNN_MODE_AUTO, _EVENT and _DENSE")))
        }
    }
}

/// The fastest simulator for whole runs.
pub const SNN_MODE_AUTO: u32 = 0;
/// The fastest simulator for single steps.
pub const SNN_MODE_EVENT: u32 = 1;
/// The dense reference, which the others equal by bits.
pub const SNN_MODE_DENSE: u32 = 2;

fn limit(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

/// Opens a net.bin. Large files are mapped, not read. `memory_limit` is what runs may take, in bytes; 0 for 384 MiB or 64
/// times the file, whichever is more.
///
/// # Safety
/// `path` is a text; `network` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_open(
    path: *const c_char,
    memory_limit: u64,
    network: *mut *mut SnnNetwork,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let path = unsafe { text(path, "path") }?;
        let open = || SnnNetwork::of_file(NetFile::open_within(path, Source::BySize, limit(memory_limit))?);
        // SAFETY: as the caller says.
        unsafe { hand_over(network, "network", open) }
    })
}

/// Reads the bytes of a net.bin, which are not needed any more afterwards.
///
/// # Safety
/// `bytes` has `length` bytes; `network` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_read(
    bytes: *const u8,
    length: usize,
    memory_limit: u64,
    network: *mut *mut SnnNetwork,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let bytes = unsafe { array(bytes, length, "bytes") }?;
        let parse = || NetFile::parse_within(bytes, &Origin::file("<memory>"), limit(memory_limit));
        // SAFETY: as the caller says.
        unsafe { hand_over(network, "network", || SnnNetwork::of_file(parse()?)) }
    })
}

/// Writes a net.bin, complete or not at all.
///
/// # Safety
/// `network` is a network; `path` is a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_save(network: *const SnnNetwork, path: *const c_char) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let (network, path) = unsafe { (given(network, "network")?, text(path, "path")?) };
        write_net(Path::new(path), &network.inner, &network.description)?;
        Ok(())
    })
}

/// Frees a network; null is allowed. Simulators of it go on.
///
/// # Safety
/// `network` is a network that was not freed, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_free(network: *mut SnnNetwork) {
    // SAFETY: as the caller says.
    unsafe { take_back(network) }
}

/// The number of populations; they are numbered in order of declaration. The last one is the output. 0 for null.
///
/// # Safety
/// `network` is a network, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_populations(network: *const SnnNetwork) -> u32 {
    // SAFETY: as the caller says.
    let network = unsafe { network.as_ref() };
    network.map_or(0, |network| u32::try_from(network.names.len()).unwrap_or(u32::MAX))
}

/// Tells of a population.
///
/// # Safety
/// `network` is a network; `found` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_population(
    network: *const SnnNetwork,
    population: u32,
    found: *mut SnnPopulation,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let network = unsafe { given(network, "network") }?;
        let id = network.id(population)?;
        let (inner, emission) = (network.inner.population(id), network.inner.emission(id));
        let told = SnnPopulation {
            name: network.names[id.index()].as_ptr(),
            kind: network.kinds[id.index()].as_ptr(),
            size: inner.size(),
            shape: inner.layout().into(),
            largest: emission.largest,
            negative: emission.negative,
            has_potential: inner.neuron().has_potential(),
        };
        // SAFETY: as the caller says.
        unsafe { put(found, told, "found") }
    })
}

/// The number of the population of a name.
///
/// # Safety
/// `network` is a network, `name` a text; `population` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_find(
    network: *const SnnNetwork,
    name: *const c_char,
    population: *mut u32,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let (network, name) = unsafe { (given(network, "network")?, text(name, "name")?) };
        let names = || network.inner.populations().iter().map(snn_engine::Population::name);
        let number = (0_u32..).zip(names()).find(|(_, other)| *other == name).ok_or_else(|| {
            let names: Vec<&str> = names().collect();
            Failure::argument(format!("population `{name}` does not exist; there are {names:?}"))
        })?;
        // SAFETY: as the caller says.
        unsafe { put(population, number.0, "population") }
    })
}

/// The steps of the runs that a network is made for; 0 if it is made for runs of any length.
///
/// # Safety
/// `network` is a network; `steps` and `until_quiet` may be written, or are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snn_network_run_length(
    network: *const SnnNetwork,
    steps: *mut u32,
    until_quiet: *mut bool,
) -> SnnStatus {
    call(|| {
        // SAFETY: as the caller says.
        let network = unsafe { given(network, "network") }?;
        let run = network.description.run;
        let (length, quiet) =
            run.map_or((0, false), |RunLength { steps, until_quiet, .. }| (steps, until_quiet));
        if !steps.is_null() {
            // SAFETY: as the caller says.
            unsafe { put(steps, length, "steps") }?;
        }
        if !until_quiet.is_null() {
            // SAFETY: as the caller says.
            unsafe { put(until_quiet, quiet, "until_quiet") }?;
        }
        Ok(())
    })
}
