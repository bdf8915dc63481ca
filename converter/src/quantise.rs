//! The quantised network: a trained net whose activations are rounded to a few levels.
//!
//! Every activation becomes a whole number of counts, `A = clip(⌊(Σ + shift)/θ + ½⌋, 0, L)`, for its total input Σ, and a
//! count stands for a fixed value behind; θ, shift and value per group of neurons, usually a channel. It is the network that
//! neurons which settle come to rest at, whatever the order of their spikes, and that spikes of up to L units compute in a
//! single step.
//!
//! Groups are quantised layer by layer, each against what really arrives from the layers before it as they have been quantised,
//! so that the squared difference from the trained net's activations becomes least (Nagel et al. 2021, "A white paper on neural
//! network quantization", section 3). Before that the bias of every convolution and linear map takes up the mean error of
//! what it yields (bias correction, Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"),
//! and, if asked for, its weights what else a linear map can: reconstruction layer by layer, as in Li et al. 2021, "BRECQ", but
//! solved by least squares. The passes need samples and no labels.
//!
//! Cost: two or three forward passes and one search per group, linear in depth. The values of both nets are held for all samples
//! that are used, for the layers that are still needed.

mod gram;
mod scale;
mod tensor;
mod weights;

use crate::ann::{Affine, Ann, AnnError, NodeId, Op};
use crate::fit::choose;
use crate::forward::ForwardError;
use crate::lower::needed;
use crate::normalise::ScalePer;
use crate::wanted::{Stopped, Wanted};
use rayon::prelude::*;
use scale::{Pairs, Rounding, search};
use std::collections::HashSet;
use tensor::{Tensor, spread};

/// The most levels: counts stay exact in single precision, and so do their sums over a layer's fan-in in practice.
pub const MOST_LEVELS: u32 = 1 << 16;

/// Samples that are used, at most.
const SAMPLES: usize = 512;

/// Numbers of the largest tensor that are held at most, over all samples.
const ROOM: usize = 1 << 26;

/// Pairs of input and activation of a group that are looked at, about.
const PAIRS: usize = 2048;

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// L, the largest count of a neuron, from 1 to [`MOST_LEVELS`]. QCFS activations keep the levels that they were trained with.
    /// Default: 16.
    pub levels: u32,
    /// How far one threshold reaches. Default: one per channel of images; of a vector one for all or one per neuron, whichever
    /// loses less on samples that it was not chosen on.
    pub scale_per: Option<ScalePer>,
    /// Whether weights are reconstructed, with what a change of a weight costs, in variances of its input: the larger, the
    /// smaller the changes. Zeros stay zero. Default: no.
    pub reconstruct: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { levels: 16, scale_per: None, reconstruct: None }
    }
}

/// Why a net cannot be quantised.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuantiseError {
    /// An option or the number of samples does not fit.
    #[error("{0}")]
    Unfit(String),
    /// The net cannot be evaluated on the samples.
    #[error("calibration: {0}")]
    Forward(#[from] ForwardError),
    /// A number that was found does not fit into a net.
    #[error("{0}")]
    Ann(#[from] AnnError),
    /// It is not wanted any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// One rounded activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The activation in the trained net.
    pub trained: NodeId,
    /// Its counts in the quantised net: a QCFS node of threshold L, whose values are whole numbers; of an activation that was
    /// trained with levels, the activation itself.
    pub counts: NodeId,
    /// L.
    pub levels: u32,
    /// θ of every group, in the unit of the total input: equally many consecutive elements share a group.
    pub thresholds: Vec<f64>,
    /// The value of a count, per group.
    pub values: Vec<f64>,
    /// Groups that no sample activates. Their threshold is the median of the others.
    pub dead: usize,
    /// The squared error over the squared activations, on the samples used, of what this and all layers before it lose;
    /// absent where nothing is active.
    pub error: Option<f64>,
}

impl Layer {
    /// What one count is worth at the node of the counts: 1, but θ/L of a QCFS activation that was trained, whose values are not
    /// counts.
    pub(crate) fn count(&self, ann: &Ann) -> f64 {
        match ann.node(self.counts).op {
            Op::Qcfs { levels, theta } => f64::from(theta) / f64::from(levels),
            _ => 1.0,
        }
    }
}

/// A quantised network.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The net: every activation is a QCFS node whose values are counts, between an affine map to thresholds and one to values.
    /// [`forward`](crate::forward::forward) gives its outputs, in the unit of the trained net's.
    pub ann: Ann,
    /// Its activations, in execution order.
    pub layers: Vec<Layer>,
    /// Samples that were used: at most 512, fewer of very large nets, the same ones in whatever order all are given.
    pub samples: usize,
}

