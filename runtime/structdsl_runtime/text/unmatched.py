"""What may be meant by a pattern that matches no file: a word of advice for each of the usual slips.

Nothing here decides anything. A pattern is only ever compared with what is there, so that a path which is proposed
leads somewhere; and only with so much of it that the answer comes at once, wherever the pattern begins.
"""

from __future__ import annotations

import difflib
import errno
import fnmatch
import glob
import os
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from structdsl_runtime.files import resolve
from structdsl_runtime.progress import counted
from structdsl_runtime.sources import written

_BRACES: Final = re.compile(r"\{[^{}]*,[^{}]*\}")
_KINDS: Final = 4  # suffixes that are told
_LOOKED_AT: Final = 10_000  # entries of folders at most, for each word of advice
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def helps(pattern: str, root: Path, *, seen: bool) -> tuple[str, ...]:
    """What to write in place of a pattern that matches no file; `seen` says whether its fixed folder can be read."""
    found = tuple(_paths(pattern, root))
    return (*found, *_braces(pattern)) if found or not seen else helps_with(pattern)


def helps_with(pattern: str) -> tuple[str, ...]:
    """What to know of a pattern that matches nothing, from the pattern alone."""
    stars = "`**` matches any number of folders; names that start with a dot are skipped"
    return (*([stars] if glob.has_magic(pattern) else []), *_braces(pattern))


def _braces(pattern: str) -> tuple[str, ...]:
    told = "braces are no wildcard: `*.[mM][dD]` has each letter out of two; other kinds are a corpus each"
    return (told,) if _BRACES.search(pattern) else ()


def state(base: Path) -> str | None:
    """Why nothing can be found in a folder: it is not there, or cannot be read; none where it can."""
    try:
        os.scandir(base).close()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return "is not there"
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    return None


def held(pattern: str, base: Path) -> str | None:
    """What the fixed folder of a pattern holds instead, as in "files there: 12 .txt, 1 .csv".

    As deep as the pattern looks.
    """
    wild = _split(pattern)[1]
    names, whole = _look(base, _depth(wild)) if wild else ([], True)
    kinds = Counter(Path(name).suffix or "without a suffix" for name in names)
    if not kinds:
        return None
    told = [f"{number:,} {kind}" for kind, number in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))]
    least = "" if whole else "at least "
    return f"files there: {least}{', '.join(told[:_KINDS])}{', …' if len(told) > _KINDS else ''}"


def _split(pattern: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parts of a pattern before the first with a wildcard, and the others."""
    parts = resolve(pattern, Path()).parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return parts[:fixed], parts[fixed:]


def _depth(wild: Sequence[str]) -> int | None:
    """How many folders deep parts of a pattern look; none where there is no end."""
    return None if "**" in wild else len(wild)


def _look(base: Path, depth: int | None) -> tuple[list[str], bool]:
    """Paths of files in a folder, the nearest first, but for those that no wildcard stands for; whether these are all.

    They are not where a link leads on, where a folder cannot be read, and after so many entries.
    """
    found: list[str] = []
    folders, looked_at, whole = deque([""]), 0, True
    while folders:
        folder = folders.popleft()
        try:
            with os.scandir(base / folder) as entries:
                for entry in entries:
                    if looked_at == _LOOKED_AT:
                        return found, False
                    looked_at += 1
                    if entry.name.startswith("."):
                        continue
                    if not os.path.isdir(entry.path):  # noqa: PTH112 - raises not
                        found.append(folder + entry.name)
                    elif depth is not None and folder.count("/") + 1 >= depth:
                        continue
                    elif entry.is_symlink():
                        whole = False
                    else:
                        folders.append(f"{folder}{entry.name}/")
        except OSError:
            whole = False
    return found, whole


def _matching(pattern: str, root: Path) -> tuple[int, bool]:
    """How many files a pattern matches at least, and whether these are all; a path without wildcards counts as one."""
    fixed, wild = _split(pattern)
    base = root.joinpath(*fixed)
    if not wild:
        return int(os.path.lexists(base)), True
    names, whole = _look(base, _depth(wild))
    return sum(_fits(name.split("/"), wild) for name in names), whole


def _fits(names: Sequence[str], wild: Sequence[str]) -> bool:
    """Whether the parts of a path are what the parts of a pattern stand for."""
    if not names or not wild:
        return not names and not wild
    first, *rest = wild
    if first == "**":
        return not rest or any(_fits(names[at:], rest) for at in range(len(names)))
    return fnmatch.fnmatchcase(names[0], first) and _fits(names[1:], rest)


def _paths(pattern: str, root: Path) -> Iterator[str]:
    """Advice that names a path that is there."""
    if (near := _near(pattern, root)) is not None:
        yield f"did you mean `{near}`?"
    meant, folder, deeper = _meant(pattern, root), _folder(pattern, root), _deeper(pattern, root)
    if meant is not None:
        yield f"`[…]` is one letter out of several: for brackets that are in a name, write `{meant}`"
    if folder is not None:
        yield f"`{folder}` is a folder: `{pattern.rstrip('/')}/**` names all that such folders hold"
    elif deeper is not None:
        path, number, whole = deeper
        yield f"`{path}` matches {'' if whole else 'at least '}{counted(number, 'file')} in folders below"


def _near(pattern: str, root: Path) -> str | None:
    """The path with another name in place of the first that leads nowhere, where that leads to something."""
    fixed, wild = _split(pattern)
    gone = next((at for at in range(len(fixed)) if not os.path.lexists(root.joinpath(*fixed[: at + 1]))), None)
    if gone is None:
        return None
    there = {other.casefold(): other for other in _names(root.joinpath(*fixed[:gone]))}
    close = difflib.get_close_matches(fixed[gone].casefold(), there, 1)
    if not close:
        return None
    path = Path(*fixed[:gone], there[close[0]], *fixed[gone + 1 :], *wild)
    if not _matching(path.as_posix(), root)[0]:
        return None
    return f"{'./' if pattern.startswith('./') else ''}{written(path)}"


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing in one that cannot be read, of which `state` tells."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _LOOKED_AT))
    except OSError:
        return []


def _meant(pattern: str, root: Path) -> str | None:
    """The pattern with `[[]` in place of brackets in names that are there; none where there is no such name."""
    parts = resolve(pattern, Path()).parts
    for end in range(len(parts), 0, -1):
        there = root.joinpath(*parts[:end])
        if "[" in str(Path(*parts[:end])) and os.path.exists(there):  # noqa: PTH110 - raises not
            escaped = Path(*(part.replace("[", "[[]") for part in parts[:end]), *parts[end:]).as_posix()
            return escaped if _matching(escaped, root)[0] else None
    return None


def _folder(pattern: str, root: Path) -> str | None:
    """A folder that a pattern with wildcards matches."""
    if not glob.has_magic(pattern):
        return None
    found = glob.iglob(str(resolve(pattern, Path(glob.escape(str(root))))))  # noqa: PTH207 - pathlib's skips no dots
    place = next(filter(os.path.isdir, found), None)
    return written(Path(place)).removeprefix(f"{root.as_posix()}/") if place is not None else None


def _deeper(pattern: str, root: Path) -> tuple[str, int, bool] | None:
    """The pattern with `**` before its last part, how many files that matches at least, and whether these are all.

    None where it matches nothing of what is looked at.
    """
    start, slash, last = pattern.rpartition("/")
    if "**" in pattern or not glob.has_magic(last):
        return None
    path = f"{start}{slash}**/{last}"
    number, whole = _matching(path, root)
    return (path, number, whole) if number else None
