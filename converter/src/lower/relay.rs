//! Relays: populations that pass weighted sums on, so that two linear maps need not be merged into one.
//!
//! Between two activations everything is one affine map, and maps that follow one another are merged. Mostly that saves
//! populations and spikes; but where a narrow map lies between two wide ones (the linear bottlenecks of MobileNetV2, Sandler
//! et al. 2018), or the same sum is used again and again (DenseNet), the product has far more weights than its factors.
//! There the sum becomes a population of its own: bipolar neurons without bounds, which emit their current of a step, rounded
//! to whole numbers of a small unit, as the value of one spike within the same step. What rounding leaves over stays in the
//! potential and goes out later, so that after any number of steps the sum of what a relay has emitted is off by half a unit
//! at most.
//!
//! The unit of a channel is a power of two, so chosen that 2¹² units, the largest value of a spike, are no less than the largest
//! current that one step can bring.

use super::connect::{in_neuron_order, stands_as};
use super::{Kind, Lowering, STAND_IN, uses};
use crate::affine::{AffineForm, LinearMap, MOST_NUMBERS, Runs, TooLarge, planes_of};
use crate::ann::{Ann, Node, NodeId, Op};
use snn_engine::LARGEST_VALUE;
use std::collections::HashSet;

/// How much larger than the trained net a network may become by merging, as a part of the trained net.
const SPARE: usize = 8;

/// Units beyond which none is worth more: with them weights stay within single precision.
const UNITS: [f64; 2] = [1e-30, 1e30];

/// What merging may still cost.
pub(super) struct Purse {
    /// Numbers by which the network may still become larger than the trained net.
    left: usize,
    /// How often each node is used.
    uses: Vec<usize>,
}

impl Purse {
    pub fn of(ann: &Ann, needed: &[bool]) -> Self {
        let live = ann.iter().filter(|(id, _)| needed[id.index()]);
        let trained: usize = live.map(|(_, node)| weights(&node.op)).sum();
        Self { left: trained / SPARE, uses: uses(ann, needed) }
    }

    /// Pays, if there is enough.
    fn pay(&mut self, numbers: usize) -> bool {
        let enough = numbers <= self.left;
        if enough {
            self.left -= numbers;
        }
        enough
    }
}

/// Trained weights of an operator that are not zero.
fn weights(op: &Op) -> usize {
    let nonzeros = |weights: &[f32]| weights.iter().filter(|weight| **weight != 0.0).count();
    match op {
        Op::Linear(linear) => linear.weights.nonzeros(),
        Op::Conv(conv) => nonzeros(&conv.weights),
        _ => 0,
    }
}

/// The numbers that an operator takes by itself, behind a population.
fn own_numbers(op: &Op, inputs: usize, output: &Node) -> usize {
    let elements = output.shape.elements();
    match op {
        Op::Linear(_) | Op::Conv(_) => weights(op),
        Op::AveragePool(pool) => output.shape.channels() * pool.window.kernel.iter().product::<usize>(),
        Op::GlobalAverage => elements,
        Op::Resample(resample) => resample.axes.iter().flatten().fold(elements, |numbers, taps| {
            let rows: usize = (0..taps.outputs()).map(|output| taps.row(output).count()).sum();
            numbers.saturating_mul(rows.div_ceil(taps.outputs().max(1)))
        }),
        Op::View(_) | Op::Add | Op::Affine(_) => inputs * output.shape.channels(),
        _ => elements,
    }
}

/// Whether what is behind the border of the input differs from what a shift inside would make of it.
fn sees_borders(op: &Op) -> bool {
    match op {
        Op::Conv(conv) => conv.window.is_padded(),
        Op::AveragePool(pool) => pool.window.is_padded() || pool.ceil_mode,
        Op::Pad { .. } => true,
        Op::Resample(resample) => !resample.moves_channels_only(),
        _ => false,
    }
}

