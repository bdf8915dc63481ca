//! See `snn_fuzz::targets::spikes`.
#![no_main]

snn_fuzz::target!(spikes, Npz);
