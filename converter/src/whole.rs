//! Whole-number weights: the weights of a network rounded to a few bits, so that its potentials are exact sums.
//!
//! All weights onto a neuron are rounded to whole numbers times one scale, which is then moved into its threshold, bias and start,
//! all of them divided by it: spikes stay what they were, the weights themselves *are* whole, and the population's potentials
//! lie on a lattice ([`snn_engine::Lattice`]). Neurons that share weights (a channel of an image) share the scale. A read-out has
//! one scale for all its neurons, which its [`Unit`](snn_formats::Unit) takes up, because its potentials are compared with each
//! other. The weights behind the input are rounded like all others; the currents that real input brings through them are as
//! real as the input.
//!
//! A scale is the one of least squared error, every weight counted as much as its source is active on the calibration samples, with
//! the largest weights clipped if that loses less (as in Banner et al. 2019, "Post training 4-bit quantization of convolutional
//! networks", but searched instead of derived). Weights that are whole multiples of one number already, as in files that were
//! quantised by others, keep it. Biases then take up the mean error of what arrives (bias correction, Nagel et al. 2019,
//! "Data-free quantization through weight equalization and bias correction").
//!
//! Thresholds, biases and starts are rounded to multiples of 2^−k, with the largest k for which the steps of a run stay exact
//! whatever arrives ([`Lattice::steps`](snn_engine::Lattice::steps)).

mod activity;
mod scale;
mod table;

use crate::spread::Spread;
pub(crate) use activity::{Activity, SAMPLES};
use rayon::prelude::*;
use scale::{Weighted, least_error};
use serde::Serialize;
use snn_engine::{
    Accumulator, Connectivity, Network, NetworkBuilder, NetworkError, PerNeuron, PopulationId, WeightType,
};
use table::Whole;

/// What rounding the weights onto one population did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightRounding {
    /// What the weights are stored as.
    pub stored_as: &'static str,
    /// The scales: what one unit of weight was before, in thresholds (of a read-out, in the unit of the output).
    pub scale: Spread,
    /// The squared error of the weights over their squares, each weight counted as much as its source is active.
    pub error: f64,
    /// Weights that were rounded to zero: no synapses any more.
    pub lost: u64,
    /// The exponent of the unit of thresholds, biases and starts, a power of two.
    pub exponent: i32,
}

/// A network with whole-number weights.
pub(crate) struct Rounded {
    pub network: Network,
    /// For every population onto which weights were rounded, what that did.
    pub layers: Vec<Option<WeightRounding>>,
    /// For every population the factor that its potentials were divided by and that its unit takes up; 1 but for read-outs.
    pub read_out: Vec<f64>,
}

/// The finest unit of thresholds, biases and starts: 2 to the power of minus this.
const FINEST: i32 = 12;

/// The finest that thresholds may need.
const MOST_BITS: i32 = 20;

/// Sums up to this are exact.
const EXACT: f64 = 16_777_216.0;

/// The levels of either sign that a scale leaves at least where it becomes coarser so that sums are exact.
const LEVELS: f64 = 64.0;

/// The units that a threshold has at least, where the finest unit allows: so much do scales give way to make it exact.
const THRESHOLD: f64 = 64.0;

/// The share of the exact sums that the weights of one step may take up, so that some are left for the potentials.
const ROOM: f64 = 0.125;

/// Rounds the weights of a network to `of`. `steps` is how many steps are to be exact, whatever arrives, if that costs no
/// more than rounding biases to whole units.
///
/// # Errors
/// If a number does not fit into a network.
pub(crate) fn round(
    network: &Network,
    activity: &Activity,
    of: WeightType,
    steps: u32,
) -> Result<Rounded, NetworkError> {
    let Some(largest) = of.largest() else {
        let none = vec![None; network.populations().len()];
        return Ok(Rounded { network: network.clone(), read_out: vec![1.0; none.len()], layers: none });
    };
    let mut builder = NetworkBuilder::new();
    let mut layers = vec![];
    let mut read_out = vec![];
    let mut connectivities: Vec<Option<Connectivity>> = network.projections().iter().map(|_| None).collect();
    for id in network.ids() {
        let population = network.population(id);
        let incoming: Vec<usize> =
            (0..connectivities.len()).filter(|&at| network.projections()[at].target() == id).collect();
        let rounds = population.neuron().model().is_some_and(|model| model.lattice_parameters().is_some());
        if !rounds || incoming.is_empty() {
            builder.population(population.name(), population.layout(), population.neuron().clone());
            layers.push(None);
            read_out.push(1.0);
            continue;
        }
        let onto = Onto::of(network, activity, id, &incoming);
        let found = onto.round(of, largest, steps)?;
        builder.population(population.name(), population.layout(), found.neuron);
        for (at, connectivity) in incoming.into_iter().zip(found.connectivities) {
            connectivities[at] = Some(connectivity);
        }
        layers.push(Some(found.rounding));
        read_out.push(found.read_out);
    }
    for (projection, rounded) in network.projections().iter().zip(connectivities) {
        let connectivity = rounded.unwrap_or_else(|| projection.connectivity().clone());
        builder.projection(projection.source(), projection.target(), projection.delay(), connectivity);
    }
    Ok(Rounded { network: builder.build()?, layers, read_out })
}

