"""What `fmt` and `fix` share: how a spec is read, shown as a difference, and written back whole or not at all."""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path

from structdsl.cli.common import unwritable


def difference(path: Path, before: str, after: str) -> str:
    """A unified diff, as `git diff` and `patch` read it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{path}", f"{path} (new)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write(path: Path, text: str) -> None:
    """Replace a file by one that is already complete; a link stays a link, and the mode stays as it was."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode())
        shutil.copymode(target, draft)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unwritable(path, error) from None
