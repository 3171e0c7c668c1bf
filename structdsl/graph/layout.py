"""Places for boxes and ways for arrows: a layered drawing from left to right, the same on every machine.

Four steps, after Sugiyama, Tagawa and Toda (1981): longest paths give every node a column; an arrow across several
columns gets a bend in each; sweeps of barycentres order the columns; heights are the least-squares fit to those of
the neighbours that keeps this order and the gaps, found by pooling (as in isotonic regression). Long arrows and the
chain of stages pull hardest, so that they come out straight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from structdsl.graph.diagram import Diagram, Edge

GAP = 18.0  # between two boxes of a column
BEND_GAP = 9.0  # around an arrow that passes a column
SWEEPS = 24
STRAIGHT = (1.0, 2.0, 30.0)  # how hard a stretch of an arrow pulls, by its number of bends
CHAIN = 3.0  # times that for an arrow that carries weights

Size = tuple[float, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a node stands: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way of an arrow: it leaves at the first point, arrives at the last, and is level wherever it has a point."""

    edge: Edge
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    boxes: dict[str, Box]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(slots=True)
class _Item:
    """A node, or a bend of an arrow, in its column."""

    key: str
    rank: int
    height: float
    bend: bool
    y: float = 0.0  # of its centre


def layout(diagram: Diagram, sizes: dict[str, Size], gap: float) -> Layout:
    """Places for nodes of these sizes; `gap` is the least room between two columns."""
    forward = _forward(diagram)
    ranks = _ranks(diagram, forward)
    columns, chains = _columns(diagram, forward, ranks, sizes)
    links = [
        _Link(
            left=left, right=right, pull=STRAIGHT[left.bend + right.bend] * (CHAIN if edge.carries == "weights" else 1)
        )
        for edge, chain in zip(diagram.edges, chains, strict=True)
        for left, right in pairwise(chain)
    ]
    _order(columns, links)
    _heights(columns, links)
    return _placed(columns, chains, forward, diagram, sizes, gap)


def _forward(diagram: Diagram) -> list[tuple[str, str, bool]]:
    """Every edge as (left, right, turned): one that would close a circle is turned round."""
    after: dict[str, list[str]] = {node.id: [] for node in diagram.nodes}
    for edge in diagram.edges:
        after[edge.source].append(edge.target)
    done: set[str] = set()
    turned: set[tuple[str, str]] = set()
    for start in after:
        open_: dict[str, None] = {}
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            at, leaving = stack.pop()
            if leaving:
                del open_[at]
                done.add(at)
                continue
            if at in done or at in open_:
                continue
            open_[at] = None
            stack.append((at, True))
            for next_ in reversed(after[at]):
                if next_ in open_:
                    turned.add((at, next_))
                elif next_ not in done:
                    stack.append((next_, False))
    return [
        (edge.target, edge.source, True) if (edge.source, edge.target) in turned else (edge.source, edge.target, False)
        for edge in diagram.edges
    ]


def _ranks(diagram: Diagram, edges: Iterable[tuple[str, str, bool]]) -> dict[str, int]:
    """The column of each node: the longest path to it; what nothing leads to stands just before its first reader.

    But for the inlet: it stays at the left edge, where the eye looks for what comes in.
    """
    nodes = [node.id for node in diagram.nodes]
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for left, right, _ in edges:
        before[right].append(left)
        after[left].append(right)
    ranks: dict[str, int] = {}
    waiting = {node: len(before[node]) for node in nodes}
    ready = [node for node in nodes if not waiting[node]]
    while ready:
        node = ready.pop(0)
        ranks[node] = max((ranks[left] + 1 for left in before[node]), default=0)
        for right in after[node]:
            waiting[right] -= 1
            if not waiting[right]:
                ready.append(right)
    free = [node.id for node in diagram.nodes if node.kind != diagram.inlet and not before[node.id] and after[node.id]]
    return ranks | {node: min(ranks[right] for right in after[node]) - 1 for node in free}


def _columns(
    diagram: Diagram, edges: list[tuple[str, str, bool]], ranks: dict[str, int], sizes: dict[str, Size]
) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """Items column by column, and for each edge the items that it joins, ends included."""
    items = {
        node.id: _Item(key=node.id, rank=ranks[node.id], height=sizes[node.id][1], bend=False) for node in diagram.nodes
    }
    columns: list[list[_Item]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for item in items.values():
        columns[item.rank].append(item)
    chains = []
    for number, (left, right, _) in enumerate(edges):
        chain = [items[left]]
        for rank in range(ranks[left] + 1, ranks[right]):
            bend = _Item(key=f"{number}", rank=rank, height=0.0, bend=True)
            columns[rank].append(bend)
            chain.append(bend)
        chains.append([*chain, items[right]])
    return columns, chains


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """A stretch of an arrow from one column to the next."""

    left: _Item
    right: _Item
    pull: float


Links = list[_Link]


def _order(columns: list[list[_Item]], links: Links) -> None:
    """Order each column by the barycentres of its neighbours, to and fro; the order with the fewest crossings stays."""
    left, right = _neighbours(columns, links)
    best, fewest = [list(column) for column in columns], _crossings(columns, links)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        near = left if forth else right
        for column in columns if forth else columns[::-1]:
            places = {id(item): float(place) for other in columns for place, item in enumerate(other)}
            centres = {
                id(item): _mean([(places[id(other)], 1.0) for other, _ in near[id(item)]], places[id(item)])
                for item in column
            }
            column.sort(key=lambda item: centres[id(item)])
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    columns[:] = best


Neighbours = dict[int, list[tuple[_Item, float]]]


def _neighbours(columns: list[list[_Item]], links: Links) -> tuple[Neighbours, Neighbours]:
    """For each item those left of it and those right of it, with how hard they pull."""
    left: Neighbours = {id(item): [] for column in columns for item in column}
    right: Neighbours = {id(item): [] for column in columns for item in column}
    for link in links:
        left[id(link.right)].append((link.left, link.pull))
        right[id(link.left)].append((link.right, link.pull))
    return left, right


def _mean(values: Sequence[tuple[float, float]], default: float) -> float:
    """The mean of values with weights."""
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values) if values else default


