"""Mind maps, byte for byte."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structdsl.plan import SMALL_TREE
from structdsl_runtime.structure.forest import Forest, forest_of
from structdsl_runtime.structure.mindmap import Maps, around, draw, path_only, siblings, small, views, whole
from structdsl_runtime.structure.recall import recall
from structdsl_runtime.structure.tree import Node


def walk(node: Node) -> list[Node]:
    """The node and all below it, in pre-order."""
    return [node, *(below for child in node.children for below in walk(child))]


def table_of(nodes: Sequence[Node]) -> pa.Table:
    columns = {name: [getattr(node, name) for node in nodes] for name in ("node_id", "title", "depth")}
    above = [node.parent and node.parent.node_id for node in nodes]
    places = dict.fromkeys(("corpus", "doc_id"), pa.nulls(len(nodes), pa.string()))
    columns["tree_id"] = [node.root.node_id for node in nodes]
    return pa.table({**columns, **places, "parent_id": pa.array(above, pa.string())})


def forest(nodes: Sequence[Node]) -> Forest:
    """Nodes as columns."""
    return forest_of(table_of(nodes))


def maps_of(node: Node) -> list[str]:
    trees = forest(walk(node.root))
    return list(Maps(trees, 10_000).of(trees.row[node.node_id]))


def tree(outline: str, depth: int = 0) -> dict[str, Node]:
    """Nodes by title (the last of that title) of an outline indented by one blank a level."""
    nodes: dict[str, Node] = {}
    trail: list[Node] = []
    for number, line in enumerate(textwrap.dedent(outline).strip("\n").split("\n")):
        level = len(line) - len(line.lstrip(" "))
        parent = trail[level - 1] if level else None
        node = Node(f"n{number}", line.strip(), depth=depth + level, parent=parent)
        if parent:
            parent.children.append(node)
        trail[level:] = [node]
        nodes[node.title] = node
    return nodes


FISH = "Fish keeping\n Water care\n  Testing\n  Changing\n Feeding\n  How often"


def test_the_example_of_the_paper() -> None:
    nodes = tree(FISH)
    assert draw(whole(nodes["Fish keeping"]), nodes["Changing"]) == (
        "Fish keeping\n├─ Water care\n│ ├─ Testing\n│ └─ **Changing**\n└─ Feeding\n  └─ How often"
    )


@pytest.mark.parametrize(
    ("outline", "target", "drawn"),
    [
        ("A", "A", "**A**"),
        ("A\n B", "B", "A\n└─ **B**"),
        ("A\n B\n  C\n   D\n    E\n F", "E", "A\n├─ B\n│ └─ C\n│   └─ D\n│     └─ **E**\n└─ F"),
        ("A\n B\n  C\n   D\n   E\n  F\n G", "E", "A\n├─ B\n│ ├─ C\n│ │ ├─ D\n│ │ └─ **E**\n│ └─ F\n└─ G"),
        ("魚\n 水 & 光\n Größe", "水 & 光", "魚\n├─ **水 & 光**\n└─ Größe"),
        ("A\n B\n B\n B\n C", "C", "A\n├─ B\n├─ B\n├─ B\n└─ **C**"),
        ("A\n B **b** c\n *d*", "*d*", "A\n├─ B *b* c\n└─ ***d***"),
    ],
)
def test_drawings(outline: str, target: str, drawn: str) -> None:
    nodes = tree(outline)
    root = nodes[target].root
    assert draw(whole(root), nodes[target]) == drawn


def test_the_target_is_a_node_and_no_title() -> None:
    nodes = tree("A\n B\n  x\n C\n  x")
    first = nodes["B"].children[0]
    assert draw(whole(nodes["A"]), first) == "A\n├─ B\n│ └─ **x**\n└─ C\n  └─ x"


def test_a_title_is_one_line() -> None:
    node = Node("n", "a\n b\t**c**")
    assert draw(whole(node), node) == "**a b *c***"


def book(chapters: int = 3, sections: int = 4, parts: int = 5) -> dict[str, Node]:
    lines = ["Book"]
    for chapter in range(chapters):
        lines.append(f" C{chapter}")
        for section in range(sections):
            lines.append(f"  S{chapter}{section}")
            lines.extend(f"   P{chapter}{section}{part}" for part in range(parts))
    return tree("\n".join(lines))


def test_a_book_is_shown_by_chapter() -> None:
    nodes = book()
    assert not small(nodes["Book"])
    assert draw(around(nodes["P122"]), nodes["P122"]) == (
        "Book\n└─ C1\n  ├─ S10\n  ├─ S11\n  ├─ S12\n  │ ├─ P120\n  │ ├─ P121\n  │ ├─ **P122**\n  │ ├─ P123\n"
        "  │ └─ P124\n  └─ S13"
    )
    assert draw(around(nodes["S10"]), nodes["S10"]).count("P1") == 5
    assert draw(around(nodes["C2"]), nodes["C2"]) == "Book\n└─ **C2**\n  ├─ S20\n  ├─ S21\n  ├─ S22\n  └─ S23"
    assert draw(around(nodes["Book"]), nodes["Book"]) == "**Book**\n├─ C0\n├─ C1\n└─ C2"


def test_a_chapter_of_its_own_shows_all_its_sections() -> None:
    nodes = tree("C\n S0\n  P0\n S1\n  P1", depth=1)
    assert draw(around(nodes["P1"]), nodes["P1"]) == "C\n├─ S0\n└─ S1\n  └─ **P1**"


def test_siblings_give_way_and_the_path_never() -> None:
    nodes = book(2, 9, 9)
    target = nodes["P144"]
    assert draw(around(target, 1), target) == (
        "Book\n└─ C1\n  ├─ …\n  ├─ S13\n  ├─ S14\n  │ ├─ …\n  │ ├─ P143\n  │ ├─ **P144**\n  │ ├─ P145\n  │ └─ …\n"
        "  ├─ S15\n  └─ …"
    )
    drawn = maps_of(target)
    assert all("**P144**" in text and "S14" in text and "C1" in text for text in drawn)
    sizes = [text.count("\n") for text in drawn]
    assert sizes == sorted(sizes, reverse=True)
    assert drawn[-1] == "Book\n└─ C1\n  └─ S14\n    └─ **P144**"


def test_a_small_tree_is_shown_whole() -> None:
    nodes = tree(FISH)
    target = nodes["Testing"]
    assert maps_of(target)[0] == draw(whole(target.root), target)


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Some trees, in an order in which only parents are before their children."""
    nodes: list[Node] = []
    below = st.tuples(st.integers(0, 80), st.sampled_from(["A", "A", "B b", "**", "* *", " ", ""]))
    roots = draw(st.integers(1, 3))
    for number, (place, title) in enumerate(draw(st.lists(below, min_size=roots, max_size=60))):
        parent = nodes[place % number] if number >= roots else None
        depth = place % 2 if parent is None else parent.depth + 1
        nodes.append(Node(f"n{number}", title, depth=depth, parent=parent))
        if parent is not None:
            parent.children.append(nodes[-1])
    return nodes


