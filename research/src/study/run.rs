//! What one cell of a study gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use snn_converter::ann::Ann;
use snn_converter::convert::as_trained;
use snn_converter::normalise::Normalise;
use snn_converter::{Options, Samples, convert};
use snn_engine::{AnySimulator, Encoding, Input, Memory, Mode, NetworkError};
use snn_formats::Arrives;

use super::{Cell, Group, Study, StudyEncoding, StudyError};
use crate::costs::{PopulationCosts, TrainedOperations, costs};
use crate::digest::SpikeDigest;
use crate::evaluate::{Plan, evaluate};
use crate::neurobench::NeuroBench;
use crate::proportion::Proportion;
use crate::trained::{Beside, TrainedError, trained_classes};

/// The samples of a study.
#[derive(Clone, Debug)]
pub struct Material {
    /// Test samples, one after the other.
    pub input: Vec<f32>,
    /// Their classes.
    pub labels: Vec<usize>,
    /// Calibration samples.
    pub calibration: Vec<f32>,
}

/// A trained net with what it says of the test samples.
#[derive(Clone, Debug)]
pub struct Trained {
    ann: Ann,
    classes: Vec<usize>,
}

/// What one cell gave: a line of the results. Costs are means over samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The model's name.
    pub model: String,
    /// What it is one of, if the study says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The share of weights that was pruned, if the study prunes.
    pub sparsity: Option<f64>,
    /// The recipe's name.
    pub recipe: String,
    /// How samples drove the network.
    pub encoding: String,
    /// The seed of Poisson input.
    pub seed: Option<u64>,
    /// The number of steps.
    #[serde(rename = "T")]
    pub steps: u32,
    /// Test samples.
    pub samples: u64,
    /// Those that were named right.
    pub right: u64,
    /// Their share.
    pub accuracy: f64,
    /// The 95 % interval of Wilson.
    pub interval: [f64; 2],
    /// The trained net's accuracy on the same samples.
    pub trained_accuracy: f64,
    /// The probability of a difference as large by chance (McNemar, exact).
    pub p: f64,
    /// Stored weights, positions that share one counted once.
    pub parameters: u64,
    /// The share of weights that are not zero.
    pub connectivity: f64,
    /// Spikes.
    pub spikes: f64,
    /// The sum of their magnitudes.
    pub magnitude: f64,
    /// Additions.
    pub additions: f64,
    /// Multiply-adds.
    pub multiply_adds: f64,
    /// Multiply-adds of the pruned, trained net.
    pub trained_multiply_adds: u64,
    /// Additions and multiply-adds for each of those.
    pub operations_ratio: f64,
    /// Touched potentials.
    pub touched_potentials: f64,
    /// The preset of the energies.
    pub energy_preset: String,
    /// Of the spiking network, nanojoules.
    pub nanojoules: f64,
    /// Of the pruned, trained net's arithmetic, nanojoules; null for presets without it.
    pub trained_nanojoules: Option<f64>,
    /// By population that fires, spikes per neuron and step.
    pub rates: Vec<(String, f64)>,
    /// Which spikes all populations emitted.
    pub spike_digest: String,
}

impl Study {
    /// A group's net, pruned already, with its classes for the test samples.
    ///
    /// # Errors
    /// If the samples do not fit it.
    pub fn trained(&self, group: &Group, ann: Ann, material: &Material) -> Result<Trained, StudyError> {
        let model = &self.models[group.model];
        let prepared = as_trained(&ann, &material.input, &model.input_mean, &model.input_std)
            .map_err(TrainedError::from)?;
        let classes = trained_classes(&ann, &prepared).map_err(TrainedError::from)?;
        if classes.len() != material.labels.len() {
            return Err(StudyError::Unfit(format!(
                "there are {} samples for {} labels; allowed are equal numbers",
                classes.len(),
                material.labels.len()
            )));
        }
        Ok(Trained { ann, classes })
    }

