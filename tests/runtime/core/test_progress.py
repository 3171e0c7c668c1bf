"""What a person sees: lines in a pipe, one line for nothing to do, and a live display on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from structdsl_runtime.events import RunFinished, StepFailed, StepFinished
from structdsl_runtime.executor import run
from structdsl_runtime.progress import Live, Plain, duration, line, shown
from tests.runtime.core.toy_plan import OPERATIONS, plan


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines(root: Path, store: Path) -> None:
    stream = io.StringIO()
    observer = shown(stream)
    assert isinstance(observer, Plain)
    run(plan(), root=root, store=store, operations=OPERATIONS, observer=observer)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("✓ corpus.x.read  2 rows  ")
    assert lines[1].startswith("! corpus.x: 1 row dropped while reading (1 empty)")
    assert lines[3].startswith("✓ model.m.load  16.4 kB  ")
    assert lines[-1].startswith("done: 5 steps run")
    assert len(lines) == 7


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_to_do_is_one_line(root: Path, store: Path, stream: io.StringIO) -> None:
    run(plan(), root=root, store=store, operations=OPERATIONS)
    run(plan(), root=root, store=store, operations=OPERATIONS, observer=shown(stream))
    assert stream.getvalue() == "nothing to do: 5 steps up to date\n"


def test_live_lines(root: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    observer = shown(stream)
    assert isinstance(observer, Live)
    run(plan(), root=root, store=store, operations=OPERATIONS, observer=observer)
    text = stream.getvalue()
    assert "✓ corpus.x.read  2 rows" in text
    assert "done: 5 steps run" in text
    assert "\x1b[32m" not in text


def test_wording() -> None:
    assert [duration(seconds) for seconds in (0.04, 59.9, 245, 7800)] == ["0.0 s", "59.9 s", "4 min 05 s", "2 h 10 min"]
    assert line(StepFinished(address="a", op="query", rows=26000, bytes=1, seconds=1)) == "✓ a  26,000 rows  1.0 s"
    assert line(StepFinished(address="a", op="view", rows=None, bytes=0, seconds=1)) is None
    assert line(StepFailed(address="a", op="query", error="E0513: no")) == "✗ a  E0513: no"
    ended = RunFinished(run_id="r", status="interrupted", ran=1, reused=2, left=3, seconds=4)
    assert line(ended) == "interrupted: 1 step run, 2 up to date, 3 left  4.0 s"
