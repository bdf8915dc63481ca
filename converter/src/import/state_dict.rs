//! Nets from state dicts (`.pt`, `.pth`, `.safetensors`): tensors by name, and a [`LayerList`] that says what they do.
//!
//! [`StateDict::read`] finds the tensors, [`import`] puts them where the list says. Weights of a pruned net are taken
//! also where `torch.nn.utils.prune` has left them as `weight_orig` and `weight_mask`.

mod pickle;
mod proposal;
mod tensors;

pub use super::layer_list::{LayerList, LayerListError};
pub use tensors::StateDict;

use super::layer_list::{Extent, Kind, Layer, Numbers, Padding, PoolWindow};
use super::operator::batch_normalisation;
use super::{Fault, Import};
use crate::ann::{Affine, Ann, AnnError, AveragePool, Conv, Csr, Linear, MaxPool, NodeId, Op, Shape, Window};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The most names that one message lists.
const MOST_NAMES: usize = 50;

/// Why a state dict does not become a net.
#[derive(Debug, thiserror::Error)]
pub enum StateDictError {
    /// The file cannot be read.
    #[error("cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is none that is understood, or a damaged one.
    #[error("{0}")]
    Format(String),
    /// What is wrong with the layer list, or does not fit between it and the tensors: all there is, in the list's order.
    #[error("{}", all(.0))]
    Faults(Vec<Fault>),
    /// The net has a name twice, which the input's name can cause.
    #[error(transparent)]
    Graph(#[from] AnnError),
}

fn all(faults: &[Fault]) -> String {
    let mut text = match faults.len() {
        1 => "the layer list does not fit:".to_owned(),
        many => format!("the layer list does not fit, for {many} reasons:"),
    };
    faults.iter().for_each(|fault| text += &format!("\n  {fault}"));
    text
}

/// The net that the layers of a list make with the tensors of a file.
///
/// The notes name the tensors that no layer uses and those whose numbers had to be rounded to `f32`. Time is O(size of the
/// tensors used), memory too.
///
/// # Errors
/// [`StateDictError::Faults`] with everything that is wrong: keys, names, missing tensors, shapes.
pub fn import(tensors: &StateDict, list: LayerList) -> Result<Import, StateDictError> {
    let LayerList { input, prefix, layers, faults } = list;
    let mut builder = Builder {
        tensors,
        prefix: &prefix,
        read: HashMap::new(),
        used: BTreeSet::new(),
        rounded: vec![],
        place: (0, String::new()),
        faults,
    };
    // Without an input the tensors are looked for all the same.
    let mut ann = input.map(|shape| Ann::new("input", shape)).transpose()?;
    let mut nodes: Vec<Option<NodeId>> = vec![ann.as_ref().map(Ann::input)];
    let mut feeds = vec![false; layers.len() + 1];
    for (before, layer) in layers.iter().enumerate() {
        builder.place = (before + 1, layer.title.clone());
        layer.from.iter().flatten().for_each(|&source| feeds[source] = true);
        nodes.push(builder.layer(layer, ann.as_mut(), &nodes));
    }
    // A name that leads nowhere may have been meant for any layer.
    let lost = layers.iter().any(|layer| layer.from.contains(&None));
    for (before, layer) in layers.iter().enumerate().rev().skip(1) {
        if !lost && !feeds[before + 1] {
            builder.place = (before + 1, layer.title.clone());
            builder.fault("no layer takes its output; the last layer alone is the output of the net");
        }
    }
    if !builder.faults.is_empty() {
        builder.faults.sort_by_key(|(number, _)| *number);
        return Err(StateDictError::Faults(builder.faults.into_iter().map(|(_, fault)| fault).collect()));
    }
    let ann = ann.expect("a list without an input has a fault");
    let notes = builder.notes();
    tensors.check_unchanged()?;
    Ok(Import { ann, notes, files: tensors.file().cloned().into_iter().collect() })
}

/// What has been taken from the tensors so far.
struct Builder<'a> {
    tensors: &'a StateDict,
    prefix: &'a str,
    /// Numbers by name, `None` if they could not be had; shared by layers that use them again.
    read: HashMap<String, Option<Arc<[f32]>>>,
    used: BTreeSet<String>,
    rounded: Vec<String>,
    /// The layer at hand, its number and title.
    place: (usize, String),
    faults: Vec<(usize, Fault)>,
}

