"""What a library says where the disk is full, in one fault: the step is to make again, and no source is to blame."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Final

from structdsl_runtime.operation import Fault

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAID: Final = ("No space left", "quota exceeded", "File too large", "max_temp_directory_size")  # in DuckDB's words


def no_room(error: Exception, store: Path) -> Fault | None:
    """Fault E0841 for an error that says that there was no room for what a step writes, none for another error."""
    if not (error.errno in FULL if isinstance(error, OSError) else any(words in str(error) for words in _SAID)):
        return None
    return Fault(
        "E0841",
        f"the store could not be written: {str(error).splitlines()[0]}",
        notes=(f"{shutil.disk_usage(store).free / 2**20:,.0f} MiB are free where `{store}` lies",),
        helps=("make room, then run again: it goes on where it was",),
    )
