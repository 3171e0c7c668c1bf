"""What an operation is: a function of (arguments, inputs, outputs, context) that writes its outputs.

An operation never knows where it runs, how its inputs were made or whether it ran before; the executor does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from structdsl_runtime.training.leading import Lead


class Fault(Exception):  # noqa: N818 - worded as the message words it
    """A mistake of the user or of a source that only running could show; it keeps its diagnostic code.

    Parts: `code` ("E0505"), `message` (lower case, no full stop, identifiers in backticks), `notes`, `helps`.
    """

    def __init__(self, code: str, message: str, *, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.notes = notes
        self.helps = helps
        for note in notes:
            self.add_note(note)

    def __reduce__(self) -> tuple[Any, ...]:
        return _fault, (self.code, self.message, self.notes, self.helps)


def _fault(code: str, message: str, notes: tuple[str, ...], helps: tuple[str, ...]) -> Fault:
    """A fault that comes from another process."""
    return Fault(code, message, notes=notes, helps=helps)


class Inputs(Protocol):
    """What a step reads, by the names of `Step.inputs`."""

    def names(self) -> tuple[str, ...]: ...

    def batches(
        self, name: str, *, columns: str = "*", where: str = "", order: str = "", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a table, streamed; `columns` and `order` are SQL lists, `where` says which rows, else all."""
        ...

    def rows(self, name: str, *, columns: str = "*", order: str = "") -> Iterator[dict[str, Any]]:
        """The rows of a table as dictionaries, streamed."""
        ...

    def count(self, name: str) -> int: ...

    def folder(self, name: str) -> Path: ...


class TableWriter(Protocol):
    """Rows in, Parquet out; a missing or an extra column is an error of ours."""

    def write(self, batch: pa.RecordBatch | pa.Table) -> None: ...

    def cut(self) -> None:
        """What comes next is worked on apart from what came before, by steps that take the rows of this table."""

    def row(self, **values: Any) -> None:
        """One row; rows are gathered and written in batches."""
        ...


class Outputs(Protocol):
    """What a step writes, by the names of `Step.outputs`; columns and types come from the plan."""

    def names(self) -> tuple[str, ...]: ...

    def select(self, name: str, sql: str, *, by: str | None = None) -> None:
        """The rows of one SELECT over the tables of the inputs, from Parquet to Parquet; `by` is the column of whole
        numbers that they are in the order of, and ranges of which can be made apart.
        """
        ...

    def table(self, name: str) -> AbstractContextManager[TableWriter]: ...

    def link(self, name: str, files: Sequence[Path]) -> None:
        """A table that is the union of Parquet files which nobody will change; they stay where they are as well."""
        ...

    def folder(self, name: str) -> Path:
        """An existing, empty folder."""
        ...


class Progress(Protocol):
    """Told how far a step is: done, total if known, unit ("documents", "steps"); see `StepProgress.said`."""

    def __call__(self, done: int, total: int | None, unit: str, said: tuple[str, ...] = (), /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a step runs."""

    address: str
    root: Path  # folder of the spec: relative patterns and paths start here
    scratch: Path  # an empty folder, removed after the step
    log: Path  # a file for what subprocesses print
    progress: Progress
    warn: Callable[[str], None]  # what the user should know, and what does not fail the step
    run: Path  # the folder of the run, for what is kept beside its logs
    kept: Path  # survives a run that is killed, until the step is committed; made by the operation: see `unfinished`
    shared: Path  # of the whole store, for what one step takes up of another; made by the operation
    decides: Mapping[str, Any]  # all that decides the result, by name
    lead: Lead | None = None  # of the other nodes, where the run has several
    listed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each pattern of its sources, the files by name and the stamp that each had when the run listed them."""

    def listing(self, pattern: str) -> Mapping[str, str] | None:
        """What was listed of a pattern; none where nothing was, for nothing will be kept."""
        return self.listed[pattern] if self.listed else None


Function = Callable[[Any, Inputs, Outputs, Context], None]
