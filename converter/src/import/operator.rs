//! What each ONNX operator means for one sample.

mod arithmetic;
mod batch;
mod decision;
mod layout;
mod moves;
mod piecewise;
mod quantised;
mod resize;
mod support;
mod weights;
mod windows;

pub(super) use decision::{decision, inside};
pub(super) use quantised::{Grids, MICROSOFT, ROUNDS};
use support::squashing;
pub(super) use support::{DECISIONS, MOVES, keeps_shape, too_many, unknown};
pub(super) use weights::batch_normalisation;

use super::attributes::Attributes;
use super::draft::{Draft, Part};
use super::fold::shape_of;
use super::tensor::{BATCH, Tensor};
use crate::ann::{Op, Shape};
use rten_onnx::onnx::DataType;
use std::collections::HashMap;

/// Why a node cannot be converted, and what to do.
#[derive(Clone, Debug)]
pub(super) struct Objection {
    pub(super) reason: String,
    pub(super) hint: String,
}

impl Objection {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Objection { reason: reason.into(), hint: hint.into() }
    }
}

impl From<String> for Objection {
    fn from(reason: String) -> Self {
        Objection::new(reason, "")
    }
}

impl From<&str> for Objection {
    fn from(reason: &str) -> Self {
        Objection::new(reason, "")
    }
}

/// What stands on an input of a node.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known while reading.
    Constant(Tensor),
    /// Computed from the sample by a step.
    Step(usize),
    /// Made by a node that is refused, or depends on one.
    Refused {
        /// Whether it would depend on the net's input.
        activation: bool,
    },
}

/// A node of the file with its inputs looked up.
pub(super) struct Call<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) op: &'a str,
    /// The name for what it becomes.
    pub(super) name: &'a str,
    pub(super) order: usize,
    pub(super) attributes: Attributes<'a>,
    pub(super) inputs: &'a [Option<Value>],
    pub(super) opset: i64,
    /// The size of the batch in the file, if it is a number.
    pub(super) batch: Option<i64>,
    /// Where the batch axis of a step's tensor stands in the file, if it is not the first; nowhere, if there is none.
    pub(super) batches: &'a mut HashMap<usize, Option<usize>>,
    /// What steps were rounded to.
    pub(super) grids: &'a mut Grids,
    /// Of each input that stands in the file as a constant its type.
    pub(super) types: &'a [Option<DataType>],
    /// What the user should know.
    pub(super) notes: &'a mut Vec<String>,
    /// How many outputs the node has.
    pub(super) outputs: usize,
    /// Whether only the result of the net depends on this node, through nothing that computes.
    pub(super) last: bool,
}

type Translated = Result<Value, Objection>;

