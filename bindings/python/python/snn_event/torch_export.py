"""Torch modules as ONNX files, and whether the files say what the modules do."""

from __future__ import annotations

import copy
import ctypes
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snn_event._snn_event import ConvertError, Model
from snn_event.extras import need
from snn_event.samples import as_floats

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Exported", "export", "is_torch_module", "read_exported", "sample_shape", "verify"]

#: Samples that a module and the net that was read of it are compared on.
PROBES = 8

def is_torch_module(model: Any) -> bool:
    """Whether something is a torch module, asked without importing torch, which takes seconds."""
    return any(kind.__module__ == "torch.nn.modules.module" for kind in type(model).__mro__)


def sample_shape(
    model: nn.Module, samples: NDArray[np.float32] | None, input_shape: Sequence[int] | None
) -> tuple[int, ...]:
    """The shape of one sample of a module's input: as given, of the samples, or of a first fully connected layer."""
    if input_shape is not None:
        return tuple(int(axis) for axis in input_shape)
    if samples is not None:
        return samples.shape[1:]
    from torch import nn

    model = _unwrapped(model)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            return (module.in_features,)
        if not isinstance(module, nn.Sequential | nn.Flatten | nn.Identity | nn.Dropout) and module is not model:
            break
    raise ValueError(
        f"the shape of the input of {type(model).__name__} is not known; give calibration_data, or the shape of one "
        "sample as input_shape=, for instance (1, 28, 28)"
    )


@dataclass(frozen=True)
class Exported:
    """A module as an ONNX file."""

    onnx: bytes
    #: What was traced: the module inside its wrappers, in float32.
    module: nn.Module
    #: What PyTorch's tracer warned of.
    warned: list[str]
    #: Where the module took values out of tensors.
    left: list[str]


def _unwrapped(model: Any) -> Any:
    """What stands inside torch.compile, DataParallel and DistributedDataParallel."""
    from torch import nn

    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            return model


@contextmanager
def _plain(model: nn.Module) -> Iterator[None]:
    """A module in evaluation mode and without wrappers around its parts; as it was afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    wrapped = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()
        if child is not None and _unwrapped(child) is not child
    ]
    compiled = [(module, module._compiled_call_impl) for module in model.modules() if module._compiled_call_impl]
    try:
        for parent, name, child in wrapped:
            parent._modules[name] = _unwrapped(child)
        for module, _ in compiled:
            module._compiled_call_impl = None
        model.eval()
        yield
    finally:
        for parent, name, child in wrapped:
            parent._modules[name] = child
        for module, call in compiled:
            module._compiled_call_impl = call
        for module, training in modes:
            module.training = training


def _in_float32(model: nn.Module) -> nn.Module:
    """The module, or a copy in float32 of one that has other floating-point numbers."""
    torch = need("torch", "torch")
    tensors = [*model.parameters(), *model.buffers()]
    if all(tensor.dtype == torch.float32 for tensor in tensors if tensor.is_floating_point()):
        return model
    try:
        return copy.deepcopy(model).float()
    except Exception as error:
        raise ConvertError(
            f"{type(model).__name__} has numbers that are not float32, and no copy of it can be made ({_line(error)}); "
            "convert model.float()"
        ) from error


def _line(error: BaseException) -> str:
    """An exception in one line, without the graph that PyTorch's exporter puts behind it."""
    text = str(error).strip()
    for end in ("\n", "  [Caused by", " Please feel free"):
        text = text.partition(end)[0]
    name = type(error).__name__
    return f"{name}: {text[:400]}" if text else name


def export(model: nn.Module, shape: Sequence[int], samples: NDArray[np.float32] | None = None) -> Exported:
    """Exports a module, traced on some of the samples, or on random numbers in [0, 1] if there are none."""
    torch = need("torch", "torch")
    need("onnx", "torch")
    from snn_event.watched_trace import WatchedTrace

    module = _in_float32(_unwrapped(model))
    if samples is None or not len(samples):
        values = np.random.default_rng(0).random((2, *shape), np.float32)
    else:
        values = samples.reshape(-1, *shape)[[0, -1]]
    example = torch.as_tensor(values, device=_device(module))
    file = io.BytesIO()
    trace = WatchedTrace()
    failure: Exception | None = None
    with _plain(module), torch.no_grad(), ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        trace.caught = caught
        stack.enter_context(_without_graph())
        stack.enter_context(trace)
        try:
            torch.onnx.export(
                module,
                (example,),
                file,
                dynamo=False,
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "N"}, "output": {0: "N"}},
                opset_version=17,
            )
        except Exception as error:
            failure = error
    _show(caught)
    if failure is not None:
        text = f"{type(module).__name__} cannot be exported to ONNX: {_line(failure)}"
        raise ConvertError(text + _reasons(_traced(caught), trace.left)) from failure
    return Exported(file.getvalue(), module, _traced(caught), trace.left)


#: What PyTorch's exporter writes in front of the graph that it failed on.
_GRAPH = b"ONNX graph being constructed during exception:"


@contextmanager
def _without_graph() -> Iterator[None]:
    """Keeps the page of graph that PyTorch writes to the process's standard output, past Python, when an export fails, from the
    user; all that is written before it comes through."""

    def flush() -> None:
        with suppress(Exception):
            sys.stdout.flush()
        with suppress(Exception):
            ctypes.CDLL(None).fflush(None)

    try:
        flush()
        standard = os.dup(1)
    except OSError:
        # There is no standard output.
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 1)
        try:
            yield
        finally:
            flush()
            os.dup2(standard, 1)
            kept.seek(0)
            text = kept.read().partition(_GRAPH)[0]
            while text:
                text = text[os.write(standard, text) :]
            os.close(standard)


