//! See `snn_fuzz::targets::nir`.
#![no_main]

snn_fuzz::target!(nir, Nir);
