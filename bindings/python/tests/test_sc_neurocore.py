"""Beside the real sc-neurocore: equal spike counts where it computes the same, and the differences that the docs list."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import lattice_layers

import snn_event

pytest.importorskip("sc_neurocore")
torch = pytest.importorskip("torch")
from sc_neurocore import conversion as theirs  # noqa: E402
from torch import nn  # noqa: E402


def their_raster(x: np.ndarray, T: int) -> np.ndarray:
    """The input spikes of sc-neurocore's `run`, whose random numbers all come from the seed 42, step by step."""
    random = np.random.RandomState(42)
    return np.stack([random.random(x.shape) < x for _ in range(T)], axis=1)


@pytest.mark.parametrize("sizes", [[12, 5], [20, 30, 10], [16, 24, 24, 8]])
@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_given_its_input_spikes_the_counts_on_lattice_nets_are_its_counts(rng, sizes, fraction):
    for T in (8, 16, 50):
        layers = lattice_layers(rng, sizes)
        x = rng.random((6, sizes[0]))
        # It spreads a bias over the run; ours is a current of every step.
        other = theirs.ConvertedSNN(
            weights=[weight.astype(np.float64) for weight, _ in layers],
            biases=[bias.astype(np.float64) * T for _, bias in layers],
            thresholds=[1.0] * len(layers),
            T=T,
            initial_membrane_fraction=fraction,
        )
        arrays = {f"{kind}{place}": pair[i] for place, pair in enumerate(layers) for i, kind in enumerate("Wb")}
        ours = snn_event.convert({**arrays, "theta": 1.0, "v_start": fraction}, T=T)
        counts = other.run(x)
        assert counts.any()
        assert np.array_equal(ours.run(raster=their_raster(x, T)), counts)
        assert np.array_equal(ours.run(raster=their_raster(x[:1], T)[0]), other.run(x[:1])[0])
        assert np.array_equal(ours.classify(raster=their_raster(x, T), by="counts"), other.classify(x))


def test_a_program_written_for_it_runs_with_another_import(rng):
    """Only the names that both have: convert, QCFSActivation, replace_relu_with_qcfs, the attributes and methods."""
    torch.manual_seed(0)
    x = torch.rand(40, 12)
    results = {}
    for package in (theirs, snn_event):
        model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 4))
        snn = package.convert(model, calibration_data=x, T=32, percentile=99.0)
        counts, classes = snn.run(x.numpy()), snn.classify(x.numpy())
        assert counts.shape == (40, 4) and classes.shape == (40,) and snn.run(x[0].numpy()).shape == (4,)
        assert (snn.T, snn.n_layers, snn.thresholds) == (32, 2, [1.0, 1.0])
        results[package] = [weights.shape for weights in snn.weights]
        model = package.replace_relu_with_qcfs(model, T=4, theta=2.0)
        assert isinstance(model[1], package.QCFSActivation)
        again = package.convert(model, calibration_data=x)
        assert (again.T, again.initial_membrane_fraction) == (4, 0.5)
    assert results[theirs] == results[snn_event]


def test_weights_without_biases_are_normalised_alike_up_to_the_last_layer(rng):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(9, 30, bias=False), nn.ReLU(), nn.Linear(30, 30, bias=False), nn.ReLU(), nn.Linear(30, 3))
    x = torch.rand(100, 9)
    ours, other = snn_event.convert(model, x, normalise="percentile"), theirs.convert(model, x)
    for mine, its in zip(ours.dense_weights()[:2], other.weights[:2], strict=True):
        assert np.allclose(mine, its, rtol=1e-4)


def test_the_listed_differences_are_still_there():
    """docs/sc-neurocore.md states them of its version 3.16; where one is mended there, the docs must say so."""
    model = nn.Sequential(nn.Linear(1, 1))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(0.5)
    # A net whose value is 0.5 + 0.5 = 1 fires in every step; theirs gets its bias once in a run.
    x = np.array([[0.5]])
    assert snn_event.convert(model, T=64, normalise="none").run(x).item() == 64
    assert theirs.convert(model, T=64).run(x).item() < 40
    # The quantised activation is not quantised, and passes no gradient.
    value = torch.tensor([0.3], requires_grad=True)
    assert theirs.QCFSActivation(T=4)(value).item() == pytest.approx(0.425)
    assert snn_event.QCFSActivation(T=4)(value).item() == pytest.approx(0.25)
    theirs.QCFSActivation(T=4)(value).sum().backward()
    assert value.grad.item() == 0.0
    # Convolutions are multiplied as matrices.
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    images = torch.rand(4, 1, 4, 4)
    assert snn_event.convert(convolution, images).run(images).shape == (4, 2)
    with pytest.raises(ValueError, match=r"matmul|axes|operand|shape"):
        theirs.convert(convolution, images).run(images.numpy())
