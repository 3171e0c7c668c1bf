"""A diagram as one SVG file: no script, no font, no reference; colours follow the page, light or dark."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from structdsl.graph.diagram import Diagram, Node
from structdsl.graph.layout import Box, Layout, Point, Route, Size, layout
from structdsl.graph.palette import PALETTE, Colours, Tone

MARGIN = 28.0
HEADING = 50.0  # title and subtitle
PADDING = 14.0  # left and right of the words of a box
NAME, SMALL = 7.9, 6.3  # width of a character of a name (13px) and of a small line (10.5px), both monospaced
LABEL = 6.0  # of a label of an arrow (10px)
HEAD = 7.0  # length of an arrow head

XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

Rectangle = tuple[float, float, float, float]


def svg(diagram: Diagram) -> str:
    """The text of the file; the same diagram gives the same bytes."""
    sizes = {node.id: _size(node) for node in diagram.nodes}
    longest = max((_cells(edge.label) for edge in diagram.edges), default=0)
    placed = layout(diagram, sizes, gap=max(64.0, longest * LABEL + 52.0))
    heading = max(_cells(diagram.title) * 9.4, _cells(diagram.subtitle) * SMALL)
    width = max(placed.width, heading) + 2 * MARGIN
    height = placed.height + HEADING + 2 * MARGIN
    kinds = dict.fromkeys(node.kind for node in diagram.nodes)
    lines = [
        f'<svg {XMLNS} role="img" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}">',
        f"<title>{escape(diagram.title)}: {escape(diagram.subtitle)}</title>",
        f"<style>{_style(list(kinds))}</style>",
        '<rect class="page" width="100%" height="100%" rx="8"/>',
        f'<text class="title" x="{_n(MARGIN)}" y="{_n(MARGIN + 14)}">{escape(diagram.title)}</text>',
        f'<text class="small" x="{_n(MARGIN)}" y="{_n(MARGIN + 32)}">{escape(diagram.subtitle)}</text>',
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + HEADING)})">',
        *(_arrow(route) for route in placed.routes),
        *(_box(node, placed.boxes[node.id]) for node in diagram.nodes),
        *_labels(placed),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _size(node: Node) -> Size:
    width = max(_cells(node.name) * NAME, _cells(_kicker(node)) * SMALL, *(_cells(f) * SMALL for f in node.facts), 72.0)
    return round(width + 2 * PADDING), 46.0 + 15.0 * len(node.facts)


def _kicker(node: Node) -> str:
    return " · ".join(filter(None, (node.kind, node.role)))


def _box(node: Node, box: Box) -> str:
    tooltip = "\n".join(filter(None, (node.id, node.doc)))
    x = box.x + PADDING
    facts = "".join(
        f'<text class="small" x="{_n(x)}" y="{_n(box.y + 53 + 15 * place)}">{escape(fact)}</text>'
        for place, fact in enumerate(node.facts)
    )
    return (
        f'<g class="{escape(node.kind)}"><title>{escape(tooltip)}</title>'
        f'<rect class="box" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="7"/>'
        f'<text class="kind" x="{_n(x)}" y="{_n(box.y + 18)}">{escape(_kicker(node))}</text>'
        f'<text class="name" x="{_n(x)}" y="{_n(box.y + 36)}">{escape(node.name)}</text>{facts}</g>'
    )


def _arrow(route: Route) -> str:
    """A smooth line through the points, and its head; it arrives level, from the left unless it was turned round."""
    (x, y), points = route.points[-1], list(route.points)
    back = HEAD if points[0][0] <= x else -HEAD
    points[-1] = (x - back, y)
    path = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        path += f"L{_n(x1)} {_n(y1)}" if y0 == y1 else f"C{_n(middle)} {_n(y0)} {_n(middle)} {_n(y1)} {_n(x1)} {_n(y1)}"
    head = f"M{_n(x)} {_n(y)}L{_n(x - back)} {_n(y - 3.6)}L{_n(x - back)} {_n(y + 3.6)}Z"
    words = " · ".join(filter(None, (f"{route.edge.source} → {route.edge.target}", route.edge.label, route.edge.doc)))
    kind = route.edge.source.partition(".")[0]
    return (
        f'<g class="from-{escape(kind)} {route.edge.carries}"><title>{escape(words)}</title>'
        f'<path class="line" d="{path}"/><path class="head" d="{head}"/></g>'
    )


def _labels(placed: Layout) -> Iterator[str]:
    """The words of the arrows, each where its arrow has room for it."""
    taken = [(box.x - 2, box.y - 2, box.x + box.width + 2, box.y + box.height + 2) for box in placed.boxes.values()]
    for route in placed.routes:
        if not route.edge.label:
            continue
        half = _cells(route.edge.label) * LABEL / 2 + 3
        spots = [(x, y, (x - half, y - 7, x + half, y + 7)) for x, y in _spots(route)]
        x, y, around = min(spots, key=lambda spot: sum(_overlap(spot[2], other) for other in taken))
        taken.append(around)
        yield f'<text class="label" x="{_n(x)}" y="{_n(y + 3.4)}">{escape(route.edge.label)}</text>'


def _spots(route: Route) -> Iterator[Point]:
    """Points of the way between columns, the best first: the middle of the last stretch, then further off."""
    stretches = list(pairwise(route.points))[::2][::-1]
    for (x0, y0), (x1, y1) in stretches:
        for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74):
            eased = 3 * t * t * (1 - t) + t * t * t
            across = 1.5 * t * (1 - t) + t * t * t  # x of a cubic whose handles stand in the middle
            yield x0 + (x1 - x0) * across, y0 + (y1 - y0) * eased


def _overlap(a: Rectangle, b: Rectangle) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _cells(text: str) -> int:
    """How many characters of a monospaced font a text is wide."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _style(kinds: list[str]) -> str:
    fixed = (
        f"text{{font-family:{MONO};font-size:10.5px}}"
        ".title{font-size:15px;font-weight:700}.name{font-size:13px;font-weight:600}.label{font-size:10px;text-anchor:middle;"
        "paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
        ".box{stroke-width:1.2}.line{fill:none;stroke-width:1.4}.weights .line{stroke-width:2.4}"
        ".teacher .line{stroke-dasharray:6 4}.tokenizer .line{stroke-dasharray:1.5 3.5}"
    )
    light, dark = _theme(kinds, dark=False), _theme(kinds, dark=True)
    return f"{fixed}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _theme(kinds: list[str], *, dark: bool) -> str:
    page, ink, faint = ("#0d1117", "#e8edf3", "#9aa6b4") if dark else ("#fff", "#171c24", "#5b6675")
    rules = f".page{{fill:{page}}}.title,.name{{fill:{ink}}}.small{{fill:{faint}}}.label{{fill:{ink};stroke:{page}}}"
    for kind in kinds:
        tone = _tone(PALETTE.get(kind, PALETTE["check"]), dark=dark)
        rules += f".{kind} .box{{fill:{tone.fill};stroke:{tone.line}}}.{kind} .kind{{fill:{tone.ink}}}"
        rules += f".from-{kind} .line{{stroke:{tone.line}}}.from-{kind} .head{{fill:{tone.line}}}"
    return rules


def _tone(colours: Colours, *, dark: bool) -> Tone:
    return colours.dark if dark else colours.light


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML, even as an entity


def escape(text: str) -> str:
    """Text of an element or an attribute."""
    return html.escape(_FORBIDDEN.sub("\ufffd", text))


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
