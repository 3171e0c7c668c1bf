"""`taxonomy`: the structure of a body of text; every chunk gets exactly one node of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from structdsl.schema.block import Nested, Schema
from structdsl.schema.containers import CallOf, ListOf, Names, RefTo
from structdsl.schema.corpus import Paragraphs
from structdsl.schema.scalars import Choice, Integer


class Headings(Schema):
    """`rule outline: headings { depth = 3 }`: the headings of the documents themselves."""

    depth: Annotated[int, Integer(minimum=1, maximum=6)] = Field(
        default=3, description="The deepest heading level that is a node."
    )


class Taxonomy(Schema):
    """Nodes from rules; the first rule that answers for a chunk wins."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"cluster"})

    over: Annotated[tuple[str, ...], ListOf(RefTo(("corpus",)))] = Field(description="Corpora that it orders.")
    chunk: Annotated[Paragraphs | None, CallOf({"paragraphs": Paragraphs}, planned=("tokens", "sections"))] = Field(
        default=None, description="How the corpora in `over` are cut."
    )
    root: Annotated[Literal["document", "corpus"], Choice(("document", "corpus"))] = Field(
        default="document", description="A tree for each document, or one for the whole corpus."
    )
    levels: Annotated[tuple[str, ...], Names()] = Field(
        default=(), description="Names of the levels, outermost first: a column each."
    )
    resolve: Annotated[Literal["first"], Choice(("first",), planned=("vote",))] = Field(
        default="first", description="Which rule decides where several answer."
    )
    merge: Annotated[Literal["none"], Choice(("none",), planned=("by_path",))] = Field(
        default="none", description="Whether equal paths of several trees become one node."
    )
    rules: Annotated[
        dict[str, Headings],
        Nested(
            "rule",
            {"headings": Headings},
            many=True,
            planned=("keywords", "regex", "sql", "embedding", "structurise", "given", "cohesion"),
        ),
    ] = Field(default={}, description="Rules, in the order in which they are asked.")
