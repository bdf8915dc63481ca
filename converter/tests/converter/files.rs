//! Files of every kind: damaged, from the wild, in several parts, large; and pruning them.

use crate::shared;
use rten_onnx::onnx::{
    DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use snn_converter::ann::Op;
use snn_converter::forward::logits;
use snn_converter::import::onnx::Choice;
use snn_converter::import::{Import, ImportError, onnx};
use snn_converter::prune::{PruneError, Scope, prune};
use snn_converter::simplify::simplify;
use snn_formats::{Digest, FileDigest};
use std::cell::RefCell;

fn raw(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(raw(values))),
        ..Default::default()
    }
}

fn port(name: &str, extents: &[i64]) -> ValueInfoProto {
    let batch = Dimension { dim_param: Some("N".into()), ..Default::default() };
    let rest = extents.iter().map(|&e| Dimension { dim_value: Some(e), ..Default::default() });
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(rest).collect() };
    let tensor_type = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor_type), ..Default::default() });
    ValueInfoProto { name: Some(name.into()), r#type }
}

pub fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: Some(format!("node {output}")),
        op_type: Some(op.into()),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

pub fn file(opset: i64, input: &[i64], nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Vec<u8> {
    let output = nodes.last().unwrap().output[0].clone();
    let graph = GraphProto {
        node: nodes,
        initializer: constants,
        input: vec![port("x", input)],
        output: vec![port(&output, &[])],
        value_info: vec![],
    };
    let set = OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) };
    let model =
        ModelProto { ir_version: Some(8), graph: Some(graph), opset_import: vec![set], ..Default::default() };
    model.write_buf().unwrap()
}

/// Two inputs, two hidden units, one output.
fn small() -> Vec<u8> {
    let nodes = vec![
        node("Gemm", &["x", "w1", "b1"], "h"),
        node("Relu", &["h"], "r"),
        node("Reshape", &["r", "s"], "v"),
        node("MatMul", &["v", "w2"], "y"),
    ];
    let shape = TensorProto {
        name: Some("s".into()),
        dims: vec![2],
        data_type: Some(DataType::INT64),
        int64_data: vec![-1, 2],
        ..Default::default()
    };
    let constants = vec![
        tensor("w1", &[2, 2], &[1.0, -2.0, 3.0, 0.5]),
        tensor("b1", &[2], &[0.25, -1.0]),
        shape,
        tensor("w2", &[2, 1], &[2.0, -1.0]),
    ];
    file(17, &[2], nodes, constants)
}

#[test]
fn a_damaged_file_is_an_error_or_another_net_but_never_a_panic() {
    let good = small();
    assert!(onnx::import(good.clone(), None).is_ok());
    let mut errors = 0;
    for length in 0..good.len() {
        // A cut at the end of a field may leave a whole net; simplifying it must not panic either.
        match onnx::import(good[..length].to_vec(), None) {
            Ok(import) => drop(simplify(&import.ann)),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                errors += 1;
            }
        }
    }
    assert!(errors > good.len() - 10, "{errors} of {} cuts", good.len());
    let mut refused = 0;
    for at in 0..good.len() {
        for flip in [0x01, 0x02, 0x08, 0x10, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            match onnx::import(bad.clone(), None) {
                Ok(import) => {
                    if let Ok(simple) = simplify(&import.ann)
                        && simple.input_shape().elements() < 1000
                    {
                        drop(logits(&simple, &vec![0.5; simple.input_shape().elements()]));
                    }
                }
                Err(_) => refused += 1,
            }
            drop(prune(&bad, 0.5, Scope::Global));
        }
    }
    assert!(refused > 1000, "{refused} flips were refused");
}

#[test]
fn operator_sets_before_7_and_after_28_are_refused() {
    for (opset, supported) in
        [(6, false), (7, true), (9, true), (13, true), (21, true), (28, true), (29, false)]
    {
        let result = onnx::import(file(opset, &[3], vec![node("Relu", &["x"], "y")], vec![]), None);
        match result {
            Ok(_) => assert!(supported, "{opset}"),
            Err(ImportError::Opset { found }) => assert!(found == opset && !supported, "{opset}"),
            Err(error) => panic!("{opset}: {error}"),
        }
    }
}

