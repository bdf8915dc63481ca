"""Leaky neurons as snnTorch and norse step them, in float64. usage: make.py (needs torch, snntorch, norse); writes leaky.json here."""

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import norse
import snntorch
import torch
from norse.torch.functional.lif import LIFFeedForwardState, LIFParameters, lif_feed_forward_step

INPUTS, NEURONS, STEPS = 24, 8, 120
#: How far every potential keeps from the threshold, so that rounding to float32 changes no spike.
MARGIN = 1e-4

torch.set_default_dtype(torch.float64)


def drawn(seed, scale=1.0):
    """Weights that float32 holds, and spikes of the inputs."""
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.rand(INPUTS, NEURONS, generator=generator) - 0.3) * 0.35 * scale
    spikes = torch.rand(STEPS, INPUTS, generator=generator) < 0.15
    return weights.to(torch.float32).to(torch.float64), spikes.to(torch.float64)


def case(name, model, parameters, step, scale=1.0):
    """The first seed with which every potential keeps its distance and the neurons fire."""
    for seed in range(1000):
        weights, inputs = drawn(seed, scale)
        spikes, potentials, before = step(weights, inputs)
        near = (before - parameters["threshold"]).abs().min().item()
        # A residual above the threshold is a matter of taste in snnTorch.
        if near > MARGIN and before.max() < 2 * parameters["threshold"] and 20 < spikes.sum() < STEPS * NEURONS / 2:
            ids = lambda rows: [row.nonzero().flatten().tolist() for row in rows]
            return {
                "name": name,
                "model": model,
                "parameters": parameters,
                "weights": weights.tolist(),
                "raster": ids(inputs),
                "spikes": ids(spikes),
                "potentials": potentials.tolist(),
            }
    raise SystemExit(f"{name}: no seed keeps its distance")


def snn_leaky(beta, reset):
    def step(weights, inputs):
        neuron = snntorch.Leaky(beta=torch.tensor(beta), reset_mechanism=reset, reset_delay=False)
        memory, out = torch.zeros(NEURONS), [[], [], []]
        for row in inputs:
            current = row @ weights
            before = beta * memory + current
            spikes, memory = neuron(current, memory)
            for kept, values in zip(out, (spikes, memory, before)):
                kept.append(values.detach())
        return [torch.stack(kept) for kept in out]

    return step


def norse_lif(weights, inputs):
    p = LIFParameters(tau_syn_inv=torch.tensor(200.0), tau_mem_inv=torch.tensor(100.0), v_th=torch.tensor(1.0),
                      v_reset=torch.tensor(-0.25), v_leak=torch.tensor(0.0))
    state = LIFFeedForwardState(v=torch.zeros(NEURONS), i=torch.zeros(NEURONS))
    spikes, potentials, before = [], [], []
    for row in inputs:
        # The engine's weights are these times dt/tau_mem.
        current = row @ weights / 0.1
        before.append(state.v + 0.1 * (state.i + current - state.v))
        z, state = lif_feed_forward_step(current, state, p, dt=0.001)
        spikes.append(z)
        potentials.append(state.v)
    return torch.stack(spikes), torch.stack(potentials), torch.stack(before)


cases = [
    case("snnTorch Leaky, subtract", "leaky", {"leak": 0.9, "threshold": 1.0, "reset": "subtract"}, snn_leaky(0.9, "subtract")),
    case("snnTorch Leaky, zero", "leaky", {"leak": 0.8, "threshold": 1.0, "reset": "to", "after": 0.0}, snn_leaky(0.8, "zero")),
    case("norse LIF", "current-leaky",
         {"leak": 0.9, "decay": 0.8, "threshold": 1.0, "reset": "to", "after": -0.25}, norse_lif, 0.4),
]
made_by = {"snntorch": snntorch.__version__, "norse": norse.__version__, "torch": torch.__version__.partition("+")[0]}
text = json.dumps({"made_by": made_by, "cases": cases})
Path(sys.argv[0]).with_name("leaky.json").write_text(text + "\n")
print(made_by, [sum(map(len, case["spikes"])) for case in cases])
