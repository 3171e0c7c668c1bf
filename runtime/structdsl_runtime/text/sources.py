"""The files behind a pattern: which they are, what each is called, and why one cannot be read."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from structdsl.plan.addresses import path_of
from structdsl_runtime.files import resolve
from structdsl_runtime.globs import match
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.room import FULL
from structdsl_runtime.sources import stamp, written
from structdsl_runtime.text import unmatched

BUFFER: Final = 1 << 20
"""Bytes of a file that are read together, however few are asked for: lines of text are mostly a few thousand."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file: where it is, its name below the fixed part of the pattern, and the name that tables show."""

    path: Path
    name: str  # "01-intro.md"
    shown: str  # relative to the folder of the spec where it lies below it
    stamp: str  # size, time and inode when it was found: another stamp is another file

    def open(self) -> BinaryIO:
        return self.path.open("rb", buffering=BUFFER)

    def now(self) -> str:
        """The stamp that it has by now."""
        return stamp(self.path)

    @property
    def size(self) -> int:
        """Bytes, when it was found."""
        return int(self.stamp.partition(" ")[0] or 0)


class Readable(Protocol):
    """A file, or an object of a store."""

    @property
    def name(self) -> str: ...
    @property
    def shown(self) -> str: ...
    @property
    def stamp(self) -> str: ...
    @property
    def size(self) -> int: ...
    def open(self) -> BinaryIO: ...
    def now(self) -> str: ...


def find(pattern: str, root: Path) -> list[Source]:
    """The files of a pattern in the order of their shown paths.

    Raises Fault E0513 where there is none, E0515 for a folder that is named outright, for what is there and no file, as
    pipes and devices are, and for a name that is no UTF-8.
    """
    pattern = path_of(pattern)
    if not glob.has_magic(pattern) and os.path.isdir(resolve(pattern, root)):  # noqa: PTH112 - raises not
        raise a_folder(pattern)
    base, files = match(pattern, root)
    if not files:
        state = unmatched.state(base)
        there = f"{_absolute(base)}{', which ' if state is not None else ''}{state or ''}"
        helps, held = unmatched.helps(pattern, root, seen=state is None), unmatched.held(pattern, base)
        raise nothing_matches(pattern, there, helps=helps, held=held)
    for path in files:
        name = path.relative_to(base)
        if written(name) != name.as_posix():
            raise unreadable(written(name), "its name is not in UTF-8", "rename it")
    sources = sorted((_source(path, root, base) for path in files), key=lambda source: source.shown)
    broken = Broken()
    for source in sources:
        with broken.noted():
            _check_kind(source)
    broken.check()
    return sources


KINDS: Final = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
"""What may stand under a name beside files and folders; to open it may wait for ever, or read without end."""


def _check_kind(source: Source) -> None:
    """Raise Fault E0515 for what is no file, by a link or itself; what else is wrong is left to its reader."""
    try:
        mode = source.path.stat().st_mode
    except OSError as error:
        if source.path.is_symlink() and error.errno in {errno.ENOENT, errno.ELOOP}:
            raise unreadable(source.shown, "it is a link that leads nowhere") from None
        return
    kind = next((name for is_kind, name in KINDS if is_kind(mode)), None)
    if kind is not None:
        raise unreadable(source.shown, f"it is a {kind}, not a file")


NAMED: Final = "whatever its name says"
OTHERS: Final = (("incorrect header check", "gzip"), ("Unknown frame descriptor", "zstd"))
"""What libraries say of files that no such compression has made."""


