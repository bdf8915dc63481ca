"""Makes backend.npz: the node tests of the `onnx` package (Apache-2.0) for the operators that are understood, with every input
but one activation made a constant: NAME.onnx, NAME.x, NAME.y.

Of several outputs each makes a case. Numbers of other types are made f32 where the operator only moves or compares them.

    pip install onnx numpy; python make_backend.py
"""

import collections
import pathlib
import re
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

warnings.simplefilter("ignore")
table = pathlib.Path(__file__).parents[3].joinpath("docs/operators.md").read_text()
understood = set(re.findall(r"`([A-Z]\w+)`", table.split("| operator |")[1].split("Curved functions")[0]))
# Alone these make nothing, or integers of which there are cases of their own (make_quantised.py).
alone = {"Shape", "Floor", "Hardmax", "TopK", "QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul"}
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
np.savez_compressed(pathlib.Path(__file__).with_name("backend.npz"), **cases)
print(sum(counts.values()), "cases of", len(counts), "operators:", dict(sorted(counts.items())))
print("left out:", dict(sorted(left.items())))
print("without a case:", sorted(understood - set(counts)))
