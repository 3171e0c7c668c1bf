"""Runs a plan: each step is either in the store already, or carried out and committed before the next begins.

When is a step skipped? When the store has a result under its key, and the key is the hash of operation, version,
arguments, digests of the inputs and content of the sources. So a run that was interrupted continues where it was, a
changed threshold recomputes what depends on it, and a change that yields the same rows goes no further.

Steps run in the order of the plan, those of the data before all that trains or examines a model.

A step is the unit of recovery: it is committed by one rename, so that a run killed at any moment leaves finished
steps and garbage, and nothing in between. The first failure stops the run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from structdsl.plan import Plan
from structdsl_runtime.events import Observer, silent
from structdsl_runtime.execution import Execution, Interrupted, RunResult
from structdsl_runtime.journal import Journal, bury
from structdsl_runtime.lock import exclusive
from structdsl_runtime.order import selected
from structdsl_runtime.room import room_for
from structdsl_runtime.sources import Sources
from structdsl_runtime.stop import stoppable
from structdsl_runtime.store import Store
from structdsl_runtime.unfinished import sweep

if TYPE_CHECKING:
    from structdsl_runtime.operation import Function
    from structdsl_runtime.training.leading import Lead
    from structdsl_runtime.training.torchrun import Node

__all__ = ["Interrupted", "RunResult", "run"]


def run(  # noqa: PLR0913 - a run has that many sides
    plan: Plan,
    *,
    root: Path,
    store: Path,
    observer: Observer = silent,
    only: Collection[str] | None = None,
    operations: Mapping[str, Function] | None = None,
    prepare: Callable[[], object] | None = None,
    workers: int | None = None,
    verify: bool = False,
    node: Node | None = None,
) -> RunResult:
    """Bring the store up to date with a plan.

    `root` is the folder of the spec, `store` its `.structdsl/<spec>`. `only` narrows to these addresses and what
    they are made from. `workers` is how many processes share the work of row-wise steps [as many as the machine has
    processors]; `verify` hashes every source again, whatever its size and times say. `prepare` is called first, once
    the store is held: what a refused run must not touch. `node` is this one, the first, of a run on several. A fault of
    the user or of a source is in the result; a mistake of ours is raised, with the step in its notes. Raises
    `StoreInUse`, `StoreUnusable`, `StoreFull` and `Interrupted`.
    """
    place = Store(root=store.absolute())
    with room_for(place.root), exclusive(place.root), stoppable() as stop:
        if prepare is not None:
            prepare()
        runs = place.root / "runs"
        bury(runs)
        shutil.rmtree(place.root / "scratch", ignore_errors=True)  # of runs that were killed
        place.sweep()
        sweep(place)
        steps = selected(plan, only)
        journal = Journal(runs, plan, steps)
        execution = Execution(
            steps=steps,
            root=root.absolute(),
            store=place,
            sources=Sources(root.absolute(), place.root, verify=verify),
            journal=journal,
            observer=observer,
            operations=operations,
            stop=stop,
            workers=workers,
            lead=_lead(place.root, node, plan, journal) if node is not None else None,
        )
        return execution.run(plan)


def _lead(store: Path, node: Node, plan: Plan, journal: Journal) -> Lead:
    from structdsl_runtime.training import leading, torchrun  # noqa: PLC0415 - few runs have several nodes

    return leading.Lead(store, node, torchrun.mark(plan), journal.state.run_id)
