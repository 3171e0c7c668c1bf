"""The main input of a row-wise step: whose rows its work can be divided by, and whether there is enough of it.

Light enough to be asked before anything that carries out steps is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structdsl.plan import Files, Passes, Rows, Step, View
from structdsl_runtime.sources import Sources
from structdsl_runtime.store import Produced, Result, Store

WORTH: Final = 4 << 20  # bytes of a table, as it is stored, from which parts are worth their trouble
WORTH_READING: Final = 16 << 20  # bytes of a source from which it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Main:
    """The main input of a step: the table that its rows are of, and the views that pass them on, the last one first."""

    input: str  # what the operation knows it by
    table: str
    made: Produced
    folder: Path
    views: tuple[tuple[str, Passes], ...]

    @property
    def is_worth_parts(self) -> bool:
        """Whether there is enough of it; a small table is sooner done at once."""
        cut = len(self.made.files) > 1 and not self.made.parts  # by the step that made it, because it is worth it
        return (cut or self.made.bytes >= WORTH) and bool(self.made.rows)


def main_input(step: Step, results: Mapping[str, Result], store: Store) -> Main | None:
    """The main input of a row-wise step, where its rows can be had in parts."""
    partition = step.operation.partition
    if not isinstance(partition, Rows):
        return None
    name = partition.input
    views: list[tuple[str, Passes]] = []
    reference = step.inputs[name]
    while True:
        address, _, output = reference.rpartition(":")
        result = results[address]
        made = result.manifest.outputs[output]
        if made.table is None:
            return None
        if not isinstance(result.step.operation, View):
            folder = store.folder(result.step, result.manifest.key).absolute()
            return Main(input=name, table=made.table, made=made, folder=folder, views=tuple(views))
        passes = result.step.operation.passes
        if passes is None:
            return None
        views.append((made.table, passes))
        reference = result.step.inputs[passes.table]


def wants_workers(step: Step, results: Mapping[str, Result], store: Store, sources: Sources) -> bool:
    """Whether a step that has to run has work for several processes, as far as its inputs are known."""
    if isinstance(step.partition, Files):
        return sum(sources.size(pattern) for pattern in step.sources) >= WORTH_READING
    if not results.keys() >= set(step.upstream):
        return False
    main = main_input(step, results, store)
    return main is not None and main.is_worth_parts
