//! See `snn_fuzz::targets::torch`.
#![no_main]

snn_fuzz::target!(torch, Torch);
