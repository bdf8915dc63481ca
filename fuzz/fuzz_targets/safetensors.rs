//! See `snn_fuzz::targets::safetensors`.
#![no_main]

snn_fuzz::target!(safetensors, Safetensors);
