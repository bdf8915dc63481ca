//! See `snn_fuzz::targets::samples`.
#![no_main]

snn_fuzz::target!(samples, Samples);
