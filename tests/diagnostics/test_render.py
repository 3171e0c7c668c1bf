"""What users see, byte for byte."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from structdsl.diagnostics import Diagnostic, Edit, Label, render
from structdsl.diagnostics.render import RENDERERS
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Span


def source(text: str, path: str = "a.adapt") -> Source:
    return Source(Path(path), text)


def span(src: Source, words: str, nth: int = 0) -> Span:
    """Where `words` stand for the nth time."""
    at = -1
    for _ in range(nth + 1):
        at = src.data.index(words.encode(), at + 1)
    return Span(at, at + len(words.encode()))


def label(src: Source, words: str, text: str = "", *, nth: int = 0, primary: bool = True) -> Label:
    return Label(span=span(src, words, nth), text=text, primary=primary)


def shown(*diagnostics: Diagnostic) -> str:
    """The full rendering without its summary."""
    return render(diagnostics).rpartition("\n\n")[0]


def expected(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


MEDICAL = "\n" * 31 + "    AND qualty >= 0.6\n" + "\n" * 35 + "    corpus.textboks:   35%\n"


def test_as_the_language_describes_it() -> None:
    src = source(MEDICAL, "specs/medical.adapt")
    unknown_corpus = Diagnostic(
        code="E0201",
        message="unknown corpus `textboks`",
        source=src,
        labels=(label(src, "corpus.textboks", "no corpus of this name"),),
        helps=("a corpus with a similar name exists: `corpus.textbooks`",),
    )
    unknown_column = Diagnostic(
        code="E0602",
        message="unknown column `qualty`",
        source=src,
        labels=(label(src, "qualty", "not a column of `corpus.pubmed`"),),
        notes=("columns at this point: doc_id, text, title, lang, quality, n_tokens, meta",),
        helps=("did you mean `quality`?",),
    )
    assert render([unknown_corpus, unknown_column]) == textwrap.dedent("""\
        error[E0201]: unknown corpus `textboks`
          --> specs/medical.adapt:68:5
           |
        68 |     corpus.textboks:   35%
           |     ^^^^^^^^^^^^^^^ no corpus of this name
           |
        help: a corpus with a similar name exists: `corpus.textbooks`

        error[E0602]: unknown column `qualty`
          --> specs/medical.adapt:32:9
           |
        32 |     AND qualty >= 0.6
           |         ^^^^^^ not a column of `corpus.pubmed`
           |
        note: columns at this point: doc_id, text, title, lang, quality, n_tokens, meta
        help: did you mean `quality`?

        error: 2 errors
    """)


SPEC = "corpus a {\n  role = domain\n  limit = 5\n  keep = x\n}\n"


@pytest.mark.parametrize(
    ("text", "labels", "drawing"),
    [
        (
            SPEC,
            [("role", "here", True)],
            """
            2 |   role = domain
              |   ^^^^ here
            """,
        ),
        (
            SPEC,
            [("role", "", True)],
            """
            2 |   role = domain
              |   ^^^^
            """,
        ),
        (
            SPEC,
            [("domain", "one", True), ("role", "two", False)],
            """
            2 |   role = domain
              |   ----   ^^^^^^ one
              |   |
              |   two
            """,
        ),
        (
            SPEC,
            [("domain", "one", True), ("role", "", False)],
            """
            2 |   role = domain
              |   ----   ^^^^^^ one
            """,
        ),
        (
            "ab cd ef",
            [("ef", "3", True), ("ab", "1", False), ("cd", "2", False)],
            """
            1 | ab cd ef
              | -- -- ^^ 3
              | |  |
              | |  2
              | 1
            """,
        ),
        (
            SPEC,
            [("domain", "later", True), ("corpus", "first", False)],
            """
            1 | corpus a {
              | ------ first
            2 |   role = domain
              |          ^^^^^^ later
            """,
        ),
        (
            SPEC,
            [("limit", "later", True), ("corpus", "first", False)],
            """
            1 | corpus a {
              | ------ first
            2 |   role = domain
            3 |   limit = 5
              |   ^^^^^ later
            """,
        ),
        (
            SPEC,
            [("keep", "later", True), ("corpus", "first", False)],
            """
            1 | corpus a {
              | ------ first
            ...
            4 |   keep = x
              |   ^^^^ later
            """,
        ),
        (
            SPEC,
            [(SPEC[:-1], "all of it", True)],
            """
            1 | corpus a {
              | ^^^^^^^^^^ from here …
            ...
            5 | }
              | ^ … to here: all of it
            """,
        ),
        (
            "a = b\n",
            [("a = b\n", "with its break", True)],
            """
            1 | a = b
              | ^^^^^ with its break
            """,
        ),
        (
            "\ta\tb",
            [("b", "tabs are four wide", True)],
            """
            1 |     a    b
              |          ^ tabs are four wide
            """,
        ),
        (
            "日本 = x # 語",
            [("x", "wide", True), ("日本", "", False)],
            """
            1 | 日本 = x # 語
              | ----   ^ wide
            """,
        ),
        (
            "e\N{COMBINING ACUTE ACCENT}e = x",
            [("x", "accent", True)],
            """
            1 | e\N{COMBINING ACUTE ACCENT}e = x
              |      ^ accent
            """,
        ),
        (
            "a\x07b = x",
            [("x", "control", True)],
            """
            1 | a\N{REPLACEMENT CHARACTER}b = x
              |       ^ control
            """,
        ),
        (
            "a" * 200 + " b " + "c" * 200,
            [("b", "far right", True)],
            f"""
            1 | …{"a" * 18} b {"c" * 118}…
              |                     ^ far right
            """,
        ),
        (
            "a b " + "c" * 200,
            [("b", "left", True)],
            f"""
            1 | a b {"c" * 136}…
              |   ^ left
            """,
        ),
    ],
)
def test_drawings(text: str, labels: list[tuple[str, str, bool]], drawing: str) -> None:
    src = source(text)
    made = tuple(label(src, words, note, primary=primary) for words, note, primary in labels)
    lines = shown(Diagnostic(code="E0101", message="m", source=src, labels=made)).split("\n")
    assert lines[0] == "error[E0101]: m"
    assert lines[1].startswith(" --> a.adapt:")
    assert lines[2] == "  |"
    assert "\n".join(lines[3:]) == expected(drawing)


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n"])
def test_the_end_of_the_text_can_be_marked(text: str) -> None:
    src = source(text)
    end = Span(len(text), len(text) + 5)
    assert shown(Diagnostic(code="E0101", message="m", source=src, labels=(Label(span=end, text="here"),))).endswith(
        "^ here"
    )


def test_without_a_place() -> None:
    assert (
        shown(Diagnostic(code="E0802", message="no spec", notes=("a\nb",))) == "error[E0802]: no spec\nnote: a\n      b"
    )
    assert shown(Diagnostic(code="E0802", message="m", source=source(""))) == "error[E0802]: m\n  --> a.adapt"


@pytest.mark.parametrize(
    ("codes", "summary"),
    [
        (["E0101"], "error: 1 error"),
        (["E0101", "E0102", "W0501"], "error: 2 errors, 1 warning"),
        (["W0501", "W0506"], "warning: 2 warnings"),
    ],
)
@pytest.mark.parametrize("style", ["full", "concise"])
def test_summary(codes: list[str], summary: str, style: str) -> None:
    text = render([Diagnostic(code=code, message="m") for code in codes], style=style)
    assert text.endswith(f"\n{summary}\n")


@pytest.mark.parametrize("style", RENDERERS)
def test_nothing_to_say(style: str) -> None:
    assert render([], style=style) == ""


def test_concise() -> None:
    src = source(SPEC)
    first = Diagnostic(
        code="E0201", message="one", source=src, labels=(label(src, "corpus", primary=False), label(src, "domain"))
    )
    second = Diagnostic(code="W0501", message="two", source=src)
    third = Diagnostic(code="E0802", message="three")
    assert render([first, second, third], style="concise").split("\n")[:3] == [
        "a.adapt:2:10: error[E0201]: one",
        "a.adapt: warning[W0501]: two",
        "error[E0802]: three",
    ]


def test_json() -> None:
    src = source("é = x\n")
    diagnostic = Diagnostic(
        code="E0201",
        message="m",
        source=src,
        labels=(label(src, "x", "l"),),
        notes=("n",),
        helps=("h",),
        fixes=(Edit(span=span(src, "x"), text="y"),),
    )
    place = {"start": 5, "end": 6, "line": 1, "column": 5, "end_line": 1, "end_column": 6}
    assert [json.loads(line) for line in render([diagnostic, diagnostic], style="json").splitlines()] == [
        {
            "code": "E0201",
            "severity": "error",
            "message": "m",
            "path": "a.adapt",
            "labels": [{**place, "text": "l", "primary": True}],
            "notes": ["n"],
            "helps": ["h"],
            "fixes": [{**place, "text": "y"}],
        }
    ] * 2


def test_colour_adds_nothing_but_escapes() -> None:
    import re  # noqa: PLC0415

    src = source(SPEC)
    labels = (label(src, "domain", "one"), label(src, "role", "two", primary=False))
    diagnostics = [
        Diagnostic(code=code, message="m", source=src, labels=labels, helps=("h",)) for code in ("E0201", "W0501")
    ]
    colored = render(diagnostics, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render(diagnostics)
    assert colored.startswith("\x1b[1;31merror[E0201]\x1b[0m\x1b[1m: m\x1b[0m\n")
    assert "\x1b[1;31m^^^^^^\x1b[0m" in colored
    assert "\x1b[1;33m^^^^^^\x1b[0m" in colored
