"""The taxonomy in memory: nodes with their children, in the order of the documents.

Levels have the names that books give them. A tree with a root of depth 0 is a *book*: its children are chapters, theirs
are sections. Where the root is itself a heading, the tree is one chapter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    place: int = field(init=False, repr=False)  # among its siblings, to which it is added next

    def __post_init__(self) -> None:
        self.place = 0 if self.parent is None else len(self.parent.children)
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
    def levels(self) -> list[int]:
        """How many nodes there are at each level from this one down."""
        counts, level = [1], self.children
        while level:
            counts.append(len(level))
            level = [child for node in level for child in node.children]
        return counts


def read_nodes(inputs: Inputs, name: str) -> dict[str, Node]:
    """All nodes by id, linked to their parents and children."""
    nodes: dict[str, Node] = {}
    for batch in inputs.batches(name, columns=COLUMNS, order="position"):
        for node_id, parent_id, corpus, doc_id, title, depth in zip(
            *(column.to_pylist() for column in batch.columns), strict=True
        ):
            parent = None if parent_id is None else nodes[parent_id]
            node = nodes[node_id] = Node(node_id, title, corpus, doc_id, depth, parent)
            if parent is not None:
                parent.children.append(node)
    return nodes
