//! Fully connected nets given as plain arrays: `W0`, `b0`, `W1`, `b1`, …
//!
//! | array | shape | meaning |
//! |---|---|---|
//! | `W0`, `W1`, … | `[out, in]` | weights of layer 0, 1, … |
//! | or `W0.data`, `W0.indices`, `W0.indptr`, `W0.shape` | | the same as the parts of a SciPy CSR matrix |
//! | `b0`, `b1`, … | `[out]` | biases, a current of every step; left out: 0 |
//! | `theta` | `[]` or `[layers]` | thresholds; if given, the net is a spiking one already |
//! | `v_start` | `[]` or `[layers]` | potential before the first step; left out: 0 |
//! | `reset` | text | `subtract` (the default) or `zero` |
//!
//! Without `theta` the net has a ReLU behind every layer but the last, and is to be converted like any other.
//! Populations are called `input`, `layer0`, `layer1`, ….

use crate::affine::Runs;
use crate::ann::{Ann, AnnError, Csr, Linear, Op, Shape, Weights};
use crate::lower::{Receiver, scatter};
use snn_engine::{IntegrateFire, Layout, Network, NetworkBuilder, NetworkError, Neuron, PerNeuron, Reset};
use std::collections::BTreeMap;

/// Inputs that any sparse layer may have: a thousand bytes can state as many as there are. One for each number that the
/// layer lists on top of it.
const SPARSE_INPUTS: usize = 1 << 20;

/// One array of a net.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArray {
    /// Its name.
    pub name: String,
    /// Its shape; its values are in row-major order.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: ArrayValues,
}

/// The values of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayValues {
    /// Numbers.
    Numbers(Vec<f32>),
    /// Whole numbers, such as the indices of a sparse matrix.
    Whole(Vec<i64>),
    /// A text.
    Text(String),
}

/// What the arrays make.
#[derive(Clone, Debug)]
pub enum NumpyNet {
    /// A spiking network as it is: every layer fires.
    Spiking(Box<Network>),
    /// A trained net to convert.
    Trained(Ann),
}

/// Arrays that do not make a net.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("array `{array}` {what}")]
pub struct NumpyNetError {
    /// The array.
    pub array: String,
    /// What was found and what is allowed.
    pub what: String,
}

fn refuse(array: impl Into<String>, what: impl Into<String>) -> NumpyNetError {
    NumpyNetError { array: array.into(), what: what.into() }
}

/// One layer: for each target its sources and weights.
struct Layer {
    outputs: usize,
    inputs: usize,
    weights: Weights,
    bias: Vec<f32>,
}

/// The net that the arrays make, and a note about arrays that have no meaning here.
///
/// # Errors
/// If layers are missing or do not fit together, a sparse matrix is damaged, a number is not finite, or a parameter is not
/// allowed.
pub fn numpy_net(arrays: Vec<NamedArray>) -> Result<(NumpyNet, Vec<String>), NumpyNetError> {
    let mut arrays = by_name(arrays)?;
    let layers = take_layers(&mut arrays)?;
    let count = layers.len();
    let theta = take_parameter(&mut arrays, "theta", count)?;
    let start = take_parameter(&mut arrays, "v_start", count)?;
    let reset = arrays.remove("reset");
    let net = match theta {
        Some(theta) => NumpyNet::Spiking(Box::new(spiking(&layers, &theta, start, reset)?)),
        None => {
            let lonely = [("v_start", start.is_some()), ("reset", reset.is_some())];
            if let Some((name, _)) = lonely.iter().find(|(_, given)| *given) {
                return Err(refuse(
                    *name,
                    "is given without `theta`; a spiking net needs `theta` too, a net to convert neither",
                ));
            }
            NumpyNet::Trained(trained(layers)?)
        }
    };
    let ignored: Vec<String> = arrays.into_keys().map(|name| format!("`{name}`")).collect();
    let notes = if ignored.is_empty() {
        vec![]
    } else {
        vec![format!("arrays without meaning for a net: {}", ignored.join(", "))]
    };
    Ok((net, notes))
}

type Arrays = BTreeMap<String, NamedArray>;

fn by_name(arrays: Vec<NamedArray>) -> Result<Arrays, NumpyNetError> {
    let mut named = Arrays::new();
    for array in arrays {
        let length = match &array.values {
            ArrayValues::Numbers(values) => Some(values.len()),
            ArrayValues::Whole(values) => Some(values.len()),
            ArrayValues::Text(_) => None,
        };
        let product = array.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        if length.is_some() && product != length {
            return Err(refuse(array.name, format!("has {length:?} values for the shape {:?}", array.shape)));
        }
        if let Some(twice) = named.insert(array.name.clone(), array) {
            return Err(refuse(twice.name, "is given twice"));
        }
    }
    Ok(named)
}

