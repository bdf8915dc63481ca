//! Transformers: an encoder block is refused with the list of all its nodes that are no sums of weighted spikes, and what mixes
//! tokens and features by linear maps and ReLU converts.

use crate::files::{file, node, tensor};
use rten_onnx::onnx::{AttributeProto, NodeProto};
use snn_converter::import::{ImportError, onnx};
use snn_converter::{Normalise, Options, convert};

/// Tokens and features.
const TOKENS: i64 = 5;
const FEATURES: i64 = 8;

fn weights(name: &str, dims: &[i64]) -> rten_onnx::onnx::TensorProto {
    let count: i64 = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i * 7 % 11) as f32 / 8.0 - 0.5).collect();
    tensor(name, dims, &values)
}

fn turned(input: &str, output: &str) -> NodeProto {
    let mut turned = node("Transpose", &[input], output);
    turned.attribute.push(AttributeProto {
        name: Some("perm".into()),
        ints: vec![0, 2, 1],
        ..Default::default()
    });
    turned
}

/// An encoder block that normalises first: attention of one head and a perceptron, each added to what goes into it.
fn encoder_block() -> Vec<u8> {
    let nodes = vec![
        node("LayerNormalization", &["x", "g1", "b1"], "norm1"),
        node("MatMul", &["norm1", "wq"], "queries"),
        node("MatMul", &["norm1", "wk"], "keys"),
        node("MatMul", &["norm1", "wv"], "values"),
        turned("keys", "turned"),
        node("MatMul", &["queries", "turned"], "products"),
        node("Mul", &["products", "scale"], "scores"),
        node("Softmax", &["scores"], "attention"),
        node("MatMul", &["attention", "values"], "context"),
        node("MatMul", &["context", "wo"], "out"),
        node("Add", &["out", "x"], "first"),
        node("LayerNormalization", &["first", "g2", "b2"], "norm2"),
        node("MatMul", &["norm2", "w1"], "hidden"),
        node("Relu", &["hidden"], "active"),
        node("MatMul", &["active", "w2"], "back"),
        node("Add", &["back", "first"], "y"),
    ];
    let square = [FEATURES, FEATURES];
    let mut constants: Vec<_> = ["wq", "wk", "wv", "wo"].map(|name| weights(name, &square)).into();
    constants.extend(["g1", "b1", "g2", "b2"].map(|name| weights(name, &[FEATURES])));
    constants.extend([weights("w1", &[FEATURES, 2 * FEATURES]), weights("w2", &[2 * FEATURES, FEATURES])]);
    constants.push(tensor("scale", &[1], &[0.25]));
    file(17, &[TOKENS, FEATURES], nodes, constants)
}

#[test]
fn an_encoder_block_is_refused_with_every_node_that_no_sum_of_spikes_is() {
    let error = onnx::import(encoder_block(), None).unwrap_err();
    let ImportError::Refused(refusals) = &error else { panic!("{error}") };
    let found: Vec<_> = refusals.iter().map(|refusal| (&refusal.node[..], &refusal.op[..])).collect();
    let expected = [
        ("node norm1", "LayerNormalization"),
        ("node products", "MatMul"),
        ("node attention", "Softmax"),
        ("node context", "MatMul"),
        ("node norm2", "LayerNormalization"),
    ];
    assert_eq!(found, expected, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("5 nodes cannot be converted:"), "{text}");
    for words in [
        "statistics are those of each input",
        "multiplies two activations",
        "divides by a sum of activations",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_mixer_of_tokens_and_features_keeps_its_weights_shared_and_converts() {
    let nodes = vec![
        turned("x", "by feature"),
        node("MatMul", &["by feature", "t1"], "mixed"),
        node("Relu", &["mixed"], "active"),
        node("MatMul", &["active", "t2"], "unmixed"),
        turned("unmixed", "by token"),
        node("Add", &["by token", "x"], "tokens"),
        node("Relu", &["tokens"], "positive"),
        node("MatMul", &["positive", "f1"], "wide"),
        node("Relu", &["wide"], "wider"),
        node("MatMul", &["wider", "f2"], "narrow"),
        node("Add", &["narrow", "positive"], "y"),
    ];
    let constants = vec![
        weights("t1", &[TOKENS, 6]),
        weights("t2", &[6, TOKENS]),
        weights("f1", &[FEATURES, 12]),
        weights("f2", &[12, FEATURES]),
    ];
    let trained = (2 * TOKENS * 6 + 2 * FEATURES * 12) as u64;
    // Every feature has weights of its own for the tokens, every token for the features.
    let written_out = (2 * TOKENS * 6 * FEATURES + 2 * FEATURES * 12 * TOKENS) as u64;
    let ann = onnx::import(file(17, &[TOKENS, FEATURES], nodes, constants), None).unwrap().ann;
    let simple = snn_converter::simplify::simplify(&ann).unwrap();
    let options = Options { normalise: Some(Normalise::None), ..Options::default() };
    let network = convert(&simple, None, &options).unwrap().network;
    let stored: u64 = network.projections().iter().map(|p| p.connectivity().stored_weights()).sum();
    // Beside the trained ones there are those of the sums, one for each token and feature.
    let sums = 3 * (TOKENS * FEATURES) as u64;
    assert!(trained + sums < written_out / 3);
    assert!(stored <= trained + sums, "{stored} of {trained}");
}
