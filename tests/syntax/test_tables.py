"""The tables that ship with the package stand for the grammar, and nothing else does."""

from __future__ import annotations

import pytest
from lark import Lark

from structdsl.syntax import tables


@pytest.fixture(scope="module")
def dumped() -> bytes:
    return tables.dump(tables.grammar_text())


def test_no_conflict_and_no_collision() -> None:
    tables.build(tables.grammar_text(), strict=True)


def test_loaded_and_built_agree(dumped: bytes, spec: str) -> None:
    grammar = tables.grammar_text()
    loaded = tables.load(dumped, grammar)
    assert isinstance(loaded, Lark)
    assert loaded.parse(spec, start="file") == tables.build(grammar).parse(spec, start="file")


@pytest.mark.parametrize("at", [0, 7, 40, 150, 300, -1])
def test_damaged_tables_are_passed_over(dumped: bytes, at: int) -> None:
    damaged = bytearray(dumped)
    damaged[at] ^= 1
    assert tables.load(bytes(damaged), tables.grammar_text()) is None


@pytest.mark.parametrize("cut", [0, 1, 100, 1000])
def test_truncated_tables_are_passed_over(dumped: bytes, cut: int) -> None:
    assert tables.load(dumped[:cut], tables.grammar_text()) is None


def test_tables_of_another_grammar_are_passed_over(dumped: bytes) -> None:
    assert tables.load(dumped, tables.grammar_text() + "\n") is None


def test_tables_of_another_lark_are_passed_over(dumped: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lark.__version__", "0.0.0")
    assert tables.load(dumped, tables.grammar_text()) is None


def test_without_tables_the_grammar_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "TABLES", tables.TABLES.with_name("absent.tables"))
    assert tables.parser().parse("language 1", start="file")
