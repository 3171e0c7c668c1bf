r"""Mind maps: what is shown of a tree, and the characters it is drawn with.

    Fish keeping
    ├─ Water care
    │ ├─ Testing
    │ └─ **Changing**
    └─ Feeding
      └─ How often

A *view* is the tree that is drawn: nodes chosen from the taxonomy, the target among them, and ellipses for siblings
that are left out. A small tree is shown whole; of a book, the chapter of the target with its sections, and under the
section of the target its subsections. A view can be narrowed, siblings farthest from the target first, down to the path
alone; the target and its ancestors are never cut.

A view of more lines than a sample may have tokens is never made, for a line takes one at least: a chapter, or a corpus
that is one tree, may have a hundred thousand children.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final, NamedTuple

import numpy as np

from structdsl.plan import SMALL_TREE
from structdsl_runtime.structure.forest import Forest
from structdsl_runtime.structure.tree import Node

BRANCH: Final = "├─ "
LAST: Final = "└─ "
CONTINUED: Final = "│ "
BLANK: Final = "  "
GLYPHS: Final = (BRANCH, LAST, CONTINUED)
ELLIPSIS: Final = "…"

WINDOWS: Final = (64, 32, 16, 8, 4, 2, 1, 0)  # siblings kept on each side of the path, tried in turn
_NARROW: Final = 2 * WINDOWS[0] + 1  # lines that are not too many to be tried, whatever a sample may have
REMEMBERED: Final = 1 << 14  # nodes of large trees whose maps are remembered
LONGEST: Final = 1 << 13  # characters of a map that is remembered: not all of a chapter of thousands of sections


class View(NamedTuple):
    """A line of a mind map and the lines below it; `node` is None for an ellipsis."""

    node: Node | None
    below: tuple[View, ...] = ()


def draw(view: View, target: Node | None = None) -> str:
    """The mind map as text, no newline at its end; the target stands between `**`."""
    return "\n".join(_lines(view, target))


def small(root: Node) -> bool:
    """Whether a tree is shown whole."""
    return root.size <= SMALL_TREE


def is_tried(lines: int, most: int) -> bool:
    """Whether a view of so many lines may fit into a sample that has at `most` so many tokens."""
    return lines <= max(most, _NARROW)


def views(target: Node, most: int) -> Iterator[View]:
    """What may be shown around a node where its tree is not shown whole, the widest first and the bare path last."""
    line, chapter = target.line, target.chapter
    groups = (1 if child is chapter else len(parent.children) for parent, child in pairwise(line))
    if is_tried(1 + sum(groups) + len(target.children), most):
        yield around(target)
    for window in WINDOWS:
        yield around(target, window)
    yield path_only([target])


class Maps:
    """Maps around the nodes of a forest, which are known by their rows; the widest is soon drawn.

    A small tree is drawn once, line by line, for all of its nodes; what is widest around another node is remembered.
    """

    def __init__(self, forest: Forest, most: int) -> None:
        """For samples of at `most` so many tokens."""
        self.forest = forest
        self.most = most
        self.titles = [clean(title) for title in forest.columns["title"].to_pylist()]
        self._lines = _lines_of_all(forest, self.titles)
        self._root, self._size = forest.root.tolist(), forest.size.tolist()
        self._around: dict[int, str] = {}

    def of(self, row: int) -> Iterator[str]:
        """The maps of a node, the widest first."""
        yield self.widest(row)
        node = self.forest.node(row)
        yield from (draw(view, node) for view in islice(views(node, self.most), 0 if small(node.root) else 1, None))

    def widest(self, row: int) -> str:
        root = self._root[row]
        end = root + self._size[root]
        if end - root <= SMALL_TREE:
            title = self.titles[row]
            marked = f"{self._lines[row].removesuffix(title)}**{title}**"
            return "\n".join((*self._lines[root:row], marked, *self._lines[row + 1 : end]))
        found = self._around.get(row)
        if found is None:
            node = self.forest.node(row)
            found = draw(next(views(node, self.most)), node)
            self._around = self._around if len(self._around) < REMEMBERED else {}
            if len(found) <= LONGEST:
                self._around[row] = found
        return found

    def whole(self, root: int) -> str | None:
        """The map of a small tree, none of its nodes marked; none of another tree."""
        size = self._size[root]
        return "\n".join(self._lines[root : root + size]) if size <= SMALL_TREE else None


def whole(node: Node, levels: int | None = None) -> View:
    """A node and what is below it, at most `levels` deep."""
    if levels == 0:
        return View(node)
    return View(node, tuple([whole(child, None if levels is None else levels - 1) for child in node.children]))


def around(target: Node, window: int | None = None) -> View:
    """The path to the target, the siblings of each of its nodes below the book, and what is right below the target."""
    line, chapter = target.line, target.chapter
    view = View(target, _window(target.children, None, window))
    for parent, child in zip(line[-2::-1], line[:0:-1], strict=True):
        view = View(parent, (view,) if child is chapter else _window(parent.children, view, window))
    return view


def siblings(target: Node, window: int | None = None) -> View:
    """The parent of the target and its children, nothing below them: the contents page of a book or a chapter."""
    if target.parent is None:
        return View(target, _window(target.children, None, window))
    return View(target.parent, _window(target.parent.children, View(target), window))


def first_children(node: Node, window: int) -> View:
    """A node, its first children, and an ellipsis for the others."""
    return View(node, _window(node.children, None, window))


def path_only(targets: Sequence[Node]) -> View:
    """The sub-tree of just the paths to some nodes of one tree."""
    below: dict[Node, set[Node]] = {}
    for target in targets:
        for parent, child in pairwise(target.line):
            below.setdefault(parent, set()).add(child)

    def kept(node: Node) -> View:
        return View(node, tuple(map(kept, sorted(below.get(node, ()), key=lambda child: child.place))))

    return kept(targets[0].root)


@lru_cache(maxsize=1 << 16)
def clean(title: str) -> str:
    """A title on one line, in which nothing reads as the mark of the target."""
    line = " ".join(title.split())
    while "**" in line:
        line = line.replace("**", "*")
    return line


def _window(nodes: Sequence[Node], at: View | None, window: int | None) -> tuple[View, ...]:
    """Siblings, one of them as the view that there is of it; those within `window` of that (of the first where there is
    none), ellipses for the rest.
    """
    here = at.node.place if at is not None and at.node is not None else None
    first, last = 0, len(nodes)
    if window is not None:
        first = 0 if here is None else max(0, here - window)
        last = min(last, window if here is None else here + window + 1)
    group = list(map(View, nodes[first:last]))
    if at is not None and here is not None:
        group[here - first] = at
    rest = View(None)
    before, after = (rest,) if first > 0 else (), (rest,) if last < len(nodes) else ()
    return (*before, *group, *after)


def _lines(view: View, target: Node | None) -> list[str]:
    lines: list[str] = []

    def add(view: View, head: str, indent: str) -> None:
        title = ELLIPSIS if view.node is None else clean(view.node.title)
        lines.append(head + (f"**{title}**" if view.node is not None and view.node is target else title))
        for number, child in enumerate(view.below, start=1):
            last = number == len(view.below)
            add(child, indent + (LAST if last else BRANCH), indent + (BLANK if last else CONTINUED))

    add(view, "", "")
    return lines


def _lines_of_all(forest: Forest, titles: Sequence[str]) -> list[str]:
    """The line of each node where its tree is shown whole."""
    last = np.zeros(len(forest) + 1, np.int64)  # child of each node
    rows = np.arange(len(forest))
    last[forest.above] = rows
    lines: list[str] = []
    indents: list[str] = []  # of what is below each
    closes = (last[forest.above] == rows).tolist()
    for above, title, is_last in zip(forest.above.tolist(), titles, closes, strict=True):
        indent = "" if above < 0 else indents[above]
        lines.append(title if above < 0 else indent + (LAST if is_last else BRANCH) + title)
        indents.append("" if above < 0 else indent + (BLANK if is_last else CONTINUED))
    return lines