    /// Converts and runs one cell, on one thread. The row is the same on every machine. With it comes how many bytes of memory its
    /// simulator may take.
    ///
    /// # Errors
    /// If the net cannot be converted so, or the samples do not fit.
    pub fn run(
        &self,
        group: &Group,
        cell: &Cell,
        trained: &Trained,
        material: &Material,
    ) -> Result<(Row, u64), StudyError> {
        let (model, recipe) = (&self.models[group.model], &self.recipes[cell.recipe]);
        let options = Options {
            neuron: Some(recipe.kind()?),
            levels: recipe.levels,
            max_spikes: recipe.max_spikes,
            normalise: recipe.percentile.map(Normalise::Percentile),
            steps: cell.steps,
            // Fits are for constant input.
            fit: (cell.encoding != StudyEncoding::Constant).then_some(false),
            input_mean: model.input_mean.clone(),
            input_std: model.input_std.clone(),
            ..Options::default()
        };
        let samples = Samples { values: &material.calibration, labels: None, expected: None };
        let conversion = convert(&trained.ann, Some(&samples), &options)?;
        let network = Arc::new(conversion.network);
        let run = conversion.description.run;
        let once = run.is_some_and(|run| run.arrives == Arrives::Once);
        let encoding = match cell.encoding {
            StudyEncoding::Constant if once => Encoding::Once,
            StudyEncoding::Constant => Encoding::Constant,
            StudyEncoding::Poisson => Encoding::Poisson { seed: cell.seed.unwrap_or(0) },
            StudyEncoding::Regular => Encoding::Regular,
        };
        let Some(steps) = cell.steps.or(run.map(|run| run.steps)) else {
            return Err(StudyError::Unfit(format!(
                "recipe `{}` says no number of steps; give T",
                recipe.name
            )));
        };
        let input = Input::values(&network, material.input.clone(), encoding)?;
        let plan = Plan {
            points: vec![steps],
            read_out_from: 0,
            stops: vec![],
            membrane_updates: false,
            neuron_spikes: false,
        };
        let memory = Memory::of(Mode::Auto, &network, u64::from(steps)).of_simulators(1);
        let simulator = AnySimulator::new(Mode::Auto, network.clone());
        let done = || Ok::<_, NetworkError>(());
        let range = 0..input.samples();
        let evaluation = evaluate(range, 1, &simulator, &conversion.description, &input, &plan, done)?;
        let classes = &evaluation.last().classes;
        let pairs = classes.iter().zip(&material.labels);
        let accuracy = Proportion::count(pairs.map(|(class, label)| class == label));
        let beside = Beside::of(&trained.classes, classes, Some(&material.labels));
        let bench = NeuroBench::of(&network, &evaluation, once, false);
        let costs = costs(&network, &evaluation);
        let preset = self.preset()?;
        let sum = |of: &dyn Fn(&PopulationCosts) -> f64| costs.iter().map(of).sum::<f64>();
        let (additions, multiply_adds) = (sum(&|costs| costs.additions), sum(&|costs| costs.multiply_adds));
        let pruned = TrainedOperations::of(&network).pruned;
        let mut digest = SpikeDigest::default();
        evaluation.digests.iter().for_each(|part| digest.merge(part));
        let stored =
            network.projections().iter().map(|projection| projection.connectivity().stored_weights());
        let row = Row {
            model: model.name.clone(),
            family: model.family.clone(),
            sparsity: group.sparsity,
            recipe: recipe.name.clone(),
            encoding: match encoding {
                Encoding::Constant => "constant",
                Encoding::Once => "once",
                Encoding::Poisson { .. } => "poisson",
                Encoding::Regular => "regular",
            }
            .into(),
            seed: cell.seed,
            steps,
            samples: accuracy.samples,
            right: accuracy.of_them,
            accuracy: accuracy.share,
            interval: [accuracy.low, accuracy.high],
            trained_accuracy: beside.accuracy.map_or(f64::NAN, |accuracy| accuracy.share),
            p: beside.mcnemar.map_or(f64::NAN, |test| test.p),
            parameters: stored.sum(),
            connectivity: 1.0 - bench.connection_sparsity,
            spikes: sum(&|costs| costs.spikes),
            magnitude: sum(&|costs| costs.magnitude),
            additions,
            multiply_adds,
            trained_multiply_adds: pruned,
            operations_ratio: (additions + multiply_adds) / pruned.max(1) as f64,
            touched_potentials: sum(&|costs| costs.touched_potentials),
            energy_preset: self.energy.clone(),
            nanojoules: preset.energy(&self.energy, &network, &costs, steps).nanojoules,
            trained_nanojoules: preset.multiply_add.map(|each| pruned as f64 * each / 1e3),
            rates: bench
                .activation_sparsity_by_layer
                .into_iter()
                .map(|layer| (layer.population, 1.0 - layer.sparsity))
                .collect(),
            spike_digest: digest.to_string(),
        };
        Ok((row, memory))
    }
}
