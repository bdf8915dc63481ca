//! The cost rule: which delivery is the fastest for one population and window.
//!
//! Before a layer is run it is known exactly how many spikes arrive and how many weights they carry, so
//! the cost of each delivery can be reckoned. The constants are processor cycles, fitted to the grid in
//! `benches/record`; a wrong choice costs time, never a bit of the result.

use super::Delivery;
use super::gather::GatherWork;
use super::tiles::{packed, table};
use crate::lanes::BLOCK;
use crate::network::Network;
use crate::network::connectivity::Connectivity;
use crate::simulator::rows::{NEAR, is_far};

/// What is known of a population and a window before it is run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// Weight rows that arriving spikes bring, of fully connected projections.
    pub(super) rows: f64,
    /// Weight rows that arriving spikes bring through the taps of convolutions.
    pub(super) tap_rows: f64,
    /// Weights of those rows that are sparse, from tables that a second-level cache holds.
    pub(super) weights: f64,
    /// The same from larger tables.
    pub(super) far_weights: f64,
    /// Vectors of 16 weights of those rows that are dense.
    pub(super) vectors: f64,
    /// Words of 64 neurons.
    pub(super) words: f64,
    /// Cycles of the membrane update of a word in a step.
    pub(super) update: f64,
    /// Steps.
    pub(super) steps: f64,
    /// With tiles: rows that are added, over all tiles.
    pub(super) tile_rows: f64,
    /// With tiles: groups of eight steps that are summed, over all tiles and blocks.
    pub(super) tile_octets: f64,
    /// With tiles: rows of 16 weights, used or not, that come from beyond a second-level cache.
    pub(super) far_tile_rows: f64,
    /// With tiles: rows that must be unpacked.
    pub(super) unpacked_rows: f64,
    /// With tiles: weights that must be unpacked.
    pub(super) unpacked: f64,
    /// With tiles: spikes that must be arranged.
    pub(super) arranged: f64,
    /// With time lanes: masks, made anew in each window.
    pub(super) places: f64,
    /// With time lanes: synapses of the population.
    pub(super) lanes: f64,
    /// With time lanes: synapses of the population times groups of 16 steps.
    pub(super) lane_adds: f64,
    /// By positions.
    pub(super) gather: GatherWork,
    /// By positions: spikes that are delivered one to one.
    pub(super) one_to_one: f64,
}

/// A row: its start is fetched, its end is mispredicted.
const ROW: f64 = 40.0;
/// The same behind a tap, which must be found.
const TAP_ROW: f64 = 50.0;
/// A weight scattered.
const WEIGHT: f64 = 1.5;
/// The same, fetched from farther away.
const FAR_WEIGHT: f64 = 2.2;
/// A vector of a dense row added to the currents.
const VECTOR: f64 = 4.5;
/// A row of 16 weights added in registers.
const TILE_ROW: f64 = 1.6;
/// An octet begun and ended.
const OCTET: f64 = 60.0;
/// A row of 16 weights that comes from a third-level cache.
const FAR_TILE_ROW: f64 = 1.2;
/// A row of 16 weights brought to rest before weights are unpacked to it.
const UNPACKED_ROW: f64 = 1.5;
/// A weight unpacked.
const UNPACKED: f64 = 1.5;
/// A spike arranged.
const ARRANGED: f64 = 7.0;
/// A mask set to rest.
const PLACE: f64 = 1.0;
/// A synapse, its weight and the spikes of its source fetched.
const LANE: f64 = 2.0;
/// Sixteen steps of a synapse, masked.
const LANES: f64 = 1.1;
/// A word of 64 neurons and 16 steps turned from time to neurons.
const TURNED: f64 = 350.0;
/// A row of 16 weights of tiles made, at rest: 3 to 6 ns were measured with fresh memory.
const TILE_ROW_MADE: f64 = 10.0;
/// A weight put into its tile: 2.7 to 4 ns.
const TILED: f64 = 6.0;
/// A weight put into a packed tile: 37 to 46 ns.
const PACKED: f64 = 100.0;
/// A weight put into its column: 3.2 ns in a near cache, 25 in large tables.
const COLUMN: f64 = 20.0;
/// A line of a row added in registers.
const GATHERED: f64 = 1.6;
/// The same, fetched from a third-level cache: nothing of a row stays near until its source fires again.
const FAR_GATHERED: f64 = 2.5;
/// The same, fetched from memory.
const REMOTE_GATHERED: f64 = 6.0;
/// A row begun, and the value of its spike spread over the lanes.
const GATHERED_ROW: f64 = 3.0;
/// A run of spikes found, and the currents of a position taken into registers and put back.
const RUN: f64 = 110.0;
/// A spike or a position put in order.
const IN_ORDER: f64 = 1.5;
/// Sixteen channels of a tap.
const CHANNELS: f64 = 5.0;
/// The value of a source written out.
const WRITTEN: f64 = 0.6;
/// Threads woken, and waited for: 5 to 17 µs were measured.
const TURN: f64 = 40_000.0;

