"""Makes quantised.npz: small nets quantised statically by onnxruntime, with inputs and what onnxruntime yields.

Run here, with numpy, onnx and onnxruntime: python make_quantised.py. The nets are random ones, made by this file.
"""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

rng = np.random.default_rng(20261125)
cases = {}


class Reader(CalibrationDataReader):
    def __init__(self, x):
        self.x = iter(x)

    def get_next(self):
        x = next(self.x, None)
        return None if x is None else {"x": x[None]}


def build(nodes, constants, shape, outputs):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])]
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "net", inputs, out, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def numbers(*shape):
    return rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4)


def perceptron():
    """Three fully connected layers."""
    sizes = [12, 20, 16, 5]
    nodes, constants, tensor = [], {}, "x"
    for layer, (ins, outs) in enumerate(zip(sizes, sizes[1:])):
        constants[f"W{layer}"], constants[f"b{layer}"] = 2 * numbers(outs, ins), numbers(outs)
        out = "y" if layer == 2 else f"h{layer}"
        nodes.append(helper.make_node("Gemm", [tensor, f"W{layer}", f"b{layer}"], [out], f"fc{layer}", transB=1))
        if layer < 2:
            nodes.append(helper.make_node("Relu", [out], [f"a{layer}"], f"relu{layer}"))
            tensor = f"a{layer}"
    return build(nodes, constants, [12], 5)


def products():
    """Matrix products without biases."""
    constants = {"A": 2 * numbers(12, 20), "B": numbers(20, 4)}
    nodes = [
        helper.make_node("MatMul", ["x", "A"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("MatMul", ["a", "B"], ["y"], "second"),
    ]
    return build(nodes, constants, [12], 4)


def residual():
    """Convolutions with a residual sum of signed tensors, max and mean pooling."""
    constants = {
        "W0": 3 * numbers(4, 2, 3, 3),
        "b0": numbers(4),
        "W1": 3 * numbers(4, 4, 3, 3),
        "b1": numbers(4),
        "W2": 3 * numbers(4, 2, 1, 1),
        "b2": numbers(4),
        "W3": 2 * numbers(5, 4),
        "b3": numbers(5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "W0", "b0"], ["c0"], "conv0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["a0"], "relu0"),
        helper.make_node("Conv", ["a0", "W1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "W2", "b2"], ["c2"], "conv2"),
        helper.make_node("Add", ["c1", "c2"], ["sum"], "add"),
        helper.make_node("Relu", ["sum"], ["a1"], "relu1"),
        helper.make_node("MaxPool", ["a1"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "W3", "b3"], ["y"], "fc", transB=1),
    ]
    return build(nodes, constants, [2, 8, 8], 5)


def pooled():
    """Two branches put together, means over windows of 9, which are never midway between two levels."""
    constants = {"W0": 3 * numbers(3, 2, 3, 3), "b0": numbers(3), "W1": 3 * numbers(2, 2, 1, 1), "W2": numbers(5, 20), "b2": numbers(5)}
    nodes = [
        helper.make_node("Conv", ["x", "W0", "b0"], ["c0"], "conv0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["a0"], "relu0"),
        helper.make_node("Conv", ["x", "W1"], ["c1"], "conv1"),
        helper.make_node("Relu", ["c1"], ["a1"], "relu1"),
        helper.make_node("Concat", ["a0", "a1"], ["both"], "both", axis=1),
        helper.make_node("AveragePool", ["both"], ["p"], "pool", kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "W2", "b2"], ["y"], "fc", transB=1),
    ]
    return build(nodes, constants, [2, 6, 6], 5)


def run(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def scale_and_zero(model, tensor):
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == tensor:
            return values[node.input[1]], values[node.input[2]]
    raise ValueError(tensor)


types = {"u8s8": (QuantType.QUInt8, QuantType.QInt8), "s8s8": (QuantType.QInt8, QuantType.QInt8)}
for net, form, kind, channel in itertools.product(
    [perceptron, products, residual, pooled], [QuantFormat.QDQ, QuantFormat.QOperator], types, [False, True]
):
    activations, weights = types[kind]
    model = net()
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        data = rng.random((40, *shape)).astype(np.float32)
        quantize_static(
            str(before),
            str(after),
            Reader(data),
            quant_format=form,
            activation_type=activations,
            weight_type=weights,
            per_channel=channel,
        )
        quantised = onnx.load(after)
    scale, zero = scale_and_zero(quantised, "x")
    info = np.iinfo(zero.dtype)
    # On the grid of the input, whose rounding is left out.
    q = rng.integers(info.min, info.max + 1, (16, *shape))
    x = ((q - int(zero)) * scale).astype(np.float32)
    last = next(n for n in quantised.graph.node if n.op_type == "DequantizeLinear" and n.output[0] == "y")
    values = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    level, zero = values[last.input[1]], values[last.input[2]]
    info = np.iinfo(zero.dtype)
    name = f"{net.__name__}.{form.name}.{kind}{'.channel' if channel else ''}"
    cases[f"{name}.onnx"] = np.frombuffer(quantised.SerializeToString(), np.uint8)
    cases[f"{name}.x"], cases[f"{name}.y"] = x, run(quantised, x)
    # The distance of two levels of the output, the lowest and the highest.
    ends = [(float(end) - float(zero)) * float(level) for end in (info.min, info.max)]
    cases[f"{name}.levels"] = np.array([level, *ends], np.float32)
    print(name, len(cases[f"{name}.onnx"]), sorted({n.op_type for n in quantised.graph.node}), float(level))

np.savez_compressed("quantised.npz", **cases)
