"""What a run gives: spikes, statistics, potentials, classes and outputs."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from snn_event._snn_event import Network, Outcomes, Population, __version__, machine
from snn_event.extras import need
from snn_event.samples import file_digest

__all__ = ["PopulationStatistics", "Run", "Spikes", "Statistics"]


def made_by(command: str) -> dict[str, Any]:
    """What is told of every result: tool, kernels, and the machine as far as times depend on it."""
    kernels, told = machine()
    tool = f"snn_event {__version__} (Python)"
    return {"tool": tool, "command": command, "kernels": kernels, "machine": json.loads(told)}


@dataclass(frozen=True)
class PopulationStatistics:
    """What happened in one population, summed over all samples of a run."""

    name: str
    neurons: int
    #: Spikes that its neurons emitted, whatever their values: events.
    spikes: int
    #: The sum of the magnitudes of their values; as many as there are spikes where all values are 1.
    magnitude: int
    #: Spikes, as events, per neuron and step.
    rate: float
    #: Weights that spikes delivered to it.
    synaptic_operations: int
    #: Multiply-adds that a dense simulator would have made in all steps for what arrives as spikes.
    dense_operations: int
    #: Multiply-adds spent on its constant currents, once per sample.
    drive_operations: int
    #: Those that a dense simulator would have made for them, once per sample.
    dense_drive_operations: int
    #: Touched potentials: pairs of neuron and step.
    updates: int


@dataclass(frozen=True)
class Statistics:
    """What happened in a run; the numbers are exact."""

    samples: int
    T: int
    populations: tuple[PopulationStatistics, ...]

    def __getitem__(self, name: str) -> PopulationStatistics:
        for population in self.populations:
            if population.name == name:
                return population
        raise KeyError(f"there is no population {name!r}; there are {[p.name for p in self.populations]}")

    @property
    def synaptic_operations(self) -> int:
        """Of all populations."""
        return sum(population.synaptic_operations for population in self.populations)

    @property
    def dense_operations(self) -> int:
        """Of all populations."""
        return sum(population.dense_operations for population in self.populations)

    @property
    def drive_operations(self) -> int:
        """Of all populations."""
        return sum(population.drive_operations for population in self.populations)

    @property
    def dense_drive_operations(self) -> int:
        """Of all populations."""
        return sum(population.dense_drive_operations for population in self.populations)

    def to_pandas(self) -> Any:
        """A data frame with one row for each population. Needs pandas."""
        pandas = need("pandas", "pandas")
        return pandas.DataFrame([vars(population) for population in self.populations]).set_index("name")


@dataclass(frozen=True)
class Spikes:
    """All spikes of one population in a run, sample after sample, the steps of each ascending."""

    #: The population's name and shape.
    population: str
    shape: tuple[int, ...]
    #: Steps of every sample.
    T: int
    #: Which neuron, in the user's order (images channels first), and in which step.
    node_ids: NDArray[np.uint32]
    timestamps: NDArray[np.uint32]
    #: Where each sample starts, `[samples + 1]`.
    sample_ptr: NDArray[np.uint64]
    #: Their values; none where all are 1.
    values: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.sample_ptr) - 1

    def sample(self, index: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Neurons and steps of one sample."""
        part = self._part(index)
        return self.node_ids[part], self.timestamps[part]

    def events(self) -> NDArray[np.int64]:
        """The number of spikes of every neuron, whatever their values, `(N, *shape)`."""
        return self._sums(1)

    def counts(self) -> NDArray[np.int64]:
        """The sum of the values of the spikes of every neuron, as :attr:`Run.counts`, `(N, *shape)`: their number where all
        values are 1."""
        return self._sums(1 if self.values is None else self.values)

    def _sums(self, values: NDArray[Any] | int) -> NDArray[np.int64]:
        size = int(np.prod(self.shape))
        ends = self.sample_ptr.astype(np.int64)
        samples = np.repeat(np.arange(len(self)), ends[1:] - ends[:-1])
        sums = np.zeros(len(self) * size, np.int64)
        np.add.at(sums, samples * size + self.node_ids, values)
        return sums.reshape(len(self), *self.shape)

    def _part(self, index: int) -> slice:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        return slice(int(self.sample_ptr[index]), int(self.sample_ptr[index + 1]))

    def raster(self, index: int) -> NDArray[np.bool_]:
        """The spikes of one sample as flags, `(T, *shape)`."""
        flags: NDArray[np.bool_] = self.valued_raster(index) != 0
        return flags

    def valued_raster(self, index: int) -> NDArray[np.int32]:
        """The values of the spikes of one sample, `(T, *shape)`, 0 where there is none; a run takes it as its `raster`."""
        part = self._part(index)
        values = np.zeros((self.T, int(np.prod(self.shape))), np.int32)
        values[self.timestamps[part], self.node_ids[part]] = 1 if self.values is None else self.values[part]
        return values.reshape(self.T, *self.shape)

    def to_sparse(self, index: int) -> Any:
        """The values of the spikes of one sample as a SciPy CSR array `(T, neurons)`. Needs SciPy."""
        sparse = need("scipy.sparse", "scipy")
        part, shape = self._part(index), (self.T, int(np.prod(self.shape)))
        steps, neurons = self.timestamps[part], self.node_ids[part]
        values = np.ones(len(steps), np.int32) if self.values is None else self.values[part]
        return sparse.coo_array((values, (steps, neurons)), shape=shape).tocsr()

    def to_neo(self, index: int, step: float = 1.0) -> list[Any]:
        """The spike train of every neuron in one sample, a step lasting `step` milliseconds. Needs neo."""
        neo = need("neo", "neo")
        neurons, steps = self.sample(index)
        order = np.lexsort((steps, neurons))
        ends = np.searchsorted(neurons[order], np.arange(1, int(np.prod(self.shape))))
        times = np.split(steps[order] * float(step), ends)
        stop = self.T * float(step)
        return [
            neo.SpikeTrain(train, units="ms", t_stop=stop, name=f"{self.population}[{neuron}]")
            for neuron, train in enumerate(times)
        ]


