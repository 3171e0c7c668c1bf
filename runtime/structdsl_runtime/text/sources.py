"""The files behind a pattern: which they are, what each is called, and why one cannot be read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structdsl_runtime.files import resolve
from structdsl_runtime.operation import Fault
from structdsl_runtime.sources import match

WHOLE: Final = frozenset({".md", ".markdown", ".txt"})
ROWS: Final = frozenset({".jsonl", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Source:
    """A file: where it is, its name below the fixed part of the pattern, and the name that tables show."""

    path: Path
    name: str  # "01-intro.md"
    shown: str  # relative to the folder of the spec where it lies below it

    @property
    def whole(self) -> bool:
        return self.path.suffix.lower() in WHOLE


def find(pattern: str, root: Path) -> list[Source]:
    """The files of a pattern in the order of their shown paths.

    Raises Fault E0513 where there is none, E0515 for a folder that is named outright and for a file of another kind.
    """
    if not glob.has_magic(pattern) and resolve(pattern, root).is_dir():
        raise unreadable(pattern, "it is a folder", f'write `files("{pattern.rstrip("/")}/**/*.md")` for what it holds')
    base, files = match(pattern, root)
    if not files:
        raise Fault(
            "E0513",
            f"no file matches `{pattern}`",
            notes=(f"looked in {_absolute(base)}",),
            helps=("`**` matches any number of folders; names that start with a dot are skipped",),
        )
    sources = sorted((_source(path, root, base) for path in files), key=lambda source: source.shown)
    for source in sources:
        if source.path.suffix.lower() not in WHOLE | ROWS:
            kinds = ", ".join(f"`{suffix}`" for suffix in sorted(WHOLE | ROWS))
            raise unreadable(source.shown, "not a kind of file that is read", f"files that are read: {kinds}")
    return sources


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turns what the system says about a file into Fault E0515."""
    try:
        yield
    except OSError as error:
        raise unreadable(source.shown, (error.strerror or str(error)).lower()) from None


def unreadable(name: str, reason: str, help_: str | None = None) -> Fault:
    return Fault("E0515", f"`{name}` cannot be read: {reason}", helps=(help_,) if help_ else ())


def _source(path: Path, root: Path, base: Path) -> Source:
    name = path.relative_to(base).as_posix()
    path, folder = _absolute(path), _absolute(root)
    below = path.is_relative_to(folder)
    return Source(
        path=path,
        name=name,
        shown=(path.relative_to(folder) if below else path).as_posix(),
    )


def _absolute(path: Path) -> Path:
    """Absolute and without `..`; links keep the names under which the user knows them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 — `resolve` would follow links
