"""Draws the figures of docs/python.md with the shipped MNIST example. Needs matplotlib.

    python bindings/python/scripts/figures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

import snn_event  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "mnist"
DOCS = ROOT / "docs"
#: The net's layers in words.
NAMES = ["input", "hidden 1", "hidden 2", "output"]


def raster(images: np.ndarray, calibration: np.ndarray) -> None:
    """Every spike of every population while the net sees one image."""
    T = 64
    snn = snn_event.convert(EXAMPLE / "mlp300-p90.onnx", calibration, T=T, percentile=99.9)
    run = snn.simulate(images[0], encoding="poisson", seed=42, spikes=True)
    heights = [3, 3, 1.6, 0.8]
    figure, axes = plt.subplots(
        5, 1, figsize=(7, 6.4), gridspec_kw={"height_ratios": [*heights, 1.2]}, sharex=True, layout="constrained"
    )
    for axis, name, spikes in zip(axes, NAMES, run.spikes.values(), strict=False):
        neurons, steps = spikes.sample(0)
        few = spikes.shape[0] <= 20
        axis.plot(steps, neurons, "|" if few else ".", color="black", markersize=6 if few else 1.2, markeredgewidth=0.7)
        axis.set_ylabel(f"{name}\n({spikes.shape[0]})", rotation=0, ha="right", va="center")
        axis.set_ylim(-0.5, spikes.shape[0] - 0.5)
        axis.set_yticks([])
    simulator = snn.simulator()
    flags = run.spikes["input"].raster(0)
    potentials, fired = [], np.zeros(10)
    for step in flags:
        fired = fired + simulator.step(step)
        potentials.append(simulator.potentials() + fired)
    lines = axes[-1].plot(np.array(potentials), color="0.75", linewidth=1)
    winner = int(run.classes())
    lines[winner].set(color="tab:red", linewidth=2, label=f"class {winner}", zorder=3)
    axes[-1].set_ylabel("integrated\ninput", rotation=0, ha="right", va="center")
    axes[-1].legend(loc="lower left", frameon=False)
    axes[-1].set_xlabel("step")
    axes[-1].set_xlim(-0.5, T - 0.5)
    save(figure, "python-raster.png")


def accuracy(images: np.ndarray, labels: np.ndarray, calibration: np.ndarray) -> None:
    """How the share of right answers grows with the number of steps."""
    steps = [2, 4, 8, 16, 32, 64, 128, 256]
    model = snn_event.read_model(EXAMPLE / "mlp300-p90.onnx")
    trained = float((model.forward(images).argmax(1) == labels).mean())
    curves = {
        "percentile 99.9": snn_event.convert(model, calibration, percentile=99.9).accuracy(images, labels, steps),
        "mse": {
            T: snn_event.convert(model, calibration, T=T, fit=False).accuracy(images, labels, [T])[T] for T in steps
        },
        "mse, fit": {
            T: snn_event.convert(model, calibration, T=T, fit=True).accuracy(images, labels, [T])[T]
            for T in steps
        },
        "percentile 99.9, Poisson input": snn_event.convert(model, calibration, percentile=99.9).accuracy(
            images, labels, steps, encoding="poisson", seed=42
        ),
    }
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    axis.axhline(100 * trained, color="black", linestyle=":", label="trained net")
    print(f"| accuracy in % (trained net {100 * trained:.1f}) | " + " | ".join(f"T = {T}" for T in steps) + " |")
    print("|---" * (len(steps) + 1) + "|")
    for (name, curve), marker in zip(curves.items(), "os^v", strict=True):
        values = [100 * curve[T] for T in steps]
        axis.plot(steps, values, marker=marker, markersize=4, label=name)
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |")
    axis.set_xscale("log", base=2)
    axis.set_xticks(steps, [str(T) for T in steps])
    axis.set_xlabel("steps T")
    axis.set_ylabel("accuracy in %")
    axis.set_ylim(75, 100.2)
    axis.legend(frameon=False)
    save(figure, "python-accuracy.png")


def save(figure: plt.Figure, name: str) -> None:
    # No date and no version, so that the same figure is the same file.
    figure.savefig(DOCS / name, dpi=110, metadata={"Software": None})
    print(f"wrote docs/{name}")


def main() -> None:
    images, labels, calibration = (np.load(EXAMPLE / f"{name}.npy") for name in ("x", "y", "x_calib"))
    raster(images, calibration)
    accuracy(images, labels, calibration)


if __name__ == "__main__":
    main()
