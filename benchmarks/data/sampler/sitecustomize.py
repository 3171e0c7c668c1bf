"""Where processor time goes, of every Python process that finds this on its path and `STRUCTDSL_SAMPLES` in its world.

Each hundredth of a second the processor time that a thread used since is laid to the function that it is in; what the
process used besides is of threads without Python (DuckDB's, a tokenizer's), and laid to what the main thread waits
for. Written to `<pid>.json` as it goes, since a worker of a pool is ended without a farewell.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

EVERY: Final = 0.01  # seconds
WRITTEN_EVERY: Final = 50  # looks


def _where(frame: FrameType) -> str:
    """The innermost function, and the nearest one of ours that called it."""
    inner, ours, outer = _name(frame), "", frame.f_back
    if frame.f_code.co_filename.startswith("<frozen importlib"):
        return "imports"
    while outer is not None:
        if outer.f_code.co_filename.startswith("<frozen importlib"):
            return "imports"
        if not ours and "structdsl" in outer.f_code.co_filename:
            ours = f" < {_name(outer)}"
        outer = outer.f_back
    return inner if "structdsl" in frame.f_code.co_filename else inner + ours


def _name(frame: FrameType) -> str:
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])} {frame.f_code.co_name}"


def _watch(folder: Path) -> None:
    found: dict[str, float] = {}
    used: dict[int, float] = {}
    looks, before = 0, time.process_time()
    me = threading.get_ident()
    main = threading.main_thread().ident
    while True:
        time.sleep(EVERY)
        looks += 1
        frames = sys._current_frames()  # noqa: SLF001 - the only way to see other threads
        total = time.process_time()
        rest, before = total - before, total
        for thread in threading.enumerate():
            ident = thread.ident
            if ident is None or ident not in frames:
                continue
            try:
                now = time.clock_gettime(time.pthread_getcpuclockid(ident))
            except OSError:  # it has ended meanwhile
                continue
            spent = now - used.get(ident, now if ident != main else 0.0)
            used[ident] = now
            rest -= spent
            if spent > 0 and ident != me:
                place = _where(frames[ident])
                found[place] = found.get(place, 0.0) + spent
        if rest > 0 and main in frames:
            place = f"threads without Python, during {_where(frames[main])}"
            found[place] = found.get(place, 0.0) + rest
        if looks % WRITTEN_EVERY == 0:
            fresh = folder / f"{os.getpid()}.new"
            fresh.write_text(json.dumps(found), encoding="utf-8")
            fresh.replace(folder / f"{os.getpid()}.json")


def _start() -> None:
    folder = os.environ.get("STRUCTDSL_SAMPLES")
    if folder:
        threading.Thread(target=_watch, args=(Path(folder),), daemon=True).start()


_start()
os.register_at_fork(after_in_child=_start)
