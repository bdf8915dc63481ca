//! What the engine's parts cost, each beside a named rival where there is one.
//!
//! Every bench asserts its number of spikes, or of what else it makes, before it times. `cargo bench` times;
//! `cargo bench -- --test` checks the assertions only.

mod delivery;
mod encoder;
mod membrane;
mod nets;
mod run;
mod wake;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, delivery::bench, membrane::bench, encoder::bench, wake::bench, run::bench);
criterion_main!(benches);
