//! The head of a `net.bin`, as JSON has it: populations and projections, which name their sections.

use serde::{Deserialize, Serialize};

use super::Description;

/// The content of the head.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetEntry {
    pub(super) populations: Vec<PopulationEntry>,
    pub(super) projections: Vec<ProjectionEntry>,
    pub(super) description: Description,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PopulationEntry {
    pub(super) name: String,
    /// `[n]`, or `[channels, height, width]`.
    pub(super) shape: Vec<u32>,
    pub(super) neuron: NeuronEntry,
}

/// The kind of a population's neurons; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum NeuronEntry {
    Source {},
    IntegrateFire {
        threshold: String,
        bias: String,
        start: String,
        reset: ResetEntry,
    },
    Accumulator {
        bias: String,
    },
    MaxPool {},
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ResetEntry {
    Subtract,
    Zero,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectionEntry {
    /// Names of populations.
    pub(super) source: String,
    pub(super) target: String,
    pub(super) delay: u32,
    pub(super) connectivity: ConnectivityEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ConnectivityEntry {
    /// One row per source neuron, as wide as the target.
    Rows {
        rows: RowsEntry,
    },
    /// One row per tap and source channel, as wide as the target's channels.
    Conv2d {
        geometry: GeometryEntry,
        rows: RowsEntry,
    },
    OneToOne {
        weights: String,
    },
}

/// The format of a table of rows; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum RowsEntry {
    Sparse {
        row_starts: String,
        targets: String,
        weights: String,
    },
    Dense {
        weights: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeometryEntry {
    pub(super) source: [u32; 3],
    pub(super) target: [u32; 3],
    pub(super) pool: [u32; 2],
    pub(super) kernel: [u32; 2],
    pub(super) stride: [u32; 2],
    pub(super) dilation: [u32; 2],
    pub(super) padding: [u32; 2],
    pub(super) groups: u32,
}