impl Lowering<'_> {
    /// The tensor of an affine node. Where merging it with what its inputs are made of would cost too much, these become
    /// relays.
    pub(super) fn affine(
        &mut self,
        id: NodeId,
        forms: &mut [Option<AffineForm>],
    ) -> Result<AffineForm, TooLarge> {
        let ann = self.ann;
        let node = ann.node(id);
        let form = self.merged(node, forms)?;
        let used = self.purse.uses[id.index()];
        if used < 2 || form.is_placed() || self.is_refused(&form) {
            return Ok(form);
        }
        // Whoever uses it stores it anew.
        let again = form.numbers().saturating_mul(used - 1);
        Ok(if self.purse.pay(again) { form } else { self.relayed(id, &form) })
    }

    fn merged(&mut self, node: &Node, forms: &mut [Option<AffineForm>]) -> Result<AffineForm, TooLarge> {
        let inputs = inputs_of(node, forms);
        let apart_from = |form: &&AffineForm| !self.is_refused(form) && !self.stands(&node.op, form);
        let scattered: Vec<NodeId> =
            node.inputs.iter().zip(&inputs).filter(|(_, form)| apart_from(form)).map(|(id, _)| *id).collect();
        if !scattered.is_empty() {
            // Every position would have weights of its own.
            let positions = node.shape.elements() / node.shape.channels();
            let more = weights(&node.op).saturating_mul(positions.saturating_sub(1));
            if !self.purse.pay(more) {
                self.relay(&scattered, forms);
            }
        }
        let inputs = inputs_of(node, forms);
        let simple = inputs.iter().all(|form| form.is_population() || self.is_refused(form));
        if simple {
            return AffineForm::of_operator(&node.op, &inputs, &node.shape, MOST_NUMBERS);
        }
        let before: usize = inputs.iter().map(|form| form.numbers()).sum();
        let apart = before + own_numbers(&node.op, inputs.len(), node);
        let most = apart.saturating_add(self.purse.left).min(MOST_NUMBERS);
        if let Ok(form) = AffineForm::of_operator(&node.op, &inputs, &node.shape, most)
            && self.purse.pay(form.numbers().saturating_sub(apart))
        {
            return Ok(form);
        }
        let mixed = node.inputs.iter().zip(&inputs);
        let mixed = mixed.filter(|(_, form)| !form.is_population() && !self.is_refused(form));
        let mixed: Vec<NodeId> = mixed.map(|(id, _)| *id).collect();
        self.relay(&mixed, forms);
        AffineForm::of_operator(&node.op, &inputs_of(node, forms), &node.shape, MOST_NUMBERS)
    }

    /// Makes relays of the tensors of some nodes.
    fn relay(&mut self, nodes: &[NodeId], forms: &mut [Option<AffineForm>]) {
        let mut made = HashSet::new();
        for &node in nodes.iter().filter(|node| made.insert(**node)) {
            let form = forms[node.index()].take().expect("inputs stand before the node");
            forms[node.index()] = Some(self.relayed(node, &form));
        }
    }

    /// Whether the populations of a tensor are stored so that an operator can share its weights over their positions, if it
    /// has any to share.
    fn stands(&self, op: &Op, form: &AffineForm) -> bool {
        let slides = matches!(op, Op::Conv(_) | Op::AveragePool(_) | Op::GlobalAverage);
        !slides
            || form.terms.iter().all(|term| match &term.map {
                LinearMap::Placed(placed) => {
                    let layout = self.lowered.parts[term.population].layout;
                    // What cannot be seen as such an image is no matter of how it is stored.
                    let seen = placed.viewed(planes_of(&form.shape));
                    seen.is_none_or(|seen| stands_as(layout, seen.source, seen.strides))
                }
                _ => true,
            })
    }

    /// Whether it stands for what was refused.
    pub(super) fn is_refused(&self, form: &AffineForm) -> bool {
        form.terms.iter().any(|term| term.population == STAND_IN)
    }

    /// The tensor of a node as a population that passes it on.
    pub(super) fn relayed(&mut self, node: NodeId, form: &AffineForm) -> AffineForm {
        let ann = self.ann;
        let shape = &ann.node(node).shape;
        let (channels, elements) = (planes_of(shape)[0], shape.elements());
        // A shift goes behind the relay, where it costs no spike, unless it would become a number per position there.
        let behind = form.shift.per(channels);
        let borders = meets_borders(ann, node);
        let zero = Runs::same(elements, 0.0);
        let (own, behind) = match behind {
            Some(shift) if !borders || form.shift.is_zero() => (zero, Runs::new(elements, shift)),
            _ => (form.shift.clone(), zero),
        };
        let mut reach = vec![0.0_f64; channels];
        for term in &form.terms {
            let most = self.lowered.parts[term.population].most;
            let of_term = term.map.reach(channels, elements);
            reach.iter_mut().zip(of_term).for_each(|(reach, of_term)| *reach += of_term * most);
        }
        let mut biases = vec![0.0_f64; channels];
        for element in 0..elements {
            let bias = &mut biases[element / (elements / channels)];
            *bias = bias.max(own.get(element).abs());
        }
        let units = reach.iter().zip(biases).map(|(reach, bias)| unit(reach + bias)).collect();
        let units = Runs::new(elements, units).compressed(channels);
        let bias = own.zip(&units, |shift, unit| shift / unit);
        let name = ann.node(node).name.clone();
        let bias = in_neuron_order(&bias, self.layout(node));
        let place = self.add(node, &name, units.clone(), Kind::Relays { bias });
        let part = &mut self.lowered.parts[place];
        part.offset = behind.clone();
        part.most = f64::from(LARGEST_VALUE);
        self.project(place, form);
        AffineForm::of_population(place, shape, units, behind)
    }
}

