"""A converted network and what its runs give."""

from __future__ import annotations

import html
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snn_event._snn_event import (
    Network,
    Outcomes,
    Population,
    Simulator,
    __version__,
    class_labels,
    machine,
)
from snn_event.extras import need
from snn_event.models import of_layers
from snn_event.samples import Given, array_digest, as_floats, as_labels, file_digest

__all__ = ["ConvertedSNN", "PopulationStatistics", "Run", "RunWarning", "Spikes", "Statistics"]

#: Steps of a run if neither the user nor the file says how many, as on the command line.
DEFAULT_STEPS = 256


class RunWarning(UserWarning):
    """A run was made that the network was not made for, or of an input that does not look like that of its calibration."""


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


def made_by(command: str) -> dict[str, Any]:
    """What is told of every result: tool, kernels, and the machine as far as times depend on it."""
    kernels, told = machine()
    tool = f"snn_event {__version__} (Python)"
    return {"tool": tool, "command": command, "kernels": kernels, "machine": json.loads(told)}


def callers_level() -> int:
    """The stack level of the line outside this package that made the call, for a warning of the function that asks."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("snn_event"):
        level, frame = level + 1, frame.f_back
    return level


@contextmanager
def progress_bar(asked: bool, samples: int) -> Iterator[Callable[[int], object] | None]:
    """A progress bar over samples, if one is asked for."""
    if not asked:
        yield None
        return
    with need("tqdm", "progress").tqdm(total=samples, unit="sample") as bar:
        yield bar.update


class ConvertedSNN:
    """A spiking network with the number of steps it is run for. Made by :func:`snn_event.convert` or :meth:`load`.

    The attributes `weights`, `biases`, `thresholds`, `T` and `n_layers` and the methods `run` and `classify` are those
    of sc-neurocore's class of this name.
    """

    def __init__(
        self,
        network: Network | None = None,
        T: int | None = None,
        report: Mapping[str, Any] | None = None,
        *,
        weights: Sequence[Any] | None = None,
        biases: Sequence[Any] | None = None,
        thresholds: Sequence[Any] | None = None,
        initial_membrane_fraction: float = 0.0,
    ) -> None:
        """A network, or one made of the layers of a fully connected net as sc-neurocore has them.

        Args:
            network: the network itself.
            T: steps of a run; those that the network was made for, or 256, if it is not given.
            report: what a conversion did.
            weights: `(outputs, inputs)` of every layer, dense or sparse, instead of a network.
            biases: current of every step, for every layer; None where there is none.
            thresholds: a number for every layer.
            initial_membrane_fraction: potential before the first step, in thresholds.
        """
        if (network is None) == (weights is None) or (weights is None) != (thresholds is None):
            raise ValueError("give either a network, or weights= and thresholds=")
        if network is None:
            network = of_layers(weights or [], biases, thresholds or [], initial_membrane_fraction)
        elif biases is not None:
            raise ValueError("biases= goes with weights=; a network has its own")
        #: The network itself.
        self.network = network
        #: Steps of a run.
        if T is None:
            T = network.run_length[0] if network.run_length is not None else DEFAULT_STEPS
        self.T = T
        #: What the conversion did, layer by layer, if it is known; it is kept by :meth:`save`.
        self.report = report
        if report is None and network.report is not None:
            self.report = json.loads(network.report)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the network comes from: tool, model, calibration samples and labels with their digests, options in effect."""
        said: dict[str, Any] = json.loads(self.network.provenance)
        return said

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], T: int | None = None, *, memory_limit: int | str | None = None
    ) -> ConvertedSNN:
        """Reads a `net.bin`, of this package or of the command line.

        `T` is the number of steps of a run; if it is not given, that of the file, or 256 if the file has none. `memory_limit`:
        bytes that reading it and its runs may take, as a number or as "4G"; 384 MiB or 256 times the file if it is not given.

        Raises:
            FormatError: if the file is damaged, or asks for more memory.
        """
        return cls(Network.load(path, memory_limit=memory_limit), T)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `net.bin`, which the command line runs too; complete or not at all.

        The report goes into the file; of one that is too long, the layers are left out.

        Raises:
            ValueError: if that is a file that the network was made of, which would be lost.
        """
        network = self.network
        # What a network is fitted to stays true whatever the user runs it for.
        if network.run_length is None or network.run_length[1] == "stated":
            network = network.with_run_length(self.T)
        report = None if self.report is None else json.dumps(dict(self.report))
        network.with_report(report).save(path)

    def __repr__(self) -> str:
        sizes = " -> ".join(
            f"{population.name} {'x'.join(map(str, population.shape))}" for population in self.network.populations
        )
        return f"ConvertedSNN({sizes}, T={self.T})"

    # What it is made of.

    def _layers(self) -> list[Population]:
        return [population for population in self.network.populations if population.kind != "source"]

    @property
    def n_layers(self) -> int:
        """The number of populations behind the input."""
        return len(self._layers())

    @property
    def weights(self) -> list[Any]:
        """The weights of every projection `[n_post, n_pre]` as SciPy CSR arrays, in the user's order. Needs SciPy.

        Shared weights of convolutions are written out. Names and delays are in `network.projections`.
        """
        sparse = need("scipy.sparse", "scipy")
        return [
            sparse.csr_array(projection.csr(), shape=projection.shape) for projection in self.network.projections
        ]

    def dense_weights(self) -> list[NDArray[np.float32]]:
        """The weights of every projection `[n_post, n_pre]` as arrays with all their zeros."""
        dense = []
        for projection in self.network.projections:
            data, indices, indptr = projection.csr()
            weights = np.zeros(projection.shape, np.float32)
            weights[np.repeat(np.arange(projection.shape[0]), np.diff(indptr)), indices] = data
            dense.append(weights)
        return dense

    @property
    def biases(self) -> list[NDArray[np.float32] | None]:
        """The current that every neuron gets in every step, for every layer that has potentials."""
        return [population.bias for population in self._layers()]

    @property
    def thresholds(self) -> list[Any]:
        """The threshold of every layer: a number, an array if its neurons differ, None if it does not fire by one."""

        def of(population: Population) -> Any:
            threshold = population.threshold
            if threshold is None:
                return None
            return float(threshold[0]) if threshold.size and (threshold == threshold[0]).all() else threshold

        return [of(population) for population in self._layers()]

    @property
    def initial_membrane_fraction(self) -> float | None:
        """The potential before the first step in thresholds, if it is the same everywhere but in the last layer."""
        fractions = {
            float(fraction)
            for population in self._layers()[:-1]
            if population.threshold is not None and population.start is not None
            for fraction in np.unique(population.start / population.threshold)
        }
        return fractions.pop() if len(fractions) == 1 else (0.0 if not fractions else None)

    # Running it.

    def simulate(
        self,
        x: ArrayLike | None = None,
        *,
        T: int | None = None,
        encoding: str | None = None,
        seed: int = 0,
        raster: ArrayLike | None = None,
        packed: NDArray[np.uint8] | None = None,
        spikes: bool = False,
        threads: int | None = None,
        mode: str = "auto",
        progress: bool = False,
        memory_limit: int | str | None = None,
    ) -> Run:
        """Runs samples and gives all that is known of the run.

        Args:
            x: one sample or a batch `(N, …)` in the shape of the network's input, images channels first.
            T: steps; the network's own `T`, or the steps of `raster` or `packed`, if it is not given.
            encoding: "constant" (a current in every step), "once" (in the first step only, and all biases with it), "poisson"
                (random spikes, `x` in [0, 1] their probability) or "regular" (evenly spaced spikes, `x` their rate); what the
                network was made for if it is not given.
            seed: of "poisson". Every sample of a batch has its own stream, which depends on its place only.
            raster: given input spikes `(T, …)` or `(N, T, …)`, instead of `x`: flags, or whole numbers that are their values.
            packed: the same flags as bits, `np.packbits(flags.reshape(..., n), axis=-1)`, `(T, ⌈n/8⌉)` or `(N, T, ⌈n/8⌉)`.
            spikes: whether to keep all spikes of all populations.
            threads: over which samples are spread, or fewer samples' large layers; all processors if it is not given. Results
                do not depend on it.
            mode: "auto" (event-driven, over windows of steps), "event" (event-driven, step by step) or "dense" (the slow
                reference). The results are the same, bit for bit.
            progress: whether to show a progress bar. Needs tqdm.
            memory_limit: bytes that the run may take, as a number or as "4G"; 384 MiB or 256 times the network's file if it is
                not given. Fewer threads are used where more do not fit.

        Raises:
            InputError: if one thread needs more memory.
        """
        given = Given.of(x, raster, packed)
        encoding = self.network.encoding if encoding is None else encoding
        with progress_bar(progress, given.samples) as bar:
            outcomes = self.network.run(
                given.values,
                self.length(T, given),
                raster=given.flags,
                packed=given.packed,
                encoding=encoding,
                seed=seed,
                threads=threads,
                mode=mode,
                spikes=spikes,
                progress=bar,
                memory_limit=memory_limit,
            )
        for note in outcomes.notes:
            warnings.warn(note, RunWarning, stacklevel=callers_level())
        encoding = given.encoding(encoding)
        options = {
            "T": outcomes.T,
            "encoding": encoding,
            "seed": seed if encoding == "poisson" else None,
            "mode": mode,
            "threads": outcomes.threads,
            "memory_limit": memory_limit,
        }
        return Run(self.network, outcomes, {"input": array_digest(given.array), "options": options})

    def length(self, T: int | None, given: Given) -> int | None:
        """The steps of a run that was asked for: none of spikes, which have their own, and where a run ends by itself, since the
        network is made for that and the user did not say another length."""
        made_for = self.network.run_length
        ends_by_itself = self.network.until_quiet and made_for is not None and self.T == made_for[0]
        return self.T if T is None and given.values is not None and not ends_by_itself else T

    def run(self, x: ArrayLike | None = None, **options: Any) -> NDArray[np.uint32]:
        """Output spike counts, `(n,)` or `(N, n)`. The options are those of :meth:`simulate`."""
        return self.simulate(x, **options).counts

    def potentials(self, x: ArrayLike | None = None, **options: Any) -> NDArray[np.float32]:
        """The integrated input of the last layer, `(n,)` or `(N, n)`; see :attr:`Run.potentials`."""
        return self.simulate(x, **options).potentials

    def outputs(self, x: ArrayLike | None = None, **options: Any) -> NDArray[np.float32]:
        """The trained net's outputs as a run estimates them, `(n,)` or `(N, n)`; see :meth:`Run.outputs`."""
        return self.simulate(x, **options).outputs()

    def classify(
        self, x: ArrayLike | None = None, *, by: Literal["potential", "counts"] = "potential", **options: Any
    ) -> NDArray[np.int64]:
        """Predicted classes, `()` or `(N,)`, by the integrated input of the last layer or by its spike counts."""
        return self.simulate(x, **options).classes(by)

    def spikes(self, x: ArrayLike | None = None, **options: Any) -> dict[str, Spikes]:
        """All spikes by the names of the populations."""
        return self.simulate(x, spikes=True, **options).spikes

    def statistics(self, x: ArrayLike | None = None, **options: Any) -> Statistics:
        """What happens in a run, per population, summed over the samples."""
        return self.simulate(x, **options).statistics

    def accuracy(self, x: ArrayLike, y: ArrayLike, steps: Sequence[int], **options: Any) -> dict[int, float]:
        """The share of samples whose class is `y`, for several numbers of steps.

        `y` holds whole numbers `(N,)` or `(N, 1)`, or one-hot rows `(N, classes)`.
        """
        samples, classes = len(as_floats(x)), self.network.populations[-1].size
        labels = class_labels(as_labels(y), samples, classes)
        return {T: float((self.classify(x, T=T, **options) == labels).mean()) for T in steps}

    def simulator(self, mode: str = "event") -> Simulator:
        """The network to be run step by step."""
        return Simulator(self.network, mode)
