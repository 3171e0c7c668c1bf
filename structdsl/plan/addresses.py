"""Which sources are of this machine, however they are written: `notes/*.md`, `file:///my%20notes/*.md`, `s3://…`; and
what is neither that nor an address of a store.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Final
from urllib.parse import unquote_to_bytes

FILE: Final = "file://"
LOCAL: Final = "local://"

_HOST: Final = "localhost"
_ENCODED: Final = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_LETTERS: Final = re.compile(r"\[!?\]?[^\]]*\]")
"""One letter out of several, in a pattern."""


def is_remote(pattern: str) -> bool:
    """Whether a pattern is of objects of a store, and of no files of this machine."""
    return "://" in pattern.removeprefix(FILE).removeprefix(LOCAL)


def host_of(address: str) -> str | None:
    """The other machine that an address of a file names, "" where it has no path; none for what is of this one."""
    rest = address.removeprefix(FILE)
    if rest == address or rest.startswith(("/", f"{_HOST}/")):
        return None
    host, slash, _ = rest.partition("/")
    return host if slash else ""


def crossing(pattern: str) -> tuple[str, str | None] | None:
    """The first part of a pattern that has `**` beside other letters, and the pattern as it may be meant.

    Such a part would match within one folder, as if it were `*`; none where every `**` stands alone.
    """
    parts = pattern.split("/")
    plain = [_LETTERS.sub("[]", part) for part in parts]
    at = next((at for at, part in enumerate(plain) if "**" in part and part != "**"), None)
    if at is None:
        return None
    before, _, after = parts[at].partition("**")
    after = after.lstrip("*")
    if before and after:
        return parts[at], None
    apart = [*([f"{before}*"] if before else []), "**", *([f"*{after}"] if after else [])]
    meant = "/".join((*parts[:at], *apart, *parts[at + 1 :]))
    return parts[at], meant if crossing(meant) is None else None


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


def _without_host(address: str) -> str:
    path = address.removeprefix(FILE)
    return path.removeprefix(_HOST) if path.startswith(f"{_HOST}/") else path


def _decoded(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))
