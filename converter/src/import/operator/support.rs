//! Which operators are understood, and what to do about the others.

use super::Objection;

/// The operators that are understood, on activations, each with the most inputs that it has in any operator set.
const KNOWN: &[(&str, usize)] = &[
    ("Abs", 1),
    ("Add", 2),
    ("AveragePool", 1),
    ("BatchNormalization", 5),
    ("Cast", 1),
    ("Clip", 3),
    ("Concat", usize::MAX),
    ("Conv", 3),
    ("ConvTranspose", 3),
    ("DepthToSpace", 1),
    ("DequantizeLinear", 3),
    ("Div", 2),
    ("Dropout", 3),
    ("Expand", 2),
    ("Flatten", 1),
    ("Floor", 1),
    ("Gather", 2),
    ("GatherND", 2),
    ("Gemm", 3),
    ("GlobalAveragePool", 1),
    ("GlobalMaxPool", 1),
    ("HardSigmoid", 1),
    ("Identity", 1),
    ("LeakyRelu", 1),
    ("MatMul", 2),
    ("Max", usize::MAX),
    ("MaxPool", 1),
    ("Mean", usize::MAX),
    ("Min", usize::MAX),
    ("Mul", 2),
    ("Neg", 1),
    ("PRelu", 2),
    ("Pad", 4),
    ("QGemm", 9),
    ("QLinearAdd", 8),
    ("QLinearAveragePool", 5),
    ("QLinearConcat", usize::MAX),
    ("QLinearConv", 9),
    ("QLinearGlobalAveragePool", 5),
    ("QLinearMatMul", 8),
    ("QuantizeLinear", 3),
    ("ReduceMax", 2),
    ("ReduceMean", 2),
    ("ReduceSum", 2),
    ("Relu", 1),
    ("Reshape", 2),
    ("Resize", 4),
    ("Shape", 1),
    ("Slice", 5),
    ("SpaceToDepth", 1),
    ("Split", 2),
    ("Squeeze", 2),
    ("Sub", 2),
    ("Sum", usize::MAX),
    ("ThresholdedRelu", 1),
    ("Tile", 2),
    ("Transpose", 1),
    ("Unsqueeze", 2),
    ("Upsample", 2),
    ("Where", 3),
];

/// The operators that make probabilities, classes or labels of scores, in the order of the scores. They are left out where
/// only the net's output depends on them.
pub(in crate::import) const DECISIONS: &[&str] = &[
    "ArgMax",
    "ArrayFeatureExtractor",
    "Exp",
    "Hardmax",
    "LabelEncoder",
    "Log",
    "LogSoftmax",
    "Normalizer",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TopK",
    "ZipMap",
];

