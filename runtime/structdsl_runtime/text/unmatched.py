"""What may be meant by a pattern that matches no file: a word of advice for each of the usual slips.

Nothing here decides anything. A pattern is only ever compared with what is there, so that a path which is proposed
leads somewhere.
"""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from structdsl_runtime.files import resolve
from structdsl_runtime.globs import match
from structdsl_runtime.progress import counted
from structdsl_runtime.sources import written

_BRACES: Final = re.compile(r"\{[^{}]*,[^{}]*\}")
_KINDS: Final = 4  # ends of names that are told
_LOOKED_AT: Final = 10_000  # files at most, of a folder in which none matches


def helps(pattern: str, root: Path | None = None) -> tuple[str, ...]:
    """What to write in place of a pattern that matches nothing; without `root`, from the pattern alone."""
    found = () if root is None else tuple(_paths(pattern, root))
    if not found and glob.has_magic(pattern) and (root is None or match(pattern, root)[0].is_dir()):
        found = ("`**` matches any number of folders; names that start with a dot are skipped",)
    braces = "braces are no wildcard: `*.[mM][dD]` has each letter out of two; other kinds are a corpus each"
    return (*found, braces) if _BRACES.search(pattern) else found


def held(pattern: str, base: Path) -> str | None:
    """What the fixed folder of a pattern holds instead, as in "files there: 12 .txt, 1 .csv"."""
    kinds = Counter(Path(name).suffix or "without an end" for name in islice(_names(base, "**" in pattern), _LOOKED_AT))
    if not kinds or not glob.has_magic(pattern):
        return None
    told = [f"{number:,} {kind}" for kind, number in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))]
    return f"files there: {', '.join(told[:_KINDS])}{', …' if len(told) > _KINDS else ''}"


def _names(base: Path, deep: bool) -> Iterator[str]:  # noqa: FBT001 - of a helper
    """Names of files in a folder, and below it if asked, but for those that no wildcard stands for."""
    for _, folders, files in os.walk(base):
        folders[:] = [folder for folder in folders if deep and not folder.startswith(".")]
        yield from (file for file in files if not file.startswith("."))


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
        path, number = deeper
        yield f"`{path}` matches {counted(number, 'file')} in folders below"


def _near(pattern: str, root: Path) -> str | None:
    """The path with another name in place of the first that leads nowhere, where that leads to a file."""
    parts = resolve(pattern, Path()).parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    gone = next((at for at in range(fixed) if not os.path.lexists(root.joinpath(*parts[: at + 1]))), None)
    folder = root.joinpath(*parts[:gone])
    if gone is None or not folder.is_dir():
        return None
    there = {other.casefold(): other for other in sorted(os.listdir(folder))}  # noqa: PTH208 - a name may be no text
    close = difflib.get_close_matches(parts[gone].casefold(), there, 1)
    if not close:
        return None
    path = Path(*parts[:gone], there[close[0]], *parts[gone + 1 :])
    if not match(path.as_posix(), root)[1]:
        return None
    return f"{'./' if pattern.startswith('./') else ''}{written(path)}"


def _meant(pattern: str, root: Path) -> str | None:
    """The pattern with `[[]` in place of brackets in names that are there; none where there is no such name."""
    parts = resolve(pattern, Path()).parts
    for end in range(len(parts), 0, -1):
        there = root.joinpath(*parts[:end])
        if "[" in str(Path(*parts[:end])) and there.exists():
            escaped = Path(*(part.replace("[", "[[]") for part in parts[:end]), *parts[end:]).as_posix()
            return escaped if match(escaped, root)[1] else None
    return None


def _folder(pattern: str, root: Path) -> str | None:
    """A folder that a pattern with wildcards matches."""
    if not glob.has_magic(pattern):
        return None
    found = glob.iglob(str(resolve(pattern, Path(glob.escape(str(root))))))  # noqa: PTH207 - pathlib's skips no dots
    place = next(filter(os.path.isdir, found), None)
    return written(Path(place)).removeprefix(f"{root.as_posix()}/") if place is not None else None


def _deeper(pattern: str, root: Path) -> tuple[str, int] | None:
    """The pattern with `**` before its last part, and how many files that matches; none where it matches nothing."""
    start, slash, last = pattern.rpartition("/")
    if "**" in pattern or not glob.has_magic(last):
        return None
    path = f"{start}{slash}**/{last}"
    number = len(match(path, root)[1])
    return (path, number) if number else None
