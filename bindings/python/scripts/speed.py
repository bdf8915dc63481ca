"""How long a run takes through Python and through the command line: the same net.bin, 1,000 images, in turn.

    python bindings/python/scripts/speed.py target/release/snn-event [images.npy]

Without images of one's own the 200 of the shipped example are taken five times.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import snn_event

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "mnist"
ROUNDS = 7


def main() -> None:
    binary = sys.argv[1]
    images = np.load(sys.argv[2]) if len(sys.argv) > 2 else np.tile(np.load(EXAMPLE / "x.npy"), (5, 1))
    images = images[:1000].reshape(-1, 784)
    snn = snn_event.convert(EXAMPLE / "mlp300-p90.onnx", np.load(EXAMPLE / "x_calib.npy"), readout="potential")
    print(f"{len(images)} images, {snn}")
    with tempfile.TemporaryDirectory() as folder:
        net, x = Path(folder) / "net.bin", Path(folder) / "x.npy"
        snn.save(net)
        np.save(x, images)
        for threads in (1, 2):
            for T in (16, 256):
                by_python, by_command = [], []
                for _ in range(ROUNDS):
                    started = time.perf_counter()
                    snn.simulate(images, T=T, threads=threads).counts  # noqa: B018
                    by_python.append(time.perf_counter() - started)
                    command = [binary, "run", "--net", net, "--input", x, "--T", str(T), "--threads", str(threads)]
                    out = subprocess.run([*command, "--json", "-"], capture_output=True, check=True).stdout
                    by_command.append(json.loads(out)["wall_seconds"])
                one, other = min(by_python), min(by_command)
                print(f"T {T:3}, {threads} threads: Python {one:.3f} s, command line {other:.3f} s, ratio {one / other:.3f}")


if __name__ == "__main__":
    main()
