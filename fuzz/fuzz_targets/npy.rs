//! See `snn_fuzz::targets::npy`.
#![no_main]

snn_fuzz::target!(npy, Npy);
