//! The converter's tests: operators, real nets, files of every kind.

mod conversion;
mod few;
mod files;
mod growth;
mod large;
mod layers;
mod lowering;
mod operators;
mod oracle;
mod quantised;
mod quantised_onnx;
mod rewriting;
mod shared;
mod sparse;
#[path = "../sparse_onnx/mod.rs"]
mod sparse_onnx;
mod state_dict;
mod transformer;
mod whole;
