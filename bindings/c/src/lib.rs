//! The C interface of snn-event: `include/snn_event.h`, written by cbindgen from this crate.
//!
//! Networks, builders, simulators and outcomes are handles; every call that can fail returns a [`SnnStatus`](status::SnnStatus)
//! and keeps a text, and no panic crosses into C. What a call gives to read (potentials, spikes, counts, names) is borrowed
//! from its handle, without a copy, until the next call that changes the handle or frees it.
//!
//! A network may be used by any number of threads at once; any other handle by one at a time.
//!
//! Neurons are named by their ids: of a vector their places, of an image, which is channels-last,
//! `(y·width + x)·channels + c`. Whole samples and what comes out of them stand in the user's order, channels-first.

mod batch;
mod builder;
mod network;
mod simulator;
mod status;

pub use batch::*;
pub use builder::*;
pub use network::*;
pub use simulator::*;
pub use status::{SnnStatus, snn_last_error};

/// The version of the library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn snn_version() -> *const std::ffi::c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
