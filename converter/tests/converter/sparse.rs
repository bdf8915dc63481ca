//! Sparse weights from files of every kind: they stay sparse, and the net is that of the weights with all their zeros.

use crate::sparse_onnx::{sparse, two_layers};
use snn_converter::ann::{Ann, Linear, Op, Shape, Weights};
use snn_converter::forward::logits;
use snn_converter::import::onnx;
use snn_converter::import::state_dict::{LayerList, StateDict, import};
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, Samples, convert};
use snn_engine::Connectivity;
use std::io::Write;

const INPUTS: usize = 9;
const HIDDEN: usize = 7;
const OUTPUTS: usize = 3;

/// The weight from input `i` to output `o`, most of them 0.
fn weight(o: usize, i: usize) -> f32 {
    if (o * 5 + i * 3).is_multiple_of(4) { (o as f32 - 2.5) / 4.0 + i as f32 / 8.0 } else { 0.0 }
}

/// A matrix in compressed sparse rows.
struct Parts {
    shape: [usize; 2],
    values: Vec<f32>,
    columns: Vec<i64>,
    starts: Vec<i64>,
}

fn parts(outputs: usize, inputs: usize) -> Parts {
    let mut parts = Parts { shape: [outputs, inputs], values: vec![], columns: vec![], starts: vec![0] };
    for o in 0..outputs {
        for i in (0..inputs).filter(|&i| weight(o, i) != 0.0) {
            parts.values.push(weight(o, i));
            parts.columns.push(i as i64);
        }
        parts.starts.push(parts.values.len() as i64);
    }
    parts
}

/// The net with all its zeros.
fn dense() -> Ann {
    let mut ann = Ann::new("input", Shape::new([INPUTS]).unwrap()).unwrap();
    let linear = |outputs: usize, inputs: usize| {
        let weights = (0..outputs * inputs).map(|at| weight(at / inputs, at % inputs)).collect();
        Op::Linear(Linear { weights, bias: None, inputs, outputs })
    };
    let first = ann.push("layer0.sum", linear(HIDDEN, INPUTS), &[ann.input()]).unwrap();
    let relu = ann.push("layer0", Op::Relu, &[first]).unwrap();
    ann.push("layer1", linear(OUTPUTS, HIDDEN), &[relu]).unwrap();
    ann
}

fn from_arrays() -> Ann {
    let mut arrays = vec![];
    for (layer, parts) in [parts(HIDDEN, INPUTS), parts(OUTPUTS, HIDDEN)].into_iter().enumerate() {
        let mut add = |name: &str, length: usize, values| {
            arrays.push(NamedArray { name: format!("W{layer}.{name}"), shape: vec![length], values });
        };
        let shape = parts.shape.map(|extent| extent as i64).to_vec();
        add("data", parts.values.len(), ArrayValues::Numbers(parts.values));
        add("indices", parts.columns.len(), ArrayValues::Whole(parts.columns));
        add("indptr", parts.starts.len(), ArrayValues::Whole(parts.starts));
        add("shape", 2, ArrayValues::Whole(shape));
    }
    match numpy_net(arrays).unwrap().0 {
        NumpyNet::Trained(ann) => ann,
        NumpyNet::Spiking(_) => panic!("a net to convert"),
    }
}

