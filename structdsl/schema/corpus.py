"""`corpus`: documents of one kind, where they come from and what they are for."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from structdsl.plan.operations import Role
from structdsl.schema.block import Schema
from structdsl.schema.containers import CallOf, MapOf, OneOrMany
from structdsl.schema.scalars import Choice, Count, Predicate, String
from structdsl.syntax.tree import Sql


class Files(Schema):
    """`files("notes/*.md")`: files on disk."""

    pattern: Annotated[str, String(minimum=1)] = Field(
        description="A glob, relative to the folder of the spec; `**` crosses folders."
    )


class Paragraphs(Schema):
    """`paragraphs(max = 1024 tokens)`: cut at headings, then filled paragraph by paragraph."""

    max: Annotated[int, Count("tokens")] = Field(default=1024, description="The most tokens a chunk may have.")


class Corpus(Schema):
    """Documents with a role."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"redact", "dedup", "decontaminate", "holdout", "license", "cluster"})

    source: Annotated[Files, CallOf({"files": Files}, planned=("hf_dataset", "table"))] = Field(
        description="Where the documents are."
    )
    role: Annotated[Role, Choice(("domain", "replay", "instruction", "exam", "probe"), planned=("preference",))] = (
        Field(description="What the documents are for: to learn, to rehearse, to answer, or only to measure.")
    )
    title: Annotated[str | None, String()] = Field(
        default=None, description="The title of the whole, root of its taxonomy."
    )
    columns: Annotated[dict[str, str], MapOf(None, String())] = Field(
        default={}, description="Our name of a column and the name that it has in the source."
    )
    keep: Annotated[tuple[Sql, ...], OneOrMany(Predicate())] = Field(
        default=(), description="A condition that a document must meet; with several, the first it fails is its reason."
    )
    limit: Annotated[int | None, Count("docs")] = Field(default=None, description="Read the first N documents.")
    chunk: Annotated[Paragraphs | None, CallOf({"paragraphs": Paragraphs}, planned=("tokens", "sections"))] = Field(
        default=None, description="How documents are cut for training [`paragraphs(max = 1024 tokens)`]."
    )


PROMISED: dict[str, dict[str, str]] = {}
"""Columns of `corpus.<c>` by role, in order, with their DuckDB types."""

_HEAD = {
    "doc_id": "VARCHAR",
    "corpus": "VARCHAR",
    "role": "VARCHAR",
    "text": "VARCHAR",
    "title": "VARCHAR",
    "lang": "VARCHAR",
}
_TAIL = {"n_chars": "BIGINT", "n_tokens": "BIGINT", "source": "VARCHAR", "meta": "JSON"}
_ASKED = {"question": "VARCHAR", "answer": "VARCHAR", "path": "VARCHAR", "chunk_id": "VARCHAR"}
_EXAM = {"aliases": "VARCHAR[]", "options": "JSON", "answer_idx": "VARCHAR"}

for _role in ("domain", "replay", "probe"):
    PROMISED[_role] = _HEAD | _TAIL
PROMISED["instruction"] = _HEAD | _TAIL | _ASKED
PROMISED["exam"] = _HEAD | _TAIL | _ASKED | _EXAM
