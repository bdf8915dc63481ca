"""Trained nets in the forms that users have them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snn_event._snn_event import Model, Network, from_arrays, from_state_dict, read_npz, read_state_dict
from snn_event.samples import as_floats, digest, file_digest
from snn_event.torch_export import export, is_torch_module, read_exported, sample_shape

__all__ = ["Found", "of_layers", "read"]

_ALLOWED = (
    "allowed are a torch.nn.Module, the path of an .onnx, .npz, .pt, .pth or .safetensors file, an ONNX model as bytes or "
    "ModelProto, a state dict with layers=, and a list of (weight, bias) arrays"
)


@dataclass(frozen=True)
class Found:
    """A net that was read."""

    #: A trained net, or a spiking one as it is.
    net: Model | Network
    #: What the user should know about a spiking one; a trained one has its own notes.
    notes: list[str]
    #: What it was read from, for the provenance: `model`, and `external` files and `layers` if there are some.
    origin: dict[str, Any]


def read(
    model: Any,
    samples: NDArray[np.float32] | None = None,
    input_shape: Sequence[int] | None = None,
    layers: str | os.PathLike[str] | None = None,
) -> Found:
    """Reads whatever :func:`snn_event.convert` takes."""
    if layers is not None and not _takes_layers(model):
        raise ValueError(
            f"layers is given with a model of type {type(model).__name__} that says itself which layers it has; leave it out"
        )
    if isinstance(model, Model | Network):
        return _found(model, {"class": type(model).__name__})
    if is_torch_module(model):
        shape = sample_shape(model, samples, input_shape)
        exported = export(model, shape, samples)
        net = read_exported(exported, shape, samples)
        kind = type(exported.module)
        return _found(net, {"class": f"{kind.__module__}.{kind.__qualname__}", **digest(exported.onnx)})
    if isinstance(model, str | os.PathLike):
        return _of_file(Path(model), layers)
    if hasattr(model, "SerializeToString"):
        model = model.SerializeToString()
    if isinstance(model, bytes | bytearray | memoryview):
        return _found(Model.from_onnx_bytes(bytes(model)), digest(bytes(model)))
    if isinstance(model, Mapping):
        if layers is not None or not _is_arrays(model):
            return _of_state_dict(model, layers)
        return _of_mapping(model)
    if isinstance(model, Sequence):
        return _of_mapping(_layer_arrays(model))
    raise TypeError(f"a model of type {type(model).__name__}; {_ALLOWED}")


#: The endings of files that hold tensors by name and not which layers they belong to.
_OF_TENSORS = (".pt", ".pth", ".safetensors")


def _takes_layers(model: Any) -> bool:
    if isinstance(model, str | os.PathLike):
        return Path(model).suffix.lower() in _OF_TENSORS
    return isinstance(model, Mapping)


def _is_arrays(model: Mapping[Any, Any]) -> bool:
    """Whether a mapping is W0, b0, W1, … rather than a state dict."""
    return not model or any(str(name).partition(".")[0] in ("W0", "theta", "b0") for name in model)


def _found(net: Model | Network, model: dict[str, Any], **more: Any) -> Found:
    return Found(net, [], {"model": model, **more})


def _of_file(path: Path, layers: str | os.PathLike[str] | None) -> Found:
    kind = path.suffix.lower()
    if kind == ".npz":
        net, notes, told = read_npz(path)
        return Found(net, notes, {"model": file_digest(told)})
    more: dict[str, Any] = {}
    if kind == ".onnx":
        model = Model.from_onnx(path)
    elif kind in _OF_TENSORS:
        text, layers_path, more = _layer_list(layers)
        model = read_state_dict(path, text, layers_path)
    else:
        raise ValueError(
            f"{path}: unknown kind of model; allowed are files named .onnx, .npz, .pt, .pth and .safetensors"
        )
    own, *external = map(file_digest, model.files)
    if external:
        more["external"] = external
    return _found(model, own, **more)


def _layer_list(layers: str | os.PathLike[str] | None) -> tuple[str | None, Path | None, dict[str, Any]]:
    """The text of a layer list, the file that it is from, and what is told of it."""
    if layers is None:
        return None, None, {}
    if isinstance(layers, os.PathLike) or ("\n" not in layers and layers.endswith(".toml")):
        path = Path(layers)
        data = path.read_bytes()
        try:
            return data.decode("utf-8"), path, {"layers": {"file": path.name, **digest(data)}}
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a readable layer list: {error}") from error
    return layers, None, {"layers": digest(layers.encode())}


def _of_state_dict(model: Mapping[Any, Any], layers: str | os.PathLike[str] | None) -> Found:
    tensors: list[tuple[str, NDArray[np.float32]]] = []
    crc = 0
    for name, tensor in model.items():
        values = tensor.detach().cpu() if hasattr(tensor, "detach") else np.asarray(tensor)
        floating = values.is_floating_point() if hasattr(values, "is_floating_point") else values.dtype.kind == "f"
        if not floating:
            # Counters such as a batch-norm's num_batches_tracked.
            continue
        array = as_floats(values)
        crc = zlib.crc32(f"{name} {digest(array)['crc32']}".encode(), crc)
        tensors.append((str(name), array))
    if not tensors:
        raise ValueError(f"the state dict holds no tensors of floating-point numbers; {_ALLOWED}")
    text, path, more = _layer_list(layers)
    return _found(from_state_dict(tensors, text, path), {"tensors": len(tensors), "crc32": f"{crc:08x}"}, **more)


def _of_mapping(arrays: Mapping[str, Any]) -> Found:
    net, notes, crc32 = _of_arrays(arrays)
    return Found(net, notes, {"model": {"arrays": len(arrays), "crc32": crc32}})


def _layer_arrays(layers: Sequence[Any]) -> dict[str, Any]:
    """W0, b0, W1, b1, … of pairs (weight, bias)."""
    arrays: dict[str, Any] = {}
    for place, layer in enumerate(layers):
        try:
            weight, bias = layer
        except (TypeError, ValueError):
            raise ValueError(f"layer {place} is no pair (weight, bias); the bias may be None") from None
        arrays[f"W{place}"] = weight
        if bias is not None:
            arrays[f"b{place}"] = bias
    return arrays


def of_layers(
    weights: Sequence[Any], biases: Sequence[Any] | None, thresholds: Sequence[Any], fraction: float
) -> Network:
    """The fully connected spiking network of weights `(outputs, inputs)`, biases and one threshold for each layer, which
    starts at a fraction of its threshold."""
    biases = [None] * len(weights) if biases is None else biases
    if not len(weights) == len(biases) == len(thresholds):
        raise ValueError(
            f"{len(weights)} weights, {len(biases)} biases and {len(thresholds)} thresholds; allowed is one of each for "
            "every layer"
        )
    theta = np.empty(len(thresholds), np.float32)
    for place, threshold in enumerate(thresholds):
        values = np.unique(np.asarray(np.nan if threshold is None else threshold, np.float32))
        if values.size != 1 or not values[0] > 0:
            raise ValueError(f"thresholds[{place}] is {threshold!r}; allowed is one number above 0 for every layer")
        theta[place] = values[0]
    arrays = _layer_arrays(list(zip(weights, biases, strict=True)))
    net, _, _ = _of_arrays({**arrays, "theta": theta, "v_start": np.float32(fraction) * theta, "reset": "subtract"})
    assert isinstance(net, Network)
    return net


def _of_arrays(arrays: Mapping[str, Any]) -> tuple[Model | Network, list[str], str]:
    """The net of arrays W0, b0, W1, …, notes, and a CRC-32 of names and numbers."""
    named: list[tuple[str, Any]] = []
    for name, array in arrays.items():
        if hasattr(array, "tocsr"):
            parts = array.tocsr().copy()
            parts.sum_duplicates()
            named.append((f"{name}.data", np.asarray(parts.data, np.float32)))
            for part in ("indices", "indptr", "shape"):
                named.append((f"{name}.{part}", np.asarray(getattr(parts, part), np.int64)))
        elif isinstance(array, str) or np.asarray(array).dtype.kind in "US":
            named.append((name, str(array)))
        elif name.endswith((".indices", ".indptr", ".shape")):
            named.append((name, np.asarray(array, np.int64)))
        else:
            named.append((name, as_floats(array)))
    crc = 0
    for name, array in named:
        said = repr(array) if isinstance(array, str) else digest(array)["crc32"]
        crc = zlib.crc32(f"{name} {said}".encode(), crc)
    return *from_arrays(named), f"{crc:08x}"