#[test]
fn an_output_is_chosen_by_the_name_of_an_output_a_tensor_or_a_node() {
    let mut nodes = vec![node("Relu", &["x"], "y"), node("Neg", &["y"], "z"), node("Erf", &["y"], "w")];
    nodes[1].name = Some("minus".into());
    let bytes = file(17, &[3], nodes, vec![]);
    let read = |output: &str| {
        let choice = Choice { output: Some(output.into()), ..Choice::default() };
        onnx::import_chosen(bytes.clone(), None, &choice)
    };
    let x = [1.0, -2.0, 3.0];
    for (name, expected) in [("y", [1.0, 0.0, 3.0]), ("z", [-1.0, 0.0, -3.0]), ("minus", [-1.0, 0.0, -3.0])] {
        assert_eq!(logits(&read(name).unwrap().ann, &x).unwrap(), expected, "{name}");
    }
    // Only what the output needs is judged.
    assert!(read("w").unwrap_err().to_string().contains("Erf"));
    let error = read("elsewhere").unwrap_err().to_string();
    assert!(error.contains("`elsewhere`") && error.contains("`w`"), "{error}");
}

#[test]
fn a_shape_that_the_file_leaves_open_is_that_which_is_chosen() {
    let with = |extents: &[i64], shape: Option<&[usize]>| {
        let choice = Choice { input_shape: shape.map(<[usize]>::to_vec), ..Choice::default() };
        let bytes = file(17, extents, vec![node("Relu", &["x"], "y")], vec![]);
        onnx::import_chosen(bytes, None, &choice).map(|import| import.ann.input_shape().extents().to_vec())
    };
    // What is no size in the file is symbolic.
    assert_eq!(with(&[3, -1, -1], Some(&[3, 5, 7])).unwrap(), [3, 5, 7]);
    for (shape, part) in [
        (None, "choose the shape of a sample"),
        (Some(&[4, 5, 7][..]), "has 3 on axis 1"),
        (Some(&[3, 5]), "3 axes"),
    ] {
        let error = with(&[3, -1, -1], shape).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn numbers_in_other_files_are_read_from_the_place_they_are_said_to_be_at() {
    let entry =
        |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    let external = |location: &str, offset: &str, length: &str| TensorProto {
        name: Some("w".into()),
        dims: vec![1, 2],
        data_type: Some(DataType::FLOAT),
        external_data: vec![entry("location", location), entry("offset", offset), entry("length", length)],
        data_location: Some(DataLocation::EXTERNAL),
        ..Default::default()
    };
    let mut gemm = node("Gemm", &["x", "w"], "y");
    gemm.attribute.push(rten_onnx::onnx::AttributeProto {
        name: Some("transB".into()),
        i: Some(1),
        ..Default::default()
    });
    let net = |w: TensorProto| file(17, &[2], vec![gemm.clone()], vec![w]);
    let folder = std::env::temp_dir().join(format!("snn-event-external-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("w.bin"), raw(&[9.0, 2.0, -3.0])).unwrap();
    let path = folder.join("net.onnx");
    let read = |w: TensorProto| {
        std::fs::write(&path, net(w)).unwrap();
        onnx::read(&path)
    };
    let Import { ann, files, .. } = read(external("w.bin", "4", "8")).unwrap();
    let told = |name: &str| FileDigest::new(name, Digest::of(&std::fs::read(folder.join(name)).unwrap()));
    assert_eq!(files, [told("net.onnx"), told("w.bin")]);
    assert_eq!(logits(&ann, &[1.0, 1.0]).unwrap(), [-1.0]);
    for (location, offset, length) in [
        ("w.bin", "8", "8"),
        ("w.bin", "4", "4"),
        ("w.bin", "-4", "8"),
        ("w.bin", "18446744073709551615", "8"),
        ("missing.bin", "0", "8"),
        ("../w.bin", "0", "8"),
        ("/etc/passwd", "0", "8"),
    ] {
        let error = read(external(location, offset, length)).expect_err(location);
        assert!(error.to_string().contains("`w`"), "{location} {offset} {length}: {error}");
    }
    assert!(onnx::import(net(external("w.bin", "4", "8")), None).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(unix)]
#[test]
fn no_link_pipe_or_device_beside_a_net_is_followed_and_nothing_of_it_is_told() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("net");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    // A number that would stand in an error if it were read: it is not finite.
    std::fs::write(place.path().join("secret"), raw(&[f32::NAN, f32::INFINITY])).unwrap();
    std::fs::write(folder.join("w.bin"), raw(&[2.0, -3.0])).unwrap();
    symlink("../secret", folder.join("link")).unwrap();
    symlink("/dev/zero", folder.join("zero")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("w.bin", folder.join("inside")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    let read = |location: &str| {
        let mut w = tensor("w", &[2, 1], &[]);
        w.raw_data = None;
        w.data_location = Some(DataLocation::EXTERNAL);
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: Some(key.into()),
            value: Some(value.into()),
        };
        w.external_data = vec![entry("location", location)];
        let path = folder.join("net.onnx");
        std::fs::write(&path, file(17, &[2], vec![node("MatMul", &["x", "w"], "y")], vec![w])).unwrap();
        onnx::read(&path)
    };
    for (location, reason) in [
        ("link", "leads out of the folder"),
        ("up/secret", "leads out of the folder"),
        ("zero", "leads out of the folder"),
        ("pipe", "it is a pipe"),
        ("sub", "it is a directory"),
        (".", "no name of a file"),
        ("", "no name of a file"),
        ("../secret", "only files beside or below"),
        ("/dev/zero", "only files beside or below"),
    ] {
        let error = read(location).expect_err(location).to_string();
        assert!(error.contains(reason) && error.contains("`w`"), "{location}: {error}");
        assert!(!error.contains("NaN") && !error.contains("inf"), "{location}: {error}");
    }
    for location in ["inside", "./sub/../w.bin", "././w.bin"] {
        match read(location) {
            Ok(import) => assert_eq!(logits(&import.ann, &[1.0, 1.0]).unwrap(), [-1.0]),
            Err(error) => assert!(location.contains(".."), "{location}: {error}"),
        }
    }
}

#[test]
fn files_from_the_wild_are_read_or_refused_with_every_reason() {
    let Some(folder) = shared::folder("wild") else { return };
    for (name, bytes) in shared::nets(&folder) {
        match (&name[..], onnx::import(bytes, None)) {
            ("dnsmos-model_v8.onnx", Ok(import)) => {
                let simple = simplify(&import.ann).unwrap();
                let kinds: Vec<_> = simple.nodes().iter().map(|node| node.op.kind()).collect();
                assert_eq!(kinds.iter().filter(|&&k| k == "Relu").count(), 7);
                assert!(!kinds.contains(&"Transpose") && !kinds.contains(&"Affine"), "{simple}");
            }
            ("rapidocr-cls.onnx", Err(ImportError::Refused(refusals))) => {
                let count = |op: &str| refusals.iter().filter(|r| r.op == op).count();
                assert_eq!(count("Input"), 1);
                assert_eq!(count("Slice"), 0, "of a shape: {refusals:?}");
                // HardSigmoid converts, its product with an activation does not.
                assert!(count("HardSigmoid") == 0 && count("Mul") > 5, "{refusals:?}");
            }
            ("basic_pitch-nmp.onnx", Err(ImportError::Refused(refusals))) => {
                let outputs: Vec<_> = refusals.iter().map(|r| &r.op[..]).collect();
                assert_eq!(outputs, ["Output"; 3], "{refusals:?}");
                assert!(refusals.iter().all(|r| r.hint.contains("choose one as the output")), "{refusals:?}");
            }
            (name, Ok(_)) => panic!("{name} was read"),
            (name, Err(error)) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn pruning_zeros_exactly_the_smallest_weights_and_nothing_else() {
    let good = small();
    // Of |w1| = 1, 2, 3, ½ and |w2| = 2, 1 the three smallest are ½ and both 1; the tie at 2 stays.
    let pruned = prune(&good, 0.5, Scope::Global).unwrap();
    let weights = |bytes: &[u8]| {
        let ann = onnx::import(bytes.to_vec(), None).unwrap().ann;
        let linear = |op: &Op| match op {
            Op::Linear(linear) => Some(linear.weights.values().to_vec()),
            _ => None,
        };
        ann.nodes().iter().filter_map(|node| linear(&node.op)).collect::<Vec<_>>()
    };
    // Gemm multiplies from the right, so that the weights are turned.
    assert_eq!(weights(&good), [vec![1.0, 3.0, -2.0, 0.5], vec![2.0, -1.0]]);
    assert_eq!(weights(&pruned.bytes), [vec![0.0, 3.0, -2.0, 0.0], vec![2.0, 0.0]]);
    assert_eq!(pruned.bytes.len(), good.len());
    let changed = good.iter().zip(&pruned.bytes).filter(|(a, b)| a != b).count();
    assert!(changed <= 12, "{changed} bytes differ");
    let table: Vec<_> =
        pruned.tensors.iter().map(|t| (&t.name[..], t.weights, t.zeros_before, t.zeros_after)).collect();
    assert_eq!(table, [("w1", 4, 0, 2), ("w2", 2, 0, 1)]);
    // Among equal magnitudes the first go first.
    let one = prune(&good, 4.0 / 6.0, Scope::Global).unwrap();
    assert_eq!(weights(&one.bytes), [vec![0.0, 3.0, 0.0, 0.0], vec![2.0, 0.0]]);
    let layer = prune(&good, 0.5, Scope::Layer).unwrap();
    assert_eq!(weights(&layer.bytes), [vec![0.0, 3.0, -2.0, 0.0], vec![2.0, 0.0]]);
    assert_eq!(prune(&good, 0.0, Scope::Global).unwrap().bytes, good);
    assert_eq!(weights(&prune(&good, 1.0, Scope::Layer).unwrap().bytes), [vec![0.0; 4], vec![0.0; 2]]);
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(prune(&good, bad, Scope::Global), Err(PruneError::Sparsity(_))));
    }
    let none = file(17, &[3], vec![node("Relu", &["x"], "y")], vec![]);
    assert_eq!(prune(&none, 0.5, Scope::Layer), Err(PruneError::Nothing));
}

#[test]
fn pruning_a_real_net_leaves_the_share_of_weights_asked_for() {
    let Some(folder) = shared::folder("nets") else { return };
    for (name, bytes) in shared::nets(&folder) {
        if !["mlp-bias-dense.onnx", "cifar-resnet-dense.bn.onnx", "mlp300-p90.onnx"].contains(&&name[..]) {
            continue;
        }
        for scope in [Scope::Global, Scope::Layer] {
            let pruned = prune(&bytes, 0.95, scope).unwrap();
            let weights: usize = pruned.tensors.iter().map(|t| t.weights).sum();
            let zeros: usize = pruned.tensors.iter().map(|t| t.zeros_after).sum();
            match scope {
                Scope::Global => assert_eq!(zeros, (0.95 * weights as f64).round() as usize, "{name}"),
                Scope::Layer => {
                    for t in &pruned.tensors {
                        let asked = (0.95 * t.weights as f64).round() as usize;
                        assert_eq!(t.zeros_after, asked.max(t.zeros_before), "{name}");
                    }
                }
            }
            assert!(onnx::import(pruned.bytes, None).is_ok());
        }
    }
}

#[test]
fn a_number_that_is_not_finite_is_an_error_with_the_name_of_its_node() {
    let weights = tensor("w", &[1, 1], &[3e38]);
    let nodes = vec![node("MatMul", &["x", "w"], "h"), node("Relu", &["h"], "y")];
    let ann = onnx::import(file(17, &[1], nodes.clone(), vec![weights]), None).unwrap().ann;
    let error = logits(&ann, &[1.0, 0.5, 10.0]).unwrap_err().to_string();
    assert!(error.contains("`node h`") && error.contains("sample 2"), "{error}");
    assert!(logits(&ann, &[f32::NAN]).unwrap_err().to_string().contains("`x`"));
    let error =
        onnx::import(file(17, &[1], nodes, vec![tensor("w", &[1, 1], &[f32::NAN])]), None).unwrap_err();
    assert!(error.to_string().contains("`node h`"), "{error}");
}