/// The tensors that go into a node.
fn inputs_of<'a>(node: &Node, forms: &'a [Option<AffineForm>]) -> Vec<&'a AffineForm> {
    let form = |input: &NodeId| forms[input.index()].as_ref().expect("inputs stand before the node");
    node.inputs.iter().map(form).collect()
}

/// The unit of a relay whose current in one step is `reach` at most: more than a 2¹²th of it, and no more than two.
fn unit(reach: f64) -> f64 {
    if reach == 0.0 {
        return 1.0;
    }
    let most = (2.0 * reach / f64::from(LARGEST_VALUE)).clamp(UNITS[0], UNITS[1]);
    // The number without its fraction.
    f64::from_bits(most.to_bits() & 0x7FF0_0000_0000_0000)
}

/// Whether what is made of a node's tensor before the next activation depends on where the tensor ends.
fn meets_borders(ann: &Ann, node: NodeId) -> bool {
    let mut reached = HashSet::from([node]);
    ann.iter().any(|(id, user)| {
        let behind = user.inputs.iter().any(|input| reached.contains(input));
        if behind
            && matches!(
                user.op,
                Op::View(_)
                    | Op::Add
                    | Op::Affine(_)
                    | Op::Concat { .. }
                    | Op::Resample(_)
                    | Op::Transpose { .. }
            )
        {
            reached.insert(id);
        }
        behind && sees_borders(&user.op)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_power_of_two_of_which_4096_are_no_less_than_the_largest_current() {
        for reach in [1.0, 0.3, 4096.0, 7e-5, 1e9, 3.0 * 4096.0] {
            let unit = unit(reach);
            assert_eq!(unit.to_bits() << 12, 0, "{unit} has a fraction");
            assert!(unit * 4096.0 >= reach && unit * 4096.0 <= 2.0 * reach, "{unit} for {reach}");
        }
        assert_eq!(unit(0.0), 1.0);
        assert!(unit(1e300) as f32 > 0.0 && (1.0 / unit(1e-300) as f32).is_finite());
    }
}