class Run:
    """What a run gave. A sample that was given without an axis of samples has results without one."""

    def __init__(self, network: Network, outcomes: Outcomes, asked: Mapping[str, Any] | None = None) -> None:
        self._network = network
        self._outcomes = outcomes
        self._asked = dict(asked or {})

    @property
    def provenance(self) -> dict[str, Any]:
        """What made these results: tool, kernels, machine, digests of network and input, options in effect."""
        net = file_digest(self._network.digest())
        options = dict(self._asked.get("options", {}))
        # Told here, and not when the run was made: it can take a look at the whole network.
        options["memory_limit"] = self._network.memory_limit(options.get("memory_limit"))
        return {**made_by("run"), "net": net, **self._asked, "options": options}

    def _batch(self, values: NDArray[Any]) -> Any:
        return values[0] if self._outcomes.single else values

    def __repr__(self) -> str:
        return f"Run(samples={self._outcomes.samples}, T={self.T}, {self.statistics.synaptic_operations} operations)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(p.name)}</td><td>{p.neurons}</td><td>{p.spikes}</td><td>{p.rate:.4f}</td>"
            f"<td>{p.synaptic_operations}</td><td>{p.updates}</td></tr>"
            for p in self.statistics.populations
        )
        heads = ("population", "neurons", "spikes", "rate", "operations", "updates")
        head = "".join(f"<th>{name}</th>" for name in heads)
        return f"<p>{html.escape(repr(self))}</p><table><tr>{head}</tr>{rows}</table>"

    @property
    def T(self) -> int:
        """The number of steps."""
        return self._outcomes.T

    @property
    def counts(self) -> NDArray[np.uint32]:
        """Output spike counts, `(n,)` or `(N, n)`: of every neuron the sum of the values of its spikes, their number where all
        values are 1."""
        counts: NDArray[np.uint32] = self._batch(self._outcomes.counts)
        return counts

    @property
    def potentials(self) -> NDArray[np.float32]:
        """The integrated input of the last population, `(n,)` or `(N, n)`: all current that its neurons have received.

        It is the potential of a population that never fires, and `v + θ·count - v_start` of one that does: what the
        spikes took away is put back, so that no negative output is lost.
        """
        integrated: NDArray[np.float32] = self._batch(self._integrated())
        return integrated

    def _integrated(self) -> NDArray[np.float32]:
        output = self._network.populations[-1]
        potentials = self._outcomes.potentials
        if output.kind == "accumulator":
            return potentials
        if output.kind != "integrate-and-fire" or output.reset != "subtract":
            raise ValueError(
                f"the last population, `{output.name}` ({output.kind}, reset {output.reset}), does not keep its "
                "integrated input; use counts, or classify(x, by='counts')"
            )
        # In double precision, so that equal sums of a lattice net stay equal.
        taken = output.threshold.astype(np.float64) * self._outcomes.counts  # type: ignore[union-attr]
        integrated = potentials + taken - output.start.astype(np.float64)  # type: ignore[union-attr]
        return integrated.astype(np.float32)

    def outputs(self) -> NDArray[np.float32]:
        """The trained net's outputs as the run estimates them, in their own unit, `(n,)` or `(N, n)`.

        They are read from all input that the neurons of the last population have had (:attr:`potentials`), so that negative
        outputs are there too. The estimate is as good as the run is long.

        Raises:
            ValueError: if the network does not say what its outputs stand for, because it was not converted.
        """
        outputs: NDArray[np.float32] = self._batch(self._outcomes.outputs())
        return outputs

    def rates(self) -> dict[str, NDArray[np.float32]]:
        """The trained net's activations as the spike rates of the populations estimate them, in the activations' unit.

        Arrays `(*shape)` or `(N, *shape)` by the names of the populations that fire, if spikes were kept (`spikes=True`); of
        the input only where it was given as spikes. What the last population stands for is told by :meth:`outputs`, too, which
        loses less.

        Raises:
            ValueError: if spikes were not kept, or the network does not say what its rates stand for.
        """
        found = {}
        constant = self._outcomes.constant
        for population in self._network.populations:
            if population.kind == "accumulator" or (population.kind == "source" and constant):
                continue
            scale, offset = population.scale, population.offset
            if scale is None or offset is None:
                raise ValueError(
                    f"the network does not say what the rates of `{population.name}` stand for; one that convert makes of a "
                    "trained net does"
                )
            spikes = Spikes(population.name, population.shape, self.T, *self._outcomes.spikes(population.name))
            durations = self._outcomes.durations.reshape(-1, *([1] * len(population.shape)))
            rates = spikes.counts() / durations
            values = rates * scale.reshape(population.shape) + offset.reshape(population.shape)
            found[population.name] = self._batch(values.astype(np.float32))
        return found

    def classes(self, by: Literal["potential", "counts"] = "potential") -> NDArray[np.int64]:
        """The class of every sample: the largest value, the lowest index among equals."""
        if by == "potential":
            values: NDArray[Any] = self._integrated()
        elif by == "counts":
            values = self._outcomes.counts
        else:
            raise ValueError(f"by is {by!r}; allowed are 'potential' and 'counts'")
        classes: NDArray[np.int64] = self._batch(values.argmax(axis=-1))
        return classes

    @property
    def spikes(self) -> dict[str, Spikes]:
        """All spikes by the names of the populations, if they were kept (`spikes=True`)."""

        def of(population: Population) -> Spikes:
            return Spikes(population.name, population.shape, self.T, *self._outcomes.spikes(population.name))

        return {population.name: of(population) for population in self._network.populations}

    @property
    def statistics(self) -> Statistics:
        """What happened, per population, summed over the samples."""
        neuron_steps = self._outcomes.samples * self.T

        def of(name: str, neurons: int, spikes: int, magnitude: int, *operations: int) -> PopulationStatistics:
            rate = spikes / max(1, neurons * neuron_steps)
            return PopulationStatistics(name, neurons, spikes, magnitude, rate, *operations)

        populations = tuple(of(*row) for row in self._outcomes.populations())
        return Statistics(self._outcomes.samples, self.T, populations)
