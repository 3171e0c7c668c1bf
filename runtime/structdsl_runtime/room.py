"""What a library says where the disk or the memory is full, as a fault: no source is to blame."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Final

import duckdb

from structdsl_runtime.machine import memory_limit
from structdsl_runtime.operation import Fault

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAID: Final = ("No space left", "quota exceeded", "File too large", "max_temp_directory_size")  # in DuckDB's words


def no_room(error: Exception, store: Path) -> Fault | None:
    """Fault E0841 for an error that says that there was no room for what a step writes, E0842 for one that says that
    there was none in memory; none for another error.
    """
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError) and not _is_of_a_disk(error):
        return Fault(
            "E0842",
            f"memory ran out: {(str(error) or 'no more is given').splitlines()[0]}",
            notes=(f"DuckDB may use {memory_limit() / 2**20:,.0f} MiB in all processes of this run",),
            helps=("`--workers 1` works on one part at a time", "raise the limit of the process or the container"),
        )
    if not _is_of_a_disk(error):
        return None
    return Fault(
        "E0841",
        f"the store could not be written: {str(error).splitlines()[0]}",
        notes=(f"{shutil.disk_usage(store).free / 2**20:,.0f} MiB are free where `{store}` lies",),
        helps=("make room, then run again: it goes on where it was",),
    )


def _is_of_a_disk(error: Exception) -> bool:
    return error.errno in FULL if isinstance(error, OSError) else any(words in str(error) for words in _SAID)
