"""What publications tell of a network: accuracy, costs and energies after every number of steps, of one run."""

from __future__ import annotations

import html
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snn_event import _snn_event
from snn_event._snn_event import Network
from snn_event.conversion import numbers, read_model
from snn_event.converted import ConvertedSNN, RunWarning, callers_level, progress_bar
from snn_event.extras import need
from snn_event.runs import made_by
from snn_event.samples import Given, array_digest, as_labels, digest, file_digest

__all__ = [
    "ClassAccuracy",
    "EarlyEnd",
    "Energy",
    "EnergyTerm",
    "Evaluation",
    "McNemar",
    "PopulationCosts",
    "Proportion",
    "Rival",
    "TrainedNet",
    "energy_presets",
    "evaluate",
    "report",
]


@dataclass(frozen=True)
class Proportion:
    """A share of samples with the 95 % interval of Wilson (1927)."""

    #: Samples that have the property, and samples in all.
    of_them: int
    samples: int
    #: Their share; not a number where there are no samples.
    share: float
    #: The ends of the interval.
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.share:{spec}} ({self.low:{spec}} … {self.high:{spec}})" if spec else str(self)

    def __str__(self) -> str:
        return f"{self:.4f}"


@dataclass(frozen=True)
class McNemar:
    """Whether two classifiers differ on the same samples: McNemar's exact test."""

    #: Samples that only the trained net has right, and those that only the spiking one has.
    only_first: int
    only_second: int
    #: The probability of a split at least as uneven, were both equally good.
    p: float


@dataclass(frozen=True)
class TrainedNet:
    """The trained net beside the spiking one, on the same samples."""

    #: How often it names the label; none without labels.
    accuracy: Proportion | None
    #: How often both name the same class.
    agreement: Proportion
    #: Whether they differ in accuracy; none without labels.
    mcnemar: McNemar | None


@dataclass(frozen=True)
class ClassAccuracy:
    """One class of the labels."""

    class_: int
    #: How often it is named where it is the label, and how often it is the label where it is named.
    recall: Proportion
    precision: Proportion


@dataclass(frozen=True)
class EarlyEnd:
    """What samples give that end at the first point at which a rule holds."""

    rule: str
    accuracy: Proportion | None
    #: Samples for which it never held: they ran to the end.
    unended: int
    mean_steps: float
    #: The numbers of steps that 50, 90 and 100 of 100 samples do not exceed.
    quantiles: tuple[int, int, int]
    #: After how many steps how many samples ended, ascending.
    ended: tuple[tuple[int, int], ...]
    #: What a sample costs until it ends, a mean; as the arrays of :class:`Evaluation`.
    spikes: float
    magnitude: float
    synaptic_operations: float
    touched_potentials: float


@dataclass(frozen=True)
class PopulationCosts:
    """What the longest run costs in one population, a mean over samples."""

    population: str
    neurons: int
    #: Spikes, whatever their values, and the sum of the magnitudes of these.
    spikes: float
    magnitude: float
    #: Weights delivered by spikes of value ±1 and products with inputs of -1 or 1; all other products.
    additions: float
    multiply_adds: float
    #: The part of both that is spent once on currents from the input.
    drive_operations: float
    #: Pairs of neuron and step in which something arrived or the neuron fired.
    touched_potentials: float
    #: Weights that are read; potentials that are read or written.
    weight_accesses: float
    potential_accesses: float


@dataclass(frozen=True)
class EnergyTerm:
    """One kind of operation: how many, and picojoules of one (a mean where it depends on the memory)."""

    operation: str
    count: float
    picojoules: float


@dataclass(frozen=True)
class Energy:
    """The energy of a sample in the longest run under one preset, with the operations that it is made of."""

    preset: str
    source: str
    nanojoules: float
    terms: tuple[EnergyTerm, ...]


@dataclass(frozen=True)
class Rival:
    """What else could be computed for the same answer, arithmetic only."""

    name: str
    multiply_adds: int
    picojoules: float
    nanojoules: float
    #: The mean rate up to which the arithmetic of the spiking network needs less; none where its currents alone need more.
    crossover_rate: float | None


