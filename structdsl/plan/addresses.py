"""Which sources are of this machine, however they are written: `notes/*.md`, `file:///my%20notes/*.md`, `s3://…`."""

from __future__ import annotations

import glob
import os
from re import split as pieces
from typing import Final
from urllib.parse import unquote_to_bytes

FILE: Final = "file://"
LOCAL: Final = "local://"

_HOST: Final = "localhost/"


def is_remote(pattern: str) -> bool:
    """Whether a pattern is of objects of a store, and of no files of this machine."""
    return "://" in pattern.removeprefix(FILE).removeprefix(LOCAL)


def path_of(pattern: str) -> str:
    """A pattern of files as a path, where it is written as an address; another pattern as it is.

    What follows `file://` is encoded as addresses are (RFC 8089): `%20` is a space, and `%2A` an asterisk that stands
    for nothing else. What follows `local://`, which only fsspec knows, is a path as it stands.
    """
    if not pattern.startswith(FILE):
        return pattern.removeprefix(LOCAL)
    path = pattern.removeprefix(FILE)
    path = path.removeprefix(_HOST[:-1]) if path.startswith(_HOST) else path
    return "".join(
        glob.escape(os.fsdecode(unquote_to_bytes(piece))) if encoded else piece
        for encoded, piece in ((number % 2 == 1, piece) for number, piece in enumerate(pieces(_ENCODED, path)))
    )


_ENCODED: Final = r"((?:%[0-9A-Fa-f]{2})+)"