/// All that reaches one population.
struct Onto<'a> {
    network: &'a Network,
    activity: &'a Activity,
    id: PopulationId,
    incoming: &'a [usize],
    /// Neurons `i` and `i + groups` share weights and so a scale.
    groups: usize,
    /// Whether the neurons are a read-out, which has one scale for all.
    is_read_out: bool,
}

/// What became of it.
struct Found {
    neuron: snn_engine::Neuron,
    connectivities: Vec<Connectivity>,
    rounding: WeightRounding,
    read_out: f64,
}

impl<'a> Onto<'a> {
    fn of(network: &'a Network, activity: &'a Activity, id: PopulationId, incoming: &'a [usize]) -> Self {
        let population = network.population(id);
        let channels = incoming.iter().find_map(|&at| match network.projections()[at].connectivity() {
            Connectivity::Conv2d(conv) => Some(conv.rows().width()),
            Connectivity::Rows(_) | Connectivity::OneToOne(_) => None,
        });
        let is_read_out = population.neuron().as_model::<Accumulator>().is_some();
        Self { network, activity, id, incoming, groups: channels.unwrap_or(population.size()), is_read_out }
    }

    fn connectivities(&self) -> impl Iterator<Item = (PopulationId, &'a Connectivity)> {
        self.incoming.iter().map(|&at| {
            let projection = &self.network.projections()[at];
            (projection.source(), projection.connectivity())
        })
    }

    /// The weights of each group with what they count.
    fn weights(&self) -> Vec<Vec<Weighted>> {
        let groups = if self.is_read_out { 1 } else { self.groups };
        let mut weights = vec![vec![]; groups];
        for (source, connectivity) in self.connectivities() {
            let activity = self.activity.of(source);
            table::each_weight(connectivity, activity, self.groups, |target, weight, of_source| {
                weights[target % groups]
                    .push(Weighted { weight: f64::from(weight), counts: of_source.square });
            });
        }
        weights
    }

    fn round(&self, of: WeightType, largest: i16, steps: u32) -> Result<Found, NetworkError> {
        let population = self.network.population(self.id);
        let model = population.neuron().model().expect("rounded are neurons of a model");
        let weights = self.weights();
        let mut scales: Vec<Option<f64>> =
            weights.par_iter().map(|weights| least_error(weights, largest)).collect();
        // So that the sums of a step are exact.
        let values = |source: PopulationId| f64::from(self.network.emission(source).largest.max(1));
        let is_source = |source: PopulationId| {
            matches!(self.network.population(source).neuron(), snn_engine::Neuron::Source)
        };
        let mut sums = vec![0.0_f64; self.groups];
        for (source, connectivity) in self.connectivities() {
            let value = if is_source(source) { 1.0 } else { values(source) };
            table::add_magnitudes(connectivity, self.groups, value, &mut sums);
        }
        for (group, sum) in sums.iter().enumerate() {
            let at = group % scales.len();
            let least = sum / (EXACT * ROOM);
            // Where so few units would be left that weights suffer, as behind relays, there is no lattice.
            let enough = |scale: f64| least <= scale * f64::from(largest) / LEVELS;
            scales[at] = scales[at].map(|scale| if enough(scale) { scale.max(least) } else { scale });
        }
        let usual = usual(&scales);
        let scales: Vec<f64> = scales.into_iter().map(|scale| scale.unwrap_or(usual)).collect();
        let of_group = |group: usize| scales[group % scales.len()];
        let bias = model.parameter("bias").map_or(0.0, |bias| largest_of(bias, &of_group));
        let current = sums.iter().enumerate().map(|(group, sum)| sum / of_group(group)).fold(bias, f64::max);
        // The thresholds are exact, and the scales what makes them so.
        let threshold = model.parameter("threshold");
        let least = threshold.map_or(f64::INFINITY, |threshold| {
            let each = (0..self.groups).map(|group| f64::from(threshold.get(group)) / of_group(group));
            each.fold(f64::INFINITY, f64::min)
        });
        let exponent = exponent(current, steps, least);
        let unit = 2.0_f64.powi(exponent);
        let snapped = |group: usize| -> f64 {
            let scale = of_group(group);
            let Some(threshold) =
                threshold.filter(|threshold| self.groups.is_multiple_of(threshold.period()))
            else {
                return scale;
            };
            let threshold = f64::from(threshold.get(group));
            threshold / ((threshold / scale / unit).round().max(1.0) * unit)
        };
        let scales: Vec<f64> = (0..self.groups).map(snapped).collect();
        let whole = Whole { of, largest, groups: self.groups, scales: &scales };
        let mut connectivities = vec![];
        // What is lost of the mean of what arrives, per neuron or per group; the squares of weights and of their errors.
        let mut missing = vec![0.0_f64; self.groups];
        let (mut squares, mut errors, mut lost) = (0.0, 0.0, 0);
        for (source, connectivity) in self.connectivities() {
            let activity = self.activity.of(source);
            // Of neurons that share a scale but not these weights the mean is taken.
            let share = self.groups as f64 / table::period(connectivity, self.groups) as f64;
            table::each_weight(connectivity, activity, self.groups, |target, weight, of_source| {
                let weight = f64::from(weight);
                let left = weight - scales[target % self.groups] * f64::from(whole.of_weight(target, weight));
                missing[target % self.groups] += left * of_source.mean * share;
                squares += weight * weight * of_source.square;
                errors += left * left * of_source.square;
            });
            let rounded = whole.connectivity(connectivity)?;
            lost += connectivity.stored_weights().saturating_sub(rounded.stored_weights());
            connectivities.push(rounded);
        }
        let neuron = self.neuron(&scales, &missing, unit)?;
        let spread = |scale: f64, group: usize| match threshold {
            Some(threshold) => scale / f64::from(threshold.get(group)),
            None => scale,
        };
        let spreads: Vec<f64> =
            scales.iter().enumerate().map(|(group, &scale)| spread(scale, group)).collect();
        let rounding = WeightRounding {
            stored_as: of.name(),
            scale: Spread::of(&spreads),
            error: if squares > 0.0 { errors / squares } else { 0.0 },
            lost,
            exponent,
        };
        let read_out = if self.is_read_out { scales[0] } else { 1.0 };
        Ok(Found { neuron, connectivities, rounding, read_out })
    }

