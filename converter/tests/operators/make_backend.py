"""Makes backend.npz: the node tests of the `onnx` package (Apache-2.0) for the operators that are understood, with every input
but one activation made a constant: NAME.onnx, NAME.x, NAME.y. Operators on integers stand between a quantiser at the input
and one at the output, with NAME.levels: the distance of the output's levels, the lowest and the highest.

Of several outputs each makes a case. Numbers of other types are made f32 where the operator only moves or compares them.

    pip install onnx numpy; python make_backend.py
"""

import collections
import pathlib
import re
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.simplefilter("ignore")
table = pathlib.Path(__file__).parents[3].joinpath("docs/operators.md").read_text()
understood = set(re.findall(r"`([A-Z]\w+)`", table.split("| operator |")[1].split("Curved functions")[0]))
# Alone these make no numbers of an activation: see `integers` and `others`, and the reasons in converter/operators.rs.
integers = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul"}
alone = {"Shape", "Floor", "Hardmax", "TopK"} | integers
# Of whole numbers they give whole numbers, of f32 the same.
moves = {"Pad", "Max", "Min", "Where", "Tile", "Gather", "Reshape", "Transpose", "Split", "Neg", "Abs", "ReduceMax"}
NUMBERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.float64)


def cast(array):
    return array.astype(np.float32)


cases, counts, left = {}, collections.Counter(), collections.Counter()
for case in collect_testcases(None):
    model = case.model
    if model is None or len(model.graph.node) != 1:
        continue
    node = model.graph.node[0]
    if node.domain or node.op_type not in understood - alone:
        continue
    inputs, outputs = case.data_sets[0]
    inputs = [numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else a for a in inputs]
    outputs = [numpy_helper.to_array(a) if isinstance(a, onnx.TensorProto) else a for a in outputs]
    if node.op_type == "Cast" and case.name != "test_cast_FLOAT_to_DOUBLE":
        continue
    inputs = [np.asarray(a) if isinstance(a, np.generic) else a for a in inputs]
    outputs = [np.asarray(a) if isinstance(a, np.generic) else a for a in outputs]
    values = list(model.graph.input)
    if not all(isinstance(a, np.ndarray) for a in [*inputs, *outputs]) or len(values) != len(inputs):
        left[node.op_type] += 1
        continue
    judged = onnx.ModelProto()
    judged.CopyFrom(model)
    # Positions, axes and sizes stay the integers that they are: the first input's type says which are numbers.
    kind = inputs[0].dtype if node.op_type != "Where" else inputs[1].dtype
    if node.op_type in moves and kind.type in NUMBERS:
        for place, value in enumerate(judged.graph.input):
            if inputs[place].dtype == kind and (node.op_type not in ("Pad", "Gather", "Reshape", "Tile", "Split") or place in (0, 2)):
                inputs[place] = cast(inputs[place])
                value.type.tensor_type.elem_type = TensorProto.FLOAT
    at = next((place for place, a in enumerate(inputs) if a.dtype == np.float32 and a.ndim > 0), None)
    if at is None or any(0 in a.shape for a in [inputs[at], *outputs]) or sum(a.size for a in inputs) > 9000:
        left[node.op_type] += 1
        continue
    x, name = inputs[at], values[at].name
    for value, array in zip(values, inputs):
        if value.name != name:
            judged.graph.initializer.append(numpy_helper.from_array(array, value.name))
    for place, y in enumerate(outputs):
        batch = 1 if x.ndim == 1 else len(x)
        # A case that puts the numbers of several samples together is none of one sample.
        if y.dtype == bool or not np.isfinite(x).all() or not np.isfinite(y).all() or y.size % batch or x.ndim > 1 and (y.ndim < 1 or y.shape[0] != batch) and node.op_type != "ArgMax":
            left[node.op_type] += 1
            continue
        one = onnx.ModelProto()
        one.CopyFrom(judged)
        del one.graph.output[:]
        one.graph.output.append(judged.graph.output[place])
        title = case.name if len(outputs) == 1 else f"{case.name}_{place}"
        cases[f"{title}.onnx"] = np.frombuffer(one.SerializeToString(), np.uint8)
        cases[f"{title}.x"] = x.reshape(batch, -1)
        cases[f"{title}.y"] = cast(y).reshape(batch, -1)
        counts[node.op_type] += 1


def kept(title, op, nodes, constants, like, x, y, levels=None):
    """A case of nodes that lead from the tensor x to the tensor y. A single list of numbers is one sample."""
    x, y = (a[None] if a.ndim == 1 else a for a in (x, y))
    inputs = [helper.make_tensor_value_info("net_x", TensorProto.FLOAT, list(x.shape))]
    outputs = [helper.make_tensor_value_info("net_y", TensorProto.FLOAT, list(y.shape))]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    model = helper.make_model(helper.make_graph(nodes, title, inputs, outputs, constants), opset_imports=like.opset_import)
    batch = len(x)
    cases[f"{title}.onnx"] = np.frombuffer(model.SerializeToString(), np.uint8)
    cases[f"{title}.x"] = cast(x).reshape(batch, -1)
    cases[f"{title}.y"] = cast(y).reshape(batch, -1)
    if levels is not None:
        cases[f"{title}.levels"] = np.array(levels, np.float32)
    counts[op] += 1


