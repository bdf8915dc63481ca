//! What each ONNX operator means for one sample.

use super::draft::{Draft, Part};
use super::fold::{axes, axis, shape_of, unsqueezed};
use super::tensor::{BATCH, Numbers, Tensor};
use crate::ann::{Affine, AveragePool, Conv, Linear, MaxPool, Op, Shape, Window};
use rten_onnx::onnx::{AttributeProto, TensorProto};
use std::sync::Arc;

/// The operators that are understood, on activations.
const KNOWN: &[&str] = &[
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Floor",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Shape",
    "Softmax",
    "Squeeze",
    "Sub",
    "Sum",
    "Transpose",
    "Unsqueeze",
];

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

/// What is wrong with an operator by its name alone, if anything.
pub(super) fn unknown(op: &str) -> Option<Objection> {
    if KNOWN.contains(&op) {
        return None;
    }
    let hint = match op {
        "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Erf" | "Softplus" | "Softsign"
        | "Mish" | "HardSwish" | "ThresholdedRelu" => {
            "train with ReLU, ReLU6 or QCFS instead: a spike rate is never negative"
        }
        "Sigmoid" | "HardSigmoid" | "Tanh" => {
            "a gate or squashing function has no rate code; train with ReLU, ReLU6 or QCFS instead"
        }
        "RNN" | "LSTM" | "GRU" | "Scan" | "Loop" | "If" => "only feed-forward nets are converted",
        "Attention" | "MultiHeadAttention" => {
            "attention multiplies activations by one another; no rate code does"
        }
        "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "MeanVarianceNormalization" => {
            "its statistics are those of each input; train with batch normalisation"
        }
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" | "SpaceToDepth" | "Slice" | "Split"
        | "Gather" | "Tile" | "Expand" => {
            "it is linear, but not among the operators that are lowered to spikes yet"
        }
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => "export the net in floating point",
        "Round" | "Ceil" => "write QCFS activations as clip(floor(x·L/θ + 1/2), 0, L)·θ/L",
        "Sqrt" | "Pow" | "Exp" | "Log" | "Abs" | "Reciprocal" => {
            "only affine maps, ReLU, Clip, QCFS and maxima can be converted"
        }
        _ => {
            "only operators of feed-forward ReLU and QCFS nets can be converted; cut the net before it or export without it"
        }
    };
    Some(Objection::new("this operator cannot be converted", hint))
}

/// Whether an operator that is not understood keeps the shape of its input, so that what follows can still be checked.
pub(super) fn keeps_shape(op: &str) -> bool {
    const SHAPED: &[&str] = &[
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Erf",
        "Softplus",
        "Softsign",
        "Mish",
        "HardSwish",
        "ThresholdedRelu",
        "Sigmoid",
        "HardSigmoid",
        "Tanh",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "LpNormalization",
        "LRN",
        "MeanVarianceNormalization",
        "Round",
        "Ceil",
        "Sqrt",
        "Pow",
        "Exp",
        "Log",
        "Abs",
        "Reciprocal",
        "Mul",
        "Div",
        "Softmax",
        "LogSoftmax",
        "Clip",
        "Cast",
    ];
    SHAPED.contains(&op)
}

/// The attributes of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a [AttributeProto]);

