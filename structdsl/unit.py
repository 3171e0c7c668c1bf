"""What the passes hand on: one frozen value that grows from text to plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from structdsl.lock import Lock
from structdsl.plan import Column, Plan, Step
from structdsl.schema.block import Schema
from structdsl.schema.cleaning import Ngrams
from structdsl.syntax.source import Source, Sources
from structdsl.syntax.tree import Attribute, Block, Expression, File, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A block that the spec declares: where it stands, what it is, and its values once they are read."""

    kind: str
    name: str
    variant: str | None
    block: Block
    schema: type[Schema]
    values: Any = None  # an instance of `schema`; none where a value could not be read

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}" if self.name else self.kind

    def attribute(self, name: str) -> Attribute | None:
        """The attribute as it was written, if it was."""
        for item in self.block.body:
            if isinstance(item, Attribute) and item.name.text == name:
                return item
        return None

    def span_of(self, *names: str) -> Span:
        """The value of the first of these attributes that was written, else the head of the block."""
        for name in names:
            if (attribute := self.attribute(name)) is not None:
                return attribute.value.span
        return self.block.head


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """A query of the user that analysis accepted: its `${…}` are names of tables, its columns are known.

    A predicate (`where` of a rule, `holds(…)` of a check) is one without columns, over the rows of what it reads.
    """

    sql: str  # whole, to be used as it is: sqlglot may not be able to carry it
    reads: tuple[str, ...]  # tables of the plan, such as `corpus.notes_chunks`
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A warning that an annotation silences, and the stretch of a file in which it does."""

    code: str
    source: Source
    span: Span
    place: Span  # of the code in the annotation
    whole: Span  # what goes with the code: the annotation, or the code alone where it names several


def read_text(path: Path) -> str:
    """The text of a spec on disk."""
    return path.read_bytes().decode("utf-8-sig")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One compilation: what is known so far."""

    source: Sources
    overrides: Mapping[str, str] = field(default_factory=dict)  # `-p name=value`
    profile: str | None = None  # `--profile name`
    read: Callable[[Path], str] = read_text  # of imported files
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)  # what `env("…")` reads
    lock_text: str | None = None  # of `<spec>.lock`, where there is one
    lock: Lock | None = None
    tree: File | None = None
    profiles: Mapping[str, Mapping[str, Expression]] = field(default_factory=dict)  # what each sets params to
    allowances: tuple[Allowance, ...] = ()
    paths: Mapping[Span, str] = field(default_factory=dict)  # of imported files, as seen from the folder of the spec
    shadows: tuple[Block, ...] = ()  # blocks to be checked that are not there: unused defaults and profiles
    parameters: Mapping[str, str] = field(default_factory=dict)  # canonical text of each
    blocks: Mapping[str, Declaration] = field(default_factory=dict)  # by address
    predicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # address of a corpus -> its `keep` as SQL
    queries: Mapping[str, Analysed] = field(default_factory=dict)  # "corpus.x.select", "taxonomy.t.rule" and the like
    unpromised: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # corpus -> columns that only its source has
    steps: tuple[Step, ...] = ()
    plan: Plan | None = None

    @cached_property
    def _readable(self) -> dict[str, list[Declaration]]:
        found: dict[str, list[Declaration]] = {}
        for block in self.blocks.values():
            if block.values is not None:
                found.setdefault(block.kind, []).append(block)
        return found

    def of_kind(self, kind: str) -> list[Declaration]:
        """Declarations of a kind whose values could be read, in the order of the text."""
        return list(self._readable.get(kind, ()))

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """The tables that nothing may be trained on: see `structdsl.apart`."""
        from structdsl import apart  # noqa: PLC0415 - which is written in terms of this class

        return apart.measured(self)

    @cached_property
    def apart(self) -> Mapping[str, tuple[str, ...]]:
        """What each corpus that is trained on can be held against: see `structdsl.apart`."""
        from structdsl import apart  # noqa: PLC0415 - which is written in terms of this class

        return apart.apart(self)

    @cached_property
    def screened(self) -> Mapping[str, tuple[Ngrams, ...]]:
        """How each corpus that is held against what is measured is, by its address: see `structdsl.apart`."""
        from structdsl import apart  # noqa: PLC0415 - which is written in terms of this class

        return apart.screened(self)

    @cached_property
    def taxonomies_over(self) -> dict[str, list[Declaration]]:
        """The taxonomies that order each corpus, by its address."""
        found: dict[str, list[Declaration]] = {}
        for taxonomy in self.of_kind("taxonomy"):
            for corpus in taxonomy.values.over:
                found.setdefault(corpus, []).append(taxonomy)
        return found
