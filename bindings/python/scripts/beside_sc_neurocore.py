"""The numbers of docs/sc-neurocore.md: the real sc-neurocore beside this package. Needs torch and sc-neurocore.

    python bindings/python/scripts/beside_sc_neurocore.py [images.npy labels.npy]

Without images of one's own the 200 of the shipped MNIST example are taken.
"""

from __future__ import annotations

import importlib.metadata
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sc_neurocore import conversion as theirs
from torch import nn

import snn_event

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "mnist"
STEPS = [8, 16, 32, 64, 128, 256]


def trained_net() -> nn.Sequential:
    """The shipped net as a torch module."""
    net = snn_event.convert(EXAMPLE / "mlp300-p90.onnx", normalise="none", readout="potential")
    layers: list[nn.Module] = []
    for weight, bias in zip(net.dense_weights(), net.biases, strict=True):
        assert bias is not None
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def accuracies(images: np.ndarray, labels: np.ndarray, calibration: np.ndarray) -> None:
    model = trained_net()
    samples = torch.from_numpy(calibration)
    with torch.no_grad():
        trained = (model(torch.from_numpy(images)).argmax(1).numpy() == labels).mean()

    def share(classes: np.ndarray) -> float:
        return float((classes == labels).mean())

    rows: dict[str, Callable[[int], float]] = {
        "sc-neurocore, counts": lambda T: share(theirs.convert(model, samples, T=T).classify(images)),
        "ours, Poisson, counts": lambda T: share(
            snn_event.convert(model, samples, T=T, percentile=99.9).classify(images, by="counts", encoding="poisson", seed=42)
        ),
        "ours, Poisson": lambda T: share(
            snn_event.convert(model, samples, T=T, percentile=99.9).classify(images, encoding="poisson", seed=42)
        ),
        "ours, constant input": lambda T: share(
            snn_event.convert(model, samples, T=T, percentile=99.9).classify(images)
        ),
        "ours, `normalise=\"mse\", fit=True`": lambda T: share(
            snn_event.convert(model, samples, T=T, fit=True).classify(images)
        ),
    }
    print(f"accuracy in % on {len(images)} images; the trained net has {100 * trained:.1f}\n")
    print("| | " + " | ".join(f"T = {T}" for T in STEPS) + " |\n" + "|---" * (len(STEPS) + 1) + "|")
    for name, of in rows.items():
        print(f"| {name} | " + " | ".join(f"{100 * of(T):.1f}" for T in STEPS) + " |", flush=True)


def times(images: np.ndarray, calibration: np.ndarray) -> None:
    model, samples = trained_net(), torch.from_numpy(calibration)
    images = np.tile(images, (1000 // len(images) + 1, 1))[:1000]
    other, ours = theirs.convert(model, samples, T=64), snn_event.convert(model, samples, T=64, percentile=99.9)

    def best(run: Callable[[], object], rounds: int = 3) -> float:
        seconds = []
        for _ in range(rounds):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    batch = best(lambda: other.run(images))
    single = best(lambda: [other.run(image) for image in images[:20]]) * len(images) / 20
    poisson = best(lambda: ours.run(images, encoding="poisson"))
    constant = best(lambda: ours.run(images))
    print(f"\n{len(images)} images, T = 64, seconds: sc-neurocore as one batch {batch:.2f}, image by image {single:.2f}; ")
    print(f"ours, Poisson input {poisson:.2f}, constant input {constant:.2f}")


def bias() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(0.5)
    x = np.array([[0.5]])
    print("\nrate of a neuron whose trained value is 0.5 + 0.5 = 1\n")
    print("| | " + " | ".join(f"T = {T}" for T in STEPS) + " |\n" + "|---" * (len(STEPS) + 1) + "|")
    for name, package, options in (("sc-neurocore", theirs, {}), ("ours", snn_event, {})):
        rates = [package.convert(model, T=T, **options).run(x).item() / T for T in STEPS]
        print(f"| {name} | " + " | ".join(f"{rate:.3f}" for rate in rates) + " |")


def quantised() -> None:
    print("\nQCFS(0.3) with T = 4, theta = 1, and its gradient\n")
    for name, package in (("sc-neurocore", theirs), ("ours", snn_event)):
        x = torch.tensor([0.3], requires_grad=True)
        y = package.QCFSActivation(T=4)(x)
        y.sum().backward()
        print(f"{name}: {y.item():.3f}, gradient {x.grad.item():.0f}")


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", snn_event.ConversionWarning)
    calibration = np.load(EXAMPLE / "x_calib.npy")
    if len(sys.argv) > 2:
        images, labels = np.load(sys.argv[1]).reshape(-1, 784), np.load(sys.argv[2])
    else:
        images, labels = np.load(EXAMPLE / "x.npy"), np.load(EXAMPLE / "y.npy")
    print(f"sc-neurocore {importlib.metadata.version('sc-neurocore')}, snn_event {snn_event.__version__}\n")
    accuracies(images, labels, calibration)
    bias()
    quantised()
    times(images, calibration)


if __name__ == "__main__":
    main()
