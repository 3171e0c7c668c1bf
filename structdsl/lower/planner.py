"""The plan while it grows: steps are added after those that they read, so that each recipe is known at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from structdsl import sql
from structdsl.identity import effective, fingerprint
from structdsl.lock import Repository
from structdsl.passes.finding import Finding
from structdsl.plan import (
    Column,
    Guard,
    Hashed,
    Operation,
    Ordered,
    Output,
    Passes,
    Place,
    Placement,
    Query,
    Rows,
    Step,
    View,
)
from structdsl.syntax.tree import Span
from structdsl.unit import Unit


@dataclass(slots=True)
class Planner:
    unit: Unit
    steps: dict[str, Step] = field(default_factory=dict)  # by address, in an order in which they can run
    owners: dict[str, str] = field(default_factory=dict)  # table -> "address:output" that makes it
    makers: dict[str, str] = field(default_factory=dict)  # casefolded table -> address of the step that makes it
    collisions: list[Finding] = field(default_factory=list)
    read: set[str] = field(default_factory=set)  # tables that some block refers to
    languages: Mapping[str, Span] = field(default_factory=dict)  # corpora whose language is asked for, and where
    placed: tuple[Placement, Span] | None = None  # where the steps that are being added run, and who says so

    def place(self, span: Span) -> Place:
        file, local = self.unit.source.locate(span)
        line, column = file.position(local.start)
        shown = self.unit.source.shown(file)
        return Place(file=shown, line=line, column=column, start=local.start, end=local.end)

    def add(  # noqa: PLR0913 - a step has that many parts
        self,
        address: str,
        operation: Operation,
        *,
        at: Span,
        outputs: Mapping[str, Output],
        inputs: Mapping[str, str] | None = None,
        sources: tuple[str, ...] = (),
        guards: tuple[Guard, ...] = (),
        places: Mapping[str, Span] | None = None,
        doc: str = "",
    ) -> None:
        """Add a step whose inputs are "address:output" references of steps already added.

        `places` are attributes with a place of their own, for what has to be said of one of them alone.
        """
        if self._collides(address, outputs, at):
            return
        inputs = dict(inputs or {})
        recipe = fingerprint(
            {
                "arguments": effective(operation),
                "guards": [effective(guard) for guard in guards],
                "inputs": {name: self._recipe(reference) for name, reference in inputs.items()},
                "sources": sources,
            }
        )
        at_own_place = dict(places or {}) | ({"cluster": self.placed[1]} if self.placed is not None else {})
        self.steps[address] = Step(
            address=address,
            operation=operation,
            inputs=inputs,
            sources=sources,
            outputs=dict(outputs),
            guards=guards,
            recipe=recipe,
            place=self.place(at),
            places={name: self.place(span) for name, span in at_own_place.items()},
            placement=self.placed[0] if self.placed is not None else None,
            doc=doc,
        )
        for name, output in outputs.items():
            if output.table is not None:
                self.owners[output.table] = f"{address}:{name}"

    def locked(self, address: str, repository: str, asked: str | None) -> str | None:
        """The commit that the lock pins for a step which reads a repository of the Hub, else the revision asked for."""
        pin = self.unit.lock.pins.get(address) if self.unit.lock is not None else None
        if isinstance(pin, Repository) and (pin.repository, pin.asked) == (repository, asked):
            return pin.revision
        return asked

    def _collides(self, address: str, outputs: Mapping[str, Output], at: Span) -> bool:
        """Whether a step or a table of it has a name that is taken, which is reported; SQL ignores case."""
        for output in outputs.values():
            maker = self.makers.setdefault((output.table or address).casefold(), address)
            if maker != address or address in self.steps:
                message = f"`{output.table or address}` would be made twice, by `{maker}` and by `{address}`"
                self.collisions.append(Finding("E0207", message, at, "makes it again", helps=("choose another name",)))
                return True
        return False

    def query(  # noqa: PLR0913 - a step has that many parts
        self,
        address: str,
        template: str,
        table: str,
        columns: tuple[Column, ...],
        *,
        at: Span,
        tables: Mapping[str, str | tuple[str, ...]],
        holes: Mapping[str, object] | None = None,
        guards: tuple[Guard, ...] = (),
        view: bool = False,
        split: Rows | Hashed | Ordered | None = None,
        doc: str = "",
    ) -> None:
        """Add a step that is one SELECT; `tables` maps names in the template to tables of the plan."""
        reads = tuple(name for entry in tables.values() for name in ((entry,) if isinstance(entry, str) else entry))
        text = fill(template, tables, holes or {})
        self.select(
            address,
            text,
            table,
            columns,
            at=at,
            reads=reads,
            purpose=sql.purpose(template),
            guards=guards,
            view=view,
            split=split,
            doc=doc,
        )

    def select(  # noqa: PLR0913 - a step has that many parts
        self,
        address: str,
        text: str,
        table: str,
        columns: tuple[Column, ...],
        *,
        at: Span,
        reads: tuple[str, ...],
        purpose: str,
        guards: tuple[Guard, ...] = (),
        view: bool = False,
        passes: Passes | None = None,
        split: Rows | Hashed | Ordered | None = None,
        doc: str = "",
    ) -> None:
        """Add a step that is this SELECT over the tables that it reads; `purpose` says what its rows are.

        Rows that a view `passes` can be worked on in the parts of the table that they are of; `split` says how the
        work of a query can be divided.
        """
        self.add(
            address,
            View(sql=text, passes=passes) if view else Query(sql=text, split=split),
            at=at,
            inputs={name: self.owners[name] for name in dict.fromkeys(reads)},
            outputs={"rows": Output(table=table, columns=columns, doc="\n".join(filter(None, (doc, purpose))))},
            guards=guards,
            doc=doc,
        )

    def guard(
        self,
        code: str,
        template: str,
        *,
        at: Span,
        tables: Mapping[str, str | tuple[str, ...]],
        holes: Mapping[str, object],
        helps: tuple[str, ...],
    ) -> Guard:
        return Guard(code=code, sql=fill(template, tables, holes), helps=helps, place=self.place(at))

    def _recipe(self, reference: str) -> str:
        address, _, output = reference.rpartition(":")
        return f"{self.steps[address].recipe}:{output}"


def fill(template: str, tables: Mapping[str, str | tuple[str, ...]], holes: Mapping[str, object]) -> str:
    relations = {name: entry if isinstance(entry, str) else sql.rows_of(entry) for name, entry in tables.items()}
    return sql.fill(template, relations, **holes)


def folder(doc: str) -> Output:
    return Output(kind="folder", doc=doc)
