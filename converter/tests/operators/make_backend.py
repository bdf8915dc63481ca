"""Makes backend.npz: the node tests of the `onnx` package (Apache-2.0) for the operators that are understood, with every input
but the first made a constant: NAME.onnx, NAME.x, NAME.y.

    pip install onnx numpy; python make_backend.py
"""

import pathlib
import re

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

table = pathlib.Path(__file__).parents[3].joinpath("docs/operators.md").read_text()
understood = set(re.findall(r"`([A-Z]\w+)`", table.split("| operator |")[1].split("Curved functions")[0]))
decided = "Softmax LogSoftmax Log Exp Sigmoid Tanh Hardmax ArgMax TopK Shape Floor"
cases = {}
for case in collect_testcases(None):
    model = case.model
    if model is None or len(model.graph.node) != 1 or len(model.graph.output) != 1:
        continue
    node = model.graph.node[0]
    if node.domain or node.op_type not in understood - set(decided.split()):
        continue
    inputs, outputs = case.data_sets[0]
    if not all(isinstance(a, np.ndarray) for a in [*inputs, *outputs]):
        continue
    x, y = inputs[0], outputs[0]
    if x.dtype != np.float32 or y.dtype != np.float32 or x.ndim < 2 or y.ndim < 1 or 0 in x.shape + y.shape:
        continue
    if sum(a.size for a in inputs) > 5000 or x.shape[0] != y.shape[0]:
        continue
    judged = onnx.ModelProto()
    judged.CopyFrom(model)
    for value, array in zip(list(model.graph.input)[1:], inputs[1:]):
        judged.graph.initializer.append(numpy_helper.from_array(array, value.name))
    cases[f"{case.name}.onnx"] = np.frombuffer(judged.SerializeToString(), np.uint8)
    cases[f"{case.name}.x"] = x.reshape(len(x), -1)
    cases[f"{case.name}.y"] = y.reshape(len(y), -1)
np.savez_compressed("backend.npz", **cases)
print(len(cases) // 3, "cases")