/// The shared cycles from which a population is spread over threads: what it costs is then one part in 25 if no
/// processor is free to help.
pub(super) const SPREAD: f64 = 1_000_000.0;

impl Work {
    /// Adds rows of 16 weights that lie in dense tiles.
    pub(super) fn add_tiles(&mut self, rows: f64) {
        if rows * 64.0 > NEAR as f64 {
            self.far_tile_rows += rows;
        }
    }

    /// Adds what a projection costs by positions.
    pub(super) fn add_gather(&mut self, more: GatherWork) {
        let gather = &mut self.gather;
        gather.lines += more.lines;
        gather.far_lines += more.far_lines;
        gather.remote_lines += more.remote_lines;
        gather.rows += more.rows;
        gather.runs += more.runs;
        gather.arranged += more.arranged;
        gather.channel_lines += more.channel_lines;
        gather.sources += more.sources;
    }

    /// Adds the weights that arrive from a sparse table of `synapses`.
    pub(super) fn add_weights(&mut self, weights: u64, synapses: u64) {
        *(if is_far(synapses) { &mut self.far_weights } else { &mut self.weights }) += weights as f64;
    }
}

/// The cycles of a step in which every neuron fires, by rows.
pub(super) fn most_of_a_step(network: &Network) -> f64 {
    let mut work = Work::default();
    for projection in network.projections() {
        let connectivity = projection.connectivity();
        work.rows += connectivity.sources() as f64;
        work.add_weights(connectivity.synapses(), connectivity.synapses());
    }
    cycles(&work, Delivery::Rows).shared
}

/// The cycles of making what a delivery needs of a projection.
pub(super) fn making(connectivity: &Connectivity, delivery: Delivery) -> f64 {
    let Some(rows) = table(connectivity) else { return 0.0 };
    let synapses = rows.synapses() as f64;
    match delivery {
        Delivery::Rows => 0.0,
        Delivery::Tiles if packed(connectivity) => synapses * PACKED,
        Delivery::Tiles | Delivery::Gather => {
            let lines = rows.len() as f64 * rows.width().div_ceil(BLOCK) as f64;
            lines * TILE_ROW_MADE + synapses * TILED
        }
        Delivery::TimeLanes => synapses * COLUMN,
    }
}

/// The cycles of a delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cycles {
    /// Of what one thread must do.
    alone: f64,
    /// Of what may be shared out.
    pub(super) shared: f64,
}

impl Cycles {
    /// The cycles until so many threads are done.
    pub(super) fn by(self, threads: usize) -> f64 {
        let turn = if threads == 1 { 0.0 } else { TURN };
        self.alone + self.shared / threads as f64 + turn
    }
}

/// The cycles of a delivery, the membrane update included.
pub(super) fn cycles(work: &Work, delivery: Delivery) -> Cycles {
    let update = work.words * work.steps * work.update;
    match delivery {
        Delivery::Rows => {
            let shared = work.rows * ROW
                + work.tap_rows * TAP_ROW
                + work.weights * WEIGHT
                + work.far_weights * FAR_WEIGHT
                + work.vectors * VECTOR;
            Cycles { alone: 0.0, shared: shared + update }
        }
        Delivery::Tiles => {
            let shared = work.tile_rows * TILE_ROW
                + work.tile_octets * OCTET
                + work.far_tile_rows * FAR_TILE_ROW
                + work.unpacked_rows * UNPACKED_ROW
                + work.unpacked * UNPACKED
                + update;
            Cycles { alone: work.arranged * ARRANGED, shared }
        }
        Delivery::TimeLanes => {
            let turned = work.words * (work.steps / 16.0).ceil() * TURNED;
            let shared = work.lanes * LANE + work.lane_adds * LANES + turned + update;
            Cycles { alone: work.places * PLACE, shared }
        }
        Delivery::Gather => {
            let gather = &work.gather;
            let shared = gather.lines * GATHERED
                + gather.far_lines * FAR_GATHERED
                + gather.remote_lines * REMOTE_GATHERED
                + gather.rows * GATHERED_ROW
                + gather.runs * RUN
                + gather.channel_lines * CHANNELS
                + work.one_to_one * ROW;
            let alone = gather.arranged * IN_ORDER + gather.sources * WRITTEN;
            Cycles { alone, shared: shared + update }
        }
    }
}
