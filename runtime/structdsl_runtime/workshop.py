"""Where one step is carried out: guards, then the operation, then digests and the commit.

Loaded only when a step has to run, for it brings DuckDB and Arrow; a run in which nothing changed does without.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structdsl.plan import Step, View
from structdsl_runtime import unfinished
from structdsl_runtime.engine import VALUES, Engine, columns, misfit, view
from structdsl_runtime.events import Accounted, Observer, StepError, StepProgress, Warned, blamed
from structdsl_runtime.keys import Identity
from structdsl_runtime.machine import peak_memory, versions
from structdsl_runtime.operation import Context, Fault, Function
from structdsl_runtime.parts import Divided
from structdsl_runtime.partwise import Partwise
from structdsl_runtime.pool import Pool
from structdsl_runtime.progress import counted
from structdsl_runtime.relations import identifier, relations
from structdsl_runtime.store import SHARED, Manifest, Produced, Result, Store
from structdsl_runtime.tables import StepInputs, StepOutputs

if TYPE_CHECKING:
    from structdsl_runtime.training.leading import Lead


class Workshop:
    """Carries out steps of one run, over one connection in which their inputs are views."""

    def __init__(
        self,
        *,
        root: Path,
        store: Store,
        run: Path,
        operations: Mapping[str, Function],
        observer: Observer,
        divided: Mapping[str, Divided] | None = None,
        pool: Pool | None = None,
        lead: Lead | None = None,
    ) -> None:
        """Parts go to the pool, or are worked on here where there is none; `divided` make parts of their own."""
        self._root = root
        self._store = store
        self._logs = run / "logs"
        self._scratch = store.scratch(run)
        self._operations = operations
        self._observer = observer
        self._lead = lead
        self.engine = Engine(self._scratch / "duckdb")
        self._connection = self.engine.connection
        self._defined: set[str] = set()
        self._partwise = Partwise(
            root=root,
            store=store,
            run=run,
            scratch=self._scratch,
            engine=self.engine,
            operations=operations,
            divided=divided or {},
            observer=observer,
            pool=pool,
        )

    def close(self) -> None:
        self._partwise.close()
        self.engine.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def perform(self, step: Step, identity: Identity, results: Mapping[str, Result]) -> Manifest:
        """Carry out a step and commit it; raises `StepError` where a guard or the operation finds a fault."""
        started, clock = datetime.now(UTC), time.perf_counter()
        for address in step.upstream:
            self._define(results[address], results)
        self._check_guards(step)
        folder = self._store.clear(step, identity.key)
        outputs = (
            self._view(step, identity)
            if isinstance(step.operation, View)
            else self._operate(step, folder, identity, results)
        )
        manifest = Manifest(
            address=step.address,
            op=step.operation.op,
            version=step.operation.version,
            recipe=step.recipe,
            key=identity.key,
            arguments=identity.arguments,
            guards=identity.guards,
            inputs=identity.inputs,
            sources=identity.sources,
            outputs=outputs,
            seconds=round(time.perf_counter() - clock, 6),
            peak_memory=peak_memory(),
            versions=versions(),
            started_at=started,
            finished_at=datetime.now(UTC),
        )
        self._store.commit(step, manifest)
        unfinished.remove(unfinished.folder(self._store, step.address, identity.key))
        return manifest

    def warn_of_faults(self, result: Result, results: Mapping[str, Result]) -> None:
        """One warning for the rows that a reader had to leave out or that fail a check, with the query for them.

        And one where documents should be held out and none are.
        """
        for output in result.step.outputs.values():
            if output.table is not None and output.table.endswith("_heldout") and not result.manifest.rows:
                corpus = output.table.removesuffix("_heldout")
                message = f"{corpus}: nothing is held out, for there are too few documents; {output.table} is empty"
                self._observer(Warned(address=result.step.address, message=message))
            if output.table == f"checks.{result.step.address.removeprefix('check.')}":
                if failing := result.manifest.rows:
                    message = f"{result.step.address}: {counted(failing, 'row')} failing; SELECT * FROM {output.table}"  # noqa: S608
                    self._observer(Warned(address=result.step.address, message=message))
                continue
            if output.table is None or not output.table.endswith("_faults"):
                continue
            self._define(result, results)
            schema, _, table = output.table.partition(".")
            counts = self._connection.execute(
                f"SELECT reason, count(*) AS n FROM {identifier(schema)}.{identifier(table)}"  # noqa: S608 - quoted
                " GROUP BY reason ORDER BY n DESC, reason"
            ).fetchall()
            total = sum(count for _, count in counts)
            if total:
                corpus = output.table.removesuffix("_faults")
                reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
                rows = counted(total, "row")
                message = f"{corpus}: {rows} dropped while reading ({reasons}); SELECT * FROM {output.table}"  # noqa: S608
                self._observer(Warned(address=result.step.address, message=message))

    def account(self, result: Result, results: Mapping[str, Result]) -> None:
        """Where the documents of a corpus went, once that is known of all of them."""
        corpus = result.step.address.removesuffix(".dropped")
        if result.step.outputs.keys() != {"rows"} or result.step.outputs["rows"].table != f"{corpus}_dropped":
            return
        self._define(result, results)
        name = corpus.removeprefix("corpus.")
        left = self._connection.table(f"corpus.{identifier(f'{name}_dropped')}")
        steps = left.aggregate("step, count(*) AS n", "step").order("n DESC, step").fetchall()
        ((kept,),) = self._connection.table(f"corpus.{identifier(name)}").aggregate("count(*)").fetchall()
        held = results[f"{corpus}.heldout"].manifest.rows if f"{corpus}.heldout" in results else None
        self._observer(Accounted(corpus=corpus, kept=kept, held_out=held or 0, dropped=dict(steps)))

    def _define(self, result: Result, results: Mapping[str, Result]) -> None:
        """The tables of a result as views of the connection; a view needs those it reads first."""
        if result.step.address in self._defined:
            return
        if isinstance(result.step.operation, View):
            for address in result.step.upstream:
                self._define(results[address], results)
        for relation in relations(result.step, result.manifest, self._store):
            view(self._connection, relation)
        self._defined.add(result.step.address)

    def _check_guards(self, step: Step) -> None:
        for guard in step.guards:
            try:
                rows = self._connection.execute(
                    f"SELECT message FROM (\n{guard.sql.strip().removesuffix(';')}\n)"  # noqa: S608 - SQL of the plan
                ).fetchall()
            except VALUES as error:
                raise StepError(blamed(step, misfit(step.address, error), guard.place)) from error
            if rows:
                message, *notes = (str(row[0]) for row in rows)
                fault = Fault(guard.code, message, notes=tuple(notes), helps=guard.helps)
                raise StepError(blamed(step, fault, guard.place))

    def _view(self, step: Step, identity: Identity) -> dict[str, Produced]:
        """Nothing is computed: what a view holds follows from its SQL and its inputs, and so does its digest."""
        assert isinstance(step.operation, View)
        found = columns(self._connection, step.operation.sql.strip().removesuffix(";"))
        return {
            name: Produced(
                kind="view", table=output.table, columns=found, files=(), rows=None, bytes=0, digest=identity.key
            )
            for name, output in step.outputs.items()
        }

    def _operate(
        self, step: Step, folder: Path, identity: Identity, results: Mapping[str, Result]
    ) -> dict[str, Produced]:
        scratch = self._scratch / step.address
        scratch.mkdir(parents=True)
        inputs = self._inputs(step, results)
        try:
            in_parts = self._partwise.carry_out(step, identity, results, inputs)
            return self._operate_at_once(step, folder, identity, inputs, scratch) if in_parts is None else in_parts
        except Fault as fault:
            raise StepError(blamed(step, fault, step.place)) from fault
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _operate_at_once(
        self, step: Step, folder: Path, identity: Identity, inputs: StepInputs, scratch: Path
    ) -> dict[str, Produced]:
        outputs = StepOutputs(self.engine, folder, step.outputs)

        def progress(done: int, total: int | None, unit: str, said: tuple[str, ...] = (), /) -> None:
            self._observer(StepProgress(address=step.address, done=done, total=total, unit=unit, said=said))

        decides = unfinished.decides(identity)
        self._warn_of_others(step, identity.key, decides)
        context = Context(
            address=step.address,
            root=self._root,
            scratch=scratch,
            log=self._logs / f"{step.address}.log",
            progress=progress,
            warn=partial(self._warn, step),
            run=self._logs.parent,
            kept=unfinished.folder(self._store, step.address, identity.key),
            shared=self._store.root / SHARED,
            decides=decides,
            lead=self._lead,
            listed=identity.stamps,
        )
        self._operations[step.operation.op](step.operation, inputs, outputs, context)
        return outputs.finish()

    def _warn(self, step: Step, message: str) -> None:
        self._observer(Warned(address=step.address, message=f"{step.address}: {message}"))

    def _warn_of_others(self, step: Step, key: str, decides: Mapping[str, Any]) -> None:
        """A warning for each state that an earlier run saved of this step, and that other data make useless."""
        for path, state, what in unfinished.others(self._store, step.address, key, decides):
            message = (
                f"{step.address}: the checkpoint at step {state.step} fits no more ({what} changed) and is not"
                f" used; a run of what it was made from continues there, `rm -r {path.parent}` removes it"
            )
            self._observer(Warned(address=step.address, message=message))

    def _inputs(self, step: Step, results: Mapping[str, Result]) -> StepInputs:
        tables, folders = {}, {}
        for name, ref in step.inputs.items():
            address, _, output = ref.rpartition(":")
            source = results[address]
            table = source.step.outputs[output].table
            if table is None:
                folders[name] = (self._store.folder(source.step, source.manifest.key) / output).absolute()
            else:
                schema, _, table = table.partition(".")
                tables[name] = f"{identifier(schema)}.{identifier(table)}"
        return StepInputs(engine=self.engine, order=tuple(step.inputs), tables=tables, folders=folders)
