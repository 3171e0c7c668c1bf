"""Files outside the store that decide a result, and what their content is.

A glob is hashed as the sorted list of (name below its fixed part, SHA-256 of the content): a touched file changes
nothing, a renamed or added one does, and where the folder lies does not enter. Hashes are remembered by path, size,
times and inode, except for files changed within the last moments, whose next change the times might not show.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

from structdsl.identity import canonical, fingerprint
from structdsl.plan.addresses import is_remote, path_of
from structdsl_runtime.files import replace, resolve
from structdsl_runtime.globs import match
from structdsl_runtime.machine import processors

Listing = dict[str, str]  # name -> SHA-256

FRESH_NS = 2_000_000_000  # coarsest time stamp of the file systems in use (FAT)
BLOCK = 1 << 20  # bytes that are read at once
UNREADABLE = "unreadable"  # in place of a hash: the operation meets the same error and names it


class Sources:
    """Digests of globs, with the memory of file hashes and of past listings kept in the store."""

    def __init__(self, root: Path, store: Path, *, verify: bool = False) -> None:
        self._root = root
        self._verify = verify  # whether files are hashed that did not change by their size and times
        self._memory = store / "sources.json"
        self._listings = store / "listings"
        self._known: dict[str, list[str]] | None = None  # path -> [stamp, SHA-256], read when first needed
        self._dirty = False
        self._verified: set[str] = set()  # by this run
        self._stamps: dict[str, dict[str, str]] = {}  # pattern -> name -> stamp when it was hashed, last

    def listing(self, pattern: str, *, folders: bool = True) -> Listing:
        """What a glob matches now; for objects of a store, what the store says of them stands for their content.

        Without `folders`, nothing of a folder is read that is named outright: to whoever asks, it is a mistake.
        """
        if is_remote(pattern):
            from structdsl_runtime.reading.objects import listing  # noqa: PLC0415 - most plans read no store

            found = listing(pattern)
            self._stamps[pattern] = found or {}
            return {pattern: UNREADABLE} if found is None else found
        if not folders and self._is_folder(pattern):
            self._stamps[pattern] = {}
            return {pattern: UNREADABLE}
        base, files = match(pattern, self._root)
        names = {written(path.relative_to(base)): path for path in files}
        self._stamps[pattern] = {name: stamp(path) for name, path in names.items()}  # before what they hold is read
        return dict(zip(names, self._hashes(list(names.values())), strict=True))

    def stamps(self, pattern: str) -> Mapping[str, str]:
        """Of each file of the last listing of a pattern, the stamp that it had then."""
        return self._stamps[pattern]

    def size(self, pattern: str) -> int:
        """Bytes of the files that a glob matches now, none of which is read; 0 for a folder and for objects."""
        if is_remote(pattern) or self._is_folder(pattern):
            return 0
        return sum(int(stamp(path).partition(" ")[0] or 0) for path in match(pattern, self._root)[1])

    def keep(self, listing: Listing) -> None:
        """Remember a listing by its digest, so that a later plan can say which files changed."""
        path = self._listings / f"{digest(listing)}.json"
        if not path.exists():
            self._listings.mkdir(parents=True, exist_ok=True)
            replace(path, canonical(listing))

    def kept(self, key: str) -> Listing | None:
        """The listing with this digest, if it was kept."""
        try:
            listing: Listing = json.loads((self._listings / f"{key}.json").read_bytes())
        except FileNotFoundError:
            return None
        return listing

    def save(self) -> None:
        """Write the memory of hashes, if there is something new and a store that can be written."""
        if self._dirty and os.access(self._memory.parent, os.W_OK):
            replace(self._memory, json.dumps(self._known, separators=(",", ":")))
            self._dirty = False

    def _hashes(self, paths: list[Path]) -> list[str]:
        """Of the content of files; those that are not remembered are read several at a time."""
        found = [self._remembered(path) for path in paths]
        unknown = [path for path, value in zip(paths, found, strict=True) if value is None]
        threads = ThreadPoolExecutor(processors())  # the interpreter is free while one hashes
        left = Event()
        try:
            new = threads.map(partial(self._hash, left), unknown)
            return [next(new) if value is None else value for value in found]
        finally:
            left.set()
            threads.shutdown(cancel_futures=True)

    def _remembered(self, path: Path) -> str | None:
        """The hash of a file that is as it was, `UNREADABLE` where none can be had; none where it has to be read."""
        try:
            status = path.stat()
        except OSError:
            return UNREADABLE
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            return UNREADABLE
        name = str(path.absolute())
        mark, value = self._load().get(name, ("", ""))
        return value if mark == _mark(status) and (not self._verify or name in self._verified) else None

    def _hash(self, left: Event, path: Path) -> str:
        """Read a file, if nobody has left who waits for it."""
        content = hashlib.sha256()
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                while not left.is_set() and (block := file.read(BLOCK)):
                    content.update(block)
        except OSError:
            return UNREADABLE
        if left.is_set():
            return UNREADABLE
        value = content.hexdigest()
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > FRESH_NS:
            name = str(path.absolute())
            self._load()[name] = [_mark(status), value]
            self._verified.add(name)
            self._dirty = True
        return value

    def _is_folder(self, pattern: str) -> bool:
        return not glob.has_magic(pattern) and os.path.isdir(resolve(path_of(pattern), self._root))  # noqa: PTH112 - a name may be too long

    def _load(self) -> dict[str, list[str]]:
        if self._known is None:
            try:
                self._known = json.loads(self._memory.read_bytes())
            except (FileNotFoundError, ValueError):
                self._known = {}
        assert self._known is not None
        return self._known


def written(path: Path) -> str:
    r"""A path as text; bytes of it that are no UTF-8, which no reader takes, as `\xff`."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def stamp(path: Path) -> str:
    """What changes when a file does, "" where there is nothing to see."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def digest(listing: Listing) -> str:
    return fingerprint(sorted(listing.items()))