def of_integers(case):
    """Operators on integers: what stands for them are the numbers (q - zero point) * scale."""
    node, (inputs, outputs) = case.model.graph.node[0], case.data_sets[0]
    if not all(isinstance(a, (np.ndarray, np.generic)) for a in [*inputs, *outputs]) or any(a.ndim > 1 for a in inputs[1:3]):
        left[node.op_type] += 1
        return
    names, (q, *rest), op = [value.name for value in case.model.graph.input], inputs, node.op_type
    constants = dict(zip(names[1:], rest))
    scale = lambda by: (names[by], names[by + 1])
    # One number for all, or one for each channel.
    along = lambda v, q: v if np.size(v) == 1 else v.reshape(-1, *[1] * (q.ndim - 2))
    numbers = lambda q, by: cast((q.astype(np.float64) - along(inputs[by + 1], q)) * along(inputs[by], q))
    at_input = helper.make_node("QuantizeLinear", ["net_x", *scale(1)], [names[0]])
    if op == "QuantizeLinear":
        nodes = [
            helper.make_node("Neg", ["net_x"], [names[0]]),
            node,
            helper.make_node("DequantizeLinear", [node.output[0], *scale(1)], ["net_d"]),
            helper.make_node("Neg", ["net_d"], ["net_y"]),
        ]
        return kept(case.name, op, nodes, constants, case.model, -q, -numbers(outputs[0], 1))
    if op == "DequantizeLinear":
        # Of an activation, and of weights.
        made = helper.make_node(op, node.input, ["net_d"], **{a.name: helper.get_attribute_value(a) for a in node.attribute})
        add = helper.make_node("Add", ["net_x", "net_d"], ["net_y"])
        x, y = np.linspace(-1, 1, q.size, dtype=np.float32).reshape(q.shape), outputs[0]
        kept(f"{case.name}_of_weights", op, [made, add], {names[0]: q, **constants}, case.model, x, x + y)
        if inputs[1].ndim > 0:
            return
        back = helper.make_node("Neg", ["net_d"], ["net_y"])
        return kept(case.name, op, [at_input, made, back], constants, case.model, outputs[0], -outputs[0])
    by = 6
    end = helper.make_node("DequantizeLinear", [node.output[0], *scale(by)], ["net_y"])
    ends = np.array([np.iinfo(outputs[0].dtype).min, np.iinfo(outputs[0].dtype).max])
    levels = [np.ravel(inputs[by])[0], *np.ravel(numbers(ends, by))]
    kept(case.name, op, [at_input, node, end], constants, case.model, numbers(q, 1), numbers(outputs[0], by), levels)


def of_others(case):
    """Operators that make a constant, or more samples than they get."""
    node, (inputs, outputs) = case.model.graph.node[0], case.data_sets[0]
    if node.op_type == "Shape" and case.name in ("test_shape", "test_shape_example"):
        x = inputs[0]
        nodes = [helper.make_node("Shape", ["net_x"], ["s"]), helper.make_node("Flatten", ["net_x"], ["f"]), helper.make_node("Reshape", ["f", "s"], ["net_y"])]
        kept(case.name, "Shape", nodes, {}, case.model, x, x)
    elif node.op_type == "Tile":
        x, repeats = inputs[0][None], np.concatenate([[1], inputs[1]]).astype(np.int64)
        nodes = [helper.make_node("Tile", ["net_x", "r"], ["net_y"])]
        kept(case.name, "Tile", nodes, {"r": repeats}, case.model, x, outputs[0][None])
    elif node.op_type == "Cast" and case.name == "test_cast_FLOAT_to_DOUBLE":
        x = numpy_helper.to_array(inputs[0])
        x = np.where(np.isfinite(x), x, 1).astype(np.float32)
        nodes = [helper.make_node("Cast", ["net_x"], ["c"], to=TensorProto.DOUBLE), helper.make_node("Cast", ["c"], ["net_y"], to=TensorProto.FLOAT)]
        kept(case.name, "Cast", nodes, {}, case.model, x, x)


for case in collect_testcases(None):
    if case.model is None or len(case.model.graph.node) != 1 or case.model.graph.node[0].domain:
        continue
    if case.model.graph.node[0].op_type in integers:
        of_integers(case)
    else:
        of_others(case)
np.savez_compressed(pathlib.Path(__file__).with_name("backend.npz"), **cases)
print(sum(counts.values()), "cases of", len(counts), "operators:", dict(sorted(counts.items())))
print("left out:", dict(sorted(left.items())))
print("without a case:", sorted(understood - set(counts)))
