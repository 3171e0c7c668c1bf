"""Where a path of the spec leads, and writing so that a file is the old one or the new one, never half of each."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from structdsl.plan.addresses import FILE, LOCAL, folder_of

UNLINKED: Final = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What file systems say that have no hard links, or no more of them."""


def replace(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a text file by renaming a finished one over it; `durable` survives a power cut too."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # others may write it, on other machines too
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if durable:
        flush(path.parent)


def resolve(path: str, root: Path) -> Path:
    """A path of the spec: `~` is the home of the user, anything relative starts at the folder of the spec."""
    return root / os.path.expanduser(path)  # noqa: PTH111 - leaves `~nobody` alone, where pathlib raises


def data_set_folder(name: str, root: Path) -> Path | None:
    """The folder that `hf_dataset(name)` stands for, absolute; none where it is a data set of the Hub.

    A folder is what is written as a path, and what is there below the folder of the spec.
    """
    path = Path(os.path.abspath(resolve(folder_of(name), root)))  # noqa: PTH100 - `resolve` would follow links
    is_there = os.path.exists(path)  # noqa: PTH110 - of a name that is too long for a path as well
    return path if name.startswith((".", "/", "~", FILE, LOCAL)) or is_there else None


def flush(path: Path) -> None:
    """Have the system write a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """The same file under one more name; a copy, where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in UNLINKED:
            raise
        shutil.copyfile(source, target)


def walk(folder: Path) -> list[Path]:
    """All files below a folder, in the order of their relative POSIX paths; links are followed, but not into what they
    are in.
    """
    found: list[Path] = []
    above = {str(folder): within(folder)}
    for where, folders, names in os.walk(folder, followlinks=True):
        around = above.pop(where)
        found += [Path(where) / name for name in names]
        for name in tuple(folders):
            place = os.path.join(where, name)  # noqa: PTH118 - as `os.walk` makes it
            which = identity(place)
            if which is None or which in around:
                folders.remove(name)
            else:
                above[place] = around | {which}
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def within(folder: Path) -> frozenset[tuple[int, int]]:
    """The identities of a folder and of all that it lies in: where no link in it may lead."""
    real = Path(os.path.realpath(folder))  # which bears a link to itself
    return frozenset(filter(None, map(identity, (real, *real.parents))))


def identity(path: str | Path) -> tuple[int, int] | None:
    """The device and inode of what a path leads to, by whatever name; none where it leads nowhere."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of many names that are no paths yet
    except OSError:
        return None
    return status.st_dev, status.st_ino