@contextmanager
def readable(shown: str) -> Iterator[None]:
    """Turns what the system says about a file into Fault E0515; that a disk is full is said of no file that is read."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise
        said = error.strerror or str(error)
        reason = next(
            (f"it is not compressed by {name}, {NAMED}" for words, name in OTHERS if words in said), _lower(said)
        )
        raise unreadable(shown, reason) from None


MOST_NAMED: Final = 10  # files of a source that cannot be read


@dataclass(slots=True)
class Broken:
    """Files of a source that cannot be read: all are looked at before one stops the run."""

    faults: list[Fault] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Goes on where a file cannot be read."""
        try:
            yield
        except Fault as fault:
            if fault.code != "E0515":
                raise
            self.faults.append(fault)

    def check(self) -> None:
        """Raise Fault E0515 that names them, where there are any."""
        if len(self.faults) == 1:
            raise self.faults[0]
        if self.faults:
            more = len(self.faults) - MOST_NAMED
            raise Fault(
                "E0515",
                f"{len(self.faults)} files cannot be read",
                notes=(*(fault.message for fault in self.faults[:MOST_NAMED]), *([f"and {more} more"] * (more > 0))),
                helps=tuple(dict.fromkeys(help_ for fault in self.faults for help_ in fault.helps)),
            )


def unreadable(name: str, reason: str, help_: str | None = None) -> Fault:
    return Fault("E0515", f"`{name}` cannot be read: {reason}", helps=(help_,) if help_ else ())


def a_folder(pattern: str) -> Fault:
    """Fault E0515 for a folder where files are wanted."""
    below = f"{pattern.rstrip('/')}/**"
    return unreadable(pattern, "it is a folder", f"`{below}/*.md` names files in it, `{below}` all that it holds")


CHANGED: Final = "run again when nothing writes to it"


def check_listed(found: Iterable[Readable], listed: Mapping[str, str] | None) -> None:
    """Raise Fault E0515 where what was found is not what the run listed: `listed` has the stamps that it had then.

    What is made of a source is kept under what it was when it was listed; none where nothing is kept.
    """
    if listed is None:
        return
    there = {source.name: source for source in found}
    for name, source in there.items():
        if name not in listed:
            reason = "it was not there when the run began"
            raise unreadable(source.shown, reason, "run again when nothing writes to the folder")
        if listed[name] != source.stamp:
            raise unreadable(source.shown, "it changed after the run began", CHANGED)
    gone = next((name for name in listed if name not in there), None)
    if gone is not None:
        raise unreadable(gone, "it was there when the run began, and is no more", CHANGED)


@contextmanager
def as_listed(context: Context, shown: str) -> Iterator[None]:
    """What is read within is what the run listed of the sources of the step, and still is when all of it is read.

    Raises Fault E0515 that names the file, or `shown` for what changed meanwhile.
    """

    def found() -> dict[str, list[Source]]:
        return {pattern: below(pattern, context.root) for pattern in context.listed}

    before = found()
    for pattern, files in before.items():
        check_listed(files, context.listing(pattern))
    changed = unreadable(shown, "it changed while it was read", CHANGED)
    try:
        yield
    except (Fault, OSError) as error:  # of what is half there
        if found() != before:
            raise changed from error
        raise
    if found() != before:
        raise changed


def nothing_matches(pattern: str, base: str, *, helps: tuple[str, ...], held: str | None) -> Fault:
    """Fault E0513 for a pattern; `base` is where it was looked for, `held` what is there instead."""
    notes = (f"looked in {base}", *(() if held is None else (held,)))
    return Fault("E0513", f"no file matches `{pattern}`", notes=notes, helps=helps)


def below(pattern: str, root: Path) -> list[Source]:
    """All files that a pattern matches, or that lie below the folder that it names, whatever they are called."""
    base, files = match(pattern, root)
    return [replace(_source(path, root, base), name=written(path.relative_to(base))) for path in files]


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


def _source(path: Path, root: Path, base: Path) -> Source:
    name = path.relative_to(base).as_posix()
    path, folder = _absolute(path), _absolute(root)
    below = path.is_relative_to(folder)
    shown = (path.relative_to(folder) if below else path).as_posix()
    return Source(path=path, name=name, shown=shown, stamp=stamp(path))


def _absolute(path: Path) -> Path:
    """Absolute and without `..`; links keep the names under which the user knows them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 — `resolve` would follow links