/// Operators that pass on what they get, perhaps in another shape or type.
pub(in crate::import) const MOVES: &[&str] =
    &["Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// What is wrong with an operator by its name alone, if anything.
pub(in crate::import) fn unknown(op: &str) -> Option<Objection> {
    if KNOWN.iter().any(|(known, _)| *known == op) || DECISIONS.contains(&op) {
        return None;
    }
    let hint = match op {
        "HardSwish" => {
            "HardSwish multiplies x by a function of x: between −3 and 3 it is a parabola, no sum of rectified units; train with \
             ReLU or ReLU6"
        }
        "Swish" | "Silu" | "Gelu" | "Mish" | "Erf" => {
            "SiLU (swish), GELU and Mish are curved: no sum of rectified units is equal to them; train with ReLU, LeakyReLU or \
             ReLU6"
        }
        "Elu" | "Selu" | "Celu" | "Softplus" | "Softsign" | "QuickGelu" => {
            "it is curved: no sum of rectified units is equal to it; train with ReLU, LeakyReLU, PReLU or ReLU6"
        }
        "Shrink" | "Sign" | "Greater" | "Less" | "Equal" | "GreaterOrEqual" | "LessOrEqual" => {
            "it jumps, and no sum of rectified units does; train with ReLU, LeakyReLU or Clip"
        }
        "RNN" | "LSTM" | "GRU" | "Scan" | "Loop" | "If" => "only feed-forward nets are converted",
        "Attention" | "MultiHeadAttention" => {
            "attention multiplies activations by one another; no rate code does"
        }
        "InstanceNormalization"
        | "LayerNormalization"
        | "SimplifiedLayerNormalization"
        | "SkipLayerNormalization"
        | "RMSNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "MeanVarianceNormalization" => {
            "its statistics are those of each input; train with batch normalisation"
        }
        "ConvInteger" | "MatMulInteger" | "DynamicQuantizeLinear" => {
            "the scale of its activations is that of each input; quantise the net statically (quantize_static)"
        }
        "QLinearMul" | "QLinearSigmoid" | "QLinearLeakyRelu" | "QLinearSoftmax" | "QLinearWhere" => {
            "of operators on integers products, convolutions, sums, means and maxima are converted; leave this one in floating \
             point when the net is quantised"
        }
        "Round" | "Ceil" => "write QCFS activations as clip(floor(x·L/θ + 1/2), 0, L)·θ/L",
        "Sqrt" | "Pow" | "Reciprocal" | "ReduceL2" | "ReduceSumSquare" | "ReduceProd" => {
            "only affine maps, piecewise linear activations, QCFS and maxima can be converted"
        }
        _ => {
            "only operators of feed-forward ReLU and QCFS nets can be converted; choose an earlier tensor as the output, or export \
             without it"
        }
    };
    Some(Objection::new("this operator cannot be converted", hint))
}

/// What is wrong with the number of inputs of a node, if anything: one too many may be the activation.
pub(in crate::import) fn too_many(op: &str, inputs: usize) -> Option<Objection> {
    let (_, most) = KNOWN.iter().find(|(known, _)| *known == op)?;
    (inputs > *most).then(|| {
        let reason = format!("it has {inputs} inputs, and {op} takes {most} at most");
        Objection::new(reason, "the file is damaged; export the net again")
    })
}

/// What to do about a squashing function inside of a net.
pub(super) fn squashing(op: &str) -> &'static str {
    match op {
        "Sigmoid" => {
            "a Sigmoid is curved, and Mul of it with its input is SiLU (swish), with something else a gate: no sum of rectified \
             units is equal to them; HardSigmoid, ReLU and ReLU6 convert"
        }
        "Tanh" => {
            "Tanh is curved: no sum of rectified units is equal to it; HardTanh, ReLU and ReLU6 convert"
        }
        "Softmax" | "LogSoftmax" => {
            "Softmax divides by a sum of activations, as attention does; choose an earlier tensor as the output"
        }
        _ => "choose an earlier tensor as the output",
    }
}

/// Whether an operator that is not understood keeps the shape of its input, so that what follows can still be checked.
pub(in crate::import) fn keeps_shape(op: &str) -> bool {
    const SHAPED: &[&str] = &[
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Swish",
        "QuickGelu",
        "Shrink",
        "Sign",
        "SimplifiedLayerNormalization",
        "RMSNormalization",
        "DequantizeLinear",
        "QuantizeLinear",
        "Selu",
        "Celu",
        "Gelu",
        "Erf",
        "Softplus",
        "Softsign",
        "Mish",
        "HardSwish",
        "ThresholdedRelu",
        "Sigmoid",
        "HardSigmoid",
        "Tanh",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "LpNormalization",
        "LRN",
        "MeanVarianceNormalization",
        "Round",
        "Ceil",
        "Sqrt",
        "Pow",
        "Exp",
        "Log",
        "Abs",
        "Reciprocal",
        "Mul",
        "Div",
        "Hardmax",
        "Softmax",
        "LogSoftmax",
        "Clip",
        "Cast",
    ];
    SHAPED.contains(&op)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_operators_has_every_operator_that_is_understood() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
        let table = std::fs::read_to_string(path).unwrap();
        for op in KNOWN.iter().map(|(op, _)| op).chain(DECISIONS).chain(MOVES) {
            assert!(table.contains(&format!("`{op}`")), "{op}");
            assert!(unknown(op).is_none(), "{op}");
        }
    }
}
