"""The style, as pairs: what was written, and what it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.format import NotFormatted, format_text
from structdsl.format.printer import WIDTH
from structdsl.syntax.source import Source
from tests.format.conftest import ROOT, TEXTS


def formatted(text: str) -> str:
    return format_text(Source(Path("x.adapt"), text))


def case(text: str) -> str:
    return formatted(f"language 1\n\n{text.strip()}\n").removeprefix("language 1\n\n")


CASES = [
    # attributes
    (
        "corpus a {\nrole=domain\n  source=files( 'x' )\n}".replace("'", '"'),
        'corpus a {\n  role   = domain\n  source = files("x")\n}',
    ),
    ("corpus a {\n  x = 1, long = 2\n}", "corpus a {\n  x    = 1\n  long = 2\n}"),
    ("corpus a {\n  x = 1\n\n\n\n  long = 2\n\n}", "corpus a {\n  x = 1\n\n  long = 2\n}"),
    ("corpus a {\n  x = 1\n  # why\n  long = 2\n}", "corpus a {\n  x    = 1\n  # why\n  long = 2\n}"),
    (
        'check a: sql {\n  x = 1\n  long = sql """\n      SELECT\n        1\n      """\n  y = 2\n}',
        'check a: sql {\n  x    = 1\n  long = sql """\n  SELECT\n    1\n  """\n  y = 2\n}',
    ),
    ("corpus a {\n  x = 1\n  long = {\n    b: 1\n  }\n}", "corpus a {\n  x = 1\n  long = {\n    b: 1\n  }\n}"),
    # maps
    (
        "mixture a {\n  w = {\n    b.c: 45%, b.longer: 5%\n    d: rest }\n}",
        "mixture a {\n  w = {\n    b.c:      45%\n    b.longer:  5%\n    d:        rest\n  }\n}",
    ),
    ("mixture a { w = {b.c:45%,d:rest,} }", "mixture a { w = { b.c: 45%, d: rest } }"),
    # lists and calls
    ("corpus a { x = [1,2,] }", "corpus a { x = [1, 2] }"),
    ("corpus a {\n  x = [\n  1, 2]\n}", "corpus a {\n  x = [\n    1,\n    2,\n  ]\n}"),
    ("corpus a {\n  x = f(b = 1,\n  cc = 2)\n}", "corpus a {\n  x = f(\n    b  = 1,\n    cc = 2,\n  )\n}"),
    ("corpus a {\n  x = [{\n  b: 1 }]\n}", "corpus a {\n  x = [{\n    b: 1\n  }]\n}"),
    (
        f"corpus a {{\n  x = [{', '.join(f'corpus.number_{n}' for n in range(7))}]\n}}",
        f"corpus a {{\n  x = [\n{''.join(f'    corpus.number_{n},{chr(10)}' for n in range(7))}  ]\n}}",
    ),
    ("corpus a { x = [] }\ncorpus b {\n}", "corpus a { x = [] }\ncorpus b {}"),
    # expressions
    ("corpus a { x=-5*( param . y+2 ) }", "corpus a { x = -5 * (param.y + 2) }"),
    ('corpus a { x = sql"b", y = 300M  tokens }', 'corpus a { x = sql "b", y = 300M tokens }'),
    # blocks
    ("corpus a{x=1}\ncorpus  long{y=2}", "corpus a    { x = 1 }\ncorpus long { y = 2 }"),
    ("corpus a{x=1}\ncorpus  long:derived{y=2}", "corpus a { x = 1 }\ncorpus long: derived { y = 2 }"),
    ("corpus a { x = 1 }\nmodel b { y = 2 }", "corpus a { x = 1 }\n\nmodel b { y = 2 }"),
    ("corpus a {\n  x = 1\n}\ncorpus b { y = 2 }", "corpus a {\n  x = 1\n}\ncorpus b { y = 2 }"),
    ("corpus a {\n  x = 1\n}\ncorpus b {\n  y = 2\n}", "corpus a {\n  x = 1\n}\n\ncorpus b {\n  y = 2\n}"),
    ("stage a : sft  extends  b.c{ x = 1 }", "stage a: sft extends b.c { x = 1 }"),
    (
        "taxonomy t {\n  rule a: headings { x = 1 }\n  rule long: sql { y = 2 }\n}",
        "taxonomy t {\n  rule a:    headings { x = 1 }\n  rule long: sql      { y = 2 }\n}",
    ),
    # params, decorators
    ("param a:tokens=1\nparam longer: ratio\ncorpus b {}", "param a: tokens = 1\nparam longer: ratio\n\ncorpus b {}"),
    ("param a:tokens=1\nparam longer: ratio=5%", "param a: tokens     = 1\nparam longer: ratio = 5%"),
    (
        '@allow( W0501,reason="x" ) mixture m { x = 1 }\n@allow(W0502)\n\n# y\nmixture n { x = 1 }',
        '@allow(W0501, reason = "x")\nmixture m { x = 1 }\n@allow(W0502)\n# y\nmixture n { x = 1 }',
    ),
    # comments
    ("## doc\n\n## other\n# c\ncorpus a {}", "## doc\n\n## other\n# c\ncorpus a {}"),
    ("corpus a { x = 1 }\n# c\nmodel b {}", "corpus a { x = 1 }\n\n# c\nmodel b {}"),
]


@pytest.mark.parametrize(("text", "better"), CASES, ids=[case[0] for case in CASES])
def test_style(text: str, better: str) -> None:
    assert case(text) == better + "\n"


REMARKS = [
    (
        "corpus a { # b\n  x = 1 # c\n  # d\n}\n# e",
        ["corpus a {", "b", "  x = 1", "c", "  # d", "", "}", "", "# e", ""],
    ),
    ("corpus a {\n  x = 1 + # b\n  2\n}", ["corpus a {", "", "  x = 1 +", "b", "    2", "", "}", ""]),
    (
        "corpus a {\n  x = [ # b\n    1 # c\n    , # d\n    # e\n  ]\n}",
        ["corpus a {", "", "  x = [", "b", "    1,", "c", "    # d", "", "    # e", "", "  ]", "", "}", ""],
    ),
]


@pytest.mark.parametrize(("text", "parts"), REMARKS)
def test_comments_stand_in_one_column(text: str, parts: list[str]) -> None:
    lines = zip(parts[::2], parts[1::2], strict=True)
    assert case(text) == "".join(f"{f'{code:<44}# {remark}' if remark else code}\n" for code, remark in lines)


@pytest.mark.parametrize("code", ["x" * 60, "x" * 100])
def test_comments_make_way_for_code(code: str) -> None:
    text = case(f"corpus a {{\n  a = 1 # b\n  b = {code} # c\n\n  d = 1 # e\n}}")
    columns = [line.index("#") for line in text.splitlines() if "#" in line]
    own = len(code) + 2 + 4 + 2
    assert columns == [own if own < 80 else 44, own, 44]


@pytest.mark.parametrize("name", ["small", "production"])
def test_the_specs_of_the_language_are_in_this_style(name: str) -> None:
    """All but one line of them, which is too long."""
    text = (ROOT / f"tests/syntax/specs/{name}.adapt").read_text(encoding="utf-8")
    long = [line for line in text.splitlines() if len(line) > WIDTH]
    kept = formatted(text).splitlines()
    changed = [line for line in text.splitlines() if line not in kept]
    assert len(long) == len({line.strip() for line in changed} & {line.strip() for line in long})
    assert len(changed) <= 2 * len(long)


@pytest.mark.parametrize("place", [place for place in TEXTS if place.startswith(("specs/", "examples/"))])
def test_shipped_specs_are_formatted(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    assert formatted(text) == text


def test_line_breaks_stay_what_they_are() -> None:
    text = 'language 1\r\n\r\ncorpus a {\r\n  x = sql """\r\n    b\r\n  """\r\n}\r\n'
    assert formatted(text) == text
    assert formatted("\ufefflanguage 1") == "language 1\n"


def test_a_text_with_mistakes_is_not_formatted() -> None:
    with pytest.raises(NotFormatted) as refusal:
        formatted("language 1\ncorpus a { x = }\n")
    assert [fault.code for fault in refusal.value.diagnostics] == ["E0101"]
