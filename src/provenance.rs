//! What the results of a command were made of.

use snn_formats::Provenance;

/// Of a command of this program, so far without files and options.
pub fn of(command: &'static str) -> Provenance {
    Provenance::new(concat!("snn-event ", env!("CARGO_PKG_VERSION")), command)
}
