"""Tasks: pure functions from files to files, and who carries them out.

A task says all that it needs, and commits a folder of its own by rename; so it may run anywhere that sees the store,
twice if need be, and what it makes does not depend on where. `Executor.map` is the whole of the protocol: inline, in
a pool of processes, or one day on other machines.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from structdsl.plan import Operation, Output
from structdsl_runtime.digest import Sums
from structdsl_runtime.engine import Engine
from structdsl_runtime.files import flush, replace
from structdsl_runtime.operation import Context, Function
from structdsl_runtime.relations import Relation
from structdsl_runtime.store import Part, Record
from structdsl_runtime.tables import StepInputs, StepOutputs

MANIFEST = "part.json"


class PartManifest(Record):
    """What a task made of a part: files are relative to its folder."""

    outputs: dict[str, Part]
    columns: dict[str, dict[str, str]]  # by output, name -> type
    unit: str = "rows"  # in which the operation counts
    found: Any = None  # what the function of the part says of it, in values of JSON
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """The inputs of a task: where they are, and as what they are known."""

    relations: tuple[Relation, ...] = ()  # tables, in an order in which they can be defined
    order: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)  # rows of tables


NOTHING: Final = Handed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One operation on one part: of its main input, or of what it has divided itself."""

    address: str
    operation: Operation
    inputs: Handed = NOTHING
    given: Any = None  # what the function of the part is told, where the operation divides its own work
    outputs: Mapping[str, Output]
    root: Path
    folder: Path  # of the part; its manifest is the commit
    log: Path
    run: Path
    size: int  # rows of the part, or what else progress is counted in


class Executor(Protocol):
    def map(self, tasks: Sequence[Task]) -> Iterator[PartManifest]:
        """The manifests of tasks, in their order, as they are finished; raises the Fault of the first that has one."""
        ...

    def close(self) -> None:
        """Let go of what is kept for the next tasks."""
        ...


@dataclass(slots=True)
class Inline:
    """Task after task in this process, with the operations given."""

    operations: Mapping[str, Function]
    memory: int  # bytes that DuckDB may use
    scratch: Path  # a folder for what does not fit; the owner removes it after `close`
    _engine: Engine | None = field(default=None, init=False)

    def map(self, tasks: Sequence[Task]) -> Iterator[PartManifest]:
        if self._engine is None:
            self._engine = Engine(self.scratch, self.memory)
        for task in tasks:
            yield perform(task, self.operations, self._engine)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def perform(task: Task, operations: Mapping[str, Function], engine: Engine) -> PartManifest:
    """Carry out a task and commit its part; the engine sees the inputs of this task, whatever it saw before."""
    from structdsl_runtime.operations import DIVIDED  # noqa: PLC0415 - operations know what tasks are

    draft = task.folder.with_name(f".{task.folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    scratch = draft / "scratch"
    scratch.mkdir()
    said: dict[str, None] = {}
    unit = "rows"

    def progress(_done: int, _total: int | None, counted: str, _said: tuple[str, ...] = (), /) -> None:
        nonlocal unit
        unit = counted

    def warn(message: str) -> None:
        said[message] = None

    try:
        engine.show(task.inputs.relations)
        handed = task.inputs
        inputs = StepInputs(
            engine=engine, order=handed.order, tables=handed.tables, folders=handed.folders, counts=handed.counts
        )
        outputs = StepOutputs(engine, draft, task.outputs)
        context = Context(
            address=task.address,
            root=task.root,
            scratch=scratch,
            log=task.log,
            progress=progress,
            warn=warn,
            run=task.run,
            kept=scratch / "kept",
            shared=scratch / "shared",
            decides={},
        )
        found = None
        if task.given is None:
            operations[task.operation.op](task.operation, inputs, outputs, context)
        else:
            found = DIVIDED[task.operation.op].part(task.operation, task.given, outputs)
        parts, columns = {}, {}
        for name, files in outputs.written().items():
            columns[name], sums = outputs.table_made(name)
            parts[name] = _part(sums, files)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    manifest = PartManifest(outputs=parts, columns=columns, unit=unit, found=found, warnings=tuple(said))
    for part in parts.values():
        for file in part.files:
            flush(draft / file)
    replace(draft / MANIFEST, manifest.model_dump_json(), durable=True)
    shutil.rmtree(task.folder, ignore_errors=True)
    draft.rename(task.folder)
    return manifest


def finished(folder: Path) -> PartManifest | None:
    """What a task made in a folder, if it is there: the folder has this name only once it is complete."""
    try:
        return PartManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


def _part(sums: Sums, files: Sequence[Path]) -> Part:
    size = sum(path.stat().st_size for path in files)
    names = tuple(path.name for path in files)
    return Part(files=names, rows=sums.rows, bytes=size, upper=sums.upper, lower=sums.lower)