/// Quantises a net on `samples` (`[n][elements]`, as the net takes them).
///
/// The result has the same bits whatever the number of threads and the order of the samples.
///
/// # Errors
/// If an option is out of range, there is no sample or no whole number of them, or a value is not finite.
pub fn quantise(ann: &Ann, samples: &[f32], options: &Options) -> Result<Quantised, QuantiseError> {
    quantise_while(Wanted::always(), ann, samples, options)
}

/// [`quantise`] as long as it is wanted.
///
/// # Errors
/// As [`quantise`], and [`QuantiseError::Stopped`].
pub fn quantise_while(
    wanted: Wanted<'_>,
    ann: &Ann,
    samples: &[f32],
    options: &Options,
) -> Result<Quantised, QuantiseError> {
    check(ann, samples, options)?;
    let n = ann.input_shape().elements();
    let largest = ann.nodes().iter().map(|node| node.shape.elements()).max().unwrap_or(1);
    let chosen = choose(samples, n, SAMPLES.min(ROOM / largest).max(1));
    let samples: Vec<f32> =
        chosen.iter().flat_map(|&sample| &samples[sample * n..(sample + 1) * n]).copied().collect();
    let needed = needed(ann);
    let mut uses = vec![0_usize; ann.nodes().len()];
    let live = || ann.iter().filter(|(id, _)| needed[id.index()]);
    live().flat_map(|(_, node)| &node.inputs).for_each(|input| uses[input.index()] += 1);
    let input = ann.node(ann.input());
    let mut pass = Pass {
        wanted,
        ann,
        options,
        names: live().map(|(_, node)| node.name.clone()).collect(),
        net: Ann::new(input.name.clone(), input.shape.clone())?,
        twins: vec![None; ann.nodes().len()],
        layers: Vec::new(),
    };
    for (id, node) in live() {
        let twin = pass.twin(id, &samples)?;
        pass.net.set_tensor(twin.place, node.tensor.clone());
        pass.twins[id.index()] = Some(twin);
        for input in &node.inputs {
            uses[input.index()] -= 1;
            if uses[input.index()] == 0 && *input != ann.output() {
                pass.twins[input.index()] = None;
            }
        }
    }
    let output = pass.twins[ann.output().index()].take().expect("the output is needed");
    pass.net.set_output(output.place);
    Ok(Quantised { ann: pass.net, layers: pass.layers, samples: chosen.len() })
}

fn check(ann: &Ann, samples: &[f32], options: &Options) -> Result<(), QuantiseError> {
    let unfit = |reason: String| Err(QuantiseError::Unfit(reason));
    if !(1..=MOST_LEVELS).contains(&options.levels) {
        return unfit(format!("the number of levels is {}; allowed is 1 to {MOST_LEVELS}", options.levels));
    }
    if let Some(ridge) = options.reconstruct
        && !(ridge.is_finite() && ridge > 0.0)
    {
        return unfit(format!("a change of a weight costs {ridge}; allowed are positive, finite numbers"));
    }
    let n = ann.input_shape().elements();
    if samples.is_empty() || !samples.len().is_multiple_of(n) {
        return unfit(format!(
            "there are {} calibration numbers; allowed is a whole number of samples, at least one, of {n} numbers (the input \
             `{}` is {})",
            samples.len(),
            ann.node(ann.input()).name,
            ann.input_shape()
        ));
    }
    Ok(())
}

/// A node of the trained net in the quantised one, with its values in both.
#[derive(Clone)]
struct Twin {
    place: NodeId,
    trained: Tensor,
    quantised: Tensor,
}

/// The way through the layers.
struct Pass<'a> {
    wanted: Wanted<'a>,
    ann: &'a Ann,
    options: &'a Options,
    names: HashSet<String>,
    net: Ann,
    twins: Vec<Option<Twin>>,
    layers: Vec<Layer>,
}

