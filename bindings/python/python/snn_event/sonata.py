"""Spikes to and from files of other tools: SONATA (Dai et al. 2020, *PLOS Computational Biology* 16, e1007696) and NIR's data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_event.runs import Spikes
from snn_event.extras import need

__all__ = ["read_sonata", "to_nir_data", "write_sonata"]

#: The bytes of one spike in memory: neuron and step.
_EACH = 16


def write_sonata(path: str | os.PathLike[str], spikes: Mapping[str, Spikes], *, dt: float, sample: int = 0) -> None:
    """Writes the spikes of one sample as a SONATA spike file; a step lasts `dt` milliseconds. Needs h5py.

    `spikes` are those of a run or recording, by the names of populations. What SONATA has no place for, the values of spikes, is
    written beside them as `values`, where not all are 1.
    """
    if not dt > 0:
        raise ValueError(f"dt is {dt} ms; allowed are times above 0")
    h5py = need("h5py", "sonata")
    order = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, "u1")
    path = os.fspath(path)
    # Complete or not at all.
    hidden = f"{path}.tmp"
    try:
        with h5py.File(hidden, "w") as file:
            file.attrs["magic"], file.attrs["version"] = np.uint32(0x0A7A), np.array([0, 1], np.uint32)
            root = file.create_group("spikes")
            for name, of in spikes.items():
                neurons, steps = of.sample(sample)
                group = root.create_group(name)
                group.attrs.create("sorting", 2, dtype=order)
                group["node_ids"] = neurons.astype(np.uint64)
                group["timestamps"] = steps * float(dt)
                group["timestamps"].attrs["units"] = "ms"
                if of.values is not None:
                    part = slice(int(of.sample_ptr[sample]), int(of.sample_ptr[sample + 1]))
                    group["values"] = of.values[part]
        os.replace(hidden, path)
    finally:
        if os.path.exists(hidden):
            os.unlink(hidden)


def read_sonata(
    path: str | os.PathLike[str], shapes: Mapping[str, tuple[int, ...]], *, dt: float, T: int | None = None
) -> dict[str, Spikes]:
    """The spikes of a SONATA file, a step lasting `dt` milliseconds. Needs h5py.

    Args:
        shapes: the populations to read, with the shapes of their neurons, which SONATA does not tell.
        dt: milliseconds of a step; a time belongs to the step nearest to it, and times in the middle of steps are refused.
        T: the number of steps; up to the last spike if it is not given.

    Raises:
        ValueError: if a population, a neuron or a time does not fit; it is named.
    """
    if not dt > 0:
        raise ValueError(f"dt is {dt} ms; allowed are times above 0")
    h5py = need("h5py", "sonata")
    found: dict[str, tuple[Any, Any, Any]] = {}
    with h5py.File(path, "r") as file:
        if "spikes" not in file:
            raise ValueError(f"{path}: it has no group `spikes`, as SONATA's spike files have")
        root = file["spikes"]
        for name, shape in shapes.items():
            if name not in root:
                raise ValueError(f"{path}: it has no population `{name}`; there are {list(root)}")
            group, size = root[name], int(np.prod(shape))
            for part in ("node_ids", "timestamps"):
                if part not in group or group[part].ndim != 1 or group[part].shape != group["node_ids"].shape:
                    raise ValueError(f"{path}: population `{name}` needs lists `node_ids` and `timestamps` of one length")
            if len(group["node_ids"]) * _EACH > 64 * max(os.path.getsize(path), 1 << 20):
                raise ValueError(f"{path}: population `{name}` has more spikes than a file of its length holds")
            neurons, times = group["node_ids"][()], np.asarray(group["timestamps"][()], float)
            units = group["timestamps"].attrs.get("units", "ms")
            units = units.decode() if isinstance(units, bytes) else str(units)
            scale = {"ms": 1.0, "milliseconds": 1.0, "s": 1000.0, "seconds": 1000.0}.get(units)
            if scale is None:
                raise ValueError(f"{path}: population `{name}` has times in {units!r}; allowed are ms and s")
            exact = times * scale / dt
            if not np.isfinite(exact).all() or (exact < -1e-6).any() or (exact > 2**31).any():
                raise ValueError(f"{path}: population `{name}` has times that are no steps from 0 on")
            steps = np.rint(exact).astype(np.int64)
            if (np.abs(exact - steps) > 0.25).any():
                odd = float(times[np.abs(exact - steps) > 0.25][0])
                raise ValueError(
                    f"{path}: population `{name}` has a spike at {odd} {units}, in the middle between steps of {dt} ms"
                )
            if len(neurons) and (neurons.min() < 0 or neurons.max() >= size):
                raise ValueError(f"{path}: population `{name}` has neurons beyond {size - 1}, the last of the shape {shape}")
            values = np.asarray(group["values"][()], np.int32) if "values" in group else None
            order = np.lexsort((neurons, steps))
            steps, neurons = steps[order], neurons[order]
            same = (np.diff(steps) == 0) & (np.diff(neurons.astype(np.int64)) == 0)
            if same.any():
                place = int(np.flatnonzero(same)[0])
                raise ValueError(
                    f"{path}: neuron {int(neurons[place])} of `{name}` spikes twice in step {int(steps[place])} of {dt} ms"
                )
            found[name] = (neurons, steps, None if values is None else values[order])
    last = max((int(steps[-1]) + 1 for _, steps, _ in found.values() if len(steps)), default=0)
    if T is not None and last > T:
        raise ValueError(f"{path}: the last spike is in step {last - 1}, and there are to be {T} steps")

    def of(name: str) -> Spikes:
        neurons, steps, values = found[name]
        starts = np.array([0, len(steps)], np.uint64)
        total = last if T is None else T
        return Spikes(name, tuple(shapes[name]), total, neurons.astype(np.uint32), steps.astype(np.uint32), starts, values)

    return {name: of(name) for name in found}


def to_nir_data(spikes: Mapping[str, Spikes], *, dt: float, sample: int = 0) -> Any:
    """The spikes of one sample as `nir.NIRGraphData`: events of every population, times in seconds, a step lasting `dt` seconds.
    Needs nir."""
    nir = need("nir", "nir")
    nodes = {}
    for name, of in spikes.items():
        neurons, steps = of.sample(sample)
        size = int(np.prod(of.shape))
        events: dict[str, Any] = {
            "idx": neurons.astype(np.int64),
            "time": steps * float(dt),
            "n_neurons": size,
            "t_max": of.T * float(dt),
        }
        if of.values is None:
            data = nir.EventData(**events)
        else:
            part = slice(int(of.sample_ptr[sample]), int(of.sample_ptr[sample + 1]))
            data = nir.ValuedEventData(value=of.values[part], **events)
        nodes[name] = nir.NIRNodeData(observables={"spikes": data})
    return nir.NIRGraphData(nodes=nodes)
