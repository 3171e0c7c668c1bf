"""One mistake in, one message out: its code, its words, and what it underlines.

Each case is the body of a corpus, or a whole text where it says `language`. The rest of the file must survive.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from structdsl.diagnostics import Diagnostic
from structdsl.syntax.tree import File

Read = Callable[[str], tuple[File, list[Diagnostic]]]

MISTAKES = [
    # E0101
    ("x = = 1", "E0101", "expected a value, found `=`", "="),
    ("x = ", "E0101", "expected a value after `x =`", ""),
    ("x =\n  y = 2", "E0101", "expected a value after `x =`", ""),
    ("x = [1,,2]", "E0101", "expected a value or `]`, found `,`", ","),
    ("x = [a b]", "E0101", "expected `,` or `]`, found `b`", "b"),
    ("x = f(1 2)", "E0101", "expected `,` or `)`, found `2`", "2"),
    ("x = corpus.", "E0101", "expected a name after `corpus.`", ""),
    ("x = 5M tokens tokens", "E0101", "expected `,` or a new line, found `tokens`", "tokens"),
    ("x = { corpus.a 5 }", "E0101", "expected `:`, found `5`", "5"),
    ("x domain", "E0101", "expected `=` after `x`", "x"),
    ("x 5", "E0101", "expected `=` after `x`", "x"),
    ("x [1]", "E0101", "expected `=` after `x`", "x"),
    ("x = $y", "E0101", "unexpected character `$`", "$"),
    ("x = ü", "E0101", "unexpected character `ü`", "ü"),
    ("x\N{NO-BREAK SPACE}= 1", "E0101", "unexpected character U+00A0 (no-break space)", "\N{NO-BREAK SPACE}"),
    ("language 1\nbudget = 5", "E0101", "`budget` is set outside of a block", "budget"),
    ("language 1\nstage a b { }", "E0101", "expected `:` or `{`, found `b`", "b"),
    ("language 1\n5", "E0101", "expected a declaration, found `5`", "5"),
    # E0102
    ("x = [1", "E0102", "unclosed `[`", "["),
    ("x = f(1", "E0102", "unclosed `(`", "("),
    ("x = [1)]", "E0102", "unexpected closing `)`", ")"),
    ("language 1\n}", "E0102", "unexpected closing `}`", "}"),
    ("language 1\ncorpus a {\n  x = 1\n\ncorpus b { }", "E0102", "unclosed `{`", "{"),
    ("x = { a: 1", "E0102", "unclosed `{`", "{"),
    ("y {\n    x = { a: 1\n  }", "E0102", "unclosed `{`", "{"),
    ("language 1\ncorpus a {  # why", "E0102", "unclosed `{`", "{"),
    # E0103, E0104
    ('x = "abc', "E0103", "a string is not closed", '"abc'),
    ('x = f("abc)', "E0103", "a string is not closed", '"abc'),
    ('x = sql """\n  abc', "E0103", 'a `"""` string is not closed', '"""'),
    ('x = "a\\d"', "E0104", "unknown escape `\\d`", "\\d"),
    ('x = "\\u{110000}"', "E0104", "unknown escape `\\u{110000}`", "\\u{110000}"),
    # E0105
    ("x = 30 %", "E0105", "`%` stands apart from its number", "30 %"),
    ("x = 30 min", "E0105", "`min` stands apart from its number", "30 min"),
    ("x = 5 M tokens", "E0105", "`M` stands apart from its number", "5 M"),
    ("x = .5", "E0105", "`.5` is no number", ".5"),
    ("x = 5.", "E0105", "`5.` is no number", "5."),
    ("x = 5m", "E0105", "unknown suffix `m` of a number", "5m"),
    ("x = 20tokens", "E0105", "unknown suffix `tokens` of a number", "20tokens"),
    ("x = 5mb", "E0105", "unknown suffix `mb` of a number", "5mb"),
    # E0106, E0107
    ("corpus a { }", "E0106", "the edition of the language is missing", ""),
    ("", "E0106", "the edition of the language is missing", ""),
    ('language "1"', "E0106", "the edition of the language cannot be read", '"1"'),
    ("language = 1", "E0106", "the edition of the language cannot be read", "="),
    ("language 2", "E0106", "unknown edition `2` of the language", "2"),
    ("corpus a { }\nlanguage 1", "E0106", "`language` must be the first line", "1"),
    ('language 1\nimport "x"', "E0107", "an import cannot be read", ""),
    ("language 1\nimport x as y", "E0107", "an import cannot be read", "x"),
    ('language 1\ncorpus a { }\nimport "x" as y', "E0107", "imports stand above all declarations", 'import "x" as y'),
    # E0108
    ("language 1\ncorpus a\n{\n}", "E0108", "`{` stands on a line of its own", "{"),
    ("language 1\ncorpus a\n\n  extends b { }", "E0108", "a line break stands before `extends`", "extends"),
    ("x = 1\n  + 2", "E0108", "an expression is broken before `+`", "+"),
    ("language 1\nparam x: tokens = 1\n  * 2", "E0108", "an expression is broken before `*`", "*"),
    # E0109
    ("x: domain", "E0109", "`x` is set with `=`, not with `:`", ":"),
    ("x: 10k docs", "E0109", "`x` is set with `=`, not with `:`", ":"),
    ('"x": "y"', "E0109", "`x` is set with `=`, not with `:`", ":"),
    ('"x" = "y"', "E0109", "the name of an attribute stands without quotes", '"x"'),
    ("x = f(a: 1)", "E0109", "`a` is set with `=`, not with `:`", ":"),
    ("x = { a.b = 1 }", "E0109", "a pair of a map is written with `:`, not with `=`", "="),
    ("x { a.b: 1 }", "E0109", "the map of `x` needs `=`", "{"),
    ("language 1\ncorpus a = { }", "E0109", "a corpus block is opened without `=`", "="),
    # E0110
    ("x = 'y'", "E0110", 'a string stands in double quotes, `"…"`', "'y'"),
    ("x = “y”", "E0110", 'a string stands in double quotes, `"…"`', "“y”"),
    ("x = 1 // why", "E0110", "a comment begins with `#`, not with `//`", "// why"),
    ("x = 1 /* why */", "E0110", "a comment begins with `#`, not with `/*`", "/* why */"),
    ("x = 1;", "E0110", "`;` ends nothing here", ";"),
    ("- x", "E0110", "a list is written in brackets, `[a, b]`", "-"),
    ("x = 1\n  - y", "E0110", "a list is written in brackets, `[a, b]`", "-"),
    ("x = files(s3://a/b)", "E0110", "an address stands in double quotes", "s3://a/b"),
]


@pytest.mark.parametrize(("text", "code", "message", "underlined"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_mistake(read: Read, text: str, code: str, message: str, underlined: str) -> None:
    whole = text if "language" in text or code == "E0106" else f"language 1\ncorpus t {{\n  {text}\n}}\n"
    whole += "\ncorpus after { z = 1 }\n"
    file, found = read(whole)
    assert [(fault.code, fault.message) for fault in found] == [(code, message)]
    label = next(label for label in found[0].labels if label.primary)
    assert whole.encode()[label.span.start : label.span.end].decode() == underlined
    assert file.blocks[-1].name is not None
    assert file.blocks[-1].name.text == "after"
    assert not file.blocks[-1].damaged


FIXES = [
    ("x: 1", "x = 1"),
    ("x : 1", "x = 1"),
    ('"x": 1', "x = 1"),
    ('"x" = 1', "x = 1"),
    ("x domain", "x = domain"),
    ("x = 30 %", "x = 30%"),
    ("x = .5", "x = 0.5"),
    ("x = 20tokens", "x = 20 tokens"),
    ("x = 5mb", "x = 5MB"),
    ("x = 'y'", 'x = "y"'),
    ("x = “é”", 'x = "é"'),
    ("x = 1 // y", "x = 1 # y"),
    ("x = 1;", "x = 1"),
    ("x = { a = 1 }", "x = { a : 1 }"),
    ("x { a.b: 1 }", "x = { a.b: 1 }"),
    ("x = f(s3://a)", 'x = f("s3://a")'),
    ("x\n  {}", "x {}"),
    ("x = f(a: 1)", "x = f(a = 1)"),
    ("x = 1; y = 2", "x = 1, y = 2"),
    ("x = [1; 2]", "x = [1, 2]"),
    ("x = [1,, 2]", "x = [1, 2]"),
    ("x = { a 1 }", "x = { a: 1 }"),
    ("x = 5m tokens", "x = 5M tokens"),
    ("x = 'a \"b\"'", 'x = "a \\"b\\""'),
    ('x = "\\d+"', 'x = "\\\\d+"'),
    ("x\N{NO-BREAK SPACE}= 1", "x = 1"),
    ("x\N{ZERO WIDTH SPACE} = 1", "x = 1"),
    ("x = 1 /* y */", "x = 1 # y"),
    ("x = 1\n  + 2", "x = 1 +\n 2"),
    ("x = 1 # one\n  + 2", "x = 1 + # one\n 2"),
    ("x # why\n  {}", "x { # why\n }"),
]


@pytest.mark.parametrize(("text", "better"), FIXES)
def test_fixes_are_what_was_meant(read: Read, text: str, better: str) -> None:
    """An applied fix gives a text without mistakes, and the tree was read as if it had been applied."""
    whole = f"language 1\ncorpus t {{\n  {text}\n}}\n"
    file, found = read(whole)
    data = whole.encode()
    edits = sorted((edit for fault in found for edit in fault.fixes), key=lambda edit: edit.span.start, reverse=True)
    for edit in edits:
        data = data[: edit.span.start] + edit.text.encode() + data[edit.span.end :]
    fixed = data.decode()
    assert re.sub(r" +", " ", fixed.split("{\n", 1)[1].rsplit("\n}", 1)[0].strip()) == better
    again, none = read(fixed)
    assert not none
    assert again.blocks[0].body
    if not file.blocks[0].damaged:
        assert len(file.blocks[0].body) == len(again.blocks[0].body)


@pytest.mark.parametrize("text", [case[0] for case in MISTAKES])
def test_a_fix_cures_its_mistake(read: Read, text: str) -> None:
    whole = text if "language" in text or text in {"", "corpus a { }"} else f"language 1\ncorpus t {{\n  {text}\n}}\n"
    found = read(whole)[1]
    data = whole.encode()
    for edit in sorted((edit for fault in found for edit in fault.fixes), key=lambda edit: -edit.span.start):
        data = data[: edit.span.start] + edit.text.encode() + data[edit.span.end :]
    assert not any(fault.fixes for fault in found) or read(data.decode())[1] == []


HEADS = [
    ('language "1"', "language 1"),
    ("language = 1", "language 1"),
    ("language: 1", "language 1"),
    ('language 1\nimport "./lib/a.adapt"', 'language 1\nimport "./lib/a.adapt" as a'),
    ('language 1\nimport "std:corpora"', 'language 1\nimport "std:corpora" as corpora'),
]


@pytest.mark.parametrize(("text", "better"), HEADS)
def test_the_head_of_a_file_can_be_fixed(read: Read, text: str, better: str) -> None:
    _, found = read(text + "\n")
    (edit,) = (edit for fault in found for edit in fault.fixes)
    assert text[: edit.span.start] + edit.text + text[edit.span.end :] == better
    assert read(better)[1] == []


def test_every_mistake_of_a_file_is_found(read: Read) -> None:
    text = """language 1
