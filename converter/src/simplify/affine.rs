//! Affine maps, folded into one another and into the weights beside them.

use super::graph::{Draft, Graph};
use crate::ann::{Affine, Conv, Linear, Op, coefficient};
use std::sync::Arc;

/// Merges an affine map with what makes its input, if that feeds nothing else: another map, a convolution, a linear map.
/// The result has the name of the first and the tensor of the second. Maps that change nothing are dropped.
pub(super) fn fold_backwards(graph: &mut Graph) {
    let mut uses = graph.uses();
    graph.rewrite(|graph, id| {
        let node = &graph.nodes[id];
        let Op::Affine(affine) = &node.op else { return id };
        let input = node.inputs[0];
        if affine.scale.iter().all(|&s| s == 1.0) && affine.shift.iter().all(|&s| s == 0.0) {
            uses[input] += uses[id] - 1;
            return input;
        }
        let before = &graph.nodes[input];
        if uses[input] == 1
            && let Some(op) = scaled(before, affine)
        {
            let (name, inputs) = (before.name.clone(), before.inputs.clone());
            let node = &mut graph.nodes[id];
            (node.name, node.inputs, node.op) = (name, inputs, op);
        }
        id
    });
}

/// The operator of a node followed by an affine map, if it is one operator.
fn scaled(node: &Draft, affine: &Affine) -> Option<Op> {
    let channels = node.shape.channels();
    match &node.op {
        Op::Affine(first) => Some(Op::Affine(composed(first, affine, node.shape.elements()))),
        Op::Linear(linear) => {
            let rows = linear.outputs;
            let scale = |row: usize| f64::from(coefficient(&affine.scale, row, rows));
            let weights = if keeps_scale(affine) {
                linear.weights.clone()
            } else {
                linear.weights.map(linear.inputs, |row, _, weight| (f64::from(weight) * scale(row)) as f32)
            };
            let bias = Some(biases_mapped(linear.bias.as_deref(), rows, affine));
            Some(Op::Linear(Linear { weights, bias, ..*linear }))
        }
        Op::Conv(conv) => {
            let per_channel = |x: &[f32]| [1, channels].contains(&x.len());
            if !per_channel(&affine.scale) || !per_channel(&affine.shift) {
                return None;
            }
            let weights = rows_scaled(&conv.weights, channels, affine);
            let bias = Some(biases_mapped(conv.bias.as_deref(), channels, affine));
            Some(Op::Conv(Conv { weights, bias, window: conv.window.clone(), ..*conv }))
        }
        _ => None,
    }
}

/// `second(first(x))` over `elements`, in double precision until it is rounded.
fn composed(first: &Affine, second: &Affine, elements: usize) -> Affine {
    let at = |x: &[f32], i: usize, of: usize| f64::from(coefficient(x, i * (elements / of), elements));
    let scales = first.scale.len().max(second.scale.len());
    let shifts = first.shift.len().max(second.shift.len()).max(second.scale.len());
    let scale = |i| (at(&first.scale, i, scales) * at(&second.scale, i, scales)) as f32;
    let shift = |i| {
        let inner = at(&first.shift, i, shifts) * at(&second.scale, i, shifts);
        (inner + at(&second.shift, i, shifts)) as f32
    };
    Affine { scale: (0..scales).map(scale).collect(), shift: (0..shifts).map(shift).collect() }
}

fn keeps_scale(affine: &Affine) -> bool {
    affine.scale.iter().all(|&s| s == 1.0)
}

/// Rows of weights, one per output channel, followed by an affine map with one number or one per row.
fn rows_scaled(weights: &Arc<[f32]>, rows: usize, affine: &Affine) -> Arc<[f32]> {
    if keeps_scale(affine) {
        return weights.clone();
    }
    let length = weights.len() / rows;
    let scale = |row: usize| f64::from(coefficient(&affine.scale, row, rows));
    (0..weights.len()).map(|i| (f64::from(weights[i]) * scale(i / length)) as f32).collect()
}

