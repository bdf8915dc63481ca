//! Nets from ONNX files, operator sets 7 to 28.

use super::attributes::Attributes;
use super::budget::Budget;
use super::draft::{Draft, Part};
use super::external::{Beside, External, Opener};
use super::fold::fold;
use super::operator::{
    Call, DECISIONS, Grids, MICROSOFT, MOVES, Objection, Value, decision, inside, keeps_shape, too_many,
    unknown,
};
use super::order::{Order, node_name};
use super::skeleton::{Origin, Skeleton};
use super::staircase;
use super::stamp::Stamp;
use super::tensor::{LeftOut, Tensor};
use super::{Import, ImportError, Refusal, sparse, wire};
use crate::ann::{Decision, Op, Shape};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use snn_formats::{Digest, FileDigest, regular};
use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

/// The operator sets that are understood.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// What of a file is read, where it leaves a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The output: the name of one of the net's outputs, of any other tensor, or of a node. Needed where the net has several.
    pub output: Option<String>,
    /// The shape of one sample, without the batch axis, where the file leaves extents open.
    pub input_shape: Option<Vec<usize>>,
}

/// Reads a net from a file; numbers that it keeps in other files are looked for beside it and below.
///
/// Only regular files are read, and of those that the net names only ones that lie in its folder or below, links resolved.
///
/// # Errors
/// [`ImportError`]; all nodes that cannot be converted are named in one [`ImportError::Refused`].
pub fn read(path: &Path) -> Result<Import, ImportError> {
    read_chosen(path, &Choice::default())
}

/// Reads a net from a file as [`read`] does, with a choice of output and shape.
///
/// # Errors
/// As [`read`]; also if the choice does not fit the file.
pub fn read_chosen(path: &Path, choice: &Choice) -> Result<Import, ImportError> {
    let refuse = |reason| ImportError::File { path: path.to_owned(), reason };
    let (file, _) = regular::open(path).map_err(refuse)?;
    let stamp = Stamp::of(path, &file).map_err(refuse)?;
    let (mut import, digest) = import_beside(Origin::File(file), Beside::Net(path), choice)?;
    stamp.check().map_err(ImportError::Format)?;
    import.files.insert(0, FileDigest::new(path, digest));
    Ok(import)
}

/// The names of the files beside a net's own that hold some of its numbers, as its bytes have them: each once. For those
/// who must know before they read the net. O(number of fields) time.
///
/// # Errors
/// [`ImportError::Format`].
pub fn external_files(bytes: &[u8]) -> Result<Vec<String>, ImportError> {
    wire::external_locations(bytes).map_err(ImportError::Format)
}

/// Reads a net from the bytes of a file. `open` gets the files beside it that hold its numbers, if it has any.
///
/// Time and memory are O(size of the files): what operators make of constants, and the activations of the net, are bounded
/// in proportion to it.
///
/// # Errors
/// As [`read`].
pub fn import(bytes: Vec<u8>, open: Option<&Opener<'_>>) -> Result<Import, ImportError> {
    import_chosen(bytes, open, &Choice::default())
}

/// Reads a net from bytes as [`import`] does, with a choice of output and shape.
///
/// # Errors
/// As [`read_chosen`].
pub fn import_chosen(
    bytes: Vec<u8>,
    open: Option<&Opener<'_>>,
    choice: &Choice,
) -> Result<Import, ImportError> {
    let beside = open.map_or(Beside::Nothing, Beside::Given);
    Ok(import_beside(Origin::Memory(Cursor::new(bytes)), beside, choice)?.0)
}

