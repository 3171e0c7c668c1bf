"""Headings into the nodes of a taxonomy, in pre-order.

Real headings become nodes with their own ids; what they lack (a root of a document that has no single top heading, a
root of a whole corpus) is synthetic, and its id says so: `doc:<corpus>/<doc_id>`, `corpus:<name>`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import BuildOutline
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.formats import WHOLE_SUFFIXES
from structdsl_runtime.text.ragged import Numbers, starts
from structdsl_runtime.text.slug import slug

_FILE: Final = "regexp_replace(source, '#[LR][0-9]+$', '')"
_LINE: Final = "try_cast(regexp_extract(source, '#[LR]([0-9]+)$', 1) AS BIGINT)"
DOCUMENT_ORDER: Final = f"{_FILE}, {_LINE}, doc_id"  # as they were read
_DOCUMENT: Final[Mapping[str, pa.DataType]] = {"doc_id": pa.string(), "title": pa.string()}
_HEADING: Final[Mapping[str, pa.DataType]] = {
    "heading_id": pa.string(),
    "parent_id": pa.string(),
    "doc_id": pa.string(),
    "title": pa.string(),
    "level": pa.int32(),
    "position": pa.int64(),
}


def build_outline(arguments: BuildOutline, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """One row per node: the roots, and every heading down to level `depth`."""
    made = 0
    with outputs.table("nodes") as table:
        for corpus, title in arguments.titles:
            documents = _read(inputs, corpus, _DOCUMENT, order=DOCUMENT_ORDER)
            headings, own = _headings(inputs, f"{corpus}_headings", arguments.depth, documents)
            nodes = _nodes(corpus, title if arguments.root == "corpus" else None, documents, headings, own)
            count = len(nodes["node_id"])
            position = np.arange(made, made + count)
            table.write(pa.table({**nodes, "corpus": pa.repeat(corpus, count), "position": pa.array(position)}))
            made += count
            context.progress(made, None, "nodes")


def _read(inputs: Inputs, name: str, columns: Mapping[str, pa.DataType], *, order: str = "") -> pa.Table:
    schema = pa.schema(columns)
    batches = inputs.batches(name, columns=", ".join(columns), order=order, rows=1 << 16)
    return pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)


def _headings(inputs: Inputs, name: str, depth: int, documents: pa.Table) -> tuple[pa.Table, Numbers]:
    """The headings that become nodes, in the order of documents and their texts; and which document each is of."""
    found = _read(inputs, name, _HEADING).filter(pc.field("level") <= depth)
    own = pc.index_in(found["doc_id"], documents["doc_id"].combine_chunks())
    found, numbers = found.filter(own.is_valid()), own.drop_null().to_numpy().astype(np.int64)
    order = np.lexsort((found["position"].to_numpy(), numbers))
    return found.take(order), numbers[order]


def _nodes(corpus: str, title: str | None, documents: pa.Table, headings: pa.Table, own: Numbers) -> dict[str, Any]:
    """The nodes of a corpus: a tree of each document, or one of them all, where that has a title."""
    if title is None:
        of, titles = _without_root(documents, headings, own)
        doc_ids = documents["doc_id"].take(of).to_pylist()
        ids = [f"doc:{corpus}/{doc_id}" for doc_id in doc_ids]
        root = np.full(len(documents), -1)  # of what has no heading above it
        root[of] = np.arange(len(of))
    else:
        of, titles, doc_ids, ids = np.array([-1]), [title], [None], [f"corpus:{corpus}"]
        root = np.zeros(len(documents), np.int64)
    parent = pc.index_in(headings["parent_id"], headings["heading_id"].combine_chunks())
    above = np.where(parent.is_null(), root[own], parent.fill_null(0).to_numpy() + len(of))
    order = np.argsort(np.append(of, own), kind="stable")  # roots and headings, a root before what is below it
    row = np.append(np.argsort(order), -1)  # of each, and of none
    above = row[np.append(np.full(len(of), -1), above)[order]]

    def column(name: str, of_roots: list[Any]) -> pa.Array[Any]:
        column = headings[name]
        joined: pa.Array[Any] = pa.concat_arrays([pa.array(of_roots, column.type), *column.chunks])
        return joined.take(order)

    title_ = column("title", titles)
    paths: list[str] = []
    tree: list[int] = []  # the root of each
    for number, (at, over, named) in enumerate(zip(order.tolist(), above.tolist(), title_.to_pylist(), strict=True)):
        part = "" if title is not None and not at else slug(named)
        paths.append(f"{paths[over]}/{part}" if over >= 0 and paths[over] else part)
        tree.append(number if over < 0 else tree[over])
    node_id = column("heading_id", ids)
    return {
        "node_id": node_id,
        "parent_id": node_id.take(pa.array(above, mask=above < 0)),
        "tree_id": node_id.take(pa.array(tree, pa.int64())),
        "doc_id": column("doc_id", doc_ids),
        "heading_id": column("heading_id", [None] * len(of)),
        "path": pa.array(paths, pa.string()),
        "title": title_,
        "depth": column("level", [0] * len(of)),
    }


def _without_root(documents: pa.Table, headings: pa.Table, own: Numbers) -> tuple[Numbers, list[str]]:
    """The documents that do not begin with the one heading of level 1 that they have, and titles for them."""
    level = np.append(headings["level"].to_numpy(), 0)
    tops = starts(np.bincount(own[level[:-1] == 1], minlength=len(documents)))
    first = level[np.searchsorted(own, np.arange(len(documents)))]
    of = np.flatnonzero((np.diff(tops) != 1) | (first != 1))
    titles: list[Any] = headings.filter(pc.field("level") == 1)["title"].to_pylist()
    columns: list[list[Any]] = [column.to_pylist() for column in documents.take(of).columns]
    found = zip(*columns, tops[of].tolist(), tops[of + 1].tolist(), strict=True)
    return of, [_title(doc_id, named, titles[begin:end]) for doc_id, named, begin, end in found]


def _title(doc_id: str, named: str | None, headings: Collection[str]) -> str:
    """The title of a document, unless that is one of its headings, which the root is not; else its name."""
    if named and named not in headings:
        return named
    name = PurePosixPath(doc_id)
    return name.stem if name.suffix.lower() in WHOLE_SUFFIXES else doc_id
