"""Train, prune, fine-tune with quantised activations, convert, run: a spiking network from nothing, on two cores in
well under three minutes.

    pip install './bindings/python[torch]' scikit-learn
    python examples/train_qcfs.py [net.bin]

The data are the 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships (Alpaydin and Kaynak 1998).
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

import snn_event

LEVELS = 8
SPARSITY = 0.9


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images and labels, test images and labels; pixels in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = (images[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels[order]
    return x[:1297], y[:1297], x[1297:], y[1297:]


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 4 * 4, 96),
        nn.ReLU(),
        nn.Linear(96, 10),
    )


def train(model: nn.Module, x: np.ndarray, y: np.ndarray, epochs: int, rate: float) -> None:
    images, labels = torch.tensor(x), torch.tensor(y)
    optimiser = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(images)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
        schedule.step()
    model.eval()


def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    with torch.no_grad():
        return float((model(torch.tensor(x)).argmax(1).numpy() == y).mean())


def main() -> None:
    started = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {what}", flush=True)

    torch.manual_seed(0)
    # So small a net gains nothing from more.
    torch.set_num_threads(1)
    x, y, x_test, y_test = digits()

    model = network()
    train(model, x, y, epochs=8, rate=4e-3)
    tell(f"trained:    accuracy {accuracy(model, x_test, y_test):.1%}")

    weights = [(module, "weight") for module in model if isinstance(module, nn.Conv2d | nn.Linear)]
    for sparsity in (0.7, SPARSITY):
        prune.global_unstructured(weights, prune.L1Unstructured, amount=sparsity)
        train(model, x, y, epochs=4, rate=2e-3)
        # Pruned weights are exact zeros from here on, or the next round would not find them.
        for module, name in weights:
            prune.remove(module, name)
    zeros = sum(int((module.weight == 0).sum()) for module, _ in weights)
    share = zeros / sum(module.weight.numel() for module, _ in weights)
    tell(f"pruned:     accuracy {accuracy(model, x_test, y_test):.1%}, {share:.1%} of the weights are zero")

    # Thresholds start where the activations end, and are trained; the zeros stay.
    snn_event.replace_relu_with_qcfs(model, T=LEVELS, calibration_data=torch.tensor(x[:500]), percentile=99.7)
    for module, name in weights:
        prune.custom_from_mask(module, name, module.weight != 0)
    train(model, x, y, epochs=8, rate=2e-3)
    for module, name in weights:
        prune.remove(module, name)
    trained = accuracy(model, x_test, y_test)
    tell(f"quantised:  accuracy {trained:.1%} with {LEVELS} levels")

    snn = snn_event.convert(model, x[:500])
    tell(f"converted:  {snn}")
    for T in (4, 8, 16, 32):
        run = snn.simulate(x_test, T=T)
        statistics = run.statistics
        share = statistics.synaptic_operations / statistics.dense_operations
        tell(
            f"run T = {T:2}: accuracy {(run.classes() == y_test).mean():.1%}, "
            f"{statistics.synaptic_operations / len(x_test):,.0f} synaptic operations an image, "
            f"{share:.1%} of a dense simulator's"
        )
    spiking = (snn.classify(x_test, T=2 * LEVELS) == y_test).mean()
    if len(sys.argv) > 1:
        snn.save(sys.argv[1])
        tell(f"saved:      {sys.argv[1]}")
    if spiking < trained - 0.02:
        sys.exit(f"the spiking network has {spiking:.1%}, the trained one {trained:.1%}")


if __name__ == "__main__":
    main()
