//! See `snn_fuzz::targets::state`.
#![no_main]

snn_fuzz::target!(state, State);
