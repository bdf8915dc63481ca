//! The converter's tests: operators, real nets, files of every kind.

mod conversion;
mod few;
mod files;
mod large;
mod lowering;
mod operators;
mod oracle;
mod quantised;
mod rewriting;
mod shared;
mod state_dict;
