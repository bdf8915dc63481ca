use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::delivery::Delivery;
use super::gather::{GatherWork, Gathered, is_by_channels};
use super::lanes::{LaneColumns, places};
use super::tiles::{Tiles, table};
use crate::network::Network;
use crate::network::connectivity::Connectivity;
use crate::simulator::rows::{Carried, Cuts};

/// The bytes that the copies of all weights of a network, laid out for the other deliveries than rows, may have.
const BUDGET: u64 = 96 << 20;

/// Below this density neither layout is ever the cheapest.
const THINNEST: f64 = 1.0 / 256.0;

/// The weights of one projection in the layouts that the deliveries need, each made when first needed.
pub(super) struct WeightLayouts {
    carried: Carried,
    tiles: Option<OnceLock<Tiles>>,
    columns: Option<OnceLock<LaneColumns>>,
    gathered: Option<OnceLock<Gathered>>,
    /// Whether every channel is convolved with itself only.
    by_channels: bool,
    cuts: OnceLock<Option<Cuts>>,
    /// Cycles that windows took longer because tiles or columns were not there.
    missed: AtomicU64,
}

/// One for each projection. Layouts are granted in order of declaration while their bytes fit the budget, those of whole
/// positions last.
pub(super) fn layouts(network: &Network) -> Vec<WeightLayouts> {
    let mut left = BUDGET;
    let mut grant = |bytes: Option<u64>| -> bool {
        let rest = bytes.and_then(|bytes| left.checked_sub(bytes));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    let worth = |connectivity: &Connectivity| {
        table(connectivity)
            .is_some_and(|rows| rows.synapses() as f64 > THINNEST * rows.len() as f64 * rows.width() as f64)
    };
    let mut layouts: Vec<WeightLayouts> = network
        .projections()
        .iter()
        .map(|projection| {
            let connectivity = projection.connectivity();
            let worth = worth(connectivity);
            let lanes = places(connectivity)
                .and_then(|_| table(connectivity))
                .map(|rows| rows.synapses().saturating_mul(6));
            WeightLayouts {
                carried: Carried::by(connectivity),
                tiles: (worth && grant(Tiles::bytes(connectivity))).then(OnceLock::new),
                columns: (worth && grant(lanes)).then(OnceLock::new),
                gathered: None,
                by_channels: is_by_channels(connectivity),
                cuts: OnceLock::new(),
                missed: AtomicU64::new(0),
            }
        })
        .collect();
    for (layouts, projection) in layouts.iter_mut().zip(network.projections()) {
        let connectivity = projection.connectivity();
        // Channels by themselves are few weights of a thin table.
        let bytes = Gathered::bytes(connectivity, layouts.by_channels);
        let worth = worth(connectivity) || layouts.by_channels;
        layouts.gathered = (worth && grant(bytes)).then(OnceLock::new);
    }
    layouts
}

impl WeightLayouts {
    /// The weights that the given spikes carry.
    pub(super) fn operations(&self, connectivity: &Connectivity, spikes: &[u32]) -> u64 {
        self.carried.count(connectivity, spikes)
    }

    pub(super) fn has_tiles(&self) -> bool {
        self.tiles.is_some()
    }

    pub(super) fn has_columns(&self) -> bool {
        self.columns.is_some()
    }

    /// Whether what a delivery needs exists already.
    pub(super) fn exist_for(&self, delivery: Delivery) -> bool {
        match delivery {
            Delivery::Rows => true,
            Delivery::Tiles => self.tiles.as_ref().is_some_and(|tiles| tiles.get().is_some()),
            Delivery::TimeLanes => self.columns.as_ref().is_some_and(|columns| columns.get().is_some()),
            // Projections from one to one need nothing.
            Delivery::Gather => self.gathered.as_ref().is_none_or(|gathered| gathered.get().is_some()),
        }
    }

    /// Adds cycles that a window takes longer because a layout is not there: all that were missed so far.
    pub(super) fn miss(&self, cycles: f64) -> f64 {
        let cycles = cycles.max(0.0) as u64;
        (self.missed.fetch_add(cycles, Ordering::Relaxed) + cycles) as f64
    }

    /// The tiles, if granted.
    pub(super) fn tiles(&self, connectivity: &Connectivity) -> Option<&Tiles> {
        Some(self.tiles.as_ref()?.get_or_init(|| Tiles::of(connectivity)))
    }

    pub(super) fn has_gathered(&self) -> bool {
        self.gathered.is_some()
    }

    /// The weights for whole positions, if granted.
    pub(super) fn gathered(&self, connectivity: &Connectivity) -> Option<&Gathered> {
        Some(self.gathered.as_ref()?.get_or_init(|| Gathered::of(connectivity, self.by_channels)))
    }

    /// What so many spikes in some steps cost by positions; `None` if positions cannot take them.
    pub(super) fn gather_work(
        &self,
        connectivity: &Connectivity,
        spikes: f64,
        steps: f64,
    ) -> Option<GatherWork> {
        Gathered::work(connectivity, self.by_channels, spikes, steps)
    }

    /// Where weight rows are cut, if that is worth its memory.
    pub(super) fn cuts(&self, connectivity: &Connectivity) -> Option<&Cuts> {
        self.cuts.get_or_init(|| Cuts::of(connectivity)).as_ref()
    }

    /// The columns, if granted.
    pub(super) fn columns(&self, connectivity: &Connectivity) -> Option<&LaneColumns> {
        let columns = self.columns.as_ref()?;
        Some(columns.get_or_init(|| {
            LaneColumns::of(connectivity).unwrap_or_else(|| panic!("columns were granted to what has none"))
        }))
    }
}
