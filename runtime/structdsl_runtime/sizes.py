"""How large the tables of earlier results are: what estimates of a plan start from.

Rows stand in the manifests; tokens are summed over one column of Parquet, which is read for that and for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from structdsl.plan import Plan, Step
from structdsl_runtime.explain import StepPreview
from structdsl_runtime.relations import literal
from structdsl_runtime.store import Manifest, Produced, Store

SUMMED = ("n_tokens", "n_supervised")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """A table as it was made; `current` where it is the one that the plan would make again."""

    table: str
    rows: int
    tokens: int | None
    supervised: int | None
    current: bool


def sizes(plan: Plan, previews: Iterable[StepPreview], store: Path) -> list[TableSize]:
    """The tables that the steps of a plan have made, now or under other arguments."""
    place = Store(root=store.absolute())
    steps = {step.address: step for step in plan.steps}
    return [
        size
        for previewed in previews
        if previewed.manifest is not None
        for size in _of_step(steps[previewed.address], previewed.manifest, place, current=previewed.action == "reuse")
    ]


def _of_step(step: Step, manifest: Manifest, store: Store, *, current: bool) -> Iterator[TableSize]:
    folder = store.folder(step, manifest.key)
    for made in manifest.outputs.values():
        if made.table is None or made.rows is None:
            continue
        tokens, supervised = _sums(folder, made)
        yield TableSize(table=made.table, rows=made.rows, tokens=tokens, supervised=supervised, current=current)


def _sums(folder: Path, made: Produced) -> list[int | None]:
    """The sum of each column in `SUMMED`; none where the table has no such column, or its files have gone."""
    columns = [name for name in SUMMED if name in made.columns]
    files = [folder / name for name in made.files]
    if not columns or not files or not all(path.exists() for path in files):
        return [None for _ in SUMMED]
    import duckdb  # noqa: PLC0415 - only where there is something to sum

    paths = ", ".join(literal(str(path)) for path in files)
    wanted = ", ".join(f"coalesce(sum({name}), 0)::BIGINT" for name in columns)
    found = duckdb.execute(f"SELECT {wanted} FROM read_parquet([{paths}])").fetchone()  # noqa: S608 - quoted above
    assert found is not None, "an aggregate has a row"
    known = dict(zip(columns, found, strict=True))
    return [known.get(name) for name in SUMMED]