def _device(module: nn.Module) -> Any:
    tensor = next(iter(module.parameters()), None)
    return None if tensor is None else tensor.device


def _tracer_warning() -> type[Warning]:
    import torch

    category: type[Warning] = vars(torch.jit)["TracerWarning"]
    return category


def _traced(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """What the tracer warned of, each with its place."""
    tracer = _tracer_warning()
    found = (
        f"{warning.filename}:{warning.lineno}: {str(warning.message).partition('. ')[0]}"
        for warning in caught
        if issubclass(warning.category, tracer)
    )
    return list(dict.fromkeys(found))


def _show(caught: Sequence[warnings.WarningMessage]) -> None:
    """Lets the user see the warnings of an export that are about the module, not about the exporter."""
    from snn_event.watched_trace import of_torch

    tracer = _tracer_warning()
    for warning in caught:
        # The exporter of our choice is announced to be the older one.
        if issubclass(warning.category, DeprecationWarning) or str(warning.message).startswith("Constant folding"):
            continue
        # The tracer warns of PyTorch's own layers, too; what comes of that shows in the comparison.
        if issubclass(warning.category, tracer) and of_torch(warning.filename):
            continue
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _reasons(warned: Sequence[str], left: Sequence[str]) -> str:
    text = ""
    if left:
        text += (
            "\na value is taken out of the tensors where the trace cannot follow it and keeps what it was for the traced "
            "samples: " + ", ".join(left[:5])
        )
    if warned:
        text += "\nPyTorch's tracer warned: " + "; ".join(warned[:5])
    return text


def read_exported(exported: Exported, shape: Sequence[int], samples: NDArray[np.float32] | None = None) -> Model:
    """The net of an exported module, compared with the module itself.

    Raises:
        ConvertError: if the net cannot be converted, or gives other outputs than the module.
    """
    try:
        net = Model.from_onnx_bytes(exported.onnx)
    except ConvertError as error:
        text = str(error)
        if not _depends_on_input(exported.onnx):
            text = f"the outputs of {type(exported.module).__name__} do not depend on its input in the trace"
        raise type(error)(text + _reasons(exported.warned, exported.left)) from error
    verify(net, exported, shape, samples)
    return net


def _depends_on_input(onnx_file: bytes) -> bool:
    graph = need("onnx", "torch").load_model_from_string(onnx_file).graph
    reached = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
    return any(output.name in reached for output in graph.output)


def verify(net: Model, exported: Exported, shape: Sequence[int], samples: NDArray[np.float32] | None) -> None:
    """Compares the net that was read with the module, on some of the samples, or on zeros, ones and random numbers.

    Where the module takes values out of its tensors, what a trace freezes shows on samples of other sizes only: it is
    compared on zeros, ones, and scaled and negative samples as well, as far as the module takes them.
    """
    if samples is not None and len(samples):
        places = np.unique(np.linspace(0, len(samples) - 1, PROBES).astype(int))
        probes = samples[places].reshape(-1, *shape)
    else:
        random = np.random.default_rng(1).random((2, *shape), np.float32)
        probes = np.concatenate([np.zeros((1, *shape), np.float32), np.ones((1, *shape), np.float32), random])
    compare = _comparison(net, exported)
    compare(probes)
    if exported.warned or exported.left:
        for probe in (np.zeros_like(probes[:1]), np.ones_like(probes[:1]), 255 * probes[-1:], -probes[-1:]):
            compare(probe, needed=False)


def _comparison(net: Model, exported: Exported) -> Callable[..., None]:
    module, name = exported.module, type(exported.module).__name__

    def compare(probes: NDArray[np.float32], needed: bool = True) -> None:
        try:
            outputs = _outputs(module, probes)
        except Exception as error:
            if not needed:
                return
            raise ConvertError(f"{name} fails on samples of shape {probes.shape}: {_line(error)}") from error
        finite = np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
        if not finite.any():
            if needed:
                raise ConvertError(f"{name} gives no finite outputs on samples of shape {probes.shape}")
            return
        try:
            net.expect(probes[finite], outputs[finite])
        except ConvertError as error:
            text = f"{name}: {error}" + _why(exported, probes[finite], outputs[finite])
            raise type(error)(text) from error

    return compare


def _outputs(module: nn.Module, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the module gives for samples."""
    torch = need("torch", "torch")
    with _plain(module), torch.no_grad():
        result = module(torch.as_tensor(values, device=_device(module)))
    while isinstance(result, tuple | list | dict) and len(result) == 1:
        result = next(iter(result.values())) if isinstance(result, dict) else result[0]
    if not isinstance(result, torch.Tensor):
        raise TypeError(f"its output is of type {type(result).__name__}; allowed is one tensor")
    if result.ndim == 0 or len(result) != len(values):
        raise ValueError(f"its output has the shape {tuple(result.shape)}; allowed is one row for each of the samples")
    return as_floats(result).astype(np.float64)


def _why(exported: Exported, probes: NDArray[np.float32], outputs: NDArray[np.float64]) -> str:
    """The likely reason of a difference."""
    module = exported.module
    size = 1e-3 * max(float(np.abs(outputs).max()), 1e-30)
    try:
        again, alone = _outputs(module, probes), np.concatenate([_outputs(module, x[np.newaxis]) for x in probes])
    except Exception:
        again = alone = outputs
    if again.shape != outputs.shape or np.abs(again - outputs).max() > size:
        return "\nthe module gives other outputs when it is called again: something in it is random, even in evaluation mode"
    reason = ""
    if alone.shape != outputs.shape or np.abs(alone - outputs).max() > size:
        reason = "\nwhat the module gives for a sample depends on the other samples of its batch"
    reason += _reasons(exported.warned, exported.left)
    return reason or (
        "\nthe likely reason is an operator that PyTorch's exporter writes as another; export parts of the module to find it"
    )
