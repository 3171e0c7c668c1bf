"""Which nodes a stage recalls, and where: the SQL of the plan against the trees as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.structure.mindmap import small
from structdsl_runtime.text import stable
from tests.runtime.data.test_mindmap import table_of, trees
from tests.runtime.data.workshop import scpt_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from structdsl_runtime.structure.tree import Node
    from tests.runtime.data.workshop import Table


def targets(node: Node) -> list[Node]:
    """What is recalled where a node was visited: its tree where that is small, else its chapter and its section."""
    if small(node.root):
        return [node.root]
    chapter = int(node.root.depth <= 0)
    return node.line[chapter : chapter + 2]


@settings(max_examples=40)
@given(trees(), st.lists(st.tuples(st.integers(-9, 59), st.sampled_from("ab"), st.integers(1, 2)), max_size=40))
def test_each_pass_recalls_once_what_it_visited(nodes: list[Node], drawn: list[tuple[int, str, int]]) -> None:
    draw, links = [], []
    due: dict[tuple[str, int, str], int] = {}
    last: dict[tuple[str, int], int] = {}
    for position, (place, corpus, epoch) in enumerate(drawn):
        draw.append({"position": position, "sample_id": f"s{position}", "corpus": corpus, "epoch": epoch})
        if place < 0:  # on no node
            continue
        node = nodes[place % len(nodes)]
        links.append({"chunk_id": f"s{position}", "node_id": node.node_id})
        last[corpus, epoch] = position
        for target in targets(node):
            due.setdefault((corpus, epoch, target.node_id), position)
    expected = []
    for (corpus, epoch, node_id), first in due.items():
        lot = stable.number(7, epoch, node_id)
        expected.append((first + lot % (last[corpus, epoch] - first + 1), lot, epoch, corpus, node_id))
    pool = [{"sample_id": row["sample_id"], "chunk_id": row["sample_id"]} for row in draw]
    tables: dict[str, Table | pa.Table] = {"draw": draw, "pool": pool, "links": links, "nodes": table_of(nodes)}
    behind = {position: [f"s{position}"] for position in range(len(draw))}
    for after, *_, node_id in sorted(expected):
        behind[after].append(f"recall:{node_id}")
    rows = scpt_rows(tables, seed=7)
    assert [row["position"] for row in rows] == list(range(len(rows)))
    assert [row["sample_id"] for row in rows] == [sample for samples in behind.values() for sample in samples]
