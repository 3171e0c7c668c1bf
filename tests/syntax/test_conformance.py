"""The conformance suite of `grammar/conformance/`: what another implementation of the language would hold itself to.

`pytest --update-golden` writes the expected files; what they say is then for a person to read.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, UnexpectedInput

from structdsl.diagnostics import Sink
from structdsl.syntax import parse, tables
from structdsl.syntax.source import Source
from structdsl.syntax.tree import File, Span
from tests.conftest import ROOT

SUITE = ROOT / "grammar" / "conformance"
VALID = sorted((SUITE / "valid").glob("*.adapt"))
INVALID = sorted((SUITE / "invalid").glob("*.adapt"))
UNSAID = frozenset({"origins", "damaged"})  # fields of our trees that are no part of the language


def read(path: Path) -> tuple[Source, File, Sink]:
    source, sink = Source(path.relative_to(SUITE), path.read_bytes().decode()), Sink()
    return source, parse(source, sink), sink


def described(node: Any) -> Any:
    """A node of the tree as JSON: its name, its span as byte offsets, and its fields."""
    match node:
        case Span():
            return [node.start, node.end]
        case tuple():
            return [described(item) for item in node]
        case None | bool() | str():
            return node
        case _:
            fields = {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
            return {
                "node": type(node).__name__.lower(),
                "span": described(fields.pop("span")),
                **{name: described(value) for name, value in fields.items() if name not in UNSAID},
            }


def written(value: Any) -> str:
    """JSON with a line a field, and spans on one."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", text) + "\n"


def compare(path: Path, found: Any, *, update: bool) -> None:
    expected = path.with_suffix(".json")
    if update:
        expected.write_text(written(found), encoding="utf-8", newline="\n")
    assert json.loads(expected.read_text(encoding="utf-8")) == found


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path, *, update_golden: bool) -> None:
    _, file, sink = read(path)
    assert not list(sink)
    compare(path, described(file), update=update_golden)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path: Path, *, update_golden: bool) -> None:
    source, _, sink = read(path)
    found = []
    for diagnostic in sink:
        line, column = source.position(diagnostic.labels[0].span.start)
        found.append(f"{diagnostic.code} {line}:{column}")
    assert found
    compare(path, found, update=update_golden)


def test_a_case_is_named_by_what_it_shows() -> None:
    for path in INVALID:
        codes = {line.split()[0] for line in json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))}
        assert codes == {path.stem.partition("-")[0]} or path.stem.startswith("several")


def test_no_file_is_left_over() -> None:
    for folder in ("valid", "invalid"):
        specs, trees = ({path.stem for path in (SUITE / folder).glob(end)} for end in ("*.adapt", "*.json"))
        assert specs == trees


def reductions(lark: Lark, used: set[Any]) -> Iterator[Any]:
    """Every alternative of every rule, each of which will from now on add itself to `used` when it is reduced."""
    callbacks = lark.parser.parser.parser.callbacks

    def noted(rule: Any, build: Any) -> Any:
        def call(children: list[Any]) -> Any:
            used.add(rule)
            return build(children)

        return call

    for rule in list(callbacks):
        callbacks[rule] = noted(rule, callbacks[rule])
        yield rule


def test_the_suite_uses_every_alternative_of_every_rule_and_every_token() -> None:
    lark = tables.build(tables.grammar_text())
    used: set[Any] = set()
    known = set(reductions(lark, used))
    tokens: set[str] = set()
    for path in VALID + INVALID:  # a file without its edition is read, and reported
        text = path.read_bytes().decode("utf-8-sig").encode().decode("latin-1")
        try:
            lark.parse(text, start="file")
        except UnexpectedInput:
            continue
        tokens.update(token.type for token in lark.lex(text) if isinstance(token, Token))
    of_values = {rule for rule in known if rule.origin.name in {"value", "$root_file", "$root_value"}}
    assert sorted(map(str, known - used - of_values)) == []
    assert {terminal.name for terminal in lark.terminals} - set(lark.ignore_tokens) - tokens == set()
