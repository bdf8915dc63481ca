"""Samples in the forms that users have them, as NumPy arrays."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Given", "array_digest", "as_calibration", "as_floats", "as_labels", "as_raster", "digest", "file_digest"]

#: The most numbers that are gathered from a data loader or data set: 1 GiB as float32.
MOST_NUMBERS = 1 << 28


def as_floats(x: Any) -> NDArray[np.float32]:
    """An array or tensor as float32, without a copy where it already is."""
    if hasattr(x, "detach"):
        # NumPy knows neither bfloat16 nor sparse tensors.
        x = x.detach().cpu()
        x = (x if str(x.layout) == "torch.strided" else x.to_dense()).float().numpy()
    return np.asarray(x, dtype=np.float32)


def as_raster(raster: Any) -> NDArray[np.bool_] | NDArray[np.int64]:
    """Spikes as booleans, where there are 0 and 1 only, or as whole numbers that are their values; without a copy where they
    are bool or uint8 flags."""
    if hasattr(raster, "detach"):
        raster = raster.detach().cpu().numpy()
    values: NDArray[Any] = np.asarray(raster)
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "iuf":
        raise ValueError(f"a raster of type {values.dtype}; allowed are flags and whole numbers")
    whole = values.dtype.kind != "f" or values == np.rint(values)
    if not np.all(whole):
        place = tuple(int(i) for i in np.argwhere(~whole)[0])
        raise ValueError(f"the raster has {values[place]} at {list(place)}; allowed are 0 and 1, and whole numbers")
    if not ((values == 0) | (values == 1)).all():
        return values.astype(np.int64)
    flags: NDArray[np.bool_] = values.view(np.bool_) if values.dtype == np.uint8 else values.astype(np.bool_)
    return flags


def as_labels(labels: Any) -> NDArray[Any]:
    """Labels as an array of int64, float64 or bool, whatever they were."""
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    values: NDArray[Any] = np.asarray(labels)
    kinds = {"i": np.int64, "u": np.int64, "f": np.float64, "b": np.bool_}
    if values.dtype.kind not in kinds:
        raise ValueError(f"labels of type {values.dtype}; allowed are whole numbers (N,) or (N, 1), and one-hot rows")
    return np.ascontiguousarray(values, kinds[values.dtype.kind])


@dataclass(frozen=True)
class Given:
    """What drives a run: values, spikes as flags or values, or spikes as bits."""

    values: NDArray[np.float32] | None
    flags: NDArray[np.bool_] | NDArray[np.int64] | None
    packed: NDArray[np.uint8] | None

    @classmethod
    def of(cls, x: Any, raster: Any = None, packed: NDArray[np.uint8] | None = None) -> Given:
        """One of the three, whatever array or tensor it is."""
        if sum(one is not None for one in (x, raster, packed)) != 1:
            raise ValueError("give one of x, raster= and packed=")
        return cls(None if x is None else as_floats(x), None if raster is None else as_raster(raster), packed)

    @property
    def array(self) -> NDArray[Any]:
        """The array that was given."""
        given: NDArray[Any] | None = self.values if self.values is not None else self.flags
        given = self.packed if given is None else given
        assert given is not None
        return given

    @property
    def samples(self) -> int:
        """The extent of its first axis, samples if there are several."""
        return self.array.shape[0] if self.array.ndim else 1

    def encoding(self, name: str) -> str:
        """What is told of the encoding, if values have the one of this name."""
        return name if self.values is not None else "raster" if self.flags is not None else "packed"

    def rates(self, T: int | None, shape: Sequence[int]) -> NDArray[np.float32]:
        """The values of an input of this shape; of spikes their mean over `T` steps, or all: what a trained net is given."""
        if self.values is not None:
            return self.values
        size = prod(shape)
        spikes = self.array
        if self.flags is None:
            spikes = np.unpackbits(spikes, axis=-1, count=size)
        flat = spikes.ndim <= len(shape) or spikes.shape[-len(shape) :] != tuple(shape)
        steps = spikes.shape[-1 - (1 if flat else len(shape))]
        of_steps = spikes.reshape(-1, steps, size)[:, :T]
        # Exact but for the division: the sums are whole numbers far below 2^24.
        rates: NDArray[np.float32] = of_steps.sum(axis=1, dtype=np.float32) / np.float32(of_steps.shape[1])
        return rates


def as_calibration(samples: Any) -> NDArray[np.float32]:
    """Calibration samples `(N, …)` as float32: of an array, a tensor, a list of samples, a data set or a data loader.

    What can be indexed (lists, tuples, `torch.utils.data.Dataset`) holds samples; what can only be iterated over
    (`torch.utils.data.DataLoader`, generators) gives batches. Where an item is a pair or a longer tuple, as of samples with
    labels, its first part is taken.

    Raises:
        ValueError: if there is no sample, they differ in shape, or there are more than 2^28 numbers.
        TypeError: if it is none of these.
    """
    if _is_array(samples):
        values = as_floats(samples)
        if values.ndim < 2:
            raise ValueError(f"calibration_data has the shape {values.shape}; allowed are batches of samples, (N, ...)")
        return values
    if isinstance(samples, Mapping | str | bytes) or not (
        hasattr(samples, "__iter__") or hasattr(samples, "__getitem__")
    ):
        raise TypeError(
            f"calibration_data of type {type(samples).__name__}; allowed are an array or tensor (N, ...), a list of "
            "samples, a Dataset of samples and a DataLoader of batches"
        )
    if hasattr(samples, "__getitem__") and hasattr(samples, "__len__"):
        items = [part[np.newaxis] for part in _parts(samples[place] for place in range(len(samples)))]
    elif getattr(samples, "batch_size", ()) is None and getattr(samples, "batch_sampler", ()) is None:
        # A DataLoader whose batching is switched off.
        items = [part[np.newaxis] for part in _parts(samples)]
    else:
        items = list(_parts(samples))
    if not items:
        raise ValueError("calibration_data holds no samples; a few hundred of the training set do")
    for place, item in enumerate(items):
        if item.ndim == 0 or item.shape[1:] != items[0].shape[1:]:
            raise ValueError(
                f"calibration_data holds samples of shape {items[0].shape[1:]} and, at item {place}, of {item.shape[1:]}; "
                "allowed is one shape for all (batches in a list are to be concatenated first)"
            )
    values = np.concatenate(items)
    if values.ndim < 2:
        raise ValueError(
            f"calibration_data holds single numbers, {values.shape[0]} in all; allowed are samples (N, ...): put one sample "
            "into a list of one"
        )
    return values


def digest(values: NDArray[Any] | bytes) -> dict[str, Any]:
    """The number of some bytes, or of those of an array in C order, and their CRC-32 in hexadecimal digits."""
    contiguous: Any = values if isinstance(values, bytes) else np.ascontiguousarray(values)
    return {"bytes": memoryview(contiguous).nbytes, "crc32": f"{zlib.crc32(contiguous):08x}"}


def array_digest(values: NDArray[Any]) -> dict[str, Any]:
    """The shape of an array, with the :func:`digest` of its bytes."""
    return {"shape": list(values.shape), **digest(values)}


def file_digest(told: tuple[str | None, int, str]) -> dict[str, Any]:
    """What is told of a file: name, number of bytes, CRC-32."""
    file, size, crc32 = told
    return {**({"file": file} if file is not None else {}), "bytes": size, "crc32": crc32}


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "detach")


def _parts(items: Iterable[Any]) -> Iterator[NDArray[np.float32]]:
    """The samples of each item, without its labels."""
    numbers = 0
    for place, item in enumerate(items):
        part = item[0] if isinstance(item, tuple | list) and item and _is_array(item[0]) else item
        if isinstance(part, Mapping):
            raise TypeError(
                f"item {place} of calibration_data is a mapping with the keys {list(part)[:8]}; allowed are samples, or tuples "
                "whose first part is the sample"
            )
        try:
            values = as_floats(part)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"item {place} of calibration_data, of type {type(part).__name__}, is no array of numbers ({error})"
            ) from error
        numbers += values.size
        if numbers > MOST_NUMBERS:
            raise ValueError(
                f"calibration_data holds more than {MOST_NUMBERS:,} numbers; a few hundred samples do: give fewer, for "
                "instance torch.utils.data.Subset(dataset, range(500))"
            )
        yield values
