//! Studies: grids of trained nets, sparsities, recipes, run lengths and encodings.

mod files;
mod results;
mod run;
mod shard;
mod sweep;
mod verify;

pub use files::StudyFiles;
pub use results::{Results, merge};
pub use run::{Material, Row, Trained};
pub use shard::Shard;
pub use sweep::{SweepError, SweepOptions};
pub use verify::{Different, Verification};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use snn_converter::ConvertError;
use snn_converter::neuron::NeuronKind;
use snn_engine::NetworkError;

use crate::energy::{EnergyError, Preset, chosen_presets};
use crate::trained::TrainedError;

/// A grid of trained nets, sparsities, recipes, run lengths and encodings, on the same samples: what a `study.toml` says.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Study {
    /// Test samples, .npy of shape (N, …).
    pub input: PathBuf,
    /// Their classes.
    pub labels: PathBuf,
    /// Calibration samples.
    pub calibration: PathBuf,
    /// How many test samples are run, from the first; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Numbers of steps. Recipes that settle have their own.
    #[serde(rename = "T", default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
    /// Shares of weights to be pruned by magnitude; none leaves the nets as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparsity: Vec<f64>,
    /// How the samples drive the network.
    #[serde(default = "constant")]
    pub encodings: Vec<StudyEncoding>,
    /// Seeds of Poisson input.
    #[serde(default = "first_seed")]
    pub seeds: Vec<u64>,
    /// The preset by which energies are told.
    #[serde(default = "usual_energy")]
    pub energy: String,
    /// The trained nets.
    #[serde(rename = "model")]
    pub models: Vec<StudyModel>,
    /// What is made of them.
    #[serde(rename = "recipe", default = "usual_recipe")]
    pub recipes: Vec<StudyRecipe>,
}

fn constant() -> Vec<StudyEncoding> {
    vec![StudyEncoding::Constant]
}

fn first_seed() -> Vec<u64> {
    vec![0]
}

fn usual_energy() -> String {
    "horowitz-fp32".into()
}

fn usual_recipe() -> Vec<StudyRecipe> {
    vec![StudyRecipe::new("unit", None, None, None)]
}

/// How samples become input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudyEncoding {
    /// A current of every step; for networks that settle, of the first.
    Constant,
    /// Random spikes.
    Poisson,
    /// Evenly spaced spikes.
    Regular,
}

impl StudyEncoding {
    const ALL: [(Self, &str); 3] =
        [(Self::Constant, "constant"), (Self::Poisson, "poisson"), (Self::Regular, "regular")];
}

impl std::str::FromStr for StudyEncoding {
    type Err = StudyError;

    fn from_str(text: &str) -> Result<Self, StudyError> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(encoding, _)| encoding).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            StudyError::Unfit(format!("`{text}` is no encoding; allowed are {names}"))
        })
    }
}

/// A trained net of a study.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StudyModel {
    /// Its name in tables.
    pub name: String,
    /// What it is one of, several sparsities of one net for instance: they are drawn in one figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Its file.
    pub file: PathBuf,
    /// The layer list of a file of weights only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<PathBuf>,
    /// Test samples, if not those of the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<PathBuf>,
    /// Their classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Calibration samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<PathBuf>,
    /// Subtracted from its input: nothing, one number, or one per channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_mean: Vec<f32>,
    /// What its input is divided by after that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_std: Vec<f32>,
}

/// What is made of a trained net.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StudyRecipe {
    /// Its name in tables.
    pub name: String,
    /// unit, multi, signed or settle.
    #[serde(default = "unit")]
    pub neuron: String,
    /// Levels of activations of neurons that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
    /// The largest spike of neurons that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_spikes: Option<u32>,
    /// Scales by this percentile of the activations instead of by least squared error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
}

fn unit() -> String {
    "unit".into()
}

/// Why a study cannot be made, or a cell of it not run.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The text is no study.
    #[error("it is no study: {0}")]
    Toml(String),
    /// Something in it is not allowed.
    #[error("{0}")]
    Unfit(String),
    /// There is no such preset.
    #[error(transparent)]
    Energy(#[from] EnergyError),
    /// A net cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A trained net has no outputs for the samples.
    #[error(transparent)]
    Trained(#[from] TrainedError),
    /// The samples do not fit a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// The cells of a study that share a net.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The place of the model.
    pub model: usize,
    /// The share of its weights to be pruned.
    pub sparsity: Option<f64>,
    /// Its cells, in order.
    pub cells: Vec<Cell>,
}

/// One run of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The place of the recipe.
    pub recipe: usize,
    /// How the samples drive it.
    pub encoding: StudyEncoding,
    /// The seed of Poisson input.
    pub seed: Option<u64>,
    /// The number of steps; recipes that settle choose it.
    pub steps: Option<u32>,
}

