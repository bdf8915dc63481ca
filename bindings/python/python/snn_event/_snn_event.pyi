"""Spiking networks, their runs, and the conversion of trained nets. Use the package `snn_event`."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from snn_event.recording import Recording

_Path = str | os.PathLike[str]
_Neurons = NDArray[np.bool_] | NDArray[np.uint8] | NDArray[np.integer[Any]] | Sequence[int]
_Spikes = _Neurons | tuple[_Neurons, Sequence[int] | NDArray[np.integer[Any]]]
_Raster = NDArray[np.bool_] | NDArray[np.integer[Any]]
_Labels = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.bool_]

__all__ = [
    "ConvertError",
    "DifferentNetError",
    "Evaluated",
    "FormatError",
    "InputError",
    "Model",
    "Network",
    "NetworkError",
    "Outcomes",
    "Parts",
    "Population",
    "Projection",
    "Simulator",
    "StateError",
    "UnsupportedError",
    "Verified",
    "__version__",
    "class_labels",
    "energy_presets",
    "evaluate",
    "from_arrays",
    "from_state_dict",
    "machine",
    "merge_results",
    "network_of_nir",
    "nir_of_network",
    "part_networks",
    "part_spike_files",
    "read_npz",
    "read_results",
    "read_state_dict",
    "results_page",
    "results_table",
    "study",
    "sweep",
]

__version__: str

class NetworkError(ValueError):
    """Something is not a network, or not an input or a state of this network."""

class InputError(NetworkError):
    """Samples, currents or spikes do not fit the network."""

class StateError(NetworkError):
    """A state is damaged, or is none of this network."""

class FormatError(ValueError):
    """A file is damaged or holds something else."""

class ConvertError(ValueError):
    """A model cannot be converted."""

class UnsupportedError(ConvertError):
    """Something of a model has no spiking counterpart; everything that stands in the way is listed."""

class DifferentNetError(ConvertError):
    """The net that was read gives other outputs than the one that was trained."""

@final
class Network:
    """A spiking network, immutable; what `net.bin` holds."""

    @staticmethod
    def load(path: _Path, *, mmap: bool | None = None, memory_limit: int | str | None = None) -> Network:
        """Reads a `net.bin`; `memory_limit` is what its runs may take, in bytes or as "4G"."""

    @staticmethod
    def from_bytes(data: bytes, *, memory_limit: int | str | None = None) -> Network:
        """Reads the bytes of a `net.bin`; `memory_limit` is what its runs may take."""

    def save(self, path: _Path) -> None:
        """Writes a `net.bin`, complete or not at all, and never over a file that the network was made of."""

    def to_bytes(self) -> bytes:
        """The bytes of its `net.bin`."""

    def digest(self) -> tuple[str | None, int, str]:
        """Of the file that it was read from, or of the bytes of its `net.bin`: the file's name, if there is one, the number
        of bytes, and their CRC-32 in hexadecimal digits."""

    def memory_limit(self, asked: int | str | None = None) -> int:
        """The bytes that a run may take: what is asked for, or was when it was read; else 384 MiB, or 256 times its file."""

    def __reduce__(self) -> tuple[Callable[[bytes], Network], tuple[bytes]]: ...
    def _repr_html_(self) -> str:
        """Tables of populations and projections, for notebooks."""

    def run(
        self,
        x: NDArray[np.float32] | None = None,
        T: int | None = None,
        *,
        raster: NDArray[np.bool_] | NDArray[np.integer] | None = None,
        packed: NDArray[np.uint8] | None = None,
        encoding: str | None = None,
        seed: int = 0,
        threads: int | None = None,
        mode: str = "auto",
        spikes: bool = False,
        progress: Callable[[int], object] | None = None,
        until_quiet: bool | None = None,
        memory_limit: int | str | None = None,
    ) -> Outcomes:
        """Runs samples: values `x` in an encoding, or the spikes of `raster` (bool, or whole numbers as their values) or
        `packed` (`numpy.packbits` over the neurons of every step).

        With `until_quiet` each sample runs until nothing happens any more, at most T (10000) steps. Encoding and
        until_quiet are those that the network was made for if they are not given, and its run length is if T is not."""

    @property
    def populations(self) -> list[Population]:
        """The populations in order of declaration; the last one is the one to read."""

    @property
    def projections(self) -> list[Projection]:
        """The projections in order of declaration."""

    @property
    def provenance(self) -> str:
        """What the file says about its origin, as JSON."""

    @property
    def report(self) -> str | None:
        """What the conversion did, layer by layer, as JSON; none if it is not known."""

    def with_report(self, report: str | None) -> Network:
        """The same network, saying something else about its conversion: a JSON object, or nothing. Of one that is longer than
        a file keeps, the layers are left out."""

    @property
    def run_length(self) -> tuple[int, Literal["fitted", "scaled", "settled", "stated"]] | None:
        """The steps of the runs that it is made for, and whether it is `fitted` to them, its scales are chosen for them
        (`scaled`), it is at rest after them (`settled`) or they were only `stated`; none if it is not made for runs of a certain length."""

    @property
    def until_quiet(self) -> bool:
        """Whether it is made for runs until it is quiet; the steps of `run_length` are the most then."""

    @property
    def encoding(self) -> Literal["constant", "once"]:
        """How constant input is given in the runs that it is made for."""

    def with_run_length(self, T: int) -> Network:
        """The same network, saying that it is meant for runs of `T` steps."""

    def with_provenance(self, provenance: str) -> Network:
        """The same network, saying something else about its origin: a JSON object."""

@final
class Population:
    """Neurons of one kind."""

    @property
    def name(self) -> str:
        """Its name, unique in the network."""

    @property
    def kind(self) -> str:
        """`source`, `max-pool`, or the name of a model: `integrate-and-fire`, `accumulator`, `bipolar` …"""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n,)` or `(channels, height, width)`."""

    @property
    def size(self) -> int:
        """The number of neurons."""

    @property
    def threshold(self) -> NDArray[np.float32] | None:
        """The threshold of every neuron; none for populations that do not fire by threshold."""

    @property
    def bias(self) -> NDArray[np.float32] | None:
        """The current that every neuron gets in every step; none for populations without potential."""

    @property
    def start(self) -> NDArray[np.float32] | None:
        """The potential of every neuron before the first step; none for populations that do not fire by threshold."""

    @property
    def scale(self) -> NDArray[np.float32] | None:
        """What a spike of every neuron in every step stands for, in the unit of the trained net; none if it is not known."""

    @property
    def offset(self) -> NDArray[np.float32] | None:
        """What no spikes of every neuron stand for, in the unit of the trained net; none if it is not known."""

    @property
    def reset(self) -> Literal["subtract", "zero"] | None:
        """`subtract` or `zero`; none for populations that have no such choice."""

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters of the model."""

    def parameter(self, name: str) -> NDArray[np.float32] | None:
        """The value of a parameter of the model for every neuron; none if the model has no such parameter."""

    @property
    def choices(self) -> dict[str, str]:
        """The choices of the model, each with the option taken."""

@final
class Projection:
    """The synapses from one population to another."""

    @property
    def source(self) -> str:
        """The name of the population whose spikes it carries."""

    @property
    def target(self) -> str:
        """The name of the population that receives them."""

    @property
    def delay(self) -> int:
        """Steps from emission to arrival."""

    @property
    def kind(self) -> Literal["rows", "conv2d", "one-to-one"]:
        """`rows`, `conv2d` or `one-to-one`."""

    @property
    def synapses(self) -> int:
        """The number of synapses, shared weights counted wherever they are used."""

    @property
    def shape(self) -> tuple[int, int]:
        """Neurons of the target and of the source."""

    def csr(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """The matrix `[n_post, n_pre]` in CSR form, neurons in the user's order: `(data, indices, indptr)`."""