/// A safetensors file with the parts of its matrices by PyTorch's names.
fn safetensors(columns: impl Fn(i64) -> i64) -> tempfile::NamedTempFile {
    let (mut header, mut numbers) = (String::new(), Vec::<u8>::new());
    for (layer, parts) in [parts(HIDDEN, INPUTS), parts(OUTPUTS, HIDDEN)].into_iter().enumerate() {
        let mut add = |name: &str, kind: &str, length: usize, bytes: Vec<u8>| {
            let (first, end) = (numbers.len(), numbers.len() + bytes.len());
            header += &format!(
                "{}\"fc{layer}.weight.{name}\":{{\"dtype\":\"{kind}\",\"shape\":[{length}],\"data_offsets\":[{first},{end}]}}",
                if first == 0 { "" } else { "," }
            );
            numbers.extend(bytes);
        };
        let bytes = |list: &[i64]| list.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let values = parts.values.iter().flat_map(|n| n.to_le_bytes()).collect();
        add("values", "F32", parts.values.len(), values);
        add("crow_indices", "I64", parts.starts.len(), bytes(&parts.starts));
        let narrow = parts.columns.iter().flat_map(|&n| (columns(n) as i32).to_le_bytes()).collect();
        add("col_indices", "I32", parts.columns.len(), narrow);
    }
    let header = format!("{{{header}}}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.write_all(&numbers).unwrap();
    file
}

const LAYERS: &str = "input = [9]\n[[layer]]\nkind = 'linear'\nweights = 'fc0'\nname = 'layer0.sum'\n\
                      [[layer]]\nkind = 'relu'\nname = 'layer0'\n[[layer]]\nkind = 'linear'\nweights = 'fc1'\nname = 'layer1'";

fn from_safetensors(columns: impl Fn(i64) -> i64) -> Result<Ann, String> {
    let file = safetensors(columns);
    let tensors = StateDict::read(file.path()).unwrap();
    let import = import(&tensors, LayerList::parse(LAYERS).unwrap()).map_err(|error| error.to_string())?;
    assert_eq!(import.notes, [""; 0]);
    Ok(import.ann)
}

/// Initialisers `[inputs][outputs]` of a MatMul, places in row-major order or one per axis.
fn initializer(name: &str, outputs: usize, inputs: usize, per_axis: bool) -> Vec<u8> {
    let (mut values, mut places) = (vec![], vec![]);
    for i in 0..inputs {
        for o in (0..outputs).filter(|&o| weight(o, i) != 0.0) {
            values.push(weight(o, i));
            if per_axis {
                places.extend([i as i64, o as i64]);
            } else {
                places.push((i * outputs + o) as i64);
            }
        }
    }
    sparse(name, &[inputs, outputs], &values, &places, per_axis)
}

fn from_onnx(per_axis: bool) -> Ann {
    let matrices = [initializer("w", HIDDEN, INPUTS, per_axis), initializer("v", OUTPUTS, HIDDEN, per_axis)];
    onnx::import(two_layers(INPUTS, &matrices), None).unwrap().ann
}

/// Source, target and the bits of the weight of every synapse.
fn synapses(connectivity: &Connectivity) -> Vec<(usize, usize, u32)> {
    let mut found = vec![];
    for source in 0..connectivity.sources() {
        connectivity.fan_out(source, |target, weight| found.push((source, target, weight.to_bits())));
    }
    found
}

#[test]
fn sparse_weights_stay_sparse_from_every_kind_of_file_and_make_the_network_of_the_dense_ones() {
    let x: Vec<f32> = (0..2 * INPUTS).map(|i| (i * 7 % 5) as f32 / 4.0 - 0.25).collect();
    let options = Options { normalise: Some(Normalise::Max), ..Options::default() };
    let network = |ann: &Ann| {
        let samples = Samples { values: &x, labels: None, expected: None };
        convert(ann, Some(&samples), &options).unwrap().network
    };
    let expected = network(&dense());
    for ann in [from_arrays(), from_safetensors(|c| c).unwrap(), from_onnx(false), from_onnx(true)] {
        for ann in [simplify(&ann).unwrap(), ann] {
            let sparse = ann.nodes().iter().filter_map(|node| match &node.op {
                Op::Linear(linear) => Some(matches!(linear.weights, Weights::Sparse(_))),
                _ => None,
            });
            assert_eq!(sparse.collect::<Vec<_>>(), [true, true], "{ann}");
            assert_eq!(logits(&ann, &x).unwrap(), logits(&dense(), &x).unwrap());
            let found = network(&ann);
            for (found, expected) in found.projections().iter().zip(expected.projections()) {
                assert_eq!(synapses(found.connectivity()), synapses(expected.connectivity()), "{ann}");
            }
        }
    }
}

#[test]
fn damaged_sparse_weights_are_refused_by_name() {
    let error = from_safetensors(|column| column + 3).unwrap_err();
    assert!(error.contains("its sparse weights do not fit: column"), "{error}");
    let error = from_safetensors(|_| -1).unwrap_err();
    assert!(error.contains("`fc0.weight.col_indices` has a number below 0"), "{error}");
    let of = |matrix: Vec<u8>| {
        let matrices = [matrix, initializer("v", OUTPUTS, HIDDEN, false)];
        onnx::import(two_layers(INPUTS, &matrices), None).unwrap_err().to_string()
    };
    for (places, extents, part) in [
        (vec![3, 2], [INPUTS, HIDDEN], "must ascend"),
        (vec![2, 2], [INPUTS, HIDDEN], "must ascend"),
        (vec![1, -1], [INPUTS, HIDDEN], "the place 18446744073709551615"),
        (vec![1, 63], [INPUTS, HIDDEN], "the place 63 of 63"),
        (vec![1, 2], [1 << 40, 1 << 40], "allowed are extents up to"),
        (vec![1, 2], [1 << 26, 1], "too large"),
        (vec![1], [INPUTS, HIDDEN], "0 columns for 1 weights"),
    ] {
        let mut values = sparse("w", &extents, &[1.0, 2.0], &places, false);
        if places.len() == 1 {
            values = sparse("w", &extents, &[1.0], &places, true);
        }
        let error = of(values);
        assert!(error.contains("the sparse constant `w`") && error.contains(part), "{error}");
    }
    // A mask of it would be a matrix with all its zeros.
    let matrices = [initializer("w", HIDDEN, INPUTS, false), initializer("v", OUTPUTS, HIDDEN, false)];
    let bytes = two_layers(INPUTS, &matrices);
    let at = bytes.windows(4).position(|window| window == b"Relu").unwrap();
    let mut other = bytes.clone();
    other[at..at + 4].copy_from_slice(b"Sqrt");
    assert!(onnx::import(other, None).unwrap_err().to_string().contains("Sqrt"));
}
