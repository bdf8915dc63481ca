"""Makes neurobench.json: two small spiking nets with NeuroBench's own metrics of them, for tests/neurobench.rs.

Needs torch, snntorch and neurobench 2.3 (`pip install --no-deps neurobench==2.3.0` is enough for its metrics).
"""

import importlib.metadata
import json
import pathlib

import snntorch
import torch
from neurobench.metrics.static import ConnectionSparsity
from neurobench.metrics.workload import (
    ActivationSparsity,
    ActivationSparsityByLayer,
    MembraneUpdates,
    SynapticOperations,
)
from neurobench.models import SNNTorchModel

STEPS, SAMPLES = 9, 4


def neuron(last=False):
    # The contract's reset: subtraction in the step of the spike.
    return snntorch.Leaky(
        beta=1.0, threshold=1.0, reset_mechanism="subtract", reset_delay=False, init_hidden=True, output=last
    )


def spiking(name, layers, shape, density, ternary, scale):
    torch.manual_seed(len(name))
    net = torch.nn.Sequential(*layers)
    weights = []
    for layer in net:
        if hasattr(layer, "weight"):
            with torch.no_grad():
                layer.weight.mul_(scale)
                layer.weight[torch.rand_like(layer.weight) < 0.4] = 0.0
            weights.append({"shape": list(layer.weight.shape), "values": layer.weight.flatten().tolist()})
    if ternary:
        x = (torch.rand(SAMPLES, STEPS, *shape) < density).float()
    else:
        # One input for all steps: a constant current.
        x = torch.rand(SAMPLES, 1, *shape) * (torch.rand(SAMPLES, 1, *shape) < density)
        x = x.expand(SAMPLES, STEPS, *shape)
    model = SNNTorchModel(net)
    model.register_hooks()
    metrics = {
        "ActivationSparsity": ActivationSparsity(),
        "ActivationSparsityByLayer": ActivationSparsityByLayer(),
        "MembraneUpdates": MembraneUpdates(),
        "SynapticOperations": SynapticOperations(),
    }
    # One sample a call, so that each decides by itself between additions and multiply-adds.
    sparsity = []
    for sample in x:
        sample = sample[None]
        model(sample)
        for hook in model.activation_hooks:
            # snntorch swallows the spike of a residual beyond the threshold, the contract does not: there are none here.
            assert all((potential < 1).all() for potential in hook.post_fire_mem_potential), name
        data = (sample, torch.zeros(1))
        sparsity.append(metrics["ActivationSparsity"](model, None, data))
        for metric in ("ActivationSparsityByLayer", "MembraneUpdates", "SynapticOperations"):
            metrics[metric](model, None, data)
        model.reset_hooks()
    result = {metric: metrics[metric].compute() for metric in metrics if metric != "ActivationSparsity"}
    result["ActivationSparsity"] = sum(sparsity) / len(sparsity)
    result["ConnectionSparsity"] = ConnectionSparsity()(model)
    given = x if ternary else x[:, 0]
    return {"weights": weights, "input": given.flatten().tolist(), "metrics": result}


def linear(inputs, outputs):
    return torch.nn.Linear(inputs, outputs, bias=False)


def convolution(inputs, outputs, **keywords):
    return torch.nn.Conv2d(inputs, outputs, 3, bias=False, **keywords)


found = {
    "origin": {package: importlib.metadata.version(package) for package in ("neurobench", "snntorch", "torch")},
    "steps": STEPS,
    "samples": SAMPLES,
    "spikes": spiking("spikes", [linear(12, 9), neuron(), linear(9, 4), neuron(last=True)], (12,), 0.3, True, 1.6),
    "currents": spiking("currents", [linear(12, 9), neuron(), linear(9, 4), neuron(last=True)], (12,), 0.6, False, 1.6),
    "convolution": spiking(
        "convolution",
        [convolution(2, 3, padding=1), neuron(), convolution(3, 2, stride=2, padding=1), neuron(last=True)],
        (2, 5, 5),
        0.2,
        True,
        2.0,
    ),
}
path = pathlib.Path(__file__).with_name("neurobench.json")
path.write_text(json.dumps(found, indent=1) + "\n")
print({name: found[name]["metrics"] for name in ("spikes", "currents", "convolution")})
