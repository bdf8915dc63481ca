"""Writes the golden archives of tests/data/golden as JSON, one file each, which the engine's tests read without the
crates that know archives. Needs numpy; run from anywhere."""

import json
import pathlib

import numpy

here = pathlib.Path(__file__).resolve().parent
archives = here.parents[2] / "tests" / "data" / "golden"


def steps(flags):
    """(T, n) flags as the ids of every step."""
    return [numpy.flatnonzero(step).tolist() for step in flags]


def rows(weights):
    """(out, in) weights as the [target, weight] pairs of every source."""
    return [[[int(i), float(row[i])] for i in numpy.flatnonzero(row)] for row in weights.T]


for path in sorted(archives.glob("*.npz")):
    golden = numpy.load(path)
    layers = []
    while f"W{len(layers)}" in golden:
        at = len(layers)
        layers.append(
            {
                "rows": rows(golden[f"W{at}"]),
                "bias": golden[f"b{at}"].tolist(),
                "spikes": steps(golden[f"spikes{at}"]),
                "potentials": golden[f"v_end{at}"].tolist(),
            }
        )
    case = {
        "threshold": float(golden["theta"]),
        "start": float(golden["v_start"]),
        "reset": str(golden["reset"]),
        "inputs": int(golden["raster"].shape[1]),
        "raster": steps(golden["raster"]),
        "layers": layers,
    }
    text = json.dumps(case, separators=(",", ":")).replace('],"', '],\n"').replace('{"rows"', '\n{"rows"')
    (here / f"{path.stem}.json").write_text(text + "\n")
