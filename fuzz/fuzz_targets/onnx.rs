//! See `snn_fuzz::targets::onnx`.
#![no_main]

snn_fuzz::target!(onnx, Onnx);
