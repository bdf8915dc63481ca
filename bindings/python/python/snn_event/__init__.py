"""Converts trained, pruned neural networks into spiking networks and runs them event-driven, bit for bit.

`convert` makes a :class:`ConvertedSNN` of a torch module, an ONNX file or arrays; its `run` gives output spike counts.
`evaluate` tells what publications do: accuracy and costs after every number of steps, of one run.
`NetworkBuilder` builds networks by hand, recurrent ones too, and `Simulator` runs any network step by step. Importing this package needs NumPy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snn_event._snn_event import (
    ConvertError,
    DifferentNetError,
    FormatError,
    InputError,
    Model,
    Network,
    NetworkError,
    Population,
    Projection,
    Simulator,
    StateError,
    UnsupportedError,
    __version__,
)
from snn_event.building import NetworkBuilder, from_scipy, to_networkx
from snn_event.conversion import ConversionWarning, convert, read_model, to_onnx
from snn_event.converted import ConvertedSNN, RunWarning
from snn_event.evaluation import Evaluation, energy_presets, evaluate, report
from snn_event.extras import MissingExtra
from snn_event.nir import LossWarning, from_nir, to_nir
from snn_event.parting import Parting, diff
from snn_event.recording import Recording
from snn_event.runs import PopulationStatistics, Run, Spikes, Statistics
from snn_event.studies import StudyResults, merge, study_toml, sweep, verify

if TYPE_CHECKING:
    # Not in __all__: `from snn_event import *` must not need torch.
    from snn_event.qcfs import QCFSActivation as QCFSActivation
    from snn_event.qcfs import replace_relu_with_qcfs as replace_relu_with_qcfs

__all__ = [
    "ConversionWarning",
    "ConvertError",
    "ConvertedSNN",
    "DifferentNetError",
    "Evaluation",
    "FormatError",
    "InputError",
    "LossWarning",
    "MissingExtra",
    "Model",
    "Network",
    "NetworkBuilder",
    "NetworkError",
    "Parting",
    "Population",
    "PopulationStatistics",
    "Projection",
    "Recording",
    "Run",
    "RunWarning",
    "Simulator",
    "Spikes",
    "StateError",
    "Statistics",
    "StudyResults",
    "UnsupportedError",
    "__version__",
    "convert",
    "diff",
    "energy_presets",
    "evaluate",
    "from_nir",
    "from_scipy",
    "merge",
    "read_model",
    "report",
    "study_toml",
    "sweep",
    "to_networkx",
    "to_nir",
    "to_onnx",
    "verify",
]

#: What needs torch, and is looked up when it is asked for.
_OF_TORCH = ("QCFSActivation", "replace_relu_with_qcfs")


def __getattr__(name: str) -> Any:
    if name in _OF_TORCH:
        from snn_event import qcfs

        return getattr(qcfs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_OF_TORCH])
