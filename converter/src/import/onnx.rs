//! Nets from ONNX files, operator sets 9 to 21.

use super::draft::{Draft, Part};
use super::fold::fold;
use super::operator::{Attributes, Call, Objection, Value, decision, keeps_shape, unknown};
use super::staircase;
use super::tensor::Tensor;
use super::{External, Import, ImportError, Opener, Refusal, wire};
use crate::ann::{Decision, Op, Shape};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};

/// The operator sets that are understood.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=21;

/// Reads a net from a file; numbers that it keeps in other files are looked for beside it and below.
///
/// # Errors
/// [`ImportError`]; all nodes that cannot be converted are named in one [`ImportError::Refused`].
pub fn read(path: &Path) -> Result<Import, ImportError> {
    let bytes = std::fs::read(path).map_err(|reason| ImportError::File { path: path.to_owned(), reason })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let open = |location: &str| {
        let inside =
            Path::new(location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(std::io::Error::other("only files beside or below the net's own are read"));
        }
        std::fs::read(folder.join(location))
    };
    import(bytes, Some(&open))
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
/// Time and memory are O(size of the files).
///
/// # Errors
/// As [`read`].
pub fn import(bytes: Vec<u8>, open: Option<&Opener<'_>>) -> Result<Import, ImportError> {
    if bytes.is_empty() {
        return Err(ImportError::Format("the file is empty".into()));
    }
    wire::check(&bytes).map_err(ImportError::Format)?;
    let model = ModelProto::parse_buf(&bytes).map_err(|e| ImportError::Format(e.to_string()))?;
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
    let graph = model.graph.ok_or_else(|| ImportError::Format("it holds no graph".into()))?;
    Reader::new(&graph, opset, External::new(open))?.read(&graph)
}

struct Reader<'a> {
    draft: Draft,
    values: HashMap<String, Value>,
    external: External<'a>,
    opset: i64,
    batch: Option<i64>,
    notes: Vec<String>,
    refusals: Vec<(usize, Refusal)>,
}

