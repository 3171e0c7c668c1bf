"""Worker processes of this machine, kept until the run ends.

To import what tasks need takes as long as some megabytes of work. So one process imports it (`preload`), as soon as a
run is known to have work for several, and workers are forked from it when there are tasks.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Final

from structdsl_runtime.operation import Fault

if TYPE_CHECKING:
    from structdsl_runtime.engine import Engine
    from structdsl_runtime.tasks import PartManifest, Task

LONGEST: Final = 60  # characters of the folder of temporary files, below which a socket can have its name
UNGUARDED: Final = 'a script that calls `run` must do so below `if __name__ == "__main__":`'
COMMAND_LINE: Final = "structdsl.cli.main"
"""The module without which there is no command line."""

PRELOADED: Final = ("structdsl_runtime.preload",)


@dataclass(slots=True)
class Pool:
    """Runs tasks side by side; each worker has one thread, and so many bytes for DuckDB."""

    workers: int
    memory: int
    scratch: Path  # a folder for what does not fit; the owner removes it after `close`
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _proven: bool = field(default=False, init=False)  # whether a worker has finished anything

    def begin(self) -> None:
        """Have imports done beside what the caller does next; to do without is only slower."""
        if _method() != "forkserver":
            return
        forkserver.set_forkserver_preload(list(PRELOADED))
        resource_tracker.ensure_running()  # blocks signals for itself, and unblocks them afterwards
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is the run's, from the first moment
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def map(self, tasks: Sequence[Task]) -> Iterator[PartManifest]:
        """In their order, the largest being begun first, so that all workers end at about the same time.

        Raises Fault E0840 where a worker was killed; what others had finished is kept.
        """
        if self._pool is None:
            self.begin()
            context = multiprocessing.get_context(_method())
            given = (self.memory, self.scratch, dict(os.environ))
            self._pool = ProcessPoolExecutor(self.workers, context, _begin, given)
        order = sorted(range(len(tasks)), key=lambda place: -tasks[place].size)
        begun: dict[int, Future[PartManifest]] = {}
        try:
            with self._killed_is_a_fault(BrokenProcessPool, EOFError):  # what they are forked from was killed
                for place in order:
                    begun[place] = self._pool.submit(_carry_out, tasks[place])
            with self._killed_is_a_fault(BrokenProcessPool):
                for place in range(len(tasks)):
                    manifest = begun[place].result()
                    self._proven = True
                    yield manifest
        finally:
            if self._pool is not None:  # else it has been closed, and they have gone with it
                for future in begun.values():
                    future.cancel()

    @contextmanager
    def _killed_is_a_fault(self, *signs: type[BaseException]) -> Iterator[None]:
        try:
            yield
        except signs as error:
            self.close()
            notes = ("the system does so where memory runs out; parts that were finished are kept",)
            raise Fault(
                "E0840",
                "a worker process was killed",
                notes=(*notes, UNGUARDED) if not self._proven and _is_a_script() else notes,
                helps=("run again: it goes on where it was", "with `--workers 1`, one part is worked on at a time"),
            ) from error

    def close(self) -> None:
        """End the workers, whatever they are at: what they have not committed is done again."""
        if self._pool is not None:
            workers = list((self._pool._processes or {}).values())  # noqa: SLF001 - 3.14 has `kill_workers`
            for worker in workers:
                worker.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _is_a_script() -> bool:
    """Whether workers carry out the script that calls `run`, as they begin; the command line guards itself."""
    main = sys.modules["__main__"]
    return hasattr(main, "__file__") and COMMAND_LINE not in sys.modules


def _method() -> str:
    """Fork from a process that has imported, where libraries bear that and its socket has room for its name."""
    can_fork = sys.platform == "linux" and len(tempfile.gettempdir()) <= LONGEST
    return "forkserver" if can_fork else "spawn"


@dataclass(slots=True)
class _Worker:
    """What a worker process was told, and the engine that it keeps."""

    memory: int
    scratch: Path
    engine: Engine | None = None


_worker: _Worker | None = None


def _begin(memory: int, scratch: Path, environment: dict[str, str]) -> None:
    """What a worker does first: leave Ctrl-C to the run, see the world as it does, and not outlive it."""
    global _worker  # noqa: PLW0603 - the one thing that a worker is told
    _worker = _Worker(memory, scratch / f"worker-{os.getpid()}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _carry_out(task: Task) -> PartManifest:
    from structdsl_runtime.engine import Engine  # noqa: PLC0415 - the run itself may not need it
    from structdsl_runtime.operations import OPERATIONS  # noqa: PLC0415 - operations know what tasks are
    from structdsl_runtime.tasks import perform  # noqa: PLC0415

    assert _worker is not None
    if _worker.engine is None:
        _worker.engine = Engine(_worker.scratch, memory=_worker.memory, threads=1)
    return perform(task, OPERATIONS, _worker.engine)
