"""The catalog while a run goes on: it shows what there is, a moment later, and costs the run little."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from structdsl_runtime.relations import relations, stamp
from structdsl_runtime.store import Result, Store

REFRESH = 2.0  # seconds between two refreshes, at least; one takes some hundredths


@dataclass(slots=True)
class Shown:
    """What the catalog of a store shows of a run."""

    store: Store
    refreshed: float = float("-inf")

    def refresh(self, results: Mapping[str, Result], *, force: bool = False) -> None:
        """Rebuild the catalog if it would say something else, and not too often."""
        if not force and time.monotonic() - self.refreshed < REFRESH:
            return
        found = [
            relation for result in results.values() for relation in relations(result.step, result.manifest, self.store)
        ]
        catalog = self.store.root / "catalog.duckdb"
        mark = self.store.root / "catalog.stamp"
        now = stamp(found)
        if not (catalog.exists() and mark.exists() and mark.read_text(encoding="ascii") == now):
            from structdsl_runtime.catalog import build  # noqa: PLC0415 - brings DuckDB

            build(self.store.root, found)
            mark.write_text(now, encoding="ascii")
        self.refreshed = time.monotonic()
