//! The files of snn-event: reading and writing, checked at the door.
//!
//! - [`npy`] and [`npz`]: arrays as NumPy stores them, read by the type the file states, into an [`Array`].
//! - [`events`]: the events of event cameras, and the spikes that they are in steps of a fixed length.
//! - [`spikes`]: the spikes of a run, sample by sample, as an `.npz` file.
//! - [`net`]: `net.bin`, a network ready to run; [`container`]: its generic part: a JSON head and checksummed, aligned, memory-mapped sections.
//! - [`regular`]: opening regular files only, and only where they may lie.
//! - [`digest`]: which bytes were read or written; [`provenance`]: what results were made of.
//! - [`samples`]: which shapes of arrays hold samples of a net's input, and labels.
//! - [`atomic`]: a file that appears under its name only when it is complete; [`outputs`]: what is looked at before;
//!   [`GrowingFile`]: one that grows by whole lines.
//!
//! Every reader treats its file as hostile: whatever the bytes are, the result is a value or a
//! [`FormatError`], never a panic, and no more memory is taken than the length of the file justifies.

#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!(
    "snn-formats runs on little-endian hosts only: net.bin is little-endian and its sections are used in \
     place, straight from the mapped file, without a copy in which bytes could be swapped"
);

pub mod array;
pub mod atomic;
pub mod container;
pub mod digest;
pub mod error;
pub mod events;
mod growing;
mod machine;
mod map;
pub mod net;
pub mod npy;
pub mod npz;
pub mod outputs;
pub mod provenance;
pub mod regular;
pub mod samples;
pub mod spikes;

pub use array::{Array, Values};
pub use atomic::AtomicFile;
pub use container::{Container, ContainerWriter, Section};
pub use digest::{Digest, Digester, FileDigest};
pub use error::{FormatError, FormatErrorKind, Origin, Place};
pub use growing::GrowingFile;
pub use machine::Machine;
pub use map::{SMALLEST_MAPPED, Source};
pub use net::{
    Arrives, Basis, Description, InputRange, LONGEST_PROVENANCE, LONGEST_REPORT, NetFile, QUIET_STEPS,
    RunLength, Unit, net_bytes, net_digest, read_net, write_net,
};
pub use npy::{Element, write_npy};
pub use npz::{Compression, NpzReader, NpzWriter};
pub use outputs::{OutputError, Part, SharedFile, check_outputs};
pub use provenance::{Provenance, kernels};
pub use spikes::{Spike, SpikeFile, SpikeTrains, SpikeWriter};
