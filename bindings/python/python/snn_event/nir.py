"""Networks from and to NIR, the Neuromorphic Intermediate Representation (Pedersen et al. 2024). Needs the package `nir`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_event._snn_event import Network, network_of_nir, nir_of_network
from snn_event.extras import need

__all__ = ["LossWarning", "from_nir", "to_nir"]

#: Whole numbers in NIR; the rest are floats.
_WHOLE = ("stride", "padding", "dilation", "groups", "kernel_size", "start_dim", "end_dim", "shape", "input_shape", "input_type")


class LossWarning(UserWarning):
    """Something is said otherwise on the other side; with `lossy=True`."""


def _taken_apart(graph: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes by name and edges, of the dictionary that `NIRGraph.to_dict` gives."""
    nodes = {}
    for name, node in graph["nodes"].items():
        numbers, texts = {}, {}
        metadata = {str(key): str(value) for key, value in (node.get("metadata") or {}).items()}
        inner = _taken_apart(node) if node["type"] == "NIRGraph" else None
        for key, value in node.items():
            if key in ("type", "metadata", "nodes", "edges") or value is None:
                continue
            if isinstance(value, dict):
                value = next(iter(value.values()), None)
                if value is None:
                    continue
            if isinstance(value, str):
                texts[key] = value
            else:
                given = np.asarray(value)
                if given.dtype == object:
                    continue
                numbers[key] = np.ascontiguousarray(given, np.float64).reshape(given.shape)
        nodes[str(name)] = (node["type"], numbers, texts, metadata, inner)
    return nodes, [(str(source), str(target)) for source, target in graph["edges"]]


def from_nir(graph: Any, *, dt: float = 1e-4, lossy: bool = False) -> Network:
    """A network of a NIR graph, in steps of `dt` seconds.

    Args:
        graph: a `nir.NIRGraph`, or the path of a `.nir` file.
        dt: seconds of a step; snnTorch's files are made for 0.1 ms, norse's default is 1 ms.
        lossy: whether what cannot be said exactly is said as well as it can be, with a :class:`LossWarning` for each.

    Raises:
        ConvertError: if the graph holds what no network can say; the node is named.
    """
    if isinstance(graph, str | os.PathLike):
        # Shapes that a file does not state are inferred here.
        graph = need("nir", "nir").read(graph, type_check=False)
    network, losses, _ = network_of_nir(_taken_apart(graph.to_dict()), dt, lossy)
    for loss in losses:
        warnings.warn(loss, LossWarning, stacklevel=2)
    return network


def to_nir(network: Any, *, dt: float = 1e-4, lossy: bool = False) -> Any:
    """The `nir.NIRGraph` of a network (or of a :class:`ConvertedSNN`) whose steps are `dt` seconds long.

    What NIR cannot say (subtraction of the threshold, rest after a spike, potentials before the first step) is refused; with
    `lossy` it is left out of the equations with a :class:`LossWarning` for each, and kept in the metadata, from which
    :func:`from_nir` has it again.

    Raises:
        ConvertError: if the network holds what NIR cannot say.
    """
    nir = need("nir", "nir")
    parts, edges, losses = nir_of_network(getattr(network, "network", network), dt, lossy)
    for loss in losses:
        warnings.warn(loss, LossWarning, stacklevel=2)
    nodes = {}
    for name, (kind, numbers, texts, metadata) in parts.items():
        values: dict[str, Any] = {"type": kind, **texts}
        for key, array in numbers.items():
            if key in _WHOLE:
                whole = array.astype(np.int64)
                values[key] = int(whole) if whole.ndim == 0 else whole
            else:
                values[key] = array
        if kind == "Conv2d":
            for key in ("input_shape", "stride", "padding", "dilation"):
                values[key] = tuple(int(each) for each in values[key])
        if kind == "Flatten":
            values["input_type"] = {"input": values["input_type"]}
        if metadata:
            values["metadata"] = metadata
        nodes[name] = nir.dict2NIRNode(values)
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)
