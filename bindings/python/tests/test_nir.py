"""NIR from the package `nir`, beside the simulators that read it too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import snn_event
from snn_event.nir import LossWarning, from_nir, to_nir

nir = pytest.importorskip("nir", reason="an extra; CI installs all of them and lets no test skip for this")

#: Seconds of a step: a power of two, so that `dt/tau` is exact where tau is one.
DT = 2.0**-10


def peer(name):
    """A simulator to compare with, or a skip that says so."""
    try:
        return __import__(name)
    except ImportError:
        pytest.skip(f"peer not installed: {name}")


def lif_graph(rng, kind="LIF", sizes=(20, 30, 10)):
    """Two layers of affine maps and neurons, with numbers that differ from neuron to neuron, on lattices where they can be."""
    nodes, edges, last = {"input": nir.Input(np.array([sizes[0]]))}, [], "input"
    for place, (before, behind) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weight, bias = rng.integers(-30, 60, (behind, before)) / 8, rng.integers(-4, 8, behind) / 8
        nodes[f"w{place}"] = nir.Affine(weight.astype(np.float32), bias.astype(np.float32))
        ones, tau, slow = np.ones(behind), DT * 2.0 ** rng.integers(1, 5, behind), DT * 2.0 ** rng.integers(1, 3, behind)
        # Thresholds that are met exactly, and others.
        threshold = np.where(rng.random(behind) < 0.5, rng.integers(1, 9, behind) / 4, rng.uniform(0.5, 2.0, behind))
        threshold = threshold.astype(np.float32)
        nodes[f"n{place}"] = {
            "LIF": lambda: nir.LIF(tau=tau, r=ones, v_leak=0 * ones, v_threshold=threshold, v_reset=0 * ones),
            "IF": lambda: nir.IF(r=ones, v_threshold=4 * threshold, v_reset=0 * ones),
            "CubaLIF": lambda: nir.CubaLIF(
                tau_mem=tau, tau_syn=slow, r=2 * ones, v_leak=0 * ones, v_threshold=threshold, v_reset=0 * ones, w_in=ones
            ),
        }[kind]()
        edges += [(last, f"w{place}"), (f"w{place}", f"n{place}")]
        last = f"n{place}"
    nodes["output"] = nir.Output(np.array([sizes[-1]]))
    return nir.NIRGraph(nodes=nodes, edges=[*edges, (last, "output")])


@pytest.mark.parametrize("kind", ["LIF", "IF", "CubaLIF"])
def test_every_step_is_that_of_norse(rng, kind):
    peer("norse")
    import norse.torch
    import torch

    graph = lif_graph(rng, kind)
    network = from_nir(graph, dt=DT)
    raster = rng.random((200, 20)) < 0.2
    recording = snn_event.Simulator(network).run(200, spikes=raster, potentials=["n1"])
    module = norse.torch.from_nir(graph, dt=DT)
    state, theirs = None, []
    with torch.no_grad():
        for flags in raster:
            out, state = module(torch.tensor(flags[None], dtype=torch.float32), state)
            theirs.append(out.numpy()[0] > 0)
    ours = recording.spikes["n1"].raster(0)
    assert ours.sum() > 100
    assert np.array_equal(ours, np.array(theirs))


def test_every_step_of_an_export_of_snntorch_is_its_own(rng):
    peer("snntorch")
    import snntorch
    import torch
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(3)

    def neurons(n):
        same = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
        return snntorch.Leaky(beta=torch.full((n,), 0.75), threshold=torch.ones(n), **same)

    module = torch.nn.Sequential(torch.nn.Linear(20, 30), neurons(30), torch.nn.Linear(30, 10), neurons(10))
    for place in (0, 2):
        module[place].weight.data *= 4
    network = from_nir(export_to_nir(module, torch.rand(1, 20), ignore_dims=[0]), dt=1e-4)
    raster = rng.random((150, 20)) < 0.5
    recording = snn_event.Simulator(network).run(150, spikes=raster)
    utils.reset(module)
    with torch.no_grad():
        theirs = [module(torch.tensor(flags[None], dtype=torch.float32)).numpy()[0] > 0 for flags in raster]
    ours = recording.spikes[network.populations[-1].name].raster(0)
    assert ours.sum() > 100
    assert np.array_equal(ours, np.array(theirs))


def test_potentials_behind_a_synaptic_filter_are_those_of_snntorch(rng):
    """Below the threshold: at it, snnTorch sets the current to 0 as well, and NIR does not."""
    peer("snntorch")
    import snntorch
    import torch
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    alpha, beta = torch.rand(30) * 0.9, torch.rand(30) * 0.9
    filtered = snntorch.Synaptic(alpha=alpha, beta=beta, threshold=torch.full((30,), 1e4), init_hidden=True)
    module = torch.nn.Sequential(torch.nn.Linear(20, 30), filtered)
    network = from_nir(export_to_nir(module, torch.rand(1, 20), ignore_dims=[0]), dt=1e-4)
    name = network.populations[-1].name
    raster = rng.random((150, 20)) < 0.5
    ours = snn_event.Simulator(network).run(150, spikes=raster, potentials=[name]).potentials[name]
    utils.reset(module)
    theirs = []
    with torch.no_grad():
        for flags in raster:
            module(torch.tensor(flags[None], dtype=torch.float32))
            theirs.append(filtered.mem.numpy()[0].copy())
    assert np.abs(ours).max() > 1
    assert np.allclose(ours, np.array(theirs), rtol=1e-4, atol=1e-5)


def test_a_file_goes_out_and_comes_back_by_bits(rng, tmp_path):
    network = from_nir(lif_graph(rng, "CubaLIF"), dt=DT)
    nir.write(tmp_path / "net.nir", to_nir(network, dt=DT))
    back = from_nir(tmp_path / "net.nir", dt=DT)
    raster = rng.random((300, 20)) < 0.3
    one, other = (snn_event.Simulator(each).run(300, spikes=raster, potentials=["n1"]) for each in (network, back))
    assert one.potentials["n1"].tobytes() == other.potentials["n1"].tobytes()
    assert np.array_equal(one.spikes["n0"].node_ids, other.spikes["n0"].node_ids)
    assert len(one.spikes["n1"].node_ids) > 100


def test_what_nir_cannot_say_is_refused_or_warned_of_and_kept(rng, tmp_path):
    net = snn_event.NetworkBuilder()
    net.population("in", 6, "source")
    net.population("cells", 6, "leaky", leak=0.875, refractory=2)
    net.projection("in", "cells", rng.integers(1, 9, (6, 6)) / 8)
    network = net.build()
    with pytest.raises(snn_event.ConvertError, match="firing subtracts.*rest after a spike"):
        to_nir(network)
    with pytest.warns(LossWarning) as told:
        graph = to_nir(network, lossy=True)
    assert len(told) == 2
    nir.write(tmp_path / "net.nir", graph)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = from_nir(tmp_path / "net.nir")
    raster = rng.random((100, 6)) < 0.4
    one, other = (snn_event.Simulator(each).run(100, spikes=raster, potentials=["cells"]) for each in (network, back))
    assert one.potentials["cells"].tobytes() == other.potentials["cells"].tobytes()


def test_nested_graphs_and_recurrent_edges_are_read(rng):
    n, ones = 5, np.ones(5)
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([n])),
            "lif": nir.LIF(tau=0.01 * ones, r=10 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones),
            "back": nir.Linear(np.roll(np.eye(n), 1, axis=0) * 2.0),
            "output": nir.Output(np.array([n])),
        },
        edges=[("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
        type_check=False,
    )
    graph = nir.NIRGraph(
        nodes={"in": nir.Input(np.array([n])), "w": nir.Linear(np.eye(n) * 2.0), "rnn": inner, "out": nir.Output(np.array([n]))},
        edges=[("in", "w"), ("w", "rnn"), ("rnn", "out")],
        type_check=False,
    )
    network = from_nir(graph, dt=DT)
    assert [p.name for p in network.populations] == ["in", "rnn.lif"]
    raster = np.zeros((7, n), bool)
    raster[0, 0] = True
    fired = snn_event.Simulator(network).run(7, spikes=raster).spikes["rnn.lif"]
    # A spike travels around, one neuron a step.
    assert fired.timestamps.tolist() == list(range(7)) and fired.node_ids.tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_images_of_a_convolutional_graph_keep_their_shape(rng):
    conv = nir.Conv2d((8, 8), rng.normal(0, 1, (4, 2, 3, 3)), 1, 1, 1, 1, rng.normal(0, 0.1, 4))
    shape = np.array([4, 8, 8])
    fire = nir.IF(r=np.ones(shape), v_threshold=np.ones(shape), v_reset=np.zeros(shape))
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 8, 8])),
        conv,
        fire,
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten({"input": np.array([4, 4, 4])}, 0, -1),
        nir.Affine(rng.normal(0, 1, (10, 64)), rng.normal(0, 1, 10)),
        nir.IF(r=np.ones(10), v_threshold=np.ones(10), v_reset=np.zeros(10)),
        nir.Output(np.array([10])),
    )
    network = from_nir(graph)
    assert [p.shape for p in network.populations] == [(2, 8, 8), (4, 8, 8), (10,)]
    assert network.projections[0].kind == "conv2d"
    snn_event.Simulator(network).run(5, spikes=rng.random((5, 2, 8, 8)) < 0.5)
