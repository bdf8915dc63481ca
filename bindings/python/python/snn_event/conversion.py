"""Conversion of trained nets into spiking networks."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snn_event._snn_event import ConvertError, Model, Network, __version__, from_arrays, read_npz
from snn_event.converted import ConvertedSNN
from snn_event.samples import as_calibration, as_floats
from snn_event.torch_export import export, is_torch_module, read_module, sample_shape, verify

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ConversionWarning", "convert", "read_model", "to_onnx"]

#: Steps if neither the user nor the model's quantised activations say how many.
DEFAULT_STEPS = 16


class ConversionWarning(UserWarning):
    """A conversion was done, but not as well as it could be."""


def to_onnx(
    model: nn.Module, input_shape: Sequence[int] | None = None, calibration_data: Any = None
) -> bytes:
    """A torch module as the bytes of an ONNX file with a free batch axis. Needs torch and onnx.

    The module is traced in evaluation mode: what is executed counts, in its order, functional calls and modules that are
    used twice included. It is left as it was. What stands inside torch.compile and DataParallel is traced, in float32.

    Args:
        model: the module.
        input_shape: the shape of one sample, without the batch axis.
        calibration_data: samples to trace the module on, as :func:`convert` takes them; random numbers if there are none.

    Raises:
        ConvertError: if the module cannot be exported, or the file is a net that gives other outputs than the module.
    """
    samples = None if calibration_data is None else as_calibration(calibration_data)
    shape = sample_shape(model, samples, input_shape)
    exported = export(model, shape, samples)
    try:
        net = Model.from_onnx_bytes(exported.onnx)
    except ConvertError:
        # A file for others; whether it says what the module does is not for this package to find out.
        return exported.onnx
    verify(net, exported, shape, samples)
    return exported.onnx


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


def _of_arrays(arrays: Mapping[str, Any]) -> tuple[Model | Network, list[str]]:
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
    return from_arrays(named)


def _read(
    model: Any, samples: NDArray[np.float32] | None, input_shape: Sequence[int] | None
) -> tuple[Model | Network, list[str]]:
    """A trained net, or a spiking one as it is; and notes about a spiking one."""
    if isinstance(model, Model | Network):
        return model, []
    if is_torch_module(model):
        return read_module(model, sample_shape(model, samples, input_shape), samples), []
    if isinstance(model, bytes):
        return Model.from_onnx_bytes(model), []
    if isinstance(model, str | os.PathLike):
        kind = Path(model).suffix.lower()
        if kind == ".npz":
            return read_npz(model)
        if kind == ".onnx":
            return Model.from_onnx(model), []
        raise ValueError(f"{os.fspath(model)}: unknown kind of model; allowed are files named .onnx and .npz")
    if isinstance(model, Mapping):
        return _of_arrays(model)
    if isinstance(model, Sequence):
        return _of_arrays(_layer_arrays(model))
    raise TypeError(
        f"a model of type {type(model).__name__}; allowed are a torch.nn.Module, the path of an .onnx or .npz file, "
        "the bytes of an .onnx file, and a list of (weight, bias) arrays"
    )


def read_model(model: Any, calibration_data: Any = None, input_shape: Sequence[int] | None = None) -> Model:
    """The trained net itself: `forward` evaluates it, `activations` tells its quantised activations.

    Args:
        model: what :func:`convert` takes.
        calibration_data: samples of a torch module, from which the shape of its input is taken.
        input_shape: the shape of one sample of a torch module, if there are no samples.
    """
    samples = None if calibration_data is None else as_calibration(calibration_data)
    net, _ = _read(model, samples, input_shape)
    if isinstance(net, Network):
        raise ValueError("the model has thresholds (theta), so it is a spiking net already, not a trained one")
    return net


def _numbers(values: ArrayLike | None) -> list[float]:
    return [] if values is None else [float(value) for value in np.atleast_1d(np.asarray(values, np.float64))]


def convert(
    model: Any,
    calibration_data: Any = None,
    T: int | None = None,
    percentile: float = 99.9,
    *,
    normalise: str | None = None,
    scale_per: str | None = None,
    zeros: bool = True,
    v0: str | None = None,
    readout: str = "spikes",
    unroll: bool = False,
    input_mean: ArrayLike | None = None,
    input_std: ArrayLike | None = None,
    input_shape: Sequence[int] | None = None,
    fit: bool = False,
    compare: bool = False,
    labels: ArrayLike | None = None,
    expect: ArrayLike | None = None,
) -> ConvertedSNN:
    """Converts a trained net into a spiking network.

    Args:
        model: a `torch.nn.Module` (exported to ONNX in memory, its QCFS activations kept), the path of an .onnx or .npz
            file, the bytes of an .onnx file, or a list of `(weight, bias)` of a fully connected ReLU net: weights
            `(outputs, inputs)`, dense or sparse, biases possibly None. A dictionary `{"W0": …, "b0": …, "theta": …,
            "v_start": …, "reset": …}`, or such a file, that has a theta is a spiking net already and taken as it is.
        calibration_data: samples `(N, …)`, from whose activations the scales are chosen: an array, a tensor, a list of
            samples, a torch `Dataset` or `DataLoader` (labels are left out). Without them every threshold is 1, with a
            warning; quantised activations (QCFS) need none.
        T: steps of a run; the levels of the model's first quantised activation, or 16, if it is not given.
        percentile: of the activations, in per cent, for `normalise="percentile"`.
        normalise: how scales are chosen: "percentile" (Rueckauer et al. 2017), "max" (Diehl et al. 2015), "mse" (least
            squared error in T steps, Li et al. 2021: the best choice for few steps), "qcfs" (trained thresholds, Bu et
            al. 2022) or "none". If it is not given: trained thresholds and "mse" for a model with quantised
            activations, else "percentile", or "none" without calibration data.
        scale_per: "layer" or "channel"; channels of images and layers of vectors if it is not given.
        zeros: whether activations of zero count in percentiles.
        v0: potential before the first step, "zero" or "half" a threshold; as suits `normalise` if it is not given.
        readout: "spikes": the last population fires like the others, so that :meth:`ConvertedSNN.run` gives counts;
            "potential": it only integrates, as the command line has it.
        unroll: write shared weights out as plain sparse rows; the results are the same, by bits.
        input_mean: subtracted from the input first: a number, or one per channel.
        input_std: what the input is divided by after that.
        input_shape: the shape of one sample of a torch module, if there are no calibration data.
        fit: fit scales, starts and biases to the spikes that really arrive in runs of `T` steps with constant input: much
            more accurate in short runs of this length, less in others. Needs calibration data.
        compare: let the report compare spike rates with activations, on at most 256 calibration samples.
        expect: what the trained net itself gives for the calibration samples, `(N, …)`: a model that computes something else
            is refused. Torch modules are compared without it.
        labels: classes of the calibration samples; the report then has the accuracies of both nets on them.

    Raises:
        ConvertError: if something of the model cannot be converted; all such nodes are listed. If a torch module gives other
            outputs than the net that was read of it.
    """
    samples = None if calibration_data is None else as_calibration(calibration_data)
    if expect is not None and samples is None:
        raise ValueError("expect holds outputs for calibration_data, and there are none; give both")
    net, notes = _read(model, samples, input_shape)
    if isinstance(net, Network):
        if calibration_data is not None or normalise not in (None, "none") or scale_per or v0 or fit or compare:
            raise ValueError(
                "the model has thresholds (theta), so it is a spiking net already and nothing is converted; leave "
                "calibration_data, normalise, scale_per, v0, fit and compare out, or take the theta away"
            )
        T = DEFAULT_STEPS if T is None else T
        return ConvertedSNN(net.with_provenance(_provenance({"T": T})), T, {"layers": [], "notes": notes})
    levels = next((levels for levels in net.activations if levels is not None), None)
    if T is None:
        T = levels if levels is not None else DEFAULT_STEPS
    if normalise is None:
        normalise = _usual(levels is not None, calibration_data is not None)
    unused = normalise in ("none", "qcfs") and not (fit or compare or labels is not None or expect is not None)
    network, report, notes = net.convert(
        None if unused else samples,
        T=T,
        normalise=normalise,
        percentile=percentile,
        scale_per=scale_per,
        zeros=zeros,
        start=v0,
        readout=readout,
        unroll=unroll,
        input_mean=_numbers(input_mean),
        input_std=_numbers(input_std),
        fit=fit,
        compare=compare,
        labels=None if labels is None else np.asarray(labels, np.int64),
        expected=None if expect is None else np.asarray(as_floats(expect), np.float64),
    )
    options: dict[str, Any] = {"T": T, "normalise": normalise, "readout": readout}
    if fit:
        options["fit"] = True
    if normalise == "percentile":
        options["percentile"] = percentile
    return ConvertedSNN(network.with_provenance(_provenance(options)), T, {**json.loads(report), "notes": notes})


def _provenance(options: dict[str, Any]) -> str:
    return json.dumps({"tool": f"snn_event {__version__} (Python)", "options": options})


def _usual(quantised: bool, calibrated: bool) -> str:
    """How scales are chosen if the user does not say it."""
    if calibrated:
        return "mse" if quantised else "percentile"
    lost = "outputs above 1 saturate the counts of the last layer" if quantised else "activations above 1 are cut off"
    warnings.warn(
        f"no calibration_data: every threshold that was not trained is 1, so {lost}; give samples of the training set",
        ConversionWarning,
        stacklevel=3,
    )
    return "qcfs" if quantised else "none"
