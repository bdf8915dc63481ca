"""What watches a torch module while it is traced. Needs PyTorch."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from snn_event.extras import need

need("torch", "torch")

import torch  # noqa: E402  (after the check that it is there)
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

__all__ = ["WatchedTrace", "of_torch"]

#: Methods of tensors that give a number of Python or NumPy, which a trace does not follow.
_LEAVING = frozenset(
    ("item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "__len__", "__iter__")
)


def of_torch(file: str) -> bool:
    """Whether a file of code is PyTorch's, or this one, rather than the user's."""
    return Path(torch.__file__).parent in Path(file).parents or file.startswith("<") or file == __file__


def _pairs(value: Any, axes: int) -> list[int]:
    numbers = [int(number) for number in value] if isinstance(value, tuple | list) else [int(value)]
    return numbers * axes if len(numbers) == 1 else numbers


def _divided(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """`avg_pool2d` with a divisor: the mean over whole windows, zeros around included, times their size over it."""
    kernel = _pairs(kernel_size, 2)
    strides = _pairs(stride, 2) if stride is not None and stride != () and stride != [] else kernel
    pads = _pairs(padding, 2)
    more = [0, 0]
    if ceil_mode:
        # The last window may reach over the edge, if it does not begin behind it.
        for axis in range(2):
            extent = int(x.shape[axis - 2]) + 2 * pads[axis]
            windows = -(-(extent - kernel[axis]) // strides[axis]) + 1
            if (windows - 1) * strides[axis] >= extent - pads[axis]:
                windows -= 1
            more[axis] = max(0, (windows - 1) * strides[axis] + kernel[axis] - extent)
    if any(more):
        x, pads = F.pad(x, (pads[1], pads[1] + more[1], pads[0], pads[0] + more[0])), [0, 0]
    assert divisor_override is not None
    summed: Tensor = F.avg_pool2d(x, kernel, strides, pads) * (kernel[0] * kernel[1] / divisor_override)
    return summed


def _adaptive(x: Tensor, output_size: Any, axes: int) -> Tensor | None:
    """Adaptive average pooling as a linear map of the positions, if its windows differ in size."""
    extents = [int(extent) for extent in x.shape[-axes:]]
    sizes = list(output_size) if isinstance(output_size, tuple | list) else [output_size] * axes
    sizes = [extent if size is None else int(size) for size, extent in zip(sizes, extents, strict=True)]
    if x.dim() != axes + 2 or all(size and extent % size == 0 for size, extent in zip(sizes, extents, strict=True)):
        return None
    # Made by NumPy, so that the trace has them as numbers.
    weights = np.ones((1, 1), np.float32)
    for size, extent in zip(sizes, extents, strict=True):
        part = np.zeros((extent, size), np.float32)
        for place in range(size):
            first, end = place * extent // size, -(-(place + 1) * extent // size)
            part[first:end, place] = 1 / (end - first)
        weights = np.kron(weights, part)
    channels = int(x.shape[1])
    return (x.reshape(-1, channels, weights.shape[0]) @ torch.from_numpy(weights).to(x.device)).reshape(-1, channels, *sizes)


class WatchedTrace(TorchFunctionMode):
    """What is active while a module is traced: it notes where values leave the tensors, and writes pools that PyTorch's exporter
    leaves the divisor of out, or refuses, as operators that it writes truly."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[str] = []
        self.caught: list[warnings.WarningMessage] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _LEAVING:
            self._note(name)
        elif name == "avg_pool2d" and (kwargs.get("divisor_override") or (len(args) > 6 and args[6])):
            given = {"x" if key == "input" else key: value for key, value in kwargs.items()}
            return _divided(*args, **given)
        elif name in ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"):
            given = dict(zip(("input", "output_size"), args, strict=False)) | kwargs
            pooled = _adaptive(given["input"], given["output_size"], int(name[-2]))
            if pooled is not None:
                return pooled
        before = len(self.caught)
        result = func(*args, **kwargs)
        caller = sys._getframe(1)
        for warning in self.caught[before:]:
            # A warning about the line above is about the line that led here.
            if warning.filename == __file__:
                warning.filename, warning.lineno = caller.f_code.co_filename, caller.f_lineno
        return result

    def _note(self, method: str) -> None:
        frame = sys._getframe(2)
        if not of_torch(frame.f_code.co_filename):
            place = f"{method} in {frame.f_code.co_filename}:{frame.f_lineno}"
            if place not in self.left:
                self.left.append(place)
