"""What is done to documents, chunks and rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from structdsl.plan.operations.base import Arguments, Role


class ReadFiles(Arguments):
    """Files matching a glob, as documents: Markdown and text whole, JSON Lines row by row."""

    op: Literal["read_files"] = "read_files"
    version: Literal[1] = 1
    corpus: str
    role: Role
    pattern: str  # POSIX glob, relative to the folder of the spec unless absolute
    columns: dict[str, str] = Field(default_factory=dict)  # our name -> the name in the file
    limit: int | None = None  # first N documents


class CountTokens(Arguments):
    """Tokens of the text of each document."""

    op: Literal["count_tokens"] = "count_tokens"
    version: Literal[1] = 1


class Query(Arguments):
    """One SELECT over the inputs, materialised."""

    op: Literal["query"] = "query"
    version: Literal[1] = 1
    sql: str


class View(Arguments):
    """One SELECT over the inputs that stays a view."""

    op: Literal["view"] = "view"
    version: Literal[1] = 1
    sql: str


class Chunk(Arguments):
    """Documents cut at headings and paragraphs; outputs the chunks and the headings."""

    op: Literal["chunk"] = "chunk"
    version: Literal[1] = 1
    max_tokens: int


class BuildOutline(Arguments):
    """The nodes of a taxonomy from the headings of its corpora."""

    op: Literal["build_outline"] = "build_outline"
    version: Literal[1] = 1
    root: Literal["document", "corpus"]
    depth: int  # deepest heading level that becomes a node
    titles: tuple[tuple[str, str], ...]  # each corpus of `over`, in its order, and the title of its root
