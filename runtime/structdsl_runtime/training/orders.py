"""How a worker hears that it shall stop, and how it notices that nothing moves any more.

Orders are files in the folder of the events: they reach every rank, whatever started it, on every node that shares
the folder. `stop` asks for the running optimizer step to be finished and saved; `end` is at once. SIGTERM, which
schedulers send to all processes, asks for the same as `stop`. A thread looks every two seconds, so that a rank that
hangs in a library hears of its end too.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from structdsl_runtime.operation import Fault
from structdsl_runtime.training import events

PARENT: Final = "STRUCTDSL_PARENT"  # the process that a rank ends with, where node 0 has not started it
STOP: Final = "stop"
END: Final = "end"
WATCH_SECONDS: Final = 2.0
PEER_SECONDS: Final = 5.0  # for a rank to say itself what the failure of another has done to it
ENDED: Final = 128 + signal.SIGTERM
DEFAULT_MINUTES: Final = 30.0


def ask(folder: Path) -> None:
    """Ask workers to save and stop after the running step."""
    (folder / STOP).touch()


def end(folder: Path) -> None:
    """Have workers end at once; where their folder is gone there are none."""
    with suppress(FileNotFoundError):
        (folder / END).touch()


def patience() -> float:
    """Seconds that a rank waits for the others, and may take for a step: 30 min.

    `DEEPSPEED_TIMEOUT` says otherwise in whole minutes, `STRUCTDSL_TIMEOUT` in seconds.
    """
    seconds = os.environ.get("STRUCTDSL_TIMEOUT")
    return float(seconds) if seconds else 60 * float(os.environ.get("DEEPSPEED_TIMEOUT") or DEFAULT_MINUTES)


def executor(host: str, process: int) -> int | None:
    """The process of this machine that a rank ends with: what started it here, or the executor `process` on `host`."""
    parent = os.environ.get(PARENT)
    if parent is not None:
        return int(parent)
    return process if host == socket.gethostname() else None


class Orders:
    """What the parent and the system ask of this rank.

    Ends it with the process `executor`, where that is one of this machine, and when a peer failed.
    """

    def __init__(self, folder: Path, executor: int | None, rank: int) -> None:
        self._folder = folder
        self._executor = executor
        self._rank = rank
        self._signalled = False
        self._limit: float | None = None
        self._beat = time.monotonic()
        threading.Thread(target=self._watch, name="orders", daemon=True).start()

    def heed(self, processes: int) -> None:
        """From here on SIGTERM is a request to save, and a rank must show that it moves.

        One that waits for others is ended by what it waits in, which names who is missing: hence twice the time.
        """
        signal.signal(signal.SIGTERM, self._on_signal)
        self._beat = time.monotonic()
        self._limit = patience() * (1 if processes == 1 else 2)

    def rest(self) -> None:
        """The steps are done: what remains may take as long as it takes."""
        self._limit = None

    def moved(self) -> None:
        """Told that the rank gets on."""
        self._beat = time.monotonic()

    def stop_asked(self) -> bool:
        return self._signalled or (self._folder / STOP).exists()

    def _on_signal(self, _number: int, _frame: object) -> None:
        if (self._folder / END).exists():
            os._exit(ENDED)
        self._signalled = True

    def _watch(self) -> None:
        while True:
            time.sleep(min(WATCH_SECONDS, (self._limit or WATCH_SECONDS) / 4))
            if (self._folder / END).exists() or (self._executor is not None and not events.alive(self._executor)):
                os._exit(ENDED)
            if events.peer_failed(self._folder, self._rank):
                time.sleep(PEER_SECONDS)
                os._exit(1)
            idle = time.monotonic() - self._beat
            if self._limit is not None and idle > self._limit:
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
                events.fail(self._folder, self._rank, hung(f"rank {self._rank} has made no step for {idle:.0f} s"))
                os._exit(1)


def hung(message: str, *notes: str) -> Fault:
    return Fault(
        "E0832",
        message,
        notes=notes,
        helps=("look at the end of the log of the step; `DEEPSPEED_TIMEOUT` (minutes) allows for more",),
    )