impl Call<'_> {
    /// What the node's outputs become; its operator is one that [`unknown`] has nothing against, and at least one input is a
    /// step.
    pub(super) fn translate(mut self) -> Result<Vec<Value>, Objection> {
        self.check_integers()?;
        let steps = self.inputs.iter().flatten().filter_map(|value| match value {
            Value::Step(step) => Some(*step),
            _ => None,
        });
        for step in steps {
            if let Some(&place) = self.batches.get(&step) {
                return self.elsewhere(place);
            }
        }
        if self.op == "Split" {
            return self.split();
        }
        let made = self.first()?;
        self.pass_grid_on(&made);
        Ok(vec![made])
    }

    /// What the first output becomes.
    fn first(&mut self) -> Translated {
        match self.op {
            "Identity" => self.pass(),
            "Dropout" => self.dropout(),
            "Cast" => self.cast(),
            op if DECISIONS.contains(&op) => self.decision(),
            "Shape" => {
                let mut extents = vec![BATCH];
                extents.extend(self.shape(0)?.extents().iter().map(|&e| e as i64));
                Ok(Value::Constant(shape_of(&extents, self.attributes)?))
            }
            "LeakyRelu" => self.leaky(),
            "PRelu" => self.prelu(),
            "Abs" => self.magnitude(),
            "HardSigmoid" => self.hard_sigmoid(),
            "ThresholdedRelu" => self.thresholded(),
            "Where" => self.choice(),
            "Gather" => self.gather(),
            "GatherND" => Err(Objection::new(
                "its indices count along the batch",
                "put the batch behind the axes that are indexed, as PyTorch's exporter does",
            )),
            "Expand" => self.expand(),
            "Tile" => self.tile(),
            "DepthToSpace" | "SpaceToDepth" => self.blocks(),
            "Resize" | "Upsample" => self.resize(),
            "ConvTranspose" => self.conv_transposed(),
            "Relu" => self.one(Part::Clip { low: 0.0, high: f64::INFINITY }),
            "Floor" => self.one(Part::Floor),
            "Neg" => self.one(Part::Scalar { scale: -1.0, shift: 0.0 }),
            "Clip" => self.clip(),
            "Max" | "Min" => self.bound(),
            "Add" | "Sum" | "Mean" => self.sum(),
            "Sub" => self.difference(),
            "Mul" => self.times(),
            "Div" => self.quotient(),
            "Gemm" => self.gemm(),
            "MatMul" => self.matmul(),
            "Conv" => self.conv(),
            "BatchNormalization" => self.batch_norm(),
            "AveragePool" | "MaxPool" => self.pool(),
            "GlobalAveragePool" | "GlobalMaxPool" => {
                let rank = self.shape(0)?.rank();
                if rank < 2 {
                    return Err(format!("it needs positions to pool over, found {}", self.shape(0)?).into());
                }
                let op = if self.op == "GlobalMaxPool" { Op::GlobalMax } else { Op::GlobalAverage };
                self.reduce((1..rank).collect(), true, op)
            }
            "ReduceMean" | "ReduceMax" | "ReduceSum" => self.reduction(),
            "Concat" => self.concat(),
            "QuantizeLinear" => self.quantise_linear(),
            "DequantizeLinear" => self.dequantise_linear(),
            "QLinearConv" | "QLinearMatMul" => self.quantised_product(),
            "QGemm" => self.quantised_gemm(),
            "QLinearAdd" => self.quantised_sum(),
            "QLinearAveragePool" | "QLinearGlobalAveragePool" => self.quantised_pool(),
            "QLinearConcat" => self.quantised_concat(),
            "Pad" => self.pad(),
            "Slice" => self.slice(),
            "Flatten" => self.flatten(),
            "Reshape" => self.reshape(),
            "Squeeze" => self.squeeze(),
            "Unsqueeze" => self.unsqueeze(),
            "Transpose" => self.transpose(),
            op => unreachable!("{op} is not among the known operators"),
        }
    }

    fn value(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// The step on an input.
    fn step(&self, index: usize) -> Result<usize, Objection> {
        match self.value(index) {
            Some(Value::Step(step)) => Ok(*step),
            Some(_) => Err(format!("its input {index} is a constant where an activation is expected").into()),
            None => Err(format!("its input {index} is missing").into()),
        }
    }

    /// The shape of the activation on an input.
    fn shape(&self, index: usize) -> Result<&Shape, Objection> {
        Ok(&self.draft.steps[self.step(index)?].shape)
    }

    /// The constant on an input, if there is an input.
    fn constant(&self, index: usize) -> Result<Option<&Tensor>, Objection> {
        match self.value(index) {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(Objection::new(
                format!("its input {index} depends on the net's input where a constant is needed"),
                "two activations are never multiplied, and no weight, bias or shape may depend on the input",
            )),
        }
    }

    fn needed(&self, index: usize) -> Result<&Tensor, Objection> {
        self.constant(index)?.ok_or_else(|| format!("its input {index} is missing").into())
    }

    /// The constants among the inputs, each in its place.
    fn constants(&self) -> Vec<Option<&Tensor>> {
        let constant = |index| match self.value(index) {
            Some(Value::Constant(tensor)) => Some(tensor),
            _ => None,
        };
        (0..self.inputs.len()).map(constant).collect()
    }

    fn push(&mut self, suffix: &str, part: Part, inputs: &[usize]) -> Result<usize, Objection> {
        let name = if suffix.is_empty() { self.name.to_owned() } else { format!("{}/{suffix}", self.name) };
        Ok(self.draft.push(&name, self.op, self.order, part, inputs)?)
    }

    /// One step on the first input.
    fn one(&mut self, part: Part) -> Translated {
        let input = self.step(0)?;
        Ok(Value::Step(self.push("", part, &[input])?))
    }

    fn pass(&self) -> Translated {
        Ok(Value::Step(self.step(0)?))
    }

    fn dropout(&self) -> Translated {
        let training = self.constant(2)?.and_then(Tensor::scalar).is_some_and(|x| x != 0.0);
        if training {
            return Err(Objection::new("it is in training mode", "export the net with model.eval()"));
        }
        self.pass()
    }

    fn cast(&self) -> Translated {
        match self.attributes.int("to")? {
            Some(1 | 10 | 11 | 16) => self.pass(),
            _ if self.last => self.pass(),
            to => Err(Objection::new(
                format!("it casts activations to type {}, which rounds", to.unwrap_or(0)),
                "only casts between floating-point types can be converted",
            )),
        }
    }
}