impl Study {
    /// Reads the text of a study and checks what needs no files.
    ///
    /// # Errors
    /// If it is no study, or a part of it is empty or not allowed.
    pub fn parse(text: &str) -> Result<Self, StudyError> {
        let study: Self = toml::from_str(text).map_err(|error| StudyError::Toml(error.to_string()))?;
        let unfit = |what: String| Err(StudyError::Unfit(what));
        if study.models.is_empty() || study.recipes.is_empty() || study.encodings.is_empty() {
            return unfit("it has no model, recipe or encoding; give at least one [[model]]".into());
        }
        let settles = |recipe: &StudyRecipe| recipe.neuron == "settle";
        if study.steps.contains(&0) || (study.steps.is_empty() && !study.recipes.iter().all(settles)) {
            return unfit("T has no numbers of steps, or 0; give for instance T = [1, 2, 4, 8]".into());
        }
        if let Some(sparsity) = study.sparsity.iter().find(|sparsity| !(0.0..=1.0).contains(*sparsity)) {
            return unfit(format!("sparsity {sparsity} is not allowed; allowed are shares from 0 to 1"));
        }
        for recipe in &study.recipes {
            recipe.kind()?;
        }
        for names in [
            study.models.iter().map(|model| &model.name).collect::<Vec<_>>(),
            study.recipes.iter().map(|recipe| &recipe.name).collect(),
        ] {
            if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
                return unfit(format!("`{}` is the name of two; allowed are different names", names[at]));
            }
        }
        study.preset()?;
        Ok(study)
    }

    /// The text of a study that [`parse`](Self::parse) reads, with all that was not said as it is in effect.
    ///
    /// # Errors
    /// If a path is no text in UTF-8.
    pub fn to_toml(&self) -> Result<String, StudyError> {
        toml::to_string(self).map_err(|error| StudyError::Toml(error.to_string()))
    }

    /// All cells, in the order of the results: by model and sparsity, then recipe, encoding, seed and number of steps.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let sparsities: Vec<Option<f64>> = match &self.sparsity[..] {
            [] => vec![None],
            some => some.iter().copied().map(Some).collect(),
        };
        let mut groups = vec![];
        for model in 0..self.models.len() {
            for &sparsity in &sparsities {
                let mut cells = vec![];
                for (recipe, of) in self.recipes.iter().enumerate() {
                    for &encoding in &self.encodings {
                        let seeds: Vec<Option<u64>> = match encoding {
                            StudyEncoding::Poisson => self.seeds.iter().copied().map(Some).collect(),
                            _ => vec![None],
                        };
                        let steps: Vec<Option<u32>> = match &of.neuron[..] {
                            "settle" => vec![None],
                            _ => self.steps.iter().copied().map(Some).collect(),
                        };
                        for &seed in &seeds {
                            cells.extend(steps.iter().map(|&steps| Cell { recipe, encoding, seed, steps }));
                        }
                    }
                }
                groups.push(Group { model, sparsity, cells });
            }
        }
        groups
    }

    /// The files of a model's test samples, their classes, and its calibration samples.
    #[must_use]
    pub fn files(&self, model: usize) -> [&PathBuf; 3] {
        let model = &self.models[model];
        [
            model.input.as_ref().unwrap_or(&self.input),
            model.labels.as_ref().unwrap_or(&self.labels),
            model.calibration.as_ref().unwrap_or(&self.calibration),
        ]
    }

    fn preset(&self) -> Result<Preset, StudyError> {
        let mut named = chosen_presets(std::slice::from_ref(&self.energy), None)?;
        Ok(named.remove(0).1)
    }
}

impl StudyRecipe {
    /// A neuron by its name, named after it and what is said of it; levels and the largest spike are of neurons that count,
    /// and left out of unit spikes.
    #[must_use]
    pub fn new(neuron: &str, levels: Option<u32>, max_spikes: Option<u32>, percentile: Option<f64>) -> Self {
        let counts = neuron != "unit";
        let (levels, max_spikes) = (levels.filter(|_| counts), max_spikes.filter(|_| counts));
        let said = [
            Some(neuron.to_owned()),
            levels.map(|levels| format!("L = {levels}")),
            max_spikes.map(|most| format!("m = {most}")),
            percentile.map(|percentile| format!("{percentile} %")),
        ];
        let name = said.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Self { name, neuron: neuron.into(), levels, max_spikes, percentile }
    }

    fn kind(&self) -> Result<NeuronKind, StudyError> {
        let found = NeuronKind::ALL.into_iter().find(|(_, name)| *name == self.neuron);
        found.map(|(kind, _)| kind).ok_or_else(|| {
            let names = NeuronKind::ALL.map(|(_, name)| name).join(", ");
            StudyError::Unfit(format!(
                "recipe `{}`: neuron `{}` is unknown; allowed are {names}",
                self.name, self.neuron
            ))
        })
    }
}
