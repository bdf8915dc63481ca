//! The spiking network of a trained net whose activations have been given scales.

mod connect;
mod maxima;
mod parts;
mod relay;

use crate::affine::{AffineForm, MOST_NUMBERS, Runs, planes_of};
use crate::ann::{Ann, Node, NodeId, Op, Shape};
use crate::import::Refusal;
pub(crate) use connect::{Receiver, scatter};
use connect::{connect, in_neuron_order, unrolled};
use maxima::Maxima;
pub(crate) use parts::{Counts, Kind, Lowered, Part, Scaling};
use relay::Purse;
use snn_engine::{Connectivity, Layout, NetworkError};
use std::collections::{HashMap, HashSet};

/// What the lowering is told besides the net.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// For every activation, and for the output if it is to fire.
    pub scalings: HashMap<NodeId, Scaling>,
    /// Whether the output fires like the others, or integrates only.
    pub output_fires: bool,
    /// What the input is divided by, per element, after `input_shift` was added: the net sees `x·scale + shift`.
    pub input_scale: Runs,
    /// See `input_scale`.
    pub input_shift: Runs,
    /// The largest magnitude of what the input is given, before `input_scale`, or of its spikes.
    pub input_peak: f64,
    /// Whether shared weights are written out.
    pub unroll: bool,
    /// Whether only to look for what stands in the way; no synapse is made then.
    pub check_only: bool,
}

/// The population of what was refused.
const STAND_IN: usize = usize::MAX;

/// What fits populations to the spikes that arrive while a net is lowered, one after another.
pub(crate) trait Fitted {
    /// A better scaling of the population at `place`, into which all projections are made.
    fn scaling(&mut self, lowered: &Lowered, place: usize) -> Option<Scaling>;

    /// What is to be added to the bias of the read-out at `place`, per element.
    fn output_ramp(&mut self, lowered: &Lowered, place: usize) -> Option<Runs>;

    /// The population at `place` is as it stays.
    fn made(&mut self, lowered: &Lowered, place: usize);

    /// Later populations are connected to these only.
    fn keep(&mut self, populations: &HashSet<usize>);
}

/// Lowers a net, or tells everything that stands in the way.
pub(crate) fn lower(ann: &Ann, plan: &Plan) -> Result<Lowered, Vec<Refusal>> {
    Lowering::of(ann, plan, None)
}

/// Lowers a net with scalings that `fitted` makes of those of the plan, population by population.
pub(crate) fn lower_fitted(ann: &Ann, plan: &Plan, fitted: &mut dyn Fitted) -> Result<Lowered, Vec<Refusal>> {
    Lowering::of(ann, plan, Some(fitted))
}

/// Which nodes the output depends on; the input always counts.
pub(crate) fn needed(ann: &Ann) -> Vec<bool> {
    let mut needed = vec![false; ann.nodes().len()];
    needed[ann.output().index()] = true;
    needed[ann.input().index()] = true;
    for (id, node) in ann.iter().rev() {
        if needed[id.index()] {
            for input in &node.inputs {
                needed[input.index()] = true;
            }
        }
    }
    needed
}

/// The node because of which a node's weights have to be written out, and what to say about it: the nearest before it that
/// moves elements, if there is one since the last activation.
fn scattered_by(ann: &Ann, id: NodeId) -> (NodeId, String) {
    let written = format!("written out they take more than {MOST_NUMBERS} numbers");
    let mut open = vec![id];
    while let Some(at) = open.pop() {
        for &input in &ann.node(at).inputs {
            let op = &ann.node(input).op;
            if matches!(op, Op::Transpose { .. } | Op::Resample(_) | Op::View(_) | Op::Pad { .. }) {
                let (name, kind) = (&ann.node(id).name, ann.node(id).op.kind());
                let reason =
                    format!("behind it the weights of `{name}` ({kind}) cannot be shared, and {written}");
                return (input, reason);
            }
            if !op.is_activation() && !op.is_maximum() {
                open.push(input);
            }
        }
    }
    (id, format!("its weights cannot be shared, and {written}"))
}

fn uses(ann: &Ann, needed: &[bool]) -> Vec<usize> {
    let mut uses = vec![0; ann.nodes().len()];
    for (_, node) in ann.iter().filter(|(id, _)| needed[id.index()]) {
        for input in &node.inputs {
            uses[input.index()] += 1;
        }
    }
    uses
}