impl<'a> Reader<'a> {
    /// A reader that knows the net's input.
    fn new(graph: &GraphProto, opset: i64, external: External<'a>) -> Result<Self, ImportError> {
        let initial: HashSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
        let title = |input: &ValueInfoProto| input.name.clone().unwrap_or_default();
        let inputs: Vec<&ValueInfoProto> =
            graph.input.iter().filter(|i| !initial.contains(&title(i)[..])).collect();
        let mut reader = Reader {
            draft: Draft::default(),
            values: HashMap::new(),
            external,
            opset,
            batch: None,
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
                input_shape(input)
            };
            let value = match result {
                Ok((shape, batch)) => {
                    let title = if name.is_empty() { "input" } else { &name };
                    let part = Part::Op(Op::Input(shape));
                    let id = reader.draft.push(title, "Input", 0, part, &[]).map_err(ImportError::Format)?;
                    reader.draft.steps[id].tensor = Some(name.clone());
                    reader.batch = batch;
                    Value::Step(id)
                }
                Err(reason) => {
                    let hint = "export the net with one input of fixed shape behind the batch axis".into();
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

    fn read(mut self, graph: &GraphProto) -> Result<Import, ImportError> {
        self.initializers(graph)?;
        let finality = Finality::of(graph);
        let names = node_names(graph);
        for (order, node) in graph.node.iter().enumerate() {
            self.node(order, node, &names[order], &finality);
        }
        let output = self.output(graph)?;
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
        let output = output.expect("without an output there is a refusal");
        let decisions = self.decisions(graph, &names);
        let mut ann = self.draft.finish(output)?;
        ann.set_decisions(decisions);
        Ok(Import { ann, notes: self.notes })
    }

    fn initializers(&mut self, graph: &GraphProto) -> Result<(), ImportError> {
        for proto in &graph.initializer {
            let name = proto.name.clone().unwrap_or_default();
            let tensor = Tensor::decode(proto, &mut self.external)
                .map_err(|reason| ImportError::Format(format!("the constant `{name}` {reason}")))?;
            // Freed here, so that a large net is held once.
            if let Some(raw) = &proto.raw_data {
                raw.take();
            }
            if self.values.insert(name.clone(), Value::Constant(tensor)).is_some() {
                return Err(ImportError::Format(format!("two tensors are named `{name}`")));
            }
        }
        Ok(())
    }

    fn node(&mut self, order: usize, node: &NodeProto, name: &str, finality: &Finality<'_>) {
        let op = node.op_type.as_deref().unwrap_or("");
        let result = self.translate(order, node, op, name, finality).unwrap_or_else(|objection| {
            self.refuse(order, name, op, objection);
            let constant = |input: &String| {
                matches!(
                    self.values.get(input),
                    Some(Value::Constant(_) | Value::Refused { activation: false })
                )
            };
            let activation = !node.input.iter().filter(|name| !name.is_empty()).all(constant);
            match node.input.first().and_then(|input| self.values.get(input)) {
                Some(&Value::Step(step)) if keeps_shape(op) => Value::Step(step),
                _ => Value::Refused { activation },
            }
        });
        let Some(first) = node.output.first() else { return };
        if let Value::Step(step) = result
            && self.draft.steps[step].order == order
            && self.draft.steps[step].tensor.is_none()
        {
            self.draft.steps[step].tensor = Some(first.clone());
        }
        self.values.insert(first.clone(), result);
        for other in node.output[1..].iter().filter(|name| !name.is_empty()) {
            self.values.insert(other.clone(), Value::Refused { activation: true });
            if finality.is_used(other) {
                let reason = format!("its further output `{other}` is used");
                let hint = "only first outputs are supported".into();
                self.refuse(order, name, op, Objection { reason, hint });
            }
        }
    }

    fn translate(
        &mut self,
        order: usize,
        node: &NodeProto,
        op: &str,
        name: &str,
        finality: &Finality<'_>,
    ) -> Result<Value, Objection> {
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            return Err(Objection {
                reason: format!("its domain is `{}`", node.domain.as_deref().unwrap_or("")),
                hint: "only ONNX's own operators are understood".into(),
            });
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(if input.is_empty() {
                None
            } else {
                let value = self.values.get(input).cloned();
                Some(value.ok_or_else(|| format!("its input `{input}` is made by no node before it"))?)
            });
        }
        let attributes = Attributes(&node.attribute);
        if inputs.iter().flatten().all(|value| matches!(value, Value::Constant(_))) {
            let tensors: Vec<_> = inputs
                .iter()
                .map(|value| match value {
                    Some(Value::Constant(tensor)) => Some(tensor),
                    _ => None,
                })
                .collect();
            return match fold(op, attributes, &tensors, self.opset) {
                Some(result) => Ok(Value::Constant(result?)),
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
            return Ok(Value::Refused { activation: false });
        }
        if let Some(objection) = unknown(op) {
            return Err(objection);
        }
        if inputs.iter().flatten().any(|value| matches!(value, Value::Refused { .. })) {
            if op == "Mul" && activations > 1 {
                return Err(Call::product_of_activations());
            }
            return Ok(Value::Refused { activation: op != "Shape" });
        }
        let last = node.output.first().is_some_and(|output| finality.is_last(output));
        let (opset, batch) = (self.opset, self.batch);
        let (draft, notes) = (&mut self.draft, &mut self.notes);
        Call { draft, op, name, order, attributes, inputs: &inputs, opset, batch, last, notes }.translate()
    }

    /// What the nodes that were left out at the end do with the output, in their order; each is noted.
    fn decisions(&mut self, graph: &GraphProto, names: &[String]) -> Vec<Decision> {
        let mut found = vec![];
        let mut tensor = graph.output.first().and_then(|output| output.name.as_deref());
        let makes = |node: &NodeProto, tensor: &str| node.output.first().is_some_and(|first| first == tensor);
        while let Some((order, node)) =
            tensor.and_then(|tensor| graph.node.iter().enumerate().find(|(_, node)| makes(node, tensor)))
        {
            let input = node.input.first();
            let op = node.op_type.as_deref().unwrap_or("");
            match (op, input.and_then(|input| self.values.get(input))) {
                ("Softmax" | "LogSoftmax" | "ArgMax", Some(&Value::Step(step))) => {
                    let shape = &self.draft.steps[step].shape;
                    // What it refuses was refused when the node was read.
                    found.extend(decision(op, Attributes(&node.attribute), shape, self.opset));
                    let what = if op == "ArgMax" { "outputs themselves, not their place" } else { "logits" };
                    let name = &names[order];
                    self.notes.push(format!("node `{name}` ({op}) was dropped: the net yields the {what}"));
                }
                ("Identity" | "Cast" | "Dropout", _) => {}
                _ => break,
            }
            tensor = input.map(String::as_str);
        }
        found.reverse();
        found
    }

    /// The step that is the net's output; `None` if it is refused or a refused node makes it.
    fn output(&mut self, graph: &GraphProto) -> Result<Option<usize>, ImportError> {
        let end = graph.node.len();
        let names: Vec<_> = graph.output.iter().map(|o| o.name.as_deref().unwrap_or("")).collect();
        let mut refuse = |name: &str, reason: String, hint: &str| {
            self.refusals.push((
                end,
                Refusal { node: name.to_owned(), op: "Output".into(), reason, hint: hint.to_owned() },
            ));
        };
        if names.is_empty() {
            return Err(ImportError::Format("the net has no output".into()));
        }
        for name in &names {
            if names.len() > 1 {
                let reason = format!("the net has {} outputs; exactly one is supported", names.len());
                refuse(name, reason, "export the net with the class scores as its only output");
            }
            match self.values.get(*name) {
                Some(&Value::Step(step)) if names.len() == 1 => return Ok(Some(step)),
                Some(Value::Step(_) | Value::Refused { activation: true }) => {}
                Some(Value::Constant(_) | Value::Refused { activation: false }) => {
                    refuse(name, "it does not depend on the input".into(), "");
                }
                None => refuse(name, "no node makes it".into(), "the file is damaged; export the net again"),
            }
        }
        Ok(None)
    }
}

/// The shape of a sample and the size of the batch, if it is a number.
fn input_shape(input: &ValueInfoProto) -> Result<(Shape, Option<i64>), String> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or("is not a tensor")?;
    if matches!(tensor.elem_type, Some(DataType::STRING | DataType::COMPLEX64 | DataType::COMPLEX128)) {
        return Err("is not of real numbers".into());
    }
    let dims = &tensor.shape.as_ref().ok_or("has no shape; export the net with a fixed one")?.dim;
    let (batch, rest) = dims.split_first().ok_or("is a single number; a batch axis is needed")?;
    if rest.is_empty() {
        return Err("has one axis only; the first axis is the batch, features come after it".into());
    }
    let mut extents = Vec::with_capacity(rest.len());
    for (i, dim) in rest.iter().enumerate() {
        let extent = dim.dim_value.and_then(|v| usize::try_from(v).ok()).filter(|&v| v > 0);
        extents.push(extent.ok_or_else(|| {
            let symbol = dim.dim_param.as_deref().unwrap_or("?");
            format!("has the symbolic extent `{symbol}` on axis {}; only the batch may vary", i + 1)
        })?);
    }
    Ok((Shape::new(extents)?, batch.dim_value.filter(|&n| n > 0)))
}

/// The nodes' names; nameless ones are called after their operator and place.
fn node_names(graph: &GraphProto) -> Vec<String> {
    let name = |(order, node): (usize, &NodeProto)| match node.name.as_deref() {
        None | Some("") => format!("{}_{order}", node.op_type.as_deref().unwrap_or("node")),
        Some(name) => name.to_owned(),
    };
    graph.node.iter().enumerate().map(name).collect()
}

/// Who uses which tensor.
struct Finality<'a> {
    outputs: Vec<&'a str>,
    consumers: HashMap<&'a str, Vec<&'a NodeProto>>,
}

impl<'a> Finality<'a> {
    fn of(graph: &'a GraphProto) -> Self {
        let mut consumers: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
        for node in &graph.node {
            for input in &node.input {
                consumers.entry(input).or_default().push(node);
            }
        }
        Finality { outputs: graph.output.iter().filter_map(|o| o.name.as_deref()).collect(), consumers }
    }

    fn is_used(&self, tensor: &str) -> bool {
        self.outputs.contains(&tensor) || self.consumers.contains_key(tensor)
    }

    /// Whether nothing but the net's output depends on a tensor, through operators that compute nothing more.
    fn is_last(&self, tensor: &str) -> bool {
        let mut open = vec![tensor];
        let mut steps = 0;
        while let Some(tensor) = open.pop() {
            steps += 1;
            if steps > 100 {
                return false;
            }
            for node in self.consumers.get(tensor).into_iter().flatten() {
                match node.op_type.as_deref() {
                    Some("Identity" | "Cast" | "ArgMax" | "Softmax" | "LogSoftmax") => {
                        open.extend(node.output.first().map(String::as_str));
                    }
                    _ => return false,
                }
            }
        }
        true
    }
}
