"""What a command costs: seconds, processor seconds and peak memory of itself and all that it starts.

Linux only. Orphans are adopted, so that their processor time is counted; memory is the largest sum of the proportional
set sizes (a shared page counts once) of the processes alive, looked at four times a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EVERY: Final = 0.25  # seconds: to look takes some milliseconds, which who is looked at waits for
ADOPT: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


@dataclass(frozen=True, slots=True)
class Cost:
    seconds: float
    cpu: float  # seconds, all processors together
    peak: float  # MB
    code: int
    output: str  # standard output
    errors: str  # the end of standard error


def measure(command: list[str], *, environment: dict[str, str], folder: Path, limit: float) -> Cost:
    """Runs a command in `folder`; after `limit` seconds its process group is ended, and its code is negative."""
    ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)
    before, stop, peak = _cpu(), threading.Event(), [0]
    watcher = threading.Thread(target=_watch, args=(stop, peak))
    with (folder / "out.log").open("wb") as out, (folder / "err.log").open("wb") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - a command of this benchmark
            command, env=environment, cwd=folder, stdout=out, stderr=errors, start_new_session=True
        )
        watcher.start()
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    _end(process.pid)
    return Cost(
        seconds=seconds,
        cpu=_cpu() - before,
        peak=peak[0] / 1e6,
        code=code,
        output=(folder / "out.log").read_text("utf-8", errors="replace"),
        errors=(folder / "err.log").read_text("utf-8", errors="replace")[-3000:],
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end(group: int) -> None:
    """What is left of the command, ended and counted."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    try:
        while os.waitpid(-1, 0)[0]:
            pass
    except ChildProcessError:
        return


def _watch(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(EVERY):
        peak[0] = max(peak[0], sum(map(_memory, _descendants(os.getpid()))))


def _descendants(parent: int) -> list[int]:
    found: list[int] = []
    for task in _lines(Path(f"/proc/{parent}/task"), "children"):
        for child in map(int, task.split()):
            found += [child, *_descendants(child)]
    return found


def _lines(tasks: Path, name: str) -> list[str]:
    try:
        return [(task / name).read_text("ascii") for task in tasks.iterdir()]
    except OSError:  # it has ended meanwhile
        return []


def _memory(process: int) -> int:
    """Bytes."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