@final
class Outcomes:
    """What the samples of a run gave."""

    @property
    def single(self) -> bool:
        """Whether the input was one sample without an axis of samples."""

    @property
    def T(self) -> int:
        """The number of steps."""

    @property
    def samples(self) -> int:
        """The number of samples."""

    @property
    def counts(self) -> NDArray[np.uint32] | NDArray[np.int64]:
        """The sum of the values of the spikes of every neuron of the last population, `(N, n)`: their number where all
        values are 1. uint32, or int64 if spikes may be negative."""

    @property
    def quiet_after(self) -> NDArray[np.int64]:
        """After how many steps the network was quiet, `(N,)`: -1 where it was not at the limit, and in runs of a given
        length."""

    @property
    def potentials(self) -> NDArray[np.float32]:
        """Potentials of the last population after the last step, `(N, n)`, or `(N, 0)` if it has none."""

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class as the command line tells it, `(N,)`."""

    @property
    def notes(self) -> list[str]:
        """What the user should know about the run."""

    @property
    def threads(self) -> int:
        """The number of threads that the samples were spread over."""

    @property
    def constant(self) -> bool:
        """Whether the input was made of currents, constant or arriving once."""

    @property
    def durations(self) -> NDArray[np.float64]:
        """What the counts of each sample are divided by to be rates, `(N,)`: the steps done, or 1 where input arrived once."""

    def outputs(self) -> NDArray[np.float32]:
        """The trained net's outputs as the run estimates them, in their own unit, `(N, n)`."""

    def populations(self) -> list[tuple[str, int, int, int, int, int, int, int, int]]:
        """For every population: name, neurons, spikes, their magnitude, synaptic operations, dense operations, operations of constant
        currents, dense ones for them, updates; all samples."""

    @staticmethod
    def from_parts(parts: dict[str, Any]) -> Outcomes:
        """What pickling took apart."""

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Outcomes], tuple[dict[str, Any]]]: ...
    def spikes(
        self, population: str
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int32] | None]:
        """All spikes of a population: neurons (user's order), steps, where each sample starts, and their values where not all
        are 1. Only if kept."""

