//! The contract of the engine, proven on random networks, worked by hand, and pinned by golden cases.

mod case;
mod cases;
mod crowds;
mod draw;
mod golden;
mod impostors;
mod judge;
mod laws;
mod leaking;
mod models;
mod quiet;
mod shrink;
mod simulators;
mod wake;
mod windows;
mod words;