def _proportion(told: Mapping[str, Any] | None) -> Proportion | None:
    return None if told is None else _of(told)


def _of(told: Mapping[str, Any]) -> Proportion:
    # JSON has no number for the share of no samples.
    return Proportion(**{**told, "share": np.nan if told["share"] is None else told["share"]})


def _early_end(told: Mapping[str, Any]) -> EarlyEnd:
    first, second, third = told["quantiles"]
    ended = tuple((steps, samples) for steps, samples in told["ended"])
    accuracy = _proportion(told.get("accuracy"))
    return EarlyEnd(**{**told, "accuracy": accuracy, "quantiles": (first, second, third), "ended": ended})


class Evaluation:
    """Accuracy and costs of a network after every number of steps, as :func:`evaluate` and `snn-event eval` tell them.

    Arrays have a number for each of the :attr:`points`; costs are means over samples. All is told of the longest run where
    nothing else is said.
    """

    def __init__(self, told: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Of what `snn-event eval --json` writes, without and with its provenance."""
        self._told = dict(told)
        #: What made it: tool, kernels, machine, digests of network and samples, options in effect.
        self.provenance = dict(provenance)

    def to_dict(self) -> dict[str, Any]:
        """All of it in the form of `snn-event eval --json`, ready for :func:`json.dump`."""
        return {"provenance": self.provenance, **self._told}

    def _numbers(self, name: str) -> NDArray[np.float64]:
        return np.array([point[name] for point in self._told["points"]], np.float64)

    @property
    def samples(self) -> int:
        """Samples that were run."""
        return int(self._told["samples"])

    @property
    def T(self) -> int:
        """Steps of the longest run."""
        return int(self._told["T"])

    @property
    def points(self) -> NDArray[np.int64]:
        """The numbers of steps after which all is told: each what a run of that length gives."""
        return np.array([point["T"] for point in self._told["points"]], np.int64)

    @property
    def accuracies(self) -> tuple[Proportion, ...] | None:
        """How often the label is named, with its interval, at each point; none without labels."""
        found = [point.get("accuracy") for point in self._told["points"]]
        return None if None in found else tuple(_of(one) for one in found)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """The share of samples whose label is named.

        Raises:
            ValueError: if there are no labels.
        """
        return np.array([one.share for one in self._labelled()], np.float64)

    @property
    def interval(self) -> NDArray[np.float64]:
        """The lower and the upper end of its 95 % interval of Wilson, `(points, 2)`.

        Raises:
            ValueError: if there are no labels.
        """
        return np.array([(one.low, one.high) for one in self._labelled()], np.float64)

    def _labelled(self) -> tuple[Proportion, ...]:
        accuracies = self.accuracies
        if accuracies is None:
            raise ValueError("there are no labels, so no accuracy; give y, or see `settled`")
        return accuracies

    @property
    def settled(self) -> tuple[Proportion, ...]:
        """How often the class is named that the longest run names."""
        return tuple(_of(point["settled"]) for point in self._told["points"])

    @property
    def spikes(self) -> NDArray[np.float64]:
        """Spikes up to here, whatever their values: events."""
        return self._numbers("spikes")

    @property
    def magnitude(self) -> NDArray[np.float64]:
        """The sum of the magnitudes of their values."""
        return self._numbers("magnitude")

    @property
    def synaptic_operations(self) -> NDArray[np.float64]:
        """Weights that they delivered."""
        return self._numbers("synaptic_operations")

    @property
    def touched_potentials(self) -> NDArray[np.float64]:
        """Pairs of neuron and step in which something arrived or the neuron fired."""
        return self._numbers("touched_potentials")

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class of every sample."""
        return np.array(self._told["predictions"], np.int64)

    @property
    def classes(self) -> tuple[ClassAccuracy, ...]:
        """Each class with its samples; none without labels."""
        return tuple(
            ClassAccuracy(one["class"], _of(one["recall"]), _of(one["precision"]))
            for one in self._told.get("classes", ())
        )

    @property
    def stops(self) -> tuple[EarlyEnd, ...]:
        """What samples give that end early, by each rule of `stop`."""
        return tuple(_early_end(one) for one in self._told["stops"])

    @property
    def trained(self) -> TrainedNet | None:
        """The trained net on the same samples, if it was given."""
        told = self._told.get("trained")
        if told is None:
            return None
        test = told.get("mcnemar")
        mcnemar = None if test is None else McNemar(**test)
        return TrainedNet(_proportion(told.get("accuracy")), _of(told["agreement"]), mcnemar)

    @property
    def populations(self) -> tuple[PopulationCosts, ...]:
        """Costs by population, in order of declaration."""
        return tuple(PopulationCosts(**one) for one in self._told["populations"])

    @property
    def trained_operations(self) -> dict[str, int]:
        """Multiply-adds of the trained net for one sample: `dense`, with every weight, and `pruned`, with those that are not
        zero."""
        return dict(self._told["trained_operations"])

    @property
    def neurobench(self) -> dict[str, Any]:
        """Costs under the names and by the definitions of NeuroBench 2.3: `Footprint`, `ConnectionSparsity`,
        `ActivationSparsity`, `MembraneUpdates` (if asked for) and `SynapticOperations` with `Effective_MACs`,
        `Effective_ACs` and `Dense`; and `SparseBytes`, which is ours: bytes as stored."""
        return dict(self._told["neurobench"])

    @property
    def energy(self) -> dict[str, Energy]:
        """Energies by the names of their presets."""

        def of(told: Mapping[str, Any]) -> Energy:
            return Energy(**{**told, "terms": tuple(EnergyTerm(**term) for term in told["terms"])})

        return {one["preset"]: of(one) for one in self._told["energy"]}

    @property
    def rivals(self) -> tuple[Rival, ...]:
        """What else could be computed for the same answer, under the first preset."""
        return tuple(Rival(**one) for one in self._told["rivals"])

    @property
    def spike_digests(self) -> dict[str, str]:
        """Which spikes each population emitted: equal for every mode and number of threads."""
        return {one["population"]: one["digest"] for one in self._told["spike_digests"]}

    def to_pandas(self) -> Any:
        """A data frame with one row for each point. Needs pandas."""
        pandas = need("pandas", "pandas")
        columns: dict[str, Any] = {"T": self.points}
        if self.accuracies is not None:
            low, high = self.interval.T
            columns.update(accuracy=self.accuracy, low=low, high=high)
        for name in ("spikes", "magnitude", "synaptic_operations", "touched_potentials"):
            columns[name] = self._numbers(name)
        return pandas.DataFrame(columns).set_index("T")

    def _told_at_the_end(self) -> str:
        accuracies = self.accuracies
        return "" if accuracies is None else f", accuracy {accuracies[-1]}"

    def __repr__(self) -> str:
        operations = self.synaptic_operations[-1]
        return f"Evaluation(samples={self.samples}, T={self.T}{self._told_at_the_end()}, {operations:.0f} operations a sample)"

    def _repr_html_(self) -> str:
        heads = ("T", "accuracy", "spikes", "operations", "touched potentials")
        head = "".join(f"<th>{name}</th>" for name in heads)
        accuracies = self.accuracies or ("",) * len(self.points)
        costs = (self.spikes, self.synaptic_operations, self.touched_potentials)
        rows = "".join(
            f"<tr><td>{steps}</td><td>{accuracy}</td>" + "".join(f"<td>{cost:.0f}</td>" for cost in spent) + "</tr>"
            for steps, accuracy, *spent in zip(self.points, accuracies, *costs, strict=True)
        )
        return f"<p>{html.escape(repr(self))}</p><table><tr>{head}</tr>{rows}</table>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Evaluation) and self._told == other._told

    __hash__ = None  # type: ignore[assignment]


def _text(data: bytes, path: Path | None) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: it is no text in UTF-8") from error


def energy_presets() -> dict[str, dict[str, Any]]:
    """The energies that come with the package, by name: their `source`, and picojoules by operation."""
    presets: dict[str, dict[str, Any]] = json.loads(_snn_event.energy_presets())
    return presets


def _evaluate(
    command: str,
    net: ConvertedSNN | Network,
    x: ArrayLike | None,
    y: ArrayLike | None,
    page: tuple[Path, Path | None] | None,
    *,
    T: int | None = None,
    points: Sequence[int] | None = None,
    readout_from: int = 0,
    stop: str | Sequence[str] = (),
    model: Any = None,
    input_mean: ArrayLike | None = None,
    input_std: ArrayLike | None = None,
    energy: str | Sequence[str] = (),
    energy_file: str | os.PathLike[str] | None = None,
    membrane_updates: bool = False,
    encoding: str | None = None,
    seed: int = 0,
    raster: ArrayLike | None = None,
    packed: NDArray[np.uint8] | None = None,
    threads: int | None = None,
    mode: str = "auto",
    progress: bool = False,
    memory_limit: int | str | None = None,
) -> Evaluation:
    """An evaluation, and a page of it with its figures if it is said where they go."""
    network = net.network if isinstance(net, ConvertedSNN) else net
    given = Given.of(x, raster, packed)
    if points is not None and T is not None:
        raise ValueError("give T or points, which end with the longest run")
    asked = [] if points is None else [int(steps) for steps in points]
    if points is not None and not asked:
        raise ValueError("points is empty; allowed are for instance [1, 2, 4, 8]")
    if asked:
        T = asked[-1]
    elif isinstance(net, ConvertedSNN):
        T = net.length(T, given)
    encoding = network.encoding if encoding is None else encoding
    labels = None if y is None else as_labels(y)
    trained, beside, origin = None, None, dict[str, Any]()
    if model is not None:
        read = read_model(model)
        values = given.rates(T, read.input_shape)
        mean, std = numbers(input_mean), numbers(input_std)
        trained = read.classes(values, mean, std)
        beside = (read, values, mean, std)
        files = [file_digest(told) for told in read.files]
        origin.update({"model": files[0]} if files else {}, **({"external": files[1:]} if files[1:] else {}))
    own = None if energy_file is None else Path(energy_file)
    presets = None if own is None else own.read_bytes()
    with progress_bar(progress, given.samples) as bar:
        found = _snn_event.evaluate(
            network,
            given.values,
            T,
            raster=given.flags,
            packed=given.packed,
            encoding=encoding,
            seed=seed,
            threads=threads,
            mode=mode,
            points=asked,
            readout_from=readout_from,
            stop=[stop] if isinstance(stop, str) else list(stop),
            energy=[energy] if isinstance(energy, str) else list(energy),
            energy_toml=None if presets is None else _text(presets, own),
            membrane_updates=membrane_updates,
            labels=labels,
            trained=trained,
            drawn=page is not None,
            progress=bar,
            memory_limit=memory_limit,
        )
    for note in found.notes:
        warnings.warn(note, RunWarning, stacklevel=callers_level())
    told = json.loads(found.report)
    encoding = given.encoding(encoding)
    options = {
        "T": told["T"],
        "encoding": encoding,
        "seed": seed if encoding == "poisson" else None,
        "points": found.points,
        "readout_from": readout_from,
        "stop": [one["rule"] for one in told["stops"]],
        "membrane_updates": membrane_updates,
        "input_mean": numbers(input_mean),
        "input_std": numbers(input_std),
        "mode": mode,
        "threads": found.threads,
        "memory_limit": network.memory_limit(memory_limit),
        "energy": found.energies,
    }
    provenance = {**made_by(command), "net": file_digest(network.digest()), "input": array_digest(given.array), **origin}
    if labels is not None:
        provenance["labels"] = array_digest(labels)
    if own is not None and presets is not None:
        provenance["energy_file"] = {"file": own.name, **digest(presets)}
    provenance["options"] = options
    if page is not None:
        found.write_page(*page, json.dumps(provenance), beside)
    return Evaluation(told, provenance)


def evaluate(
    net: ConvertedSNN | Network,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    T: int | None = None,
    points: Sequence[int] | None = None,
    readout_from: int = 0,
    stop: str | Sequence[str] = (),
    model: Any = None,
    input_mean: ArrayLike | None = None,
    input_std: ArrayLike | None = None,
    energy: str | Sequence[str] = (),
    energy_file: str | os.PathLike[str] | None = None,
    membrane_updates: bool = False,
    encoding: str | None = None,
    seed: int = 0,
    raster: ArrayLike | None = None,
    packed: NDArray[np.uint8] | None = None,
    threads: int | None = None,
    mode: str = "auto",
    progress: bool = False,
    memory_limit: int | str | None = None,
) -> Evaluation:
    """Runs samples once and tells accuracy and costs after every number of steps, as `snn-event eval` does.

    Every point equals a run of that length, statistics included.

    Args:
        net: a converted network, or any.
        x: samples `(N, …)` in the shape of the network's input, images channels first.
        y: their classes, whole numbers `(N,)` or one-hot rows; without them no accuracies are told.
        T: steps of the longest run; the network's own, or the steps of `raster` or `packed`, if it is not given.
        points: numbers of steps after which all is told, ascending, instead of `T`: the last is the longest run. Every one up
            to `T` if they are not given; powers of two of networks that run until they are quiet.
        readout_from: only what the last population receives after so many steps is read.
        stop: rules by which samples might have ended earlier: "margin=M" (between the two best outputs), "confidence=P" (their
            softmax), "quiet".
        model: the trained net, as :func:`snn_event.read_model` takes it, to compare with on the same samples.
        input_mean: what is subtracted from the trained net's input first, as in :func:`snn_event.convert`.
        input_std: what that is divided by.
        energy: names of :func:`energy_presets` or of `energy_file`; "horowitz-fp32", or all of the file, if none is given.
        energy_file: own energies, TOML: tables by name with source, and addition, multiply-add and the like in pJ.
        membrane_updates: whether to count NeuroBench's MembraneUpdates: one pass over all neurons in every step.
        encoding: how samples drive the network, as of :meth:`ConvertedSNN.simulate`, like all that follow.
        seed: of "poisson".
        raster: given input spikes instead of `x`.
        packed: the same as bits.
        threads: over which samples are spread.
        mode: "auto", "event" or "dense"; the results are the same, bit for bit.
        progress: whether to show a progress bar. Needs tqdm.
        memory_limit: bytes that the run may take.

    Raises:
        InputError: if samples do not fit the network, or one thread needs more memory.
        ValueError: if points do not ascend, labels are none of these samples, or a rule or preset is unknown.
    """
    return _evaluate(
        "eval",
        net,
        x,
        y,
        None,
        T=T,
        points=points,
        readout_from=readout_from,
        stop=stop,
        model=model,
        input_mean=input_mean,
        input_std=input_std,
        energy=energy,
        energy_file=energy_file,
        membrane_updates=membrane_updates,
        encoding=encoding,
        seed=seed,
        raster=raster,
        packed=packed,
        threads=threads,
        mode=mode,
        progress=progress,
        memory_limit=memory_limit,
    )


def report(
    net: ConvertedSNN | Network,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    out: str | os.PathLike[str],
    figures: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Evaluation:
    """Runs samples as :func:`evaluate` does and writes one HTML page of figures and tables, as `snn-event report` does.

    The page needs no network and no scripts; each figure brings its SVG, its PDF, and its numbers as CSV. A few samples are run
    once more, with their spikes kept.

    Args:
        net: a converted network, or any.
        x: samples, as of :func:`evaluate`.
        y: their classes.
        out: the page.
        figures: a folder for the SVG, PDF and CSV of every figure as files; made if it is not there.
        how: everything else that :func:`evaluate` takes.

    Returns:
        What the page tells.

    Raises:
        InputError, ValueError: as :func:`evaluate`.
        OSError: if a file cannot be written.
    """
    return _evaluate("report", net, x, y, (Path(out), None if figures is None else Path(figures)), **how)
