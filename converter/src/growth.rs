//! Where a network stores more than the trained net, and why.

use crate::ann::{Ann, NodeId, Op};
use crate::lower::{Kind, Lowered, Part, needed};
use serde::Serialize;
use snn_engine::{Connectivity, Rows};
use std::collections::{HashMap, HashSet};

/// Bytes of a weight, and of where a row begins.
const WEIGHT: u64 = 4;
const START: u64 = 8;

/// A layer grows if it takes more than so many tenths of what was trained.
const TENTHS: u64 = 13;

/// The most operators that a reason names.
const NAMED: usize = 4;

/// A trained operator of which a layer is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedOperator {
    /// Its name.
    pub name: String,
    /// Its kind, such as `Conv`.
    pub kind: String,
    /// Its weights that are not zero.
    pub nonzeros: u64,
    /// Bytes of its weights with their indices, stored as a projection of its own would store them.
    pub bytes: u64,
    /// The layers that it is a part of: where there are several, every one of them stores it.
    pub layers: usize,
}

/// What a layer takes beside what was trained for it. Weights count 4 bytes here whatever they are rounded to later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Bytes of the weights and indices of all projections into it.
    pub bytes: u64,
    /// The trained operators with weights of which they are made.
    pub trained: Vec<TrainedOperator>,
    /// Why it takes more than 1.3 times the bytes of those, of which operators that several layers store are divided among
    /// these; nothing if it does not. A network whose layers give no reason is therefore no larger than 1.3 times the
    /// weights and indices of the trained net.
    pub grown: Option<String>,
}

/// The sizes of all populations of a network.
pub(crate) fn sizes(ann: &Ann, lowered: &Lowered, unrolled: bool) -> Vec<Size> {
    let operators = operators(ann, lowered);
    let mut layers: HashMap<NodeId, usize> = HashMap::new();
    for operator in operators.iter().flatten() {
        *layers.entry(*operator).or_default() += 1;
    }
    let mut own: Vec<Vec<&Connectivity>> = vec![vec![]; lowered.parts.len()];
    for (_, target, connectivity) in &lowered.projections {
        own[*target].push(connectivity);
    }
    let layer = |(place, (operators, projections)): (usize, (&Vec<NodeId>, &Vec<&Connectivity>))| {
        let trained: Vec<TrainedOperator> = operators
            .iter()
            .filter_map(|&id| {
                let node = ann.node(id);
                let [nonzeros, bytes] = trained(&node.op)?;
                let (name, kind) = (node.name.clone(), node.op.kind().to_owned());
                Some(TrainedOperator { name, kind, nonzeros, bytes, layers: layers[&id] })
            })
            .collect();
        let bytes = projections.iter().map(|connectivity| stored(connectivity)).sum();
        let shares: u64 = trained.iter().map(|operator| operator.bytes / operator.layers as u64).sum();
        let grown = (10 * bytes > TENTHS * shares).then(|| {
            let kind = &lowered.parts[place].kind;
            reason(ann, operators, &trained, kind, projections, unrolled)
        });
        Size { bytes, trained, grown }
    };
    operators.iter().zip(&own).enumerate().map(layer).collect()
}

/// Of every population the operators between those before it and itself, in the order of the net.
fn operators(ann: &Ann, lowered: &Lowered) -> Vec<Vec<NodeId>> {
    let last = lowered.parts.len().saturating_sub(1);
    // What the last population is read from may be another's as well.
    let ends: HashSet<NodeId> = lowered.parts[..last].iter().map(|part| part.node).collect();
    let needed = needed(ann);
    let of = |(place, part): (usize, &Part)| {
        let op = &ann.node(part.node).op;
        let fires = op.is_activation() || matches!(op, Op::Input(_));
        let mut open = if place == last && ends.contains(&part.node) {
            vec![]
        } else if fires {
            ann.node(part.node).inputs.clone()
        } else {
            vec![part.node]
        };
        let mut seen = HashSet::new();
        let mut found = vec![];
        while let Some(id) = open.pop() {
            let is_end = ends.contains(&id) && id != part.node;
            if is_end || !needed[id.index()] || !seen.insert(id) {
                continue;
            }
            found.push(id);
            open.extend(&ann.node(id).inputs);
        }
        found.sort_by_key(|id| id.index());
        found
    };
    lowered.parts.iter().enumerate().map(of).collect()
}

