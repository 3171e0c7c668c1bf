"""Headings into the nodes of a taxonomy, in pre-order.

Real headings become nodes with their own ids; what they lack (a root of a document that has no single top heading, a
root of a whole corpus) is synthetic, and its id says so: `doc:<corpus>/<doc_id>`, `corpus:<name>`.

Documents are worked on some at a time, for nothing but the root of a corpus is above more than one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import BuildOutline
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.formats import WHOLE_SUFFIXES
from structdsl_runtime.relations import literal
from structdsl_runtime.text.ragged import Numbers, starts
from structdsl_runtime.text.slug import slug

_ROWS: Final = 1 << 15  # headings that are read together
_FILE: Final = "regexp_replace(source, '#[LR][0-9]+$', '')"
_LINE: Final = "try_cast(regexp_extract(source, '#[LR]([0-9]+)$', 1) AS BIGINT)"
_ORDER: Final = f"{_FILE}, {_LINE}, doc_id, position"  # of documents as they were read, of headings in their texts
_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "doc_id": pa.string(),
    "document": pa.string(),  # its title
    "heading_id": pa.string(),
    "parent_id": pa.string(),
    "title": pa.string(),
    "level": pa.int32(),
}


def build_outline(arguments: BuildOutline, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per node: the roots, and every heading of the outline."""
    made = 0
    with outputs.table("nodes") as table:
        for corpus, title in arguments.titles:
            for nodes in _trees(inputs, corpus, title if arguments.root == "corpus" else None):
                count = len(nodes["node_id"])
                position = np.arange(made, made + count)
                table.write(pa.table({**nodes, "corpus": pa.repeat(corpus, count), "position": pa.array(position)}))
                made += count
                context.progress(made, None, "nodes")


def _trees(inputs: Inputs, corpus: str, title: str | None) -> Iterator[dict[str, Any]]:
    """The nodes of a corpus: a tree of each document, or one of them all, where that has a title."""
    root = None if title is None else f"corpus:{corpus}"
    if root is not None:
        yield {
            "node_id": [root],
            "parent_id": pa.nulls(1, pa.string()),
            "tree_id": [root],
            "doc_id": pa.nulls(1, pa.string()),
            "heading_id": pa.nulls(1, pa.string()),
            "path": [""],
            "title": [title],
            "depth": [0],
        }
    for rows in _whole_documents(inputs, corpus):
        doc_id = rows["doc_id"].combine_chunks()
        is_first = np.append(True, pc.not_equal(doc_id[1:], doc_id[:-1]).to_numpy(zero_copy_only=False))
        is_heading = rows["heading_id"].is_valid()
        own = (np.cumsum(is_first) - 1)[is_heading.to_numpy()]
        yield _nodes(corpus, root, rows.filter(pa.array(is_first)), rows.filter(is_heading), own)


def _whole_documents(inputs: Inputs, corpus: str) -> Iterator[pa.Table]:
    """Some documents at a time with all of their headings; a document without any has a row."""
    schema = pa.schema(_COLUMNS)
    waiting = schema.empty_table()
    columns, where = ", ".join(_COLUMNS), f"corpus = {literal(corpus)}"
    for batch in inputs.batches("documents", columns=columns, where=where, order=_ORDER, rows=_ROWS):
        waiting = pa.concat_tables([waiting, pa.table(batch.cast(schema))]).combine_chunks()
        of_last = pc.index_in(waiting["doc_id"][-1], waiting["doc_id"]).as_py()
        if of_last:
            yield waiting.slice(0, of_last)
            waiting = waiting.slice(of_last)
    if waiting:
        yield waiting


def _nodes(corpus: str, root: str | None, documents: pa.Table, headings: pa.Table, own: Numbers) -> dict[str, Any]:
    """The nodes of some documents, `own` being the document of each heading; below a root, or in trees of their own."""
    of, titles = _without_root(documents, headings, own) if root is None else (np.empty(0, np.int64), [])
    doc_ids = documents["doc_id"].take(of).to_pylist()
    rooted = np.full(len(documents), -1)  # the node of what has no heading above it
    rooted[of] = np.arange(len(of))
    parent = pc.index_in(headings["parent_id"], headings["heading_id"].combine_chunks())
    above = np.where(parent.is_null(), rooted[own], parent.fill_null(0).to_numpy() + len(of))
    order = np.argsort(np.append(of, own), kind="stable")  # roots and headings, a root before what is below it
    row = np.append(np.argsort(order), -1)  # of each, and of none
    above = row[np.append(np.full(len(of), -1), above)[order]]

    def column(name: str, of_roots: list[Any]) -> pa.Array[Any]:
        column = headings[name]
        joined: pa.Array[Any] = pa.concat_arrays([pa.array(of_roots, column.type), *column.chunks])
        return joined.take(order)

    title = column("title", titles)
    paths: list[str] = []
    tree: list[int] = []  # the root of each
    for number, (over, named) in enumerate(zip(above.tolist(), title.to_pylist(), strict=True)):
        paths.append(f"{paths[over]}/{slug(named)}" if over >= 0 and paths[over] else slug(named))
        tree.append(number if over < 0 else tree[over])
    node_id = column("heading_id", [f"doc:{corpus}/{doc_id}" for doc_id in doc_ids])
    parent_id = node_id.take(pa.array(above, mask=above < 0))
    return {
        "node_id": node_id,
        "parent_id": parent_id if root is None else parent_id.fill_null(root),
        "tree_id": node_id.take(pa.array(tree, pa.int64())) if root is None else pa.repeat(root, len(node_id)),
        "doc_id": column("doc_id", doc_ids),
        "heading_id": column("heading_id", [None] * len(of)),
        "path": pa.array(paths, pa.string()),
        "title": title,
        "depth": column("level", [0] * len(of)),
    }


def _without_root(documents: pa.Table, headings: pa.Table, own: Numbers) -> tuple[Numbers, list[str]]:
    """The documents that do not begin with the one heading of level 1 that they have, and titles for them."""
    level = np.append(headings["level"].to_numpy(), 0)
    tops = starts(np.bincount(own[level[:-1] == 1], minlength=len(documents)))
    first = level[np.searchsorted(own, np.arange(len(documents)))]
    of = np.flatnonzero((np.diff(tops) != 1) | (first != 1))
    titles: list[Any] = headings.filter(pc.field("level") == 1)["title"].to_pylist()
    named = documents.select(["doc_id", "document"]).take(of)
    columns: list[list[Any]] = [column.to_pylist() for column in named.columns]
    found = zip(*columns, tops[of].tolist(), tops[of + 1].tolist(), strict=True)
    return of, [_title(doc_id, title, titles[begin:end]) for doc_id, title, begin, end in found]


def _title(doc_id: str, named: str | None, headings: Collection[str]) -> str:
    """The title of a document, unless that is one of its headings, which the root is not; else its name."""
    if named and named not in headings:
        return named
    name = PurePosixPath(doc_id)
    return name.stem if name.suffix.lower() in WHOLE_SUFFIXES else doc_id