fn take_layers(arrays: &mut Arrays) -> Result<Vec<Layer>, NumpyNetError> {
    let mut layers: Vec<Layer> = Vec::new();
    loop {
        let place = layers.len();
        let name = format!("W{place}");
        let (shape, weights) = if let Some(array) = arrays.remove(&name) {
            let [outputs, inputs] = array.shape[..] else {
                return Err(refuse(name, format!("has the shape {:?}; allowed is [out, in]", array.shape)));
            };
            ([outputs, inputs], Weights::from(numbers(array)?))
        } else if arrays.contains_key(&format!("{name}.data")) {
            take_sparse(arrays, &name)?
        } else {
            break;
        };
        let [outputs, inputs] = shape;
        if outputs == 0 || inputs == 0 {
            return Err(refuse(name, format!("has the shape {shape:?}; allowed are sizes of at least 1")));
        }
        if let Some(before) = layers.last().map(|layer| layer.outputs)
            && before != inputs
        {
            return Err(refuse(
                name,
                format!("takes {inputs} inputs, but the layer before has {before} outputs"),
            ));
        }
        let name = format!("b{place}");
        let bias = match arrays.remove(&name) {
            Some(array) if array.shape == [outputs] => numbers(array)?,
            Some(array) => {
                return Err(refuse(name, format!("has the shape {:?}; allowed is [{outputs}]", array.shape)));
            }
            None => vec![0.0; outputs],
        };
        layers.push(Layer { outputs, inputs, weights, bias });
    }
    let numbered = |name: &str| {
        let number = name.strip_prefix('W').or_else(|| name.strip_prefix('b'))?;
        number.split('.').next()?.parse::<usize>().ok()
    };
    if let Some(name) = arrays.keys().find(|name| numbered(name).is_some()) {
        return Err(refuse(
            name,
            format!(
                "belongs to no layer: there is no `W{}` (a sparse one has `.data`, `.indices`, `.indptr`, `.shape`)",
                layers.len()
            ),
        ));
    }
    if layers.is_empty() {
        return Err(refuse("W0", "is missing; a net has `W0`, `b0`, `W1`, … of shapes [out, in] and [out]"));
    }
    Ok(layers)
}

/// A CSR matrix from its parts, checked.
fn take_sparse(arrays: &mut Arrays, name: &str) -> Result<([usize; 2], Weights), NumpyNetError> {
    let mut take = |part: &str| {
        let name = format!("{name}.{part}");
        arrays.remove(&name).ok_or_else(|| {
            refuse(&name, "is missing; a sparse matrix has `.data`, `.indices`, `.indptr` and `.shape`")
        })
    };
    let (data, indices, starts, shape) = (take("data")?, take("indices")?, take("indptr")?, take("shape")?);
    let at = |part: &str| format!("{name}.{part}");
    let [outputs, inputs] = unsigned::<usize>(shape)?[..] else {
        return Err(refuse(at("shape"), "has not two numbers; allowed is [out, in]"));
    };
    let values = numbers(data)?;
    let columns = unsigned::<u32>(indices)?;
    let starts = unsigned::<u64>(starts)?;
    if columns.len() != values.len() {
        return Err(refuse(
            at("indices"),
            format!("has {} numbers for {} weights", columns.len(), values.len()),
        ));
    }
    let ends = [starts.first().copied(), starts.last().copied()] == [Some(0), Some(values.len() as u64)];
    if outputs.checked_add(1) != Some(starts.len()) || !ends || !starts.is_sorted() {
        return Err(refuse(
            at("indptr"),
            format!("does not ascend from 0 to {} in {outputs} + 1 numbers", values.len()),
        ));
    }
    let most = SPARSE_INPUTS.saturating_add(starts.len()).saturating_add(columns.len());
    if inputs > most {
        return Err(refuse(
            at("shape"),
            format!(
                "has {inputs} inputs; allowed are at most {most} for a matrix of {} weights",
                columns.len()
            ),
        ));
    }
    let csr = Csr::new(inputs, starts, columns, values).map_err(|reason| {
        refuse(at("indices"), format!("does not fit: {reason}; call sum_duplicates() before saving"))
    })?;
    Ok(([outputs, inputs], csr.into()))
}

