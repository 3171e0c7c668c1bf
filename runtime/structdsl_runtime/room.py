"""What a library says where the disk or the memory is full, as a fault: no source is to blame."""

from __future__ import annotations

import errno
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from structdsl_runtime.machine import memory_limit
from structdsl_runtime.operation import Fault

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TOO_LARGE: Final = "File too large"
_IN_ARROW: Final = "Out of Memory Error"  # DuckDB's words, where Arrow passes them on
_SAID: Final = ("No space left", "quota exceeded", _TOO_LARGE, "max_temp_directory_size")  # in DuckDB's words


class StoreFull(Exception):  # noqa: N818 - a state of affairs
    """There is no room for what a run writes beside its steps; `fault` is E0841."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@contextmanager
def room_for(store: Path) -> Iterator[None]:
    """Raise `StoreFull` for an error within that says that the disk of the store is full."""
    try:
        yield
    except Exception as error:
        full = no_room(error, store)
        if full is None or full.code != "E0841":
            raise
        raise StoreFull(full) from error


def no_room(error: Exception, store: Path) -> Fault | None:
    """Fault E0841 for an error that says that there was no room for what a step writes, E0842 for one that says that
    there was none in memory; none for another error.
    """
    of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException"
    if (of_memory or (isinstance(error, OSError) and _IN_ARROW in str(error))) and not _is_of_a_disk(error):
        return Fault(
            "E0842",
            f"memory ran out: {(str(error) or 'no more is given').splitlines()[0]}",
            notes=(f"DuckDB may use {memory_limit() / 2**20:,.0f} MiB in all processes of this run",),
            helps=("`--workers 1` works on one part at a time", "raise the limit of the process or the container"),
        )
    if not _is_of_a_disk(error):
        return None
    if getattr(error, "errno", errno.EFBIG) == errno.EFBIG and _TOO_LARGE in str(error):
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        limited = limit != resource.RLIM_INFINITY
        return Fault(
            "E0841",
            f"the store could not be written: {str(error).splitlines()[0]}",
            notes=(
                f"a limit on the size of files was met: {limit / 2**20:,.1f} MiB (`ulimit -f`)"
                if limited
                else f"the file system where `{store}` lies has files only up to a size, which was met",
            ),
            helps=(("raise the limit" if limited else "move the spec to another") + ", then run again",),
        )
    there = next(folder for folder in (store, *store.parents) if folder.exists())
    return Fault(
        "E0841",
        f"the store could not be written: {str(error).splitlines()[0]}",
        notes=(f"{shutil.disk_usage(there).free / 2**20:,.1f} MiB are free where `{store}` lies",),
        helps=("make room, then run again: it goes on where it was",),
    )


def _is_of_a_disk(error: Exception) -> bool:
    return error.errno in FULL if isinstance(error, OSError) else any(words in str(error) for words in _SAID)
