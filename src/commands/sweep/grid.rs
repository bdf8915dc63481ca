//! A study that is told by flags instead of a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use snn_research::{Study, StudyEncoding, StudyModel, StudyRecipe};

use crate::commands::Usage;
use crate::output;

/// One trained net, and what is varied.
#[derive(Args)]
pub struct Grid {
    /// The trained net, instead of a study: .onnx, .npz, or a state dict with --layers
    #[arg(long, value_parser = output::file(), value_name = "MODEL")]
    model: PathBuf,

    /// The layer list of a state dict
    #[arg(long, value_parser = output::file(), value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,

    /// Test samples, .npy of shape (N, …)
    #[arg(long, value_parser = output::file(), value_name = "X.NPY")]
    input: PathBuf,

    /// Their true classes, .npy of N whole numbers
    #[arg(long, value_parser = output::file(), value_name = "Y.NPY")]
    labels: PathBuf,

    /// Calibration samples, .npy of shape (N, …): some of the training set
    #[arg(long = "calib", visible_alias = "calibration", value_parser = output::file(), value_name = "X_CALIB.NPY")]
    calibration: PathBuf,

    /// How many test samples are run, from the first [default: all]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,

    /// Numbers of steps; neurons that settle have their own
    #[arg(long = "T", value_name = "1,2,4", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    steps: Vec<u32>,

    /// Shares of weights to be pruned by magnitude, of an .onnx file [default: the net as it is]
    #[arg(long, value_name = "0,0.5,0.9", value_delimiter = ',', allow_negative_numbers = true)]
    sparsity: Vec<f64>,

    /// What activations become: unit, multi, signed, settle
    #[arg(long, value_name = "NEURON,…", value_delimiter = ',', default_value = "unit")]
    neuron: Vec<String>,

    /// Levels of activations of neurons that count
    #[arg(long, value_name = "LEVELS")]
    levels: Option<u32>,

    /// The largest spike of neurons that count
    #[arg(long, value_name = "SPIKES")]
    max_spikes: Option<u32>,

    /// Scales by this percentile of the activations instead of by least squared error
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    percentile: Option<f64>,

    /// How samples drive the network: constant, poisson, regular
    #[arg(long, value_name = "ENCODING,…", value_delimiter = ',', default_value = "constant")]
    encoding: Vec<StudyEncoding>,

    /// Seeds of Poisson input
    #[arg(
        long,
        value_name = "0,1",
        value_delimiter = ',',
        default_value = "0",
        allow_negative_numbers = true
    )]
    seed: Vec<u64>,

    /// The preset of the energies
    #[arg(long, value_name = "PRESET", default_value = "horowitz-fp32")]
    energy: String,

    /// Subtracted from the input of the trained net, as in `convert`: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    input_mean: Vec<f32>,

    /// What the input of the trained net is divided by after that: one number, or one per channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    input_std: Vec<f32>,
}

impl Grid {
    /// The study that the flags tell.
    pub fn study(self) -> Result<Study> {
        let counted = self.levels.is_some() || self.max_spikes.is_some();
        if counted && self.neuron.iter().all(|neuron| neuron == "unit") {
            return Err(Usage(
                "--levels and --max-spikes are of neurons that count, and unit spikes do not; name others with --neuron".into(),
            )
            .into());
        }
        let name = self.model.file_stem().unwrap_or(self.model.as_os_str());
        let model = StudyModel {
            name: name.to_string_lossy().into_owned(),
            family: None,
            file: self.model.clone(),
            layers: self.layers,
            input: None,
            labels: None,
            calibration: None,
            input_mean: self.input_mean,
            input_std: self.input_std,
        };
        let recipe =
            |neuron: &String| StudyRecipe::new(neuron, self.levels, self.max_spikes, self.percentile);
        Ok(Study {
            input: self.input,
            labels: self.labels,
            calibration: self.calibration,
            samples: self.samples,
            steps: self.steps,
            sparsity: self.sparsity,
            encodings: self.encoding,
            seeds: self.seed,
            energy: self.energy,
            models: vec![model],
            recipes: self.neuron.iter().map(recipe).collect(),
        })
    }
}