/// The net, and the digest of the file itself.
fn import_beside(
    mut origin: Origin,
    beside: Beside<'_>,
    choice: &Choice,
) -> Result<(Import, Digest), ImportError> {
    let Skeleton { bytes, raw, digest, length } = origin.skeleton().map_err(ImportError::Format)?;
    if length == 0 {
        return Err(ImportError::Format("the file is empty".into()));
    }
    wire::check(&bytes).map_err(ImportError::Format)?;
    let model = ModelProto::parse_buf(&bytes).map_err(|e| ImportError::Format(e.to_string()))?;
    let mut budget = Budget::of(usize::try_from(length).unwrap_or(usize::MAX));
    let sparse = sparse::initializers(&bytes, &mut budget).map_err(ImportError::Format)?;
    drop(bytes);
    let default = |domain: &Option<String>| matches!(domain.as_deref(), None | Some("" | "ai.onnx"));
    let opset = model
        .opset_import
        .iter()
        .find(|set| default(&set.domain))
        .and_then(|set| set.version)
        .ok_or_else(|| ImportError::Format("it names no operator set".into()))?;
    if !OPSETS.contains(&opset) {
        return Err(ImportError::Opset { found: opset });
    }
    let mut graph = model.graph.ok_or_else(|| ImportError::Format("it holds no graph".into()))?;
    let numbers = Constants { origin, raw, sparse };
    // By their names they are initialisers like the others, behind which they stand.
    let named = |(name, _): &(String, Tensor)| TensorProto { name: Some(name.clone()), ..Default::default() };
    graph.initializer.extend(numbers.sparse.iter().map(named));
    let order = Order::of(&graph, choice.output.as_deref()).map_err(ImportError::Refused)?;
    let reader = Reader::new(&graph, opset, External::new(beside), budget, &order, choice)?;
    Ok((reader.read(&graph, &order, numbers)?, digest))
}

/// Where the numbers of the initialisers are that were not parsed.
struct Constants {
    origin: Origin,
    /// Of every initialiser the place of its raw bytes.
    raw: Vec<Option<Range<u64>>>,
    /// The sparse ones.
    sparse: Vec<(String, Tensor)>,
}

struct Reader<'a> {
    draft: Draft,
    values: HashMap<String, Value>,
    external: External<'a>,
    opset: i64,
    batch: Option<i64>,
    batches: HashMap<usize, Option<usize>>,
    grids: Grids,
    /// The types of constants that stand in the file.
    types: HashMap<String, DataType>,
    notes: Vec<String>,
    refusals: Vec<(usize, Refusal)>,
}

impl<'a> Reader<'a> {
    /// A reader that knows the net's input.
    fn new(
        graph: &GraphProto,
        opset: i64,
        external: External<'a>,
        budget: Budget,
        order: &Order<'_>,
        choice: &Choice,
    ) -> Result<Self, ImportError> {
        let initial: HashSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
        let title = |input: &ValueInfoProto| input.name.clone().unwrap_or_default();
        let inputs: Vec<&ValueInfoProto> =
            graph.input.iter().filter(|i| !initial.contains(&title(i)[..])).collect();
        // What the output does not need is no input of the net that is read.
        let used: Vec<_> = inputs.iter().copied().filter(|i| order.used.contains(&title(i)[..])).collect();
        let inputs = if used.is_empty() { inputs } else { used };
        let mut reader = Reader {
            draft: Draft::new(budget),
            values: HashMap::new(),
            external,
            opset,
            batch: None,
            batches: HashMap::new(),
            grids: Grids::new(),
            types: HashMap::new(),
            notes: vec![],
            refusals: vec![],
        };
        if inputs.is_empty() {
            return Err(ImportError::Format("the net has no input".into()));
        }
        for input in &inputs {
            let name = title(input);
            let result = if inputs.len() > 1 {
                Err(format!("the net has {} inputs; exactly one is supported", inputs.len()))
            } else {
                input_shape(input, choice.input_shape.as_deref())
            };
            let value = match result {
                Ok((shape, batch, place)) => {
                    let title = if name.is_empty() { "input" } else { &name };
                    let part = Part::Op(Op::Input(shape));
                    let id = reader.draft.push(title, "Input", 0, part, &[]).map_err(ImportError::Format)?;
                    reader.draft.steps[id].tensor = Some(name.clone());
                    reader.batch = batch;
                    if place.is_none() {
                        reader.batches.insert(id, None);
                    }
                    Value::Step(id)
                }
                Err(reason) => {
                    let hint = "choose the shape of a sample (for instance 3, 224, 224), or export the net with one input of fixed \
                                shape behind the batch axis"
                        .into();
                    reader.refuse(0, &name, "Input", Objection { reason, hint });
                    Value::Refused { activation: true }
                }
            };
            reader.values.insert(name, value);
        }
        Ok(reader)
    }

    fn refuse(&mut self, order: usize, node: &str, op: &str, objection: Objection) {
        let Objection { reason, hint } = objection;
        self.refusals.push((order, Refusal { node: node.to_owned(), op: op.to_owned(), reason, hint }));
    }

