"""Which files a pattern of the spec names: `notes/**/*.md`, `~/notes/a.md`, `file:///data/*.jsonl`.

Wildcards are those of the shell: `*`, `?` and `[…]` stay within a folder, `**` crosses folders, and none of them
stands for a dot at the front of a name. Links are followed, but never into a folder that they lie in themselves: there
everything would be found again, at every depth.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from structdsl.plan.addresses import path_of
from structdsl_runtime.files import identity, resolve, walk, within

Around = frozenset[tuple[int, int]]  # the identities of a folder and of those that it is in


def match(pattern: str, root: Path) -> tuple[Path, list[Path]]:
    """The fixed folder of a POSIX glob (`**` included) and the files that match, sorted by their path in it.

    A path without wildcards is that file, or all files below that folder.
    """
    parts = resolve(path_of(pattern), Path()).parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base = root.joinpath(*parts[:fixed])
    if fixed == len(parts):
        if os.path.isdir(base):  # noqa: PTH112 - a name may be too long to be asked for
            return base, walk(base)
        return base.parent, [base] if os.path.exists(base) else []  # noqa: PTH110 - the same
    below = tuple(
        part
        for part, before in zip(parts[fixed:], ("", *parts[fixed:]), strict=False)
        if part != before or part != "**"
    )
    return base, [base / name for name in sorted(set(_matching(str(base), "", below, within(base))))]


def _matching(folder: str, name: str, parts: tuple[str, ...], around: Around) -> Iterator[str]:
    """The names below the fixed folder of all files in `folder`, which is called `name` there, that match `parts`."""
    first, rest = parts[0], parts[1:]
    if not glob.has_magic(first):
        place = os.path.join(folder, first)  # noqa: PTH118 - a name may be no text, and there are many
        if not os.path.isdir(place):  # noqa: PTH112 - the same
            yield from [] if rest or not os.path.lexists(place) else [name + first]
        elif rest:
            now = within(Path(place)) if first == ".." else around.union(filter(None, (identity(place),)))
            yield from _matching(place, f"{name}{first}/", rest, now)
        return
    deep = first == "**"
    if deep and rest:
        yield from _matching(folder, name, rest, around)
    fits = re.compile(fnmatch.translate("*" if deep else first)).match
    for entry, is_folder in _entries(folder):
        if not fits(entry) or (entry.startswith(".") and not first.startswith(".")):
            continue
        if not is_folder:
            yield from [] if rest else [name + entry]
        elif rest or deep:
            place = os.path.join(folder, entry)  # noqa: PTH118 - the same
            which = identity(place)
            if which is not None and which not in around:
                yield from _matching(place, f"{name}{entry}/", parts if deep else rest, around | {which})


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """What is in a folder, and whether it is, or leads to, a folder; nothing of one that may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        yield entry.name, os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112 - raises not
