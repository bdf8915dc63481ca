//! See `snn_fuzz::targets::numpy_net`.
#![no_main]

snn_fuzz::target!(numpy_net, Npz);
