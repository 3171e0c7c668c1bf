"""Steps that are carried out part by part: what is there of the parts is taken, the others are made side by side.

Either the parts are those of the main input of a row-wise step, or the operation divides its own work; the tables are
made up of the parts either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from structdsl.plan import Step
from structdsl_runtime import parts
from structdsl_runtime.engine import Engine
from structdsl_runtime.events import Observer, StepProgress, Warned
from structdsl_runtime.keys import Identity
from structdsl_runtime.machine import memory_limit, share_of_workers
from structdsl_runtime.operation import Function
from structdsl_runtime.partition import Main, main_input
from structdsl_runtime.pool import Pool
from structdsl_runtime.store import PARTS, Produced, Result, Store
from structdsl_runtime.tables import StepInputs
from structdsl_runtime.tasks import NOTHING, Executor, Handed, Inline, PartManifest, Task, finished


@dataclass(slots=True, kw_only=True)
class Partwise:
    """What the steps of a run that are made in parts have in common; `close` ends the workers."""

    root: Path
    store: Store
    run: Path
    scratch: Path
    engine: Engine
    operations: Mapping[str, Function]
    divided: Mapping[str, parts.Divided]
    observer: Observer
    pool: Pool | None  # none: one part after the other
    _inline: Inline = field(init=False)

    def __post_init__(self) -> None:
        self._inline = Inline(self.operations, share_of_workers(), self.scratch / "inline")

    def close(self) -> None:
        self._inline.close()
        if self.pool is not None:
            self.pool.close()

    def carry_out(
        self, step: Step, identity: Identity, results: Mapping[str, Result], inputs: StepInputs
    ) -> dict[str, Produced] | None:
        """The tables of a step, none where it has to be carried out at once; its inputs are defined in the engine."""
        divided = self.divided.get(step.operation.op)
        if divided is not None and divided.applies(step.operation):
            made = self._as_it_divides(step, identity, divided)
        elif (main := main_input(step, results, self.store)) is not None and main.is_worth_parts:
            made = self._by_rows(step, identity, results, inputs, main)
        else:
            return None
        return parts.united(step, [(f"../{PARTS}/{key}", manifest) for key, manifest in made])

    def _by_rows(
        self, step: Step, identity: Identity, results: Mapping[str, Result], inputs: StepInputs, main: Main
    ) -> list[tuple[str, PartManifest]]:
        found = parts.inputs_of(step, results, self.store)
        portions = parts.portions_of(main)
        passed = parts.probe(self.engine.connection, main, portions)
        keys = parts.keys(step, identity, main, portions, passed)
        beside = parts.beside(step, results, self.store, main, portions)
        beside |= parts.ranged(step, results, self.store, self.engine.connection, portions)
        tasks = {}
        for number, (key, portion, rows) in enumerate(zip(keys, portions, passed, strict=True)):
            own = {main.table: portion, **{table: those[number] for table, those in beside.items()}}
            handed = Handed(
                relations=parts.restricted(found, own),
                order=inputs.order,
                tables=inputs.tables,
                folders=inputs.folders,
                counts={main.input: rows.rows},
            )
            tasks[key] = self._task(step, key, size=portion.rows, inputs=handed)
        made = self._make(step, tasks, total=sum(portion.rows for portion in portions))
        return [(key, made[key]) for key in keys]

    def _as_it_divides(self, step: Step, identity: Identity, divided: parts.Divided) -> list[tuple[str, PartManifest]]:
        def make(given: Mapping[str, parts.Share], total: int, unit: str) -> dict[str, PartManifest]:
            tasks = {key: self._task(step, key, size=each.size, given=each) for key, each in given.items()}
            return self._make(step, tasks, total=total, unit=unit)

        ((pattern, listing),) = identity.listings.items()
        return divided.whole(
            step.operation,
            parts.Work(
                root=self.root,
                listing=listing,
                stamps=identity.stamps[pattern],
                engine=self.engine,
                there=lambda: self._there(step),
                folder=lambda key: self.store.part(step, key),
                warn=partial(self._warn, step),
                make=make,
            ),
        )

    def _make(self, step: Step, tasks: Mapping[str, Task], *, total: int, unit: str = "") -> dict[str, PartManifest]:
        """The parts by their keys; the total is in that unit, or in what the operation itself counts in."""
        made = {key: manifest for key, task in tasks.items() if (manifest := finished(task.folder)) is not None}
        todo = {key: task for key, task in tasks.items() if key not in made}
        executor: Executor = self.pool if self.pool is not None and len(todo) > 1 else self._inline
        done = total - sum(task.size for task in todo.values())
        said: set[str] = set()
        with self.engine.limited(memory_limit() - share_of_workers()):
            for (key, task), manifest in zip(todo.items(), executor.map(tuple(todo.values())), strict=True):
                made[key] = manifest
                done += task.size
                self.observer(StepProgress(address=step.address, done=done, total=total, unit=unit or manifest.unit))
                for message in manifest.warnings:
                    if message not in said:
                        said.add(message)
                        self._warn(step, message)
        return made

    def _there(self, step: Step) -> Iterator[tuple[str, PartManifest]]:
        for folder in sorted(self.store.part(step, "").glob("[!.]*")):
            manifest = finished(folder)
            if manifest is not None:
                yield folder.name, manifest

    def _task(self, step: Step, key: str, *, size: int, inputs: Handed = NOTHING, given: Any = None) -> Task:
        return Task(
            address=step.address,
            operation=step.operation,
            inputs=inputs,
            given=given,
            outputs=step.outputs,
            root=self.root,
            folder=self.store.part(step, key),
            log=self.run / "logs" / f"{step.address}.log",
            run=self.run,
            size=size,
        )

    def _warn(self, step: Step, message: str) -> None:
        self.observer(Warned(address=step.address, message=f"{step.address}: {message}"))
