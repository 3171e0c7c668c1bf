"""The taxonomy as columns: what is asked of all of its nodes, without an object a node.

Nodes stand in pre-order, tree after tree: a tree is a run of rows, and what is above a node stands before it. Where a
tree is looked at more closely, `node` makes it of objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl_runtime.operation import Inputs
from structdsl_runtime.structure.tree import COLUMNS, Node
from structdsl_runtime.text.ragged import Numbers


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees; a node is known by its row."""

    columns: pa.Table  # node_id, corpus, doc_id, title, depth
    above: Numbers  # the parent of each, -1 for a root
    root: Numbers
    size: Numbers  # nodes of its tree
    row: dict[str, int]  # of each node, by its id
    _trees: dict[int, list[Node]] = field(default_factory=dict)  # those that were asked for, by root

    def __len__(self) -> int:
        return len(self.above)

    def node(self, row: int) -> Node:
        """The node of a row, in its tree."""
        root = int(self.root[row])
        if root not in self._trees:
            size, nodes = int(self.size[root]), self._trees.setdefault(root, [])
            columns = (column.to_pylist() for column in self.columns.slice(root, size).columns)
            above = (self.above[root : root + size] - root).tolist()
            for (node_id, corpus, doc_id, title, depth), at in zip(zip(*columns, strict=True), above, strict=True):
                parent = nodes[at] if nodes else None
                nodes.append(Node(node_id, title, corpus, doc_id, depth, parent))
                if parent is not None:
                    parent.children.append(nodes[-1])
        return self._trees[root][row - root]


def read_forest(inputs: Inputs, name: str) -> Forest:
    """All nodes of a table, which has whole trees."""
    found = list(inputs.batches(name, columns=f"position, {COLUMNS}", rows=1 << 16))
    if not found:
        return forest_of(pa.table({column: pa.nulls(0, pa.string()) for column in COLUMNS.split(", ")}))
    return forest_of(pa.Table.from_batches(found).sort_by("position"))


def forest_of(nodes: pa.Table) -> Forest:
    """The forest of nodes (`COLUMNS`) that stand in any order; siblings keep theirs."""
    above = pc.index_in(nodes["parent_id"], nodes["node_id"].combine_chunks()).fill_null(-1).to_numpy().astype(np.int64)
    root, level = np.where(above < 0, np.arange(len(above)), above), (above >= 0).astype(np.int64)
    while (root[root] != root).any():
        level, root = level + level[root], root[root]
    place = _pre_order(above, level)
    order = np.argsort(place)
    place = np.append(place, -1)
    columns = nodes.select(["node_id", "corpus", "doc_id", "title", "depth"]).take(order)
    root = place[root[order]]
    size = np.bincount(root, minlength=1)[root]
    node_ids: list[Any] = columns["node_id"].to_pylist()
    row = dict(zip(node_ids, range(len(order)), strict=True))
    return Forest(columns, place[above[order]], root, size, row)


def _pre_order(above: Numbers, level: Numbers) -> Numbers:
    """The row of each node: behind its parent and all that is below its elder siblings."""
    levels = np.split(np.argsort(level, kind="stable"), np.cumsum(np.bincount(level))[:-1])
    size = np.ones(len(above), np.int64)  # of nodes from each down
    for nodes in islice(reversed(levels), len(levels) - 1):
        np.add.at(size, above[nodes], size[nodes])
    siblings = np.argsort(above, kind="stable")
    before = np.cumsum(size[siblings]) - size[siblings]
    place = np.empty(len(above), np.int64)
    place[siblings] = before - before[np.searchsorted(above[siblings], above[siblings])]
    for nodes in levels[1:]:
        place[nodes] += place[above[nodes]] + 1
    return place
