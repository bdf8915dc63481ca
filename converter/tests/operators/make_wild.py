"""Makes wild.npz: the graph patterns of published models, by the script of ../shared/cases/wild that lies beside the project,
and what ONNX Runtime yields for them: NAME.onnx, NAME.x, NAME.y.

    pip install onnx onnxruntime numpy; python make_wild.py ../../../../shared/cases/wild/make.py

Long lists of numbers are made periodic, so that they take little room packed; all of them stay different from 0.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

onnxruntime.set_default_logger_severity(4)
PERIOD = 997
SAMPLES = 3


def periodic(array):
    return np.resize(array.reshape(-1)[:PERIOD], array.shape)


cases = {}
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, sys.argv[1], folder], check=True)
    for path in sorted(pathlib.Path(folder).glob("*.onnx")):
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype == np.float32 and array.size > PERIOD:
                # As many inputs as before, so the variance of what they sum up to stays.
                tensor.CopyFrom(numpy_helper.from_array(periodic(array), tensor.name))
        dims = [d.dim_value or None for d in model.graph.input[0].type.tensor_type.shape.dim]
        batched = len(dims) > 1
        shape = dims[1:] if batched else dims
        rng = np.random.default_rng(1)
        x = periodic(rng.standard_normal([SAMPLES, *shape]).astype(np.float32))
        session = onnxruntime.InferenceSession(model.SerializeToString())
        run = lambda batch: session.run(None, {"x": batch})[0]
        if batched and dims[0] is None:
            y = run(x)
        else:
            y = np.stack([run(sample[None] if batched else sample) for sample in x])
        cases[f"{path.stem}.onnx"] = np.frombuffer(model.SerializeToString(), np.uint8)
        cases[f"{path.stem}.x"] = x
        cases[f"{path.stem}.y"] = y.reshape(SAMPLES, -1)
np.savez_compressed(pathlib.Path(__file__).with_name("wild.npz"), **cases)
print(len(cases) // 3, "cases")
