"""Headings into the nodes of a taxonomy, in pre-order.

Real headings become nodes with their own ids; what they lack (a root of a document that has no single top heading, a
root of a whole corpus) is synthetic, and its id says so: `doc:<corpus>/<doc_id>`, `corpus:<name>`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from structdsl.plan import BuildOutline
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.formats import WHOLE_SUFFIXES
from structdsl_runtime.text.slug import slug

_FILE: Final = "regexp_replace(source, '#[LR][0-9]+$', '')"
_LINE: Final = "try_cast(regexp_extract(source, '#[LR]([0-9]+)$', 1) AS BIGINT)"
DOCUMENT_ORDER: Final = f"{_FILE}, {_LINE}, doc_id"  # as they were read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    node_id: str
    parent_id: str | None
    tree_id: str
    corpus: str
    doc_id: str | None
    heading_id: str | None
    path: str
    title: str
    depth: int


def build_outline(arguments: BuildOutline, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per node: the roots, and every heading down to level `depth`."""
    position = 0
    with outputs.table("nodes") as nodes:
        for corpus, title in arguments.titles:
            for node in _corpus(corpus, title, arguments, inputs):
                nodes.row(position=position, **{name: getattr(node, name) for name in _Node.__slots__})
                position += 1
            context.progress(position, None, "nodes")


def _corpus(corpus: str, title: str, arguments: BuildOutline, inputs: Inputs) -> Iterator[_Node]:
    headings: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in inputs.rows(f"{corpus}_headings", order="doc_id, position"):
        if row["level"] <= arguments.depth:
            headings[row["doc_id"]].append(row)
    top: _Node | None = None
    if arguments.root == "corpus":
        top = _root(f"corpus:{corpus}", corpus=corpus, doc_id=None, title=title, path="")
        yield top
    for document in inputs.rows(corpus, columns="doc_id, title", order=DOCUMENT_ORDER):
        yield from _document(document, headings.pop(document["doc_id"], []), corpus, top)


def _document(
    document: dict[str, Any], headings: list[dict[str, Any]], corpus: str, top: _Node | None
) -> Iterator[_Node]:
    """Nodes of a document, below `top` or as a tree of its own."""
    root = top
    if root is None:
        single = bool(headings) and [row["level"] for row in headings].count(1) == 1 and headings[0]["level"] == 1
        if single:
            root = _heading(headings[0], corpus, None)
            headings = headings[1:]
        else:
            title = _title(document, headings)
            doc_id = document["doc_id"]
            root = _root(f"doc:{corpus}/{doc_id}", corpus=corpus, doc_id=doc_id, title=title, path=slug(title))
        yield root
    known = {root.heading_id: root}
    for row in headings:
        node = _heading(row, corpus, known.get(row["parent_id"], root))
        known[row["heading_id"]] = node
        yield node


def _title(document: dict[str, Any], headings: list[dict[str, Any]]) -> str:
    """The title of a document, unless that is one of its headings, which the root is not; else its name."""
    title: str | None = document["title"]
    if title and title not in (row["title"] for row in headings if row["level"] == 1):
        return title
    name = PurePosixPath(document["doc_id"])
    return name.stem if name.suffix.lower() in WHOLE_SUFFIXES else str(document["doc_id"])


def _root(node_id: str, *, corpus: str, doc_id: str | None, title: str, path: str) -> _Node:
    return _Node(
        node_id=node_id,
        parent_id=None,
        tree_id=node_id,
        corpus=corpus,
        doc_id=doc_id,
        heading_id=None,
        path=path,
        title=title,
        depth=0,
    )


def _heading(row: dict[str, Any], corpus: str, parent: _Node | None) -> _Node:
    own = slug(row["title"])
    node_id: str = row["heading_id"]
    return _Node(
        node_id=node_id,
        parent_id=parent.node_id if parent else None,
        tree_id=parent.tree_id if parent else node_id,
        corpus=corpus,
        doc_id=row["doc_id"],
        heading_id=row["heading_id"],
        path=f"{parent.path}/{own}" if parent and parent.path else own,
        title=row["title"],
        depth=row["level"],
    )
