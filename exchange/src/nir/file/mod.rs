//! NIR files: graphs in HDF5, as the Python package `nir` reads and writes them.
//!
//! A file holds the text `version` and the group `node`, which is a graph: its text `type` (`NIRGraph`), the texts `edges`, of
//! shape `[edges, 2]`, and the group `nodes` of groups, one for each node. A node has its text `type`, arrays of numbers by NIR's
//! names and texts, and maybe a group `metadata`; one that is a graph has what a graph has.
//!
//! The numbers may be of any whole or floating type, of any byte order, whole or in chunks, packed (gzip, LZF, shuffled) or not;
//! texts of fixed or variable length. Written are texts of fixed length, whole numbers for what counts (shapes, strides) and f64
//! for the rest, packed with gzip where they are many; `nir` 0.2 to 1.0.8 reads them.
//!
//! Files are treated as hostile: an array is read only if its declared size is no more than its bytes can be unpacked to
//! ([`MAX_RATIO`] times as many), all of them together no more than the file; the number of nodes is bounded by the length of the file too.

mod read;
mod write;

pub use read::{MAX_RATIO, parse};
pub use write::bytes;

/// What every HDF5 file begins with.
pub const MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// The numbers of nodes that count something; the others measure something.
const WHOLE: [&str; 11] = [
    "stride",
    "padding",
    "dilation",
    "groups",
    "kernel_size",
    "start_dim",
    "end_dim",
    "shape",
    "input_shape",
    "input_type",
    "output_type",
];

/// What stands in a node beside its own numbers and texts: its type, what is said about it, and the parts of a graph.
const RESERVED: [&str; 4] = ["type", "metadata", "nodes", "edges"];
