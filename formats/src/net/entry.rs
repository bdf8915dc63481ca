//! The head of a `net.bin`, as JSON has it: populations and projections, which name their sections.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use snn_engine::Layout;

use super::description::{InputRange, RunLength};

/// The content of the head.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetEntry {
    pub(super) populations: Vec<PopulationEntry>,
    pub(super) projections: Vec<ProjectionEntry>,
    pub(super) description: DescriptionEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescriptionEntry {
    /// Free-form, so it is not parsed before its length is known to be small.
    pub(super) provenance: Box<RawValue>,
    /// As it stands: whoever shows it knows what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunLength>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<InputRange>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PopulationEntry {
    pub(super) name: String,
    pub(super) shape: ShapeEntry,
    pub(super) neuron: NeuronEntry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<UnitEntry>,
}

/// What the rates of a population stand for; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitEntry {
    pub(super) scale: String,
    pub(super) offset: String,
    pub(super) zero: f32,
}

/// `[n]`, or `[channels, height, width]`.
#[derive(Clone, Copy)]
pub(super) struct ShapeEntry(pub(super) Layout);

impl Serialize for ShapeEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Layout::Flat(n) => [n].serialize(serializer),
            Layout::Image { channels, height, width } => [channels, height, width].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ShapeEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lengths;

        impl<'de> Visitor<'de> for Lengths {
            type Value = ShapeEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a shape, [n] or [channels, height, width]")
            }

            // Stops at the fourth length, however many there are.
            fn visit_seq<A: SeqAccess<'de>>(self, mut lengths: A) -> Result<ShapeEntry, A::Error> {
                let mut next = || lengths.next_element::<u32>();
                match (next()?, next()?, next()?) {
                    (Some(n), None, None) => Ok(ShapeEntry(Layout::Flat(n))),
                    (Some(channels), Some(height), Some(width)) if next()?.is_none() => {
                        Ok(ShapeEntry(Layout::Image { channels, height, width }))
                    }
                    (first, second, third) => {
                        let found = [first, second, third].iter().flatten().count();
                        // Three of three were an image; here there is a fourth.
                        let found = if found == 3 { 4 } else { found };
                        Err(A::Error::invalid_length(found, &self))
                    }
                }
            }
        }

        deserializer.deserialize_seq(Lengths)
    }
}

/// The kind of a population's neurons; texts name sections.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum NeuronEntry {
    Source,
    IntegrateFire {
        threshold: String,
        bias: String,
        start: String,
        reset: ResetEntry,
    },
    Accumulator {
        bias: String,
    },
    MaxPool,
    /// Since version 2: any model of the engine, by its description.
    Model {
        /// The model's name.
        name: String,
        /// Of each parameter, by its name, a section.
        parameters: BTreeMap<String, String>,
        /// Of each choice, by its name, the option.
        choices: BTreeMap<String, String>,
    },
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
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ConnectivityEntry {
    /// One row per source neuron, as wide as the target.
    Rows(RowsEntry),
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
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum RowsEntry {
    Sparse { row_starts: String, targets: String, weights: String },
    Dense { weights: String },
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
