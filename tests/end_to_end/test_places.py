"""What stands where structdsl writes, what is not installed, and what a narrow run says."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
from typing import Any

import pytest
from click.testing import CliRunner

from structdsl.cli.main import cli
from structdsl.cli.table import as_csv, as_json, show
from structdsl.compile import compile_text
from structdsl.emit import write_build
from structdsl_runtime import executor
from tests.end_to_end.folder import Folder


@pytest.mark.parametrize("command", ["compile", "run"])
def test_files_of_others_in_the_build(fresh: Folder, command: str) -> None:
    foreign = fresh.path / "build" / "tiny" / "thesis.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine", encoding="utf-8")
    assert "`build/tiny` holds files that no compile wrote" in fresh.shell(command, code=2).stderr
    assert [path.name for path in foreign.parent.iterdir()] == ["thesis.txt"]
    assert not list(fresh.store.glob("runs/*"))


@pytest.mark.parametrize("command", ["compile", "run"])
def test_a_file_where_the_build_should_be(fresh: Folder, command: str) -> None:
    (fresh.path / "build").write_text("", encoding="utf-8")
    assert "`build/tiny` cannot be written: not a directory" in fresh.shell(command, code=2).stderr


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_file_where_the_store_should_be(fresh: Folder, command: str) -> None:
    (fresh.path / ".structdsl").write_text("", encoding="utf-8")
    assert "cannot be used: not a directory" in fresh.shell(command, code=2).stderr


def test_a_build_is_swapped_in_whole(fresh: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, _ = compile_text(fresh.spec.read_text(encoding="utf-8"), fresh.spec)
    assert plan is not None
    folder = fresh.path / "build" / "tiny"
    written = write_build(plan, "language 1\n", folder)
    assert all(path.is_file() for path in written)
    (folder / "sql" / "old.sql").write_text("", encoding="utf-8")
    write_build(plan, "language 1\n", folder)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(written)
    monkeypatch.setattr("structdsl.emit.build.artefacts", lambda _: {"plan.json": "{}", "sql": "", "sql/x": ""})
    with pytest.raises(OSError, match="exists"):
        write_build(plan, "language 1\n", folder)
    assert all(path.is_file() for path in written)
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_a_narrow_run_shows_no_scores_that_it_has_not_made(fresh: Folder) -> None:
    (fresh.path / "data" / "book" / "empty.md").write_bytes(b"")
    done = fresh.shell("run", "--select", "corpus.book.read")
    assert "done: 1 step run" in done.stderr
    assert not done.stdout
    query = done.stderr.partition("; ")[2].splitlines()[0]
    assert query == "SELECT * FROM corpus.book_faults"
    assert [row["reason"] for row in fresh.rows(query)] == ["empty"]


def test_a_changed_limit_is_held_against_what_was_done(fresh: Folder) -> None:
    fresh.shell("run", "--select", "mixture.knowledge")
    fresh.edit("max_epochs = 20", "max_epochs = 2")
    assert re.search(r"\+ mixture\.knowledge +.*its guard changed\n", fresh.shell("plan").stdout)
    assert "E0505" in fresh.shell("run", "--select", "mixture.knowledge", code=4).stderr


def test_without_the_runtime_extra(fresh: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structdsl.cli.run.DATA_PACKAGES", ("numpy", "not_installed"))
    refused = CliRunner().invoke(cli, ["run", str(fresh.spec)])
    assert refused.exit_code == 2
    assert "pip install 'structdsl[runtime]': not_installed not installed" in refused.output
    assert not fresh.store.exists()


def test_json_loses_no_column_and_holds_no_nan() -> None:
    rows = [(1, math.nan, [math.inf, {"x": -math.inf}]), (2, 3.5, None)]
    assert json.loads(as_json(("a", "a", "a_1"), rows)) == [
        {"a": 1, "a_2": None, "a_1": [None, {"x": None}]},
        {"a": 2, "a_2": 3.5, "a_1": None},
    ]
    assert as_csv(("a",), [([math.nan],)]) == "a\n[null]"


WIDE = (("id", "n", "text"), [("a" * 20, 1, "b" * 90), ("c", 22, None)])


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (
            None,
            ["id                     n  text", "─" * 20 + "  ──  " + "─" * 60, "a" * 20 + "   1  " + "b" * 59 + "…"],
        ),
        (40, ["id                  n  text", "─" * 17 + "  ──  " + "─" * 17, "a" * 16 + "…   1  " + "b" * 16 + "…"]),
        (22, ["id         n  text", "────────  ──  ────────", "aaaaaaa…   1  bbbbbbb…", "c         22  ∅"]),
        (21, ["── 1 ─", "id    aaaaaaaaaaaaaa…", "n     1", "text  bbbbbbbbbbbbbb…", "── 2 ─", "id    c"]),
    ],
)
def test_a_table_fits_a_terminal(room: int | None, lines: list[str]) -> None:
    shown = show(*WIDE, room).splitlines()
    assert shown[: len(lines)] == lines
    assert room is None or max(map(len, shown)) <= room


@pytest.mark.parametrize("room", [None, 40, 20])
def test_nothing_in_a_table_steers_a_terminal(room: int | None) -> None:
    shown = show(["a\tb", "text"], [["x\ty\r\nz", "\x1b[31mred\x7f\x9b\u2028"], ["", "c" * 30]], room)
    assert not [sign for line in shown.split("\n") for sign in line if not sign.isprintable()]
    for seen in ("a␉b", "x␉y␍⏎z", "␛[31mred␡�⏎"):
        assert seen in shown
    assert room is None or max(map(len, shown.splitlines())) <= room


def test_what_takes_no_column_is_not_counted() -> None:
    shown = show(["a", "b"], [["e\u0301\u200b\u200d\ufeff" * 10, 1], ["x" * 10, 2]], 14).splitlines()
    assert shown[2:] == ["e\u0301\u200b\u200d\ufeff" * 10 + "  1", "x" * 10 + "  2"]
    assert shown[1] == "─" * 10 + "  ─"


TIME = dt.datetime(2026, 1, 2, 3, 4, 5, 678, dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TIME, "2026-01-02 03:04:05+00:00"),
        (TIME.date(), "2026-01-02"),
        (TIME.time(), "03:04:05.000678"),
        (decimal.Decimal("123456789.012345678"), "123456789.012345678"),
    ],
)
def test_a_time_or_number_is_shown_whole(value: object, text: str) -> None:
    for room in (60, 40, 20, 10):
        assert text in show(["when", "what"], [[value, "x" * 60]], room)


def test_a_spec_deleted_meanwhile_is_still_quoted(fresh: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_without_spec(*arguments: Any, **options: Any) -> executor.RunResult:
        fresh.spec.unlink()
        return run(*arguments, **options)

    run = executor.run
    monkeypatch.setattr("structdsl_runtime.executor.run", run_without_spec)
    fresh.edit('"data/book/*.md"', '"data/book/*.tex"')
    failed = CliRunner().invoke(cli, ["run", str(fresh.spec), "--select", "corpus.book.read"])
    assert failed.exit_code == 4
    assert "E0513" in failed.output
    assert 'files("data/book/*.tex")' in failed.output