    fn read(
        mut self,
        graph: &GraphProto,
        order: &Order<'_>,
        numbers: Constants,
    ) -> Result<Import, ImportError> {
        self.initializers(graph, numbers)?;
        let names: Vec<String> =
            graph.node.iter().enumerate().map(|(place, node)| node_name(place, node)).collect();
        for &place in &order.nodes {
            self.node(place, &graph.node[place], &names[place], order);
        }
        let output = self.output(graph, order);
        if let Some(output) = output {
            staircase::recognise(&mut self.draft, output);
        }
        for (step, reason, hint) in self.draft.leftovers(output) {
            let (node, op) = (names[step.order].clone(), step.kind.clone());
            self.refusals.push((step.order, Refusal { node, op, reason, hint }));
        }
        if !self.refusals.is_empty() {
            self.refusals.sort_by_key(|(order, _)| *order);
            return Err(ImportError::Refused(
                self.refusals.into_iter().map(|(_, refusal)| refusal).collect(),
            ));
        }
        // Whoever refuses something says so; should one not, the file is not understood all the same.
        let Some(output) = output else {
            return Err(ImportError::Format(format!(
                "nothing that was read makes its output `{}`",
                order.output
            )));
        };
        let decisions = self.decisions(graph, &names, order);
        let mut ann = self.draft.finish(output)?;
        ann.set_decisions(decisions);
        self.external.check_unchanged().map_err(ImportError::Format)?;
        Ok(Import { ann, notes: self.notes, files: self.external.into_read() })
    }

    fn initializers(&mut self, graph: &GraphProto, numbers: Constants) -> Result<(), ImportError> {
        let Constants { mut origin, raw, sparse } = numbers;
        let dense = graph.initializer.len() - sparse.len();
        let mut raw = raw.into_iter();
        for proto in &graph.initializer[..dense] {
            let name = proto.name.clone().unwrap_or_default();
            let place = raw.next().flatten();
            let mut read = |kind, count| match &place {
                Some(place) => origin.numbers(kind, place, count),
                None => Err("has no numbers".into()),
            };
            let left_out: Option<LeftOut<'_>> = if place.is_some() { Some(&mut read) } else { None };
            let tensor = Tensor::decode(proto, left_out, &mut self.external, &mut self.draft.budget)
                .map_err(|reason| ImportError::Format(format!("the constant `{name}` {reason}")))?;
            // Freed here, so that a large net is held once.
            if let Some(raw) = &proto.raw_data {
                raw.take();
            }
            self.types.extend(proto.data_type.map(|kind| (name.clone(), kind)));
            if self.values.insert(name.clone(), Value::Constant(tensor)).is_some() {
                return Err(ImportError::Format(format!("two tensors are named `{name}`")));
            }
        }
        for (name, tensor) in sparse {
            if self.values.insert(name.clone(), Value::Constant(tensor)).is_some() {
                return Err(ImportError::Format(format!("two tensors are named `{name}`")));
            }
        }
        Ok(())
    }

    fn node(&mut self, place: usize, node: &NodeProto, name: &str, order: &Order<'_>) {
        let op = node.op_type.as_deref().unwrap_or("");
        let made = self.translate(place, node, op, name, order).unwrap_or_else(|objection| {
            self.refuse(place, name, op, objection);
            let constant = |input: &String| {
                matches!(
                    self.values.get(input),
                    Some(Value::Constant(_) | Value::Refused { activation: false })
                )
            };
            let activation = !node.input.iter().filter(|name| !name.is_empty()).all(constant);
            let first = match node.input.first().and_then(|input| self.values.get(input)) {
                Some(&Value::Step(step)) if keeps_shape(op) => Value::Step(step),
                _ => Value::Refused { activation },
            };
            // The others are not worth a refusal of their own.
            let mut made = vec![Value::Refused { activation }; node.output.len().max(1)];
            made[0] = first;
            made
        });
        let outputs = node.output.iter().enumerate().filter(|(_, output)| !output.is_empty());
        for (index, output) in outputs {
            let value = made.get(index).cloned().unwrap_or_else(|| {
                if order.used.contains(&output[..]) {
                    let reason = format!("its further output `{output}` is used");
                    let hint = "only first outputs of this operator are supported".into();
                    self.refuse(place, name, op, Objection { reason, hint });
                }
                Value::Refused { activation: true }
            });
            if let Value::Step(step) = value
                && self.draft.steps[step].order == place
                && self.draft.steps[step].tensor.is_none()
            {
                self.draft.steps[step].tensor = Some(output.clone());
            }
            self.values.insert(output.clone(), value);
        }
    }

