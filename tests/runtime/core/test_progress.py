"""What a person sees: lines in a pipe, one line for nothing to do, and a live display on a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from structdsl_runtime.events import Accounted, RunFinished, StepFailed, StepFinished, StepProgress, StepStarted
from structdsl_runtime.executor import run
from structdsl_runtime.operations.train import losses
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


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (100, "3/10 steps  loss 2.31 (isles 2.20, web 2.91)"),
        (70, "3/10 steps  loss 2.31"),
        (50, "3/10 steps"),
    ],
)
def test_what_a_step_says_is_cut_to_the_terminal(columns: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    live = Live(stream)
    told = losses(2.314, [("isles", (2.2, 5)), ("web", (2.91, 2))])
    event = StepProgress(address="stage.s", done=3, total=10, unit="steps", said=told)
    live(StepStarted(address="stage.s", op="train"))
    live(event)
    assert live._progress is not None
    live._progress.refresh()
    live._progress.stop()
    plain = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", stream.getvalue())
    shown_lines = [text for text in re.split(r"[\r\n]", plain) if "3/10" in text]
    assert re.sub(r"^.*(?=3/10)|\s+\d:\d\d:\d\d\s*$", "", shown_lines[-1]) == said
    assert len(shown_lines[-1]) <= columns


def test_the_losses_of_few_sources_are_told() -> None:
    many = [(f"c{number}", (1.0, 1)) for number in range(5)]
    assert losses(1.5, many) == losses(1.5, many[:1]) == ("loss 1.50",)
    assert losses(1.5, [("a", (None, 0)), ("b", (1.5, 7))]) == ("loss 1.50 (a –, b 1.50)", "loss 1.50")


def test_wording() -> None:
    assert [duration(seconds) for seconds in (0.04, 59.9, 245, 7800)] == ["0.0 s", "59.9 s", "4 min 05 s", "2 h 10 min"]
    assert line(StepFinished(address="a", op="query", rows=26000, bytes=1, seconds=1)) == "✓ a  26,000 rows  1.0 s"
    assert line(StepFinished(address="a", op="train", rows=65, bytes=1, seconds=1)) == "✓ a  65 steps  1.0 s"
    assert line(Accounted(corpus="a", kept=1, held_out=0, dropped={})) == "✓ a  1 of 1 row"
    assert line(Accounted(corpus="a", kept=4500, held_out=3, dropped={"keep": 2000, "dedup": 7})) == (
        "✓ a  4,500 of 6,510 rows, 3 held out, 2,007 dropped (2,000 keep, 7 dedup)"
    )
    assert line(StepFinished(address="a", op="view", rows=None, bytes=0, seconds=1)) is None
    assert line(StepFailed(address="a", op="query", error="E0513: no")) == "✗ a  E0513: no"
    ended = RunFinished(run_id="r", status="interrupted", ran=1, reused=2, left=3, seconds=4)
    assert line(ended) == "interrupted: 1 step run, 2 up to date, 3 left  4.0 s"
