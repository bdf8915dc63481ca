"""What several tests need: small nets on a lattice, the shipped MNIST example, and a simulation in plain NumPy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
MNIST = ROOT / "examples" / "mnist"


def limit_torch() -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


limit_torch()


def lattice_layers(rng: np.random.Generator, sizes: list[int], density: float = 0.5, steps: int = 1) -> list:
    """Layers whose weights are multiples of 1/8 and biases multiples of 1/64: every sum is exact in any order."""
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        weight = rng.integers(-8, 13, (outputs, inputs)) / 8
        weight *= rng.random(weight.shape) < density
        bias = rng.integers(-6, 9, outputs) / 64
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


def numpy_run(layers: list, raster: np.ndarray, threshold: float = 1.0, start: float = 0.0):
    """Spikes of every layer for one raster (T, n), and the last potentials: dense, step by step, in float64."""
    potentials = [np.full(len(weight), start) for weight, _ in layers]
    spikes = [np.zeros((len(raster), len(weight)), bool) for weight, _ in layers]
    for step, given in enumerate(raster):
        arriving = given
        for place, (weight, bias) in enumerate(layers):
            potentials[place] += weight.astype(np.float64) @ arriving + bias
            fired = potentials[place] >= threshold
            potentials[place] -= threshold * fired
            spikes[place][step] = arriving = fired
    return spikes, potentials


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)


@pytest.fixture(scope="session")
def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels and calibration images of the shipped example."""
    return tuple(np.load(MNIST / f"{name}.npy") for name in ("x", "y", "x_calib"))


@pytest.fixture(scope="session")
def mnist_onnx() -> Path:
    return MNIST / "mlp300-p90.onnx"


@pytest.fixture(scope="session")
def binary() -> Path:
    """The command line, if it was built."""
    candidates = [os.environ.get("SNN_EVENT_BIN", "")]
    candidates += [ROOT / "target" / profile / "snn-event" for profile in ("release", "debug")]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    pytest.skip("the command line is not built; run cargo build --release, or set SNN_EVENT_BIN")


def pytest_sessionfinish(session, exitstatus):
    """Where every package that the tests need is there (`test.sh`), a skipped test is a failure, but for comparisons with other
    simulators, which are large and not installed everywhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [each for each in reporter.stats.get("skipped", []) if "peer not installed" not in str(each.longrepr)]
    if exitstatus == 0 and os.environ.get("SNN_NO_SKIPS") == "1" and skipped:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
