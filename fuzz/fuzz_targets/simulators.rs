//! See `snn_fuzz::targets::simulators`.
#![no_main]

snn_fuzz::target!(simulators, Net);
