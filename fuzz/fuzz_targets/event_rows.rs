//! See `snn_fuzz::targets::event_rows`.
#![no_main]

snn_fuzz::target!(event_rows, Npy);
