"""Slugs: the parts of a path that people type in SQL."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

_OTHERS: Final = re.compile("[^a-z0-9]+")


@functools.lru_cache(maxsize=1 << 16)
def slug(title: str) -> str:
    """`The Cell Cycle & DNA` becomes `the-cell-cycle-dna`; letters, marks and digits of every script stay."""
    if title.isascii():
        return _OTHERS.sub("-", title.lower()).strip("-") or "untitled"
    kept = (
        character if unicodedata.category(character)[0] in "LMN" else " "
        for character in unicodedata.normalize("NFKC", title).lower()
    )
    return "-".join("".join(kept).split()) or "untitled"


def slug_path(path: str) -> str:
    """The path of a node from what a source calls it: `The Cell/Parts` becomes `the-cell/parts`."""
    return "/".join(slug(part) for part in path.split("/"))
