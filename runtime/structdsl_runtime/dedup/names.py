"""Names that have to be found again among many, batch by batch, with no object of Python for any of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.text.hashed import numbered
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.words import Texts

pc: Any = compute  # its stubs know neither every array nor every result


class Names:
    """Different strings, numbered; they are looked up by a hash, and compared."""

    def __init__(self, names: Texts) -> None:
        """`names` have no two that are equal.

        Raises
        ------
        ValueError
            If two names have the same hash, which happens once among billions.

        """
        names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
        hashes = numbered(names)
        order = np.argsort(hashes)
        self._names, self._hashes = names.take(pa.array(order)), hashes[order]
        if (self._hashes[1:] == self._hashes[:-1]).any():
            raise ValueError("two names have the same hash")

    def __len__(self) -> int:
        return len(self._names)

    def find(self, names: Texts) -> Numbers:
        """The number of each name; -1 where there is none."""
        if not len(self):
            return np.full(len(names), -1, np.int64)
        at = np.minimum(np.searchsorted(self._hashes, numbered(names)), len(self) - 1)
        same = np.asarray(pc.fill_null(pc.equal(self._names.take(pa.array(at)), names), False))  # noqa: FBT003
        return np.where(same, at, -1)