    fn translate(
        &mut self,
        place: usize,
        node: &NodeProto,
        op: &str,
        name: &str,
        order: &Order<'_>,
    ) -> Result<Vec<Value>, Objection> {
        let last = order.last.contains(&place);
        let decides = last && DECISIONS.contains(&op);
        let domain = node.domain.as_deref().unwrap_or("");
        let quantises = domain == "com.microsoft" && MICROSOFT.contains(&op);
        if !decides && !quantises && !matches!(domain, "" | "ai.onnx") {
            return Err(Objection {
                reason: format!("its domain is `{domain}`"),
                hint: format!(
                    "only ONNX's own operators are understood, and of com.microsoft {}",
                    MICROSOFT.join(", ")
                ),
            });
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(if input.is_empty() {
                None
            } else {
                let value = self.values.get(input).cloned();
                Some(value.ok_or_else(|| format!("its input `{input}` is made by no node"))?)
            });
        }
        let attributes = Attributes(&node.attribute);
        if op == "Constant" {
            let kind = node.attribute.iter().find_map(|attribute| attribute.t.as_ref()?.data_type);
            self.types.extend(kind.zip(node.output.first()).map(|(kind, output)| (output.clone(), kind)));
        }
        if inputs.iter().flatten().all(|value| matches!(value, Value::Constant(_))) {
            let tensors: Vec<_> = inputs
                .iter()
                .map(|value| match value {
                    Some(Value::Constant(tensor)) => Some(tensor),
                    _ => None,
                })
                .collect();
            return match fold(op, attributes, &tensors, self.opset, &mut self.draft.budget) {
                Some(result) => Ok(vec![Value::Constant(result?)]),
                None => Err(unknown(op).unwrap_or_else(|| Objection {
                    reason: "it computes a constant".into(),
                    hint: "fold the net's constants before exporting it (do_constant_folding=True)".into(),
                })),
            };
        }
        let constant =
            |value: &Value| matches!(value, Value::Constant(_) | Value::Refused { activation: false });
        let activations = inputs.iter().flatten().filter(|value| !constant(value)).count();
        if activations == 0 {
            return Ok(vec![Value::Refused { activation: false }; node.output.len()]);
        }
        if let Some(objection) = unknown(op).or_else(|| too_many(op, inputs.len())) {
            return Err(objection);
        }
        if inputs.iter().flatten().any(|value| matches!(value, Value::Refused { .. })) {
            // What is wrong whatever its inputs are is told as well, so that the list is whole.
            if matches!(op, "Mul" | "MatMul") && activations > 1 {
                return Err(Call::product_of_activations());
            }
            if DECISIONS.contains(&op) && !last {
                return Err(inside(op));
            }
            return Ok(vec![Value::Refused { activation: op != "Shape" }; node.output.len()]);
        }
        let (opset, batch, outputs) = (self.opset, self.batch, node.output.len());
        let types: Vec<Option<DataType>> =
            node.input.iter().map(|input| self.types.get(input).copied()).collect();
        let (draft, batches, grids, notes) =
            (&mut self.draft, &mut self.batches, &mut self.grids, &mut self.notes);
        let order = place;
        let inputs = &inputs[..];
        let types = &types[..];
        let call = Call {
            draft,
            op,
            name,
            order,
            attributes,
            inputs,
            opset,
            batch,
            batches,
            grids,
            types,
            notes,
            outputs,
            last,
        };
        let made = call.translate();
        match (made, inputs.first()) {
            // Nothing behind it looks at the shape.
            (Err(_), Some(Some(value @ Value::Step(_))))
                if last && MOVES.contains(&op) && op != "Dropout" =>
            {
                let what = "the net yields what stands before it";
                self.notes.push(format!("node `{name}` ({op}) was dropped: {what}"));
                Ok(vec![value.clone()])
            }
            (made, _) => made,
        }
    }