def _crossings(columns: list[list[_Item]], links: Links) -> int:
    places = {id(item): place for column in columns for place, item in enumerate(column)}
    pairs: dict[int, list[tuple[int, int]]] = {}
    for link in links:
        pairs.setdefault(link.left.rank, []).append((places[id(link.left)], places[id(link.right)]))
    return sum(
        (a - c) * (b - d) < 0 for found in pairs.values() for i, (a, b) in enumerate(found) for c, d in found[:i]
    )


def _heights(columns: list[list[_Item]], links: Links) -> None:
    """Bring every item as near to its neighbours as the order of its column allows."""
    left, right = _neighbours(columns, links)
    for column in columns:
        _settle(column, [(0.0, 1.0)] * len(column))
    for sweep in range(10 * SWEEPS):
        forth = sweep % 2 == 0
        sides = (left, right) if sweep >= SWEEPS else (left,) if forth else (right,)
        for column in columns if forth else columns[::-1]:
            wanted = []
            for item in column:
                near = [pair for side in sides for pair in side[id(item)]]
                height = _mean([(other.y, pull) for other, pull in near], item.y)
                wanted.append((height, sum(pull for _, pull in near) or 0.1))
            _settle(column, wanted)


def _settle(column: list[_Item], wanted: list[tuple[float, float]]) -> None:
    """Centres nearest to those wanted, each with its weight, in the order of the column and without overlaps.

    Less the room that everything above takes, centres must not decrease: neighbours that would are pooled at the mean.
    """
    offsets, top = [], 0.0
    for above, item in zip([None, *column], column, strict=False):
        if above is not None:
            top += above.height / 2 + (BEND_GAP if above.bend or item.bend else GAP) + item.height / 2
        offsets.append(top)
    pools: list[list[float]] = []  # [weighted sum, weight, items]
    for (want, weight), offset in zip(wanted, offsets, strict=True):
        pools.append([weight * (want - offset), weight, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    levels = [pool[0] / pool[1] for pool in pools for _ in range(int(pool[2]))]
    for item, level, offset in zip(column, levels, offsets, strict=True):
        item.y = level + offset


def _placed(
    columns: list[list[_Item]],
    chains: list[list[_Item]],
    edges: list[tuple[str, str, bool]],
    diagram: Diagram,
    sizes: dict[str, Size],
    gap: float,
) -> Layout:
    """The finished drawing, its upper left corner at the origin."""
    everything = [item for column in columns for item in column]
    top = min((item.y - item.height / 2 for item in everything), default=0.0)
    bottom = max((item.y + item.height / 2 for item in everything), default=0.0)
    starts, widths, x = [], [], 0.0
    for rank, column in enumerate(columns):
        width = max((sizes[item.key][0] for item in column if not item.bend), default=0.0)
        busy = sum(a.rank == rank for chain in chains for a, _ in pairwise(chain))
        starts.append(x)
        widths.append(width)
        x += width + max(gap, min(2 * gap, 40.0 + 8 * busy))
    right = max((start + width for start, width in zip(starts, widths, strict=True)), default=0.0)
    boxes = {
        item.key: Box(
            x=starts[item.rank], y=item.y - item.height / 2 - top, width=widths[item.rank], height=item.height
        )
        for item in everything
        if not item.bend
    }
    exits, entries = _ports(chains, leave=True), _ports(chains, leave=False)
    routes = []
    for number, (chain, (_, _, turned)) in enumerate(zip(chains, edges, strict=True)):
        first, *bends, last = chain
        points = [(starts[first.rank] + widths[first.rank], exits[number] - top)]
        for bend in bends:
            points += [
                (starts[bend.rank], bend.y - top),
                (starts[bend.rank] + widths[bend.rank], bend.y - top),
            ]
        points.append((starts[last.rank], entries[number] - top))
        routes.append(Route(edge=diagram.edges[number], points=tuple(points[::-1] if turned else points)))
    return Layout(boxes=boxes, routes=tuple(routes), width=right, height=bottom - top)


def _ports(chains: list[list[_Item]], *, leave: bool) -> list[float]:
    """The height at which each arrow leaves, or enters, its box: side by side, in the order of their other ends."""
    sides: dict[int, list[int]] = {}
    for number, chain in enumerate(chains):
        sides.setdefault(id(chain[0] if leave else chain[-1]), []).append(number)
    heights = [0.0] * len(chains)
    for numbers in sides.values():
        item = chains[numbers[0]][0 if leave else -1]
        numbers.sort(key=lambda number: (chains[number][1 if leave else -2].y, number))
        step = min(11.0, (item.height - 16) / max(len(numbers) - 1, 1))
        for place, number in enumerate(numbers):
            heights[number] = item.y + step * (place - (len(numbers) - 1) / 2)
    return heights
