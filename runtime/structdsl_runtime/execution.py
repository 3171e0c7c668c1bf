"""One run of a plan: what has been resolved so far, and what is done about the rest, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from structdsl.plan import Plan, Step
from structdsl_runtime.events import (
    Event,
    Failure,
    Observer,
    RunFinished,
    RunStarted,
    Status,
    StepError,
    StepFailed,
    StepFinished,
    StepProgress,
    StepSkipped,
    StepStarted,
    Warned,
    blamed,
)
from structdsl_runtime.journal import Journal
from structdsl_runtime.keys import digests, identify
from structdsl_runtime.machine import processors, share_of_workers
from structdsl_runtime.operation import Fault
from structdsl_runtime.order import LONG, data_first
from structdsl_runtime.partition import wants_workers
from structdsl_runtime.pool import Pool
from structdsl_runtime.progress import counted
from structdsl_runtime.room import no_room
from structdsl_runtime.shown import Shown
from structdsl_runtime.sources import Sources
from structdsl_runtime.stop import Stop
from structdsl_runtime.store import Manifest, Result, Store

if TYPE_CHECKING:
    from structdsl_runtime.operation import Function
    from structdsl_runtime.training.leading import Lead
    from structdsl_runtime.workshop import Workshop


class Interrupted(Exception):  # noqa: N818 - no error: asked for
    """The run was asked to stop (SIGINT, SIGTERM); what was finished is kept."""

    def __init__(self, run_id: str, left: tuple[str, ...]) -> None:
        super().__init__(f"run {run_id} interrupted, {counted(len(left), 'step')} left")
        self.run_id = run_id
        self.left = left


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended."""

    run_id: str
    status: Literal["done", "failed"]
    ran: tuple[str, ...]  # in the order in which they ran
    reused: tuple[str, ...]
    left: tuple[str, ...]  # not begun: after the failed step
    failure: Failure | None
    seconds: float


