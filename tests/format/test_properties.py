"""Whatever the text: its meaning and its comments stay, and formatting it again changes nothing."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.compile import compile_text
from structdsl.diagnostics import Sink
from structdsl.format import format_text
from structdsl.format.printer import WIDTH
from structdsl.format.tokens import scan
from structdsl.plan import Plan
from structdsl.syntax import parse
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Text
from tests.format.conftest import TEXTS, readable

ATOMS = [
    *("5M tokens", "-1", "30%", '"é, }"', 'r"\\d"', "a.b.c", "rest", 'sql "x"'),
    *('"""a\n   b\n  """', '"""\n\t c\n\n """'),
]
PIECES = [
    *("\n", "\n\n\n\n", " ", "   \t", "\r\n", "\n@allow(W0501)\n"),
    *(" # a\n", "\n# b\n", "\n\n  # c\n\n", "\n## d\n", " ## e\n", "\n## f\n\n## g\n", " # é\n# 日\n"),
]


def source(text: str) -> Source:
    return Source(Path("x.adapt"), text)


def meaning(value: Any) -> Any:
    """A tree without the places it came from."""
    if isinstance(value, tuple):
        return tuple(meaning(item) for item in value)
    if dataclasses.is_dataclass(value):
        left_out = {"span", "head", "origins"} if isinstance(value, Text) else {"span", "head"}
        names = [field.name for field in dataclasses.fields(value) if field.name not in left_out]
        return (type(value).__name__, *(meaning(getattr(value, name)) for name in names))
    return value


def tree(text: str) -> Any:
    sink = Sink()
    read = parse(source(text), sink)
    assert not sink.failed, list(sink)
    return meaning(read)


def comments(text: str) -> list[str]:
    return [comment.text for token in scan(text.encode()) for comment in token.comments]


def words(text: str) -> list[str]:
    """What was written, without separators and the insides of strings."""
    return [t.text for t in scan(text.encode()) if t.text != "," and '"' not in t.text]


def check(text: str) -> str:
    once = format_text(source(text))
    assert format_text(source(once)) == once
    assert tree(once) == tree(text)
    assert comments(once) == comments(text)
    assert words(once) == words(text)
    assert once.endswith("\n")
    assert not once.endswith(("\n\n", "\r\n\r\n"))
    assert not once.startswith("\n")
    outside = re.sub(r'r?"""(?:.|\n)*?"""', "S", once)
    assert not re.search(r"[ \t]+\r?$|\n\r?\n\r?\n", outside, re.MULTILINE), once
    return once


@pytest.mark.parametrize("place", TEXTS)
def test_every_text_of_the_repository(place: str) -> None:
    check(TEXTS[place])


@pytest.mark.parametrize("place", [place for place in TEXTS if ":" in place])
def test_the_plan_stays(place: str) -> None:
    def plan(text: str) -> Plan | None:
        return compile_text(text, Path("x.adapt"))[0]

    before, after = plan(TEXTS[place]), plan(format_text(source(TEXTS[place])))
    assert (before is None) == (after is None)
    if before and after:
        assert [step.recipe for step in before.steps] == [step.recipe for step in after.steps]


@st.composite
def reshaped(draw: st.DrawFn) -> str:
    """A text with blanks, line breaks and comments wherever they may stand."""
    text = TEXTS[draw(st.sampled_from(sorted(TEXTS)))]
    data = text.encode()
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.sampled_from(scan(data))).at
        piece = draw(st.sampled_from(PIECES))
        other = data[:at] + piece.encode() + data[at:]
        if readable(other.decode()):
            data = other
    return data.decode()


@settings(max_examples=100)
@given(reshaped())
def test_reshaped_texts(text: str) -> None:
    check(text)


@st.composite
def values(draw: st.DrawFn, depth: int = 3) -> str:
    """A value of the language, laid out at random."""
    if depth == 0:
        return draw(st.sampled_from(ATOMS))
    inner = st.deferred(lambda: values(depth - 1))
    space = st.sampled_from([" ", "", "\n", "\n\n", " # c\n", "\n  # d\n", "\n\n# e\n\n"])
    kind = draw(st.sampled_from(["atom", "list", "call", "map", "sum", "parens"]))
    items = [draw(inner) for _ in range(draw(st.integers(0, 4)))]
    first, last = draw(space), draw(space)
    match kind:
        case "list":
            return "[" + first + ("," + draw(space)).join(item + draw(space) for item in items) + last + "]"
        case "call":
            named = [draw(st.sampled_from(["", f"x{index} = "])) + item for index, item in enumerate(items)]
            return "f(" + first + ("," + draw(space)).join(named) + last + ")"
        case "map":
            pairs = [f"k.a{index}:" + draw(space) + item for index, item in enumerate(items)]
            return "{" + first + draw(st.sampled_from([", ", "\n", ",\n\n", " # p\n"])).join(pairs) + last + "}"
        case "sum" if len(items) > 1:
            return (draw(st.sampled_from([" + ", " *" + draw(space)]))).join(items)
        case "parens" if items:
            return "(" + first + items[0] + last + ")"
        case _:
            return draw(st.sampled_from(ATOMS))


@settings(max_examples=200)
@given(st.lists(values(), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_any_value(found: list[str], ending: str) -> None:
    body = "".join(f"  x{'y' * index} = {value}\n" for index, value in enumerate(found))
    text = f"language 1\ncorpus a {{\n{body}}}\n".replace("\n", ending)
    if readable(text):
        check(text)


@settings(max_examples=100)
@given(st.integers(0, 8), st.integers(0, 8))
def test_block_strings(one: int, other: int) -> None:
    text = f'language 1\ncorpus a {{ x = sql """\n{" " * one}SELECT\n   1 \n\n{" " * other}""", y = 1 }}\n'
    check(text)


def test_only_what_cannot_be_broken_is_wide() -> None:
    for place, text in TEXTS.items():
        wide = [line for line in format_text(source(text)).splitlines() if len(line.partition(" #")[0]) > WIDTH + 5]
        assert all('"' in line or "FROM" in line for line in wide), place
