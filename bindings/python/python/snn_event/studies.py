"""Studies: grids of trained nets, sparsities, recipes and run lengths, as `snn-event sweep`, `merge` and `report` make them."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from snn_event import _snn_event
from snn_event.converted import progress_bar
from snn_event.extras import need

__all__ = ["Cell", "Difference", "StudyResults", "merge", "study_toml", "sweep", "verify"]


@dataclass(frozen=True)
class Cell:
    """One run of a study: a model, a recipe, a number of steps. Costs are means over samples."""

    model: str
    #: The share of weights that was pruned, if the study prunes.
    sparsity: float | None
    recipe: str
    encoding: str
    #: Of Poisson input.
    seed: int | None
    T: int
    samples: int
    #: Those that were named right, their share, and its 95 % interval of Wilson.
    right: int
    accuracy: float
    interval: tuple[float, float]
    #: The trained net's accuracy on the same samples, and the probability of such a difference by chance (McNemar, exact).
    trained_accuracy: float
    p: float
    #: Stored weights, positions that share one counted once, and the share of weights that are not zero.
    parameters: int
    connectivity: float
    spikes: float
    magnitude: float
    additions: float
    multiply_adds: float
    #: Of the pruned, trained net, and the additions and multiply-adds for each of those.
    trained_multiply_adds: int
    operations_ratio: float
    touched_potentials: float
    energy_preset: str
    nanojoules: float
    #: Of the trained net's arithmetic; none for presets without it.
    trained_nanojoules: float | None
    #: By population that fires, spikes per neuron and step.
    rates: tuple[tuple[str, float], ...]
    #: Which spikes all populations emitted: equal on every machine, for every number of threads.
    spike_digest: str
    #: What the model is one of, if the study says so.
    family: str | None = None


def _cell(told: Mapping[str, Any]) -> Cell:
    names = {field.name for field in fields(Cell)}
    known = {name: value for name, value in told.items() if name in names}
    low, high = known.pop("interval")
    rates = tuple((str(name), float(rate)) for name, rate in known.pop("rates"))
    return Cell(**known, interval=(low, high), rates=rates)


@dataclass(frozen=True)
class Difference:
    """A cell of results that gives something else when it is run again."""

    #: The line of the file, from 1 on; what it says, and what the cell gives now.
    line: int
    there: str
    now: str


class StudyResults:
    """What the cells of a study gave, in order: the lines of the file that :func:`sweep` writes."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Of `{"head": …, "rows": […]}`; use :meth:`read` or :func:`sweep`."""
        self._told = dict(told)
        #: What they are results of: tool, and digests of the study and of all files that it names.
        self.head: dict[str, Any] = dict(told["head"])
        self.cells: tuple[Cell, ...] = tuple(map(_cell, told["rows"]))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> StudyResults:
        """Reads the results of a sweep, finished or not, of the command line or of :func:`sweep`.

        Raises:
            FormatError: if a line of the file is no result.
            OSError: if it cannot be read.
        """
        return cls(json.loads(_snn_event.read_results(Path(path))))

    def to_pandas(self) -> Any:
        """A data frame with one row for each cell, its interval in the columns `low` and `high`. Needs pandas."""
        pandas = need("pandas", "pandas")
        frame = pandas.DataFrame([vars(cell) for cell in self.cells], columns=[field.name for field in fields(Cell)])
        frame["low"] = [cell.interval[0] for cell in self.cells]
        frame["high"] = [cell.interval[1] for cell in self.cells]
        return frame.drop(columns=["interval"])

    def _table(self, is_latex: bool) -> str:
        return _snn_event.results_table(json.dumps(self._told["rows"]), is_latex)

    def to_csv(self) -> str:
        """The table of `snn-event sweep --csv`."""
        return self._table(is_latex=False)

    def to_latex(self) -> str:
        """The table of `snn-event sweep --latex`, with the rules of the package booktabs."""
        return self._table(is_latex=True)

    def report(self, out: str | os.PathLike[str], *, figures: str | os.PathLike[str] | None = None) -> int:
        """Writes one HTML page of figures and tables, as `snn-event report --sweep` does. It needs no network and no scripts.

        Args:
            out: the page.
            figures: a folder for the SVG, PDF and CSV of every figure as files; made if it is not there.

        Returns:
            The number of figures.

        Raises:
            ValueError: if there are no results.
            OSError: if a file cannot be written.
        """
        folder = None if figures is None else Path(figures)
        return _snn_event.results_page(json.dumps(self._told), Path(out), folder)

    def __len__(self) -> int:
        return len(self.cells)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudyResults) and self._told == other._told

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if not self.cells:
            return "StudyResults(0 cells)"
        best = max(self.cells, key=lambda cell: cell.accuracy)
        return f"StudyResults({len(self)} cells, best: {best.model}, {best.recipe}, T={best.T}, accuracy {best.accuracy:.4f})"

    def _repr_html_(self) -> str:
        heads = ("model", "recipe", "T", "accuracy", "trained", "ratio of operations", "nJ")
        head = "".join(f"<th>{name}</th>" for name in heads)
        rows = "".join(
            f"<tr><td>{html.escape(cell.model)}</td><td>{html.escape(cell.recipe)}</td><td>{cell.T}</td>"
            f"<td>{cell.accuracy:.4f}</td><td>{cell.trained_accuracy:.4f}</td><td>{cell.operations_ratio:.3f}</td>"
            f"<td>{cell.nanojoules:.1f}</td></tr>"
            for cell in self.cells
        )
        return f"<p>{html.escape(repr(self))}</p><table><tr>{head}</tr>{rows}</table>"


