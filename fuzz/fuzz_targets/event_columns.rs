//! See `snn_fuzz::targets::event_columns`.
#![no_main]

snn_fuzz::target!(event_columns, Npz);
