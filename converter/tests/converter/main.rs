//! The converter's tests: operators, real nets, files of every kind.

mod files;
mod operators;
mod oracle;
mod rewriting;
mod shared;
mod state_dict;