@dataclass(slots=True, kw_only=True)
class Execution:
    """The state of one run: what has been resolved, and what is loaded only when a step has to run."""

    steps: tuple[Step, ...]
    root: Path
    store: Store
    sources: Sources
    journal: Journal
    observer: Observer
    operations: Mapping[str, Function] | None
    stop: Stop
    workers: int | None
    lead: Lead | None
    results: dict[str, Result] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failure: Failure | None = None
    pool: Pool | None = None
    workshop: Workshop | None = None
    shown: Shown = field(init=False)
    current: Step | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.shown = Shown(self.store)

    def run(self, plan: Plan) -> RunResult:
        run_id = self.journal.state.run_id
        self._tell(RunStarted(run_id=run_id, spec=plan.spec, steps=len(self.steps)))
        status: Status = "failed"
        try:
            self._steps(plan)
            status = "failed" if self.failure else "done"
        except KeyboardInterrupt:
            self.stop.heard()
            status = "interrupted"
            self._mark_failed("interrupted")
            raise Interrupted(run_id, self._left(after_current=False)) from None
        except Exception as error:
            if not self._follows(error):
                self._mark_failed(f"{type(error).__name__}: {error}")
                if self.current is not None:
                    error.add_note(f"in step {self.current.address} ({self.current.operation.op}) of run {run_id}")
                raise
        finally:
            self._end(status)
        return RunResult(
            run_id=run_id,
            status="done" if status == "done" else "failed",
            ran=tuple(self.ran),
            reused=tuple(self.reused),
            left=self._left(after_current=True),
            failure=self.failure,
            seconds=self._seconds,
        )

    def _steps(self, plan: Plan) -> None:
        """All steps up to the first failure; an interrupt is `KeyboardInterrupt`, whatever a library made of it.

        What is in the store is found first, so that its tables can be queried from the first moment, and after a
        failure too.
        """
        try:
            self._begin_workers(step for step in self.steps if self.store.latest(step) is None)
            for step in self.steps:
                if self.results.keys() >= set(step.upstream):
                    self._reuse(step)
            self._gather(plan)
            if self.failure is not None:
                return
            for step in data_first(self.steps):
                if step.address not in self.results and not self._reuse(step):
                    self._perform(step)
                if self.failure is not None:
                    return
        except Exception:
            self.stop.check()
            raise

    def _gather(self, plan: Plan) -> None:
        """Wait for the other nodes; where that fails, what needs them is to blame."""
        if self.lead is None:
            return
        from structdsl_runtime.training.torchrun import spread  # noqa: PLC0415 - few runs have several nodes

        (step, *_) = spread(plan)

        def tell(message: str) -> None:
            self._tell(Warned(address=step.address, message=message))

        try:
            self.lead.gather(tell)
        except Fault as fault:
            self.failure = blamed(step, fault, step.places.get("launcher", step.place))

    def _reuse(self, step: Step) -> bool:
        """Whether the store has the result of a step whose inputs are known; it is taken if so."""
        self.current = step
        self.stop.check()
        manifest = self.store.find(step, identify(step, self.digests, self.sources).key)
        if manifest is not None:
            self._resolve(step, manifest)
            self.reused.append(step.address)
            self.journal.resolve(manifest, "reused")
            op = step.operation.op
            self._tell(StepSkipped(address=step.address, op=op, rows=manifest.rows, bytes=manifest.bytes))
        self.current = None
        return manifest is not None

    def _perform(self, step: Step) -> None:
        """Carry out a step; a fault of it becomes the failure of the run."""
        self.current = step
        op = step.operation.op
        self.journal.mark(step.address, "running")
        self.journal.save()
        self.shown.refresh(self.results)
        self._tell(StepStarted(address=step.address, op=op))
        workshop = self._open_workshop()
        if self.pool is not None and op in LONG:
            self.pool.close()  # what idle workers hold is memory that training wants
        self.stop.check()
        identity = identify(step, self.digests, self.sources)
        try:
            manifest = workshop.perform(step, identity, self.results)
            for listing in identity.listings.values():
                self.sources.keep(listing)
        except StepError as error:
            self._fail(error.failure)
            return
        except Exception as error:
            full = no_room(error, self.store.root)
            if full is None:
                raise
            self._fail(blamed(step, full, step.place))
            return
        self._resolve(step, manifest)
        self.ran.append(step.address)
        self.journal.resolve(manifest, "done")
        self._tell(
            StepFinished(
                address=step.address, op=op, rows=manifest.rows, bytes=manifest.bytes, seconds=manifest.seconds
            )
        )
        workshop.warn_of_faults(self.results[step.address], self.results)
        workshop.account(self.results[step.address], self.results)
        self.current = None

    def _resolve(self, step: Step, manifest: Manifest) -> None:
        self.results[step.address] = Result(step=step, manifest=manifest)
        self.digests.update(digests(manifest))

    def _open_workshop(self) -> Workshop:
        """DuckDB, Arrow and the operations are loaded here, at the first step that has to run."""
        if self.workshop is None:
            self._begin_workers(step for step in self.steps if step.address not in self.results)

            from structdsl_runtime.engine import Engine  # noqa: PLC0415 - loaded only when a step runs
            from structdsl_runtime.workshop import Workshop  # noqa: PLC0415 - loaded only when a step runs

            divided = None
            if self.operations is None:
                from structdsl_runtime.operations import DIVIDED, OPERATIONS  # noqa: PLC0415 - loaded when a step runs

                self.operations, divided = OPERATIONS, DIVIDED
            self.workshop = Workshop(
                root=self.root,
                store=self.store,
                run=self.journal.folder,
                operations=self.operations,
                observer=self._tell,
                divided=divided,
                pool=self.pool,
                lead=self.lead,
            )
            self.stop.interrupts.append(Engine.interrupt_all)
        return self.workshop

    def _begin_workers(self, steps: Iterable[Step]) -> None:
        """Have workers ready where one of these steps, which have to run, is known to want them."""
        workers = self.workers or processors()
        if self.operations is not None or workers == 1:
            return
        if self.pool is None:
            self.pool = Pool(workers, share_of_workers() // workers, self.store.scratch(self.journal.folder))
        if any(wants_workers(step, self.results, self.store, self.sources) for step in steps):
            self.pool.begin()

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self._mark_failed(f"{failure.code}: {failure.message}")

    def _follows(self, error: Exception) -> bool:
        """Whether an error is but another sign of the full disk that the run has failed for."""
        known = self.failure is not None and self.failure.code == "E0841"
        return known and no_room(error, self.store.root) is not None

    def _mark_failed(self, error: str) -> None:
        if self.current is not None and self.current.address not in self.results:
            self.journal.mark(self.current.address, "failed", error=error)
            self._tell(StepFailed(address=self.current.address, op=self.current.operation.op, error=error))

    def _left(self, *, after_current: bool) -> tuple[str, ...]:
        """The steps without a result; the one in hand counts as left unless it failed."""
        failed = self.current.address if after_current and self.current is not None else None
        return tuple(s.address for s in self.steps if s.address not in self.results and s.address != failed)

    def _end(self, status: Status) -> None:
        """Close what is open, and leave a catalog that shows all that there is."""
        if self.workshop is not None:
            self.workshop.close()
        try:
            self._leave(status)
        except Exception as error:
            if not self._follows(error):
                raise
        if self.lead is not None:
            self.lead.finish(status, self.failure)

    def _leave(self, status: Status) -> None:
        self.sources.save()
        self.shown.refresh(self.results, force=True)
        told = {step.address for step in self.steps if step.operation.op != "view"}
        finished = RunFinished(
            run_id=self.journal.state.run_id,
            status=status,
            ran=len(told.intersection(self.ran)),
            reused=len(told.intersection(self.reused)),
            left=len(told.intersection(self._left(after_current=status == "failed"))),
            seconds=self._seconds,
        )
        self._tell(finished)
        self.journal.finish(status)

    def _tell(self, event: Event) -> None:
        self.journal.observe(event)
        self.observer(event)
        if isinstance(event, StepProgress):
            self.stop.check()
            self.shown.refresh(self.results)

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)