impl<'a> Attributes<'a> {
    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.iter().find(|a| a.name.as_deref() == Some(name))
    }

    pub(super) fn int(self, name: &str) -> Result<Option<i64>, String> {
        let value = |a: &AttributeProto| a.i.ok_or_else(|| format!("its attribute `{name}` is no integer"));
        self.find(name).map(value).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, String> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    pub(super) fn float(self, name: &str) -> Result<Option<f32>, String> {
        let value = |a: &AttributeProto| a.f.ok_or_else(|| format!("its attribute `{name}` is no number"));
        self.find(name).map(value).transpose()
    }

    pub(super) fn ints(self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.find(name).map(|a| &a.ints[..]))
    }

    fn text(self, name: &str) -> Option<&'a str> {
        self.find(name).and_then(|a| a.s.as_deref())
    }

    pub(super) fn tensor(self, name: &str) -> Result<Option<Tensor>, String> {
        let Some(attribute) = self.find(name) else {
            return Ok(None);
        };
        let none = TensorProto::default();
        let proto = attribute.t.as_ref().unwrap_or(&none);
        Tensor::decode(proto, &mut super::External::new(None)).map(Some)
    }

    /// The value of a Constant.
    pub(super) fn constant(self) -> Result<Tensor, String> {
        if let Some(tensor) = self.tensor("value")? {
            return Ok(tensor);
        }
        if let Some(value) = self.find("value_float").and_then(|a| a.f) {
            return Tensor::new(vec![], Numbers::Floats([value].into()));
        }
        if let Some(value) = self.find("value_int").and_then(|a| a.i) {
            return Tensor::new(vec![], Numbers::Integers(vec![value]));
        }
        if let Some(attribute) = self.find("value_floats") {
            return Tensor::new(
                vec![attribute.floats.len()],
                Numbers::Floats(attribute.floats.as_slice().into()),
            );
        }
        if let Some(attribute) = self.find("value_ints") {
            return Ok(Tensor::integers(attribute.ints.clone()));
        }
        Err("a constant of text or of sparse form is not supported".into())
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
    /// Whether only the result of the net depends on this node, through nothing that computes.
    pub(super) last: bool,
    pub(super) notes: &'a mut Vec<String>,
}

type Translated = Result<Value, Objection>;

