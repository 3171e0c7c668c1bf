"""Pictures hold whatever is drawn: boxes apart, arrows from box to box, the same bytes every time."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.compile import compile_unit
from structdsl.graph.blocks import block_diagram, shares
from structdsl.graph.diagram import KINDS, Diagram, Edge, Node
from structdsl.graph.layout import Box, layout
from structdsl.graph.mermaid import mermaid
from structdsl.graph.svg import svg
from structdsl.graph.training import training_diagram

NAMES = st.text(min_size=1, max_size=24)
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Any boxes and any arrows between two of them, circles included."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=14))
    nodes = tuple(
        Node(
            id=f"{kind}.{index}{draw(NAMES)}",
            kind=kind,
            role=draw(st.text(max_size=9)),
            facts=tuple(draw(st.lists(NAMES, max_size=2))),
        )
        for index, kind in enumerate(kinds)
    )
    pairs = [(a.id, b.id) for a in nodes for b in nodes if a is not b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []
    edges = tuple(Edge(source=a, target=b, label=draw(st.sampled_from(["", "33.3%", "rest <&>"]))) for a, b in chosen)
    return Diagram(title=draw(NAMES), subtitle="drawn by chance", nodes=nodes, edges=edges)


def apart(a: Box, b: Box, room: float) -> bool:
    return (
        a.x + a.width + room <= b.x
        or b.x + b.width + room <= a.x
        or a.y + a.height + room <= b.y
        or b.y + b.height + room <= a.y
    )


def on_a_side(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    return (abs(x - box.x) < 0.01 or abs(x - box.x - box.width) < 0.01) and box.y <= y <= box.y + box.height


@settings(max_examples=60)
@given(diagrams())
def test_boxes_stand_apart_and_arrows_join_them(diagram: Diagram) -> None:
    placed = layout(diagram, {node.id: (100.0 + len(node.id), 46.0) for node in diagram.nodes}, gap=64)
    assert set(placed.boxes) == {node.id for node in diagram.nodes}
    assert all(apart(a, b, 8) for a, b in combinations(placed.boxes.values(), 2))
    assert [route.edge for route in placed.routes] == list(diagram.edges)
    for route in placed.routes:
        assert on_a_side(route.points[0], placed.boxes[route.edge.source])
        assert on_a_side(route.points[-1], placed.boxes[route.edge.target])
        for x, y in route.points:
            assert -0.01 <= x <= placed.width + 0.01
            assert -0.01 <= y <= placed.height + 0.01


@settings(max_examples=40)
@given(diagrams())
def test_arrows_go_round_the_boxes(diagram: Diagram) -> None:
    """In the columns an arrow is level, and no box stands there."""
    placed = layout(diagram, {node.id: (100.0, 46.0) for node in diagram.nodes}, gap=64)
    for route in placed.routes:
        for (x0, y0), (x1, y1) in zip(route.points[1:-1:2], route.points[2:-1:2], strict=True):
            assert y0 == y1
            low, high = sorted((x0, x1))
            hit = [b for b in placed.boxes.values() if b.x < high and low < b.x + b.width and b.y < y0 < b.y + b.height]
            assert not hit


@settings(max_examples=40)
@given(diagrams())
def test_an_svg_is_well_formed_whatever_the_names(diagram: Diagram) -> None:
    text = svg(diagram)
    assert text == svg(diagram)
    root = ET.fromstring(text)
    assert len(root.findall(f".//{SVG}rect[@class='box']")) == len(diagram.nodes)
    assert len(root.findall(f".//{SVG}path[@class='head']")) == len(diagram.edges)


@settings(max_examples=40)
@given(diagrams())
def test_mermaid_has_a_line_for_everything_and_no_stray_quote(diagram: Diagram) -> None:
    lines = mermaid(diagram).splitlines()
    assert lines[3] == "flowchart LR"
    assert sum(bool(re.fullmatch(r'  n\d+\["[^"\n]*"\]:::\w+', line)) for line in lines) == len(diagram.nodes)
    arrows = [line for line in lines if re.fullmatch(r'  n\d+ (-->|==>|-\.->)(\|"[^"\n]*"\|)? n\d+', line)]
    assert len(arrows) == len(diagram.edges)


def test_the_quickstart(quickstart: Path, spec_text: str) -> None:
    unit, _ = compile_unit(spec_text, quickstart / "quickstart.adapt")
    assert unit.plan is not None
    blocks = block_diagram(unit.plan, shares(unit))
    assert {node.id: node.role for node in blocks.nodes if node.kind == "stage"} == {
        "stage.base": "cpt",
        "stage.learn": "scpt",
        "stage.answer": "ssft",
    }
    labels = {(edge.source, edge.target): edge.label for edge in blocks.edges}
    assert labels["corpus.textbook", "mixture.knowledge"] == "65%"
    assert labels["corpus.questions", "mixture.knowledge"] == "10%"  # the rest
    assert ("model.tiny", "corpus.general") not in labels  # which only counts its tokens
    training = training_diagram(unit.plan)
    assert [(e.source, e.target, e.label) for e in training.edges if e.carries == "weights"] == [
        ("model.tiny", "stage.base", "from"),
        ("stage.base", "stage.learn", "from"),
        ("stage.learn", "stage.answer", "from"),
    ]
    assert training.nodes[-1].facts == ("1 process · ZeRO-0", "4 × 384 tokens a step")


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ((), "---"),
        (("--training",), "---"),
        (("--format", "svg"), "<svg "),
        (("--training", "--format", "svg"), "<svg "),
    ],
    ids=" ".join,
)
def test_the_command_writes_the_same_again(quickstart: Path, options: tuple[str, ...], first: str) -> None:
    command = [sys.executable, "-m", "structdsl", "graph", str(quickstart / "quickstart.adapt"), *options]
    texts = {subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)}
    assert len(texts) == 1
    assert texts.pop().decode().startswith(first)


def test_the_name_of_the_file_says_the_format(quickstart: Path, tmp_path: Path) -> None:
    out = tmp_path / "blocks.svg"
    command = [sys.executable, "-m", "structdsl", "graph", str(quickstart / "quickstart.adapt"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "15 boxes" in done.stdout
    assert ET.fromstring(out.read_text(encoding="utf-8")).tag == f"{SVG}svg"
