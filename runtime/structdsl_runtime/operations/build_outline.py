"""Headings into the nodes of a taxonomy, in pre-order.

Real headings become nodes with their own ids; what they lack (a root of a document that has no single top heading, a
root of a whole corpus) is synthetic, and its id says so: `doc:<corpus>/<doc_id>`, `corpus:<name>`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import BuildOutline
from structdsl_runtime.garbage import uncollected
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.formats import WHOLE_SUFFIXES
from structdsl_runtime.text.slug import slug

_FILE: Final = "regexp_replace(source, '#[LR][0-9]+$', '')"
_LINE: Final = "try_cast(regexp_extract(source, '#[LR]([0-9]+)$', 1) AS BIGINT)"
DOCUMENT_ORDER: Final = f"{_FILE}, {_LINE}, doc_id"  # as they were read
_TOGETHER: Final = 4096  # nodes that are written at once


class _Heading(NamedTuple):
    heading_id: str
    parent_id: str | None
    level: int
    title: str


class _Node(NamedTuple):
    node_id: str
    parent_id: str | None
    tree_id: str
    corpus: str
    doc_id: str | None
    heading_id: str | None
    path: str
    title: str
    depth: int


@uncollected()
def build_outline(arguments: BuildOutline, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per node: the roots, and every heading down to level `depth`."""
    nodes = chain.from_iterable(_corpus(corpus, title, arguments, inputs) for corpus, title in arguments.titles)
    made = 0
    with outputs.table("nodes") as table:
        while rows := list(islice(nodes, _TOGETHER)):
            columns = dict(zip(_Node._fields, map(list, zip(*rows, strict=True)), strict=True))
            table.write(pa.table({**columns, "position": range(made, made + len(rows))}))
            made += len(rows)
            context.progress(made, None, "nodes")


def _corpus(corpus: str, title: str, arguments: BuildOutline, inputs: Inputs) -> Iterator[_Node]:
    headings = _headings(corpus, arguments.depth, inputs)
    top: _Node | None = None
    if arguments.root == "corpus":
        top = _root(f"corpus:{corpus}", corpus=corpus, doc_id=None, title=title, path="")
        yield top
    for batch in inputs.batches(corpus, columns="doc_id, title", order=DOCUMENT_ORDER):
        for doc_id, named in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield from _document(doc_id, named, headings.pop(doc_id, []), corpus, top)


def _headings(corpus: str, depth: int, inputs: Inputs) -> dict[str, list[_Heading]]:
    """The headings that become nodes, by document, in the order of the text."""
    found: dict[str, list[_Heading]] = defaultdict(list)
    columns = f"doc_id, {', '.join(_Heading._fields)}"
    for batch in inputs.batches(f"{corpus}_headings", columns=columns, order="doc_id, position"):
        shallow = batch.filter(pc.less_equal(batch.column("level"), pa.scalar(depth, pa.int32())))
        for doc_id, *heading in zip(*(column.to_pylist() for column in shallow.columns), strict=True):
            found[doc_id].append(_Heading(*heading))
    return found


def _document(
    doc_id: str, named: str | None, headings: list[_Heading], corpus: str, top: _Node | None
) -> Iterator[_Node]:
    """Nodes of a document, below `top` or as a tree of its own."""
    root = top
    if root is None:
        if [heading.level for heading in headings].count(1) == 1 and headings[0].level == 1:
            root = _node(headings[0], corpus, doc_id, None)
            headings = headings[1:]
        else:
            title = _title(doc_id, named, headings)
            root = _root(f"doc:{corpus}/{doc_id}", corpus=corpus, doc_id=doc_id, title=title, path=slug(title))
        yield root
    known = {root.heading_id: root}
    for heading in headings:
        node = _node(heading, corpus, doc_id, known.get(heading.parent_id, root))
        known[node.heading_id] = node
        yield node


def _title(doc_id: str, named: str | None, headings: list[_Heading]) -> str:
    """The title of a document, unless that is one of its headings, which the root is not; else its name."""
    if named and named not in (heading.title for heading in headings if heading.level == 1):
        return named
    name = PurePosixPath(doc_id)
    return name.stem if name.suffix.lower() in WHOLE_SUFFIXES else doc_id


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


def _node(heading: _Heading, corpus: str, doc_id: str, parent: _Node | None) -> _Node:
    own = slug(heading.title)
    return _Node(
        node_id=heading.heading_id,
        parent_id=parent.node_id if parent else None,
        tree_id=parent.tree_id if parent else heading.heading_id,
        corpus=corpus,
        doc_id=doc_id,
        heading_id=heading.heading_id,
        path=f"{parent.path}/{own}" if parent and parent.path else own,
        title=heading.title,
        depth=heading.level,
    )
