"""Networks built by hand: populations of any model, projections from matrices, delays, recurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snn_event._snn_event import Network, Parts
from snn_event.extras import need

__all__ = ["NetworkBuilder", "from_scipy", "to_networkx"]


def _floats(values: ArrayLike, what: str) -> NDArray[np.float32]:
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{what} are of type {given.dtype}; allowed are numbers")
    return np.ascontiguousarray(given, np.float32)


def _pair(value: int | Sequence[int], what: str) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(each, int | np.integer) or each < 0 for each in pair):
        raise ValueError(f"{what} is {value!r}; allowed are a number and a pair of numbers (down, across)")
    return int(pair[0]), int(pair[1])


class NetworkBuilder:
    """Collects populations and projections; :meth:`build` checks them as a whole and makes a :class:`Network`.

    Populations are updated in an order that projections without delay give them, so a spike crosses these within its step;
    a cycle needs a projection with a delay of at least 1. The last population is the output.

    >>> import numpy as np
    >>> net = NetworkBuilder()
    >>> net.population("cells", 3, "leaky", leak=0.5, threshold=1.0)
    'cells'
    >>> net.projection("cells", "cells", np.roll(np.eye(3), 1, axis=0), delay=1)
    >>> net.build()
    Network(1 population, 3 neurons, 3 synapses)
    """

    def __init__(self) -> None:
        self._parts = Parts()

    def population(
        self, name: str, shape: int | Sequence[int], model: str = "integrate-and-fire", **parameters: ArrayLike
    ) -> str:
        """Declares a population and returns its name.

        Args:
            name: its name, unique in the network.
            shape: the number of neurons, or `(channels, height, width)`.
            model: "source" (fires when it is told to), "max-pool", or a model: "integrate-and-fire", "leaky",
                "current-leaky", "adaptive-leaky", "bipolar", "accumulator" (a read-out).
            parameters: those of the model by their names, a number or one for each neuron (`threshold=`, `leak=`, `bias=`
                …), and its choices (`reset="to"`). What is left out has its default.

        Raises:
            NetworkError: if the model, a parameter or an option does not exist; those that do are named.
        """
        numbers, choices = {}, {}
        for key, value in parameters.items():
            if isinstance(value, str):
                choices[key] = value
            else:
                numbers[key] = _floats(value, f"values of {key}").reshape(-1)
        sizes = [shape] if isinstance(shape, int | np.integer) else list(shape)
        if any(size < 0 for size in sizes):
            raise ValueError(f"shape is {shape!r}; allowed are numbers of neurons")
        self._parts.population(name, [int(size) for size in sizes], model, numbers, choices)
        return name

    def projection(self, source: str, target: str, weights: Any, *, delay: int = 0) -> None:
        """Declares a projection from a matrix of weights `(n_post, n_pre)`, whose spikes arrive `delay` steps after they were emitted.

        The matrix is an array, or a SciPy sparse array or matrix of any format (what stands twice in a COO matrix is added
        up). Zeros are no synapses. Neurons of images count channels first.
        """
        if hasattr(weights, "tocoo"):
            matrix = weights.tocoo(copy=True)
            matrix.sum_duplicates()
            self._check_shape(source, target, matrix.shape)
            post, pre = (np.ascontiguousarray(axis, np.int64) for axis in (matrix.row, matrix.col))
            self._parts.synapses(source, target, delay, pre, post, _floats(matrix.data, "weights"))
        else:
            self._parts.dense(source, target, delay, _floats(weights, "weights"))

    def _check_shape(self, source: str, target: str, shape: tuple[int, ...]) -> None:
        wanted = tuple(int(np.prod(self._parts.shape(name))) for name in (target, source))
        if tuple(shape) != wanted:
            raise ValueError(
                f"projection {source!r} -> {target!r}: weights have the shape {tuple(shape)}; allowed is {wanted}, targets by "
                "sources"
            )

    def one_to_one(self, source: str, target: str, weights: ArrayLike = 1.0, *, delay: int = 0) -> None:
        """Declares a projection from neuron i to neuron i: a weight for all, or one for each."""
        self._parts.one_to_one(source, target, delay, _floats(weights, "weights").reshape(-1))

    def convolution(
        self,
        source: str,
        target: str,
        kernels: ArrayLike,
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        delay: int = 0,
    ) -> None:
        """Declares a projection that is a convolution of kernels `(out, in / groups, down, across)`, as in torch; it stays one,
        with shared weights."""
        self._parts.convolution(
            source,
            target,
            delay,
            _floats(kernels, "kernels"),
            _pair(stride, "stride"),
            _pair(padding, "padding"),
            _pair(dilation, "dilation"),
            groups,
        )

    def build(self) -> Network:
        """Checks everything and makes the network.

        Raises:
            NetworkError: if it is none: sizes that do not fit, parameters out of range, a cycle without delay.
        """
        return self._parts.build()


def from_scipy(
    weights: Any, model: str = "integrate-and-fire", *, delay: int = 1, name: str = "neurons", **parameters: ArrayLike
) -> Network:
    """A recurrent network of one population, from a square matrix of weights `(n_post, n_pre)`: SciPy sparse, or an array."""
    shape = np.shape(weights)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"weights have the shape {shape}; allowed are square matrices, targets by sources")
    builder = NetworkBuilder()
    builder.population(name, int(shape[0]), model, **parameters)
    builder.projection(name, name, weights, delay=delay)
    return builder.build()


def to_networkx(network: Network, *, neurons: bool = False) -> Any:
    """The network as a directed multigraph. Needs networkx.

    Nodes are populations (`kind`, `shape`, `size`) and edges projections (`delay`, `kind`, `synapses`); with `neurons` nodes
    are pairs of a population's name and the place of a neuron, and edges synapses (`weight`, `delay`).
    """
    graph = need("networkx", "networkx").MultiDiGraph()
    for population in network.populations:
        if neurons:
            places = ((population.name, place) for place in range(population.size))
            graph.add_nodes_from(places, kind=population.kind)
        else:
            graph.add_node(population.name, kind=population.kind, shape=population.shape, size=population.size)
    for projection in network.projections:
        source, target, delay = projection.source, projection.target, projection.delay
        if not neurons:
            graph.add_edge(source, target, delay=delay, kind=projection.kind, synapses=projection.synapses)
            continue
        data, pre, indptr = projection.csr()
        post = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        graph.add_edges_from(
            ((source, int(i)), (target, int(j)), {"weight": float(weight), "delay": delay})
            for i, j, weight in zip(pre, post, data, strict=True)
        )
    return graph
