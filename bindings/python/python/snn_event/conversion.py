"""Conversion of trained nets into spiking networks."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from snn_event._snn_event import ConvertError, Model, Network, __version__
from snn_event.converted import ConvertedSNN
from snn_event.models import read
from snn_event.samples import array_digest, as_calibration, as_floats, as_labels
from snn_event.torch_export import export, sample_shape, verify

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


def read_model(
    model: Any, calibration_data: Any = None, input_shape: Sequence[int] | None = None, *, layers: Any = None
) -> Model:
    """The trained net itself: `forward` evaluates it, `activations` tells its quantised activations.

    Args:
        model: what :func:`convert` takes.
        calibration_data: samples of a torch module, from which the shape of its input is taken.
        input_shape: the shape of one sample of a torch module, if there are no samples.
        layers: the layer list of a state dict.
    """
    samples = None if calibration_data is None else as_calibration(calibration_data)
    net = read(model, samples, input_shape, layers).net
    if isinstance(net, Network):
        raise ValueError("the model has thresholds (theta), so it is a spiking net already, not a trained one")
    return net


def numbers(values: ArrayLike | None) -> list[float]:
    """Nothing, one number, or one per channel."""
    return [] if values is None else [float(value) for value in np.atleast_1d(np.asarray(values, np.float64))]


def convert(
    model: Any,
    calibration_data: Any = None,
    T: int | None = None,
    percentile: float | None = None,
    *,
    normalise: str | None = None,
    scale_per: str | None = None,
    zeros: bool = True,
    v0: str | None = None,
    readout: str | None = None,
    neuron: str | None = None,
    levels: int | None = None,
    max_spikes: int | None = None,
    reconstruct: float | None = None,
    weights: str = "f32",
    unroll: bool = False,
    input_mean: ArrayLike | None = None,
    input_std: ArrayLike | None = None,
    input_shape: Sequence[int] | None = None,
    fit: bool | None = None,
    fit_by: str = "search",
    compare: bool = False,
    labels: ArrayLike | None = None,
    layers: str | os.PathLike[str] | None = None,
    expect: ArrayLike | None = None,
) -> ConvertedSNN:
    """Converts a trained net into a spiking network.

    Args:
        model: a `torch.nn.Module` (exported to ONNX in memory, its QCFS activations kept); an ONNX model as a path, bytes or
            `onnx.ModelProto`; the path of a .pt, .pth or .safetensors file or a state dict, with `layers`; or a list of
            `(weight, bias)` of a fully connected ReLU net: weights `(outputs, inputs)`, dense or sparse, biases possibly
            None, which may be an .npz file, too. A dictionary `{"W0": …, "b0": …, "theta": …, "v_start": …, "reset": …}`, or
            such a file, that has a theta is a spiking net already and taken as it is.
        calibration_data: samples `(N, …)`, from whose activations the scales are chosen: an array, a tensor, a list of
            samples, a torch `Dataset` or `DataLoader` (labels are left out). Without them every threshold is 1, with a
            warning; quantised activations (QCFS) need none.
        T: steps of a run, not of neurons that settle; the levels of the model's first quantised activation, whose trained thresholds are then kept as they
            are, or 16, if it is not given; 4 of "multi" and "signed".
        percentile: of the activations, in per cent; if it is given, and `normalise` is not, scales are chosen by it. 99.9 for
            `normalise="percentile"` without it.
        normalise: how scales are chosen: "mse" (least squared error in T steps, Li et al. 2021; trained thresholds are kept),
            "percentile" (Rueckauer et al. 2017, sc-neurocore's), "max" (Diehl et al. 2015), "balance" (local threshold balancing,
            Bu et al. 2024), "qcfs" (trained thresholds, Bu et
            al. 2022) or "none". If it is not given: "mse", as on the command line; without calibration data "qcfs" for a
            model with quantised activations, else "none".
        scale_per: "layer" or "channel"; channels of images and layers of vectors if it is not given.
        zeros: whether activations of zero count in percentiles.
        v0: potential before the first step, "zero" or "half" a threshold; as suits `normalise` if it is not given.
        readout: "spikes": the last population fires like the others, so that :meth:`ConvertedSNN.run` gives counts;
            "potential": it only integrates, as the command line has it, and as the other neurons than "unit" have it always.
        neuron: what activations become. If it is not given: "best" for a `T` of at most 64 with calibration data and
            `readout="potential"`, if nothing is given that only unit spikes have; else "unit". "unit": spikes of value 1, whose
            rates stand for activations. "multi": spikes of up to `max_spikes` units. "signed": the same, and what was given too early is taken
            back. "settle": the same with the input once, so that the network comes to rest at the trained net with
            activations of `levels` levels; it does so in one step if `max_spikes` is not given. "best": "unit" or "signed",
            whichever loses less in runs of `T` steps: each is made with half of the calibration data and judged on the others;
            with `readout="potential"`, which it has then.
        levels: of the activations of the neurons that count, 16 if it is not given; of "multi" and "signed" `T * max_spikes`.
        max_spikes: the largest value of a spike; what tells all levels in `T` steps if it is not given.
        reconstruct: let weights make up for what rounding loses, by least squares on the calibration data; the number is what
            a change of a weight costs, in variances of its input, 5 for instance. Not for "unit".
        weights: what weights are stored as: "f32", or rounded to whole numbers with a scale per channel, "int16", "int8" or
            "int4", which take 2 bytes, 1, or half a one; potentials are whole numbers then, in units of weights.
        unroll: write shared weights out as plain sparse rows; the results are the same, by bits.
        input_mean: subtracted from the input first: a number, or one per channel.
        input_std: what the input is divided by after that.
        input_shape: the shape of one sample of a torch module, if there are no calibration data.
        fit: fit scales, starts and biases to the spikes that really arrive in runs of `T` steps with constant input: much
            more accurate in short runs of this length, less in others. Needs calibration data. If it is not given: yes for
            "mse" and a `T` of at most 64 with calibration data, as on the command line.
        fit_by: what a fit does: "search" scales, starts and biases, or add the mean error to the "bias" or to the "start" of every
            group (Li et al. 2021).
        compare: let the report compare spike rates with activations, on at most 256 calibration samples.
        layers: the layer list of a state dict (docs/layer-list.md): the path of a .toml file, or its text.
        expect: what the trained net itself gives for the calibration samples, `(N, …)`: a model that computes something else
            is refused. Torch modules are compared without it.
        labels: classes of the calibration samples, whole numbers or one-hot rows; the report then has the accuracies of
            both nets on them.

    Raises:
        ConvertError: if something of the model cannot be converted; all such nodes are listed. If a torch module gives other
            outputs than the net that was read of it.
    """
    samples = None if calibration_data is None else as_calibration(calibration_data)
    if expect is not None and samples is None:
        raise ValueError("expect holds outputs for calibration_data, and there are none; give both")
    found = read(model, samples, input_shape, layers)
    net = found.net
    if isinstance(net, Network):
        counting = neuron or levels or max_spikes or reconstruct
        counting = counting or weights != "f32"
        if calibration_data is not None or normalise not in (None, "none") or scale_per or v0 or fit or compare or counting:
            raise ValueError(
                "the model has thresholds (theta), so it is a spiking net already and nothing is converted; leave "
                "calibration_data, normalise, scale_per, v0, fit, compare, weights and the options of neurons out, or take the theta away"
            )
        T = DEFAULT_STEPS if T is None else T
        network = net.with_provenance(_provenance(found.origin, {"T": T}))
        return ConvertedSNN(network, T, {"layers": [], "notes": found.notes})
    trained = next((trained for trained in net.activations if trained is not None), None)
    counts = neuron not in (None, "unit")
    if readout is None:
        readout = "potential" if counts else "spikes"
    if T is None and not counts:
        T = DEFAULT_STEPS
        if trained is not None:
            T = trained
            # The length was trained for, not asked for: nothing is fitted unless the user says so.
            fit = False if fit is None else fit
    if normalise is None and percentile is not None:
        normalise = "percentile"
    if normalise is None and samples is None and not counts:
        normalise = _without_samples(trained is not None)
    classes = None if labels is None else as_labels(labels)
    expected = None if expect is None else np.asarray(as_floats(expect), np.float64)
    network, report, options, notes, doubts = net.convert(
        samples,
        T=T,
        neuron=neuron,
        levels=levels,
        max_spikes=max_spikes,
        reconstruct=reconstruct,
        normalise=normalise,
        percentile=99.9 if percentile is None else percentile,
        scale_per=scale_per,
        zeros=zeros,
        start=v0,
        readout=readout,
        weights=weights,
        unroll=unroll,
        input_mean=numbers(input_mean),
        input_std=numbers(input_std),
        fit=fit,
        fit_by=fit_by,
        compare=compare,
        labels=classes,
        expected=expected,
    )
    for doubt in doubts:
        warnings.warn(doubt, ConversionWarning, stacklevel=2)
    given = {"calibration": samples, "labels": classes, "expected": expected}
    inputs = {name: array_digest(values) for name, values in given.items() if values is not None}
    shape = None if input_shape is None else [int(extent) for extent in input_shape]
    origin = _provenance({**found.origin, **inputs}, {**json.loads(options), "input_shape": shape})
    return ConvertedSNN(network.with_provenance(origin), T, {**json.loads(report), "notes": [*doubts, *notes]})


def _provenance(origin: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Where a network comes from, as JSON: tool, model and samples with their digests, options in effect."""
    tool = {"tool": f"snn_event {__version__} (Python)", "command": "convert"}
    return json.dumps({**tool, **origin, "options": dict(options)})


def _without_samples(quantised: bool) -> str:
    """How scales are chosen if there are no samples and the user does not say it."""
    lost = "outputs above 1 saturate the counts of the last layer" if quantised else "activations above 1 are cut off"
    warnings.warn(
        f"no calibration_data: every threshold that was not trained is 1, so {lost}; give samples of the training set",
        ConversionWarning,
        stacklevel=3,
    )
    return "qcfs" if quantised else "none"
