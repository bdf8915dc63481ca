//! One file for each command: parse, call, print; no logic.

pub mod check;
pub mod completions;
pub mod convert;
pub mod diff;
pub mod eval;
pub mod export;
pub mod generate;
pub mod inspect;
pub mod man;
pub mod merge;
pub mod prune;
pub mod report;
pub mod run;
pub mod sweep;
pub mod verify;

/// Flags that do not go together: exit status 2, as for flags that do not parse.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
