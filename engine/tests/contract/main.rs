//! The contract of the engine, proven on random networks, worked by hand, and pinned by golden cases.

mod cases;
mod golden;
mod impostors;
mod laws;
mod random;
mod wake;
mod windows;
