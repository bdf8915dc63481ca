"""What many steps of a simulator gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snn_event.runs import Spikes

__all__ = ["Recording", "Spikes"]


@dataclass(frozen=True)
class Recording:
    """What `Simulator.run` wrote down: spikes, and potentials if they were asked for, by the names of populations."""

    #: The simulator's step with which it begins; its own steps count from 0.
    first: int
    #: The number of steps.
    T: int
    #: All spikes of the populations that were recorded, as one sample.
    spikes: dict[str, Spikes]
    #: Potentials after every step, `(T, *shape)`.
    potentials: dict[str, NDArray[np.float32]]

    def rates(self) -> dict[str, float]:
        """Spikes per neuron and step of every population that was recorded."""
        return {
            name: len(spikes.node_ids) / max(1, self.T * int(np.prod(spikes.shape)))
            for name, spikes in self.spikes.items()
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {len(spikes.node_ids)} spikes" for name, spikes in self.spikes.items())
        return f"Recording(T={self.T}, {counts})"
