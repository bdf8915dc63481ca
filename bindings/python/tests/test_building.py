"""Networks built by hand: beside plain NumPy, recurrent ones, what is refused, recordings, pickling."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import snn_event


def recurrent(rng, n=12):
    """Weights on a lattice, so that sums are exact in any order, `(n_post, n_pre)`."""
    weights = rng.integers(-6, 9, (n, n)) / 8 * (rng.random((n, n)) < 0.5)
    return weights.astype(np.float32)


def in_numpy(weights, inward, raster, currents, leak, threshold, delay):
    """A recurrent population of leaky neurons that is reset to 0: spikes `(T, n)` and potentials `(T, n)`."""
    steps, n = len(raster), len(weights)
    v, spikes, potentials = np.zeros(n), np.zeros((steps, n), bool), np.zeros((steps, n))
    for step in range(steps):
        arriving = inward @ raster[step] + currents[step]
        if step >= delay:
            arriving = arriving + weights @ spikes[step - delay]
        v = leak * v + arriving
        spikes[step] = v >= threshold
        v[spikes[step]] = 0.0
        potentials[step] = v
    return spikes, potentials


@pytest.mark.parametrize("form", ["dense", "csr", "coo", "csc matrix"])
@pytest.mark.parametrize("delay", [1, 3])
def test_a_recurrent_network_does_what_numpy_does(rng, form, delay):
    sparse = pytest.importorskip("scipy.sparse", reason="an extra; CI installs all of them and lets no test skip for this")
    weights, inward = recurrent(rng), rng.integers(0, 9, (12, 5)) / 8
    forms = {"dense": np.asarray, "csr": sparse.csr_array, "coo": sparse.coo_array, "csc matrix": sparse.csc_matrix}
    net = snn_event.NetworkBuilder()
    net.population("input", 5, "source")
    net.population("cells", 12, "leaky", leak=0.5, threshold=1.0, reset="to")
    net.projection("input", "cells", forms[form](inward))
    net.projection("cells", "cells", forms[form](weights), delay=delay)
    network = net.build()
    raster = rng.random((60, 5)) < 0.3
    currents = (rng.integers(-2, 3, (60, 12)) / 8).astype(np.float32)
    spikes, potentials = in_numpy(weights, inward, raster, currents, 0.5, 1.0, delay)
    assert spikes.sum() > 60
    for mode in ("auto", "event", "dense"):
        simulator = snn_event.Simulator(network, mode)
        recording = simulator.run(60, spikes=raster, currents={"cells": currents}, potentials=["cells"])
        assert np.array_equal(recording.spikes["cells"].raster(0), spikes)
        # A leak of one half is exact for some steps only.
        assert np.allclose(recording.potentials["cells"], potentials, atol=1e-5)
        # Step by step, it is the same.
        simulator.start()
        for step in range(60):
            fired = simulator.step(raster[step], {"cells": currents[step]})
            assert np.array_equal(fired, spikes[step])
        assert simulator.t == 60


def test_ten_lines_make_a_recurrent_network_and_run_it():
    rng = np.random.default_rng(1)
    net = snn_event.NetworkBuilder()
    net.population("input", 20, "source")
    net.population("excitatory", 80, "leaky", leak=0.9)
    net.population("inhibitory", 20, "leaky", leak=0.8)
    net.projection("input", "excitatory", rng.random((80, 20)) < 0.3)
    net.projection("excitatory", "inhibitory", 0.2 * (rng.random((20, 80)) < 0.2), delay=1)
    net.projection("inhibitory", "excitatory", -0.5 * (rng.random((80, 20)) < 0.5), delay=2)
    recording = snn_event.Simulator(net.build()).run(200, spikes=rng.random((200, 20)) < 0.05)
    assert all(rate > 0 for rate in recording.rates().values()), recording.rates()
    assert "excitatory" in repr(recording)


def test_convolutions_and_one_to_one_projections_count_channels_first(rng):
    torch = pytest.importorskip("torch", reason="an extra; CI installs all of them and lets no test skip for this")
    kernels = (rng.integers(-4, 9, (4, 1, 3, 2)) / 8).astype(np.float32)
    net = snn_event.NetworkBuilder()
    net.population("image", (2, 6, 5), "source")
    net.population("map", (4, 3, 5), "accumulator")
    net.convolution("image", "map", kernels, stride=(2, 1), padding=(1, 1), dilation=(1, 2), groups=2)
    network = net.build()
    flags = rng.random((2, 6, 5)) < 0.5
    recording = snn_event.Simulator(network).run(1, spikes=flags[None], potentials=["map"])
    expected = torch.nn.functional.conv2d(
        torch.tensor(flags[None], dtype=torch.float32),
        torch.tensor(kernels),
        stride=(2, 1),
        padding=(1, 1),
        dilation=(1, 2),
        groups=2,
    )
    assert np.array_equal(recording.potentials["map"], expected.numpy())

    net.population("last", (4, 3, 5), "accumulator")
    with pytest.raises(snn_event.NetworkError, match="starts at a read-out"):
        net.one_to_one("map", "last")
        net.build()


def test_one_to_one_weights_and_parameters_of_every_neuron_stand_in_the_users_order(rng):
    weights = np.arange(12, dtype=float).reshape(2, 3, 2) / 4
    bias = rng.integers(0, 9, (2, 3, 2)) / 8
    net = snn_event.NetworkBuilder()
    net.population("image", (2, 3, 2), "source")
    net.population("sums", (2, 3, 2), "accumulator", bias=bias)
    net.one_to_one("image", "sums", weights)
    network = net.build()
    assert np.array_equal(network.populations[1].bias, bias.reshape(-1))
    recording = snn_event.Simulator(network).run(1, spikes=np.ones((1, 2, 3, 2), bool), potentials=["sums"])
    assert np.array_equal(recording.potentials["sums"][0], weights + bias)


def test_spikes_with_values_are_delivered_as_often():
    net = snn_event.NetworkBuilder()
    net.population("events", 4, "source")
    net.population("sums", 1, "accumulator")
    net.projection("events", "sums", [[1.0, 2.0, 4.0, 8.0]])
    network = net.build()
    simulator = snn_event.Simulator(network)
    simulator.step(([0, 3], [2, -1]))
    assert simulator.potentials().tolist() == [2 * 1 - 8]
    assert simulator.spike_values("events").tolist() == [2, 0, 0, -1]
    raster = np.array([[0, 3, 0, 0], [1, 0, -2, 0]])
    recording = simulator.run(2, spikes=raster, potentials=["sums"])
    assert recording.first == 1 and recording.potentials["sums"].ravel().tolist() == [0.0, -7.0]
    spikes = recording.spikes["events"]
    assert spikes.values is not None and spikes.values.tolist() == [3, 1, -2]
    assert np.array_equal(snn_event.Simulator(network).run(2, spikes=raster).spikes["events"].counts()[0], [1, 3, -2, 0])
    with pytest.raises(snn_event.InputError, match="values"):
        simulator.step(([0, 1], [1]))


def test_what_makes_no_network_is_refused_with_what_is_allowed():
    net = snn_event.NetworkBuilder()
    net.population("a", 3, "source")
    with pytest.raises(snn_event.NetworkError, match="declared twice"):
        net.population("a", 3, "source")
    with pytest.raises(snn_event.NetworkError, match="no model `leeky`.*\"leaky\""):
        net.population("b", 3, "leeky")
    with pytest.raises(snn_event.NetworkError, match="no parameter `lek`.*\"leak\""):
        net.population("b", 3, "leaky", lek=0.5)
    with pytest.raises(snn_event.NetworkError, match="allowed are .\"subtract\", \"to\""):
        net.population("b", 3, "leaky", reset="too")
    with pytest.raises(snn_event.NetworkError, match="has 2 values; allowed are 1 and 3"):
        net.population("b", 3, "leaky", leak=[0.1, 0.2])
    with pytest.raises(TypeError, match="allowed are numbers"):
        net.population("b", 3, "leaky", leak=["x"])
    with pytest.raises(ValueError, match="shape"):
        net.population("b", (3, 4), "leaky")
    net.population("b", 2, "leaky")
    with pytest.raises(snn_event.NetworkError, match="there is no population `c`"):
        net.projection("a", "c", np.ones((2, 3)))
    with pytest.raises(snn_event.NetworkError, match=r"shape \[3, 2\]; allowed is \[2, 3\]"):
        net.projection("a", "b", np.ones((3, 2)))
    with pytest.raises(snn_event.NetworkError, match="is NaN|is nan"):
        net.projection("a", "b", np.full((2, 3), np.nan))
    net.projection("b", "b", np.ones((2, 2)))
    with pytest.raises(snn_event.NetworkError, match="cycle of zero-delay"):
        net.build()


def test_inputs_that_do_not_fit_are_refused_and_change_nothing():
    network = snn_event.from_scipy(np.eye(3), "leaky")
    simulator = snn_event.Simulator(network)
    before = simulator.state()
    with pytest.raises(snn_event.InputError, match="allowed is"):
        simulator.run(5, spikes={"neurons": np.ones((4, 3), bool)})
    with pytest.raises(snn_event.InputError, match="allowed is"):
        simulator.run(5, currents={"neurons": np.ones((5, 4), np.float32)})
    with pytest.raises(snn_event.NetworkError, match="no population"):
        simulator.run(5, currents={"x": np.ones(3, np.float32)})
    with pytest.raises(snn_event.InputError, match="step 0"):
        simulator.run(1, currents={"neurons": np.array([1.0, np.inf, 0.0], np.float32)})
    with pytest.raises(TypeError, match="whole numbers"):
        simulator.run(1, spikes={"neurons": np.ones((1, 3))})
    with pytest.raises(TypeError, match="float32"):
        simulator.run(1, currents=["x"])
    with pytest.raises(snn_event.InputError, match="memory_limit"):
        snn_event.Simulator(network, memory_limit=10**6).run(10**6, potentials=["neurons"])
    assert simulator.state() == before
    # The same current in every step.
    recording = simulator.run(5, currents=np.full(3, 0.5, np.float32), potentials=["neurons"])
    assert recording.potentials["neurons"].shape == (5, 3)


def test_a_square_matrix_is_a_recurrent_network_and_a_network_a_graph():
    sparse = pytest.importorskip("scipy.sparse", reason="an extra; CI installs all of them and lets no test skip for this")
    networkx = pytest.importorskip("networkx", reason="an extra; CI installs all of them and lets no test skip for this")
    matrix = sparse.coo_array(([0.5, 0.25, 0.25], ([1, 2, 2], [0, 1, 1])), (3, 3))
    network = snn_event.from_scipy(matrix, "leaky", delay=2, threshold=2.0)
    assert repr(network) == "Network(1 population, 3 neurons, 2 synapses)"
    graph = snn_event.to_networkx(network)
    assert isinstance(graph, networkx.MultiDiGraph)
    assert list(graph.edges(data="delay")) == [("neurons", "neurons", 2)]
    cells = snn_event.to_networkx(network, neurons=True)
    weights = {(source[1], target[1]): weight for source, target, weight in cells.edges(data="weight")}
    assert weights == {(0, 1): 0.5, (1, 2): 0.5}
    with pytest.raises(ValueError, match="square"):
        snn_event.from_scipy(np.ones((2, 3)))


def test_networks_simulators_and_runs_are_pickled(rng):
    network = snn_event.from_scipy(recurrent(rng), "leaky", leak=0.75, threshold=0.5)
    simulator = snn_event.Simulator(network, "dense")
    currents = rng.random((40, 12)).astype(np.float32)
    simulator.run(20, currents={"neurons": currents[:20]})
    twin = pickle.loads(pickle.dumps(simulator))
    assert twin.t == 20 and repr(twin) == repr(simulator) and twin.state() == simulator.state()
    one, other = (each.run(20, currents={"neurons": currents[20:]}) for each in (simulator, twin))
    assert np.array_equal(one.spikes["neurons"].node_ids, other.spikes["neurons"].node_ids)
    assert simulator.state() == twin.state()
    assert np.array_equal(pickle.loads(pickle.dumps(one)).spikes["neurons"].timestamps, one.spikes["neurons"].timestamps)
    assert pickle.loads(pickle.dumps(network)).to_bytes() == network.to_bytes()


def test_a_simulator_is_pickled_with_its_constant_currents(rng):
    snn = snn_event.convert([(rng.random((4, 6)), rng.random(4))], T=20, normalise="none")
    simulator = snn.simulator()
    simulator.start(rng.random(6).astype(np.float32))
    simulator.step()
    twin = pickle.loads(pickle.dumps(simulator))
    for _ in range(20):
        assert np.array_equal(simulator.step(), twin.step())
    assert simulator.state() == twin.state()


@pytest.mark.parametrize("spikes", [False, True])
def test_a_run_is_pickled_whole(rng, spikes):
    snn = snn_event.convert([(rng.random((4, 6)), rng.random(4)), (rng.random((3, 4)), None)], T=20, normalise="none")
    run = snn.simulate(rng.random((5, 6)), spikes=spikes, encoding="poisson")
    twin = pickle.loads(pickle.dumps(run))
    assert repr(twin) == repr(run) and twin.statistics == run.statistics and twin.provenance == run.provenance
    for each in ("counts", "potentials"):
        assert np.array_equal(getattr(twin, each), getattr(run, each))
    assert np.array_equal(twin.classes(), run.classes())
    if spikes:
        for name, told in run.spikes.items():
            assert np.array_equal(twin.spikes[name].node_ids, told.node_ids)
            assert np.array_equal(twin.spikes[name].sample_ptr, told.sample_ptr)
    else:
        with pytest.raises(ValueError, match="not kept"):
            _ = twin.spikes


def test_parts_of_a_run_that_do_not_fit_together_are_refused(rng):
    snn = snn_event.convert([(rng.random((4, 6)), None)], T=5, normalise="none")
    outcomes = snn.network.run(rng.random((2, 6)).astype(np.float32), 5, spikes=True)
    make, (parts,) = outcomes.__reduce__()
    for damage in ("names", "samples", "widths"):
        broken = {**parts, damage: parts["names"] + ["x"] if damage == "names" else (9, 9)}
        with pytest.raises((ValueError, TypeError)):
            make(broken)
    sample = {**parts["samples"][0]}
    sample["spikes"] = [(np.array([0, 99], np.uint64), np.array([1], np.uint32), np.array([], np.int32))] * 2
    with pytest.raises(snn_event.FormatError):
        make({**parts, "samples": [sample]})


def test_tables_for_notebooks_name_what_is_there_and_escape_it():
    net = snn_event.NetworkBuilder()
    net.population("<in>", 2, "source")
    net.population("out", 2, "accumulator")
    net.projection("<in>", "out", np.eye(2), delay=3)
    html = net.build()._repr_html_()
    assert "&lt;in&gt; → out" in html and "<in>" not in html and "<td>3</td>" in html
    run = snn_event.convert([(np.eye(2), None)], T=4, normalise="none").simulate(np.ones(2))
    assert "<table>" in run._repr_html_() and "Run(samples=1, T=4" in repr(run)
