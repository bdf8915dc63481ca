//! See `snn_fuzz::targets::npz`.
#![no_main]

snn_fuzz::target!(npz, Npz);
