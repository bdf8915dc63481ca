//! Nets take the memory of the weights that they list, and files that of their numbers.
//!
//! One test in a binary of its own: the counts are those of the whole process.

mod counting;
mod sparse_onnx;

use std::cell::RefCell;
use std::io::Write;

use rten_onnx::onnx::{AttributeProto, DataType, TensorProto};
use snn_converter::import::onnx;
use snn_converter::numpy_net::{ArrayValues, NamedArray, NumpyNet, numpy_net};
use snn_converter::simplify::simplify;
use snn_converter::{Normalise, Options, convert};
use snn_engine::Network;
use sparse_onnx::{sparse, two_layers};

/// Neurons of a layer: two layers of 22,400² have 10⁹ weights, zeros among them.
const SIDE: usize = 22_400;
/// Of each layer.
const LISTED: usize = 500_000;
/// A weight and its place.
const OF_ONE: usize = 8;

/// Places in row-major order, at uneven distances, the first with the last.
fn places() -> impl Iterator<Item = usize> {
    let distance = SIDE * SIDE / LISTED;
    (0..LISTED).map(move |i| i * distance + i * 7919 % distance)
}

fn value(at: usize) -> f32 {
    (at % 1000) as f32 / 500.0 - 0.9985
}

fn arrays() -> Vec<NamedArray> {
    let mut arrays = vec![];
    for layer in 0..2 {
        let mut add = |name: &str, length: usize, values| {
            arrays.push(NamedArray { name: format!("W{layer}.{name}"), shape: vec![length], values });
        };
        let mut starts = vec![0; SIDE + 1];
        places().for_each(|place| starts[place / SIDE + 1] += 1);
        for row in 0..SIDE {
            starts[row + 1] += starts[row];
        }
        add("data", LISTED, ArrayValues::Numbers((0..LISTED).map(value).collect()));
        add("indices", LISTED, ArrayValues::Whole(places().map(|place| (place % SIDE) as i64).collect()));
        add("indptr", SIDE + 1, ArrayValues::Whole(starts));
        add("shape", 2, ArrayValues::Whole(vec![SIDE as i64; 2]));
    }
    arrays
}

fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn sparse_file() -> Vec<u8> {
    let values: Vec<f32> = (0..LISTED).map(value).collect();
    let places: Vec<i64> = places().map(|place| place as i64).collect();
    let of = |name| sparse(name, &[SIDE, SIDE], &values, &places, false);
    two_layers(SIDE, &[of("w"), of("v")])
}

fn converted(ann: &snn_converter::ann::Ann) -> Network {
    let options = Options { normalise: Some(Normalise::None), ..Options::default() };
    convert(ann, None, &options).unwrap().network
}

/// The most memory that work took which ends with a network of all the weights.
fn most(case: &str, work: impl FnOnce() -> Network) {
    let (network, taken) = counting::taken(work);
    let stored: u64 = network.projections().iter().map(|p| p.connectivity().stored_weights()).sum();
    assert_eq!(stored as usize, 2 * LISTED, "{case}");
    let (listed, neurons) = (2 * LISTED * OF_ONE, 3 * SIDE);
    println!("{case}: {taken} bytes, {:.2} times the weights and places", taken as f64 / listed as f64);
    // Of every neuron some numbers: where its row starts, its bias, its name's share.
    assert!(taken <= 3 * listed + 128 * neurons, "{case}: {taken} bytes for {listed}");
}

#[test]
fn a_net_takes_three_times_the_weights_that_it_lists_and_a_file_hardly_more_than_its_numbers() {
    // The arrays themselves are counted.
    most("arrays", || match numpy_net(arrays()).unwrap().0 {
        NumpyNet::Trained(ann) => converted(&ann),
        NumpyNet::Spiking(_) => panic!("a net to convert"),
    });
    let sparse = on_disk(&sparse_file());
    most("sparse initialisers", || {
        let ann = onnx::read(sparse.path()).unwrap().ann;
        converted(&simplify(&ann).unwrap())
    });

    // A net whose numbers are most of its file, as VGG-16's are: 24 MiB in one matrix.
    let (rows, columns) = (3 << 10, 2 << 10);
    let raw = 0.5f32.to_le_bytes().repeat(rows * columns);
    let weights = TensorProto {
        name: Some("w".into()),
        dims: vec![columns as i64, rows as i64],
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(raw)),
        ..Default::default()
    };
    let last = TensorProto {
        name: Some("v".into()),
        dims: vec![columns as i64, 1],
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(0.5f32.to_le_bytes().repeat(columns))),
        ..Default::default()
    };
    let mut model = rten_onnx::onnx::ModelProto::parse_buf(&two_layers(rows, &[])).unwrap();
    model.graph.as_mut().unwrap().initializer = vec![weights, last];
    // As PyTorch writes it: the matrix stands as it is needed, [out, in].
    let first = &mut model.graph.as_mut().unwrap().node[0];
    first.op_type = Some("Gemm".into());
    first.attribute = vec![AttributeProto { name: Some("transB".into()), i: Some(1), ..Default::default() }];
    let bytes = model.write_buf().unwrap();
    drop(model);
    let (file, length) = (on_disk(&bytes), bytes.len());
    drop(bytes);
    let (ann, taken) = counting::taken(|| onnx::read(file.path()).unwrap().ann);
    println!("a file of numbers: {taken} bytes for {length}, {:.2}", taken as f64 / length as f64);
    assert!(10 * taken <= 13 * length, "{taken} bytes for a file of {length}");
    drop(ann);
}