    /// What the nodes that were left out at the end do with the output, in their order; each is noted.
    fn decisions(&mut self, graph: &GraphProto, names: &[String], order: &Order<'_>) -> Vec<Decision> {
        let mut found = vec![];
        for &place in &order.last {
            let node = &graph.node[place];
            let op = node.op_type.as_deref().unwrap_or("");
            let step = node.input.iter().find_map(|input| match self.values.get(input) {
                Some(&Value::Step(step)) => Some(step),
                _ => None,
            });
            let Some(step) = step.filter(|_| DECISIONS.contains(&op)) else { continue };
            let shape = &self.draft.steps[step].shape;
            // What it refuses was refused when the node was read.
            found.extend(decision(op, Attributes(&node.attribute), shape, self.opset).ok().flatten());
            let what = match op {
                "ArgMax" | "ArrayFeatureExtractor" | "LabelEncoder" | "ZipMap" | "TopK" => {
                    "outputs themselves, not their place"
                }
                "Softmax" | "LogSoftmax" | "Sigmoid" | "Hardmax" | "Normalizer" => "logits",
                _ => "outputs before it, which have the same order",
            };
            let name = &names[place];
            self.notes.push(format!("node `{name}` ({op}) was dropped: the net yields the {what}"));
        }
        found.reverse();
        found
    }

    /// The step that is the net's output; `None` if it is refused or a refused node makes it.
    fn output(&mut self, graph: &GraphProto, order: &Order<'_>) -> Option<usize> {
        let (reason, hint) = match self.values.get(order.output) {
            Some(&Value::Step(step)) => return Some(step),
            Some(Value::Refused { activation: true }) => return None,
            Some(Value::Constant(_) | Value::Refused { activation: false }) => {
                ("it does not depend on the input", "")
            }
            None => ("no node makes it", "the file is damaged; export the net again"),
        };
        let objection = Objection { reason: reason.into(), hint: hint.into() };
        self.refuse(graph.node.len(), order.output, "Output", objection);
        None
    }
}

/// The shape of a sample, the size of the batch, if it is a number, and the place of the batch axis: one sample alone has
/// none.
type InputShape = (Shape, Option<i64>, Option<usize>);

fn input_shape(input: &ValueInfoProto, wanted: Option<&[usize]>) -> Result<InputShape, String> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or("is not a tensor")?;
    if matches!(tensor.elem_type, Some(DataType::STRING | DataType::COMPLEX64 | DataType::COMPLEX128)) {
        return Err("is not of real numbers".into());
    }
    let dims = match (&tensor.shape, wanted) {
        (Some(shape), _) => &shape.dim[..],
        (None, Some(wanted)) => return Ok((Shape::new(wanted)?, None, Some(0))),
        (None, None) => return Err("has no shape".into()),
    };
    let (batch, rest) = match dims {
        [] => return Err("is a single number; at least one axis of features is needed".into()),
        [_] => (None, dims),
        [batch, rest @ ..] => (Some(batch), rest),
    };
    if let Some(wanted) = wanted
        && wanted.len() != rest.len()
    {
        let without = if batch.is_some() { ", without the batch" } else { "" };
        return Err(format!("has samples of {} axes{without}; the shape given is {wanted:?}", rest.len()));
    }
    let mut extents = Vec::with_capacity(rest.len());
    for (i, dim) in rest.iter().enumerate() {
        let stated = dim.dim_value.and_then(|v| usize::try_from(v).ok()).filter(|&v| v > 0);
        let axis = i + usize::from(batch.is_some());
        extents.push(match (stated, wanted.map(|wanted| wanted[i])) {
            (Some(stated), Some(wanted)) if stated != wanted => {
                return Err(format!("has {stated} on axis {axis}; the shape given has {wanted}"));
            }
            (Some(stated), _) => stated,
            (None, Some(wanted)) => wanted,
            (None, None) => {
                let symbol = dim.dim_param.as_deref().unwrap_or("?");
                return Err(format!("has the symbolic extent `{symbol}` on axis {axis}"));
            }
        });
    }
    let size = batch.and_then(|batch| batch.dim_value).filter(|&n| n > 0);
    Ok((Shape::new(extents)?, size, batch.map(|_| 0)))
}
