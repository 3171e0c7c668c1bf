"""One run at a time on a store.

The lock is the kernel's (`flock`), not the file: a killed run leaves the file behind and the lock is gone. The text
in the file is only there to tell the second run who is first. A forked worker inherits the open file and with it
the lock, and may outlive a killed parent; so children close it as they are born.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

TRIES: Final = 20
PAUSE: Final = 0.01
"""Seconds between two."""

_held: set[int] = set()


class StoreInUse(Exception):  # noqa: N818 - a state of affairs, worded as the message words it
    """Another run holds the store (E0804); `owner` says which: process, machine and since when."""

    code = "E0804"

    def __init__(self, store: Path, owner: str) -> None:
        super().__init__(f"the store `{store}` is in use by {owner or 'another run'}")
        self.store = store
        self.owner = owner


class StoreUnusable(Exception):  # noqa: N818 - the same
    """The folder of a store cannot be made, read or written; `reason` is the system's."""

    def __init__(self, store: Path, error: OSError) -> None:
        self.store = store
        self.reason = (error.strerror or str(error)).lower()
        super().__init__(f"the store `{store}` cannot be used: {self.reason}")


def check(store: Path) -> None:
    """Raise `StoreUnusable` where there is something under the name of the store that no store can be read from."""
    try:
        next(store.iterdir(), None)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreUnusable(store, error) from None


def is_held(store: Path) -> bool:
    """Whether a run holds the store now, or nobody here can tell; to ask takes the lock for a moment, with others.

    Not every file system shows a lock to other machines, so of a run on another nobody can tell.
    """
    try:
        handle = os.open(store / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        owner = os.pread(handle, 1000, 0).decode(errors="replace")
    except OSError:
        return True
    finally:
        os.close(handle)
    return bool(owner) and f" on {socket.gethostname()} " not in owner


@contextmanager
def exclusive(store: Path) -> Iterator[None]:
    """Hold the store; raises `StoreInUse` at once where another run holds it, `StoreUnusable` where nobody can."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        if not os.access(store, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        handle = os.open(store / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreUnusable(store, error) from None
    try:
        _take(handle)
    except BlockingIOError:
        owner = os.pread(handle, 1000, 0).decode(errors="replace").strip()
        os.close(handle)
        raise StoreInUse(store, owner) from None
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)
    _close_in_children()
    _held.add(handle)
    try:
        yield
    finally:
        _held.discard(handle)
        os.close(handle)


def _take(handle: int) -> None:
    """Lock a file; a few times, for one that only asks (`is_held`) has it for microseconds."""
    for _ in range(TRIES - 1):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        else:
            return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_hooked: list[bool] = []


def _close_in_children() -> None:
    if not _hooked:
        os.register_at_fork(after_in_child=_close_all)
        _hooked.append(True)


def _close_all() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()