corpus notes {
  source = = files("a")
  role   domain
  keep   = sql "lang = 'en'"
}
mixture knowledge {
  budget = 5M tokens tokens
  weights = { corpus.notes: 80%, corpus.web rest }
}
stage learn scpt extra {
  from = model.base
  data = [mixture.knowledge
}
model ok { source = hf("x") }
"""
    file, found = read(text)
    data = text.encode()
    assert [data.count(b"\n", 0, fault.labels[0].span.start) + 1 for fault in found] == [3, 4, 8, 9, 11, 13]
    assert [(block.kind.text, len(block.body), block.damaged) for block in file.blocks] == [
        ("corpus", 2, True),
        ("mixture", 0, True),
        ("stage", 1, True),
        ("model", 1, False),
    ]


def test_what_is_around_a_mistake_survives(read: Read) -> None:
    text = "language 1\ncorpus a { x = 1, y = = 2, z = 3 }\n"
    text += "corpus b {\n  deep = { m: {\n    p: ,\n    q: 4 }\n  }\n  w = 5\n}"
    file, found = read(text)
    assert len(found) == 2
    assert [[item.name.text for item in block.body if item.name] for block in file.blocks] == [["x", "z"], ["w"]]


def test_half_an_attribute_is_none(read: Read) -> None:
    """A list without the item that could not be read would be another list."""
    file, _ = read("language 1\ncorpus a { over = [corpus.b, corpus..c, corpus.d], limit = 5 }")
    assert [item.name.text for item in file.blocks[0].body if item.name] == ["limit"]


def test_a_missing_block_quote_is_found_where_it_is_missing(read: Read) -> None:
    text = 'language 1\ncorpus a {\n  keep = sql """\n    x\n}\ncorpus b {\n  keep = sql """\n    y\n  """\n}\n'
    file, found = read(text)
    assert [fault.code for fault in found] == ["E0103"]
    assert found[0].labels[0].span.start == text.index('"""')
    assert [len(block.body) for block in file.blocks] == [0, 1]


def test_too_many(read: Read) -> None:
    _, found = read("language 1\n" + "= x y z\n" * 1000)
    assert len(found) == 101, found[:4]
    assert "more than 100 mistakes" in {fault.message[:22] for fault in found}


def test_too_deep(read: Read) -> None:
    file, found = read("language 1\ncorpus a { x = " + "[" * 5000 + "]" * 5000 + ", y = 1 }")
    assert [fault.message for fault in found] == ["brackets are nested more than 100 deep"]
    assert [item.name.text for item in file.blocks[0].body if item.name] == ["y"]


def test_not_unicode(read: Read) -> None:
    file, found = read("language 1\n\ud800")
    assert file.damaged
    assert [(fault.code, fault.labels) for fault in found] == [("E0101", ())]


@pytest.mark.parametrize(
    "text", ["language 1\r\ncorpus a {\r\n  x = 1\r\n}\r\n", "\ufefflanguage 1\n", "\tlanguage\t1 # x"]
)
def test_windows_and_tabs_are_fine(read: Read, text: str) -> None:
    assert read(text)[1] == []