impl Builder<'_> {
    fn fault(&mut self, what: impl Into<String>) {
        let (number, title) = self.place.clone();
        self.faults.push((number, Fault { place: title, what: what.into() }));
    }

    /// Adds a layer to the net. Its tensors are looked for even if its inputs are unknown.
    fn layer(&mut self, layer: &Layer, ann: Option<&mut Ann>, nodes: &[Option<NodeId>]) -> Option<NodeId> {
        let faults = self.faults.len();
        let inputs: Option<Vec<NodeId>> = layer.from.iter().map(|from| nodes[(*from)?]).collect();
        let shapes: Option<Vec<Shape>> = match (&ann, &inputs) {
            (Some(ann), Some(inputs)) => Some(inputs.iter().map(|&id| ann.node(id).shape.clone()).collect()),
            _ => None,
        };
        let op = self.op(layer.kind.as_ref()?, shapes.as_deref())?;
        let (ann, inputs) = (ann?, inputs?);
        match ann.push(&layer.name, op, &inputs) {
            Ok(id) => Some(id),
            Err(AnnError { reason, .. }) => {
                if faults == self.faults.len() {
                    let hint = match layer.kind {
                        Some(Kind::Linear { .. }) if shapes?.iter().any(|shape| shape.rank() != 1) => {
                            "; put a layer of kind flatten before it"
                        }
                        _ => "",
                    };
                    self.fault(reason + hint);
                }
                None
            }
        }
    }

    /// The operator of a layer for inputs of the given shapes, if they are known and nothing is wrong.
    fn op(&mut self, kind: &Kind, shapes: Option<&[Shape]>) -> Option<Op> {
        let shape = shapes.and_then(|shapes| shapes.first());
        match kind {
            Kind::Linear { weights, bias } => {
                if self.is_listed(weights) {
                    let csr = self.listed(weights, shape);
                    let bias = self.bias(weights, *bias);
                    let csr = csr?;
                    let (inputs, outputs) = (csr.inputs(), csr.outputs());
                    return Some(Op::Linear(Linear { weights: csr.into(), bias: bias?, inputs, outputs }));
                }
                let table = self.table(weights, "weight");
                let bias = self.bias(weights, *bias);
                let (extents, weights) = table?;
                let [outputs, inputs] = extents[..] else {
                    self.fault(format!("its weights have the shape {extents:?}; allowed is [out, in]"));
                    return None;
                };
                Some(Op::Linear(Linear { weights: weights.into(), bias: bias?, inputs, outputs }))
            }
            Kind::Conv { weights, bias, stride, padding, dilation, groups } => {
                let table = self.table(weights, "weight");
                let bias = self.bias(weights, *bias);
                let (extents, weights) = table?;
                if !(3..=4).contains(&extents.len()) {
                    self.fault(format!(
                        "its weights have the shape {extents:?}; allowed are [out, in / groups, length] and [out, in / groups, \
                         height, width]"
                    ));
                    return None;
                }
                let axes = extents.len() - 2;
                if let Some(shape) = shape
                    && shape.rank() != axes + 1
                {
                    self.fault(format!(
                        "its weights {extents:?} slide along {axes} axes behind the channels; its input is {shape}"
                    ));
                    return None;
                }
                let mut window = Window::of([if axes == 1 { 1 } else { extents[2] }, extents[axes + 1]]);
                window.stride = self.pair("stride", stride, axes, 1)?;
                window.dilation = self.pair("dilation", dilation, axes, 1)?;
                (window.before, window.after) = match padding {
                    Padding::Given(padding) => {
                        let pads = self.pair("padding", padding, axes, 0)?;
                        (pads, pads)
                    }
                    Padding::Same => self.same(&window)?,
                };
                let Some(in_channels) = extents[1].checked_mul(*groups).filter(|_| *groups > 0) else {
                    self.fault(format!("`groups` is {groups}; allowed are divisors of the channels"));
                    return None;
                };
                let (out_channels, groups) = (extents[0], *groups);
                Some(Op::Conv(Conv { weights, bias: bias?, in_channels, out_channels, groups, window }))
            }
            Kind::BatchNorm { weights, epsilon } => self.batch_norm(weights, *epsilon),
            Kind::Affine { scale, shift } => {
                let (scale, shift) = (self.numbers("scale", scale), self.numbers("shift", shift));
                Some(Op::Affine(Affine { scale: scale?, shift: shift? }))
            }
            Kind::Relu => Some(Op::Relu),
            Kind::Clip { max } => Some(Op::Clip { max: *max }),
            Kind::Qcfs { levels, theta } => {
                let theta = self.numbers("theta", theta)?;
                let &[theta] = &theta[..] else {
                    self.fault(format!("`theta` has {} numbers; allowed is 1", theta.len()));
                    return None;
                };
                Some(Op::Qcfs { levels: *levels, theta })
            }
            Kind::AveragePool { window, count_include_pad } => {
                let (ceil_mode, count_include_pad) = (window.ceil_mode, *count_include_pad);
                let window = self.pool(window, None, shape?)?;
                Some(Op::AveragePool(AveragePool { window, ceil_mode, count_include_pad }))
            }
            Kind::MaxPool { window, dilation } => {
                let ceil_mode = window.ceil_mode;
                let window = self.pool(window, Some(dilation), shape?)?;
                Some(Op::MaxPool(MaxPool { window, ceil_mode }))
            }
            Kind::GlobalAverage => Some(Op::GlobalAverage),
            Kind::GlobalMax => Some(Op::GlobalMax),
            Kind::Add => Some(Op::Add),
            Kind::Concat { axis } => Some(Op::Concat { axis: *axis }),
            Kind::Flatten => {
                Some(Op::View(Shape::new([shape?.elements()]).expect("a shape of as many elements is one")))
            }
            Kind::View(shape) => Some(Op::View(shape.clone())),
            Kind::Transpose { perm } => Some(Op::Transpose { perm: perm.clone() }),
            Kind::Pad { before, after } => Some(Op::Pad { before: before.clone(), after: after.clone() }),
        }
    }

    /// Whether a matrix is there as its parts, by the names that PyTorch gives to them.
    fn is_listed(&self, weights: &str) -> bool {
        !self.has(weights, "weight")
            && self.tensors.shape(&self.full_name(weights, "weight.crow_indices")).is_some()
    }

    /// A matrix in compressed sparse rows: `weight.values`, `weight.col_indices` and `weight.crow_indices`. It has as many
    /// columns as its input has features.
    fn listed(&mut self, weights: &str, shape: Option<&Shape>) -> Option<Csr> {
        let values = self.list(weights, "weight.values");
        let mut whole = |what: &str| {
            let name = self.full_name(weights, what);
            self.used.insert(name.clone());
            let read = self.tensors.whole(&name);
            read.map_err(|reason| self.fault(format!("tensor `{}` {reason}", name.escape_debug()))).ok()
        };
        let (columns, starts) = (whole("weight.col_indices"), whole("weight.crow_indices"));
        let (values, columns, starts) = (values?, columns?, starts?);
        let inputs = shape?.elements();
        let narrow: Result<Vec<u32>, _> = columns.into_iter().map(u32::try_from).collect();
        let made = narrow
            .map_err(|_| "a column is 2^32 or more".to_owned())
            .and_then(|columns| Csr::new(inputs, starts, columns, values.to_vec()));
        made.map_err(|reason| self.fault(format!("its sparse weights do not fit: {reason}"))).ok()
    }

    fn batch_norm(&mut self, weights: &str, epsilon: f32) -> Option<Op> {
        let (mean, variance) = (self.list(weights, "running_mean"), self.list(weights, "running_var"));
        // Without trained factors (affine=False) they are 1 and 0; one alone is a damaged file.
        let plain = !self.has(weights, "weight") && !self.has(weights, "bias");
        let [gamma, beta] = if plain {
            let length = mean.as_ref().map_or(0, |mean| mean.len());
            [1.0, 0.0].map(|number| Some(vec![number; length].into()))
        } else {
            ["weight", "bias"].map(|what| self.list(weights, what))
        };
        let counted = self.full_name(weights, "num_batches_tracked");
        self.used.insert(counted);
        let lists = [gamma?, beta?, mean?, variance?];
        if lists.iter().any(|list| list.len() != lists[2].len()) {
            let lengths: Vec<usize> = lists.iter().map(|list| list.len()).collect();
            self.fault(format!(
                "its weight, bias, running_mean and running_var have {lengths:?} numbers; allowed is one per channel each"
            ));
            return None;
        }
        if let Some(place) = lists[3].iter().position(|&variance| variance < 0.0) {
            self.fault(format!(
                "its running_var has {} at place {place}; allowed are numbers from 0",
                lists[3][place]
            ));
            return None;
        }
        let [gamma, beta, mean, variance] = &lists;
        Some(Op::Affine(batch_normalisation([gamma, beta, mean, variance], f64::from(epsilon))))
    }

    fn pool(&mut self, pool: &PoolWindow, dilation: Option<&Extent>, shape: &Shape) -> Option<Window> {
        let axes = shape.rank().saturating_sub(1);
        if !(1..=2).contains(&axes) {
            self.fault(format!("its input is {shape}; allowed are [c, l] and [c, h, w]"));
            return None;
        }
        let mut window = Window::of(self.pair("kernel", &pool.kernel, axes, 1)?);
        window.stride = self.pair("stride", &pool.stride, axes, 1)?;
        window.before = self.pair("padding", &pool.padding, axes, 0)?;
        window.after = window.before;
        if let Some(dilation) = dilation {
            window.dilation = self.pair("dilation", dilation, axes, 1)?;
        }
        Some(window)
    }

    fn pair(&mut self, key: &str, extent: &Extent, axes: usize, fill: usize) -> Option<[usize; 2]> {
        extent.pair(key, axes, fill).map_err(|what| self.fault(what)).ok()
    }

    /// The padding that keeps the extents, before and after; of an odd number the larger half comes after, as in PyTorch.
    fn same(&mut self, window: &Window) -> Option<([usize; 2], [usize; 2])> {
        if window.stride != [1, 1] {
            self.fault(format!(
                "`padding` is \"same\" with the stride {:?}; PyTorch allows it with stride 1",
                window.stride
            ));
            return None;
        }
        let mut pads = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let Some(total) = window.kernel[axis].saturating_sub(1).checked_mul(window.dilation[axis]) else {
                self.fault("its kernel and dilation are too large");
                return None;
            };
            (pads.0[axis], pads.1[axis]) = (total / 2, total - total / 2);
        }
        Some(pads)
    }

    fn full_name(&self, weights: &str, what: &str) -> String {
        let parts = [self.prefix, weights.trim_end_matches('.'), what];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// Whether there is such a tensor, pruned or not.
    fn has(&self, weights: &str, what: &str) -> bool {
        let name = self.full_name(weights, what);
        self.tensors.shape(&name).is_some() || self.tensors.shape(&format!("{name}_orig")).is_some()
    }

    fn bias(&mut self, weights: &str, asked: Option<bool>) -> Option<Option<Arc<[f32]>>> {
        match asked {
            Some(false) => Some(None),
            None if !self.has(weights, "bias") => Some(None),
            _ => self.list(weights, "bias").map(Some),
        }
    }

    /// Numbers in a row.
    fn list(&mut self, weights: &str, what: &str) -> Option<Arc<[f32]>> {
        let (extents, numbers) = self.table(weights, what)?;
        if extents.len() != 1 {
            self.fault(format!("its {what} has the shape {extents:?}; allowed is one axis"));
            return None;
        }
        Some(numbers)
    }

    fn numbers(&mut self, key: &str, numbers: &Numbers) -> Option<Arc<[f32]>> {
        match numbers {
            Numbers::Given(numbers) if numbers.is_empty() => {
                self.fault(format!(
                    "`{key}` is []; allowed are one number, one per channel or one per element"
                ));
                None
            }
            Numbers::Given(numbers) => Some(numbers.clone().into()),
            Numbers::Tensor(name) => self.table("", name).map(|(_, numbers)| numbers),
        }
    }

    /// The shape and the numbers of the tensor `weights.what`, or of `weights.what_orig` times `weights.what_mask`.
    fn table(&mut self, weights: &str, what: &str) -> Option<(Vec<usize>, Arc<[f32]>)> {
        let name = self.full_name(weights, what);
        let (kept, mask) = (format!("{name}_orig"), format!("{name}_mask"));
        let source = if self.tensors.shape(&name).is_some() || self.tensors.shape(&kept).is_none() {
            &name
        } else {
            &kept
        };
        let Some(shape) = self.tensors.shape(source).map(<[usize]>::to_vec) else {
            let similar = self.similar(&name);
            self.fault(format!("the file has no tensor `{}`; {similar}", name.escape_debug()));
            return None;
        };
        let numbers = self.floats(source)?;
        if *source == name {
            return Some((shape, numbers));
        }
        if self.tensors.shape(&mask) != Some(&shape) {
            self.fault(format!(
                "`{kept}` of shape {shape:?} needs `{mask}` of the same shape (torch.nn.utils.prune)"
            ));
            return None;
        }
        let mask = self.floats(&mask)?;
        Some((shape, numbers.iter().zip(&mask[..]).map(|(number, mask)| number * mask).collect()))
    }

    /// The numbers of a tensor that is there; what is wrong with one is told once.
    fn floats(&mut self, name: &str) -> Option<Arc<[f32]>> {
        self.used.insert(name.to_owned());
        if let Some(known) = self.read.get(name) {
            return known.clone();
        }
        let numbers = match self.tensors.floats(name) {
            Ok(floats) => {
                if floats.rounded > 0 {
                    self.rounded.push(format!(
                        "`{}` ({} of {})",
                        name.escape_debug(),
                        floats.rounded,
                        floats.numbers.len()
                    ));
                }
                Some(floats.numbers.into())
            }
            Err(reason) => {
                self.fault(format!("tensor `{}` {reason}", name.escape_debug()));
                None
            }
        };
        self.read.insert(name.to_owned(), numbers.clone());
        numbers
    }

    /// The names a user may have meant: those of the same module, or those of the same kind.
    fn similar(&self, name: &str) -> String {
        let (module, kind) = name.rsplit_once('.').unwrap_or(("", name));
        let of_module = |other: &&str| other.rsplit_once('.').is_some_and(|(other, _)| other == module);
        let of_kind = |other: &&str| other.rsplit('.').next() == Some(kind);
        let mut found: Vec<&str> = self.tensors.names().filter(of_module).collect();
        if found.is_empty() {
            found = self.tensors.names().filter(of_kind).collect();
        }
        if found.is_empty() {
            found = self.tensors.names().collect();
        }
        format!("there are {}", names(&found))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![];
        let unused: Vec<&str> = self.tensors.names().filter(|name| !self.used.contains(*name)).collect();
        if !unused.is_empty() {
            notes.push(format!("tensors that no layer uses: {}", names(&unused)));
        }
        if !self.rounded.is_empty() {
            notes.push(format!("numbers rounded from f64 to f32: {}", self.rounded.join(", ")));
        }
        notes
    }
}

fn names(names: &[&str]) -> String {
    let mut list: Vec<String> =
        names.iter().take(MOST_NAMES).map(|name| format!("`{}`", name.escape_debug())).collect();
    if names.len() > MOST_NAMES {
        list.push(format!("{} more", names.len() - MOST_NAMES));
    }
    list.join(", ")
}
