"""Makes cases.npz: small ONNX files, inputs, and what onnxruntime yields for them.

For a net that is to be converted: NAME.onnx (bytes), NAME.x, NAME.y (what the converted net is to yield).
For one that is to be refused: NAME.onnx and NAME.refused (the names that the list of reasons must have, in order).

    pip install onnx onnxruntime numpy; python make_cases.py
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(7)
cases = {}


def numbers(*shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


class Net:
    """Nodes are added one behind the other; `x` is the input, `self.last` the tensor made last."""

    def __init__(self, *shape, opset=17, batch="N"):
        self.shape, self.opset, self.batch = shape, opset, batch
        self.nodes, self.constants, self.last = [], [], "x"

    def const(self, value, name=None):
        value = np.asarray(value)
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, op, *inputs, name=None, outputs=1, domain="", **attributes):
        inputs = [i if isinstance(i, str) else self.const(i) for i in inputs]
        made = [f"t{len(self.nodes)}" + "abc"[i] for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, inputs, made, name or f"{op}{len(self.nodes)}", domain=domain, **attributes)
        )
        self.last = made[0]
        return made[0]

    def then(self, op, *inputs, **attributes):
        return self.add(op, self.last, *inputs, **attributes)

    def bytes(self, outputs=None, inputs=()):
        outputs = outputs or [self.last]
        graph = helper.make_graph(
            self.nodes,
            "case",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, *self.shape]), *inputs],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
            self.constants,
        )
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid("else.where", 1)] if any(n.domain for n in self.nodes) else []
        model = helper.make_model(graph, opset_imports=imports, ir_version=min(10, 4 + self.opset // 3))
        return model.SerializeToString()

    def convert(self, name, until=None, samples=3):
        """A case to be converted; `until` is the tensor that the converted net yields, if not the output."""
        x = rng.uniform(-2, 2, (samples if self.batch == "N" else self.batch, *self.shape)).astype(np.float32)
        whole = self.bytes()
        judge = self.bytes([until]) if until else whole
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(judge, options, providers=["CPUExecutionProvider"])
        y = session.run(None, {"x": x})[0]
        cases[f"{name}.onnx"] = np.frombuffer(whole, np.uint8)
        cases[f"{name}.x"] = x.reshape(len(x), -1)
        cases[f"{name}.y"] = y.reshape(len(x), -1).astype(np.float32)

    def refuse(self, name, names, **arguments):
        cases[f"{name}.onnx"] = np.frombuffer(self.bytes(**arguments), np.uint8)
        cases[f"{name}.refused"] = np.array(names)


def convolutions():
    for name, shape, kernel, attributes in [
        ("plain", (3, 7, 6), (4, 3, 3, 3), {}),
        ("strides_and_pads", (3, 7, 6), (4, 3, 3, 2), dict(strides=[2, 1], pads=[1, 0, 2, 1])),
        ("dilated", (2, 9, 8), (3, 2, 3, 2), dict(dilations=[2, 3], pads=[1, 2, 0, 1])),
        ("groups", (4, 6, 6), (6, 2, 3, 3), dict(group=2, pads=[1, 1, 1, 1])),
        ("depthwise", (5, 6, 5), (10, 1, 3, 3), dict(group=5, strides=[1, 2])),
        ("same_upper", (2, 7, 8), (3, 2, 4, 3), dict(auto_pad="SAME_UPPER", strides=[2, 3])),
        ("same_lower", (2, 7, 8), (3, 2, 4, 3), dict(auto_pad="SAME_LOWER", strides=[2, 3])),
        ("valid", (2, 7, 8), (3, 2, 4, 3), dict(auto_pad="VALID")),
        ("one_dimensional", (3, 11), (4, 3, 3), dict(strides=[2], pads=[2, 1], dilations=[2])),
        ("pointwise", (6, 4, 4), (3, 6, 1, 1), {}),
    ]:
        net = Net(*shape, opset=11 if "pads" in name else 17)
        net.then("Conv", numbers(*kernel), numbers(kernel[0]), kernel_shape=kernel[2:], **attributes)
        net.convert(f"conv_{name}")
    net = Net(3, 5, 5, batch=1)
    net.then("Conv", numbers(2, 3, 3, 3))
    net.then("Relu")
    net.convert("conv_without_bias_and_batch_of_one")


def linear():
    net = Net(6)
    net.then("Gemm", numbers(6, 4), numbers(4))
    net.convert("gemm_plain")
    net = Net(6, opset=9)
    net.then("Gemm", numbers(4, 6), numbers(1, 4), transB=1, alpha=0.5, beta=-2.0)
    net.convert("gemm_scaled")
    net = Net(6, opset=21)
    net.then("Gemm", numbers(4, 6), np.float32(0.25), transB=1)
    net.then("Relu")
    net.then("Gemm", numbers(4, 3))
    net.convert("gemm_scalar_bias_and_none")
    net = Net(6)
    net.then("MatMul", numbers(6, 4))
    net.add("Add", numbers(4), net.last)
    net.then("Relu")
    net.convert("matmul_and_bias")
    net = Net(5, 6)
    net.then("MatMul", numbers(6, 4))
    net.then("Relu")
    net.convert("matmul_along_the_last_axis")
    net = Net(6)
    net.then("MatMul", net.add("Transpose", net.const(numbers(4, 6)), perm=[1, 0]))
    net.nodes[-1].input[0] = "x"
    net.convert("matmul_with_transposed_weights")


def norm(net, channels, **attributes):
    return net.then(
        "BatchNormalization",
        rng.uniform(-1, 1.5, channels).astype(np.float32),
        numbers(channels),
        numbers(channels),
        rng.uniform(0.1, 2, channels).astype(np.float32),
        **attributes,
    )


def normalisations():
    net = Net(3, 6, 6, opset=9)
    net.then("Conv", numbers(4, 3, 3, 3), pads=[1, 1, 1, 1])
    norm(net, 4, epsilon=0.01)
    net.then("Relu")
    net.convert("norm_behind_convolution")
    net = Net(3, 6, 6)
    norm(net, 3)
    net.then("Conv", numbers(4, 3, 3, 3), numbers(4), pads=[1, 1, 1, 1])
    net.convert("norm_before_padded_convolution")
    net = Net(4, 6, 6)
    norm(net, 4)
    net.then("Conv", numbers(6, 2, 3, 3), numbers(6), group=2)
    net.convert("norm_before_unpadded_grouped_convolution")
    net = Net(5)
    norm(net, 5)
    net.then("Gemm", numbers(5, 4), numbers(4))
    norm(net, 4)
    norm(net, 4)
    net.convert("norms_around_gemm")
    net = Net(2, 5, 5)
    a = net.then("Conv", numbers(3, 2, 3, 3))
    b = norm(net, 3)
    net.last = a
    c = norm(net, 3)
    net.add("Add", net.add("Relu", b), net.add("Relu", c))
    net.convert("convolution_shared_by_two_norms")


def pools():
    average = [
        ("plain", (2, 6, 6), dict(kernel_shape=[2, 2], strides=[2, 2])),
        ("pads_counted", (2, 5, 6), dict(kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1)),
        ("pads_not_counted", (2, 5, 6), dict(kernel_shape=[3, 3], pads=[1, 0, 1, 2])),
        ("ceil", (2, 5, 6), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
        ("ceil_and_pads", (2, 7, 6), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1])),
        ("one_dimensional", (3, 9), dict(kernel_shape=[4], strides=[3], pads=[1, 2])),
        ("same", (2, 5, 6), dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")),
        ("dilated", (2, 8, 7), dict(kernel_shape=[3, 2], dilations=[2, 3], pads=[1, 1, 1, 1], count_include_pad=1)),
    ]
    for name, shape, attributes in average:
        net = Net(*shape, opset=19)
        net.then("AveragePool", **attributes)
        net.convert(f"average_{name}")
    maximum = [
        ("plain", (2, 6, 6), dict(kernel_shape=[2, 2], strides=[2, 2])),
        ("pads", (2, 5, 6), dict(kernel_shape=[3, 3], pads=[1, 0, 1, 2])),
        ("ceil", (2, 5, 6), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
        ("one_dimensional", (3, 9), dict(kernel_shape=[4], strides=[3], pads=[1, 2])),
        ("dilated", (2, 8, 7), dict(kernel_shape=[3, 2], dilations=[2, 3], pads=[1, 1, 1, 1])),
        ("same", (2, 5, 6), dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER")),
    ]
    for name, shape, attributes in maximum:
        net = Net(*shape)
        net.then("MaxPool", **attributes)
        net.convert(f"maximum_{name}")
    net = Net(1, 8, 8)
    net.then("Conv", numbers(3, 1, 3, 3), numbers(3))
    net.then("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.then("Dropout")
    net.then("Relu")
    net.convert("maximum_before_relu")
    net = Net(1, 8, 8)
    net.then("Conv", numbers(3, 1, 3, 3), numbers(3))
    net.then("MaxPool", kernel_shape=[2, 2], strides=[1, 1])
    net.then("BatchNormalization", np.array([0.5, 2, 1]), numbers(3), numbers(3), np.array([1.0, 2, 0.5]))
    net.then("Relu")
    net.convert("maximum_before_increasing_norm_and_relu")
    net = Net(1, 8, 8)
    net.then("Conv", numbers(3, 1, 3, 3), numbers(3))
    net.then("MaxPool", kernel_shape=[2, 2], strides=[1, 1])
    net.then("BatchNormalization", np.array([0.5, -2, 1]), numbers(3), numbers(3), np.array([1.0, 2, 0.5]))
    net.then("Relu")
    net.convert("maximum_before_decreasing_norm_and_relu")
    net = Net(2, 6, 6)
    a = net.then("Conv", numbers(3, 2, 3, 3))
    pool = net.then("MaxPool", kernel_shape=[2, 2])
    net.add("Add", net.add("Relu", pool), net.add("Clip", pool, np.float32(0), np.float32(0.5)))
    net.convert("maximum_before_two_activations")
    for name, op, opset, attributes, axes in [
        ("mean_axes_attribute", "ReduceMean", 13, dict(axes=[2, 3], keepdims=0), None),
        ("mean_axes_input", "ReduceMean", 18, dict(keepdims=1), [-1, -2]),
        ("max_axes_attribute", "ReduceMax", 12, dict(axes=[-1, 2]), None),
        ("max_axes_input", "ReduceMax", 20, dict(keepdims=0), [2, 3]),
        ("mean_of_width", "ReduceMean", 18, dict(keepdims=1), [3]),
        ("max_of_height", "ReduceMax", 18, dict(keepdims=0), [2]),
        ("mean_of_channels", "ReduceMean", 18, dict(keepdims=1), [1]),
    ]:
        net = Net(3, 4, 5, opset=opset)
        net.then(op, *([] if axes is None else [np.array(axes)]), **attributes)
        net.convert(f"global_{name}")
    net = Net(3, 4, 5)
    net.then("GlobalAveragePool")
    net.then("Flatten")
    net.convert("global_average")
    net = Net(3, 4)
    net.then("GlobalMaxPool")
    net.then("Relu")
    net.convert("global_max_one_dimensional")
    net = Net(3, 4, 5)
    net.then("Transpose", perm=[0, 2, 3, 1])
    net.then("ReduceMax", np.array([1, 2]), keepdims=0)
    net.opset = 18
    net.then("Relu")
    net.convert("global_max_channels_last")


def branches():
    net = Net(2, 5, 5)
    a = net.then("Conv", numbers(2, 2, 3, 3), pads=[1, 1, 1, 1])
    net.add("Add", a, "x")
    net.then("Relu")
    b = net.last
    net.add("Sum", b, a, "x")
    net.add("Sub", net.last, b)
    net.convert("sums_of_branches")
    net = Net(2, 5, 5)
    a = net.then("Conv", numbers(3, 2, 1, 1))
    net.add("Concat", "x", a, "x", axis=1)
    net.then("Concat", net.last, axis=-1)
    net.convert("concatenations")
    net = Net(3)
    net.add("Add", "x", "x")
    net.convert("a_branch_twice")


def constants():
    net = Net(3, 4, 5)
    net.then("Sub", np.float32(0.5))
    net.then("Div", np.array([2.0, 3.0, 4.0]).reshape(1, 3, 1, 1))
    net.add("Mul", numbers(3, 1, 1), net.last)
    net.then("Add", numbers(4, 5))
    net.then("Mul", numbers(1, 1, 1, 5))
    net.add("Sub", np.float32(1.0), net.last)
    net.then("Neg")
    net.then("Add", numbers(1))
    net.convert("arithmetic_with_constants")
    net = Net(3, 4, 5)
    net.add("Sub", numbers(3, 4, 5), "x")
    net.then("Sum", np.float32(1), numbers(5))
    net.convert("arithmetic_per_element")
    net = Net(4)
    scale = net.add("Constant", value_floats=[1.0, 2.0, 3.0, 4.0])
    net.add("Mul", "x", net.add("Sqrt", scale))
    net.add("Mul", net.last, net.add("Constant", value_float=3.0))
    net.convert("constants_from_nodes")
    net = Net(4)
    half = net.const(np.array([1, 0.5, -0.25, 3], np.float16))
    net.add("Add", "x", net.add("Cast", half, to=1))
    double = net.const(np.array([[1, 2], [3, 4]], np.int64))
    flat = net.add("Cast", net.add("Reshape", double, np.array([-1])), to=1)
    net.add("Mul", net.nodes[1].output[0], flat)
    net.convert("constants_of_other_types")


def activations():
    net = Net(5, opset=9)
    net.then("Clip", min=0.0, max=1.5)
    net.convert("clip_by_attributes")
    net = Net(5)
    net.then("Clip", np.float32(0), np.float32(0.75))
    net.convert("clip_by_inputs")
    net = Net(5)
    net.then("Clip", np.float32(0))
    net.convert("clip_from_below_only")
    net = Net(5)
    net.then("Max", np.float32(0))
    net.add("Min", np.array([1.0]), net.last)
    net.convert("clip_by_max_and_min")
    net = Net(5)
    net.then("Relu")
    net.then("Clip", np.float32(-1), np.float32(1))
    net.convert("clip_behind_relu")


def staircases():
    theta, levels = np.float32(1.637692), 8
    x = (6, 40)
    net = Net(*x)
    net.then("Mul", np.float32(levels)), net.then("Div", theta), net.then("Add", np.float32(0.5)), net.then("Floor")
    net.then("Clip", np.float32(0), np.float32(levels)), net.then("Mul", theta), net.then("Div", np.float32(levels))
    net.convert("qcfs_as_exported")
    net = Net(*x)
    net.then("Div", theta), net.then("Clip", np.float32(0), np.float32(1)), net.then("Mul", np.float32(levels))
    net.then("Add", np.float32(0.5)), net.then("Floor"), net.then("Div", np.float32(levels)), net.then("Mul", theta)
    net.convert("qcfs_clipped_first")
    net = Net(*x)
    net.add("Mul", np.float32(levels / theta), "x"), net.add("Add", np.float32(0.5), net.last), net.then("Floor")
    net.then("Relu"), net.then("Min", np.float32(levels)), net.add("Mul", np.float32(theta / levels), net.last)
    net.convert("qcfs_with_relu_and_min")
    net = Net(*x)
    net.then("Div", theta), net.then("Mul", np.float32(levels)), net.then("Add", np.float32(0.5)), net.then("Floor")
    net.then("Div", np.float32(levels)), net.then("Clip", np.float32(0), np.float32(1)), net.then("Mul", theta)
    net.convert("qcfs_clipped_last")
    net = Net(*x)
    net.then("Relu"), net.then("Mul", np.float32(levels)), net.then("Div", theta), net.then("Sub", np.float32(-0.5))
    net.then("Floor"), net.then("Min", np.float32(levels)), net.then("Mul", theta), net.then("Div", np.float32(levels))
    net.convert("qcfs_behind_relu")
    net = Net(*x)
    net.then("Mul", np.float32(3.0)), net.then("Floor"), net.then("Clip", np.float32(-2), np.float32(2))
    net.then("Add", np.float32(2))
    net.convert("qcfs_shifted_staircase")
    net = Net(2, 3, 40)
    scale = np.array([1.5, 0.7]).reshape(2, 1, 1)
    net.then("Div", scale), net.then("Mul", np.float32(10)), net.then("Add", np.float32(0.5)), net.then("Floor")
    net.then("Clip", np.float32(0), np.float32(10)), net.then("Div", np.float32(10)), net.then("Mul", scale)
    net.convert("qcfs_per_channel")


def shapes():
    net = Net(2, 3, 4)
    shape = net.add("Shape", "x")
    batch = net.add("Gather", shape, np.array(0), axis=0)
    batch = net.add("Unsqueeze", batch, np.array([0]))
    target = net.add("Concat", batch, np.array([-1]), axis=0)
    net.add("Reshape", "x", target)
    net.then("Gemm", numbers(24, 3))
    net.convert("reshape_by_shape_arithmetic")
    net = Net(2, 3, 4, opset=9)
    net.then("Reshape", np.array([0, -1, 4]))
    net.then("Unsqueeze", axes=[1, 4])
    net.then("Squeeze", axes=[1])
    net.then("Transpose", perm=[0, 2, 1, 3])
    net.then("Flatten", axis=1)
    net.convert("views_by_attributes")
    net = Net(2, 3, 4, batch=2)
    net.then("Reshape", np.array([2, 4, 6]))
    net.then("Unsqueeze", np.array([-1]))
    net.then("Transpose", perm=[0, 3, 2, 1])
    net.then("Squeeze", np.array([1]))
    net.then("Identity")
    net.then("Dropout")
    net.then("Cast", to=1)
    net.convert("views_by_inputs_and_batch_of_two")
    net = Net(2, 3, 4, opset=9)
    net.then("Pad", pads=[0, 0, 1, 2, 0, 1, 0, 1])
    net.convert("pad_by_attribute")
    net = Net(2, 5, 5)
    net.then("Pad", np.array([0, 0, 1, 2, 0, 0, 0, 1]))
    net.then("Conv", numbers(3, 2, 3, 3), numbers(3), pads=[1, 0, 0, 0])
    net.convert("pad_before_convolution")
    net = Net(2, 5, 5, opset=18)
    net.then("Relu")
    net.then("Pad", np.array([1, 2, 0, 1]), np.float32(0), np.array([2, 3]))
    net.then("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
    net.convert("pad_before_maximum")
    net = Net(2, 5, 5)
    net.then("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    net.then("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
    net.convert("pad_before_maximum_of_signed_values")


def decisions():
    for op, attributes in [("Softmax", dict(axis=1)), ("LogSoftmax", dict(axis=-1)), ("ArgMax", dict(axis=1))]:
        net = Net(5)
        logits = net.then("Gemm", numbers(5, 4), numbers(4))
        net.then(op, **attributes)
        net.then("Identity")
        net.convert(f"last_{op.lower()}_dropped", until=logits)


def moves():
    """Operators that move elements along axes; what they make is seen behind a convolution or an activation."""
    for name, starts, ends, axes, steps in [
        ("steps", [0, 1], [2**60, -1], [2, 3], [2, 3]),
        ("channels", [1], [3], [1], [1]),
        ("backwards", [-1, 3], [-(2**60), 0], [1, 3], [-1, -2]),
        ("offset", [2, 1], [6, 5], [2, 3], [1, 1]),
    ]:
        net = Net(4, 7, 6)
        net.then("Relu")
        net.then("Slice", np.array(starts), np.array(ends), np.array(axes), np.array(steps))
        channels = 2 if name == "channels" else 4
        net.then("Conv", numbers(3, channels, 2, 2))
        net.convert(f"slice_{name}")
    net = Net(4, 7, 6, opset=9)
    net.then("Conv", numbers(3, 4, 3, 3), pads=[1, 1, 1, 1])
    net.then("Slice", starts=[0, 1, 2], ends=[2**60, 3, 6], axes=[0, 1, 2])
    net.convert("slice_by_attribute")
    net = Net(6)
    net.then("Gemm", numbers(6, 8), numbers(8))
    net.then("Slice", np.array([1]), np.array([-1]), np.array([1]), np.array([2]))
    net.then("Relu")
    net.convert("slice_of_a_linear_map")
    for mode in ["reflect", "edge", "wrap"]:
        net = Net(3, 4, 5, opset=19)
        net.then("Relu")
        net.then("Pad", np.array([0, 0, 2, 1, 0, 1, 3, 0]), mode=mode)
        net.then("Conv", numbers(2, 4, 3, 3))
        net.convert(f"pad_{mode}")
    net = Net(3, 4, 5)
    net.then("Pad", np.array([0, 1, 1, 0, 0, 0, 1, 2]), np.float32(-1.5))
    net.then("Conv", numbers(2, 4, 3, 3))
    net.convert("pad_with_a_number")
    net = Net(3, 6, 5)
    net.then("Relu")
    net.then("Pad", np.array([0, 0, -1, -2, 0, 1, 0, 1]))
    net.then("Conv", numbers(2, 4, 2, 2))
    net.convert("pad_that_cuts_off")


    net = Net(6, 5)
    net.then("Relu")
    a, b, c = net.add("Split", net.last, np.array([1, 3, 2]), axis=1, outputs=3), "t1b", "t1c"
    net.add("Concat", c, a, b, b, axis=1)
    net.then("Neg")
    net.convert("split_and_joined_again")
    net = Net(6, 4, 3, opset=9)
    a = net.then("Split", axis=2, outputs=2)
    net.add("Sub", "t0b", a)
    net.convert("split_into_equal_parts")
    for name, indices, axis in [("channels", [2, 0, 2], 1), ("one", 1, 2), ("table", [[0, 1], [3, -1]], 3)]:
        net = Net(4, 3, 5)
        net.then("Relu")
        net.then("Gather", np.array(indices), axis=axis)
        net.convert(f"gather_{name}")
    net = Net(2, 1, 3)
    net.then("Expand", np.array([1, 2, 4, 3]))
    net.then("Tile", np.array([1, 2, 1, 2]))
    net.convert("expand_and_tile")
    for op, mode in [("DepthToSpace", "DCR"), ("DepthToSpace", "CRD"), ("SpaceToDepth", None)]:
        net = Net(8, 4, 6)
        net.then("Relu")
        net.then(op, blocksize=2, **({"mode": mode} if mode else {}))
        net.convert(f"{op.lower()}_{str(mode).lower()}")
    for groups in [2, 3]:
        net = Net(6, 4, 4)
        net.then("Relu")
        net.then("Reshape", np.array([0, groups, 6 // groups, 4, 4]))
        net.then("Transpose", perm=[0, 2, 1, 3, 4])
        net.then("Reshape", np.array([0, 6, 4, 4]))
        net.then("Conv", numbers(6, 2, 3, 3), group=3, pads=[1] * 4)
        net.convert(f"channels_shuffled_by_{groups}")


def sizes():
    for coordinates in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]:
        for mode, attributes in [("linear", {})] + [
            ("nearest", dict(nearest_mode=rounding))
            for rounding in ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
        ]:
            net = Net(2, 4, 5)
            net.then("Relu")
            attributes = dict(mode=mode, coordinate_transformation_mode=coordinates, **attributes)
            net.add("Resize", net.last, "", np.array([1, 1, 1.75, 0.6]), **attributes)
            name = "_".join([coordinates, mode, attributes.get("nearest_mode", "")])
            net.convert(f"resize_{name}".rstrip("_"))
    net = Net(2, 4, 3)
    net.then("Relu")
    net.add("Resize", net.last, "", np.array([1, 1, 2, 2], np.float32), mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric")
    net.then("Conv", numbers(3, 2, 3, 3), pads=[1] * 4)
    net.convert("resize_twice_and_convolution")
    net = Net(2, 4, 3, batch=1)
    net.add("Resize", "x", "", "", np.array([1, 2, 7, 5]), mode="linear")
    net.convert("resize_to_sizes")
    net = Net(2, 4, 3, opset=9)
    net.then("Upsample", np.array([1, 1, 3, 2], np.float32), mode="nearest")
    net.convert("upsample_nearest")
    net = Net(2, 4, 3, opset=10)
    net.then("Resize", np.array([1, 1, 2, 2], np.float32), mode="linear")
    net.convert("resize_of_operator_set_10")
    for name, shape, kernel, attributes in [
        ("blocks", (4, 3, 5), (4, 2, 2, 2), dict(strides=[2, 2])),
        ("overlapping", (3, 4, 4), (3, 2, 3, 4), dict(strides=[2, 1], pads=[1, 0, 0, 2], output_padding=[1, 0])),
        ("groups", (4, 4, 3), (4, 3, 3, 3), dict(group=2, pads=[1, 1, 1, 1])),
        ("dilated", (2, 4, 4), (2, 2, 2, 3), dict(dilations=[2, 3], strides=[1, 2])),
        ("one_dimensional", (2, 6), (2, 3, 4), dict(strides=[2], pads=[1, 1])),
        ("same", (2, 4, 3), (2, 2, 3, 3), dict(strides=[2, 2], auto_pad="SAME_UPPER")),
    ]:
        net = Net(*shape)
        net.then("Relu")
        groups = attributes.get("group", 1)
        net.then("ConvTranspose", numbers(*kernel), numbers(kernel[1] * groups), **attributes)
        net.convert(f"transposed_convolution_{name}")
    net = Net(3, 4, 5)
    net.then("ReduceSum", np.array([2, 3]), keepdims=0)
    net.convert("reduce_sum")
    net = Net(3, 4, 5, opset=11)
    net.then("ReduceSum", axes=[1])
    net.convert("reduce_sum_of_channels")


def mixtures():
    """Branches and constants of different widths, masks."""
    net = Net(3, 4, 5)
    mean = net.then("GlobalAveragePool")
    net.add("Sub", "x", mean)
    net.add("Add", net.last, numbers(1, 4, 1))
    net.convert("centred_images")
    net = Net(3, 1, 5)
    net.then("Mul", numbers(3, 4, 5))
    net.add("Mean", net.last, net.last, numbers(4, 1))
    net.convert("constant_wider_than_the_activation")
    mask = rng.uniform(-1, 1, (1, 3, 4, 1)) > 0
    for name, inputs in [("numbers", ["x", numbers(3, 4, 5)]), ("numbers_first", [np.float32(0.5), "x"])]:
        net = Net(3, 4, 5)
        net.add("Where", mask, *inputs)
        net.convert(f"where_{name}")
    net = Net(3, 4, 5)
    a = net.add("Neg", "x")
    net.add("Where", mask, a, "x")
    net.convert("where_of_two_activations")
    net = Net(4, 6)
    net.then("Transpose", perm=[0, 2, 1])
    net.then("MatMul", numbers(4, 5)), net.then("Relu"), net.then("MatMul", numbers(5, 4))
    turned = net.then("Transpose", perm=[0, 2, 1])
    net.add("Add", "x", turned)
    tokens = net.then("Relu")
    net.then("MatMul", numbers(6, 7)), net.then("Add", numbers(7)), net.then("Relu"), net.then("MatMul", numbers(7, 6))
    net.add("Add", net.last, tokens)
    net.then("ReduceMean", axes=[1], keepdims=0)
    net.convert("mixer_of_tokens_and_features")
    net = Net(4, 6)
    net.add("MatMul", numbers(5, 4), "x")
    net.convert("weights_on_the_left")
    net = Net(6, batch=1)
    net.then("Transpose", perm=[1, 0]), net.add("MatMul", numbers(4, 6), net.last), net.then("Relu")
    net.then("Transpose", perm=[1, 0]), net.then("Gemm", numbers(4, 3))
    net.convert("batch_on_the_right_for_a_while")
    net = Net(5)
    w = net.const(numbers(3, 5))
    mask = net.add("Greater", net.add("Abs", w), np.float32(0.3))
    pruned = net.add("Where", mask, w, np.float32(0))
    signs = net.add("Mul", net.add("Sign", w), net.add("ReduceMean", net.add("Abs", w), axes=[1]))
    both = net.add("Add", pruned, signs)
    norm = net.add("ReduceL2", w, axes=[1])
    net.add("Gemm", "x", net.add("Div", both, norm), transB=1)
    net.convert("weights_made_by_masks_signs_and_norms")
    net = Net(5, opset=13)
    w = net.add("DequantizeLinear", rng.integers(-9, 9, (3, 5)).astype(np.int8), numbers(3), np.zeros(3, np.int8), axis=0)
    zeros = net.add("ConstantOfShape", np.array([3]))
    net.add("Gemm", "x", w, zeros, transB=1)
    net.convert("quantised_weights_and_a_bias_of_zeros")


def piecewise():
    for name, op, inputs, attributes in [
        ("leaky", "LeakyRelu", [], dict(alpha=0.2)),
        ("leaky_beyond_one", "LeakyRelu", [], dict(alpha=-1.5)),
        ("abs", "Abs", [], {}),
        ("hard_sigmoid", "HardSigmoid", [], dict(alpha=0.3, beta=0.4)),
        ("clip_both", "Clip", [np.float32(-0.5), np.float32(1)], {}),
        ("clip_above_zero", "Clip", [np.float32(0.25), np.float32(1)], {}),
        ("clip_below", "Clip", [np.float32(-0.5)], {}),
        ("minimum", "Min", [np.float32(0.5)], {}),
        ("maximum", "Max", [np.float32(-0.5)], {}),
        ("prelu", "PRelu", [numbers(4, 1, 1)], {}),
        ("prelu_for_all", "PRelu", [numbers(1)], {}),
        ("thresholded", "ThresholdedRelu", [], dict(alpha=0.0)),
    ]:
        net = Net(3, 4, 4)
        net.then("Conv", numbers(4, 3, 3, 3), numbers(4), pads=[1] * 4)
        net.then(op, *inputs, **attributes)
        net.then("Conv", numbers(2, 4, 3, 3))
        net.convert(f"piecewise_{name}")
    for op in ["Max", "Min"]:
        net = Net(6)
        a, b = net.add("Gemm", "x", numbers(6, 4), numbers(4)), net.add("Gemm", "x", numbers(6, 4))
        net.add(op, a, b, np.float32(0.25))
        net.convert(f"piecewise_{op.lower()}_of_two")


def ends():
    net = Net(5)
    logits = net.then("Gemm", numbers(5, 4), numbers(4))
    net.then("Sigmoid")
    net.convert("last_sigmoid", until=logits)
    net = Net(5)
    logits = net.then("Gemm", numbers(5, 4), numbers(4))
    net.then("Softmax", axis=1), net.then("Log"), net.then("Reshape", np.array([-1]))
    net.convert("last_log_of_softmax_and_reshape", until=logits)
    net = Net(5)
    net.then("Gemm", numbers(5, 4), numbers(4))
    net.add("Sigmoid", net.last), net.add("Erf", "t0a"), net.add("Unique", "t0a")
    net.last = "t0a"
    net.convert("nodes_that_no_output_needs")
    net = Net(5)
    net.then("Gemm", numbers(5, 4), numbers(4)), net.then("Relu"), net.then("Gemm", numbers(4, 3))
    net.nodes.reverse()
    net.sorted = False
    net.convert("nodes_in_reverse_order")
    for opset in [7, 8, 22, 23]:
        net = Net(3, 6, 6, opset=opset)
        net.then("Conv", numbers(4, 3, 3, 3)), norm(net, 4)
        net.then("Relu"), net.then("AveragePool", kernel_shape=[2, 2], strides=[2, 2]), net.then("Flatten")
        net.then("Gemm", numbers(16, 3), numbers(3))
        net.convert(f"operator_set_{opset}")


def refusals():
    net = Net(2, 4, 4)
    net.then("Conv", numbers(3, 2, 3, 3), name="first")
    net.then("LeakyRelu", name="leaky")
    gate = net.then("Sigmoid", name="gate")
    net.add("Mul", net.nodes[0].output[0], gate, name="product")
    net.then("GlobalAveragePool", name="mean")
    net.then("Flatten", name="flat")
    net.then("Softmax", name="inside", axis=1)
    net.then("Gemm", numbers(3, 2), name="last")
    net.then("Clip", np.float32(-1), np.float32(1), name="hard_tanh")
    net.refuse("several_reasons", ["gate", "product", "inside"])
    net = Net(4)
    net.then("Floor", name="floor")
    net.refuse("floor_alone", ["floor"])
    net = Net(4)
    net.then("Mul", np.float32(8)), net.then("Floor", name="floor")
    net.then("Clip", np.float32(0.5), np.float32(8), name="clip")
    net.refuse("staircase_cut_between_steps", ["floor"])
    net = Net(4)
    net.add("MatMul", "x", "x", name="outer")
    net.refuse("product_of_activations", ["outer"])
    net = Net(3, 4)
    net.then("Reshape", np.array([-1, 4]), name="mixes"), net.then("Relu")
    net.refuse("reshape_mixing_samples", ["mixes"])
    net = Net(3, 4)
    net.then("Transpose", perm=[1, 0, 2], name="turned"), net.then("Flatten", name="flat"), net.then("Relu")
    net.refuse("transposed_batch", ["flat"])
    net = Net(3, 4)
    net.then("Pad", np.array([0, 0, 1, 0, 0, 1]), mode="reflect", name="reflect")
    net.add("Pad", net.last, np.array([1, 0, 0, 0, 0, 0]), name="batch")
    net.add("Pad", "x", np.array([0, 0, 0, 0, -3, 0]), name="nothing")
    net.add("Pad", "x", np.array([0, 0, 1, 0, 0, 0]), np.float32(-np.inf), name="infinite")
    net.add("Sum", *[node.output[0] for node in net.nodes[1:]])
    net.refuse("pads_of_the_batch_and_without_numbers", ["batch", "nothing", "infinite"])
    net = Net(4, 5)
    net.then("Slice", np.array([0]), np.array([1]), np.array([0]), name="sample")
    net.add("Slice", "x", np.array([3]), np.array([1]), np.array([1]), name="empty")
    net.add("Sum", *[node.output[0] for node in net.nodes])
    net.refuse("slices_of_the_batch_and_of_nothing", ["sample", "empty"])
    net = Net(3, 4, 5)
    net.then("Conv", numbers(3, 4, 3, 3), name="channels")
    net.refuse("wrong_channels", ["channels"])
    net = Net(3, 4, 5, 6)
    net.then("Conv", numbers(3, 3, 3, 3, 3), name="solid")
    net.refuse("three_dimensions", ["solid"])
    net = Net(4)
    net.then("BatchNormalization", *[np.ones(4)] * 4, training_mode=1, name="training", outputs=3)
    net.refuse("training_mode", ["training"])
    net = Net(4)
    net.then("Strange", domain="else.where", name="strange")
    net.refuse("other_domain", ["strange"])
    net = Net("width")
    net.then("Relu"), net.then("Elu", name="elu")
    net.refuse("symbolic_width", ["x", "elu"])
    net = Net(4)
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 4])
    net.add("Add", "x", "other"), net.then("Elu", name="elu")
    net.refuse("two_inputs", ["x", "other", "elu"], inputs=[other])
    net = Net(4)
    a = net.then("Relu")
    b = net.add("Neg", a, name="minus")
    net.refuse("two_outputs", [a, b], outputs=[a, b])
    net = Net(4)
    net.add("Add", "x", "nowhere", name="dangling")
    net.refuse("missing_tensor", ["dangling"])
    net = Net(2, 3)
    net.add("Add", "x", numbers(3, 2, 3), name="broadcast")
    net.add("Concat", "x", np.ones((1, 2, 3), np.float32), axis=1, name="joined")
    net.add("Concat", "x", "x", axis=0, name="batches")
    net.add("Sum", *[node.output[0] for node in net.nodes])
    net.refuse("constants_that_do_not_fit", ["broadcast", "joined", "batches"])
    net = Net(4)
    net.then("LSTM", numbers(1, 8, 4), numbers(1, 8, 2), hidden_size=2, name="")
    net.nodes[-1].name = ""
    net.refuse("nameless_node", ["LSTM_0"])


def later():
    """Cases that came after the others, whose numbers stay what they were."""
    net = Net(5, 4)
    net.then("Transpose", perm=[1, 2, 0]), net.then("GatherND", np.array([[0, 1], [3, 2], [4, 0]]))
    net.then("Transpose", perm=[1, 0]), net.then("Gemm", numbers(3, 2), numbers(2))
    net.convert("places_picked_by_gathernd")


for make in [convolutions, linear, normalisations, pools, branches, constants, activations, staircases, shapes]:
    make()
for make in [moves, sizes, mixtures, piecewise, ends]:
    make()
decisions()
refusals()
later()
np.savez_compressed("cases.npz", **cases)
print(len([name for name in cases if name.endswith(".onnx")]), "cases")