impl Pass<'_> {
    fn twin(&mut self, id: NodeId, samples: &[f32]) -> Result<Twin, QuantiseError> {
        let node = self.ann.node(id);
        if id == self.ann.input() {
            let values = Tensor::of_samples(self.ann, samples);
            return Ok(Twin { place: self.net.input(), trained: values.clone(), quantised: values });
        }
        let inputs: Vec<&Twin> = node
            .inputs
            .iter()
            .map(|input| self.twins[input.index()].as_ref().expect("inputs are kept while they are used"))
            .collect();
        let places: Vec<NodeId> = inputs.iter().map(|twin| twin.place).collect();
        let shapes: Vec<_> = node.inputs.iter().map(|&input| &self.ann.node(input).shape).collect();
        let evaluate = |op: &Op, inputs: &[&Tensor]| {
            Tensor::of_operator(self.wanted, &node.name, op, &shapes, inputs, &node.shape)
        };
        let arrives: Vec<&Tensor> = inputs.iter().map(|twin| &twin.quantised).collect();
        let trained = evaluate(&node.op, &inputs.iter().map(|twin| &twin.trained).collect::<Vec<_>>())?;
        if node.op.is_activation() && !matches!(node.op, Op::Qcfs { .. }) {
            let arrives = arrives[0].clone();
            let (place, quantised) = self.round(id, places[0], &arrives, &trained)?;
            return Ok(Twin { place, trained, quantised });
        }
        let mut op = node.op.clone();
        let quantised = if inputs.iter().all(|twin| twin.trained.is(&twin.quantised)) {
            trained.clone()
        } else {
            let yields = evaluate(&op, &arrives)?;
            let shapes = [shapes[0], &node.shape];
            match weights::corrected(&op, shapes, arrives[0], [&yields, &trained], self.options.reconstruct) {
                Some(corrected) => {
                    op = corrected;
                    evaluate(&op, &arrives)?
                }
                None => yields,
            }
        };
        let trained_levels = match op {
            Op::Qcfs { levels, theta } => Some((levels, theta)),
            _ => None,
        };
        let place = self.net.push(node.name.clone(), op, &places)?;
        if let Some((levels, theta)) = trained_levels {
            self.layers.push(Layer {
                trained: id,
                counts: place,
                levels,
                thresholds: vec![f64::from(theta) / f64::from(levels)],
                values: vec![f64::from(theta) / f64::from(levels)],
                dead: 0,
                error: error(&quantised, &trained),
            });
        }
        Ok(Twin { place, trained, quantised })
    }

    /// Rounds an activation; its place and values in the quantised net.
    fn round(
        &mut self,
        id: NodeId,
        input: NodeId,
        arrives: &Tensor,
        wanted: &Tensor,
    ) -> Result<(NodeId, Tensor), QuantiseError> {
        let node = self.ann.node(id);
        let (go_on, levels) = (self.wanted, self.options.levels);
        let channels = node.shape.channels();
        let found = match self.options.scale_per {
            Some(ScalePer::Layer) => search_all(go_on, &pairs(arrives, wanted, 1), levels),
            None if node.shape.rank() == 1 => {
                better(go_on, &pairs(arrives, wanted, 1), &pairs(arrives, wanted, channels), levels)
            }
            Some(ScalePer::Channel) | None => search_all(go_on, &pairs(arrives, wanted, channels), levels),
        }?;
        let dead = found.iter().filter(|found| found.is_none()).count();
        let roundings = alive(found);
        let numbers = |f: &dyn Fn(&Rounding) -> f64| -> Vec<f32> {
            roundings.iter().map(|rounding| f(rounding) as f32).collect()
        };
        let before = Affine {
            scale: numbers(&|r| 1.0 / r.threshold).into(),
            shift: numbers(&|r| r.shift / r.threshold).into(),
        };
        let behind = Affine { scale: numbers(&|r| r.value).into(), shift: [0.0].into() };
        let [first, last] = ["in", "out"].map(|side| self.name(&format!("{}.{side}", node.name)));
        let rounds = Op::Qcfs { levels, theta: levels as f32 };
        let mut place = input;
        let mut values = arrives.clone();
        let mut places = Vec::with_capacity(3);
        for (name, op) in
            [(first, Op::Affine(before)), (node.name.clone(), rounds), (last, Op::Affine(behind))]
        {
            values = Tensor::of_operator(self.wanted, &name, &op, &[&node.shape], &[&values], &node.shape)?;
            place = self.net.push(name, op, &[place])?;
            places.push(place);
        }
        self.layers.push(Layer {
            trained: id,
            counts: places[1],
            levels,
            thresholds: roundings.iter().map(|rounding| rounding.threshold).collect(),
            values: roundings.iter().map(|rounding| rounding.value).collect(),
            dead,
            error: error(&values, wanted),
        });
        Ok((place, values))
    }

    /// A name that no node has.
    fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// Pairs of every group, of equally many neurons in every sample.
