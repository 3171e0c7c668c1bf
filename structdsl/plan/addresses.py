"""Which sources are of this machine, however they are written: `notes/*.md`, `file:///my%20notes/*.md`, `s3://…`; and
what is neither that nor an address of a store.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

FILE: Final = "file://"
LOCAL: Final = "local://"

_THIS_HOST: Final = "localhost"
_DATABASES: Final = (".duckdb", ".ddb", ".db")
"""What the names of DuckDB files end with."""
_ENCODED: Final = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_LETTERS: Final = re.compile(r"\[!?\]?[^\]]*\]")
"""One letter out of several, in a pattern."""
_CROSSING: Final = re.compile(r"\*{2,}")


def is_remote(pattern: str) -> bool:
    """Whether a pattern is of objects of a store, and of no files of this machine."""
    return "://" in pattern.removeprefix(FILE).removeprefix(LOCAL)


def has_no_path(address: str) -> bool:
    """Whether an address of a file names a machine at most."""
    return address.startswith(FILE) and "/" not in address.removeprefix(FILE)


def other_host(address: str) -> str | None:
    """The machine that an address of a file names, where that is not this one."""
    host = _host(address)
    return host if host.lower() not in {"", _THIS_HOST} else None


def database_of(uri: str) -> str | None:
    """The path of the DuckDB file that has a table, called as what is behind the first `#`; none for files of rows."""
    place = uri.partition("#")[0]
    return place if not is_remote(place) and place.lower().endswith(_DATABASES) else None


def mistaken_stars(pattern: str) -> tuple[str, tuple[str, ...]] | None:
    """The first part of a pattern that has `**` beside other letters, and the patterns that may be meant.

    Such a part would match within one folder, as if it were `*`; none where every `**` stands alone.
    """
    parts = pattern.split("/")
    at = _mistaken(parts)
    if at is None:
        return None
    before, after = _apart(parts[at])
    ways = [[*([f"{before}*"] if before else []), "**", *([f"*{after}"] if after else [])]]
    if before and after:
        ways.append(["**", f"{before}*{after}"])
    meant = ([*parts[:at], *way, *parts[at + 1 :]] for way in ways)
    return parts[at], tuple("/".join(each) for each in meant if _mistaken(each) is None)


def _mistaken(parts: Sequence[str]) -> int | None:
    """Where the first part is that has `**` beside other letters."""
    return next((at for at, part in enumerate(parts) if part != "**" and _CROSSING.search(_hidden(part))), None)


def _apart(part: str) -> tuple[str, str]:
    """What stands before the first `**` of a part, and behind it."""
    stars = _CROSSING.search(_hidden(part))
    assert stars is not None, "it has some"
    return part[: stars.start()], part[stars.end() :]


def _hidden(part: str) -> str:
    """A part of a pattern, as long as it is, without what is in brackets: there an asterisk is a letter."""
    return _LETTERS.sub(lambda letters: "." * len(letters[0]), part)


def path_of(pattern: str) -> str:
    """A pattern of files as a path, where it is written as an address; another pattern as it is.

    What follows `file://` is encoded as addresses are (RFC 8089): `%20` is a space, and `%2A` an asterisk that stands
    for nothing else. What follows `local://`, which only fsspec knows, is a path as it stands.
    """
    if not pattern.startswith(FILE):
        return pattern.removeprefix(LOCAL)
    plain_and_encoded = _ENCODED.split(_without_host(pattern))
    plain_and_encoded[1::2] = map(glob.escape, map(_decoded, plain_and_encoded[1::2]))
    return "".join(plain_and_encoded)


def folder_of(name: str) -> str:
    """A folder as a path, where it is written as an address; none of its letters is a wildcard."""
    return _decoded(_without_host(name)) if name.startswith(FILE) else name.removeprefix(LOCAL)


def _host(address: str) -> str:
    """What stands for a machine in an address of a file, in letters of either case."""
    if not address.startswith(FILE):
        return ""
    host, slash, _ = address.removeprefix(FILE).partition("/")
    return host if slash else ""


def _without_host(address: str) -> str:
    path, host = address.removeprefix(FILE), _host(address)
    return path.removeprefix(host) if host.lower() == _THIS_HOST else path


def _decoded(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))
