"""Spikes in the files of other tools: back as they were, and what does not fit refused."""

from __future__ import annotations

import numpy as np
import pytest

import snn_event
from snn_event.sonata import read_sonata, to_nir_data, write_sonata

h5py = pytest.importorskip("h5py", reason="an extra; CI installs all of them and lets no test skip for this")


@pytest.fixture
def recording(rng):
    net = snn_event.NetworkBuilder()
    net.population("events", (1, 4, 5), "source")
    net.population("cells", 6, "leaky", leak=0.5)
    net.projection("events", "cells", rng.integers(-2, 6, (6, 20)) / 8)
    raster = rng.integers(-1, 3, (50, 1, 4, 5)) * (rng.random((50, 1, 4, 5)) < 0.2)
    return snn_event.Simulator(net.build()).run(50, spikes=raster)


def test_spikes_come_back_from_a_sonata_file_with_their_values(recording, tmp_path):
    path = tmp_path / "spikes.h5"
    write_sonata(path, recording.spikes, dt=0.1)
    with h5py.File(path) as file:
        group = file["spikes/cells"]
        assert group["timestamps"].attrs["units"] == "ms" and group["timestamps"].dtype == np.float64
        assert group["node_ids"].dtype == np.uint64
        assert h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)["by_time"] == group.attrs["sorting"]
        assert (np.diff(group["timestamps"][()]) >= 0).all() and "values" not in group
    shapes = {name: spikes.shape for name, spikes in recording.spikes.items()}
    back = read_sonata(path, shapes, dt=0.1, T=50)
    for name, told in recording.spikes.items():
        for part in ("node_ids", "timestamps", "sample_ptr", "values", "T", "shape"):
            assert np.array_equal(getattr(back[name], part), getattr(told, part)), (name, part)
    assert recording.spikes["events"].values is not None
    assert [file.name for file in tmp_path.iterdir()] == ["spikes.h5"]


def test_files_that_do_not_fit_are_refused_with_the_place(recording, tmp_path):
    path = tmp_path / "spikes.h5"
    write_sonata(path, recording.spikes, dt=0.1)
    shapes = {"cells": (6,)}
    for arguments, text in [
        (({"x": (6,)}, 0.1, None), "no population `x`"),
        (({"cells": (2,)}, 0.1, None), "neurons beyond 1"),
        ((shapes, 0.2, None), "in the middle between steps"),
        ((shapes, 0.1, 3), "there are to be 3 steps"),
        ((shapes, 0.0, None), "above 0"),
    ]:
        which, dt, steps = arguments
        with pytest.raises(ValueError, match=text):
            read_sonata(path, which, dt=dt, T=steps)
    with pytest.raises(ValueError, match="twice in step"):
        read_sonata(path, shapes, dt=25.0)
    with h5py.File(path, "r+") as file:
        file["spikes/cells/timestamps"].attrs["units"] = "weeks"
    with pytest.raises(ValueError, match="allowed are ms and s"):
        read_sonata(path, shapes, dt=0.1)
    with h5py.File(path, "r+") as file:
        del file["spikes/cells/node_ids"]
    with pytest.raises(ValueError, match="needs lists"):
        read_sonata(path, shapes, dt=0.1)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(ValueError, match="no group `spikes`"):
        read_sonata(path, shapes, dt=0.1)


def test_nir_data_hold_the_events_with_their_values(recording, tmp_path):
    nir = pytest.importorskip("nir", reason="an extra; CI installs all of them and lets no test skip for this")
    data = to_nir_data(recording.spikes, dt=1e-3)
    nir.write_data(tmp_path / "data.nir", data)
    back = nir.read_data(tmp_path / "data.nir")
    for name, told in recording.spikes.items():
        events = back.nodes[name].observables["spikes"]
        assert np.array_equal(events.idx, told.node_ids)
        assert np.array_equal(np.rint(events.time * 1000), told.timestamps)
        if told.values is not None:
            assert np.array_equal(events.value, told.values)