def _plain(value: Any) -> Any:
    """A study in what JSON has: keys with dashes as in study.toml, paths as text, numbers of NumPy as Python's."""
    if isinstance(value, Mapping):
        return {str(key).replace("_", "-"): _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    return value


def _told(study: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Path | None, str | None]:
    if isinstance(study, Mapping):
        return None, json.dumps(_plain(study))
    return Path(study), None


def study_toml(study: str | os.PathLike[str] | Mapping[str, Any]) -> str:
    """The text of a study.toml with all that a study did not say as it is in effect, as `snn-event sweep --print-study` has it.

    Raises:
        ValueError: if it is no study.
        OSError: if a file that it names cannot be read.
    """
    text, _ = _snn_event.study(*_told(study), None)
    return text


def sweep(
    study: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str],
    *,
    shard: str | None = None,
    memory_limit: int | str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> StudyResults:
    """Runs a grid of nets, sparsities, recipes and run lengths, as `snn-event sweep` does; one that was interrupted goes on.

    The file of results is the same, byte for byte, whether or not the sweep was interrupted, for every number of threads, and
    for a study that is told by the same file on the command line. Time is that of a conversion and a run for each cell.

    Args:
        study: the path of a study.toml, or what stands in it as a mapping; its paths are then as seen from here, and names may
            have `_` instead of `-`::

                {"input": "x.npy", "labels": "y.npy", "calibration": "x_calib.npy", "T": [1, 2, 4, 8],
                 "sparsity": [0, 0.5, 0.9], "model": [{"name": "mlp", "file": "mlp.onnx"}],
                 "recipe": [{"name": "unit"}, {"name": "signed", "neuron": "signed", "max_spikes": 4}]}

        out: where results are, or go: lines of JSON, one for each finished cell.
        shard: one part of so many, as "2/5", for many machines; :func:`merge` joins them.
        memory_limit: bytes that the runs of cells may take together, or a text as "4G": fewer are run at the same time.
        threads: one cell each; one for each processor if it is not given.
        progress: whether to show a progress bar. Needs tqdm.

    Raises:
        ValueError: if it is no study, samples or labels do not fit, or `out` holds something else.
        ConvertError: if a model cannot be converted.
        MemoryError: if a single cell takes more than `memory_limit`.
        OSError: if a file cannot be read or written.
    """
    path, itself = _told(study)
    _, cells = _snn_event.study(path, itself, shard)
    with progress_bar(progress, cells) as bar:
        results = _snn_event.sweep(
            path, itself, Path(out), shard=shard, memory_limit=memory_limit, threads=threads, progress=bar
        )
    return StudyResults(json.loads(results))


def verify(
    results: str | os.PathLike[str],
    study: str | os.PathLike[str] | None = None,
    *,
    cells: tuple[int, int] | None = None,
    memory_limit: int | str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Difference | None:
    """Runs the cells of finished results again, as `snn-event verify` does: the first that differs, none if all are the same.

    Args:
        results: the file that :func:`sweep` wrote, of all cells or of one part.
        study: the path of the study; the one beside the results that has the name that they give, if it is not said.
        cells: the first and the one behind the last that are run; all if it is not given.
        memory_limit: as of :func:`sweep`, like all that follow.
        threads: one cell each.
        progress: whether to show a progress bar.

    Raises:
        FormatError: if the results are not finished, or of a study or files that are others now.
        OSError: if a file cannot be read.
    """
    read = _snn_event.Verified(Path(results), None if study is None else Path(study))
    first, end = (0, read.cells) if cells is None else cells
    with progress_bar(progress, max(end - first, 0)) as bar:
        found = read.run((first, end), memory_limit=memory_limit, threads=threads, progress=bar)
    return None if found is None else Difference(*found)


def merge(parts: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> StudyResults:
    """Joins the results of all parts of a study that was run with `shard`, in any order, to those of a single sweep.

    Raises:
        ValueError: if a part is missing, given twice, not finished, or of another study.
    """
    _snn_event.merge_results([Path(part) for part in parts], Path(out))
    return StudyResults.read(out)
