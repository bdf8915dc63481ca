//! See `snn_fuzz::targets::layer_list`.
#![no_main]

snn_fuzz::target!(layer_list, LayerList);
