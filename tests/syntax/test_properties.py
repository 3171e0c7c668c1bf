"""Whatever the text, `parse` returns; and what it returns is true of the text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.diagnostics import Sink, render
from structdsl.syntax import parse, parse_value
from structdsl.syntax.source import Source
from structdsl.syntax.tree import File, Keyword, Name, Quantity, Reference, Span, Text

SPECS = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "specs").glob("*.adapt"))]
PIECES = [
    *(
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "=",
        '"',
        '"""',
        'r"',
        "'",
        "#",
        "##",
        "//",
        "/*",
        ";",
        "@",
        ".",
        "+",
        "-",
        "*",
    ),
    *("\n", "\r\n", "\t", " ", "  ", "\\", "$", "${", "%", "é", "日", "\N{NO-BREAK SPACE}", "“", "\x00", "\ufeff"),
    *(
        "language",
        "language 1\n",
        "import",
        "as",
        "extends",
        "param",
        "sql",
        "true",
        "none",
        "rest",
        "corpus a {",
        "5",
        "5M",
        "1.5h",
    ),
    *("x = 1", "x: y", "a.b", "a b {", "}\n", "]\n", "@allow(", 'sql "x"', "=\n", "- x\n", "5m", ".5", "30 %"),
]


def check(text: str) -> File:
    """Parse, render every message, and compare the spans of the tree with the text."""
    source = Source(Path("test.adapt"), text)
    sink = Sink()
    file = parse(source, sink)
    for style in ("full", "concise", "json"):
        render(sink, style=style)
    parse_value(source, Sink())
    data = source.data
    for node in nodes(file):
        span = node.span
        assert 0 <= span.start <= span.end, node
        there = data[span.start : span.end].decode(errors="replace")
        if sink.failed:
            continue
        match node:
            case Name() | Keyword():
                assert there == node.text
            case Reference():
                assert "".join(there.split()) == str(node)
            case Quantity():
                assert there.replace("_", "").startswith(node.number + node.suffix)
                assert there.endswith(node.unit)
            case Text():
                assert there.endswith('"')
                assert len(node.origins) == len(node.value) + 1
            case _:
                assert there.strip() == there
    if not sink.failed:
        assert not file.damaged
    return file


def nodes(value: Any) -> Iterator[Any]:
    """Every node of a tree."""
    if isinstance(value, tuple):
        for item in value:
            yield from nodes(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Span):
        if not isinstance(value, File):
            yield value
        for field in dataclasses.fields(value):
            yield from nodes(getattr(value, field.name))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid spec with a few pieces cut out, put in, or put elsewhere."""
    text = draw(st.sampled_from(SPECS))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20, 200])))
        text = text[:start] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


@settings(max_examples=300)
@given(mutated())
def test_mutated_specs(text: str) -> None:
    check(text)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_heaps_of_pieces(pieces: list[str]) -> None:
    check(" ".join(pieces))
    check("".join(pieces))


@settings(max_examples=150)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    check(data.decode("latin-1"))
    check(data.decode(errors="replace"))


def test_specs_are_without_fault() -> None:
    for text in SPECS:
        file = check(text)
        assert file.blocks
        assert not file.damaged


@settings(max_examples=60)
@given(st.sampled_from(SPECS), st.data())
def test_a_mistake_costs_one_item(text: str, data: st.DataObject) -> None:
    """With one broken attribute, all blocks keep their names and all other attributes stay."""
    lines = text.split("\n")
    candidates = [i for i, line in enumerate(lines) if line.startswith("  ") and " = " in line and line.count("=") == 1]
    candidates = [i for i in candidates if not set('{}[]()"') & set(lines[i])]
    at = data.draw(st.sampled_from(candidates))
    whole = check(text)
    lines[at] = lines[at].replace(" = ", " = = ")
    sink = Sink()
    broken = parse(Source(Path("test.adapt"), "\n".join(lines)), sink)
    assert len(list(sink)) == 1
    assert [(b.kind.text, b.name and b.name.text) for b in broken.blocks] == [
        (b.kind.text, b.name and b.name.text) for b in whole.blocks
    ]
    assert len(list(nodes(whole))) > len(list(nodes(broken)))
    assert sum(len(b.body) for b in whole.blocks) - sum(len(b.body) for b in broken.blocks) in {0, 1}