/// The shape in whose layout a population is stored, where that is not its own: vectors and images that are viewed as other
/// images, and images whose channels are last, which are vectors then. Stored so, they can be convolved with shared weights.
fn layout_hints(ann: &Ann) -> HashMap<NodeId, Shape> {
    let consumers = ann.consumers();
    let slides = |id: NodeId| {
        consumers[id.index()].iter().any(|&user| {
            let op = &ann.node(user).op;
            matches!(op, Op::Conv(_) | Op::AveragePool(_) | Op::GlobalAverage | Op::Pad { .. })
                || op.is_maximum()
        })
    };
    let mut hints = HashMap::new();
    for (id, node) in ann.iter().skip(1) {
        let source = node.inputs[0];
        let shape = &ann.node(source).shape;
        match &node.op {
            Op::View(view) if view.planes().is_some() && view.rank() > 1 => {
                let only = consumers[source.index()].len() == 1 && slides(id);
                if only || !matches!(shape.rank(), 2 | 3) {
                    hints.entry(source).or_insert_with(|| view.clone());
                }
            }
            Op::Transpose { perm } if matches!(perm[..], [2, 0, 1] | [1, 0]) => {
                let only = consumers[source.index()].len() == 1 && slides(id);
                if let Some(flat) = only.then(|| Shape::new([shape.elements()]).ok()).flatten() {
                    hints.entry(source).or_insert(flat);
                }
            }
            _ => {}
        }
    }
    hints
}

/// Neurons that fire behind a tensor.
fn firing(input: &AffineForm, scaling: &Scaling, layout: Layout) -> Kind {
    let bias = input.shift.zip(&scaling.lambda, |a, b| a / b).zip(&scaling.ramp, |a, b| a + b);
    Kind::Fires {
        bias: in_neuron_order(&bias, layout),
        start: in_neuron_order(&scaling.starts, layout),
        counts: scaling.counts,
    }
}

/// The layout in which a user sees a tensor.
fn layout_of(shape: &Shape) -> Layout {
    // Shapes hold at most 2^26 elements.
    let size = |extent: usize| u32::try_from(extent).expect("an extent of a checked shape");
    match shape.planes() {
        Some([c, h, w]) if shape.rank() > 1 => {
            Layout::Image { channels: size(c), height: size(h), width: size(w) }
        }
        _ => Layout::Flat(size(shape.elements())),
    }
}

/// The tensor that goes into a node of one input.
fn input_of<'a>(node: &Node, forms: &'a [Option<AffineForm>]) -> &'a AffineForm {
    forms[node.inputs[0].index()].as_ref().expect("inputs stand before the node")
}

struct Lowering<'a> {
    ann: &'a Ann,
    plan: &'a Plan,
    fitted: Option<&'a mut dyn Fitted>,
    hints: HashMap<NodeId, Shape>,
    names: HashSet<String>,
    purse: Purse,
    lowered: Lowered,
    refusals: Vec<Refusal>,
}

impl<'a> Lowering<'a> {
    fn of(ann: &'a Ann, plan: &'a Plan, fitted: Option<&'a mut dyn Fitted>) -> Result<Lowered, Vec<Refusal>> {
        let needed = needed(ann);
        let mut lowering = Lowering {
            ann,
            plan,
            fitted,
            hints: layout_hints(ann),
            names: HashSet::new(),
            purse: Purse::of(ann, &needed),
            lowered: Lowered { parts: Vec::new(), projections: Vec::new() },
            refusals: Vec::new(),
        };
        let mut forms: Vec<Option<AffineForm>> = vec![None; ann.nodes().len()];
        let mut uses = uses(ann, &needed);
        for (id, node) in ann.iter().filter(|(id, _)| needed[id.index()]) {
            let form = match &node.op {
                Op::Input(_) => lowering.input(id),
                op if op.is_activation() => lowering.activation(id, input_of(node, &forms)),
                op if op.is_maximum() => lowering.maximum(id, input_of(node, &forms)),
                _ => match lowering.affine(id, &mut forms) {
                    Ok(form) => form,
                    Err(_) => {
                        let (culprit, reason) = scattered_by(ann, id);
                        lowering.refuse(
                            culprit,
                            reason,
                            "leave it out, or do it after the next activation or to smaller images",
                        );
                        lowering.stand_in(id)
                    }
                },
            };
            forms[id.index()] = Some(form);
            for input in &node.inputs {
                uses[input.index()] -= 1;
                if uses[input.index()] == 0 && *input != ann.output() {
                    forms[input.index()] = None;
                }
            }
            if let Some(fitted) = &mut lowering.fitted {
                let terms = forms.iter().flatten().flat_map(|form| &form.terms);
                let used = terms.map(|term| term.population).collect();
                fitted.keep(&lowering.lowered.behind_relays(used));
            }
        }
        let output = forms[ann.output().index()].take().expect("the output was evaluated");
        lowering.read_out(&output);
        if lowering.refusals.is_empty() { Ok(lowering.lowered) } else { Err(lowering.refusals) }
    }

