"""Where two runs part."""

from __future__ import annotations

import os
from dataclasses import dataclass

from numpy.typing import ArrayLike

from snn_event._snn_event import Network, part_networks, part_spike_files
from snn_event.converted import ConvertedSNN
from snn_event.samples import Given

__all__ = ["Parting", "diff"]

_Spikes = str | os.PathLike[str]


@dataclass(frozen=True)
class Parting:
    """The first place at which two runs are not the same, by sample, step, population in order of declaration, and neuron."""

    sample: int
    step: int
    population: str
    #: In the user's order.
    neuron: int
    #: The value of its spike in that step in either run, 0 where it was silent.
    spikes: tuple[int, int]
    #: Its potentials after the step; none of files of spikes, and of populations without potentials.
    potentials: tuple[float, float] | None


def diff(
    first: ConvertedSNN | Network | _Spikes,
    second: ConvertedSNN | Network | _Spikes,
    x: ArrayLike | None = None,
    *,
    T: int | None = None,
    encoding: str | None = None,
    seed: int = 0,
    raster: ArrayLike | None = None,
    threads: int | None = None,
) -> Parting | None:
    """Finds where two runs first part, as `snn-event diff` does; None if they are equal.

    Of two networks, spikes and potentials (by bits) are compared after every step of a run of the same samples; they need the
    same populations, all else may differ. Of two files, as `snn-event run --spikes` writes them, the spikes.

    Args:
        first: a network, or the path of a file of spikes, `.npz`.
        second: another one of the same kind.
        x: samples `(N, …)`, of networks only, like all that follow.
        T: steps; those that both networks are made for, or of the raster, if it is not given.
        encoding: how samples drive the networks, as of :meth:`ConvertedSNN.simulate`.
        seed: of "poisson".
        raster: given input spikes instead of `x`.
        threads: over which samples are spread.

    Raises:
        InputError: if the networks or files have other populations, or samples do not fit them.
        ValueError: if `first` and `second` are of two kinds, or are made for runs of different lengths and `T` is not given.
    """
    if isinstance(first, str | os.PathLike) and isinstance(second, str | os.PathLike):
        if x is not None or raster is not None or T is not None:
            raise ValueError("files of spikes are compared as they are; leave x, raster and T out")
        found = part_spike_files(first, second)
    elif isinstance(first, ConvertedSNN | Network) and isinstance(second, ConvertedSNN | Network):
        given = Given.of(x, raster)
        lengths = {net.length(T, given) for net in (first, second) if isinstance(net, ConvertedSNN)}
        if len(lengths) == 2:
            told = " and ".join(str(length) for length in sorted(length or 0 for length in lengths))
            raise ValueError(f"the networks are run for {told} steps; give T")
        T = lengths.pop() if lengths else T
        one, other = (net.network if isinstance(net, ConvertedSNN) else net for net in (first, second))
        found = part_networks(
            one, other, given.values, T, raster=given.flags, encoding=encoding, seed=seed, threads=threads
        )
    else:
        kinds = " and ".join(type(one).__name__ for one in (first, second))
        raise TypeError(f"{kinds} cannot be compared; give two networks, or two files of spikes")
    return None if found is None else Parting(*found)
