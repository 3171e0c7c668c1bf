"""What the passes hand on: one frozen value that grows from text to plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from structdsl.plan import Column, Plan, Step
from structdsl.schema.block import Schema
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Attribute, Block, File, Span


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
    """A query of the user that analysis accepted: its `${…}` are names of tables, its columns are known."""

    sql: str
    reads: tuple[str, ...]  # tables of the plan, such as `corpus.notes_chunks`
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One compilation: what is known so far."""

    source: Source
    overrides: Mapping[str, str] = field(default_factory=dict)  # `-p name=value`
    tree: File | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)  # canonical text of each
    blocks: Mapping[str, Declaration] = field(default_factory=dict)  # by address
    predicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # address of a corpus -> its `keep` as SQL
    queries: Mapping[str, Analysed] = field(default_factory=dict)  # "check.x.violations", "taxonomy.t.rule" -> a query
    steps: tuple[Step, ...] = ()
    plan: Plan | None = None

    def of_kind(self, kind: str) -> list[Declaration]:
        """Declarations of a kind whose values could be read, in the order of the text."""
        return [block for block in self.blocks.values() if block.kind == kind and block.values is not None]
