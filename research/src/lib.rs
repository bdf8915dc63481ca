//! What a publication about pruned spiking networks tells: accuracy at every number of steps with its interval, early ends, costs
//! by published definitions, energies with the operations they come from, and digests by which others can verify a run.
//!
//! [`evaluate`] runs samples once and gives, for every point of its [`Plan`], exactly what a run of that length would.
//! The rest are functions of its [`Evaluation`].
//!
//! The feature `figures`, on by default, draws figures and pages of them; without it this crate compiles in seconds. The
//! feature `parquet` writes the results of studies as Parquet files.

#![deny(unsafe_code)]

mod costs;
mod digest;
mod energy;
mod evaluate;
#[cfg(feature = "figures")]
mod figures;
#[cfg(feature = "figures")]
mod look;
mod neurobench;
#[cfg(feature = "figures")]
mod page;
#[cfg(feature = "figures")]
mod pages;
#[cfg(feature = "parquet")]
mod parquet_file;
mod parting;
mod parts;
mod plan;
mod proportion;
mod read_out;
mod report;
mod stop;
mod study;
mod tables;
mod trained;

pub use costs::{Delivered, PopulationCosts, TrainedOperations, costs};
pub use digest::{DigestError, SpikeDigest, SpikeHasher};
pub use energy::{Energy, EnergyError, Preset, Rival, Term, chosen_presets, presets, rivals};
pub use evaluate::{Ended, Evaluation, Plan, Point, evaluate};
#[cfg(feature = "figures")]
pub use figures::{Colour, Figure, FigureError, PALETTE};
pub use neurobench::{LayerSparsity, NeuroBench, SynapticOperations};
#[cfg(feature = "figures")]
pub use page::{Page, Section, Table};
#[cfg(feature = "figures")]
pub use pages::{PageError, RunPage};
#[cfg(feature = "parquet")]
pub use parquet_file::parquet_file;
pub use parting::{Parting, PartingError, Side, part_networks, part_spikes};
pub use parts::{
    Joined, PartError, RunOutcomes, ToldEnded, ToldEvaluation, ToldOutcome, ToldRun, join_parts, write_part,
};
pub use plan::PlanError;
pub use proportion::{McNemar, Proportion};
pub use report::{ClassReport, Context, EvaluationReport, PointReport, PopulationDigest, Spent, StopReport};
pub use stop::{Stop, StopError};
pub use study::{
    Cell, Different, Group, Material, Results, Row, Shard, Study, StudyEncoding, StudyError, StudyFiles,
    StudyModel, StudyRecipe, SweepError, SweepOptions, Trained, Verification, merge,
};
pub use tables::{csv, latex};
pub use trained::{Beside, TrainedError, trained_classes};
