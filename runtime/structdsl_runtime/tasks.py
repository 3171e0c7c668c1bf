"""Tasks: pure functions from files to files, and who carries them out.

A task says all that it needs, and commits a folder of its own by rename; so it may run anywhere that sees the store,
twice if need be, and what it makes does not depend on where. `Executor.map` is the whole of the protocol: inline, in
a pool of processes, or one day on other machines.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from structdsl.plan import Operation, Output
from structdsl_runtime.digest import Sums, table_sums
from structdsl_runtime.engine import Engine, define
from structdsl_runtime.files import flush, replace
from structdsl_runtime.operation import Context, Fault, Function
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One operation on one part: of its main input, or of what it has divided itself."""

    address: str
    operation: Operation
    inputs: Handed = Handed()
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


@dataclass(frozen=True, slots=True)
class Inline:
    """Task after task in this process, with the operations given."""

    operations: Mapping[str, Function]

    def map(self, tasks: Sequence[Task]) -> Iterator[PartManifest]:
        for task in tasks:
            yield perform(task, self.operations)


@dataclass(slots=True)
class Pool:
    """Worker processes of this machine, begun with the first tasks and kept until `close`."""

    workers: int
    memory: int  # bytes that DuckDB may use in each
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)

    def map(self, tasks: Sequence[Task]) -> Iterator[PartManifest]:
        """Raises Fault E0840 where a worker was killed; what others had finished is kept."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, _begin, (self.memory,))
        futures = [self._pool.submit(_perform, task) for task in tasks]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool as error:
            self._pool = None
            raise Fault(
                "E0840",
                "a worker process was killed",
                notes=("the system does so where memory runs out; parts that were finished are kept",),
                helps=("run again: it goes on where it was", "with `--workers 1`, one part is worked on at a time"),
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End the workers, whatever they are at: what they have not committed is done again."""
        if self._pool is not None:
            workers = list((self._pool._processes or {}).values())  # noqa: SLF001 - 3.14 has `kill_workers`
            for worker in workers:
                worker.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def perform(task: Task, operations: Mapping[str, Function], memory: int | None = None) -> PartManifest:
    """Carry out a task and commit its part."""
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

    engine = Engine(scratch / "duckdb", memory=memory, threads=1 if memory else None)
    try:
        for relation in task.inputs.relations:
            define(engine.connection, relation)
        handed = task.inputs
        inputs = StepInputs(engine=engine, order=handed.order, tables=handed.tables, folders=handed.folders)
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
            columns[name], sums = table_sums(engine.connection, files)
            parts[name] = _part(sums, files)
    finally:
        engine.close()
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


_memory = 0


def _begin(memory: int) -> None:
    """What a worker does first: leave Ctrl-C to the run, and not outlive it."""
    global _memory  # noqa: PLW0603 - the one thing that a worker is told
    _memory = memory
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _perform(task: Task) -> PartManifest:
    from structdsl_runtime.operations import OPERATIONS  # noqa: PLC0415 - operations know what tasks are

    return perform(task, OPERATIONS, _memory)
