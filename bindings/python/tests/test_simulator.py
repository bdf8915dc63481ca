"""Step by step: equal to whole runs, and restorable at any step."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import lattice_layers

import snn_event


@pytest.fixture
def snn(rng):
    return snn_event.convert(lattice_layers(rng, [14, 20, 6]), T=20, normalise="none")


@pytest.mark.parametrize("mode", ["auto", "event", "dense"])
@pytest.mark.parametrize("form", ["flags", "uint8", "indices", "list", "uint32", "by name"])
def test_steps_give_the_spikes_and_potentials_of_the_run(snn, rng, mode, form):
    raster = rng.random((300, 14)) < 0.3
    run = snn.simulate(raster=raster, spikes=True)
    simulator = snn.simulator(mode)
    for step, flags in enumerate(raster):
        given = {
            "flags": flags,
            "uint8": flags.astype(np.uint8),
            "indices": np.flatnonzero(flags),
            "list": np.flatnonzero(flags).tolist(),
            "uint32": np.flatnonzero(flags).astype(np.uint32),
            "by name": {"input": flags},
        }[form]
        out = simulator.step(given)
        assert np.array_equal(out, run.spikes["layer1"].raster(0)[step])
        assert np.array_equal(simulator.spikes("layer0"), run.spikes["layer0"].raster(0)[step])
        assert np.array_equal(simulator.fired("layer0"), np.flatnonzero(simulator.spikes("layer0")))
    assert simulator.t == 300
    integrated = simulator.potentials() + run.counts
    assert np.array_equal(integrated.astype(np.float32), run.potentials)
    expected = [(p.name, p.spikes, p.synaptic_operations, p.updates) for p in run.statistics.populations]
    assert simulator.statistics() == expected


def test_constant_currents_are_those_of_the_run(snn, rng):
    x = rng.random(14).astype(np.float32)
    simulator = snn.simulator()
    simulator.start(x)
    count = sum(simulator.step().astype(int) for _ in range(20))
    assert np.array_equal(count, snn.run(x))
    simulator.reset()
    assert simulator.t == 0
    assert np.array_equal(sum(simulator.step().astype(int) for _ in range(20)), count)
    simulator.start()
    silent = snn.run(raster=np.zeros((20, 14), bool))
    assert np.array_equal(sum(simulator.step().astype(int) for _ in range(20)), silent)


def test_a_state_goes_on_with_equal_bits_in_a_simulator_of_either_kind(snn, rng):
    raster = rng.random((60, 14)) < 0.4
    whole = snn.simulator()
    saved = b""
    for step, flags in enumerate(raster):
        if step == 23:
            saved = whole.state()
        whole.step(flags)
    for mode in ("auto", "event", "dense"):
        other = snn.simulator(mode)
        other.step(raster[0])
        other.restore(saved)
        assert other.t == 23 and other.state() == saved and not other.spikes().any()
        for flags in raster[23:]:
            other.step(flags)
        assert other.state() == whole.state()
        assert other.potentials().tobytes() == whole.potentials().tobytes()


def test_damaged_and_foreign_states_are_refused_and_change_nothing(snn, rng):
    simulator = snn.simulator()
    simulator.step(np.arange(14))
    state = simulator.state()
    foreign = snn_event.convert(lattice_layers(rng, [3, 2]), normalise="none").simulator().state()
    for bad in (b"", b"hello", state[:-1], state + b"\0", state[:20] + b"\xff" + state[21:], foreign):
        with pytest.raises(snn_event.NetworkError, match="^state"):
            simulator.restore(bad)
        assert simulator.state() == state and simulator.t == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.zeros(13, bool), r"flags of shape \[13\]; allowed is \[14\]"),
        (np.full(14, 2, np.uint8), "uint8 flags with the value 2"),
        ([14], "name the neuron 14; allowed are 0 to 13"),
        ([-1], "name the neuron -1"),
        ([3, 3], "name the neuron 3 twice"),
        ({"layer0": [20]}, "name the neuron 20; allowed are 0 to 19"),
        ({"nobody": [1]}, "there is no population `nobody`; there are `input`, `layer0`, `layer1`"),
    ],
)
def test_spikes_that_do_not_fit_are_refused(snn, given, text):
    with pytest.raises(snn_event.NetworkError, match=text):
        snn.simulator().step(given)


@pytest.mark.parametrize("mode", ["auto", "event", "dense"])
def test_spikes_that_are_given_to_a_population_are_emitted_as_if_by_its_neurons(snn, mode):
    silent, given = snn.simulator(mode), snn.simulator(mode)
    silent.step()
    given.step({"layer0": [1, 3]})
    assert not silent.fired("layer0").any() and given.fired("layer0").tolist() == [1, 3]
    # They are delivered: the next population has had their weights.
    spikes = {name: count for name, count, *_ in given.statistics()}
    operations = {name: count for name, _, count, *_ in given.statistics()}
    assert (spikes["layer0"], spikes["input"]) == (2, 0) and operations["layer1"] > 0


def test_what_is_neither_flags_nor_indices_is_a_type_error(snn):
    with pytest.raises(TypeError, match="neither flags"):
        snn.simulator().step("abc")


def test_sources_have_no_potentials(snn):
    with pytest.raises(snn_event.NetworkError, match="population `input` \\(source\\) has no potentials"):
        snn.simulator().potentials("input")
