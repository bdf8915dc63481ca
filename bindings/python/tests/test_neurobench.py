"""Costs beside NeuroBench's own package, run here on the same nets of unit spikes, sample by sample."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import snn_event

# Both are installed by environment.sh without what they name, older versions of torch: elsewhere they are rarely there. Where CI lets
# nothing skip, a missing one is a failure (conftest.py).
if any(importlib.util.find_spec(name) is None for name in ("neurobench", "snntorch", "torch")):
    pytest.skip("neurobench, snntorch or torch is missing; environment.sh installs them", allow_module_level=True)

import snntorch
import torch
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload import (
    ActivationSparsity,
    ActivationSparsityByLayer,
    MembraneUpdates,
    SynapticOperations,
)
from neurobench.models import SNNTorchModel

STEPS, SAMPLES = 9, 4


def neuron(last: bool = False) -> torch.nn.Module:
    # Subtraction in the step of the spike, as here.
    return snntorch.Leaky(
        beta=1.0, threshold=1.0, reset_mechanism="subtract", reset_delay=False, init_hidden=True, output=last
    )


# The seeds are those at which all layers fire and no potential is beyond the threshold after its spike: snntorch swallows the next one.
NETS: dict[str, tuple[int, float, float, tuple[int, ...], list[torch.nn.Module]]] = {
    "perceptron": (11, 1.6, 0.3, (12,), [torch.nn.Linear(12, 9, bias=False), torch.nn.Linear(9, 4, bias=False)]),
    "convolution": (
        162,
        2.0,
        0.2,
        (2, 5, 5),
        [
            torch.nn.Conv2d(2, 3, 3, padding=1, bias=False),
            torch.nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False),
        ],
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_costs_are_those_of_neurobench(name: str) -> None:
    seed, scale, density, shape, layers = NETS[name]
    torch.manual_seed(seed)
    for layer in layers:
        layer.reset_parameters()
    x = (torch.rand(SAMPLES, STEPS, *shape) < density).float()
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(scale)
            layer.weight[torch.rand_like(layer.weight) < 0.4] = 0.0
    net = torch.nn.Sequential(layers[0], neuron(), layers[1], neuron(last=True))
    model = SNNTorchModel(net)
    model.register_hooks()
    counted: dict[str, Any] = {
        "ActivationSparsityByLayer": ActivationSparsityByLayer(),
        "MembraneUpdates": MembraneUpdates(),
        "SynapticOperations": SynapticOperations(),
    }
    sparsity = []
    for sample in x:
        given = sample[None]
        model(given)
        for hook in model.activation_hooks:
            assert all((potential < 1).all() for potential in hook.post_fire_mem_potential)
        sparsity.append(ActivationSparsity()(model, None, (given, torch.zeros(1))))
        for metric in counted.values():
            metric(model, None, (given, torch.zeros(1)))
        model.reset_hooks()
    theirs = {key: metric.compute() for key, metric in counted.items()}

    trained = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU())
    snn = snn_event.convert(trained, x.mean(1), T=STEPS, normalise="none", fit=False)
    ours = snn_event.evaluate(snn, raster=x.numpy() != 0, membrane_updates=True).neurobench

    assert ours["ConnectionSparsity"] == ConnectionSparsity()(model)
    assert ours["ActivationSparsity"] == pytest.approx(np.mean(sparsity), abs=1e-12)
    by_layer = list(theirs["ActivationSparsityByLayer"].values())
    assert [layer["sparsity"] for layer in ours["ActivationSparsityByLayer"]] == pytest.approx(by_layer, abs=1e-12)
    assert all(0 < silent < 1 for silent in by_layer)
    assert ours["MembraneUpdates"] == theirs["MembraneUpdates"]
    assert ours["SynapticOperations"] == theirs["SynapticOperations"]
    assert ours["SynapticOperations"]["Effective_ACs"] > 0
    # Weights are the same bytes. NeuroBench adds what the module stores of neurons, here four numbers a layer and every potential of a
    # sample; we add the parameters of populations, one number where all neurons share it: threshold, bias and start.
    weights = sum(4 * layer.weight.numel() for layer in layers)
    stored = sum(buffer.numel() * buffer.element_size() for buffer in net.buffers())
    assert Footprint()(model) == weights + stored
    assert ours["Footprint"] == weights + 2 * 3 * 4