    fn refuse(&mut self, node: NodeId, reason: impl Into<String>, hint: impl Into<String>) {
        let node = self.ann.node(node);
        self.refusals.push(Refusal {
            node: node.name.clone(),
            op: node.op.kind().into(),
            reason: reason.into(),
            hint: hint.into(),
        });
    }

    /// Stands for a node that was refused, so that the nodes behind it are judged too.
    fn stand_in(&mut self, node: NodeId) -> AffineForm {
        let shape = &self.ann.node(node).shape;
        let n = shape.elements();
        AffineForm::of_population(STAND_IN, shape, Runs::same(n, 1.0), Runs::same(n, 0.0))
    }

    fn layout(&self, node: NodeId) -> Layout {
        layout_of(self.hints.get(&node).unwrap_or(&self.ann.node(node).shape))
    }

    fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Adds a population; its place.
    fn add(&mut self, node: NodeId, wanted: &str, lambda: Runs, kind: Kind) -> usize {
        let offset = Runs::same(lambda.elements(), 0.0);
        let (name, layout) = (self.name(wanted), self.layout(node));
        self.lowered.parts.push(Part { node, name, layout, lambda, offset, zero: 0.0, most: 1.0, kind });
        self.lowered.parts.len() - 1
    }

    fn input(&mut self, node: NodeId) -> AffineForm {
        let (scale, shift) = (self.plan.input_scale.clone(), self.plan.input_shift.clone());
        let population = self.add(node, "input", scale.clone(), Kind::Source);
        let part = &mut self.lowered.parts[population];
        part.offset = shift.clone();
        part.most = self.plan.input_peak;
        AffineForm::of_population(population, &self.ann.node(node).shape, scale, shift)
    }

    fn activation(&mut self, node: NodeId, input: &AffineForm) -> AffineForm {
        let ann = self.ann;
        let lambda = self.fires(node, &ann.node(node).name, input);
        let shape = &ann.node(node).shape;
        let population = self.lowered.parts.len() - 1;
        AffineForm::of_population(population, shape, lambda, Runs::same(shape.elements(), 0.0))
    }

    /// Adds a population of neurons that fire behind a tensor; its λ.
    fn fires(&mut self, node: NodeId, name: &str, input: &AffineForm) -> Runs {
        let scaling = &self.plan.scalings[&node];
        let kind = firing(input, scaling, self.layout(node));
        let zero = scaling.start;
        let place = self.add(node, name, scaling.lambda.clone(), kind);
        let most = scaling.counts.map_or(1.0, |counts| f64::from(counts.most));
        let part = &mut self.lowered.parts[place];
        (part.zero, part.most) = (zero, most);
        self.project(place, input);
        if let Some(fitted) = &mut self.fitted
            && let Some(scaling) = fitted.scaling(&self.lowered, place)
        {
            let part = &mut self.lowered.parts[place];
            part.kind = firing(input, &scaling, part.layout);
            part.lambda = scaling.lambda;
            self.lowered.projections.retain(|(_, target, _)| *target != place);
            self.project(place, input);
        }
        self.made(place);
        self.lowered.parts[place].lambda.clone()
    }

    /// The population at `place` and all projections into it are as they stay.
    fn made(&mut self, place: usize) {
        if let Some(fitted) = &mut self.fitted {
            fitted.made(&self.lowered, place);
        }
    }