fn pairs(arrives: &Tensor, wanted: &Tensor, groups: usize) -> Vec<Pairs> {
    let length = wanted.elements / groups;
    let (arrives, wanted) = (arrives.samples(), wanted.samples());
    // A group that is a whole layer is as many as its channels would be.
    let most = if groups == 1 { 16 * PAIRS } else { PAIRS };
    let each = most.div_ceil(wanted.len()).min(length);
    let collect = |group: usize| {
        let mut pairs = Pairs::default();
        for (sample, (arrives, wanted)) in arrives.iter().zip(&wanted).enumerate() {
            for element in spread(sample, each, length).map(|place| group * length + place) {
                pairs.inputs.push(arrives[element]);
                pairs.targets.push(wanted[element].max(0.0));
            }
        }
        pairs
    };
    (0..groups).into_par_iter().map(collect).collect()
}

fn search_all(go_on: Wanted<'_>, pairs: &[Pairs], levels: u32) -> Result<Vec<Option<Rounding>>, Stopped> {
    let one = |pairs: &Pairs| {
        go_on.check()?;
        Ok(search(pairs, levels))
    };
    pairs.par_iter().map(one).collect()
}

/// One rounding for all or one per neuron, whichever has the smaller error on every second pair if chosen on the others.
fn better(
    go_on: Wanted<'_>,
    all: &[Pairs],
    each: &[Pairs],
    levels: u32,
) -> Result<Vec<Option<Rounding>>, Stopped> {
    let chosen_on_half = |pairs: &[Pairs]| -> Result<Vec<Rounding>, Stopped> {
        let halves: Vec<Pairs> = pairs.iter().map(|pairs| pairs.every_second(0)).collect();
        Ok(alive(search_all(go_on, &halves, levels)?))
    };
    let (for_all, for_each) = (chosen_on_half(all)?, chosen_on_half(each)?);
    let held_out = |rounding: &dyn Fn(usize) -> Rounding| -> f64 {
        let errors = each
            .iter()
            .enumerate()
            .map(|(group, pairs)| rounding(group).error(&pairs.every_second(1), levels));
        errors.sum()
    };
    if held_out(&|group| for_each[group]) < held_out(&|_| for_all[0]) {
        search_all(go_on, each, levels)
    } else {
        search_all(go_on, all, levels)
    }
}

/// The roundings, with the median threshold where nothing was active, or 1 if nothing was active anywhere.
fn alive(found: Vec<Option<Rounding>>) -> Vec<Rounding> {
    let mut thresholds: Vec<f64> = found.iter().flatten().map(|rounding| rounding.threshold).collect();
    thresholds.sort_by(f64::total_cmp);
    let usual = thresholds.get(thresholds.len() / 2).copied().unwrap_or(1.0);
    found.into_iter().map(|found| found.unwrap_or(Rounding::plain(usual))).collect()
}

/// The squared difference over the squared wanted values.
fn error(found: &Tensor, wanted: &Tensor) -> Option<f64> {
    let sums: Vec<[f64; 2]> = found
        .samples()
        .into_par_iter()
        .zip(wanted.samples())
        .map(|(found, wanted)| {
            found.iter().zip(wanted).fold([0.0; 2], |[off, size], (&found, &wanted)| {
                let (found, wanted) = (f64::from(found), f64::from(wanted));
                [off + (found - wanted) * (found - wanted), size + wanted * wanted]
            })
        })
        .collect();
    let [off, size] = sums.iter().fold([0.0; 2], |[a, b], [off, size]| [a + off, b + size]);
    (size > 0.0).then(|| off / size)
}
