"""The taxonomy in memory: nodes with their children, in the order of the documents.

Levels have the names that books give them. A tree with a root of depth 0 is a *book*: its children are chapters, theirs
are sections. Where the root is itself a heading, the tree is one chapter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from structdsl_runtime.operation import Inputs

COLUMNS = "node_id, parent_id, corpus, doc_id, title, depth"


@dataclass(slots=True, eq=False)
class Node:
    """A place in a tree; two nodes are the same only if they are one object, whatever their titles."""

    node_id: str
    title: str
    corpus: str = ""
    doc_id: str | None = None
    depth: int = 0
    parent: Node | None = field(default=None, repr=False)
    children: list[Node] = field(default_factory=list, repr=False)
    root: Node = field(init=False, repr=False)
    size: int = field(init=False, default=0, repr=False)  # of a root: nodes of its tree

    def __post_init__(self) -> None:
        self.root = self if self.parent is None else self.parent.root
        self.root.size += 1

    @property
    def line(self) -> list[Node]:
        """From the root down to this node."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    @property
    def chapter(self) -> Node | None:
        """The chapter that this node is in, None for the root of a book."""
        line = self.line
        if line[0].depth > 0:
            return line[0]
        return line[1] if len(line) > 1 else None

    @property
    def height(self) -> int:
        """Levels of nodes below."""
        return max((1 + child.height for child in self.children), default=0)

    def walk(self) -> Iterator[Node]:
        """The node and all below it, in pre-order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


def chapters(root: Node) -> list[Node]:
    """The chapters of a tree: the children of a book, or the root that is a chapter itself."""
    return [root] if root.depth > 0 else root.children


def read_nodes(inputs: Inputs, name: str = "nodes", of: Collection[str] | None = None) -> dict[str, Node]:
    """All nodes by id, linked to their parents and children; or those of the trees that some nodes are `of`."""
    trees = None if of is None else _trees(inputs, name, pa.array(of, pa.string()))
    nodes: dict[str, Node] = {}
    for read in inputs.batches(name, columns=f"tree_id, {COLUMNS}", order="position"):
        batch = read if trees is None else read.filter(pc.is_in(read.column("tree_id"), trees))
        for node_id, parent_id, corpus, doc_id, title, depth in zip(
            *(column.to_pylist() for column in batch.columns[1:]), strict=True
        ):
            parent = None if parent_id is None else nodes[parent_id]
            node = nodes[node_id] = Node(node_id, title, corpus, doc_id, depth, parent)
            if parent is not None:
                parent.children.append(node)
    return nodes


def _trees(inputs: Inputs, name: str, of: pa.Array[Any]) -> pa.Array[Any]:
    """The roots of some nodes."""
    batches = inputs.batches(name, columns="node_id, tree_id", rows=1 << 16)
    found = (batch.column("tree_id").filter(pc.is_in(batch.column("node_id"), of)) for batch in batches)
    return pa.concat_arrays([pa.nulls(0, pa.string()), *found]).unique()