impl Call<'_> {
    /// What the node becomes; its operator is one of [`KNOWN`], and at least one input is a step.
    pub(super) fn translate(mut self) -> Translated {
        match self.op {
            "Identity" => self.pass(),
            "Dropout" => self.dropout(),
            "Cast" => self.cast(),
            "Softmax" | "LogSoftmax" | "ArgMax" => self.decision(),
            "Shape" => {
                let mut extents = vec![BATCH];
                extents.extend(self.shape(0)?.extents().iter().map(|&e| e as i64));
                Ok(Value::Constant(shape_of(&extents, self.attributes)?))
            }
            "Relu" => self.one(Part::Clip { low: 0.0, high: f64::INFINITY }),
            "Floor" => self.one(Part::Floor),
            "Neg" => self.one(Part::Scalar { scale: -1.0, shift: 0.0 }),
            "Clip" => self.clip(),
            "Max" | "Min" => self.bound(),
            "Add" | "Sum" => self.sum(),
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
            "ReduceMean" | "ReduceMax" => self.reduction(),
            "Concat" => self.concat(),
            "Pad" => self.pad(),
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

    fn decision(&mut self) -> Translated {
        if !self.last {
            let reason =
                format!("{} inside the net cannot be converted, only behind its last layer", self.op);
            return Err(Objection::new(reason, "cut the net before it"));
        }
        let what = if self.op == "ArgMax" { "outputs themselves, not their place" } else { "logits" };
        self.notes.push(format!("node `{}` ({}) was dropped: the net yields the {what}", self.name, self.op));
        self.pass()
    }

    fn clip(&mut self) -> Translated {
        let (low, high) = if self.opset < 11 {
            (self.attributes.float("min")?.map(f64::from), self.attributes.float("max")?.map(f64::from))
        } else {
            let bound = |index| -> Result<Option<f64>, Objection> {
                match self.constant(index)? {
                    None => Ok(None),
                    Some(t) => Ok(Some(t.scalar().ok_or("its bounds must be single numbers")?)),
                }
            };
            (bound(1)?, bound(2)?)
        };
        // Older operator sets write the largest numbers where no bound is meant.
        let largest = f64::from(f32::MAX);
        let low = low.filter(|&x| x > -largest).unwrap_or(f64::NEG_INFINITY);
        let high = high.filter(|&x| x < largest).unwrap_or(f64::INFINITY);
        self.clip_to(low, high)
    }

    /// Clips the first input, together with a clip that it is already.
    fn clip_to(&mut self, low: f64, high: f64) -> Translated {
        if low.is_nan() || high.is_nan() || low > high {
            return Err(format!("it clips to [{low}, {high}]").into());
        }
        let input = self.step(0)?;
        if let Part::Clip { low: l, high: h } = self.draft.steps[input].part
            && l <= h
        {
            let inner = self.draft.steps[input].inputs[0];
            let part = Part::Clip { low: l.clamp(low, high), high: h.clamp(low, high) };
            return Ok(Value::Step(self.push("", part, &[inner])?));
        }
        self.one(Part::Clip { low, high })
    }

    /// Max or Min of one activation and numbers.
    fn bound(&mut self) -> Translated {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut steps = vec![];
        for value in self.inputs.iter().flatten() {
            match value {
                Value::Step(step) => steps.push(*step),
                Value::Constant(tensor) => {
                    let x = tensor.scalar().ok_or("its bound must be a single number")?;
                    if self.op == "Max" { low = low.max(x) } else { high = high.min(x) }
                }
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let [step] = steps[..] else {
            let reason = format!("{} of two activations cannot be converted", self.op);
            return Err(Objection::new(reason, "only a maximum over a window or over space can"));
        };
        let inputs = [Some(Value::Step(step))];
        let (opset, batch, last) = (self.opset, self.batch, self.last);
        let (name, order, attributes) = (self.name, self.order, self.attributes);
        let (op, draft, notes) = (self.op, &mut *self.draft, &mut *self.notes);
        Call { draft, op, name, order, attributes, inputs: &inputs, opset, batch, last, notes }
            .clip_to(low, high)
    }

    /// `scale · x + shift` with constants that broadcast over the activation `input`.
    fn affine(&mut self, input: usize, scale: Coefficient, shift: Coefficient) -> Translated {
        if let (&Coefficient::One(scale), &Coefficient::One(shift)) = (&scale, &shift) {
            return Ok(Value::Step(self.push("", Part::Scalar { scale, shift }, &[input])?));
        }
        let op = Op::Affine(Affine { scale: scale.numbers(), shift: shift.numbers() });
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
    }

    /// A constant as coefficients of the activation `input`.
    fn coefficient(&self, tensor: &Tensor, input: usize) -> Result<Coefficient, Objection> {
        Coefficient::of(tensor, &self.draft.steps[input].shape)
    }

    fn sum(&mut self) -> Translated {
        let (mut steps, mut constants) = (vec![], vec![]);
        for value in self.inputs.iter().flatten() {
            match value {
                Value::Step(step) => steps.push(*step),
                Value::Constant(tensor) => constants.push(tensor),
                Value::Refused { .. } => return Ok(value.clone()),
            }
        }
        let mut step = match steps[..] {
            [step] => step,
            _ => {
                self.same_shapes(&steps)?;
                self.push(if constants.is_empty() { "" } else { "sum" }, Part::Op(Op::Add), &steps)?
            }
        };
        for constant in constants {
            let shift = self.coefficient(constant, step)?;
            let Value::Step(sum) = self.affine(step, Coefficient::One(1.0), shift)? else {
                unreachable!("an affine map is a step")
            };
            step = sum;
        }
        Ok(Value::Step(step))
    }

    fn same_shapes(&self, steps: &[usize]) -> Result<(), Objection> {
        let shape = |step: usize| &self.draft.steps[step].shape;
        match steps.iter().find(|&&s| shape(s) != shape(steps[0])) {
            Some(&other) => Err(Objection::new(
                format!("it adds activations of shapes {} and {}", shape(steps[0]), shape(other)),
                "branches must have one shape; broadcasting between activations is not supported",
            )),
            None => Ok(()),
        }
    }

    fn difference(&mut self) -> Translated {
        match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => {
                let shift = self.coefficient(b, a)?.map(|x| -x);
                self.affine(a, Coefficient::One(1.0), shift)
            }
            (Some(Value::Constant(a)), Some(&Value::Step(b))) => {
                let shift = self.coefficient(a, b)?;
                self.affine(b, Coefficient::One(-1.0), shift)
            }
            (Some(&Value::Step(a)), Some(&Value::Step(b))) => {
                self.same_shapes(&[a, b])?;
                let minus = self.push("minus", Part::Scalar { scale: -1.0, shift: 0.0 }, &[b])?;
                Ok(Value::Step(self.push("", Part::Op(Op::Add), &[a, minus])?))
            }
            _ => Err("an input is missing".into()),
        }
    }

    fn times(&mut self) -> Translated {
        let (input, constant) = match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => (a, b),
            (Some(Value::Constant(a)), Some(&Value::Step(b))) => (b, a),
            (Some(Value::Step(_)), Some(Value::Step(_))) => return Err(Self::product_of_activations()),
            _ => return Err("an input is missing".into()),
        };
        let scale = self.coefficient(constant, input)?;
        self.affine(input, scale, Coefficient::One(0.0))
    }

    pub(super) fn product_of_activations() -> Objection {
        Objection::new(
            "it multiplies two activations",
            "gates, squeeze-and-excitation and attention have no rate code; use a net without them",
        )
    }

    fn quotient(&mut self) -> Translated {
        match (self.value(0), self.value(1)) {
            (Some(&Value::Step(a)), Some(Value::Constant(b))) => {
                let scale = self.coefficient(b, a)?.map(|x| 1.0 / x);
                self.affine(a, scale, Coefficient::One(0.0))
            }
            _ => {
                Err(Objection::new("it divides by an activation", "only constant divisors can be converted"))
            }
        }
    }

    fn gemm(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let &[inputs] = shape.extents() else {
            return Err(format!("it needs a vector of features, found {shape}").into());
        };
        if self.attributes.flag("transA")? {
            return Err("it transposes the batch (transA)".into());
        }
        let transposed = self.attributes.flag("transB")?;
        let alpha = self.attributes.float("alpha")?.unwrap_or(1.0);
        let beta = self.attributes.float("beta")?.unwrap_or(1.0);
        let tensor = self.needed(1)?;
        let &[rows, columns] = &tensor.extents[..] else {
            return Err(format!("its weights have the shape {:?}", tensor.extents).into());
        };
        let (outputs, ins) = if transposed { (rows, columns) } else { (columns, rows) };
        if ins != inputs {
            return Err(format!("its weights take {ins} inputs, found {inputs}").into());
        }
        let mut weights = tensor.floats()?;
        if !transposed {
            weights = turned(&weights, rows, columns);
        }
        if alpha != 1.0 {
            weights = weights.iter().map(|w| w * alpha).collect();
        }
        let bias = match self.constant(2)? {
            None => None,
            Some(tensor) => {
                let out = Shape::new([outputs])?;
                let bias = match Coefficient::of(tensor, &out)? {
                    Coefficient::One(x) => vec![x as f32; outputs].into(),
                    coefficient => coefficient.numbers(),
                };
                Some(if beta == 1.0 { bias } else { bias.iter().map(|b| b * beta).collect() })
            }
        };
        let linear = Op::Linear(Linear { weights, bias, inputs, outputs });
        Ok(Value::Step(self.push("", Part::Op(linear), &[input])?))
    }

    /// A product with constant weights on the right, along the last axis; over further axes it is a convolution of
    /// width 1 with the last axis as the channels.
    fn matmul(&mut self) -> Translated {
        let input = self.step(0).map_err(|e| {
            Objection::new(e.reason, "weights must stand on the right, as PyTorch writes x @ W.t()")
        })?;
        let extents = self.shape(0)?.extents().to_vec();
        let tensor = self.needed(1)?;
        let &[inputs, outputs] = &tensor.extents[..] else {
            return Err(format!("its weights have the shape {:?}, not [in, out]", tensor.extents).into());
        };
        if extents.last() != Some(&inputs) {
            return Err(format!("its weights take {inputs} inputs, found {extents:?}").into());
        }
        let weights = turned(&tensor.floats()?, inputs, outputs);
        if extents.len() == 1 {
            let linear = Op::Linear(Linear { weights, bias: None, inputs, outputs });
            return Ok(Value::Step(self.push("", Part::Op(linear), &[input])?));
        }
        let positions: usize = extents[..extents.len() - 1].iter().product();
        let mut out = extents.clone();
        *out.last_mut().expect("rank is above 1") = outputs;
        let swap = || Part::Op(Op::Transpose { perm: vec![1, 0] });
        let flat = self.push("positions", Part::Op(Op::View(Shape::new([positions, inputs])?)), &[input])?;
        let first = self.push("channels_first", swap(), &[flat])?;
        let window = Window::of([1, 1]);
        let conv =
            Conv { weights, bias: None, in_channels: inputs, out_channels: outputs, groups: 1, window };
        let product = self.push("", Part::Op(Op::Conv(conv)), &[first])?;
        let last = self.push("channels_last", swap(), &[product])?;
        Ok(Value::Step(self.push("view", Part::Op(Op::View(Shape::new(out)?)), &[last])?))
    }

    /// Kernel, stride, dilation and padding from the attributes, for spatial extents `input`.
    fn window(&self, kernel: &[usize], input: &[usize]) -> Result<Window, Objection> {
        let rank = kernel.len();
        if !(1..=2).contains(&rank) || input.len() != rank {
            return Err(Objection::new(
                format!("a kernel of {kernel:?} over positions {input:?}"),
                "one- and two-dimensional windows are supported",
            ));
        }
        let list = |name: &str, length: usize, default: usize| -> Result<Vec<usize>, Objection> {
            let Some(given) = self.attributes.ints(name)?.filter(|g| !g.is_empty()) else {
                return Ok(vec![default; length]);
            };
            if given.len() != length {
                return Err(
                    format!("its attribute `{name}` is {given:?}; {length} numbers are needed").into()
                );
            }
            let number = |&x: &i64| {
                usize::try_from(x).map_err(|_| {
                    Objection::new(
                        format!("its attribute `{name}` is {given:?}"),
                        "only numbers of at least 0 are supported",
                    )
                })
            };
            given.iter().map(number).collect()
        };
        let stride = list("strides", rank, 1)?;
        let dilation = list("dilations", rank, 1)?;
        let mut pads = list("pads", 2 * rank, 0)?;
        match self.attributes.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => {}
            "VALID" => pads.fill(0),
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                for axis in 0..rank {
                    let outputs = input[axis].div_ceil(stride[axis].max(1));
                    let span = kernel[axis]
                        .saturating_sub(1)
                        .checked_mul(dilation[axis])
                        .and_then(|s| s.checked_add(1))
                        .ok_or("its kernel is too large")?;
                    let reach = (outputs - 1).saturating_mul(stride[axis]).saturating_add(span);
                    let total = reach.saturating_sub(input[axis]);
                    let less = total / 2;
                    (pads[axis], pads[rank + axis]) =
                        if same == "SAME_UPPER" { (less, total - less) } else { (total - less, less) };
                }
            }
            other => return Err(format!("its attribute auto_pad is `{other}`").into()),
        }
        let pair = |list: &[usize], fill: usize| {
            if rank == 1 { [fill, list[0]] } else { [list[0], list[1]] }
        };
        Ok(Window {
            kernel: pair(kernel, 1),
            stride: pair(&stride, 1),
            dilation: pair(&dilation, 1),
            before: pair(&pads[..rank], 0),
            after: pair(&pads[rank..], 0),
        })
    }

    fn conv(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let tensor = self.needed(1)?;
        if tensor.extents.len() != shape.rank() + 1 || !(2..=3).contains(&shape.rank()) {
            return Err(Objection::new(
                format!("weights of shape {:?} over an input of {shape}", tensor.extents),
                "one- and two-dimensional convolutions are supported",
            ));
        }
        let (out_channels, kernel) = (tensor.extents[0], &tensor.extents[2..]);
        let stated = self.attributes.ints("kernel_shape")?;
        if stated.is_some_and(|s| !s.iter().copied().eq(kernel.iter().map(|&k| k as i64))) {
            return Err(format!("its kernel_shape {stated:?} is not that of its weights {kernel:?}").into());
        }
        let groups = usize::try_from(self.attributes.int("group")?.unwrap_or(1))
            .map_err(|_| "it has a negative number of groups")?;
        let in_channels = shape.channels();
        if tensor.extents[1].checked_mul(groups) != Some(in_channels) {
            return Err(format!(
                "weights for {} channels in each of {groups} groups, found {in_channels} channels",
                tensor.extents[1]
            )
            .into());
        }
        let window = self.window(kernel, &shape.extents()[1..])?;
        let weights = tensor.floats()?;
        let bias = match self.constant(2)? {
            Some(bias) => Some(bias.floats()?),
            None => None,
        };
        let conv = Conv { weights, bias, in_channels, out_channels, groups, window };
        Ok(Value::Step(self.push("", Part::Op(Op::Conv(conv)), &[input])?))
    }

    fn batch_norm(&mut self) -> Translated {
        let input = self.step(0)?;
        if self.attributes.flag("training_mode")? {
            return Err(Objection::new("it is in training mode", "export the net with model.eval()"));
        }
        if self.attributes.int("spatial")?.is_some_and(|spatial| spatial != 1) {
            return Err("its statistics are not per channel (spatial = 0)".into());
        }
        let channels = self.shape(0)?.channels();
        let epsilon = f64::from(self.attributes.float("epsilon")?.unwrap_or(1e-5));
        let mut lists = vec![];
        for index in 1..=4 {
            let list = self.needed(index)?.floats()?;
            if list.len() != channels {
                return Err(
                    format!("its input {index} has {} numbers for {channels} channels", list.len()).into()
                );
            }
            lists.push(list);
        }
        let [gamma, beta, mean, variance] = &lists[..] else { unreachable!("four lists were read") };
        let wide = |list: &[f32], c: usize| f64::from(list[c]);
        let scale: Vec<f64> =
            (0..channels).map(|c| wide(gamma, c) / (wide(variance, c) + epsilon).sqrt()).collect();
        let shift = (0..channels).map(|c| (wide(beta, c) - wide(mean, c) * scale[c]) as f32).collect();
        let affine = Affine { scale: scale.iter().map(|&s| s as f32).collect(), shift };
        Ok(Value::Step(self.push("", Part::Op(Op::Affine(affine)), &[input])?))
    }

    fn pool(&mut self) -> Translated {
        let input = self.step(0)?;
        let shape = self.shape(0)?;
        let given = self.attributes.ints("kernel_shape")?.ok_or("its kernel_shape is missing")?;
        let kernel = given
            .iter()
            .map(|&k| usize::try_from(k).map_err(|_| format!("its kernel_shape is {given:?}")))
            .collect::<Result<Vec<_>, _>>()?;
        let window = self.window(&kernel, shape.extents().get(1..).unwrap_or(&[]))?;
        let ceil_mode = self.attributes.flag("ceil_mode")?;
        let op = if self.op == "MaxPool" {
            Op::MaxPool(MaxPool { window, ceil_mode })
        } else {
            let count_include_pad = self.attributes.flag("count_include_pad")?;
            Op::AveragePool(AveragePool { window, ceil_mode, count_include_pad })
        };
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
    }

    fn reduction(&mut self) -> Translated {
        let rank = self.shape(0)?.rank() + 1;
        let list = axes(self.attributes, &self.constants(), "axes", 1)?.unwrap_or_default();
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        if list.is_empty() {
            if self.attributes.flag("noop_with_empty_axes")? {
                return self.pass();
            }
            return Err("it reduces over everything, the batch included".into());
        }
        let mut reduced = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
        reduced.sort_unstable();
        reduced.dedup();
        if reduced[0] == 0 {
            return Err("it reduces over the batch".into());
        }
        let keep = self.attributes.int("keepdims")?.unwrap_or(1) != 0;
        let op = if self.op == "ReduceMax" { Op::GlobalMax } else { Op::GlobalAverage };
        self.reduce(reduced.iter().map(|a| a - 1).collect(), keep, op)
    }

    /// Reduces over axes of the sample (ascending): as it stands if these are the positions, else with the kept axes
    /// brought to the front as channels.
    fn reduce(&mut self, reduced: Vec<usize>, keep: bool, op: Op) -> Translated {
        let mut input = self.step(0)?;
        let extents = self.shape(0)?.extents().to_vec();
        let rank = extents.len();
        let kept: Vec<usize> = (0..rank).filter(|a| !reduced.contains(a)).collect();
        let out: Vec<usize> = if keep {
            (0..rank).map(|a| if reduced.contains(&a) { 1 } else { extents[a] }).collect()
        } else {
            kept.iter().map(|&a| extents[a]).collect()
        };
        let direct = kept == [0] && (2..=3).contains(&rank);
        if !direct {
            let perm: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
            if !perm.iter().copied().eq(0..rank) {
                input = self.push("channels_first", Part::Op(Op::Transpose { perm }), &[input])?;
            }
            let channels = kept.iter().map(|&a| extents[a]).product::<usize>();
            let positions = reduced.iter().map(|&a| extents[a]).product::<usize>();
            let planes = Shape::new([channels, positions])?;
            input = self.push("positions", Part::Op(Op::View(planes)), &[input])?;
        }
        let step = self.push("", Part::Op(op), &[input])?;
        if self.draft.steps[step].shape.extents() == out {
            return Ok(Value::Step(step));
        }
        Ok(Value::Step(self.push("view", Part::Op(Op::View(Shape::new(out)?)), &[step])?))
    }

    fn concat(&mut self) -> Translated {
        let steps = (0..self.inputs.len())
            .map(|i| {
                self.step(i).map_err(|e| Objection::new(e.reason, "only activations can be concatenated"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rank = self.shape(0)?.rank() + 1;
        let axis = axis(self.attributes.int("axis")?.ok_or("its axis is missing")?, rank)?;
        if axis == 0 {
            return Err("it concatenates along the batch".into());
        }
        Ok(Value::Step(self.push("", Part::Op(Op::Concat { axis: axis - 1 }), &steps)?))
    }

    fn pad(&mut self) -> Translated {
        let input = self.step(0)?;
        let mode = self.attributes.text("mode").unwrap_or("constant");
        if mode != "constant" {
            return Err(Objection::new(format!("it pads in the mode `{mode}`"), "only zeros can be padded"));
        }
        let rank = self.shape(0)?.rank() + 1;
        let (pads, value) = if self.opset < 11 {
            let pads = self.attributes.ints("pads")?.ok_or("its pads are missing")?.to_vec();
            (pads, self.attributes.float("value")?.map(f64::from))
        } else {
            let value = match self.constant(2)? {
                Some(tensor) => Some(tensor.scalar().ok_or("its value must be a single number")?),
                None => None,
            };
            (self.needed(1)?.as_integers()?.to_vec(), value)
        };
        if value.is_some_and(|v| v != 0.0) {
            let reason = format!("it pads with {}", value.unwrap_or_default());
            return Err(Objection::new(reason, "only zeros can be padded"));
        }
        let along: Vec<usize> = match self.constant(3)? {
            Some(tensor) => tensor.as_integers()?.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * along.len() {
            return Err(format!("{} pads for {} axes", pads.len(), along.len()).into());
        }
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        for (i, &axis) in along.iter().enumerate() {
            let amount = |pad: i64| {
                usize::try_from(pad).map_err(|_| {
                    Objection::new(
                        format!("it cuts off ({pad} along axis {axis})"),
                        "negative pads are not supported",
                    )
                })
            };
            (before[axis], after[axis]) = (amount(pads[i])?, amount(pads[along.len() + i])?);
        }
        if before[0] != 0 || after[0] != 0 {
            return Err("it pads the batch".into());
        }
        let op = Op::Pad { before: before.split_off(1), after: after.split_off(1) };
        Ok(Value::Step(self.push("", Part::Op(op), &[input])?))
    }

    fn view(&mut self, extents: Vec<usize>) -> Translated {
        let shape = Shape::new(extents)?;
        self.one(Part::Op(Op::View(shape)))
    }

    fn flatten(&mut self) -> Translated {
        let shape = self.shape(0)?;
        let (elements, rank) = (shape.elements(), shape.rank() + 1);
        if axis(self.attributes.int("axis")?.unwrap_or(1), rank + 1)? != 1 {
            return Err(Objection::new("it merges the batch with other axes", "use Flatten with axis 1"));
        }
        self.view(vec![elements])
    }

    fn reshape(&mut self) -> Translated {
        let shape = self.shape(0)?;
        let target = match self.value(1) {
            // Before operator set 5 the shape was an attribute; some exporters still write it so.
            None => self.attributes.ints("shape")?.ok_or("its shape is missing")?.to_vec(),
            Some(_) => self.needed(1)?.as_integers()?.to_vec(),
        };
        let copies = !self.attributes.flag("allowzero")?;
        let merged = || {
            Objection::new(
                format!(
                    "it reshapes {shape} of each sample to {target:?}, which mixes the samples of a batch"
                ),
                "keep the batch as the first axis",
            )
        };
        let (&first, rest) = target.split_first().ok_or_else(merged)?;
        let mut free = None;
        let mut extents = vec![];
        for (i, &extent) in rest.iter().enumerate() {
            extents.push(match extent {
                -1 if free.is_none() && first != -1 => {
                    free = Some(i);
                    1
                }
                0 if copies => *shape.extents().get(i).ok_or_else(merged)?,
                _ => usize::try_from(extent).map_err(|_| merged())?,
            });
        }
        let known = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e)).ok_or_else(merged)?;
        if let Some(free) = free {
            if known == 0 || !shape.elements().is_multiple_of(known) {
                return Err(merged());
            }
            extents[free] = shape.elements() / known;
        } else if known != shape.elements() {
            return Err(merged());
        }
        let is_batch = first == BATCH
            || first == -1
            || (first == 0 && copies)
            || self.batch == Some(first)
            || (self.batch.is_none() && first == 1);
        if !is_batch {
            return Err(merged());
        }
        self.view(extents)
    }

    fn squeeze(&mut self) -> Translated {
        let extents = self.shape(0)?.extents().to_vec();
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        let dropped: Vec<usize> = match axes(self.attributes, &self.constants(), "axes", 1)? {
            Some(list) => list.iter().map(|&a| axis(a, extents.len() + 1)).collect::<Result<_, _>>()?,
            None => (1..=extents.len()).filter(|&a| extents[a - 1] == 1).collect(),
        };
        if dropped.contains(&0) {
            return Err("it removes the batch axis".into());
        }
        if let Some(&bad) = dropped.iter().find(|&&a| extents[a - 1] != 1) {
            return Err(format!("axis {bad} has the extent {}, not 1", extents[bad - 1]).into());
        }
        let kept = (1..=extents.len()).filter(|a| !dropped.contains(a)).map(|a| extents[a - 1]);
        self.view(kept.collect())
    }

    fn unsqueeze(&mut self) -> Translated {
        let mut extents = vec![0];
        extents.extend(self.shape(0)?.extents());
        if self.value(1).is_some() {
            self.constant(1)?;
        }
        let list = axes(self.attributes, &self.constants(), "axes", 1)?.ok_or("its axes are missing")?;
        // The batch is marked by an extent of 0, which no sample has.
        let mut result = unsqueezed(&extents, &list)?;
        if result[0] != 0 {
            return Err("it puts an axis before the batch".into());
        }
        self.view(result.split_off(1))
    }

    fn transpose(&mut self) -> Translated {
        let rank = self.shape(0)?.rank() + 1;
        let perm: Vec<usize> = match self.attributes.ints("perm")? {
            Some(perm) => perm.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).rev().collect(),
        };
        if perm.first() != Some(&0) || perm[1..].contains(&0) {
            return Err(Objection::new(format!("its permutation {perm:?} moves the batch"), "keep it first"));
        }
        self.one(Part::Op(Op::Transpose { perm: perm[1..].iter().map(|a| a - 1).collect() }))
    }
}

/// `[columns][rows]` from `[rows][columns]`.
fn turned(x: &[f32], rows: usize, columns: usize) -> Arc<[f32]> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| x[r * columns + c])).collect()
}