fn numbers(array: NamedArray) -> Result<Vec<f32>, NumpyNetError> {
    let values: Vec<f32> = match array.values {
        ArrayValues::Numbers(values) => values,
        ArrayValues::Whole(values) => values.into_iter().map(|value| value as f32).collect(),
        ArrayValues::Text(_) => return Err(refuse(array.name, "is a text; allowed are numbers")),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            Err(refuse(array.name, format!("has {} at place {at}; allowed are finite numbers", values[at])))
        }
        None => Ok(values),
    }
}

fn unsigned<T: TryFrom<i64>>(array: NamedArray) -> Result<Vec<T>, NumpyNetError> {
    let ArrayValues::Whole(values) = array.values else {
        return Err(refuse(array.name, "does not hold whole numbers; allowed are integer types"));
    };
    let number = |value: i64| {
        T::try_from(value).map_err(|_| {
            refuse(&array.name, format!("has {value}; allowed are numbers from 0 to below 2^32"))
        })
    };
    values.into_iter().map(number).collect()
}

/// One number per layer.
fn take_parameter(arrays: &mut Arrays, name: &str, layers: usize) -> Result<Option<Vec<f32>>, NumpyNetError> {
    let Some(array) = arrays.remove(name) else {
        return Ok(None);
    };
    let values = numbers(array)?;
    match values[..] {
        [value] => Ok(Some(vec![value; layers])),
        _ if values.len() == layers => Ok(Some(values)),
        _ => Err(refuse(name, format!("has {} numbers; allowed are 1 or {layers}", values.len()))),
    }
}

fn flat(size: usize) -> Result<Layout, NumpyNetError> {
    u32::try_from(size).map(Layout::Flat).map_err(|_| refuse("W0", "has 2^32 neurons or more on one side"))
}

fn spiking(
    layers: &[Layer],
    theta: &[f32],
    start: Option<Vec<f32>>,
    reset: Option<NamedArray>,
) -> Result<Network, NumpyNetError> {
    let reset = match reset.map(|array| array.values) {
        None => Reset::Subtract,
        Some(ArrayValues::Text(text)) if text == "subtract" => Reset::Subtract,
        Some(ArrayValues::Text(text)) if text == "zero" => Reset::Zero,
        Some(other) => {
            return Err(refuse(
                "reset",
                format!("is {other:?}; allowed are the texts `subtract` and `zero`"),
            ));
        }
    };
    let start = start.unwrap_or_else(|| vec![0.0; layers.len()]);
    let mut builder = NetworkBuilder::new();
    let mut before = builder.population("input", flat(layers[0].inputs)?, Neuron::Source);
    for (place, layer) in layers.iter().enumerate() {
        let fail = |array: String| move |error: NetworkError| refuse(array.clone(), error.to_string());
        let neuron = IntegrateFire {
            threshold: PerNeuron::same(theta[place]).map_err(fail("theta".into()))?,
            bias: PerNeuron::repeating(layer.bias.clone().into()).map_err(fail(format!("b{place}")))?,
            start: PerNeuron::same(start[place]).map_err(fail("v_start".into()))?,
            reset,
        };
        let layout = flat(layer.outputs)?;
        let population = builder.population(format!("layer{place}"), layout, Neuron::of(neuron));
        let unscaled = Runs::same(layer.outputs, 1.0);
        let receiver = Receiver { layout, scale: &unscaled };
        let connectivity = scatter(flat(layer.inputs)?, &receiver, |output, each| {
            layer.weights.row(output, layer.inputs).for_each(|input, weight| each(input, f64::from(weight)));
        })
        .map_err(fail(format!("W{place}")))?;
        builder.projection(before, population, 0, connectivity);
        before = population;
    }
    builder.build().map_err(|error| refuse("theta", error.to_string()))
}

fn trained(layers: Vec<Layer>) -> Result<Ann, NumpyNetError> {
    let graph = |error: AnnError| refuse(error.node, error.reason);
    let shape = |size: usize| Shape::new([size]).map_err(|reason| refuse("W0", reason));
    let mut ann = Ann::new("input", shape(layers[0].inputs)?).map_err(graph)?;
    let mut before = ann.input();
    let last = layers.len() - 1;
    for (place, layer) in layers.into_iter().enumerate() {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let linear = Linear { weights: layer.weights, bias: Some(layer.bias.into()), inputs, outputs };
        let name = format!("layer{place}");
        if place == last {
            ann.push(name, Op::Linear(linear), &[before]).map_err(graph)?;
        } else {
            before = ann.push(format!("{name}.sum"), Op::Linear(linear), &[before]).map_err(graph)?;
            before = ann.push(name, Op::Relu, &[before]).map_err(graph)?;
        }
    }
    Ok(ann)
}
