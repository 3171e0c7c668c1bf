"""What a person sees of a run: one line a finished step, and on a terminal a bar for the one under way.

Steps that were up to date are counted, not listed; a run that had nothing to do says so in one line.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from structdsl_runtime.events import (
    Accounted,
    Event,
    Observer,
    RunFinished,
    StepFailed,
    StepFinished,
    StepProgress,
    StepStarted,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BAR = 24  # columns
AROUND = BAR + 14  # columns of a live line beside address and count: spinner, bar, time, gaps
PLAIN = 160  # columns of a line in a log, which is not wrapped
SILENCE = 30.0  # seconds after which a step in plain output says how far it is


def shown(stream: TextIO | None = None) -> Observer:
    """The display that suits a stream (standard error unless told): live on a terminal, plain lines elsewhere."""
    stream = stream or sys.stderr
    return Live(stream) if stream.isatty() else Plain(stream)


class Plain:
    """Lines for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._spoke = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepProgress):
            if time.monotonic() - self._spoke < SILENCE:
                return
            text: str | None = f"… {event.address}  {_progress(event, PLAIN)}"
        else:
            text = line(event)
        if text is not None:
            self._stream.write(text + "\n")
            self._stream.flush()
        self._spoke = time.monotonic()


class Live:
    """A bar for the step under way; finished steps scroll by above it. Colours follow NO_COLOR, as rich does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._begin(event)
            case StepProgress():
                if self._progress is not None and self._task is not None:
                    self._progress.update(self._task, completed=event.done, total=event.total, count=self._count(event))
                return
            case StepFinished() | StepFailed():
                self._clear()
            case RunFinished():
                self._clear()
                if self._progress is not None:
                    self._progress.stop()
            case _:
                pass
        text = line(event)
        if text is None:
            return
        if self._progress is None:
            self._stream.write(text + "\n")
        else:
            style = {"✓": "green", "✗": "bold red", "!": "yellow"}.get(text[0], "")
            self._progress.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def _count(self, event: StepProgress) -> str:
        assert self._progress is not None
        return _progress(event, self._progress.console.width - len(event.address) - AROUND)

    def _begin(self, event: StepStarted) -> None:
        if self._progress is None:
            from rich.console import Console  # noqa: PLC0415 - a run with nothing to do draws nothing
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=BAR),
                TextColumn("{task.fields[count]}", markup=False),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._progress.start()
        self._clear()
        self._task = self._progress.add_task(event.address, total=None, count="")

    def _clear(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
        self._task = None


def line(event: Event) -> str | None:
    """The line that an event leaves behind, if any."""
    match event:
        case StepFinished(op="view"):
            return None
        case StepFinished():
            noun = "step" if event.op == "train" else "row"  # of its log
            made = _bytes(event.bytes) if event.rows is None else counted(event.rows, noun)
            return f"✓ {event.address}  {made}  {duration(event.seconds)}"
        case StepFailed():
            return f"✗ {event.address}  {event.error}"
        case Warned():
            return f"! {event.message}"
        case Accounted():
            return f"✓ {event.corpus}  {_account(event)}"
        case RunFinished():
            return _summary(event)
        case _:
            return None


def counted(number: int, noun: str) -> str:
    """As in "1 row", "26,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """As in "0.3 s", "4 min 05 s", "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _account(event: Accounted) -> str:
    """As in "45 of 54 rows, 3 held out, 6 dropped (4 keep, 2 exact)"."""
    dropped = sum(event.dropped.values())
    total = event.kept + event.held_out + dropped
    parts = [f"{event.kept:,} of {counted(total, 'row')}"]
    if event.held_out:
        parts.append(f"{event.held_out:,} held out")
    if dropped:
        parts.append(f"{dropped:,} dropped ({', '.join(f'{n:,} {step}' for step, n in event.dropped.items())})")
    return ", ".join(parts)


def _summary(event: RunFinished) -> str:
    if event.status == "done" and event.ran == 0:
        return f"nothing to do: {counted(event.reused, 'step')} up to date"
    parts = [f"{counted(event.ran, 'step')} run"] + ([f"{event.reused} up to date"] if event.reused else [])
    if event.left:
        parts.append(f"{event.left} left")
    return f"{event.status}: {', '.join(parts)}  {duration(event.seconds)}"


def _progress(event: StepProgress, room: int) -> str:
    """How far a step is, and the most of what it says beside that for which there are columns."""
    count = f"{event.done:,}{'' if event.total is None else f'/{event.total:,}'} {event.unit}"
    longer = (f"{count}  {said}" for said in event.said)
    return next((text for text in longer if len(text) <= room), count)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