/// Constants that multiply or shift an activation.
enum Coefficient {
    /// One number for all elements, in double precision.
    One(f64),
    /// One per channel or per element.
    Many(Arc<[f32]>),
}

impl Coefficient {
    /// A constant broadcast over activations of `shape` (whose batch axis is left out).
    fn of(tensor: &Tensor, shape: &Shape) -> Result<Self, Objection> {
        let floats = tensor.floats()?;
        let rank = shape.rank() + 1;
        let mismatch = || {
            Objection::new(
                format!(
                    "a constant of shape {:?} does not broadcast over {shape} of each sample",
                    tensor.extents
                ),
                "only constants per channel, per element or for all are supported",
            )
        };
        if tensor.extents.len() > rank {
            return Err(mismatch());
        }
        if let Some(one) = tensor.scalar() {
            return Ok(Coefficient::One(one));
        }
        let mut extents = vec![1; rank - tensor.extents.len()];
        extents.extend(&tensor.extents);
        if extents.remove(0) != 1 {
            return Err(mismatch());
        }
        if extents.iter().zip(shape.extents()).any(|(&own, &extent)| own != extent && own != 1) {
            return Err(mismatch());
        }
        if extents[1..].iter().all(|&e| e == 1) {
            return Ok(Coefficient::Many(floats));
        }
        let own = Tensor::new(extents, Numbers::Floats(floats))?;
        Ok(Coefficient::Many(super::fold::spread(&own, shape.extents())?.floats()?))
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Coefficient::One(x) => Coefficient::One(f(x)),
            Coefficient::Many(x) => Coefficient::Many(x.iter().map(|&x| f(f64::from(x)) as f32).collect()),
        }
    }

    fn numbers(self) -> Arc<[f32]> {
        match self {
            Coefficient::One(x) => [x as f32].into(),
            Coefficient::Many(x) => x,
        }
    }
}
