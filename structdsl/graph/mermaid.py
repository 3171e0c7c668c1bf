"""A diagram as Mermaid text: what GitHub and many editors draw from a fenced `mermaid` block."""

from __future__ import annotations

import json

from structdsl.graph.diagram import Carries, Diagram, Node
from structdsl.graph.palette import PALETTE

ARROWS: dict[Carries, str] = {"rows": "-->", "weights": "==>", "teacher": "-.->", "tokenizer": "-.->"}


def mermaid(diagram: Diagram) -> str:
    """A flow chart from left to right, its boxes grouped by kind."""
    names = {node.id: f"n{index}" for index, node in enumerate(diagram.nodes)}
    lines = ["---", f"title: {_front(diagram.title)}", "---", "flowchart LR"]
    kinds = dict.fromkeys(node.kind for node in diagram.nodes)
    lines += [f'  {names[node.id]}["{_words(node)}"]:::{node.kind}' for node in diagram.nodes]
    for edge in diagram.edges:
        label = f'|"{escape(edge.label)}"|' if edge.label else ""
        lines.append(f"  {names[edge.source]} {ARROWS[edge.carries]}{label} {names[edge.target]}")
    for kind in kinds:
        colours = PALETTE.get(kind, PALETTE["check"])
        lines.append(
            f"  classDef {kind} fill:{colours.light.fill},stroke:{colours.light.line},color:{colours.light.ink}"
        )
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text inside double quotes: entities in the spelling of Mermaid, where `#` opens one; one line."""
    named = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "&": "#amp;"}
    return "".join(named.get(character, character) for character in " ".join(text.split()))


def _words(node: Node) -> str:
    head = " · ".join(filter(None, (node.kind, node.role)))
    facts = [f"<small>{escape(fact)}</small>" for fact in node.facts]
    return "<br/>".join([f"<small>{escape(head)}</small>", f"<b>{escape(node.name)}</b>", *facts])


def _front(text: str) -> str:
    """A string of YAML."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