/// Biases, one per output channel, followed by an affine map with one number or one per row.
fn biases_mapped(bias: Option<&[f32]>, rows: usize, affine: &Affine) -> Arc<[f32]> {
    let shifted = |row: usize| {
        let scale = f64::from(coefficient(&affine.scale, row, rows));
        let before = bias.map_or(0.0, |b| f64::from(b[row]));
        (before * scale + f64::from(coefficient(&affine.shift, row, rows))) as f32
    };
    (0..rows).map(shifted).collect()
}

/// Folds an affine map into the linear maps and unpadded convolutions that it feeds.
pub(super) fn fold_forwards(graph: &mut Graph) {
    graph.rewrite(|graph, id| {
        let node = &graph.nodes[id];
        if let Some(&input) = node.inputs.first()
            && let Some(op) = absorbed(&node.op, &graph.nodes[input])
        {
            let inputs = graph.nodes[input].inputs.clone();
            (graph.nodes[id].op, graph.nodes[id].inputs) = (op, inputs);
        }
        id
    });
}

/// The operator `op` preceded by the affine map that `before` is, if that is one operator.
fn absorbed(op: &Op, before: &Draft) -> Option<Op> {
    let Op::Affine(affine) = &before.op else {
        return None;
    };
    let elements = before.shape.elements();
    match op {
        Op::Linear(linear) => {
            let at = |x: &[f32], element: usize| f64::from(coefficient(x, element, elements));
            let scaled =
                |_: usize, input: usize, weight: f32| (f64::from(weight) * at(&affine.scale, input)) as f32;
            let weights = linear.weights.map(linear.inputs, scaled);
            let biased = |row: usize| {
                let mut sum = linear.bias.as_deref().map_or(0.0, |b| f64::from(b[row]));
                let of_row = linear.weights.row(row, linear.inputs);
                of_row.for_each(|input, weight| sum += f64::from(weight) * at(&affine.shift, input));
                sum as f32
            };
            let bias = Some((0..linear.outputs).map(biased).collect());
            Some(Op::Linear(Linear { weights, bias, ..*linear }))
        }
        Op::Conv(conv) => {
            let channels = conv.in_channels;
            let per_channel = [&affine.scale, &affine.shift].iter().all(|x| [1, channels].contains(&x.len()));
            let shifts = affine.shift.iter().any(|&s| s != 0.0);
            if !per_channel || (shifts && conv.window.is_padded()) {
                return None;
            }
            let taps = conv.window.kernel[0] * conv.window.kernel[1];
            let (ins, outs) = (channels / conv.groups, conv.out_channels / conv.groups);
            let element = |row: usize, i: usize| (row / outs * ins + i / taps) * (elements / channels);
            let (weights, bias) = columns_scaled(
                &conv.weights,
                conv.bias.as_deref(),
                conv.out_channels,
                affine,
                elements,
                element,
            );
            Some(Op::Conv(Conv { weights, bias: Some(bias), window: conv.window.clone(), ..*conv }))
        }
        _ => None,
    }
}

/// Rows of weights and their biases preceded by an affine map; `element(row, i)` is an element of the input with the
/// coefficients that belong to weight `i` of the row.
fn columns_scaled(
    weights: &[f32],
    bias: Option<&[f32]>,
    rows: usize,
    affine: &Affine,
    elements: usize,
    element: impl Fn(usize, usize) -> usize,
) -> (Arc<[f32]>, Arc<[f32]>) {
    let length = weights.len() / rows;
    let at = |x: &[f32], row, i| f64::from(coefficient(x, element(row, i), elements));
    let folded = |i: usize| {
        let (row, column) = (i / length, i % length);
        (f64::from(weights[i]) * at(&affine.scale, row, column)) as f32
    };
    let biased = |row: usize| {
        let start = bias.map_or(0.0, |b| f64::from(b[row]));
        let row_weights = weights[row * length..(row + 1) * length].iter().enumerate();
        row_weights.fold(start, |sum, (i, &w)| sum + f64::from(w) * at(&affine.shift, row, i)) as f32
    };
    ((0..weights.len()).map(folded).collect(), (0..rows).map(biased).collect())
}
