//! The command line of the rivals: its samples, its report, and how that is printed.

pub mod input;
pub mod print;
pub mod report;