/// How many bytes rows take: those of all places, or those of the numbers in them that are not zero and their indices.
fn rows(rows: u64, width: u64, nonzeros: u64) -> u64 {
    let index = if width <= 1 << 16 { 2 } else { 4 };
    let sparse = nonzeros * (WEIGHT + index) + rows * START;
    sparse.min(rows.saturating_mul(width).saturating_mul(WEIGHT))
}

/// The weights of an operator that are not zero, and the bytes that a projection of its own would have; none if it has no
/// weights.
fn trained(op: &Op) -> Option<[u64; 2]> {
    match op {
        Op::Linear(linear) => {
            let nonzeros = linear.weights.nonzeros() as u64;
            Some([nonzeros, rows(linear.inputs as u64, linear.outputs as u64, nonzeros)])
        }
        Op::Conv(conv) => {
            let nonzeros = conv.weights.iter().filter(|weight| **weight != 0.0).count() as u64;
            let taps: usize = conv.window.kernel.iter().product();
            Some([nonzeros, rows((taps * conv.in_channels) as u64, conv.out_channels as u64, nonzeros)])
        }
        _ => None,
    }
}

fn stored(connectivity: &Connectivity) -> u64 {
    let of = |kept: &Rows| match kept {
        Rows::Sparse(_) => {
            let index = if kept.width() <= 1 << 16 { 2 } else { 4 };
            kept.synapses() * (WEIGHT + index) + kept.len() as u64 * START
        }
        Rows::Dense(_) => kept.len() as u64 * kept.width() as u64 * WEIGHT,
    };
    match connectivity {
        Connectivity::Rows(rows) => of(rows),
        Connectivity::Conv2d(conv) => of(conv.rows()),
        Connectivity::OneToOne(one) => one.weights().period() as u64 * WEIGHT,
    }
}

/// Operators by name and kind, the first few of them.
fn listed<'a>(operators: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: Vec<String> = operators.map(|(name, kind)| format!("`{name}` ({kind})")).collect();
    let more = all.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    all[..all.len() - more].join(", ") + &rest
}

fn reason(
    ann: &Ann,
    operators: &[NodeId],
    trained: &[TrainedOperator],
    kind: &Kind,
    projections: &[&Connectivity],
    unrolled: bool,
) -> String {
    let named = |wanted: fn(&Op) -> bool| {
        let nodes = operators.iter().map(|&id| ann.node(id));
        listed(nodes.filter(|node| wanted(&node.op)).map(|node| (&node.name[..], node.op.kind())))
    };
    let mut reasons = vec![];
    if unrolled {
        reasons.push("shared weights are written out, one for every synapse, as was asked".to_owned());
    }
    let again: Vec<_> = trained.iter().filter(|operator| operator.layers > 1).collect();
    if !again.is_empty() {
        let most = again.iter().map(|operator| operator.layers).max().unwrap_or(0);
        let names = listed(again.iter().map(|operator| (&operator.name[..], &operator.kind[..])));
        reasons.push(format!("{names}: stored in each of up to {most} layers that use it"));
    }
    // What shares its weights between positions, or moves what others share them over.
    let slides = |op: &Op| !matches!(op, Op::Linear(_) | Op::Affine(_) | Op::View(_) | Op::Add);
    let written = projections.iter().any(|projection| matches!(projection, Connectivity::Rows(_)));
    if written && !unrolled && operators.iter().any(|&id| slides(&ann.node(id).op)) {
        reasons.push(format!(
            "{}: one map, which no convolution with shared weights is, so that it is written out, a weight for every synapse",
            named(slides)
        ));
    } else if operators.len() > 1 && !trained.is_empty() && again.is_empty() && !unrolled {
        reasons.push(format!("{}: merged into one map between two populations", named(|_| true)));
    }
    if trained.is_empty() && !unrolled && reasons.is_empty() {
        reasons.push(match kind {
            Kind::Maximum => {
                format!("{}: the windows that it takes maxima of, nothing that was trained", named(|_| true))
            }
            _ if operators.is_empty() => {
                "it follows another population directly: the scale between them, nothing that was trained"
                    .into()
            }
            _ => format!("{}: nothing that was trained", named(|_| true)),
        });
    }
    if reasons.is_empty() {
        reasons.push("its rows are more than those that were trained".into());
    }
    reasons.join("; ")
}
