//! The layers of a net in execution order, as a user writes them down in TOML for a file that holds weights only.
//!
//! `docs/layer-list.md` has the language with examples; [`LayerList::parse`] reads it.

use super::Fault;
use crate::ann::Shape;
use std::collections::{HashMap, HashSet};
use toml::{Table, Value};

/// The longest text that is read as a layer list, in bytes; a layer takes about a hundred.
const LONGEST: usize = 1 << 22;

/// A parsed layer list. What is wrong with it is kept, so that it can be told together with what is wrong with the
/// tensors ([`state_dict::import`](super::state_dict::import)).
#[derive(Clone, Debug)]
pub struct LayerList {
    pub(super) input: Option<Shape>,
    /// What stands before all names of tensors, without the dot.
    pub(super) prefix: String,
    pub(super) layers: Vec<Layer>,
    /// With the number of the layer; 0 is the list itself.
    pub(super) faults: Vec<(usize, Fault)>,
}

/// A text that is no TOML at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable layer list: {0}")]
pub struct LayerListError(String);

/// One layer of the list.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// How errors call it: number, name, kind.
    pub(super) title: String,
    /// The name of its node.
    pub(super) name: String,
    /// The layers that it takes, from 1; 0 is the input. `None` where a name leads nowhere.
    pub(super) from: Vec<Option<usize>>,
    /// What it computes; `None` if that cannot be made out.
    pub(super) kind: Option<Kind>,
}

/// What a layer computes, before its tensors are read.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Linear {
        weights: String,
        bias: Option<bool>,
    },
    Conv {
        weights: String,
        bias: Option<bool>,
        stride: Extent,
        padding: Padding,
        dilation: Extent,
        groups: usize,
    },
    BatchNorm {
        weights: String,
        epsilon: f32,
    },
    Affine {
        scale: Numbers,
        shift: Numbers,
    },
    Relu,
    Clip {
        max: f32,
    },
    Qcfs {
        levels: u32,
        theta: Numbers,
    },
    AveragePool {
        window: PoolWindow,
        count_include_pad: bool,
    },
    MaxPool {
        window: PoolWindow,
        dilation: Extent,
    },
    GlobalAverage,
    GlobalMax,
    Add,
    Concat {
        axis: usize,
    },
    Flatten,
    View(Shape),
    Transpose {
        perm: Vec<usize>,
    },
    Pad {
        before: Vec<usize>,
        after: Vec<usize>,
    },
}

/// What both kinds of pooling have.
#[derive(Clone, Debug)]
pub(super) struct PoolWindow {
    pub(super) kernel: Extent,
    pub(super) stride: Extent,
    pub(super) padding: Extent,
    pub(super) ceil_mode: bool,
}

/// A size along the spatial axes.
#[derive(Clone, Debug)]
pub(super) enum Extent {
    /// The same along all axes.
    All(usize),
    /// One per axis.
    Each(Vec<usize>),
}

/// Zeros around the input of a convolution.
#[derive(Clone, Debug)]
pub(super) enum Padding {
    Given(Extent),
    /// As many as keep the extents, one more at the end if they are odd in number.
    Same,
}

/// Numbers that stand in the list or in a tensor.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    Given(Vec<f32>),
    Tensor(String),
}

/// All kinds, as they are written.
const KINDS: [&str; 18] = [
    "linear",
    "conv",
    "batchnorm",
    "affine",
    "relu",
    "relu6",
    "clip",
    "qcfs",
    "avgpool",
    "maxpool",
    "global-avgpool",
    "global-maxpool",
    "add",
    "concat",
    "flatten",
    "view",
    "transpose",
    "pad",
];

impl LayerList {
    /// The list in a TOML text. Time and memory are O(length of the text).
    ///
    /// # Errors
    /// If the text is no TOML; it names line and column. Everything else that is wrong is found when the net is made.
    pub fn parse(text: &str) -> Result<Self, LayerListError> {
        if text.len() > LONGEST {
            return Err(LayerListError(format!("{} bytes; at most {LONGEST} are allowed", text.len())));
        }
        let table: Table = text.parse().map_err(|e: toml::de::Error| LayerListError(e.to_string()))?;
        let mut list = LayerList { input: None, prefix: String::new(), layers: vec![], faults: vec![] };
        let mut keys = Keys::of(table);
        let extents = keys.wholes("input");
        if extents.is_none() && !keys.has_faults() {
            keys.fault("`input` is missing; it is the shape of a sample without the batch axis, as `input = [1, 28, 28]`");
        }
        list.input = extents.and_then(|extents| match Shape::new(extents) {
            Ok(shape) if shape.rank() > 0 => Some(shape),
            Ok(_) => {
                keys.fault("`input` is []; it needs at least one axis");
                None
            }
            Err(reason) => {
                keys.fault(&format!("`input`: {reason}"));
                None
            }
        });
        list.prefix = keys.text("prefix").unwrap_or_default().trim_end_matches('.').to_owned();
        let layers = match keys.take("layer") {
            Some(Value::Array(layers)) if !layers.is_empty() => layers,
            Some(Value::Table(_)) => {
                keys.fault("`[layer]` is one table; layers are written `[[layer]]`, with double brackets");
                vec![]
            }
            Some(other) => {
                keys.expected("layer", "tables `[[layer]]`", &other);
                vec![]
            }
            None => {
                keys.fault("no layers; each is a table `[[layer]]`");
                vec![]
            }
        };
        let faults = keys.finish("the list").into_iter();
        list.faults.extend(faults.map(|what| (0, Fault { place: "the list".into(), what })));
        list.read_layers(layers);
        Ok(list)
    }

