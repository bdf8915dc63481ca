//! Nets and images beside the repository, and rten as the judge of what a net yields.

use flate2::read::GzDecoder;
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use snn_converter::ann::{Ann, NodeId};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder of the real nets and images, if it is there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// All ONNX files of a folder, plain or gzipped, in the order of their names.
pub fn nets(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut nets = vec![];
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        if name.ends_with(".onnx") {
            nets.push((name, bytes));
        } else if name.ends_with(".onnx.gz") {
            let mut plain = vec![];
            GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            nets.push((name, plain));
        }
    }
    assert!(!nets.is_empty(), "no nets in {}", folder.display());
    nets
}

/// The first `count` samples of the images that belong to a net of the folder of nets.
pub fn images(net: &str, count: usize) -> Vec<f32> {
    let (file, scale) = match net {
        _ if net.starts_with("cifar") => ("cifar10_x_test.npy", 1.0),
        _ if net.starts_with("resnet20") => ("cifar10n_x_test.npy", 1.0),
        _ if net.starts_with("efficientnet") => ("imagenet_x_test.npy", 1.0),
        _ if net.starts_with("nmnist") => ("nmnist_rate_test.npy", 10.0),
        _ => ("mnist_x_test.npy", 1.0),
    };
    let path = folder("").unwrap().join(file);
    let array = snn_formats::npy::read(path).unwrap();
    let elements: usize = array.shape[1..].iter().product();
    let mut values = array.into_f32().unwrap();
    values.truncate(count * elements);
    values.iter_mut().for_each(|x| *x *= scale);
    if net.starts_with("efficientnet") {
        values.iter_mut().for_each(|x| *x = (*x - 127.0) / 128.0);
    }
    values
}

/// What rten yields for the tensors that the nodes of a net have, `[samples][elements]` each.
pub fn judge(onnx: &[u8], ann: &Ann, samples: &[f32]) -> HashMap<NodeId, Vec<f32>> {
    let model = rten::ModelOptions::with_all_ops().enable_optimization(false).load(onnx.to_vec()).unwrap();
    let nodes: Vec<_> = ann
        .iter()
        .skip(1)
        .filter_map(|(id, node)| Some((id, model.find_node(node.tensor.as_deref()?)?)))
        .collect();
    let ids: Vec<_> = nodes.iter().map(|(_, id)| *id).collect();
    let mut shape = vec![samples.len() / ann.input_shape().elements()];
    shape.extend(ann.input_shape().extents());
    let input = Tensor::from_data(&shape, samples.to_vec());
    let outputs = model.run(vec![(model.input_ids()[0], input.into())], &ids, None).unwrap();
    let mut judged = HashMap::from([(ann.input(), samples.to_vec())]);
    for ((id, _), output) in nodes.into_iter().zip(outputs) {
        let output: Tensor<f32> = output.try_into().unwrap();
        judged.insert(id, output.to_vec());
    }
    judged
}

/// The largest difference, as a part of the largest number expected.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs())).max(f32::MIN_POSITIVE);
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}
