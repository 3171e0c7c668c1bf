"""Which corpus each sample of a stage comes from: what a loss is told apart by.

A source is a corpus by its number; `names` has their addresses. Numbers are given in the order of the first sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.operation import Inputs

UNNAMED: Final = ""  # the name where nothing says what samples come from
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """`place` ascending positions of samples, `number` the source of each; both empty: all are of source 0."""

    names: tuple[str, ...]
    place: Array
    number: Array

    def of(self, positions: Array) -> Array:
        """Source numbers of samples, given by their positions in `stage.<s>_samples`."""
        if not len(self.place):
            return np.zeros(len(positions), np.int16)
        found = np.minimum(np.searchsorted(self.place, positions), len(self.place) - 1)
        assert (self.place[found] == positions).all(), "a packed sample is not among the samples"
        return self.number[found]


ONE: Final = Sources(names=(UNNAMED,), place=np.empty(0, np.int64), number=np.empty(0, np.int16))


def read(inputs: Inputs) -> Sources:
    """The sources of the table `samples`."""
    numbers: dict[str, int] = {}
    places: list[Array] = []
    found: list[Array] = []
    for batch in inputs.batches("samples", columns="position, corpus", order="position", rows=65_536):
        encoded = batch.column("corpus").fill_null(UNNAMED).dictionary_encode()
        known = [numbers.setdefault(name, len(numbers)) for name in map(str, encoded.dictionary.to_pylist())]
        places.append(batch.column("position").to_numpy())
        found.append(np.array(known, np.int16)[encoded.indices.to_numpy()])
    if not places:
        return ONE
    return Sources(names=tuple(numbers), place=np.concatenate(places), number=np.concatenate(found))