@given(trees())
def test_maps_are_the_drawings_of_the_views(nodes: list[Node]) -> None:
    maps = Maps(forest(nodes), 10_000)
    for target in (*nodes, *nodes):
        shown = [whole(target.root)] if target.root.size <= SMALL_TREE else []
        row = maps.forest.row[target.node_id]
        assert list(maps.of(row)) == [draw(view, target) for view in (*shown, *views(target, 10_000))]
        if target is target.root:
            assert maps.whole(row) == (draw(shown[0]) if shown else None)


@given(trees())
def test_a_forest_in_columns_is_the_forest(nodes: list[Node]) -> None:
    columns = forest(nodes)
    walked = [node for root in nodes if root.parent is None for node in walk(root)]
    assert columns.columns["node_id"].to_pylist() == [node.node_id for node in walked]
    rows = [columns.row[node.node_id] for node in walked]
    assert rows == list(range(len(nodes)))
    assert columns.above.tolist() == [-1 if node.parent is None else walked.index(node.parent) for node in walked]


def test_what_has_more_lines_than_a_sample_has_tokens_is_not_drawn() -> None:
    nodes = book(chapters=300, sections=1, parts=300)
    for target in (nodes["Book"], nodes["C7"], nodes["S70"], nodes["P7099"]):
        ways = {
            most: [draw(view, target) for view in views(target, most)]
            + [text for way in recall(target, most) for text in way if target is not target.root]
            for most in (200, 100_000)
        }
        assert all(text.count("\n") < 300 for text in ways[200])
        assert any(text.count("\n") >= 300 for text in ways[100_000])
        assert set(ways[200]) == {text for text in ways[100_000] if text.count("\n") < 299}


def test_the_paths_to_some_nodes() -> None:
    nodes = book()
    drawn = draw(path_only([nodes["P000"], nodes["S22"]]), nodes["S22"])
    assert drawn == "Book\n├─ C0\n│ └─ S00\n│   └─ P000\n└─ C2\n  └─ **S22**"


def test_a_contents_page() -> None:
    nodes = book()
    assert draw(siblings(nodes["C1"]), nodes["C1"]) == "Book\n├─ C0\n├─ **C1**\n└─ C2"
    assert draw(siblings(nodes["C1"], 0), nodes["C1"]) == "Book\n├─ …\n├─ **C1**\n└─ …"
    assert draw(siblings(nodes["Book"]), nodes["Book"]).startswith("**Book**\n├─ C0")
