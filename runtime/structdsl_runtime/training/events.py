"""How a worker tells the executor what happens: JSON lines in a folder that the parent polls.

`progress.jsonl` is written by rank 0 alone; `failed-<rank>.json` by a rank that ends with an exception. Standard
output stays free for what libraries print, and a killed process leaves every line that it had finished.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from structdsl_runtime.operation import Fault

PROGRESS: Final = "progress.jsonl"
FAILED: Final = "failed-{}.json"
WATCH_SECONDS: Final = 2.0


class Reporter:
    """Writes events of one process; every rank but the first is silent, unless `alone` it does what others do not."""

    def __init__(self, folder: Path, rank: int, *, alone: bool = False) -> None:
        self.folder = folder
        self._stream: TextIO | None = None
        if rank == 0 or alone:
            path = folder / (f"progress-{rank}.jsonl" if rank else PROGRESS)
            self._stream = path.open("a", encoding="utf-8", buffering=1)

    def emit(self, event: str, **values: Any) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")

    def copy(self, folder: Path) -> None:
        """All that was told so far, to another folder; to be called in the process that tells."""
        assert self._stream is not None
        shutil.copyfile(self._stream.name, folder / PROGRESS)


def continued(folder: Path, before: Path | None) -> None:
    """Make the folder of a worker's events; they go on from those that were copied to the folder `before`."""
    folder.mkdir()
    if before is not None:
        shutil.copyfile(before / PROGRESS, folder / PROGRESS)


class Reader:
    """Yields each event once, those of a process in order; a line still being written waits for the next call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def new(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self._folder.glob("progress*.jsonl")):
            yield from self._of(path)

    def _of(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open("rb") as stream:
            stream.seek(self._offsets.get(path, 0))
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._offsets[path] = self._offsets.get(path, 0) + len(line)
                yield json.loads(line)


@contextmanager
def failures(folder: Path, rank: int) -> Iterator[None]:
    """Write down what ends this rank, then end it at once: a peer may wait in a collective that never completes."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - whatever it was, the executor must learn of it
        traceback.print_exc()
        fail(folder, rank, error)
        os._exit(1)


def fail(folder: Path, rank: int, error: BaseException) -> None:
    """Write down what ends this rank."""
    fault = error if isinstance(error, Fault) else None
    record = {
        "time": time.time(),
        "rank": rank,
        "code": fault.code if fault else None,
        "message": fault.message if fault else f"{type(error).__name__}: {error}",
        "notes": fault.notes if fault else (),
        "helps": fault.helps if fault else (),
        "traceback": "".join(traceback.format_exception(error)),
    }
    partial = folder / f"failed-{rank}.partial"
    partial.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    partial.rename(folder / FAILED.format(rank))


def failed(folder: Path) -> list[dict[str, Any]]:
    """What ended each rank that could say so: faults first, then by time."""
    records = [json.loads(path.read_text("utf-8")) for path in folder.glob(FAILED.format("*"))]
    return sorted(records, key=lambda record: (record["code"] is None, record["time"]))


def peer_failed(folder: Path, rank: int) -> bool:
    """Whether another rank has said what ended it."""
    return any(path.name != FAILED.format(rank) for path in folder.glob(FAILED.format("*")))


def alive(process: int) -> bool:
    """Whether a process of this machine is there, under whichever user."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_with(executor: int) -> None:
    """End this process when `executor` is gone, so that no worker outlives a killed run; looked at every 2 s."""

    def watch() -> None:
        while alive(executor):
            time.sleep(WATCH_SECONDS)
        os._exit(143)

    threading.Thread(target=watch, name="executor-watch", daemon=True).start()