    fn read_layers(&mut self, layers: Vec<Value>) {
        let mut places = HashMap::from([("input".to_owned(), 0)]);
        let explicit = |layer: &Value| Some(layer.get("name")?.as_str()?.to_owned());
        let mut names: HashSet<String> = layers.iter().filter_map(explicit).collect();
        names.insert("input".into());
        for (before, value) in layers.into_iter().enumerate() {
            let number = before + 1;
            let mut title = format!("layer {number}");
            let Value::Table(table) = value else {
                let what = format!("is {value}; layers are tables `[[layer]]`");
                self.faults.push((number, Fault { place: title.clone(), what }));
                self.layers.push(Layer { name: title.clone(), title, from: vec![None], kind: None });
                continue;
            };
            let mut keys = Keys::of(table);
            let kind = keys.text("kind");
            let name = keys.text("name");
            if let Some(name) = &name {
                title += &format!(" `{}`", name.escape_debug());
            }
            if let Some(kind) = &kind {
                title += &format!(" ({})", kind.escape_debug());
            }
            let from = match keys.take("from") {
                None => vec![Some(before)],
                Some(value) => keys.sources(value, &places),
            };
            let weights = keys.peek_text("weights");
            let read = match kind.as_deref() {
                Some(kind) => keys.kind(kind),
                None => {
                    if !keys.has_faults() {
                        keys.fault(&format!("`kind` is missing; allowed are {}", KINDS.join(", ")));
                    }
                    keys.forget();
                    None
                }
            };
            let taken = match &name {
                Some(name) if name.is_empty() => {
                    keys.fault("`name` is empty; leave it out or give one");
                    true
                }
                Some(name) if places.insert(name.clone(), number).is_some() => {
                    keys.fault("`name` is taken by an earlier layer or the input; every name stands once");
                    true
                }
                Some(_) => false,
                None => true,
            };
            let name = name.filter(|_| !taken).unwrap_or_else(|| {
                let mut name = weights
                    .filter(|w| !w.is_empty() && !names.contains(w))
                    .unwrap_or_else(|| format!("{}{number}", kind.as_deref().unwrap_or("layer")));
                while names.contains(&name) {
                    name.push('_');
                }
                name
            });
            names.insert(name.clone());
            let faults = keys.finish(kind.as_deref().unwrap_or("a layer"));
            self.faults.extend(faults.into_iter().map(|what| (number, Fault { place: title.clone(), what })));
            self.layers.push(Layer { title, name, from, kind: read });
        }
    }
}

/// The keys of one table, taken one by one; those asked for are those allowed.
struct Keys {
    table: Table,
    allowed: Vec<&'static str>,
    faults: Vec<String>,
    /// Set where the kind is unknown, so that nobody knows which keys are allowed.
    any: bool,
}

impl Keys {
    fn of(table: Table) -> Self {
        Keys { table, allowed: vec![], faults: vec![], any: false }
    }

    fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    fn fault(&mut self, what: &str) {
        self.faults.push(what.to_owned());
    }

    fn expected(&mut self, key: &str, allowed: &str, found: &Value) {
        let mut found = found.to_string();
        if found.chars().count() > 80 {
            found = found.chars().take(80).chain(['…']).collect();
        }
        self.faults.push(format!("`{key}` is {found}; allowed are {allowed}"));
    }

    /// Gives up on unknown keys.
    fn forget(&mut self) {
        self.any = true;
    }

    /// All faults, keys that are left over among them.
    fn finish(mut self, of: &str) -> Vec<String> {
        if !self.any {
            for key in self.table.keys() {
                self.faults.push(format!(
                    "unknown key `{}`; {of} has {}",
                    key.escape_debug(),
                    self.allowed.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
                ));
            }
        }
        self.faults
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.allowed.push(key);
        self.table.remove(key)
    }

