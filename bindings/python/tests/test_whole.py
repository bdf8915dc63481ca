"""Whole-number weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import snn_event


@pytest.fixture
def layers(rng):
    """A fully connected net of three layers, half pruned."""
    sizes = [20, 30, 25, 4]
    weights = [rng.standard_normal((n, m)) * (rng.random((n, m)) < 0.5) / 3 for m, n in zip(sizes, sizes[1:])]
    return [(w, rng.standard_normal(len(w)) / 10) for w in weights]


@pytest.mark.parametrize(("weights", "bound"), [("int16", 0.01), ("int8", 0.05), ("int4", 0.25)])
def test_weights_rounded_to_whole_numbers_keep_the_outputs_nearly_and_say_what_was_lost(layers, rng, tmp_path, weights, bound):
    x = rng.random((200, 20)).astype(np.float32)
    plain, whole = (
        snn_event.convert(layers, x, T=64, fit=False, readout="potential", weights=of) for of in ("f32", weights)
    )
    difference = np.abs(plain.simulate(x).outputs() - whole.simulate(x).outputs())
    assert difference.mean() < bound * np.abs(plain.simulate(x).outputs()).max()
    told = [layer["weight_rounding"] for layer in whole.report["layers"]]
    assert told[0] is None
    assert all(of["stored_as"] == weights and of["error"] < bound for of in told[1:])
    assert all(layer["weight_rounding"] is None for layer in plain.report["layers"])
    # The same net from the file.
    whole.save(tmp_path / "net.bin")
    again = snn_event.ConvertedSNN.load(tmp_path / "net.bin")
    assert np.array_equal(again.potentials(x, T=64), whole.potentials(x, T=64))
    assert again.provenance["options"]["weights"] == weights
    # Potentials behind the hidden layers are whole multiples of the unit of the read-out's bias.
    unit = 2.0 ** told[-1]["exponent"]
    potentials = whole.potentials(x, T=64)
    assert np.array_equal(np.round(potentials / unit) * unit, potentials)


def test_a_type_of_weights_that_is_none_is_refused(layers, rng):
    with pytest.raises(ValueError, match="weights is \"int3\"; allowed are"):
        snn_event.convert(layers, rng.random((10, 20)), weights="int3")
