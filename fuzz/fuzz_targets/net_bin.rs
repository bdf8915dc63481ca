//! See `snn_fuzz::targets::net_bin`.
#![no_main]

snn_fuzz::target!(net_bin, Net);
