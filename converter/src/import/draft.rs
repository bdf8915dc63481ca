//! The graph while it is read: the operators of an [`Ann`] and the parts that quantised activations are made of.

use super::budget::Budget;
use super::quantiser::Quantiser;
use crate::ann::{Affine, Ann, AnnError, Op, Shape};
use std::collections::HashMap;

/// What a step computes.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// An operator of the net.
    Op(Op),
    /// `scale · x + shift` with one number each, kept in double precision until all steps are known.
    Scalar { scale: f64, shift: f64 },
    /// `min(max(x, low), high)`; the bounds may be infinite.
    Clip { low: f64, high: f64 },
    /// The largest integer not above x.
    Floor,
    /// A recognised quantised activation.
    Quantiser(Quantiser),
}

/// One operation; its place is its id.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    /// The operator in the file, for messages.
    pub(super) kind: String,
    /// The place of the node in the file.
    pub(super) order: usize,
    pub(super) tensor: Option<String>,
    pub(super) part: Part,
    pub(super) inputs: Vec<usize>,
    pub(super) shape: Shape,
}

/// Steps in execution order; step 0 is the input.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    /// The names that are taken, with the number that was last put behind them.
    names: HashMap<String, usize>,
    /// What the file may still ask for.
    pub(super) budget: Budget,
}

impl Draft {
    /// No steps yet.
    pub(super) fn new(budget: Budget) -> Self {
        Draft { steps: vec![], names: HashMap::new(), budget }
    }

    /// Adds a step under a name like `name` that is not taken yet.
    ///
    /// # Errors
    /// A sentence saying what does not fit.
    pub(super) fn push(
        &mut self,
        name: &str,
        kind: &str,
        order: usize,
        part: Part,
        inputs: &[usize],
    ) -> Result<usize, String> {
        let shape = match &part {
            Part::Op(op) => {
                let shapes: Vec<_> = inputs.iter().map(|&i| &self.steps[i].shape).collect();
                op.output_shape(&shapes)?
            }
            Part::Scalar { scale, shift } => {
                if !(*scale as f32).is_finite() || !(*shift as f32).is_finite() {
                    return Err(format!("the factor {scale} or summand {shift} is not finite"));
                }
                self.steps[inputs[0]].shape.clone()
            }
            Part::Clip { .. } | Part::Floor | Part::Quantiser(_) => self.steps[inputs[0]].shape.clone(),
        };
        self.budget.step(shape.elements(), part.parameters())?;
        let mut unique = name.to_owned();
        while self.names.contains_key(&unique) {
            let count = self.names.entry(name.to_owned()).or_insert(1);
            *count += 1;
            unique = format!("{name}_{count}");
        }
        self.names.insert(unique.clone(), 1);
        self.steps.push(Step {
            name: unique,
            kind: kind.to_owned(),
            order,
            tensor: None,
            part,
            inputs: inputs.to_vec(),
            shape,
        });
        Ok(self.steps.len() - 1)
    }

    /// Whether each step is an ancestor of `output`, which itself is one.
    pub(super) fn alive(&self, output: usize) -> Vec<bool> {
        let mut alive = vec![false; self.steps.len()];
        alive[output] = true;
        for id in (0..self.steps.len()).rev().filter(|&id| self.steps[id].part.is_computed()) {
            if alive[id] {
                self.steps[id].inputs.iter().for_each(|&input| alive[input] = true);
            }
        }
        alive
    }

