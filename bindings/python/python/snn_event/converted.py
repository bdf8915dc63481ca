"""A converted network."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snn_event._snn_event import Network, Population, Simulator, class_labels
from snn_event.extras import need
from snn_event.models import of_layers
from snn_event.runs import Run, Spikes, Statistics
from snn_event.samples import Given, array_digest, as_floats, as_labels

__all__ = ["ConvertedSNN", "RunWarning"]

#: Steps of a run if neither the user nor the file says how many, as on the command line.
DEFAULT_STEPS = 256


class RunWarning(UserWarning):
    """A run was made that the network was not made for, or of an input that does not look like that of its calibration."""


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
