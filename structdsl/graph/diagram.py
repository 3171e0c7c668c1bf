"""What is drawn, whoever draws it: boxes and arrows, with words and without places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KINDS = ("corpus", "taxonomy", "mixture", "model", "stage", "evaluation", "check")
"""Kinds of boxes from left to right, as far as the arrows leave a choice."""

Carries = Literal["rows", "weights", "teacher", "tokenizer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A box: `corpus · domain` above its name, facts below it, and more where a pointer rests on it."""

    id: str  # address of a block
    kind: str
    role: str = ""  # what it is among its kind: a role, a variant
    facts: tuple[str, ...] = ()
    doc: str = ""

    @property
    def name(self) -> str:
        return self.id.partition(".")[2] or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An arrow from what is read to what reads it."""

    source: str
    target: str
    label: str = ""
    carries: Carries = "rows"
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """Nodes of different ids, and edges between two of them, none twice."""

    title: str
    subtitle: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    inlet: str = ""  # the kind whose nodes stand at the left edge where nothing leads to them
