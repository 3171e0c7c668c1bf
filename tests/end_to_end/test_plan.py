"""`structdsl plan`: steps by block, causes as chains, costs, notes; the same for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.end_to_end.folder import Folder


@pytest.fixture
def begun(fresh: Folder) -> Folder:
    """A folder in which all but the training has been done."""
    fresh.shell("run", "--select", "stage.learn.pack", "--select", "stage.answer.pack")
    return fresh


def told(folder: Folder, *options: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.shell("plan", "--format", "json", *options, code=code).stdout)
    return found


def test_before_the_first_run(fresh: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = fresh.shell("plan").stdout.splitlines()
    assert lines[0] == "tiny.adapt against .structdsl/tiny"
    assert any(line.split() == ["+", "corpus.book", "4", "steps", "never", "run"] for line in lines)
    (learn,) = [line.split() for line in lines if line.startswith("stage.learn")]
    assert " ".join(learn[:11]) == "stage.learn scpt 4 = ~4 × 1 × 1 ~2 ~2k"
    assert "≤ `steps` is a cap" in lines
    fresh.edit(
        "length = 256, batch = 1Ki tokens, steps = 4, optimizer = adamw(lr = 1e-3)\n}\nevaluation",
        "length = 256\n}\nevaluation",
    )
    assert "? the tokens of corpus.questions: known after it is read" in fresh.shell("plan").stdout
    assert not any(line.startswith("note[") for line in lines)
    assert lines[-1].endswith(" to run, 0 up to date")
    assert max(map(len, lines)) <= 100


def test_what_follows_from_a_change(begun: Folder) -> None:
    begun.edit("n_chars > 12", "n_chars > 30")
    lines = begun.shell("plan").stdout.splitlines()
    (keep,) = [number for number, line in enumerate(lines) if line.startswith("+ corpus.general.keep ")]
    assert lines[keep].endswith("its SQL changed")
    assert lines[keep + 1].startswith("    tiny.adapt:8  corpus general ")
    text = " ".join(" ".join(lines).split())
    assert "~ stage.learn" in text
    assert "← mixture.knowledge ← corpus.general.keep: its SQL changed" in text
    assert max(map(len, lines)) <= 100
    every = begun.shell("plan", "--all").stdout.splitlines()
    assert any(line.startswith("= corpus.book.read ") and line.endswith("up to date") for line in every)


def test_for_programs(begun: Folder) -> None:
    found = told(begun, "--exit-code", code=3)
    steps = {step["address"]: step for step in found["steps"]}
    assert steps["stage.learn.pack"]["action"] == "reuse"
    assert (steps["stage.learn.train"]["action"], steps["stage.learn.train"]["own"]) == ("run", ["never run"])
    assert steps["stage.answer.train"]["chain"] == ["stage.learn.train"]
    packed = steps["stage.learn.pack"]["tables"]["stage.learn_packed"]
    learn = found["costs"]["stages"]["stage.learn"]
    assert learn["rows"] == {"value": packed["rows"], "basis": "exact", "why": ""}
    assert learn["optimizer_steps"]["value"] <= 4
    assert learn["device"] == "cpu"
    assert found["costs"]["total"]["flops"]["value"] > 0
    assert found["summary"]["reuse"] > 0
    assert found["params"] == {}
    assert {note["code"] for note in found["notes"]} <= {"W0502", "W0506"}


def test_a_lock_that_is_none(fresh: Folder) -> None:
    (fresh.path / "tiny.adapt.lock").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    assert "E0810" in fresh.shell("plan", code=1).stderr


def test_how_the_work_of_a_step_may_be_divided(fresh: Folder) -> None:
    fresh.edit("role = domain", 'role = domain, keep = sql "n_chars > 9", dedup = exact')
    found = json.loads(fresh.shell("inspect", "corpus.book", "--format", "json").stdout)["corpus.book"]["steps"]
    divided = {step["address"].removeprefix("corpus.book."): step["partition"] for step in found}
    assert divided["read"] == "by files"
    assert divided["count"] == divided["chunk"] == "by rows of documents"
    assert divided["keep"] == "by rows of corpus.book_read"
    assert divided["dedup"] == "by hash(text), 64 parts"
    assert divided["dropped"] == "a view"


def test_a_block_with_the_origin_of_its_values(fresh: Folder) -> None:
    shown = fresh.shell("inspect", "taxonomy.guide").stdout
    assert shown.startswith("taxonomy guide {\n")
    assert "resolve = first" in shown
    assert "# default" in shown
    assert shown.rstrip().splitlines()[-1].split(maxsplit=1)[1].startswith("taxonomy.guide ")  # its last step
    assert "\n\nmixture knowledge {\n" in fresh.shell("inspect").stdout