    /// The neurons with their potentials divided by the scales.
    fn neuron(&self, scales: &[f64], missing: &[f64], unit: f64) -> Result<snn_engine::Neuron, NetworkError> {
        let population = self.network.population(self.id);
        let model = population.neuron().model().expect("rounded are neurons of a model");
        let described = model.description().parameters;
        let parameters = described.iter().zip(model.parameters()).map(|(parameter, values)| {
            let potential = matches!(parameter.name, "bias" | "threshold" | "start");
            if !potential {
                return Ok(values.clone());
            }
            let period =
                if self.groups.is_multiple_of(values.period()) { self.groups } else { population.size() };
            let divided = (0..period).map(|neuron| {
                let group = neuron % self.groups;
                let value = f64::from(values.get(neuron));
                let corrected = if parameter.name == "bias" { value + missing[group] } else { value };
                let units = (corrected / scales[group] / unit).round();
                // A threshold stays above 0.
                let units = if parameter.name == "threshold" { units.max(1.0) } else { units };
                (units * unit) as f32
            });
            let divided: Vec<f32> = divided.collect();
            let same = divided.iter().all(|value| value.to_bits() == divided[0].to_bits());
            let values = if same && !divided.is_empty() { vec![divided[0]] } else { divided };
            PerNeuron::repeating(values.into())
        });
        let at = |error: NetworkError| error.within(format!("population `{}`", population.name()));
        let parameters = parameters.collect::<Result<Vec<_>, _>>().map_err(at)?;
        model.with_parameters(parameters)
    }
}

/// The scale of groups without weights: the middle one of the others.
fn usual(scales: &[Option<f64>]) -> f64 {
    let found: Vec<f64> = scales.iter().copied().flatten().collect();
    if found.is_empty() { 1.0 } else { Spread::of(&found).median }
}

/// The largest magnitude of a parameter, in units of weights.
fn largest_of(values: &PerNeuron, scale: &impl Fn(usize) -> f64) -> f64 {
    let each = values.values().iter().enumerate();
    each.map(|(group, &value)| f64::from(value.abs()) / scale(group)).fold(0.0, f64::max)
}

/// The exponent of the unit in which sums of `current` a step stay exact for so many steps; finer where the least threshold needs it.
fn exponent(current: f64, steps: u32, threshold: f64) -> i32 {
    let left = (EXACT * 0.5 / (current * f64::from(steps.max(1))).max(f64::MIN_POSITIVE)).log2().floor();
    let needed = (THRESHOLD / threshold).log2().ceil();
    let bits = left.min(f64::from(FINEST)).max(needed).clamp(0.0, f64::from(MOST_BITS));
    -(bits as i32)
}