@final
class Simulator:
    """Runs a network step by step."""

    def __new__(
        cls, network: Network, mode: str = "event", *, memory_limit: int | str | None = None
    ) -> Simulator: ...
    @property
    def network(self) -> Network:
        """The network that it runs."""

    @property
    def t(self) -> int:
        """Steps done."""

    def start(self, x: NDArray[np.float32] | None = None) -> None:
        """Goes back to step 0, with the constant currents of one sample, or without any."""

    def reset(self) -> None:
        """Goes back to step 0 with the same constant currents."""

    def step(
        self,
        spikes: _Spikes | Mapping[str, _Spikes] | None = None,
        currents: NDArray[np.float32] | Mapping[str, NDArray[np.float32]] | None = None,
    ) -> NDArray[np.bool_]:
        """Does one step and gives the spikes of the last population.

        Spikes are given to the input, or by name to any populations that fire: they are emitted as if by their neurons, whose
        potentials they leave alone. They are flags, indices, or a pair of indices and the values of their spikes. Currents are
        given to every neuron of a population, in units of its potentials."""

    def run(
        self,
        T: int,
        *,
        spikes: _Raster | Mapping[str, _Raster] | None = None,
        currents: NDArray[np.float32] | Mapping[str, NDArray[np.float32]] | None = None,
        record: Sequence[str] | None = None,
        potentials: Sequence[str] | None = None,
    ) -> Recording:
        """Does `T` steps and gives what was recorded: the spikes of the populations of `record` (all, if it is not given),
        and the potentials of those of `potentials`.

        `spikes` `(T, *shape)` are flags, or whole numbers as values of spikes, of the input or by names of populations;
        `currents` `(T, *shape)`, or `(*shape)` for every step, by names of populations."""

    def spike_values(self, population: str | None = None) -> NDArray[np.int32]:
        """The values of the spikes of a population in the last step, of its shape, 0 where there is none; of the last
        population if none is named."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing will ever happen again without further input."""

    @staticmethod
    def at(
        network: Network,
        mode: str,
        memory_limit: int | None,
        sample: NDArray[np.float32] | None,
        state: bytes,
    ) -> Simulator:
        """A simulator at a state, with the constant currents of a sample: what pickling makes."""

    def __reduce__(
        self,
    ) -> tuple[
        Callable[..., Simulator], tuple[Network, str, int | None, NDArray[np.float32] | None, bytes]
    ]: ...

    def spikes(self, population: str | None = None) -> NDArray[np.bool_]:
        """The spikes of a population in the last step, as flags of its shape; of the last population if none is named."""

    def fired(self, population: str | None = None) -> NDArray[np.uint32]:
        """The neurons of a population that fired in the last step, ascending; of the last population if none is named."""

    def potentials(self, population: str | None = None) -> NDArray[np.float32]:
        """The potentials of a population after the last step, of its shape; of the last population if none is named."""

    def state(self) -> bytes:
        """Where the run stands: all that the next step depends on but the stimulus and the constant currents."""

    def restore(self, state: bytes) -> None:
        """Goes on from a state of any simulator of this network, with the constant currents of the last start."""

    def statistics(self) -> list[tuple[str, int, int, int]]:
        """Name, spikes, synaptic operations and updates of every population since the last start or reset."""