    /// The finished net: every living step as an operator; clips and scalars become what they are, those that change
    /// nothing vanish.
    ///
    /// # Errors
    /// The steps without an operator of their own, each with a reason (checked beforehand by [`Draft::leftovers`]).
    pub(super) fn finish(self, output: usize) -> Result<Ann, AnnError> {
        let alive = self.alive(output);
        let input = &self.steps[0];
        let mut ann = Ann::new(input.name.clone(), input.shape.clone())?;
        ann.set_tensor(ann.input(), input.tensor.clone());
        let mut places = vec![ann.input(); self.steps.len()];
        for (id, step) in self.steps.into_iter().enumerate().skip(1).filter(|(id, _)| alive[*id]) {
            let mut inputs: Vec<_> = step.inputs.iter().map(|&i| places[i]).collect();
            let op = match step.part {
                Part::Op(op) => op,
                Part::Quantiser(quantiser) => {
                    let Quantiser { gain, lead, levels, theta } = quantiser;
                    if !quantiser.is_plain() {
                        let (scale, shift) = ([gain as f32].into(), [lead as f32].into());
                        let name = free(&ann, &self.names, &step.name, "scale");
                        inputs = vec![ann.push(name, Op::Affine(Affine { scale, shift }), &inputs)?];
                    }
                    Op::Qcfs { levels, theta }
                }
                Part::Scalar { scale, shift } => {
                    Op::Affine(Affine { scale: [scale as f32].into(), shift: [shift as f32].into() })
                }
                Part::Clip { low, high } if low == f64::NEG_INFINITY && high == f64::INFINITY => {
                    places[id] = places[step.inputs[0]];
                    continue;
                }
                Part::Clip { low, high } => {
                    let [before, op, behind] = clip(low, high);
                    if let Some(before) = before {
                        let name = free(&ann, &self.names, &step.name, "before");
                        inputs = vec![ann.push(name, before, &inputs)?];
                    }
                    match (op, behind) {
                        (Some(op), None) => op,
                        (Some(op), Some(behind)) => {
                            let name = free(&ann, &self.names, &step.name, "unit");
                            inputs = vec![ann.push(name, op, &inputs)?];
                            behind
                        }
                        (None, _) => panic!("step `{}` was to be refused", step.name),
                    }
                }
                Part::Floor => panic!("step `{}` was to be refused", step.name),
            };
            places[id] = ann.push(step.name, op, &inputs)?;
            ann.set_tensor(places[id], step.tensor);
        }
        ann.set_output(places[output]);
        Ok(ann)
    }

    /// The steps that no operator of a net can do, each with a reason and a hint: those that `output` needs, or all if
    /// there is no output because of other refusals.
    pub(super) fn leftovers(&self, output: Option<usize>) -> Vec<(&Step, String, String)> {
        let alive = output.map_or(vec![true; self.steps.len()], |output| self.alive(output));
        let living = self.steps.iter().zip(alive).filter_map(|(step, alive)| alive.then_some(step));
        let mut found = Vec::new();
        for step in living {
            match step.part {
                Part::Floor => found.push((
                    step,
                    "this rounding is not part of a quantised ReLU clip(floor(x·L/θ + 1/2), 0, L)·θ/L".into(),
                    "write QCFS activations in this form".into(),
                )),
                Part::Clip { low, high } if (high - low) as f32 <= 0.0 => found.push((
                    step,
                    format!("it clips to [{low}, {high}], which leaves one number"),
                    "remove the layer".into(),
                )),
                _ => {}
            }
        }
        found
    }
}

/// A name like that of a step which neither a node nor a later step has.
fn free(ann: &Ann, names: &HashMap<String, usize>, step: &str, suffix: &str) -> String {
    let mut name = format!("{step}/{suffix}");
    while ann.has_name(&name) || names.contains_key(&name) {
        name.push('_');
    }
    name
}

/// `min(max(x, low), high)` with at least one finite bound as one rectified unit between two maps:
/// `low + clip(x − low, 0, high − low)`, or `high − max(high − x, 0)` without a lower bound.
fn clip(low: f64, high: f64) -> [Option<Op>; 3] {
    let line =
        |scale: f32, shift: f64| Op::Affine(Affine { scale: [scale].into(), shift: [shift as f32].into() });
    if low == f64::NEG_INFINITY {
        return [Some(line(-1.0, high)), Some(Op::Relu), Some(line(-1.0, high))];
    }
    let max = (high - low) as f32;
    let unit = if max == f32::INFINITY { Op::Relu } else { Op::Clip { max } };
    let shifted = low != 0.0;
    [shifted.then(|| line(1.0, -low)), Some(unit), shifted.then(|| line(1.0, low))]
}

impl Part {
    /// The numbers that it holds.
    fn parameters(&self) -> usize {
        if let Part::Op(Op::Resample(resample)) = self {
            return resample.axes.iter().flatten().map(|taps| taps.numbers()).sum();
        }
        let lists: [Option<&[f32]>; 2] = match self {
            Part::Op(Op::Linear(linear)) => [Some(linear.weights.values()), linear.bias.as_deref()],
            Part::Op(Op::Conv(conv)) => [Some(&conv.weights), conv.bias.as_deref()],
            Part::Op(Op::Affine(affine)) => [Some(&affine.scale), Some(&affine.shift)],
            _ => [None, None],
        };
        lists.into_iter().flatten().map(<[f32]>::len).sum()
    }

    fn is_computed(&self) -> bool {
        !matches!(self, Part::Op(Op::Input(_)))
    }
}
