//! Which operators are understood, and what to do about the others.

use super::Objection;

/// The operators that are understood, on activations.
const KNOWN: &[&str] = &[
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Floor",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Shape",
    "Slice",
    "Softmax",
    "Squeeze",
    "Sub",
    "Sum",
    "Transpose",
    "Unsqueeze",
];

/// What is wrong with an operator by its name alone, if anything.
pub(in crate::import) fn unknown(op: &str) -> Option<Objection> {
    if KNOWN.contains(&op) {
        return None;
    }
    let hint = match op {
        "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Erf" | "Softplus" | "Softsign"
        | "Mish" | "HardSwish" | "ThresholdedRelu" => {
            "train with ReLU, ReLU6 or QCFS instead: a spike rate is never negative"
        }
        "Sigmoid" | "HardSigmoid" | "Tanh" => {
            "a gate or squashing function has no rate code; train with ReLU, ReLU6 or QCFS instead"
        }
        "RNN" | "LSTM" | "GRU" | "Scan" | "Loop" | "If" => "only feed-forward nets are converted",
        "Attention" | "MultiHeadAttention" => {
            "attention multiplies activations by one another; no rate code does"
        }
        "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "MeanVarianceNormalization" => {
            "its statistics are those of each input; train with batch normalisation"
        }
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" | "SpaceToDepth" | "Split" | "Gather"
        | "Tile" | "Expand" => "it is linear, but not among the operators that are lowered to spikes yet",
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => "export the net in floating point",
        "Round" | "Ceil" => "write QCFS activations as clip(floor(x·L/θ + 1/2), 0, L)·θ/L",
        "Sqrt" | "Pow" | "Exp" | "Log" | "Abs" | "Reciprocal" => {
            "only affine maps, ReLU, Clip, QCFS and maxima can be converted"
        }
        _ => {
            "only operators of feed-forward ReLU and QCFS nets can be converted; cut the net before it or export without it"
        }
    };
    Some(Objection::new("this operator cannot be converted", hint))
}

/// Whether an operator that is not understood keeps the shape of its input, so that what follows can still be checked.
pub(in crate::import) fn keeps_shape(op: &str) -> bool {
    const SHAPED: &[&str] = &[
        "LeakyRelu",
        "PRelu",
        "Elu",
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
        "Softmax",
        "LogSoftmax",
        "Clip",
        "Cast",
    ];
    SHAPED.contains(&op)
}
