//! The forward pass against rten, on every tensor of every real net.

use crate::shared;
use snn_converter::ann::{Ann, Op};
use snn_converter::forward::{evaluate_node, forward};
use snn_converter::import::onnx;
use snn_converter::simplify::simplify;
use std::collections::HashMap;

const SAMPLES: usize = 9;
const TOLERANCE: f32 = 1e-4;

/// Compares every node that has a tensor of the file with rten. Returns the number of nodes compared.
fn compare(name: &str, ann: &Ann, bytes: &[u8], samples: &[f32]) -> usize {
    let judged = shared::judge(bytes, ann, samples);
    let wanted: Vec<_> = judged.keys().copied().collect();
    let mut found: HashMap<_, Vec<f32>> = HashMap::new();
    let logits =
        forward(ann, samples, &wanted, |a| found.entry(a.node).or_default().extend(a.values)).unwrap();
    assert_eq!(logits, found[&ann.output()]);
    for (id, expected) in &judged {
        let difference = shared::difference(&found[id], expected);
        assert!(difference <= TOLERANCE, "{name}, node {}: {difference}", ann.node(*id).name);
    }
    judged.len()
}

/// Compares every node on its own, given rten's values of its inputs: a value within rounding of a step of a QCFS
/// activation may fall to either side, and everything behind it differs then. Returns the number of nodes compared.
fn compare_each_node(name: &str, ann: &Ann, bytes: &[u8], samples: &[f32]) -> usize {
    let judged = shared::judge(bytes, ann, samples);
    let mut compared = 0;
    for (id, node) in ann.iter().skip(1) {
        let Some(expected) = judged.get(&id) else { continue };
        let Some(inputs) = node.inputs.iter().map(|i| judged.get(i)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let elements = node.shape.elements();
        for (sample, expected) in expected.chunks_exact(elements).enumerate() {
            let inputs: Vec<&[f32]> = inputs
                .iter()
                .zip(&node.inputs)
                .map(|(x, i)| {
                    let length = ann.node(*i).shape.elements();
                    &x[sample * length..(sample + 1) * length]
                })
                .collect();
            let found = evaluate_node(ann, id, &inputs);
            if let Op::Qcfs { levels, theta } = node.op {
                for ((found, expected), x) in found.iter().zip(expected).zip(inputs[0]) {
                    let steps = x * levels as f32 / theta + 0.5;
                    let at_a_step = (steps - steps.round()).abs() < 1e-5 * steps.abs().max(1.0);
                    let limit = if at_a_step { 1.001 * theta / levels as f32 } else { 1e-6 * theta };
                    assert!(
                        (found - expected).abs() <= limit,
                        "{name}, {}: {x} {found} {expected}",
                        node.name
                    );
                }
            } else {
                let difference = shared::difference(&found, expected);
                assert!(difference <= TOLERANCE, "{name}, node {}: {difference}", node.name);
            }
        }
        compared += 1;
    }
    compared
}

#[test]
fn every_tensor_of_every_shared_net_is_that_of_rten() {
    let Some(folder) = shared::folder("nets") else { return };
    let mut nodes = 0;
    for (name, bytes) in shared::nets(&folder) {
        let ann = onnx::import(bytes.clone(), None).unwrap().ann;
        // A sample of ImageNet takes as long as a hundred others.
        let samples = shared::images(&name, if name.starts_with("efficientnet") { 1 } else { SAMPLES });
        let simple = simplify(&ann).unwrap();
        if name.contains("qcfs") {
            nodes += compare_each_node(&name, &ann, &bytes, &samples);
            nodes += compare_each_node(&name, &simple, &bytes, &samples);
        } else {
            nodes += compare(&name, &ann, &bytes, &samples);
            nodes += compare(&name, &simple, &bytes, &samples);
        }
        assert!(
            !simple.nodes().iter().any(|n| matches!(n.op, Op::Affine(_))),
            "{name}: a map was not folded"
        );
    }
    println!("{nodes} tensors compared");
    assert!(nodes > 1000, "only {nodes} tensors compared");
}

#[test]
fn quantised_activations_have_the_levels_and_thresholds_they_were_trained_with() {
    let Some(folder) = shared::folder("nets") else { return };
    let trained: HashMap<&str, &[f32]> = HashMap::from([
        ("cnn-qcfs-dense", &[1.637692, 1.691116, 1.564128, 3.984957][..]),
        ("cnn-qcfs-p80", &[1.591918, 1.737489, 1.606345, 4.517184]),
        ("cnn-qcfs-p90", &[1.541791, 1.729611, 1.788001, 5.293599]),
        ("cnn-qcfs-p95", &[1.614055, 1.394173, 1.732406, 7.239766]),
        ("cnn-qcfs-p98", &[1.127969, 1.057578, 1.684499, 7.519404]),
        ("mlp-qcfs-p90", &[1.89883, 1.508769]),
        ("mlp-qcfs-p98", &[1.822401, 1.854381]),
    ]);
    let mut seen = 0;
    for (name, bytes) in shared::nets(&folder).into_iter().filter(|(name, _)| name.contains("qcfs")) {
        let ann = onnx::import(bytes, None).unwrap().ann;
        let expected = trained[name.split('.').next().unwrap()];
        let found: Vec<_> = ann
            .nodes()
            .iter()
            .filter_map(|node| match node.op {
                Op::Qcfs { levels, theta } => Some((levels, theta)),
                _ => None,
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for ((levels, theta), expected) in found.iter().zip(expected) {
            assert_eq!(*levels, 8, "{name}");
            assert!((theta - expected).abs() < 1e-6, "{name}: {theta} for {expected}");
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} QCFS nets");
}

#[test]
fn accuracy_on_the_shared_images_is_that_of_the_list_of_nets() {
    let Some(folder) = shared::folder("nets") else { return };
    for (name, file, expected) in [
        ("cnn-max-p90.bn.onnx", "mnist_y_test.npy", 0.986),
        ("cnn-qcfs-p90.onnx", "mnist_y_test.npy", 0.980),
        ("mlp-nobias-p90.onnx.gz", "mnist_y_test.npy", 0.990),
        ("nmnist-mlp-p90.onnx.gz", "nmnist_y_test.npy", 0.870),
    ] {
        let bytes = shared::nets(&folder).into_iter().find(|(n, _)| n == name).unwrap().1;
        let ann = simplify(&onnx::import(bytes, None).unwrap().ann).unwrap();
        let labels =
            snn_formats::npy::read(shared::folder("").unwrap().join(file)).unwrap().into_labels().unwrap();
        let logits = snn_converter::forward::logits(&ann, &shared::images(name, labels.len())).unwrap();
        let argmax =
            |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        let right = logits
            .chunks_exact(ann.output_shape().elements())
            .zip(&labels)
            .filter(|(row, label)| argmax(row) as i64 == **label)
            .count();
        let accuracy = right as f64 / labels.len() as f64;
        assert!((accuracy - expected).abs() < 0.0015, "{name}: {accuracy} for {expected}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_or_on_the_other_samples() {
    let Some(folder) = shared::folder("nets") else { return };
    for (name, bytes) in shared::nets(&folder) {
        if !["cnn-max-p90.bn.onnx", "resnet-p90.onnx", "mlp300-p90.onnx"].contains(&&name[..]) {
            continue;
        }
        let ann = onnx::import(bytes, None).unwrap().ann;
        let samples = shared::images(&name, 37);
        let elements = ann.input_shape().elements();
        let run = |samples: &[f32], threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut seen = vec![vec![]; ann.nodes().len()];
            let wanted: Vec<_> = ann.iter().map(|(id, _)| id).collect();
            let logits = pool.install(|| {
                forward(&ann, samples, &wanted, |a| {
                    assert_eq!(a.first_sample * a.elements, seen[a.node.index()].len());
                    seen[a.node.index()].extend(a.values.iter().map(|x| x.to_bits()));
                })
            });
            assert_eq!(
                logits.unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                seen[ann.output().index()]
            );
            seen
        };
        let all = run(&samples, 1);
        assert_eq!(all, run(&samples, 2), "{name}");
        assert_eq!(all, run(&samples, 3), "{name}");
        for sample in [0, 1, 16, 36] {
            let alone = run(&samples[sample * elements..(sample + 1) * elements], 1);
            for (node, values) in alone.iter().enumerate() {
                let count = values.len();
                assert_eq!(
                    values[..],
                    all[node][sample * count..(sample + 1) * count],
                    "{name}, sample {sample}"
                );
            }
        }
    }
}
