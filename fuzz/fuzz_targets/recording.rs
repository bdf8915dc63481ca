//! See `snn_fuzz::targets::recording`.
#![no_main]

snn_fuzz::target!(recording, Recording);