    /// Adds the projections that a tensor's terms become.
    fn project(&mut self, target: usize, input: &AffineForm) {
        // What was refused has a stand-in, which has no population.
        if self.plan.check_only || !self.refusals.is_empty() {
            return;
        }
        let part = &self.lowered.parts[target];
        let (node, layout, lambda) = (part.node, part.layout, part.lambda.clone());
        for term in &input.terms {
            let receiver = Receiver { layout, scale: &lambda };
            let connectivity = connect(self.lowered.parts[term.population].layout, &receiver, &term.map);
            self.connect(term.population, target, node, connectivity);
        }
    }

    fn connect(
        &mut self,
        source: usize,
        target: usize,
        node: NodeId,
        connectivity: Result<Connectivity, NetworkError>,
    ) {
        let connectivity = match connectivity {
            Ok(connectivity) if self.plan.unroll => unrolled(&connectivity),
            other => other,
        };
        match connectivity {
            // A projection whose weights were all pruned carries nothing.
            Ok(connectivity) if connectivity.stored_weights() == 0 => {}
            Ok(connectivity) => self.lowered.projections.push((source, target, connectivity)),
            Err(error) => self.refuse(
                node,
                format!("its synapses cannot be made: {error}"),
                "check the weights of the layer before it for huge values; a layer that cannot share its weights may be too \
                 large",
            ),
        }
    }

    fn maximum(&mut self, node: NodeId, input: &AffineForm) -> AffineForm {
        let ann = self.ann;
        let source = ann.input();
        if self.is_refused(input) {
            return self.stand_in(node);
        }
        let is_input =
            |population: usize| population != STAND_IN && self.lowered.parts[population].node == source;
        let maxima = match Maxima::of(ann, node, input, is_input) {
            Some(maxima) => maxima,
            None => {
                // Spikes are needed, which grow where the pooled numbers do.
                let relayed = self.relayed(ann.node(node).inputs[0], input);
                Maxima::of(ann, node, &relayed, |_| false).expect("a relay can be pooled")
            }
        };
        let (lambda, offset) = (maxima.scale.clone(), maxima.offset.clone());
        let name = &ann.node(node).name;
        let place = self.add(node, name, lambda.clone(), Kind::Maximum);
        let most = maxima.terms.iter().map(|(population, _)| self.lowered.parts[*population].most);
        let most = most.fold(1.0, f64::max);
        let part = &mut self.lowered.parts[place];
        (part.offset, part.most) = (offset.clone(), most);
        let layout = part.layout;
        for (population, placed) in &maxima.terms {
            if self.plan.check_only {
                break;
            }
            let from = self.lowered.parts[*population].layout;
            let connectivity = maxima.connect(from, layout, placed);
            self.connect(*population, place, node, connectivity);
        }
        self.made(place);
        AffineForm::of_population(place, &ann.node(node).shape, lambda, offset)
    }

    /// The population to read the result from.
    fn read_out(&mut self, output: &AffineForm) {
        let ann = self.ann;
        let node = ann.output();
        if self.plan.output_fires {
            if !ann.node(node).op.is_activation() {
                let name = self.read_out_name();
                self.fires(node, &name, output);
            }
            return;
        }
        let n = output.shape.elements();
        let name = self.read_out_name();
        let bias = in_neuron_order(&output.shift, self.layout(node));
        let place = self.add(node, &name, Runs::same(n, 1.0), Kind::Integrates { bias });
        self.project(place, output);
        if let Some(fitted) = &mut self.fitted
            && let Some(ramp) = fitted.output_ramp(&self.lowered, place)
        {
            let part = &mut self.lowered.parts[place];
            let bias = in_neuron_order(&output.shift.zip(&ramp, |a, b| a + b), part.layout);
            part.kind = Kind::Integrates { bias };
        }
    }

    /// The name of the last linear node, or of the output's node if there is none behind the last activation.
    fn read_out_name(&self) -> String {
        let ann = self.ann;
        let mut id = ann.output();
        loop {
            let node = ann.node(id);
            match &node.op {
                Op::Linear(_) | Op::Conv(_) => return node.name.clone(),
                Op::Affine(_) | Op::View(_) | Op::Transpose { .. } => id = node.inputs[0],
                op if op.is_activation() || op.is_maximum() || matches!(op, Op::Input(_)) => {
                    return format!("{}.readout", node.name);
                }
                _ => return ann.node(ann.output()).name.clone(),
            }
        }
    }
}

/// `[channels, height, width]` of a node's tensor.
pub(crate) fn node_planes(ann: &Ann, node: NodeId) -> [usize; 3] {
    planes_of(&ann.node(node).shape)
}