@final
class Parts:
    """Populations and projections that are to become a network; `NetworkBuilder` calls it. Weights are targets by sources."""

    def __new__(cls) -> Parts: ...
    def population(
        self,
        name: str,
        shape: Sequence[int],
        model: str,
        parameters: Mapping[str, NDArray[np.float32]],
        choices: Mapping[str, str],
    ) -> None:
        """Declares a population of shape `(n,)` or `(channels, height, width)`."""

    def dense(self, source: str, target: str, delay: int, weights: NDArray[np.float32]) -> None:
        """A weight for every pair of neurons, `(n_post, n_pre)`."""

    def synapses(
        self,
        source: str,
        target: str,
        delay: int,
        pre: NDArray[np.int64],
        post: NDArray[np.int64],
        weights: NDArray[np.float32],
    ) -> None:
        """Synapses from `pre` to `post`."""

    def one_to_one(self, source: str, target: str, delay: int, weights: NDArray[np.float32]) -> None:
        """From neuron i to neuron i: one weight for all, or one for each."""

    def convolution(
        self,
        source: str,
        target: str,
        delay: int,
        kernels: NDArray[np.float32],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> None:
        """A convolution of kernels `(out, in / groups, down, across)`."""

    def shape(self, name: str) -> list[int]:
        """The shape of a population."""

    def build(self) -> Network:
        """Checks everything and makes the network; more can be declared afterwards for another."""

@final
class Model:
    """A trained net, ready to be evaluated and converted."""

    @staticmethod
    def from_onnx(path: _Path) -> Model:
        """Reads an ONNX file."""

    @staticmethod
    def from_onnx_bytes(data: bytes) -> Model:
        """Reads the bytes of an ONNX file that stands alone."""

    @property
    def files(self) -> list[tuple[str, int, str]]:
        """The files that it was read from: names, bytes, and CRC-32 in hexadecimal digits; its own first, then those that it
        names. None if it was read from memory."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the result for one sample."""

    @property
    def activations(self) -> list[int | None]:
        """Levels of every quantised activation (QCFS), in execution order; none for the other activations."""

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the model was read."""

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The outputs of the trained net itself, `(N, n)`."""

    def classes(
        self, x: NDArray[np.float32], input_mean: Sequence[float], input_std: Sequence[float]
    ) -> NDArray[np.int64]:
        """The class that the trained net names for samples as a network takes them, `(N,)`: the largest output, the lowest index
        among equals."""

    def expect(self, x: NDArray[np.float32], outputs: NDArray[np.float64]) -> tuple[int, float]:
        """Compares the outputs for samples with those that the trained net gave: how many samples, and their largest
        relative difference."""

    def convert(
        self,
        calibration: NDArray[np.float32] | None,
        *,
        T: int | None,
        neuron: str | None,
        levels: int | None,
        max_spikes: int | None,
        reconstruct: float | None,
        normalise: str | None,
        percentile: float,
        scale_per: str | None,
        zeros: bool,
        start: str | None,
        readout: str,
        weights: str,
        unroll: bool,
        input_mean: Sequence[float],
        input_std: Sequence[float],
        fit: bool | None,
        fit_by: str,
        compare: bool,
        labels: _Labels | None,
        expected: NDArray[np.float64] | None,
    ) -> tuple[Network, str, str, list[str], list[str]]:
        """Makes a spiking network: the network, the report and the options in effect as JSON, notes, and warnings."""

def class_labels(labels: _Labels, samples: int, classes: int) -> NDArray[np.int64]:
    """The classes `(N,)` of labels `(N,)`, `(N, 1)` or one-hot, for so many samples and classes."""

def read_npz(path: _Path) -> tuple[Model | Network, list[str], tuple[str, int, str]]:
    """Reads a fully connected net from an .npz file of W0, b0, W1, b1, …: the net, notes, and the file's name, bytes and
    CRC-32 in hexadecimal digits."""

def from_arrays(
    arrays: Sequence[tuple[str, NDArray[np.float32] | NDArray[np.int64] | str]],
) -> tuple[Model | Network, list[str]]:
    """Makes a fully connected net of arrays W0, b0, W1, b1, …: the net, and notes."""

def read_state_dict(path: _Path, layers: str | None, layers_path: _Path | None) -> Model:
    """Reads the net that a layer list (TOML) makes of the tensors in a .pt, .pth or .safetensors file. `layers_path` is where
    the list is from, if it is from a file."""

def from_state_dict(
    tensors: Sequence[tuple[str, NDArray[np.float32]]], layers: str | None, layers_path: _Path | None
) -> Model:
    """Makes the net that a layer list (TOML) makes of tensors by name."""

def network_of_nir(parts: Any, dt: float, lossy: bool) -> tuple[Network, list[str], list[str]]:
    """Makes a network of a graph: the network, what is said otherwise, and what was assumed."""

def nir_of_network(
    network: Network, dt: float, lossy: bool
) -> tuple[
    dict[str, tuple[str, dict[str, NDArray[np.float64]], dict[str, str], dict[str, str]]],
    list[tuple[str, str]],
    list[str],
]:
    """Makes a graph of a network: its nodes taken apart, its edges, and what is said otherwise."""

def machine() -> tuple[str, str]:
    """The instruction set of the kernels that runs use on this machine, and what the machine is like, as JSON."""

@final
class Evaluated:
    """What an evaluation gave."""

    @property
    def report(self) -> str:
        """As JSON."""
    @property
    def notes(self) -> list[str]: ...
    @property
    def points(self) -> list[int]: ...
    @property
    def energies(self) -> list[str]: ...
    @property
    def threads(self) -> int: ...
    def write_page(
        self,
        out: Path,
        figures: Path | None,
        provenance: str,
        trained: tuple[Model, NDArray[np.float32], Sequence[float], Sequence[float]] | None,
    ) -> int:
        """Writes a page, and the files of its figures into a folder: the number of figures."""

def evaluate(
    network: Network,
    x: NDArray[np.float32] | None,
    T: int | None,
    *,
    raster: _Raster | None,
    packed: NDArray[np.uint8] | None,
    encoding: str | None,
    seed: int,
    threads: int | None,
    mode: str,
    points: Sequence[int],
    readout_from: int,
    stop: Sequence[str],
    energy: Sequence[str],
    energy_toml: str | None,
    membrane_updates: bool,
    labels: _Labels | None,
    trained: _Labels | None,
    drawn: bool,
    progress: Callable[[int], object] | None,
    memory_limit: int | str | None,
) -> Evaluated:
    """Runs samples once and tells accuracy and costs after every point."""

def energy_presets() -> str:
    """The energies that come with the package, by name, as JSON."""

_Parted = tuple[int, int, str, int, tuple[int, int], tuple[float, float] | None]

def part_networks(
    first: Network,
    second: Network,
    x: NDArray[np.float32] | None,
    T: int | None,
    *,
    raster: _Raster | None,
    encoding: str | None,
    seed: int,
    threads: int | None,
) -> _Parted | None:
    """Runs two networks side by side and finds where they first part: sample, step, population, neuron, the values of its spike
    in either run, and its potentials."""

def part_spike_files(first: _Path, second: _Path) -> _Parted | None:
    """Finds where two files of spikes first part, as :func:`part_networks` does."""

def study(path: Path | None, study: str | None, shard: str | None) -> tuple[str, int]:
    """A study as TOML, and how many cells it has in all or in one part."""

def sweep(
    path: Path | None,
    study: str | None,
    out: Path,
    *,
    shard: str | None,
    memory_limit: int | str | None,
    threads: int | None,
    progress: Callable[[int], object] | None,
) -> str:
    """Runs the cells of a study that the file `out` does not have yet: all results, as JSON."""

@final
class Verified:
    """Finished results, to be run again."""

    def __new__(cls, results: Path, study: Path | None) -> Verified: ...
    @property
    def cells(self) -> int:
        """How many cells there are."""
    def run(
        self,
        cells: tuple[int, int],
        *,
        memory_limit: int | str | None,
        threads: int | None,
        progress: Callable[[int], object] | None,
    ) -> tuple[int, str, str] | None:
        """Runs some cells again: the line of the first that differs, what it says and what the cell gives now."""

def read_results(path: Path) -> str:
    """The results in a file, as JSON."""

def merge_results(parts: Sequence[Path], out: Path) -> int:
    """Joins the results of all parts of a study: the number of cells."""

def results_table(rows: str, is_latex: bool) -> str:
    """Rows, as JSON, as a table: of comma separated values, or LaTeX."""

def results_page(results: str, out: Path, figures: Path | None) -> int:
    """Writes a page of results: the number of figures."""