    fn peek_text(&self, key: &str) -> Option<String> {
        Some(self.table.get(key)?.as_str()?.to_owned())
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.expected(key, "texts in quotes", &other);
                None
            }
        }
    }

    fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(flag) => Some(flag),
            other => {
                self.expected(key, "true and false", &other);
                None
            }
        }
    }

    fn needed<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.allowed.push(key);
            self.faults.push(format!("`{key}` is missing; it is {what}"));
            return None;
        }
        read(self)
    }

    fn whole(&mut self, key: &'static str) -> Option<usize> {
        let value = self.take(key)?;
        let whole = whole(&value);
        if whole.is_none() {
            self.expected(key, "whole numbers from 0", &value);
        }
        whole
    }

    fn wholes(&mut self, key: &'static str) -> Option<Vec<usize>> {
        let value = self.take(key)?;
        let wholes = value.as_array().and_then(|list| list.iter().map(whole).collect());
        if wholes.is_none() {
            self.expected(key, "lists of whole numbers from 0", &value);
        }
        wholes
    }

    /// A size along the axes; a fault leaves the default.
    fn extent(&mut self, key: &'static str) -> Option<Extent> {
        let value = self.take(key)?;
        let extent = match &value {
            Value::Array(list) => list.iter().map(whole).collect::<Option<_>>().map(Extent::Each),
            other => whole(other).map(Extent::All),
        };
        if extent.is_none() {
            self.expected(key, "a whole number from 0, or a list of one per axis", &value);
        }
        extent
    }

    fn number(&mut self, key: &'static str) -> Option<f32> {
        let value = self.take(key)?;
        let number = number(&value);
        if number.is_none() {
            self.expected(key, "finite numbers", &value);
        }
        number
    }

    fn numbers(&mut self, key: &'static str) -> Option<Numbers> {
        let value = self.take(key)?;
        let numbers = match &value {
            Value::String(tensor) => Some(Numbers::Tensor(tensor.clone())),
            Value::Array(list) => list.iter().map(number).collect::<Option<_>>().map(Numbers::Given),
            other => number(other).map(|number| Numbers::Given(vec![number])),
        };
        if numbers.is_none() {
            self.expected(key, "a finite number, a list of them, or the name of a tensor", &value);
        }
        numbers
    }

    fn sources(&mut self, value: Value, places: &HashMap<String, usize>) -> Vec<Option<usize>> {
        let names: Option<Vec<String>> = match &value {
            Value::String(name) => Some(vec![name.clone()]),
            Value::Array(list) if !list.is_empty() => {
                list.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
            }
            _ => None,
        };
        let Some(names) = names else {
            self.expected("from", "the name of a layer, or a list of names", &value);
            return vec![None];
        };
        let mut sources = vec![];
        for name in names {
            let place = places.get(&name).copied();
            if place.is_none() {
                let mut known: Vec<&str> = places.keys().map(String::as_str).collect();
                known.sort_unstable_by_key(|name| places[*name]);
                let known: Vec<String> =
                    known.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                self.faults.push(format!(
                    "`from` has `{}`, which no layer before it is named; named are {}",
                    name.escape_debug(),
                    known.join(", ")
                ));
            }
            sources.push(place);
        }
        sources
    }

    fn weights(&mut self) -> Option<String> {
        self.needed("weights", "what stands before `.weight` in the name of the tensor", |keys| {
            keys.text("weights")
        })
    }

    fn pool_window(&mut self) -> Option<PoolWindow> {
        let kernel = self.needed("kernel", "the size of the window", |keys| keys.extent("kernel"));
        let stride = self.extent("stride").or(kernel.clone());
        let padding = self.extent("padding").unwrap_or(Extent::All(0));
        let ceil_mode = self.flag("ceil_mode").unwrap_or(false);
        Some(PoolWindow { kernel: kernel?, stride: stride?, padding, ceil_mode })
    }

    /// The layer of a kind; what is wrong becomes faults.
    fn kind(&mut self, kind: &str) -> Option<Kind> {
        match kind {
            "linear" => {
                let (weights, bias) = (self.weights(), self.flag("bias"));
                Some(Kind::Linear { weights: weights?, bias })
            }
            "conv" => {
                let (weights, bias) = (self.weights(), self.flag("bias"));
                let stride = self.extent("stride").unwrap_or(Extent::All(1));
                let padding = match self.table.get("padding").and_then(Value::as_str) {
                    Some("same") => {
                        self.take("padding");
                        Padding::Same
                    }
                    Some("valid") => {
                        self.take("padding");
                        Padding::Given(Extent::All(0))
                    }
                    _ => Padding::Given(self.extent("padding").unwrap_or(Extent::All(0))),
                };
                let dilation = self.extent("dilation").unwrap_or(Extent::All(1));
                let groups = self.whole("groups").unwrap_or(1);
                Some(Kind::Conv { weights: weights?, bias, stride, padding, dilation, groups })
            }
            "batchnorm" => {
                let (weights, epsilon) = (self.weights(), self.number("eps").unwrap_or(1e-5));
                if epsilon < 0.0 {
                    self.faults.push(format!("`eps` is {epsilon}; allowed are numbers from 0"));
                }
                Some(Kind::BatchNorm { weights: weights?, epsilon })
            }
            "affine" => {
                let scale = self.numbers("scale").unwrap_or(Numbers::Given(vec![1.0]));
                let shift = self.numbers("shift").unwrap_or(Numbers::Given(vec![0.0]));
                Some(Kind::Affine { scale, shift })
            }
            "relu" => Some(Kind::Relu),
            "relu6" => Some(Kind::Clip { max: 6.0 }),
            "clip" => {
                let max =
                    self.needed("max", "the upper bound; the lower one is 0", |keys| keys.number("max"));
                Some(Kind::Clip { max: max? })
            }
            "qcfs" => {
                let levels = self.needed("levels", "the number L of levels", |keys| {
                    let levels = keys.whole("levels")?;
                    let fits = u32::try_from(levels).ok().filter(|&levels| (1..=1 << 24).contains(&levels));
                    if fits.is_none() {
                        keys.faults.push(format!("`levels` is {levels}; allowed are 1 to {}", 1 << 24));
                    }
                    fits
                });
                let theta = self.needed(
                    "theta",
                    "the trained threshold θ: a number or the name of a tensor",
                    |keys| keys.numbers("theta"),
                );
                Some(Kind::Qcfs { levels: levels?, theta: theta? })
            }
            "avgpool" => {
                let (window, count) = (self.pool_window(), self.flag("count_include_pad").unwrap_or(true));
                Some(Kind::AveragePool { window: window?, count_include_pad: count })
            }
            "maxpool" => {
                let (window, dilation) =
                    (self.pool_window(), self.extent("dilation").unwrap_or(Extent::All(1)));
                Some(Kind::MaxPool { window: window?, dilation })
            }
            "global-avgpool" => Some(Kind::GlobalAverage),
            "global-maxpool" => Some(Kind::GlobalMax),
            "add" => Some(Kind::Add),
            "concat" => Some(Kind::Concat { axis: self.whole("axis").unwrap_or(0) }),
            "flatten" => Some(Kind::Flatten),
            "view" => {
                let extents = self.needed("shape", "the shape of a sample", |keys| keys.wholes("shape"))?;
                let shape = Shape::new(extents);
                shape.map(Kind::View).map_err(|reason| self.faults.push(format!("`shape`: {reason}"))).ok()
            }
            "transpose" => {
                let what = "for each axis of the result the axis that it was, from 0";
                Some(Kind::Transpose { perm: self.needed("perm", what, |keys| keys.wholes("perm"))? })
            }
            "pad" => {
                let what = "the zeros on one side of each axis, channels first";
                let before = self.needed("before", what, |keys| keys.wholes("before"));
                let after = self.needed("after", what, |keys| keys.wholes("after"));
                Some(Kind::Pad { before: before?, after: after? })
            }
            _ => {
                let hint = match kind {
                    "dropout" | "identity" | "softmax" | "log-softmax" => {
                        ": leave this layer out, it does not change the class"
                    }
                    _ => "",
                };
                self.faults.push(format!("this kind is not known{hint}; allowed are {}", KINDS.join(", ")));
                self.forget();
                None
            }
        }
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_integer().and_then(|number| usize::try_from(number).ok())
}

fn number(value: &Value) -> Option<f32> {
    let number = match value {
        Value::Integer(number) => *number as f32,
        Value::Float(number) => *number as f32,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

impl Extent {
    /// `[height, width]` for a number of axes; the height of a one-dimensional window is `fill`.
    pub(super) fn pair(&self, key: &str, axes: usize, fill: usize) -> Result<[usize; 2], String> {
        match (self, axes) {
            (Self::All(size), 1) => Ok([fill, *size]),
            (Self::All(size), _) => Ok([*size; 2]),
            (Self::Each(sizes), 1) if sizes.len() == 1 => Ok([fill, sizes[0]]),
            (Self::Each(sizes), 2) if sizes.len() == 2 => Ok([sizes[0], sizes[1]]),
            (Self::Each(sizes), _) => Err(format!(
                "`{key}` is {sizes:?}; allowed are one number, or a list of {axes}: one per axis"
            )),
        }
    }
}
